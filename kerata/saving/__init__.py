"""Models, and objects, to files and back (public namespace `kerata.saving`)."""

from kerata.engine.configurable import (
    CustomObjectScope as CustomObjectScope,
    custom_object_scope as custom_object_scope,
    deserialize as deserialize_keras_object,
    get_custom_objects as get_custom_objects,
    get_registered_name as get_registered_name,
    get_registered_object as get_registered_object,
    publish,
    register_keras_serializable as register_keras_serializable,
    serialize as serialize_keras_object,
)
from kerata.engine.errors import (
    DamagedFileError as DamagedFileError,
    UnsafeModelError as UnsafeModelError,
)
from kerata.saving.api import (
    load_model as load_model,
    load_weights as load_weights,
    save_model as save_model,
    save_weights as save_weights,
)
from kerata.saving.editor import KerasFileEditor as KerasFileEditor

publish(globals())
