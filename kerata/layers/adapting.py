"""Layers whose weights can be quantized, and adapted by LoRA.

How that is done is written down once, in `kerata.quantizers`; a layer only says where its weight
is and how inputs meet it. Nothing of it is imported before it is used.
"""

from kerata.engine.configurable import serialize
from kerata.layers.calling import calls
from kerata.layers.layer import Layer


def effective_weight(name: str):
    """Return a property: the layer's weight as it acts, with what LoRA adds to it.

    It is the variable itself as long as nothing is added; integers, if they stand for the weight.
    """

    def get(self):
        variable = self.__dict__.get(f"_{name}")
        if variable is not None and not self._is_quantized and not self.lora_enabled:
            return variable
        if not self.__dict__.get("_adapted_weights"):
            raise AttributeError(
                f"{self._title()} has no `{name}` yet: it is not built.\n"
                "Call it on data, or build(input_shape)."
            )
        from kerata.quantizers import adapter

        return adapter.effective(self)

    return property(get)


class Adaptable(Layer):
    """Base of layers that have a weight which can be quantized, or adapted by LoRA.

    Class attributes:
        adapted: name of that weight.
        quantization_modes: how it can be quantized.
    """

    adapted = "kernel"
    quantization_modes: tuple[str, ...] = ()
    lora_enabled = False
    # The weights as they act are computed, not state.
    untracked = Layer.untracked | {"kernel", "embeddings"}

    def keep_adapters(self, lora_rank, lora_alpha, quantization_config=None) -> None:
        """Store the arguments that say how the layer is adapted and quantized when it is built."""
        self.lora_rank = lora_rank
        self.lora_alpha = lora_rank if lora_alpha is None else lora_alpha
        self.quantization_config = quantization_config

    def add_adapted(self, shape, equation="", name=None, initializer=None, **layout) -> None:
        """Make the weight, quantized if the dtype policy says so.

        Args:
            shape: its shape.
            equation: the einsum of inputs and weight.
            name: its name; `adapted` if None.
            initializer: its initial value; the layer's own initializer if None.
            **layout: further fields of `kerata.quantizers.weight.Weight`.
        """
        name = name or self.adapted
        weight = {"name": name, "shape": tuple(shape), "equation": equation, **layout}
        weight.setdefault("attribute", f"_{name}")
        self._adapted_weights = [*self.__dict__.get("_adapted_weights", ()), weight]
        mode = self.quantization_mode if equation else None
        if mode is not None:
            from kerata.quantizers import adapter

            adapter.build(self, adapter.weights_of(self)[-1])
        if mode in (None, "float8"):
            rules = {
                kind: getattr(self, f"{self.adapted}_{kind}")
                for kind in ("initializer", "regularizer", "constraint")
            }
            if initializer is not None:
                rules["initializer"] = initializer
            setattr(self, weight["attribute"], self.add_weight(name=name, shape=shape, **rules))

    def _finish_build(self):
        super()._finish_build()
        if self.lora_rank and not self.lora_enabled:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def contract(self, inputs, multiply, which: int = 0):
        """Return `multiply(inputs, weight)`, or what stands for it if the weight is quantized.

        Args:
            inputs: tensor.
            multiply: function of inputs and weight.
            which: number of the weight.
        """
        if not self._is_quantized:
            return multiply(inputs, getattr(self, self.adapted))
        from kerata.quantizers import adapter

        return adapter.contract(self, inputs, which, training=bool(calls.training))

    def enable_lora(
        self, rank, lora_alpha=None, a_initializer="he_uniform", b_initializer="zeros"
    ) -> None:
        """Freeze the weight, and train the product of two thin matrices beside it.

        In files the two are added to the weight. Source: Hu et al., 2021 (LoRA).

        Args:
            rank: the inner size of the product.
            lora_alpha: the product is multiplied by `lora_alpha / rank`; `rank` if None.
            a_initializer: initial value of the first matrix.
            b_initializer: initial value of the second one.

        Raises:
            ValueError: if the layer is not built, has LoRA already, or a constraint on the weight.

        Example:
            >>> layer = kerata.layers.Dense(4)
            >>> layer.build((None, 3))
            >>> layer.enable_lora(2)
            >>> [v.name for v in layer.trainable_weights]
            ['bias', 'lora_kernel_a', 'lora_kernel_b']
        """
        from kerata.quantizers import adapter

        adapter.enable_lora(self, rank, lora_alpha, a_initializer, b_initializer)

    def get_config(self) -> dict:
        config = super().get_config()
        if self.quantization_modes:
            config["quantization_config"] = serialize(self.quantization_config)
        if self.lora_rank:
            config |= {"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha}
        return config

    @property
    def _has_adapters(self) -> bool:
        return self._is_quantized or self.lora_enabled

    def _in_files(self):
        if not self._has_adapters:
            return super()._in_files()
        from kerata.quantizers import adapter

        return adapter.in_files(self)

    def save_own_variables(self, store) -> None:
        """Write the weight, with what LoRA added to it, and the other variables."""
        if not self._has_adapters:
            super().save_own_variables(store)
            return
        from kerata.quantizers import adapter

        merged = adapter.merged(self)
        for index, variable in enumerate(self._in_files()):
            value = merged.get(id(variable))
            store[f"{index}"] = variable.numpy() if value is None else value

    def load_own_variables(self, store) -> None:
        """Read what `save_own_variables` wrote; LoRA begins anew from there."""
        super().load_own_variables(store)
        if self._has_adapters:
            from kerata.quantizers import adapter

            adapter.loaded(self)
