"""What ops do with their arguments before the work begins: conversion and checks.

Bodies of ops get arrays, Python numbers and lists (see `engine.op`). The functions here turn them
into arrays and turn mistakes that can be seen coming into errors that name the argument.
"""

import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import settings
from kerata.engine.dtypes import as_array
from kerata.engine.symbolic import unknown_size

ArrayLike = jax.typing.ArrayLike


def array(x) -> jax.Array:
    """Return `x` as an array; Python numbers stay weak, so they do not widen other operands."""
    if isinstance(x, jax.Array):
        return x
    return as_array(x) if isinstance(x, list | tuple) else jnp.asarray(x)


def arrays(*xs) -> list[jax.Array]:
    """Return `xs` as arrays, checked to have shapes that broadcast together.

    Raises:
        ValueError: if they do not.
    """
    found = [array(x) for x in xs]
    shapes = [x.shape for x in found]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            "The shapes of the operands must be equal, or broadcast: aligned at the last axis, "
            "each pair of sizes must be equal or have a 1.\n"
            f"Received: shapes {', '.join(map(str, shapes))}"
        ) from None
    return found


def float_arrays(*xs) -> list[jax.Array]:
    """Return `xs` as `arrays` does; where none is floating, all become `floatx()`."""
    found = arrays(*xs)
    if jnp.issubdtype(jnp.result_type(*found), jnp.inexact):
        return found
    return [x.astype(settings.floatx()) for x in found]


def common_float(*xs) -> list[jax.Array]:
    """Return `xs`, of any shapes, as arrays of their common floating dtype."""
    found = [array(x) for x in xs]
    dtype = jnp.result_type(*found)
    is_float = jnp.issubdtype(dtype, jnp.inexact)
    return [x.astype(dtype if is_float else settings.floatx()) for x in found]


def bools_as_ints(x) -> jax.Array:
    """Return `x` as an array; booleans become int32, for arithmetic that bool does not have."""
    x = array(x)
    return x.astype("int32") if x.dtype == bool else x


def integers(x) -> jax.Array:
    """Return `x`, which are indices, as integers; the fractions of floats are cut off."""
    x = array(x)
    return x if jnp.issubdtype(x.dtype, jnp.integer) else x.astype("int32")


def one_axis(axis, rank: int, name: str = "axis") -> int:
    """Return `axis` counted from the front.

    Raises:
        ValueError: if a tensor of `rank` axes has no such axis.
    """
    try:
        index = operator.index(axis)
    except TypeError:
        raise TypeError(f"`{name}` must be an integer.\nReceived: {name}={axis!r}") from None
    if not -rank <= index < rank:
        allowed = f"from {-rank} to {rank - 1}" if rank else "absent, as it is a scalar"
        raise ValueError(
            f"`{name}` must be {allowed} for a tensor of rank {rank}.\nReceived: {name}={axis}"
        )
    return index % rank


def axes(axis, rank: int, name: str = "axis") -> tuple[int, ...]:
    """Return `axis` (an integer, several, or None for all) as a tuple, counted from the front.

    Raises:
        ValueError: if a tensor of `rank` axes lacks one of them, or one is named twice.
    """
    if axis is None:
        return tuple(range(rank))
    if not isinstance(axis, Sequence):
        return (one_axis(axis, rank, name),)
    found = tuple(one_axis(a, rank, name) for a in axis)
    if len(set(found)) < len(found):
        raise ValueError(f"`{name}` must not name an axis twice.\nReceived: {name}={axis}")
    return found


def rank_at_least(rank: int, x, name: str = "x") -> None:
    """Raise ValueError unless array `x` has `rank` axes or more."""
    if x.ndim < rank:
        raise ValueError(f"`{name}` must have rank {rank} or more.\nReceived: shape {x.shape}")


def result_size(x, op_name: str, remedy: str) -> int | None:
    """Return what to give JAX as the size of a result whose shape depends on the values of `x`.

    It is None where the values are known. For symbolic tensors it stands for an unknown size.

    Raises:
        ValueError: if `x` is traced: then nobody knows the size.
    """
    size = unknown_size(x)
    if size is None and isinstance(x, jax.core.Tracer):
        raise ValueError(
            f"`{op_name}` has a result whose shape depends on the values, so it cannot be "
            f"compiled.\nReceived: a traced tensor of shape {x.shape}.\n{remedy}"
        )
    return size
