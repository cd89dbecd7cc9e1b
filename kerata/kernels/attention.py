"""Scaled dot-product attention (Vaswani et al., 2017).

Heads go before lengths, so that all products are batched ones. On a CPU the gradient is written by
hand: it keeps the weights and what came out, and nothing of the softmax in between.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from kerata.kernels.dropout import dropout_mask
from kerata.kernels.platform import platform


def attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    soft_cap: float | None = None,
    rate: float = 0.0,
    seed: jax.Array | None = None,
    zero_masked: bool = False,
    flash: bool | None = None,
) -> jax.Array:
    """Return means of `value`, weighted by the softmax of the products of `query` and `key`.

    Args:
        query: `(batch, targets, heads, features)`.
        key: `(batch, sources, groups, features)`, where `groups` divides `heads`.
        value: `(batch, sources, groups, width)`, of the dtype of `key`.
        bias: is added to the scores; broadcasts to `(batch, heads, targets, sources)`.
        mask: booleans, False where a target does not see a source; broadcasts likewise.
        scale: factor of the products; None for `1 / sqrt(features)`.
        is_causal: whether a target sees only sources that are not behind it.
        soft_cap: if given, scores `s` become `soft_cap * tanh(s / soft_cap)`.
        rate: probability that a weight is dropped, if `seed` is given.
        seed: two words of uint32 for the dropout.
        zero_masked: whether a target that sees nothing gets zeros, and not the plain mean.
        flash: False to leave out cuDNN's fused attention, which is used on a GPU where it can be.

    Returns:
        `(batch, targets, heads, width)`.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    plain = soft_cap is None and (seed is None or rate == 0) and not zero_masked
    if plain and flash is not False and _cudnn_takes(query, key, value):
        options: dict[str, Any] = {"is_causal": is_causal, "implementation": "cudnn"}
        try:
            return jax.nn.dot_product_attention(
                query, key, value, bias, mask, scale=float(scale), **options
            )
        except (ValueError, NotImplementedError, RuntimeError):
            pass  # of a shape, or on a card, that it does not take after all
    keep = None
    if seed is not None and rate > 0:
        shape = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
        keep = dropout_mask(seed, rate, shape)
    query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
    # Scores are summed up, and the softmax is taken, in float32 at least. Scaling the query is
    # less work than scaling the scores, but a narrow one would lose by it.
    wide = query.dtype == jnp.promote_types(query.dtype, jnp.float32)
    if wide:
        query, scale = query * jnp.asarray(scale, query.dtype), None
    if platform() == "cpu" and wide and soft_cap is None:
        result = _attend(query, key, value, bias, mask, keep, is_causal, rate, zero_masked)
    else:
        weights = _weights(query, key, bias, mask, is_causal, zero_masked, scale, soft_cap)
        result = _apply(_drop(weights, keep, rate).astype(value.dtype), value)
    return jnp.swapaxes(result, 1, 2)


