"""Names of dtypes, and how they promote.

A dtype is a string ("float32") everywhere in the public API. Promotion is Keras's: that of NumPy
for arrays, except that integers never turn floats into wider floats, and Python numbers are weak
(they take the tensor's dtype). 64-bit types exist only where JAX's 64-bit mode is on.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import settings
from kerata.engine.errors import unknown_name

BOOL = ("bool",)
INTS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
NARROW = ("int4", "uint4", "int2", "uint2", "float8_e4m3", "float8_e4m3b11fnuz")
ALLOWED = (*BOOL, *INTS, *FLOATS, "complex64", "complex128", "string", *NARROW)

_PYTHON = {
    bool: "bool",
    int: "int32",
    "int": "int32",
    float: None,
    complex: "complex64",
    str: "string",
}


def standardize_dtype(dtype) -> str:
    """Return the name of `dtype`.

    Args:
        dtype: a name, a NumPy or JAX dtype, a Python type, or None for `floatx()`.

    Raises:
        ValueError: if there is no such dtype.

    Example:
        >>> kerata.backend.standardize_dtype(float)
        'float32'
    """
    if dtype is None:
        return settings.floatx()
    if isinstance(dtype, str) and dtype in ALLOWED:
        return dtype
    try:
        if dtype in _PYTHON:
            return _PYTHON[dtype] or settings.floatx()
    except TypeError:
        pass
    name = getattr(dtype, "name", None)
    if not isinstance(name, str):
        name = getattr(dtype, "__name__", str(dtype))
    name = str(name).removeprefix("torch.")
    if name in ("object", "object_") or name.lower().startswith(("str", "bytes")):
        return "string"
    if name == "bool_":
        return "bool"
    if name not in ALLOWED:
        raise unknown_name("dtype", dtype, ALLOWED)
    return name


def dtype_of(x) -> str:
    """Return the name of the dtype that `x` has, or gets when it becomes a tensor."""
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, int):
        return "int32"
    if isinstance(x, float):
        return settings.floatx()
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        x = np.asarray(x)
        return settings.floatx() if x.dtype == np.float64 else standardize_dtype(x.dtype)
    return standardize_dtype(dtype)


def is_float(dtype) -> bool:
    """Return whether `dtype` is a real floating type."""
    return "float" in standardize_dtype(dtype)


def is_int(dtype) -> bool:
    """Return whether `dtype` is an integer type (bool is not)."""
    return "int" in standardize_dtype(dtype)


def is_bool(dtype) -> bool:
    """Return whether `dtype` is bool."""
    return standardize_dtype(dtype) == "bool"


def is_complex(dtype) -> bool:
    """Return whether `dtype` is complex."""
    return standardize_dtype(dtype).startswith("complex")


def canonical(dtype) -> str:
    """Return the dtype that an array gets: 64-bit names become 32-bit unless JAX allows them."""
    name = standardize_dtype(dtype)
    if name.endswith("64") and name != "complex64" and not jax.config.jax_enable_x64:
        return {"complex128": "complex64"}.get(name, name.replace("64", "32"))
    return name


@functools.cache
def _promote(types: tuple, x64: bool, floatx: str) -> str:
    # `x64` is part of the key because the answer depends on it.
    widths = [t for t in types if isinstance(t, str)]
    if float in types and not any(is_float(t) or is_complex(t) for t in widths):
        return floatx
    standins = [t(0) if isinstance(t, type) else jnp.zeros((), canonical(t)) for t in types]
    return standardize_dtype(jnp.result_type(*standins))


def result_type(*dtypes) -> str:
    """Return the dtype that an operation on `dtypes` works in.

    Args:
        *dtypes: names of dtypes, or the Python types `bool`, `int` and `float`, which are weak:
            they promote the kind, never the width.

    Example:
        >>> kerata.backend.result_type("int32", float)
        'float32'
        >>> kerata.backend.result_type("bfloat16", float)
        'bfloat16'
    """
    if not dtypes:
        return settings.floatx()
    types = tuple(d if d in (bool, int, float) else standardize_dtype(d) for d in dtypes)
    return _promote(types, bool(jax.config.jax_enable_x64), settings.floatx())


def as_float(x) -> jax.Array:
    """Return `x` as an array of a floating dtype: integers and booleans become `floatx()`."""
    x = as_array(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(settings.floatx())


def as_array(x) -> jax.Array:
    """Return `x` as an array; Python floats, alone or in lists, become `floatx()`."""
    if hasattr(x, "dtype"):
        return jnp.asarray(x)
    x = jnp.asarray(x)
    if x.dtype == jnp.float32 and settings.floatx() != "float32":
        return x.astype(settings.floatx())
    return x
