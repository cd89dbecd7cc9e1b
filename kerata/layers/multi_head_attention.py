"""Attention with several heads: projections around `kernels.attention`."""

import inspect
import math

import jax.numpy as jnp

from kerata import activations
from kerata.engine import settings
from kerata.engine.configurable import serialize
from kerata.engine.errors import argument_error, positive_int, probability
from kerata.engine.policies import DTypePolicyMap
from kerata.engine.registry import publish_as
from kerata.engine.rng import draw_seed
from kerata.kernels import attention as kernels
from kerata.layers.arguments import axis_tuple, keep_rules, known_dim, width as whole_width
from kerata.layers.core import EinsumDense
from kerata.layers.layer import Layer
from kerata.layers.regularization import Dropout

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ARGUMENTS = tuple(
    f"_{name}"
    for name in """num_heads key_dim value_dim dropout use_bias use_gate attention_axes
    sliding_window flash_attention kernel_initializer bias_initializer kernel_regularizer
    bias_regularizer kernel_constraint bias_constraint activity_regularizer seed""".split()
)


class _HeadedAttention(Layer):
    """What attention with heads has in common: projections, masks and dropout."""

    config_exclude = (*Layer.config_exclude, "flash_attention")

    def _keep_arguments(self, arguments: dict) -> None:
        keep_rules(self, arguments)
        self.dropout = probability("dropout", arguments["dropout"], self)
        self.use_bias, self.use_gate = arguments["use_bias"], arguments["use_gate"]
        window = arguments["sliding_window"]
        self.sliding_window = (
            None if window is None else positive_int("sliding_window", window, self)
        )
        flash = arguments["flash_attention"]
        self.flash_attention = settings.is_flash_attention_enabled() if flash is None else flash
        if self.flash_attention and self.dropout > 0:
            must = "be 0 with flash attention, which cannot drop weights"
            raise argument_error("dropout", must, self.dropout, self)
        self.seed = arguments["seed"]
        self.supports_masking = True

    def get_config(self) -> dict:
        """Return the config; a policy map tells which of the layers inside are quantized."""
        config = super().get_config()
        inside = {x.path: x.dtype_policy for x in self._sublayers if x._is_quantized}
        if inside and not isinstance(self.dtype_policy, DTypePolicyMap):
            config["dtype"] = serialize(DTypePolicyMap(self.dtype_policy, inside))
        return config

    def _einsum_projection(self, name, equation, output_shape, bias_axes, activation=None):
        """Make a projection, with rules for its weights that are like this layer's."""
        layer = EinsumDense(
            equation,
            output_shape,
            activation=activation,
            bias_axes=bias_axes if self.use_bias else None,
            name=name,
            **self._get_common_kwargs_for_sublayer(),
        )
        layer.supports_masking = True  # masks of the inputs are dealt with here
        return layer

    # Subclasses that were written for Keras use the names that its class has: these two, and those
    # of arguments with an underscore before.

    def _get_common_kwargs_for_sublayer(self) -> dict:
        """Return the arguments that all projections have in common."""
        common = {"dtype": self.dtype_policy, "activity_regularizer": self.activity_regularizer}
        for weight in ("kernel", "bias"):
            initializer = getattr(self, f"{weight}_initializer")
            # A copy: an initializer without a seed has one of its own, and draws by it.
            common[f"{weight}_initializer"] = getattr(
                initializer, "clone", lambda i=initializer: i
            )()
            for kind in ("regularizer", "constraint"):
                common[f"{weight}_{kind}"] = getattr(self, f"{weight}_{kind}")
        return common

    def _build_attention(self, rank) -> None:
        """Make the layer that holds the random state; `rank` is that of projected inputs."""
        self._dropout_layer = Dropout(self.dropout, dtype=self.dtype_policy, seed=self.seed)

    def __getattr__(self, name):
        if name in _ARGUMENTS and name[1:] in vars(self):
            return vars(self)[name[1:]]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _project_to_heads(self, name, shape, heads, width, activation=None):
        """Make and build a projection of `(batch, ..., features)` to `(..., heads, width)`."""
        known_dim(shape, -1, self)
        axes, (inner, *outer) = _LETTERS[: len(shape) - 1], _LETTERS[len(shape) - 1 :][:3]
        equation = f"{axes}{inner},{inner}{''.join(outer)}->{axes}{''.join(outer)}"
        wanted = (*[None] * (len(shape) - 2), heads, width)
        layer = self._einsum_projection(name, equation, wanted, "".join(outer), activation)
        layer.build(shape)
        return layer

    def _project_from_heads(self, name, rank, heads, width, output_shape):
        """Make and build a projection from `(batch, ..., heads, width)` to `output_shape`."""
        axes = _LETTERS[: rank - 1]
        inner = _LETTERS[rank - 1 : rank + 1]
        outer = _LETTERS[rank + 1 :][: len(output_shape)]
        wanted = (*[None] * (rank - 2), *output_shape)
        layer = self._einsum_projection(
            name, f"{axes}{inner},{inner}{outer}->{axes}{outer}", wanted, outer
        )
        layer.build((*[None] * (rank - 1), heads, width))
        return layer

    def _check_three_shapes(self, query_shape, value_shape, key_shape):
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"{self._title()}: `value` and `key` must have the same shape but for the last "
                f"axis.\nReceived: value {tuple(value_shape)}, key {tuple(key_shape)}"
            )

    def _attend_masked(self, query, key, value, mask, is_causal, training, return_scores):
        """Call `_compute_attention`, which a subclass may have written for masks alone."""
        options = {"training": training}
        accepted = inspect.signature(self._compute_attention).parameters
        if "return_attention_scores" in accepted:
            options["return_attention_scores"] = return_scores
        if "use_causal_mask" in accepted:
            options["use_causal_mask"] = is_causal
        elif is_causal:
            past = jnp.arange(query.shape[1])[:, None] >= jnp.arange(key.shape[1])
            mask = past[None, None] if mask is None else mask & past
        return self._compute_attention(query, key, value, attention_mask=mask, **options)

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        """Return means of `value`, all `(batch, length, heads, width)`, and scores or None.

        Subclasses may override it: to attend in another way, or to give it other keys and values.

        Targets that see nothing get a plain mean if nothing is dropped and no scores are returned,
        as in Keras, where another function is called then; else zeros.
        """
        mask = attention_mask if attention_mask is None else jnp.asarray(attention_mask)
        mask = mask[:, None] if mask is not None and mask.ndim == 3 else mask
        options = {"mask": mask, "is_causal": use_causal_mask}
        options["zero_masked"] = return_attention_scores or self.dropout > 0
        seed = None
        if training and self.dropout > 0:
            seed = draw_seed(self._dropout_layer.seed_generator)
        if return_attention_scores:
            scores = kernels.attention_weights(query, key, **options)
            dropped = kernels.dropped(scores, self.dropout, seed)
            return kernels.weighted(dropped, value), scores
        options |= {"rate": self.dropout, "seed": seed, "flash": self.flash_attention}
        return kernels.attention(query, key, value, **options), None

    def _joint_mask(
        self, attention_mask, query_mask, value_mask, key_mask, axes=(1,), lengths=None
    ):
        """Join the masks; return booleans that broadcast to `(batch, *targets, *sources)`, or None.

        Args:
            attention_mask: such a mask, or one with heads before the targets.
            query_mask: `(batch, *targets)`.
            value_mask: `(batch, *sources)`.
            key_mask: the same.
            axes: the axes that are attended over.
            lengths: number of targets and of sources, for the sliding window.
        """
        count = len(axes)
        found = [] if attention_mask is None else [jnp.asarray(attention_mask).astype(bool)]
        for mask, sides in (
            (query_mask, (0, count)),
            (value_mask, (count, 0)),
            (key_mask, (count, 0)),
        ):
            if mask is not None:
                mask = jnp.asarray(mask).astype(bool)
                before, after = (1,) * sides[0], (1,) * sides[1]
                split = mask.ndim - count
                found.append(
                    mask.reshape(*mask.shape[:split], *before, *mask.shape[split:], *after)
                )
        if self.sliding_window is not None:
            distance = jnp.arange(lengths[0])[:, None] - jnp.arange(lengths[1])
            found.append((jnp.abs(distance) < self.sliding_window)[None])
        if not found:
            return None
        headed = max(m.ndim for m in found)
        joined = None
        for mask in found:
            while mask.ndim < headed:  # the axis that is missing is that of heads
                mask = jnp.expand_dims(mask, -2 * count - 1)
            joined = mask if joined is None else joined & mask
        return joined