def attention_weights(
    query: jax.Array,
    key: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    zero_masked: bool = False,
) -> jax.Array:
    """Return what `attention` weights values by, `(batch, heads, targets, sources)`."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    query, key = jnp.swapaxes(query, 1, 2), jnp.swapaxes(key, 1, 2)
    return _weights(query, key, bias, mask, is_causal, zero_masked, scale).astype(query.dtype)


def softmax_weights(
    scores: jax.Array, mask: jax.Array | None = None, is_causal: bool = False
) -> jax.Array:
    """Return the softmax of scores of any kind, `(batch, heads, targets, sources)`."""
    wide = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    found = _exponentials(_masked(wide, mask, is_causal, _least(wide)))
    return (found / found.sum(-1, keepdims=True)).astype(scores.dtype)


def dropped(weights: jax.Array, rate: float, seed: jax.Array | None) -> jax.Array:
    """Return weights of which each is zero with probability `rate`, if there is a `seed`."""
    keep = None if seed is None or not rate else dropout_mask(seed, rate, weights.shape)
    return _drop(weights, keep, rate)


def weighted(weights: jax.Array, value: jax.Array) -> jax.Array:
    """Return means of `value`, by the `weights` of `attention_weights`."""
    result = _apply(weights.astype(value.dtype), jnp.swapaxes(value, 1, 2))
    return jnp.swapaxes(result, 1, 2)


def _cudnn_takes(query, key, value):
    narrow = query.dtype in (jnp.bfloat16, jnp.float16) and query.dtype == key.dtype == value.dtype
    width = query.shape[-1]
    fits = width <= 128 and width % 8 == 0 and value.shape[-1] == width
    return narrow and fits and platform() != "cpu" and jax.default_backend() == "gpu"


# In what follows heads stand before lengths. Where several heads share a key, they are taken as
# further targets of one head.


def _products(a, b):
    """Return `a @ b` for each head; `b` may have fewer heads, each for a group of those of `a`."""
    wide = jnp.promote_types(a.dtype, jnp.float32)
    batch, heads, length, width = a.shape
    a = a.reshape(batch, b.shape[1], -1, width)
    found = jnp.matmul(a, b, preferred_element_type=wide)
    return found.reshape(batch, heads, length, b.shape[-1])


def _products_within(a, b, groups):
    """Return the transpose of `a`, times `b`, for each head, summed over each group of heads."""
    a, b = (x.reshape(x.shape[0], groups, -1, x.shape[-1]) for x in (a, b))
    return jnp.matmul(a.mT, b)


def _scores(query, key, bias, mask, is_causal, scale=None, soft_cap=None):
    scores = _products(query, key.mT)
    if scale is not None:
        scores = scores * scale
    if soft_cap is not None:
        scores = soft_cap * jnp.tanh(scores / soft_cap)
    if bias is not None:
        scores = scores + bias
    return _masked(scores, mask, is_causal, _least(scores))


def _least(scores):
    """Return the score of what is not seen: not minus infinity, a row of which has no softmax."""
    return 0.7 * jnp.finfo(scores.dtype).min


def _masked(scores, mask, is_causal, filler):
    """Return `scores` with `filler` where a target does not see a source."""
    if is_causal:
        shape = scores.shape[-2:]
        seen = lax.broadcasted_iota(int, shape, 0) >= lax.broadcasted_iota(int, shape, 1)
        mask = seen if mask is None else mask & seen
    return scores if mask is None else jnp.where(mask, scores, filler)


def _exponentials(scores):
    return jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))


def _weights(query, key, bias, mask, is_causal, zero_masked, scale=None, soft_cap=None):
    found = _exponentials(_scores(query, key, bias, mask, is_causal, scale, soft_cap))
    found = found / found.sum(-1, keepdims=True)
    return _masked(found, mask, is_causal, 0) if zero_masked else found


def _apply(weights, value):
    return _products(weights, value).astype(value.dtype)


def _drop(weights, keep, rate):
    return weights if keep is None else jnp.where(keep, weights / (1 - rate), 0)


@partial(jax.custom_vjp, nondiff_argnums=(6, 7, 8))
def _attend(query, key, value, bias, mask, keep, is_causal, rate, zero_masked):
    found = _exponentials(_scores(query, key, bias, mask, is_causal))
    whole = found.sum(-1, keepdims=True)
    found = _masked(found, mask, is_causal, 0) if zero_masked else found
    # Dividing what comes out takes less time than dividing the weights.
    return _products(_drop(found, keep, rate), value) / whole


def _attend_forward(query, key, value, bias, mask, keep, is_causal, rate, zero_masked):
    weights = _weights(query, key, bias, mask, is_causal, zero_masked)
    result = _products(_drop(weights, keep, rate), value)
    return result, (query, key, value, bias, mask, keep, weights, result)


def _attend_backward(is_causal, rate, zero_masked, saved, gradient):
    query, key, value, bias, mask, keep, weights, result = saved
    groups = key.shape[1]
    # The softmax's gradient needs the mean of the weights' gradients by the weights: it is the
    # product of what came out and its gradient.
    mean = jnp.sum(gradient * result, axis=-1, keepdims=True)
    to_weights = _drop(_products(gradient, value.mT), keep, rate)
    # The mask counts again for targets that see nothing: their weights are not zero.
    to_scores = _masked(weights * (to_weights - mean), mask, is_causal, 0)
    to_value = _products_within(_drop(weights, keep, rate), gradient, groups)
    to_key = _products_within(to_scores, query, groups)
    to_bias = None if bias is None else _reduced(to_scores, bias)
    return _products(to_scores, key), to_key, to_value, to_bias, None, None


def _reduced(gradient, like):
    """Return `gradient` summed over the axes along which `like` was broadcast."""
    shape = (1,) * (gradient.ndim - like.ndim) + like.shape
    axes = tuple(i for i, n in enumerate(shape) if n != gradient.shape[i])
    return gradient.sum(axes, keepdims=True).reshape(like.shape).astype(like.dtype)


_attend.defvjp(_attend_forward, _attend_backward)
