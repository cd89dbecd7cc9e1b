"""Weights as integers of 4 bits, with one scale for each output, or for each block of one."""

import jax.numpy as jnp
import numpy as np

from kerata.quantizers.absmax import AbsMaxQuantizer, abs_max_quantize_grouped_with_zero_point
from kerata.quantizers.packing import pack_int4, unpack_int4
from kerata.quantizers.weight import einsum

ORDER = ("value", "bias", "scale", "zero", "groups")


def _block(config) -> int | None:
    return None if config.block_size == -1 else config.block_size


def encode(weight, value, config) -> dict:
    """Return the packed integers, the scales, and the zero points if there are blocks."""
    matrix, axis = value.reshape(weight.matrix), weight.group_axis
    if _block(config) is None:
        quantizer = config.weight_quantizer or AbsMaxQuantizer(value_range=(-8, 7))
        found, scale = quantizer(matrix, axis=axis)
        parts = {"scale": scale.squeeze(axis)}
    else:
        # Blocks run along the first axis.
        turned = matrix if axis == 0 else matrix.T
        results = abs_max_quantize_grouped_with_zero_point(turned, _block(config))
        found, scale, zero = results if axis == 0 else [x.T for x in results]
        parts = {"scale": scale, "zero": zero}
    return {"value": pack_int4(found, weight.pack_axis)[0], **parts}


def groups(weight, config):
    """Return to which block each element along the axis of blocks belongs; None without blocks."""
    size = weight.matrix[weight.group_axis]
    return None if _block(config) is None else np.arange(size) // _block(config)


def _floats(found, parts, axis):
    scale = parts["scale"]
    if "zero" not in parts:
        return found.astype(scale.dtype) / jnp.expand_dims(scale, axis)
    index = parts["groups"].astype("int32")
    zero = jnp.take(parts["zero"], index, axis=axis).astype(scale.dtype)
    return (found.astype(scale.dtype) - zero) * jnp.take(scale, index, axis=axis)


def _unpacked(weight, parts):
    return unpack_int4(parts["value"], weight.matrix[weight.pack_axis], weight.pack_axis)


def integers(weight, parts, config):
    """Return the integers, in the weight's shape."""
    return _unpacked(weight, parts).reshape(weight.shape)


def decode(weight, parts, config):
    """Return the weight in floats."""
    return _floats(_unpacked(weight, parts), parts, weight.group_axis).reshape(weight.shape)


def decode_rows(weight, parts, config):
    """Return rows of a table in floats; blocks run along them, and so do pairs in a byte."""
    return _floats(unpack_int4(parts["value"], weight.shape[-1], -1), parts, -1)


def multiply(weight, inputs, parts, config, dtype):
    """Return the product of inputs, integers or floats, and the weight."""
    kernel = decode(weight, parts, config).astype(dtype)
    return einsum(weight.equation, inputs.astype(dtype), kernel)
