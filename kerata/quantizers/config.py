"""How a layer or a model is to be quantized."""

import copy

from kerata.engine.configurable import Configurable
from kerata.engine.errors import argument_error, one_of, positive_int
from kerata.engine.policies import QUANTIZATION_MODES
from kerata.quantizers.absmax import AbsMaxQuantizer


class QuantizationConfig(Configurable):
    """Base of the ways to quantize. Subclasses have a `mode`.

    Args:
        weight_quantizer: quantizer of the weights.
        activation_quantizer: quantizer of the inputs.
    """

    def __init__(self, weight_quantizer=None, activation_quantizer=None):
        self.weight_quantizer = weight_quantizer
        self.activation_quantizer = activation_quantizer

    @property
    def mode(self) -> str:
        """The kind of quantization."""
        raise NotImplementedError(
            f"{type(self).__name__} has no `mode`: use a subclass, such as Int8QuantizationConfig."
        )

    def policy_mode(self) -> str:
        """Return how the layer's dtype policy names the mode."""
        return self.mode

    def without_data(self) -> "QuantizationConfig":
        """Return the config as a quantized layer keeps it."""
        return self

    def _check_weight_quantizer(self):
        quantizer = self.weight_quantizer
        if quantizer is not None and quantizer.output_dtype != "int8":
            must = "have output_dtype='int8'"
            raise argument_error("weight_quantizer", must, quantizer.output_dtype, type(self))


class Int8QuantizationConfig(QuantizationConfig):
    """Weights, and inputs unless told otherwise, become integers of 8 bits.

    Args:
        weight_quantizer: quantizer of the weights; an `AbsMaxQuantizer` if None.
        activation_quantizer: quantizer of the inputs: "default" for an `AbsMaxQuantizer`, None to
            leave them in floats.

    Raises:
        ValueError: if the quantizer of the weights does not make int8.
    """

    mode = "int8"  # type: ignore[assignment]

    def __init__(self, weight_quantizer=None, activation_quantizer="default"):
        if activation_quantizer == "default":
            activation_quantizer = AbsMaxQuantizer()
        super().__init__(weight_quantizer, activation_quantizer)
        self._check_weight_quantizer()


class Int4QuantizationConfig(QuantizationConfig):
    """Weights become integers of 4 bits, two in a byte.

    Args:
        weight_quantizer: quantizer of the weights; an `AbsMaxQuantizer` if None.
        activation_quantizer: quantizer of the inputs; None, or "default", to leave them in floats.
        block_size: how many weights along the axis of the inputs share a scale and a zero point;
            None or -1 for one scale for each output. Blocks are quantized in a way of their own,
            without the two quantizers.

    Raises:
        ValueError: if `block_size` is no such number, there are quantizers beside it, or that of
            the weights does not make integers in [-8, 7].
    """

    mode = "int4"  # type: ignore[assignment]

    def __init__(self, weight_quantizer=None, activation_quantizer="default", block_size=128):
        if activation_quantizer == "default":
            activation_quantizer = None
        super().__init__(weight_quantizer, activation_quantizer)
        self.block_size = block_size
        if block_size not in (None, -1):
            positive_int("block_size", block_size, type(self))
            if weight_quantizer is not None or activation_quantizer is not None:
                must = "be None or -1 with quantizers of your own"
                raise argument_error("block_size", must, block_size, type(self))
        self._check_weight_quantizer()
        if weight_quantizer is not None and tuple(weight_quantizer.value_range) != (-8, 7):
            must = "have value_range=(-8, 7)"
            found = weight_quantizer.value_range
            raise argument_error("weight_quantizer", must, found, type(self))

    def policy_mode(self) -> str:
        return f"int4/{-1 if self.block_size is None else self.block_size}"

    @classmethod
    def from_config(cls, config: dict):
        # Older files have no blocks.
        return super().from_config({"block_size": None, **config})


class Float8QuantizationConfig(QuantizationConfig):
    """Layers compute in float8, in training too; weights stay as they are."""

    mode = "float8"  # type: ignore[assignment]

    def __init__(self):
        super().__init__()