class MultiHeadAttention(_HeadedAttention):
    """Attention with several heads (Vaswani et al., 2017).

    Query, key and value are projected for each head; each head takes means of the values, weighted
    by the softmax of `query @ key / sqrt(key_dim)`; and these are projected together.

    Args:
        num_heads: number of heads.
        key_dim: width of a head's query and key.
        value_dim: width of a head's value; `key_dim` if None.
        dropout: probability that a weight is dropped, in training.
        use_bias: whether the projections have biases.
        output_shape: shape of the output without batch and sequence axes, an integer or several;
            the width of the query if None.
        attention_axes: the axes that are attended over, an integer or several; all but the first
            and the last if None.
        sliding_window: how many positions on either side a target sees, itself counted; all if
            None.
        flash_attention: False to leave out fused attention on a GPU; None for the setting of
            `kerata.config`.
        kernel_initializer: initial value of the projections' kernels.
        bias_initializer: initial value of their biases.
        kernel_regularizer: penalty on the kernels, added to the loss.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the projections' outputs.
        kernel_constraint: what is applied to the kernels after each update.
        bias_constraint: what is applied to the biases after each update.
        use_gate: whether what comes out of the heads is multiplied by the sigmoid of a projection
            of the query (Qiu et al., 2025).
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called with `query`, `(batch, targets, features)`, `value`, `(batch, sources, features)`,
    and optionally `key` (the value if None). `attention_mask`, booleans that broadcast to
    `(batch, heads, targets, sources)` or without heads, is false where a target must not see a
    source; `use_causal_mask` hides what is behind the target; and the masks of the inputs count.
    It returns `(batch, targets, width)`, and with `return_attention_scores` also the weights,
    `(batch, heads, targets, sources)`.

    Raises:
        ValueError: if a size is not positive or `dropout` not in [0, 1]; or, when called, if key
            and value are not of the same length.

    Example:
        >>> layer = kerata.layers.MultiHeadAttention(num_heads=2, key_dim=3)
        >>> x = np.ones((1, 5, 8))
        >>> layer(x, x, use_causal_mask=True).shape
        (1, 5, 8)
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        output_shape=None,
        attention_axes=None,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.num_heads = positive_int("num_heads", num_heads, self)
        self.key_dim = positive_int("key_dim", key_dim, self)
        self.value_dim = positive_int(
            "value_dim", key_dim if value_dim is None else value_dim, self
        )
        if output_shape is not None:
            sizes = output_shape if isinstance(output_shape, (tuple, list)) else (output_shape,)
            output_shape = tuple(whole_width("output_shape", size, self) for size in sizes)
        self._output_shape = output_shape
        if attention_axes is not None:
            attention_axes = axis_tuple(attention_axes, self, "attention_axes")
        self.attention_axes = attention_axes
        self._keep_arguments(locals())

    @property
    def output_shape(self):
        """The shape of the output without batch and sequence axes, if it was given."""
        return self._output_shape

    @property
    def query_dense(self):
        """The projection of the query."""
        return self._query_dense

    @property
    def key_dense(self):
        """The projection of the key."""
        return self._key_dense

    @property
    def value_dense(self):
        """The projection of the value."""
        return self._value_dense

    @property
    def output_dense(self):
        """The projection of what comes out of the heads."""
        return self._output_dense

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        rank = len(query_shape)
        if not rank == len(value_shape) == len(key_shape) or rank < 3:
            raise ValueError(
                f"{self._title()}: inputs must have the same rank, 3 or more.\nReceived: query "
                f"{tuple(query_shape)}, value {tuple(value_shape)}, key {tuple(key_shape)}"
            )
        self._check_three_shapes(query_shape, value_shape, key_shape)
        heads, width = self.num_heads, self.value_dim
        self._query_dense = self._project_to_heads("query", query_shape, heads, self.key_dim)
        self._key_dense = self._project_to_heads("key", key_shape, heads, self.key_dim)
        if self.use_gate:
            gate = activations.sigmoid
            self._gate_dense = self._project_to_heads("gate", query_shape, heads, width, gate)
        self._value_dense = self._project_to_heads("value", value_shape, heads, width)
        self._build_attention(rank + 1)
        output_shape = self._output_shape or (known_dim(query_shape, -1, self),)
        self._output_dense = self._project_from_heads(
            "attention_output", rank, heads, width, output_shape
        )

    def _build_attention(self, rank) -> None:
        super()._build_attention(rank)
        rank -= 1  # of the inputs, which have no axis of heads
        axes = self.attention_axes or tuple(range(1, rank - 1))
        if not all(0 < (a % rank) < rank - 1 and -rank <= a < rank for a in axes):
            must = f"be between the first and the last axis of inputs of rank {rank}"
            raise argument_error("attention_axes", must, self.attention_axes, self)
        self.attention_axes = tuple(a % rank for a in axes)

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        key = value if key is None else key
        gate = self._gate_dense(query) if self.use_gate else None
        query, key = self._query_dense(query), self._key_dense(key)
        value = self._value_dense(value)
        axes = self.attention_axes
        lengths = [math.prod(x.shape[a] for a in axes) for x in (query, key)]
        mask = self._joint_mask(attention_mask, query_mask, value_mask, key_mask, axes, lengths)
        plain = len(axes) == 1 and query.ndim == 4
        if plain:
            mask = mask if mask is None or mask.ndim != 3 else mask[:, None]
            inputs = query, key, value
        else:
            inputs, mask = _flatten(query, key, value, mask, axes)
        found, scores = self._attend_masked(
            *inputs, mask, use_causal_mask, training, return_attention_scores
        )
        if not plain:
            found, scores = _unflatten(found, scores, query, key, axes)
        found = found if gate is None else found * gate
        found = self._output_dense(found)
        return (found, scores) if return_attention_scores else found


def _flatten(query, key, value, mask, axes):
    """Return inputs `(batch, length, heads, width)` and mask of attention over several axes.

    Axes that are not attended over join the batch.
    """
    others = [a for a in range(1, query.ndim - 2) if a not in axes]
    order = [0, *others, *axes, query.ndim - 2, query.ndim - 1]

    def flat(x):
        length = math.prod(x.shape[a] for a in axes)
        return x.transpose(order).reshape(-1, length, *x.shape[-2:])

    if mask is not None:
        lengths = [[x.shape[a] for a in axes] for x in (query, key)]
        batch = [query.shape[0], *(query.shape[a] for a in others)]
        if mask.ndim < len(batch) + 1 + 2 * len(axes):  # without heads
            mask = jnp.expand_dims(mask, -2 * len(axes) - 1)
        heads = mask.shape[-2 * len(axes) - 1]
        mask = jnp.broadcast_to(mask, (*batch, heads, *lengths[0], *lengths[1]))
        mask = mask.reshape(-1, heads, math.prod(lengths[0]), math.prod(lengths[1]))
    return tuple(map(flat, (query, key, value))), mask


def _unflatten(found, scores, query, key, axes):
    """Undo `_flatten` for outputs; scores become `(batch, *others, heads, *targets, *sources)`."""
    others = [a for a in range(1, query.ndim - 2) if a not in axes]
    order = [0, *others, *axes, query.ndim - 2, query.ndim - 1]
    shape = [query.shape[a] for a in order[:-2]]
    found = found.reshape(*shape, *found.shape[-2:])
    found = found.transpose([order.index(a) for a in range(query.ndim)])
    if scores is not None:
        batch, targets = shape[: 1 + len(others)], shape[1 + len(others) :]
        sources = [key.shape[a] for a in axes]
        scores = scores.reshape(*batch, scores.shape[1], *targets, *sources)
    return found, scores


class GroupedQueryAttention(_HeadedAttention):
    """Attention whose query heads share heads of key and value (Ainslie et al., 2023).

    Args:
        head_dim: width of a head.
        num_query_heads: number of query heads.
        num_key_value_heads: number of heads of key and value; divides `num_query_heads`. With 1
            it is multi-query attention.
        dropout: probability that a weight is dropped, in training.
        use_bias: whether the projections have biases.
        sliding_window: how many positions on either side a target sees, itself counted; all if
            None.
        flash_attention: False to leave out fused attention on a GPU; None for the setting of
            `kerata.config`.
        kernel_initializer: initial value of the projections' kernels.
        bias_initializer: initial value of their biases.
        kernel_regularizer: penalty on the kernels, added to the loss.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the projections' outputs.
        kernel_constraint: what is applied to the kernels after each update.
        bias_constraint: what is applied to the biases after each update.
        use_gate: whether what comes out of the heads is multiplied by the sigmoid of a projection
            of the query (Qiu et al., 2025).
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called like `MultiHeadAttention`; its output has the width of the query.

    Raises:
        ValueError: if a size is not positive, the heads cannot be shared out, or `dropout` is not
            in [0, 1]; or, when called, if key and value are not of the same length.

    Example:
        >>> layer = kerata.layers.GroupQueryAttention(3, num_query_heads=4, num_key_value_heads=2)
        >>> x = np.ones((1, 5, 8))
        >>> layer(x, x).shape
        (1, 5, 8)
    """

    def __init__(
        self,
        head_dim,
        num_query_heads,
        num_key_value_heads,
        dropout=0.0,
        use_bias=True,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.head_dim = positive_int("head_dim", head_dim, self)
        self.num_query_heads = positive_int("num_query_heads", num_query_heads, self)
        self.num_key_value_heads = positive_int("num_key_value_heads", num_key_value_heads, self)
        if self.num_query_heads % self.num_key_value_heads:
            must = f"divide num_query_heads={num_query_heads}"
            raise argument_error("num_key_value_heads", must, num_key_value_heads, self)
        self.num_repeats = self.num_query_heads // self.num_key_value_heads
        self._keep_arguments(locals())

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        for name, shape in (("query", query_shape), ("value", value_shape), ("key", key_shape)):
            if len(shape) != 3:
                raise ValueError(
                    f"{self._title()} needs inputs (batch, length, features).\n"
                    f"Received: {name} of shape {tuple(shape)}"
                )
        self._check_three_shapes(query_shape, value_shape, key_shape)
        heads, groups, width = self.num_query_heads, self.num_key_value_heads, self.head_dim
        self._query_dense = self._project_to_heads("query", query_shape, heads, width)
        self._key_dense = self._project_to_heads("key", key_shape, groups, width)
        if self.use_gate:
            gate = activations.sigmoid
            self._gate_dense = self._project_to_heads("gate", query_shape, heads, width, gate)
        self._value_dense = self._project_to_heads("value", value_shape, groups, width)
        self._build_attention(len(query_shape) + 1)
        self._output_dense = self._project_from_heads(
            "attention_output", 3, heads, width, (query_shape[-1],)
        )

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        key = value if key is None else key
        lengths = query.shape[1], key.shape[1]
        mask = self._joint_mask(attention_mask, query_mask, value_mask, key_mask, (1,), lengths)
        mask = mask[:, None] if mask is not None and mask.ndim == 3 else mask
        gate = self._gate_dense(query) if self.use_gate else None
        inputs = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        found, scores = self._attend_masked(
            *inputs, mask, use_causal_mask, training, return_attention_scores
        )
        found = found if gate is None else found * gate
        found = self._output_dense(found)
        return (found, scores) if return_attention_scores else found


# Its public name, also in files, is not the name that layers are numbered by: so it is in Keras.
publish_as("keras.layers", "GroupQueryAttention", GroupedQueryAttention, canonical=True)
publish_as("keras.layers", "GroupedQueryAttention", GroupedQueryAttention)  # in older files
