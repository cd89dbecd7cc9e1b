"""Sample weights and masks: how they meet the values of a loss or a metric."""

import jax.numpy as jnp

from kerata.engine import settings


def same_rank(a, b):
    """Return two arrays with a last axis of length 1 added or removed so that ranks agree.

    A vector beside a column becomes a column; otherwise the longer shape loses its last axis.
    Arrays that no such step brings together are returned as they are.
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def combine_masks(a, b):
    """Return the mask of what both masks let pass; a mask that is None lets everything pass."""
    if a is None or b is None:
        return b if a is None else a
    a, b = same_rank(jnp.asarray(a, bool), jnp.asarray(b, bool))
    return a & b


def mask_weights(weights, mask, dtype, mean: bool):
    """Return weights that are zero where `mask` is False.

    Args:
        weights: sample weights, or None for ones.
        mask: array of booleans.
        dtype: of the result.
        mean: whether to scale the weights up so that a mean over all positions becomes the mean
            over those that the mask keeps.
    """
    mask = jnp.asarray(mask, dtype)
    if mean:
        mask = mask * (mask.size / (jnp.sum(mask) + settings.epsilon()))
    if weights is None:
        return mask
    if weights.ndim < mask.ndim and weights.shape == mask.shape[: weights.ndim]:
        return expand_like(weights, mask) * mask
    weights, mask = same_rank(weights, mask)
    return weights * mask


def expand_like(weights, values):
    """Return `weights` with axes of length 1 appended up to the rank of `values`."""
    return jnp.reshape(weights, weights.shape + (1,) * (values.ndim - weights.ndim))


def weighted(values, weights):
    """Return `values * weights`.

    Weights of `(batch,)` belong to samples, whatever axes the values have besides.

    Raises:
        ValueError: if the weights' shape does not fit the values'.
    """
    shapes = (values.shape, weights.shape)
    values, weights = same_rank(values, weights)
    if 0 < weights.ndim < values.ndim:
        weights = expand_like(weights, values)
    if values.ndim and any(
        w not in (1, v) for v, w in zip(values.shape, weights.shape, strict=False)
    ):
        raise ValueError(weights_error(*shapes))
    return values * weights


def weights_error(values_shape, weights_shape) -> str:
    """Return the message for weights that do not fit values."""
    return (
        "sample_weight must have one weight a sample, or one a value of the loss or metric.\n"
        f"Received: weights of shape {weights_shape} for values of shape {values_shape}"
    )
