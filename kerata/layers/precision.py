"""In what a layer computes and keeps its weights: dtype policies, and quantization."""

from typing import Any

from kerata.engine import policies


class Precision:
    """Mixed into a layer, gives it its dtypes, and `quantize`."""

    _dtype_policy: Any
    _path: str | None
    _title: Any
    _is_quantized = False

    @property
    def dtype_policy(self):
        """The dtype policy."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        policy, now = policies.get(value), self.__dict__.get("_dtype_policy")
        quantizes = policy.quantization_mode is not None and self.__dict__.get("built")
        if quantizes and not self._is_quantized:
            from kerata.quantizers.adapter import quantize_by_policy

            quantize_by_policy(self, policy)
        if isinstance(now, policies.DTypePolicyMap) and self._path:
            if self._path in now:
                del now[self._path]
            now[self._path] = policy
        else:
            self._dtype_policy = policy

    @property
    def own_policy(self):
        """The dtype policy that holds for this very layer, if `dtype_policy` is a map."""
        policy = self._dtype_policy
        is_map = isinstance(policy, policies.DTypePolicyMap)
        return policy[self._path] if is_map and self._path else policy

    @property
    def quantization_mode(self):
        """How the weights are quantized ("int8", …), or None."""
        return self.own_policy.quantization_mode

    def quantize(self, mode=None, type_check=True, config=None) -> None:
        """Replace the weights by quantized ones.

        Args:
            mode: "int8", "int4", or "float8" to compute in it; that of `config` if None.
            type_check: whether to refuse subclasses of the built-in layers, whose `call` may do
                something else.
            config: a `kerata.quantizers.QuantizationConfig`.

        Raises:
            ValueError: if the layer is not built, or is quantized already.
            NotImplementedError: if it cannot be quantized.

        Example:
            >>> layer = kerata.layers.Dense(4)
            >>> layer.build((None, 3))
            >>> layer.quantize("int8")
            >>> layer.kernel.dtype, layer.dtype_policy.name
            ('int8', 'int8_from_float32')
        """
        from kerata.quantizers.adapter import quantize

        quantize(self, mode, type_check, config)

    def quantized_build(self, input_shape, mode, config=None):
        """Raise: quantized weights are made by `build` and `quantize`."""
        raise NotImplementedError(
            f"{self._title()} makes quantized weights in build(), if its dtype policy says so, or "
            f"in quantize().\nReceived: quantized_build({input_shape}, mode={mode!r})"
        )

    @property
    def dtype(self) -> str:
        """The dtype of the variables."""
        return self.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the variables."""
        return self.own_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self.own_policy.compute_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that inputs are cast to."""
        return self.compute_dtype
