"""Random numbers (public namespace `kerata.random`).

`seed` is an integer (the same numbers at every call), a `SeedGenerator` (new ones at every call,
in compiled functions too), or None (the global generator, see `kerata.utils.set_random_seed`).
"""

import jax
import jax.numpy as jnp

from kerata.engine import dtypes
from kerata.engine.dtypes import as_float, canonical
from kerata.engine.errors import positive_int, probability
from kerata.engine.op import op
from kerata.engine.registry import publish as _publish
from kerata.engine.rng import SeedGenerator as SeedGenerator, draw_seed
from kerata.kernels.dropout import dropout_mask
from kerata.ops.arguments import array, one_axis


def _float_dtype(dtype) -> str:
    dtype = canonical(dtype)
    if not dtypes.is_float(dtype):
        raise ValueError(f"`dtype` must be a floating dtype.\nReceived: dtype={dtype!r}")
    return dtype


@op
def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Draw from a normal distribution.

    Args:
        shape: shape of the result.
        mean: mean of the distribution.
        stddev: standard deviation.
        dtype: a floating dtype; None for `floatx()`.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.normal((2,), seed=1)
        Array([-1.0975176,  0.4750401], dtype=float32)
    """
    dtype = _float_dtype(dtype)
    sample = jax.random.normal(draw_seed(seed), tuple(shape), dtype)
    return sample * jnp.asarray(stddev, dtype) + jnp.asarray(mean, dtype)


@op
def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Draw from a normal distribution that is cut off two standard deviations from its mean.

    Args:
        shape: shape of the result.
        mean: mean of the distribution.
        stddev: standard deviation before cutting.
        dtype: a floating dtype; None for `floatx()`.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.truncated_normal((2,), seed=1)
        Array([-1.0246667,  0.4518501], dtype=float32)
    """
    dtype = _float_dtype(dtype)
    sample = jax.random.truncated_normal(draw_seed(seed), -2.0, 2.0, tuple(shape), dtype)
    return sample * jnp.asarray(stddev, dtype) + jnp.asarray(mean, dtype)


@op
def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Draw from a uniform distribution.

    Args:
        shape: shape of the result.
        minval: least number.
        maxval: end of the numbers, not drawn itself.
        dtype: a floating dtype; None for `floatx()`. (For integers: `randint`.)
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.uniform((2,), seed=1)
        Array([0.13620758, 0.68262076], dtype=float32)
    """
    dtype = _float_dtype(dtype)
    return jax.random.uniform(draw_seed(seed), tuple(shape), dtype, minval, maxval)


@op
def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Draw integers, each as likely as any other.

    Args:
        shape: shape of the result.
        minval: least number.
        maxval: end of the numbers, not drawn itself.
        dtype: an integer dtype.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.randint((2,), 0, 10, seed=1)
        Array([4, 5], dtype=int32)
    """
    dtype = canonical(dtype)
    if not dtypes.is_int(dtype):
        raise ValueError(f"`dtype` must be an integer dtype.\nReceived: dtype={dtype!r}")
    minval, maxval = (array(v).astype("int32") for v in (minval, maxval))
    return jax.random.randint(draw_seed(seed), tuple(shape), minval, maxval, dtype)


@op
def categorical(logits, num_samples, dtype="int32", seed=None):
    """Draw classes by their log-probabilities.

    Args:
        logits: log-probabilities, not necessarily normalized, of shape `(batch, classes)`.
        num_samples: how many to draw from each row.
        dtype: an integer dtype.
        seed: integer, `SeedGenerator` or None.

    Returns:
        Indices of classes, of shape `(batch, num_samples)`.

    Example:
        >>> kerata.random.categorical([[0.0, 0.0, 9.0]], 4, seed=1)
        Array([[2, 2, 2, 2]], dtype=int32)
    """
    logits = as_float(logits)
    if logits.ndim != 2:
        raise ValueError(
            f"`logits` must have shape (batch, classes).\nReceived: shape {logits.shape}"
        )
    shape = (logits.shape[0], positive_int("num_samples", num_samples))
    sample = jax.random.categorical(draw_seed(seed), logits[..., None], axis=1, shape=shape)
    return sample.astype(canonical(dtype))


@op
def dropout(inputs, rate, noise_shape=None, seed=None):
    """Set a share of the elements to 0, and scale the others up so that the sum stays.

    Args:
        inputs: floating tensor.
        rate: share of the elements to drop, in [0, 1].
        noise_shape: shape of the decisions, which is broadcast to that of `inputs`: along an axis
            of size 1 all elements share their fate. None for one decision an element.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> x = kerata.random.dropout(kerata.ops.ones((100,)), 0.5, seed=1)
        >>> sorted(set(x.tolist()))
        [0.0, 2.0]
    """
    x = as_float(inputs)
    keep = 1 - probability("rate", rate)
    if keep == 0:
        return jnp.zeros_like(x)
    shape = x.shape
    if noise_shape is not None:
        shape = tuple(s if n is None else n for n, s in zip(noise_shape, x.shape, strict=True))
    kept = dropout_mask(draw_seed(seed), rate, shape)
    return jnp.where(kept, x / jnp.asarray(keep, x.dtype), 0)


@op
def shuffle(x, axis=0, seed=None):
    """Return the slices along `axis` in random order; each stays in one piece.

    Args:
        x: tensor.
        axis: axis to shuffle.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.shuffle([0, 1, 2, 3, 4], seed=1)
        Array([4, 0, 1, 2, 3], dtype=int32)
    """
    x = array(x)
    return jax.random.permutation(draw_seed(seed), x, one_axis(axis, x.ndim))


@op
def gamma(shape, alpha, dtype=None, seed=None):
    """Draw from a gamma distribution of scale 1.

    Args:
        shape: shape of the result.
        alpha: shape parameter, positive: a number, or a tensor that broadcasts to `shape`.
        dtype: a floating dtype; None for `floatx()`.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.gamma((2,), 1.0, seed=1).shape
        (2,)
    """
    return jax.random.gamma(draw_seed(seed), array(alpha), tuple(shape), _float_dtype(dtype))


@op
def beta(shape, alpha, beta, dtype=None, seed=None):
    """Draw from a beta distribution, on [0, 1].

    Args:
        shape: shape of the result.
        alpha: first parameter, positive: a number, or a tensor that broadcasts to `shape`.
        beta: second parameter, likewise.
        dtype: a floating dtype; None for `floatx()`.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.beta((2,), 1.0, 2.0, seed=1).shape
        (2,)
    """
    key, dtype = draw_seed(seed), _float_dtype(dtype)
    return jax.random.beta(key, array(alpha), array(beta), tuple(shape), dtype)


@op
def binomial(shape, counts, probabilities, dtype=None, seed=None):
    """Draw how often something of a certain probability happens in some trials.

    Args:
        shape: shape of the result.
        counts: number of trials: a number, or a tensor that broadcasts to `shape`.
        probabilities: probability of the event in one trial, likewise.
        dtype: a floating dtype; None for `floatx()`.
        seed: integer, `SeedGenerator` or None.

    Example:
        >>> kerata.random.binomial((2,), 10.0, 0.3, seed=1).shape
        (2,)
    """
    # Sampled in float32: the algorithm compares counts, and its dtype would limit them.
    counts, probabilities = (as_float(v).astype("float32") for v in (counts, probabilities))
    sample = jax.random.binomial(draw_seed(seed), counts, probabilities, tuple(shape))
    return sample.astype(_float_dtype(dtype))


_publish(globals())
