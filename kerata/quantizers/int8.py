"""Weights as integers of 8 bits, with one scale for each output."""

from kerata.quantizers.absmax import AbsMaxQuantizer
from kerata.quantizers.weight import einsum, relayout

ORDER = ("value", "bias", "scale")


def encode(weight, value, config) -> dict:
    """Return the integers and the scales of a weight."""
    quantizer = config.weight_quantizer or AbsMaxQuantizer()
    value, scale = quantizer(value, axis=weight.reduced)
    _, letters, outputs = weight.letters(weight.rank)
    return {"value": value, "scale": relayout(scale, letters, outputs)}


def groups(weight, config):
    """Return None: there are no groups."""


def integers(weight, parts, config):
    """Return the integers, in the weight's shape."""
    return parts["value"]


def decode(weight, parts, config):
    """Return the weight in floats."""
    _, letters, outputs = weight.letters(weight.rank)
    scale = relayout(parts["scale"], outputs, letters)
    return parts["value"].astype(scale.dtype) / scale


def decode_rows(weight, parts, config):
    """Return rows of a table in floats."""
    return parts["value"].astype(parts["scale"].dtype) / parts["scale"][..., None]


def multiply(weight, inputs, parts, config, dtype):
    """Return the product of inputs, integers or floats, and the weight."""
    value = parts["value"] if inputs.dtype == "int8" else parts["value"].astype(dtype)
    return einsum(weight.equation, inputs, value).astype(dtype) / parts["scale"]
