"""Tensors as such: conversion, dtype, shape, and gradients by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import dtypes
from kerata.engine.dtypes import as_array, canonical
from kerata.engine.op import op
from kerata.engine.sparse import dense, is_sparse
from kerata.engine.symbolic import KerasTensor
from kerata.engine.variable import Variable
from kerata.ops import arguments


@op
def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """Return `x` as a tensor.

    Args:
        x: array, number, `Variable`, or a list or tuple of these, nested at will.
        dtype: None keeps the dtype of arrays; numbers get `floatx()` or int32.
        sparse: False makes a sparse tensor dense; others stay as they are.
        ragged: kept for compatibility.

    Example:
        >>> kerata.ops.convert_to_tensor([1, 2], dtype="float32")
        Array([1., 2.], dtype=float32)
    """
    x = dense(x) if sparse is False else x
    if is_sparse(x):
        return x if dtype in (None, x.dtype) else cast(x, dtype)
    if hasattr(x, "todense"):  # a matrix of SciPy's
        x = x.todense()
    if dtype is None:
        return arguments.array(x)
    dtype = canonical(dtype)
    return x if isinstance(x, jax.Array) and x.dtype == dtype else jnp.asarray(x, dtype)


@op
def array(x, dtype=None):
    """Return `x` as a tensor, in `dtype` if one is given.

    Example:
        >>> kerata.ops.array([1, 2])
        Array([1, 2], dtype=int32)
    """
    x = arguments.array(x)
    return x if dtype is None else x.astype(canonical(dtype))


def convert_to_numpy(x):
    """Return `x` as a NumPy array, a copy.

    Args:
        x: tensor, `Variable`, number or list; not a symbolic or traced tensor, which has no
            values.

    Example:
        >>> kerata.ops.convert_to_numpy([1, 2])
        array([1, 2], dtype=int32)
    """
    if isinstance(x, Variable):
        x = x.value
    if isinstance(x, list | tuple):
        x = as_array([convert_to_numpy(v) if isinstance(v, Variable) else v for v in x])
    return np.array(dense(x))


@op
def cast(x, dtype):
    """Return `x` converted to `dtype`; fractions are cut off on the way to integers.

    Args:
        x: tensor.
        dtype: name of a dtype.

    Example:
        >>> kerata.ops.cast([1.7, 2.2], "int32")
        Array([1, 2], dtype=int32)
    """
    x, dtype = arguments.array(x), canonical(dtype)
    if jnp.iscomplexobj(x) and not dtype.startswith("complex") and dtype != "bool":
        x = x.real
    return x.astype(dtype)


@op
def saturate_cast(x, dtype):
    """Return `x` converted to `dtype`; what does not fit becomes the nearest number that does.

    Args:
        x: real tensor.
        dtype: name of a dtype.

    Example:
        >>> kerata.ops.saturate_cast([-5, 300], "uint8")
        Array([  0, 255], dtype=uint8)
    """
    x, dtype = arguments.array(x), canonical(dtype)
    (least, greatest), (own_least, own_greatest) = _limits(dtype), _limits(x.dtype.name)
    low = max(least, own_least)
    # The greatest integer of 32 bits is no float32; the next lower one must limit it there.
    high = min(greatest, own_greatest)
    if dtypes.is_float(x.dtype) and dtypes.is_int(dtype):
        limit = np.asarray(high, x.dtype)
        high = np.nextafter(limit, np.zeros_like(limit)) if int(limit) > high else limit
    wide = x.astype("int32") if x.dtype == bool else x
    return jnp.clip(wide, jnp.asarray(low, wide.dtype), jnp.asarray(high, wide.dtype)).astype(dtype)


def _limits(dtype: str):
    """Return the least and the greatest number of a dtype, as Python numbers."""
    if dtype == "bool":
        return 0, 1
    info = jnp.iinfo(dtype) if dtypes.is_int(dtype) else jnp.finfo(dtype)
    number = int if dtypes.is_int(dtype) else float
    return number(info.min), number(info.max)


def shape(x):
    """Return the shape of a tensor, as a tuple of integers; None where it is not known.

    Example:
        >>> kerata.ops.shape(kerata.KerasTensor((None, 3)))
        (None, 3)
    """
    found = getattr(x, "shape", None)
    return tuple(arguments.array(x).shape if found is None else found)


def dtype(x):
    """Return the dtype of a tensor, as a string.

    Example:
        >>> kerata.ops.dtype(kerata.ops.zeros((2,)))
        'float32'
    """
    return dtypes.dtype_of(x)


def is_tensor(x):
    """Return whether `x` is a tensor (an array of JAX's, or sparse; a `Variable` is not one).

    Example:
        >>> kerata.ops.is_tensor(kerata.ops.zeros((2,))), kerata.ops.is_tensor([1, 2])
        (True, False)
    """
    return isinstance(x, jax.Array) or is_sparse(x)


def ndim(x):
    """Return the number of axes, an integer.

    Example:
        >>> kerata.ops.ndim([[1, 2], [3, 4]])
        2
    """
    return len(shape(x))


@op
def _size(x):
    return jnp.asarray(x.size, "int32")


def size(x):
    """Return the number of elements: an integer, or for a symbolic tensor a symbolic scalar.

    Example:
        >>> kerata.ops.size([[1, 2], [3, 4]])
        4
    """
    if isinstance(x, KerasTensor):
        return _size(x)
    return int(np.prod(shape(x), dtype=np.int64))


def custom_gradient(f):
    """Make a function whose gradient is given by hand.

    Args:
        f: function of tensors that returns `(outputs, gradient)`, where `gradient(upstream)`
            returns the gradients with respect to the arguments: one, or a tuple.

    Returns:
        A function that returns `outputs`.

    Example:
        >>> @kerata.ops.custom_gradient
        ... def twice(x):
        ...     return 2 * x, lambda upstream: 100 * upstream
        >>> float(kerata.grad(twice, argnums=0)(1.0))
        100.0
    """
    pure = jax.custom_gradient(f)

    def function(*args):
        return pure(*args)

    # Its name, but not its signature: JAX takes these arguments by position only.
    function.__name__, function.__doc__ = f.__name__, f.__doc__
    return op(function)
