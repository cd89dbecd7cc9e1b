"""Activation functions; integers become `floatx()`.

`kerata.activations` has most of them too, with the defaults that layers use.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine.dtypes import as_float
from kerata.engine.errors import warn
from kerata.engine.op import op
from kerata.ops.arguments import axes, bools_as_ints, one_axis

# Rectifiers and their relatives


@op
def relu(x):
    """Return `max(x, 0)`.

    Example:
        >>> kerata.ops.relu([-1.0, 0.0, 2.0])
        Array([0., 0., 2.], dtype=float32)
    """
    return jax.nn.relu(bools_as_ints(x))


@op
def relu6(x):
    """Return `min(max(x, 0), 6)` (Howard et al., 2017).

    Example:
        >>> kerata.ops.relu6([-1.0, 3.0, 9.0])
        Array([0., 3., 6.], dtype=float32)
    """
    return jax.nn.relu6(as_float(x))


@op
def leaky_relu(x, negative_slope=0.2):
    """Return `x` where it is positive, `negative_slope * x` elsewhere (Maas et al., 2013).

    Example:
        >>> kerata.ops.leaky_relu([-1.0, 2.0])
        Array([-0.2,  2. ], dtype=float32)
    """
    return jax.nn.leaky_relu(as_float(x), negative_slope)


@op
def elu(x, alpha=1.0):
    """Return `x` where it is positive, `alpha * (exp(x) - 1)` elsewhere (Clevert et al., 2016).

    Example:
        >>> kerata.ops.elu([-1.0, 2.0])
        Array([-0.63212055,  2.        ], dtype=float32)
    """
    return jax.nn.elu(as_float(x), alpha)


@op
def selu(x):
    """Return the scaled `elu`, which keeps mean 0 and variance 1 (Klambauer et al., 2017).

    Example:
        >>> kerata.ops.selu([-1.0, 2.0])
        Array([-1.1113307,  2.101402 ], dtype=float32)
    """
    return jax.nn.selu(as_float(x))


@op
def celu(x, alpha=1.0):
    """Return `max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))` (Barron, 2017).

    Example:
        >>> kerata.ops.celu([-1.0, 2.0])
        Array([-0.63212055,  2.        ], dtype=float32)
    """
    return jax.nn.celu(as_float(x), alpha)


@op
def gelu(x, approximate=True):
    """Return `x` times the normal distribution function of `x` (Hendrycks and Gimpel, 2016).

    Args:
        x: tensor.
        approximate: whether to take `tanh` in place of the error function.

    Example:
        >>> kerata.ops.gelu([-1.0, 2.0])
        Array([-0.15880796,  1.9545977 ], dtype=float32)
    """
    return jax.nn.gelu(as_float(x), approximate)


@op
def silu(x):
    """Return `x * sigmoid(x)` (Elfwing et al., 2017); also called swish.

    Example:
        >>> kerata.ops.silu([-1.0, 2.0])
        Array([-0.26894143,  1.761594  ], dtype=float32)
    """
    return jax.nn.silu(as_float(x))


swish = silu


@op
def hard_silu(x):
    """Return `x * hard_sigmoid(x)` (Howard et al., 2019); also called hard swish.

    Example:
        >>> kerata.ops.hard_silu([-4.0, -1.0, 4.0])
        Array([-0.        , -0.33333334,  4.        ], dtype=float32)
    """
    return jax.nn.hard_silu(as_float(x))


hard_swish = hard_silu


@op
def softplus(x):
    """Return `log(1 + exp(x))`, a smooth `relu` (Dugas et al., 2001).

    Example:
        >>> kerata.ops.softplus([-1.0, 2.0])
        Array([0.3132617, 2.126928 ], dtype=float32)
    """
    return jax.nn.softplus(as_float(x))


@op
def squareplus(x, b=4):
    """Return `(x + sqrt(x**2 + b)) / 2`, a smooth `relu` (Barron, 2021).

    Args:
        x: tensor.
        b: smoothness: 0 is `relu`.

    Example:
        >>> kerata.ops.squareplus([-1.0, 2.0])
        Array([0.618034 , 2.4142137], dtype=float32)
    """
    return jax.nn.squareplus(as_float(x), b)


@op
def sparse_plus(x):
    """Return 0 up to -1, `x` from 1 on, and `(x + 1)**2 / 4` between (Martins and Astudillo, 2016).

    Example:
        >>> kerata.ops.sparse_plus([-2.0, 0.0, 2.0])
        Array([0.  , 0.25, 2.  ], dtype=float32)
    """
    return jax.nn.sparse_plus(as_float(x))


@op
def threshold(x, threshold, default_value):
    """Return `x` where it is above `threshold`, `default_value` elsewhere.

    Example:
        >>> kerata.ops.threshold([-1.0, 0.5, 2.0], 1.0, 0.0)
        Array([0., 0., 2.], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x > threshold, x, jnp.asarray(default_value, x.dtype))


# Shrinking towards zero


