"""Utilities (public namespace `kerata.utils`)."""

from kerata.engine.configurable import (
    CustomObjectScope as CustomObjectScope,
    custom_object_scope as custom_object_scope,
    deserialize,
    get_custom_objects as get_custom_objects,
    get_registered_name as get_registered_name,
    get_registered_object as get_registered_object,
    publish,
    register_keras_serializable as register_keras_serializable,
    serialize,
)
from kerata.engine.dtypes import standardize_dtype as standardize_dtype
from kerata.engine.rng import set_random_seed as set_random_seed
from kerata.engine.settings import (
    disable_interactive_logging as disable_interactive_logging,
    enable_interactive_logging as enable_interactive_logging,
    is_interactive_logging_enabled as is_interactive_logging_enabled,
)
from kerata.utils.numerical import (
    normalize as normalize,
    pack_x_y_sample_weight as pack_x_y_sample_weight,
    to_categorical as to_categorical,
    unpack_x_y_sample_weight as unpack_x_y_sample_weight,
)
from kerata.utils.progbar import Progbar as Progbar
from kerata.utils.py_dataset import PyDataset as PyDataset
from kerata.utils.session import clear_session as clear_session

Sequence = PyDataset
serialize_keras_object = serialize
deserialize_keras_object = deserialize


def is_keras_tensor(x) -> bool:
    """Return whether `x` is a symbolic tensor that a functional model can be made with."""
    from kerata.engine.symbolic import KerasTensor

    return isinstance(x, KerasTensor)


def version() -> str:
    """Return the version of kerata."""
    import kerata

    return kerata.__version__


publish(globals())
