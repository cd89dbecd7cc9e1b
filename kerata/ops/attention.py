"""Dot-product attention."""

import jax.numpy as jnp

from kerata.engine.dtypes import as_float
from kerata.engine.op import op
from kerata.ops.arguments import array


@op
def dot_product_attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
):
    """Return means of `value`, weighted by how well `query` fits `key` (Vaswani et al., 2017).

    Args:
        query: tensor of shape `(batch, targets, heads, features)`.
        key: tensor of shape `(batch, sources, key_heads, features)`; `key_heads` divides `heads`:
            each serves a group of them.
        value: tensor of shape `(batch, sources, key_heads, features)`.
        bias: what to add to the scores, of a shape that broadcasts to
            `(batch, heads, targets, sources)`.
        mask: booleans of such a shape: false where a target must not see a source.
        scale: factor of the scores; None for `1 / sqrt(features)`.
        is_causal: whether a target sees only sources that are not behind it.
        flash_attention: kept for compatibility: the formulation is chosen by the platform.
        attn_logits_soft_cap: if given, scores `s` become `cap * tanh(s / cap)`.

    Returns:
        A tensor of the shape of `query`.

    Example:
        >>> x = kerata.ops.ones((1, 2, 1, 3))
        >>> kerata.ops.dot_product_attention(x, x, x).shape
        (1, 2, 1, 3)
    """
    query, key, value = map(as_float, (query, key, value))
    shapes = f"Received: query {query.shape}, key {key.shape}, value {value.shape}"
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ValueError(
            f"`query`, `key` and `value` must have shape (batch, length, heads, features).\n{shapes}"
        )
    heads, groups = query.shape[2], key.shape[2]
    if key.shape[:3] != value.shape[:3] or query.shape[3] != key.shape[3] or heads % groups:
        raise ValueError(
            "`key` and `value` must have equal lengths and heads, which divide those of `query`; "
            f"`query` and `key` equal features.\n{shapes}"
        )
    if mask is not None and array(mask).dtype != bool:
        raise TypeError(f"`mask` must be boolean.\nReceived: dtype {array(mask).dtype}")
    return _attend(query, key, value, bias, mask, scale, is_causal, attn_logits_soft_cap)


def _attend(query, key, value, bias, mask, scale, is_causal, cap):
    """Attend with plain products: heads go before lengths, so that products are batched."""
    heads, groups = query.shape[2], key.shape[2]
    if heads != groups:
        key, value = (jnp.repeat(x, heads // groups, axis=2) for x in (key, value))
    query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    # Scores are summed up, and the softmax is taken, in float32 at least.
    scores = jnp.matmul(query, key.mT, preferred_element_type=_wide(query.dtype)) * scale
    if cap is not None:
        scores = cap * jnp.tanh(scores / cap)
    if bias is not None:
        scores = scores + array(bias)
    if is_causal:
        targets, sources = scores.shape[-2:]
        causal = jnp.tril(jnp.ones((targets, sources), bool))
        mask = causal if mask is None else array(mask) & causal
    if mask is not None:
        scores = jnp.where(mask, scores, 0.7 * jnp.finfo(scores.dtype).min)
    weights = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True))
    weights = (weights / jnp.sum(weights, axis=-1, keepdims=True)).astype(value.dtype)
    return jnp.swapaxes(jnp.matmul(weights, value), 1, 2)


def _wide(dtype):
    return jnp.promote_types(dtype, "float32")
