"""Layers that look up vectors by number."""

import jax
import jax.numpy as jnp
import numpy as np

from kerata import ops
from kerata.engine.dtypes import is_float, is_int
from kerata.kernels import embedding_lookup
from kerata.layers.adapting import Adaptable, effective_weight
from kerata.layers.arguments import keep_rules, width
from kerata.layers.layer import Layer


class Embedding(Adaptable):
    """Looks up a vector for each integer.

    Args:
        input_dim: number of vectors; inputs are integers in `[0, input_dim)`.
        output_dim: length of a vector.
        embeddings_initializer: initial value of the table, `(input_dim, output_dim)`.
        embeddings_regularizer: penalty on the table, added to the loss.
        embeddings_constraint: what is applied to the table after each update.
        mask_zero: whether 0 stands for padding, to be masked.
        weights: initial table, or a list that holds it.
        lora_rank: see `enable_lora`; None for no LoRA.
        lora_alpha: see `enable_lora`.
        quantization_config: how the layer is quantized when it is built, if its dtype policy says
            that it is: see `quantize`.
        **kwargs: `name`, `dtype`, `trainable`.

    Inputs are `(batch, ...)`, outputs `(batch, ..., output_dim)`.

    Raises:
        ValueError: if a size is not positive, or (when called on values) an integer is out of
            range. In compiled code such integers give NaN.

    Example:
        >>> layer = kerata.layers.Embedding(10, 4)
        >>> layer(np.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    config_exclude = (*Layer.config_exclude, "weights", "lora_rank", "lora_alpha")
    adapted = "embeddings"
    quantization_modes = ("int8", "int4")
    embeddings = effective_weight("embeddings")

    def __init__(
        self,
        input_dim,
        output_dim,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        weights=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        kwargs.pop("input_length", None)  # older Keras wrote it
        super().__init__(**kwargs)
        self.keep_adapters(lora_rank, lora_alpha, quantization_config)
        self.input_dim = width("input_dim", input_dim, self)
        self.output_dim = width("output_dim", output_dim, self)
        self.mask_zero = mask_zero
        keep_rules(self, locals())
        self.supports_masking = mask_zero
        self.autocast = False  # inputs are numbers of rows: rounding would make them others
        if weights is not None:
            self.build()
            self.set_weights(list(weights) if isinstance(weights, (list, tuple)) else [weights])

    def build(self, input_shape=None):
        shape = (self.input_dim, self.output_dim)
        self.add_adapted(shape, "...a,ba->...b", group_axis=-1)

    def get_build_config(self) -> dict | None:
        """Return what `build_from_config` needs: nothing but that it was built."""
        return {"input_shape": None, **(super().get_build_config() or {})} if self.built else None

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def call(self, inputs):
        rows = inputs if is_int(inputs.dtype) else inputs.astype("int32")
        self._check_range(rows)
        if not self._has_adapters:
            return embedding_lookup(self.embeddings.value, rows).astype(self.compute_dtype)
        from kerata.quantizers import adapter

        return adapter.look_up(self, rows).astype(self.compute_dtype)

    def _check_range(self, rows):
        if isinstance(rows, jax.core.Tracer) or rows.size == 0:
            return
        values = np.asarray(rows)  # known also where the code around is compiled
        lowest, highest = int(values.min()), int(values.max())
        if lowest < 0 or highest >= self.input_dim:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes integers from 0 to "
                f"{self.input_dim - 1}.\nReceived: integers from {lowest} to {highest}\n"
                "`input_dim` must be the largest integer that occurs, plus one."
            )


class ReversibleEmbedding(Embedding):
    """An embedding that can also be called backwards, from vectors to scores of the integers.

    With `reverse=True` it multiplies by the table's transpose: tied weights (Press and Wolf, 2016).

    Args:
        input_dim: number of vectors.
        output_dim: length of a vector.
        tie_weights: whether the way back uses the same table.
        embeddings_initializer: initial value of the table(s).
        embeddings_regularizer: penalty on the table(s), added to the loss.
        embeddings_constraint: what is applied to the table(s) after each update.
        mask_zero: whether 0 stands for padding, to be masked.
        reverse_dtype: dtype in which the way back is computed; the layer's compute dtype if None.
        logit_soft_cap: scores `s` become `cap * tanh(s / cap)`; None for no cap.
        **kwargs: those of `Embedding`.

    Example:
        >>> layer = kerata.layers.ReversibleEmbedding(10, 4)
        >>> vectors = layer(np.array([[1, 2, 3]]))
        >>> layer(vectors, reverse=True).shape
        (1, 3, 10)
    """

    def __init__(
        self,
        input_dim,
        output_dim,
        tie_weights=True,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        reverse_dtype=None,
        logit_soft_cap=None,
        **kwargs,
    ):
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape=None):
        super().build(input_shape)
        if not self.tie_weights:
            name, shape = "reverse_embeddings", (self.output_dim, self.input_dim)
            self.add_adapted(shape, "...a,ab->...b", name, pack_axis=0, attribute=name)

    def compute_mask(self, inputs, mask=None):
        backwards = is_float(inputs.dtype) and inputs.shape[-1:] == (self.output_dim,)
        return None if backwards else super().compute_mask(inputs, mask)

    def call(self, inputs, reverse=False):
        if not reverse:
            return super().call(inputs)
        dtype = self.reverse_dtype or self.compute_dtype

        def multiply(inputs, table):
            table = ops.transpose(table) if self.tie_weights else self.reverse_embeddings.value
            return jnp.matmul(inputs.astype(dtype), table.astype(dtype))

        scores = self.contract(inputs, multiply, which=0 if self.tie_weights else 1)
        cap = self.logit_soft_cap
        return scores if cap is None else jnp.tanh(scores / cap) * cap
