"""What Keras's programs ask a backend for (public namespace `kerata.backend`)."""

from kerata.engine.dtypes import result_type as result_type, standardize_dtype as standardize_dtype
from kerata.engine.naming import get_uid as get_uid
from kerata.engine.registry import publish
from kerata.engine.settings import (
    backend as backend,
    epsilon as epsilon,
    floatx as floatx,
    image_data_format as image_data_format,
    set_epsilon as set_epsilon,
    set_floatx as set_floatx,
    set_image_data_format as set_image_data_format,
)
from kerata.utils import clear_session as clear_session, is_keras_tensor as is_keras_tensor


def is_float_dtype(dtype) -> bool:
    """Return whether `dtype` is a floating type."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype) -> bool:
    """Return whether `dtype` is an integer type."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def __getattr__(name: str):
    from kerata import ops
    from kerata.engine.errors import absent

    known = {} if name.startswith("_") or not hasattr(ops, name) else {name: f"kerata.ops.{name}"}
    raise absent(__name__, name, known)


publish(globals())
