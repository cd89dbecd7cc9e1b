"""Matrix products over many rows."""

import jax
from jax import lax

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


@jax.custom_vjp
def _dot(x, w):
    return x @ w


def _dot_forward(x, w):
    return x @ w, (x, w)


def _dot_backward(saved, gradient):
    x, w, gradient = lax.optimization_barrier((*saved, gradient))
    return gradient @ w.T, lax.dot_general(x, gradient, (((0,), (0,)), ((), ())))


_dot.defvjp(_dot_forward, _dot_backward)
