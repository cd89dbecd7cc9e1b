"""Moments over batches, and normalization over features."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from kerata.kernels.platform import platform


def batch_moments(
    x: jax.Array,
    axes: Sequence[int],
    shift: jax.Array | None = None,
    rows: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Return the mean and the (biased) variance of `x` over `axes`.

    On a CPU they take two passes, which fuse as well as one there. Elsewhere one pass sums
    `x - shift` and its square: as precise where the shift is within a few standard deviations of
    the mean (one that is far off, as zero for data around 10,000, cancels the variance's digits).

    Args:
        x: any shape, floating.
        axes: what to reduce, non-negative.
        shift: a guess of the mean, of the result's shape. None: the mean of what lies at 0 of the
            first of `axes` (the first sample of a batch), which costs one more small sum.
        rows: how many of the first entries along axis 0, one of `axes`, count; None: all.

    Returns:
        Mean and variance, without the reduced axes, in float32 at least.

    Example:
        >>> batch_moments(jnp.array([[1.0, 10.0], [3.0, 30.0]]), axes=(0,))
        (Array([ 2., 20.], dtype=float32), Array([  1., 100.], dtype=float32))
    """
    axes = tuple(axes)
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    if platform() == "cpu":
        return _moments(x, rows, axes)
    if shift is None:
        shift = lax.slice_in_dim(x, 0, 1, axis=axes[0]).mean(axes)
    shift = lax.stop_gradient(shift).astype(x.dtype)
    centered = x - jnp.expand_dims(shift, axes)
    mean = _mean(centered, rows, axes)
    square = _mean(jnp.square(centered), rows, axes)
    return mean + shift, jnp.maximum(square - jnp.square(mean), 0)


def _mean(x, rows, axes):
    if rows is None:
        return x.mean(axes)
    return _counted(x, rows).sum(axes) / _count(x, rows, axes)


def _counted(x, rows):
    """Return `x` with zeros in the rows that do not count."""
    if rows is None:
        return x
    return jnp.where(lax.broadcasted_iota(jnp.int32, x.shape, 0) < rows, x, 0)


def _count(x, rows, axes):
    """Return how many elements a mean over `axes` is of."""
    return math.prod(x.shape[a] if a or rows is None else rows for a in axes)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _moments(x, rows, axes):
    mean = _mean(x, rows, axes)
    return mean, _mean(jnp.square(x - jnp.expand_dims(mean, axes)), rows, axes)


def _moments_forward(x, rows, axes):
    mean, variance = _moments(x, rows, axes)
    return (mean, variance), (x, rows, mean)


def _moments_backward(axes, saved, gradients):
    x, rows, mean = saved
    mean, to_mean, to_variance = (jnp.expand_dims(v, axes) for v in (mean, *gradients))
    to_x = (to_mean + 2 * to_variance * (x - mean)) / _count(x, rows, axes)
    return _counted(to_x, rows), None


_moments.defvjp(_moments_forward, _moments_backward)


def layer_norm(
    x: jax.Array,
    scale: jax.Array | None,
    offset: jax.Array | None,
    axes: Sequence[int],
    epsilon: float,
) -> jax.Array:
    """Return `(x - mean) / sqrt(variance + epsilon) * scale + offset`, the moments over `axes`.

    Args:
        x: any shape, floating. Computed in float32 at least.
        scale: of the shape of `axes` of `x`; None: 1.
        offset: likewise; None: 0.
        axes: what to normalize over, ascending and non-negative.
        epsilon: keeps the division finite.

    Returns:
        An array of `x`'s shape and dtype.

    Example:
        >>> layer_norm(jnp.array([[1.0, 3.0]]), None, jnp.array([0.0, 5.0]), (1,), 0.0)
        Array([[-1.,  6.]], dtype=float32)
    """
    return _normalize(x, scale, offset, axes, epsilon, centered=True)


def rms_norm(
    x: jax.Array, scale: jax.Array | None, axes: Sequence[int], epsilon: float
) -> jax.Array:
    """Return `x / sqrt(mean(x**2) + epsilon) * scale`, the mean over `axes`, as `layer_norm` does.

    Example:
        >>> rms_norm(jnp.array([[3.0, 4.0, 0.0, 0.0]]), None, (1,), 0.0)
        Array([[1.2, 1.6, 0. , 0. ]], dtype=float32)
    """
    return _normalize(x, scale, None, axes, epsilon, centered=False)


def _normalize(x, scale, offset, axes, epsilon, centered):
    axes, dtype, shape = tuple(axes), x.dtype, x.shape
    inner = tuple(shape[a] for a in axes)
    x = x.astype(jnp.promote_types(dtype, jnp.float32))
    scale = jnp.ones(inner, x.dtype) if scale is None else scale.astype(x.dtype)
    offset = jnp.zeros(inner, x.dtype) if offset is None else offset.astype(x.dtype)
    if platform() == "cpu" and axes == tuple(range(x.ndim - len(axes), x.ndim)) and x.size:
        rows = x.reshape(-1, math.prod(inner))
        y = _normalize_rows(rows, scale.ravel(), offset.ravel(), epsilon, centered)
        return y.reshape(shape).astype(dtype)
    difference, inverse = _statistics(x, axes, epsilon, centered)
    others = [a for a in range(x.ndim) if a not in axes]
    scale, offset = jnp.expand_dims(scale, others), jnp.expand_dims(offset, others)
    return (difference * inverse * scale + offset).astype(dtype)


def _statistics(x, axes, epsilon, centered):
    """Return `x` less its mean, if `centered`, and one over the root of its mean square."""
    difference = x - x.mean(axes, keepdims=True) if centered else x
    square = jnp.square(difference).mean(axes, keepdims=True)
    return difference, lax.rsqrt(square + epsilon)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _normalize_rows(x, scale, offset, epsilon, centered):
    difference, inverse = _statistics(x, (1,), epsilon, centered)
    return difference * inverse * scale + offset


def _forward(x, scale, offset, epsilon, centered):
    difference, inverse = _statistics(x, (1,), epsilon, centered)
    mean = x.mean(1, keepdims=True) if centered else jnp.zeros_like(inverse)
    return difference * inverse * scale + offset, (x, mean, inverse, scale)


def _backward(epsilon, centered, saved, gradient):
    """As matrix-vector products.

    Left to itself, XLA writes the scale and the statistics out as matrices in front of the sums
    over rows. The product of gradient and normalized `x` serves the row's and the column's sum,
    so it is computed once, and the barrier keeps XLA from computing it inside both.
    """
    x, mean, inverse, scale = saved
    width = x.shape[1]
    product = lax.optimization_barrier(gradient * ((x - mean) * inverse))
    tilt = (product @ scale)[:, None] / width
    to_x = gradient * scale - (x - mean) * inverse * tilt
    if centered:
        to_x -= (gradient @ scale)[:, None] / width
    return to_x * inverse, product.sum(0), gradient.sum(0)


_normalize_rows.defvjp(_forward, _backward)
