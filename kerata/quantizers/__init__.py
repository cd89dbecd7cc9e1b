"""Quantizers, and how layers and models are quantized (public namespace `kerata.quantizers`)."""

from kerata.engine.configurable import (
    deserialize_in as _deserialize_in,
    resolve as _resolve,
    serialize as _serialize,
)
from kerata.engine.naming import to_snake_case as _to_snake_case
from kerata.engine.registry import publish
from kerata.quantizers.absmax import (
    AbsMaxQuantizer as AbsMaxQuantizer,
    Quantizer as Quantizer,
    abs_max_quantize as abs_max_quantize,
    abs_max_quantize_grouped_with_zero_point as abs_max_quantize_grouped_with_zero_point,
)
from kerata.quantizers.config import (
    AWQConfig as AWQConfig,
    Float8QuantizationConfig as Float8QuantizationConfig,
    GPTQConfig as GPTQConfig,
    Int4QuantizationConfig as Int4QuantizationConfig,
    Int8QuantizationConfig as Int8QuantizationConfig,
    QuantizationConfig as QuantizationConfig,
)
from kerata.quantizers.fake import fake_quant_with_min_max_vars as fake_quant_with_min_max_vars
from kerata.quantizers.float8 import (
    compute_float8_amax_history as compute_float8_amax_history,
    compute_float8_scale as compute_float8_scale,
    quantize_and_dequantize as quantize_and_dequantize,
)
from kerata.quantizers.packing import pack_int4 as pack_int4, unpack_int4 as unpack_int4

_NAMES = {
    name: cls
    for cls in (
        Quantizer,
        AbsMaxQuantizer,
        QuantizationConfig,
        Int8QuantizationConfig,
        Int4QuantizationConfig,
        Float8QuantizationConfig,
    )
    for name in (cls.__name__, _to_snake_case(cls.__name__))
}


def serialize(initializer) -> dict:
    """Return the config dict of a quantizer, or of a way to quantize.

    Args:
        initializer: the object.
    """
    return _serialize(initializer)


def deserialize(config: dict, custom_objects=None):
    """Return the object that `serialize` wrote as `config`."""
    return _deserialize_in("keras.quantizers", config, custom_objects)


def get(identifier, **kwargs):
    """Return the quantizer that `identifier` means.

    Args:
        identifier: a quantizer, its name or config, its class, or None.
        **kwargs: arguments to make it with, if it is a name or a class.

    Raises:
        ValueError: if it means none.

    Example:
        >>> kerata.quantizers.get("abs_max_quantizer", axis=-1).axis
        (-1,)
    """
    cls = _NAMES.get(identifier, identifier) if isinstance(identifier, str) else identifier
    if isinstance(cls, type):
        return cls(**kwargs)
    try:
        return _resolve(cls, _NAMES, "quantizer", deserialize)
    except TypeError as error:
        raise ValueError(str(error)) from None


publish(globals())