@op
def hard_shrink(x, threshold=0.5):
    """Return `x` where its magnitude is above `threshold`, 0 elsewhere.

    Example:
        >>> kerata.ops.hard_shrink([-0.4, 1.0])
        Array([0., 1.], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(jnp.abs(x) > threshold, x, 0)


@op
def soft_shrink(x, threshold=0.5):
    """Return `x` moved towards 0 by `threshold`, and 0 where that would pass it.

    Example:
        >>> kerata.ops.soft_shrink([-0.4, 1.0])
        Array([0. , 0.5], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x > threshold, x - threshold, jnp.where(x < -threshold, x + threshold, 0))


@op
def tanh_shrink(x):
    """Return `x - tanh(x)`.

    Example:
        >>> kerata.ops.tanh_shrink([-1.0, 2.0])
        Array([-0.23840582,  1.0359724 ], dtype=float32)
    """
    x = as_float(x)
    return x - jnp.tanh(x)


# Functions with bounds


@op
def sigmoid(x):
    """Return `1 / (1 + exp(-x))`.

    Example:
        >>> kerata.ops.sigmoid([-1.0, 0.0])
        Array([0.26894143, 0.5       ], dtype=float32)
    """
    return jax.nn.sigmoid(as_float(x))


@op
def log_sigmoid(x):
    """Return the logarithm of `sigmoid(x)`, without overflow on the way.

    Example:
        >>> kerata.ops.log_sigmoid([-1000.0, 0.0])
        Array([-1.000000e+03, -6.931472e-01], dtype=float32)
    """
    return jax.nn.log_sigmoid(as_float(x))


@op
def hard_sigmoid(x):
    """Return `x / 6 + 1/2`, limited to [0, 1] (Howard et al., 2019).

    Example:
        >>> kerata.ops.hard_sigmoid([-4.0, 0.0, 1.0])
        Array([0.       , 0.5      , 0.6666667], dtype=float32)
    """
    return jax.nn.hard_sigmoid(as_float(x))


@op
def sparse_sigmoid(x):
    """Return `(x + 1) / 2`, limited to [0, 1] (Martins and Astudillo, 2016).

    Example:
        >>> kerata.ops.sparse_sigmoid([-2.0, 0.0, 0.5])
        Array([0.  , 0.5 , 0.75], dtype=float32)
    """
    return jax.nn.sparse_sigmoid(as_float(x))


@op
def hard_tanh(x):
    """Return `x`, limited to [-1, 1].

    Example:
        >>> kerata.ops.hard_tanh([-2.0, 0.5])
        Array([-1. ,  0.5], dtype=float32)
    """
    return jax.nn.hard_tanh(bools_as_ints(x))


@op
def softsign(x):
    """Return `x / (1 + abs(x))`.

    Example:
        >>> kerata.ops.softsign([-1.0, 3.0])
        Array([-0.5 ,  0.75], dtype=float32)
    """
    return jax.nn.soft_sign(as_float(x))


# Functions of whole axes


@op
def softmax(x, axis=-1):
    """Return `exp(x)`, scaled so that it adds up to 1 along `axis`.

    Args:
        x: tensor of rank 1 or more.
        axis: axis or axes that the probabilities spread over; None for all.

    Example:
        >>> kerata.ops.softmax([0.0, 0.0, 1000.0])
        Array([0., 0., 1.], dtype=float32)
    """
    x = as_float(x)
    axis = axes(axis, x.ndim)
    if math.prod(x.shape[a] for a in axis) == 1:
        warn(
            "softmax() over one element is always 1: for a single logit, sigmoid() is meant.\n"
            f"Received: axis={axis} of {x.ndim} axes",
        )
    return jax.nn.softmax(x, axis)


@op
def log_softmax(x, axis=-1):
    """Return the logarithm of `softmax(x, axis)`, without overflow on the way.

    Example:
        >>> kerata.ops.log_softmax([0.0, 0.0])
        Array([-0.6931472, -0.6931472], dtype=float32)
    """
    x = as_float(x)
    return jax.nn.log_softmax(x, axes(axis, x.ndim))


@op
def sparsemax(x, axis=-1):
    """Return the point of the probability simplex that is closest to `x`.

    Like `softmax`, but small scores get a probability of exactly 0 (Martins and Astudillo, 2016).

    Example:
        >>> kerata.ops.sparsemax([1.0, 1.5, -2.0])
        Array([0.25, 0.75, 0.  ], dtype=float32)
    """
    x = as_float(x)
    axis = one_axis(axis, x.ndim)
    descending = -jnp.sort(-x, axis)
    rank = lax.broadcasted_iota(x.dtype, x.shape, axis) + 1
    total = jnp.cumsum(descending, axis)
    # The support is the greatest k with 1 + k * x_k > x_1 + ... + x_k.
    size = jnp.sum(1 + rank * descending > total, axis, keepdims=True)
    level = (jnp.take_along_axis(total, size - 1, axis) - 1) / size.astype(x.dtype)
    return jnp.maximum(x - level, 0)


@op
def glu(x, axis=-1):
    """Return one half of `x` times the sigmoid of the other half (Dauphin et al., 2016).

    Args:
        x: tensor whose size along `axis` is even.
        axis: axis to split.

    Example:
        >>> kerata.ops.glu([1.0, 2.0, 0.0, 0.0])
        Array([0.5, 1. ], dtype=float32)
    """
    x = as_float(x)
    axis = one_axis(axis, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(
            f"`x` must have an even size along axis {axis}.\nReceived: shape {x.shape}"
        )
    return jax.nn.glu(x, axis)
