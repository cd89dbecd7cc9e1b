"""Attention without projections: of Luong and of Bahdanau."""

import jax
import jax.numpy as jnp

from kerata.engine import tree
from kerata.engine.errors import one_of, probability
from kerata.engine.rng import SeedGenerator, draw_seed
from kerata.kernels import attention as kernels
from kerata.layers.layer import Layer


class Attention(Layer):
    """Means of values, weighted by how well keys fit queries (Luong et al., 2015).

    Args:
        use_scale: whether to multiply the scores by a number that is trained.
        score_mode: "dot" for `query @ key`, "concat" for a number that is trained, times the sum of
            `tanh(query + key)` over the features.
        dropout: probability that a weight is dropped, in training.
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called with a list: query `(batch, targets, features)`, value `(batch, sources, width)`
    and optionally key `(batch, sources, features)` (the value if it is missing). `mask` is a list
    of booleans: the query's, `(batch, targets)`, where outputs become zero, and the value's,
    `(batch, sources)`, false for sources that do not count; each may be None. It returns
    `(batch, targets, width)`, and with `return_attention_scores` also the weights.

    Raises:
        ValueError: if `score_mode` is unknown or `dropout` not in [0, 1]; or, when called, if the
            inputs or masks are no list of two or three.

    Example:
        >>> query, value = np.ones((1, 2, 4)), np.ones((1, 3, 4))
        >>> kerata.layers.Attention()([query, value]).shape
        (1, 2, 4)
    """

    def __init__(self, use_scale=False, score_mode="dot", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = one_of("score_mode", score_mode, ("dot", "concat"), self)
        self.dropout = probability("dropout", dropout, self)
        self.seed = seed
        if self.dropout > 0:
            self.seed_generator = SeedGenerator(seed)
        self.scale = self.concat_score_weight = None
        self.supports_masking = True

    def build(self, input_shape):
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                name="concat_score_weight", shape=(), initializer="ones"
            )

    def call(
        self,
        inputs,
        mask=None,
        training=False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        self._check(inputs, mask)
        lead = inputs[0].shape[:-2]
        inputs = [_folded(x, len(lead)) for x in inputs]
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (_folded(m, len(lead)) for m in mask[:2]) if mask else (None, None)
        if value_mask is not None:
            value_mask = jnp.asarray(value_mask).astype(bool)[:, None, None]
        seed = draw_seed(self.seed_generator) if training and self.dropout > 0 else None
        options = {"mask": value_mask, "is_causal": use_causal_mask}
        if self._is_dot() and not return_attention_scores:
            query, key, value = (x[:, :, None] for x in (self._scaled(query), key, value))
            options |= {"rate": self.dropout, "seed": seed, "scale": 1.0}
            result, weights = kernels.attention(query, key, value, **options)[:, :, 0], None
        else:
            weights = kernels.softmax_weights(self._scores(query, key)[:, None], **options)
            weights = kernels.dropped(weights, self.dropout, seed)
            result = kernels.weighted(weights, value[:, :, None])[:, :, 0]
        if query_mask is not None:
            result = jnp.where(jnp.asarray(query_mask).astype(bool)[:, :, None], result, 0)
        result = result.reshape(*lead, *result.shape[1:])
        if return_attention_scores:
            return result, weights[:, 0].reshape(*lead, *weights.shape[2:])
        return result

    def _is_dot(self) -> bool:
        return self.score_mode == "dot"

    def _scaled(self, x):
        return x if self.scale is None else x * self.scale.value

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        """Return how well keys fit queries, `(batch, targets, sources)`."""
        if self._is_dot():
            return self._scaled(query) @ key.mT
        sums = jnp.tanh(self._scaled(query[:, :, None] + key[:, None]))
        return self.concat_score_weight.value * sums.sum(-1)

    def _check(self, inputs, mask=None):
        kinds = (list, tuple)
        one = not isinstance(inputs, kinds) or tree.is_shape(inputs)
        if one or len(inputs) not in (2, 3):
            found = getattr(inputs, "shape", inputs) if one else f"{len(inputs)} inputs"
            raise ValueError(
                f"{self._title()} must be called on a list [query, value] or [query, value, key]."
                f"\nReceived: {found}"
            )
        if mask is not None and (not isinstance(mask, kinds) or len(mask) not in (2, 3)):
            raise ValueError(
                f"{self._title()}: `mask` must be a list [query_mask, value_mask], each of which "
                f"may be None.\nReceived: mask={mask!r}"
            )

    def compute_mask(self, inputs, mask=None):
        """Return the mask of the query."""
        return mask[0] if mask else None


def _folded(x, axes: int):
    """Return `x` with its first `axes` axes, those of the batch, as one."""
    return x if x is None or axes == 1 else jnp.reshape(x, (-1, *x.shape[axes:]))


class AdditiveAttention(Attention):
    """Means of values, weighted by the sum of `tanh(query + key)` (Bahdanau et al., 2015).

    Args:
        use_scale: whether the sum over the features is weighted by numbers that are trained.
        dropout: probability that a weight is dropped, in training.
        **kwargs: `seed`, `name`, `dtype`, `trainable`.

    It is called like `Attention`.

    Raises:
        ValueError: if `dropout` is not in [0, 1]; or, when called, if the inputs or masks are no
            list of two or three.

    Example:
        >>> query, value = np.ones((1, 2, 4)), np.ones((1, 3, 4))
        >>> kerata.layers.AdditiveAttention()([query, value]).shape
        (1, 2, 4)
    """

    def __init__(self, use_scale=True, dropout=0.0, **kwargs):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape):
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform"
            )

    def _is_dot(self) -> bool:
        return False

    def _scores(self, query, key):
        return self._scaled(jnp.tanh(query[:, :, None] + key[:, None])).sum(-1)
