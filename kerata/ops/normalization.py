"""Means, variances, and tensors normalized by them."""

import math

import jax.numpy as jnp
from jax import lax

from kerata.engine import settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import positive_int, warn
from kerata.engine.op import op
from kerata.kernels import normalization as kernels
from kerata.ops.arguments import array, axes as axes_of, one_axis


def _wide(x):
    """Return `x` in float32 if it is narrower: sums of 16-bit floats lose too much."""
    return x.astype(jnp.promote_types(x.dtype, "float32"))


@op
def moments(x, axes, keepdims=False, synchronized=False):
    """Return the mean and the variance over `axes`.

    Args:
        x: tensor.
        axes: axis or axes to reduce.
        keepdims: whether reduced axes stay, with size 1.
        synchronized: kept for compatibility: a tensor that is spread over devices is always taken
            as a whole.

    Returns:
        `(mean, variance)`.

    Example:
        >>> kerata.ops.moments([1.0, 3.0], axes=0)
        (Array(2., dtype=float32), Array(1., dtype=float32))
    """
    x = as_float(x)
    axes = axes_of(axes, x.ndim, "axes")
    wide = _wide(x)
    mean = jnp.mean(wide, axes, keepdims=True)
    variance = jnp.mean(jnp.square(wide - mean), axes, keepdims=True)
    results = mean, variance
    if x.dtype != wide.dtype:
        limit = jnp.finfo(x.dtype)
        results = [jnp.clip(r, limit.min, limit.max).astype(x.dtype) for r in results]
    return tuple(r if keepdims else jnp.squeeze(r, axes) for r in results)


def _along(parameter, x, axis, name):
    """Return `parameter`, one number for each place along `axis`, shaped to broadcast with `x`."""
    parameter = array(parameter)
    shape = [size if a in axis else 1 for a, size in enumerate(x.shape)]
    if parameter.size != math.prod(shape):
        raise ValueError(
            f"`{name}` must have a number for each place along axis {axis} of `x`: "
            f"{math.prod(shape)}.\nReceived: shape {parameter.shape} for `x` of shape {x.shape}"
        )
    return parameter.reshape(shape)


def _inner(parameter, x, axis, name):
    """Return `parameter` in the shape of the axes `axis` of `x`."""
    if parameter is None:
        return None
    return _along(parameter, x, axis, name).reshape([x.shape[a] for a in axis])


@op
def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    """Return `(x - mean) / sqrt(variance + epsilon) * scale + offset` (Ioffe and Szegedy, 2015).

    Args:
        x: tensor.
        mean: tensor of shape `(x.shape[axis],)`.
        variance: likewise.
        axis: axis of the features.
        offset: what to add, likewise; None for 0.
        scale: what to multiply by, likewise; None for 1.
        epsilon: what keeps the divisor from 0.

    Example:
        >>> kerata.ops.batch_normalization([[1.0], [3.0]], [2.0], [1.0], axis=-1, epsilon=0.0)
        Array([[-1.],
               [ 1.]], dtype=float32)
    """
    x = as_float(x)
    axis = (one_axis(axis, x.ndim),)
    factor = lax.rsqrt(_along(variance, x, axis, "variance") + epsilon)
    if scale is not None:
        factor = factor * _along(scale, x, axis, "scale")
    shift = -_along(mean, x, axis, "mean") * factor
    if offset is not None:
        shift = shift + _along(offset, x, axis, "offset")
    return x * factor + shift


@op
def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None, **kwargs):
    """Return `x` with mean 0 and variance 1 along `axis`, scaled and shifted (Ba et al., 2016).

    Args:
        x: tensor; one narrower than float32 is normalized in float32.
        gamma: what to multiply by, a number for each place along `axis`; None for 1.
        beta: what to add, likewise; None for 0.
        axis: axis or axes to normalize over.
        epsilon: what keeps the divisor from 0; None for `kerata.config.epsilon()`.
        **kwargs: kept for compatibility. `rms_scaling=True` (deprecated) does not subtract the
            mean.

    Example:
        >>> kerata.ops.layer_normalization([1.0, 3.0]).round(3)
        Array([-1.,  1.], dtype=float32)
    """
    x = as_float(x)
    axis = tuple(sorted(axes_of(axis, x.ndim)))
    epsilon = settings.epsilon() if epsilon is None else epsilon
    gamma, beta = _inner(gamma, x, axis, "gamma"), _inner(beta, x, axis, "beta")
    if not kwargs.get("rms_scaling"):
        return kernels.layer_norm(x, gamma, beta, axis, epsilon)
    warn(
        "`rms_scaling=True` is deprecated: it divides by the standard deviation, not by the root "
        "mean square. Use rms_normalization().",
    )
    result = x * lax.rsqrt(jnp.var(x, axis, keepdims=True) + epsilon)
    return result if gamma is None else result * _along(gamma, x, axis, "gamma")


@op
def rms_normalization(x, scale=None, axis=-1, epsilon=None):
    """Return `x` with mean square 1 along `axis`, scaled (Zhang and Sennrich, 2019).

    Args:
        x: tensor; one narrower than float32 is normalized in float32.
        scale: what to multiply by, a number for each place along `axis`; None for 1.
        axis: axis or axes to normalize over.
        epsilon: what keeps the divisor from 0; None for `kerata.config.epsilon()`.

    Example:
        >>> kerata.ops.rms_normalization([1.0, -1.0, 7.0, 7.0])
        Array([ 0.2, -0.2,  1.4,  1.4], dtype=float32)
    """
    x = as_float(x)
    axis = tuple(sorted(axes_of(axis, x.ndim)))
    epsilon = settings.epsilon() if epsilon is None else epsilon
    return kernels.rms_norm(x, _inner(scale, x, axis, "scale"), axis, epsilon)


@op
def normalize(x, axis=-1, order=2, epsilon=None):
    """Return `x` divided by its norm along `axis`.

    Args:
        x: tensor.
        axis: axis or axes to take the norm over.
        order: the norm: `sum(abs(x)**order)**(1 / order)`, an integer of at least 1.
        epsilon: the least divisor; None for `kerata.config.epsilon()`.

    Example:
        >>> kerata.ops.normalize([3.0, 4.0])
        Array([0.6, 0.8], dtype=float32)
    """
    x, order = as_float(x), positive_int("order", order)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    total = jnp.sum(jnp.abs(x) ** order, axes_of(axis, x.ndim), keepdims=True)
    # The limit is put on the sum, not on its root, whose gradient at 0 is infinite.
    least = max(epsilon**order, float(jnp.finfo(x.dtype).tiny))
    return x / jnp.maximum(total, least) ** (1 / order)
