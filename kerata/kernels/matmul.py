"""Matrix products over many rows."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from kerata.kernels.platform import platform

# Fewer rows than this make operands so small that how they are laid out does not matter.
_MANY_ROWS = 1024


def dot(x: jax.Array, w: jax.Array) -> jax.Array:
    """Return `x @ w`, the last axis of `x` with the first of `w`.

    In the backward pass over many rows XLA would fuse what computes `x` and the cotangent into
    transposed copies for the weight's gradient, which then write with a stride. A barrier makes
    it take plain arrays, whose rows it contracts without a copy.

    Args:
        x: `(..., width)`.
        w: `(width, units)`.

    Returns:
        `(..., units)`.

    Example:
        >>> dot(jnp.ones((2, 3)), jnp.ones((3, 4))).shape
        (2, 4)
    """
    rows = x.size // max(1, x.shape[-1])
    if platform() == "cpu" and rows >= _MANY_ROWS and x.dtype == w.dtype:
        return _dot(x.reshape(rows, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[1])
    return x @ w


@jax.custom_jvp
def _dot(x, w):
    return x @ w


@partial(_dot.defjvp, symbolic_zeros=True)
def _dot_derivative(primals, tangents):
    # The transpose of a barrier is a barrier: it is the one that the cotangent meets.
    x, w = lax.optimization_barrier(primals)
    to_x, to_w = tangents
    y, change = _dot(*primals), None
    if not isinstance(to_x, SymbolicZero):
        change = to_x @ w
    if not isinstance(to_w, SymbolicZero):
        change = x @ to_w if change is None else change + x @ to_w
    return y, jnp.zeros_like(y) if change is None else lax.optimization_barrier(change)
