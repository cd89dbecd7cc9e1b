"""Losses whose direct form would write out more than they need."""

import jax
import jax.numpy as jnp
from jax import lax


def sparse_softmax_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Return `-log(softmax(logits))` at the labels, without writing out the probabilities.

    Args:
        logits: `(..., classes)`, unscaled log probabilities.
        labels: `(...)`, integers in [0, classes).

    Returns:
        `(...)`, in the dtype of `logits`; NaN where a label is out of range.

    Example:
        >>> sparse_softmax_cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))
        Array([1.3862944], dtype=float32)
    """
    # Only differences to the largest logit enter, so that large logits keep their digits.
    shifted = logits - lax.stop_gradient(logits.max(-1, keepdims=True))
    total = jnp.log(jnp.exp(shifted).sum(-1))
    labels = jnp.where(labels < 0, logits.shape[-1], labels)  # (negative ones would wrap)
    chosen = jnp.take_along_axis(shifted, labels[..., None], axis=-1, mode="fill")
    return total - chosen[..., 0]
