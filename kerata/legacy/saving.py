"""Objects and configs in the form of Keras 2 (public namespace `kerata.legacy.saving`)."""

from kerata.utils.legacy import (
    deserialize_keras_object as deserialize_keras_object,
    serialize_keras_object as serialize_keras_object,
)
