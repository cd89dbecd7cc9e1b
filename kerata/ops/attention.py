"""Dot-product attention."""

from kerata.engine import settings
from kerata.engine.op import op
from kerata.kernels import attention as kernels
from kerata.ops.arguments import array, common_float


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
        flash_attention: False to do without the device's fused attention; None for the setting
            (see `kerata.config.enable_flash_attention`).
        attn_logits_soft_cap: if given, scores `s` become `cap * tanh(s / cap)`.

    Returns:
        A tensor of the shape of `query`.

    Example:
        >>> x = kerata.ops.ones((1, 2, 1, 3))
        >>> kerata.ops.dot_product_attention(x, x, x).shape
        (1, 2, 1, 3)
    """
    query, key, value = common_float(query, key, value)
    shapes = f"Received: query {query.shape}, key {key.shape}, value {value.shape}"
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ValueError(
            "`query`, `key` and `value` must have shape (batch, length, heads, features).\n"
            + shapes
        )
    heads, groups = query.shape[2], key.shape[2]
    if key.shape[:3] != value.shape[:3] or query.shape[3] != key.shape[3] or heads % groups:
        raise ValueError(
            "`key` and `value` must have equal lengths and heads, which divide those of `query`; "
            f"`query` and `key` equal features.\n{shapes}"
        )
    bias, mask = (None if x is None else array(x) for x in (bias, mask))
    if mask is not None and mask.dtype != bool:
        raise TypeError(f"`mask` must be boolean.\nReceived: dtype {mask.dtype}")
    return kernels.attention(
        query,
        key,
        value,
        bias,
        mask,
        scale=scale,
        is_causal=is_causal,
        soft_cap=attn_logits_soft_cap,
        flash=settings.is_flash_attention_enabled() if flash_attention is None else flash_attention,
    )