class _Calibrated(QuantizationConfig):
    """Base of the ways that look at data."""

    config_exclude = ("dataset", "tokenizer", "quantization_layer_structure")
    weight_bits: int
    group_size: int

    def _keep(self, arguments: dict):
        super().__init__()
        for name in ("num_samples", "sequence_length", "num_grid_points"):
            if name in arguments:
                positive_int(name, arguments[name], type(self))
        if arguments["group_size"] != -1:
            positive_int("group_size", arguments["group_size"], type(self))
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def dtype_policy_string(self) -> str:
        """Return how the layer's dtype policy names the mode: "gptq/4/128"."""
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"

    policy_mode = dtype_policy_string

    def without_data(self) -> "QuantizationConfig":
        found = copy.copy(self)
        vars(found).update(dict.fromkeys(self.config_exclude))
        return found

    def get_config(self) -> dict:
        # Data and structure are of use only once.
        return {**super().get_config(), **dict.fromkeys(self.config_exclude)}


class GPTQConfig(_Calibrated):
    """Weights are rounded one input after the other; those that follow make up for the errors.

    Source: Frantar et al., 2022 (GPTQ).

    Args:
        dataset: iterable of texts, or of arrays of tokens, to calibrate with.
        tokenizer: object whose `tokenize` turns a text into tokens.
        weight_bits: number of bits of a weight: 2, 3, 4 or 8.
        num_samples: number of sequences to calibrate with.
        per_channel: whether each output has scales of its own.
        sequence_length: number of tokens of a sequence.
        hessian_damping: what is added to the Hessian's diagonal, relative to its mean, in [0, 1].
        group_size: how many weights of an output share a scale; -1 for all.
        symmetric: whether the zero point is the middle of the integers.
        activation_order: whether inputs that matter more come first.
        quantization_layer_structure: dict: "pre_block_layers", a list of layers that come before
            the blocks, and "sequential_blocks", a list of layers one after the other, whose inner
            `Dense` and `EinsumDense` layers are quantized.

    Raises:
        ValueError: if an argument is out of its range.
    """

    mode = "gptq"  # type: ignore[assignment]

    def __init__(
        self,
        dataset,
        tokenizer,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        per_channel: bool = True,
        sequence_length: int = 512,
        hessian_damping: float = 0.01,
        group_size: int = 128,
        symmetric: bool = False,
        activation_order: bool = False,
        quantization_layer_structure: dict | None = None,
    ):
        one_of("weight_bits", weight_bits, (2, 3, 4, 8), type(self))
        if not 0 <= hessian_damping <= 1:
            raise argument_error(
                "hessian_damping", "be between 0 and 1", hessian_damping, type(self)
            )
        self._keep(locals())


class AWQConfig(_Calibrated):
    """Weights of inputs that are often large are scaled up before rounding.

    Source: Lin et al., 2023 (AWQ).

    Args:
        dataset: iterable of texts, or of arrays of tokens, to calibrate with.
        tokenizer: object whose `tokenize` turns a text into tokens.
        weight_bits: number of bits of a weight: 4.
        num_samples: number of sequences to calibrate with.
        sequence_length: number of tokens of a sequence.
        group_size: how many weights of an output share a scale; -1 for all.
        num_grid_points: how many strengths of the scaling are tried.
        quantization_layer_structure: see `GPTQConfig`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    mode = "awq"  # type: ignore[assignment]
    per_channel, symmetric = True, False

    def __init__(
        self,
        dataset,
        tokenizer,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        sequence_length: int = 512,
        group_size: int = 128,
        num_grid_points: int = 20,
        quantization_layer_structure: dict | None = None,
    ):
        one_of("weight_bits", weight_bits, (4,), type(self))
        self._keep(locals())


_DEFAULTS = {
    "int8": Int8QuantizationConfig,
    "int4": Int4QuantizationConfig,
    "float8": Float8QuantizationConfig,
}


def resolve(mode, config) -> QuantizationConfig:
    """Return the config that a call of `quantize(mode, config)` means.

    Raises:
        ValueError: if there is no such mode, or mode and config do not fit.
    """
    if isinstance(config, str):
        mode, config = config, None
    if mode is not None or config is None:
        one_of("mode", mode, QUANTIZATION_MODES, "quantize()")
    if config is None:
        if mode not in _DEFAULTS:
            kind = {"gptq": "GPTQConfig", "awq": "AWQConfig"}[mode]
            raise argument_error("config", f"be a {kind} for mode={mode!r}", config, "quantize()")
        return _DEFAULTS[mode]()
    if not isinstance(config, QuantizationConfig):
        raise argument_error("config", "be a QuantizationConfig", config, "quantize()")
    if mode is not None and config.mode != mode:
        raise ValueError(
            f"quantize(): `mode` must be that of the config, {config.mode!r}.\n"
            f"Received: mode={mode!r}, config={config!r}"
        )
    return config
