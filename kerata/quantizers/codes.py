"""How GPTQ and AWQ store a weight: unsigned integers, each group with a scale and a zero point."""

import jax.numpy as jnp
import numpy as np

from kerata.quantizers.absmax import affine
from kerata.quantizers.packing import pack_int4, unpack_int4

ORDER = ("bias", "value", "scale", "zero", "channels", "groups")


def group_size(weight, config) -> int:
    """Return how many inputs share a scale."""
    inputs = weight.split[0]
    return inputs if config.group_size == -1 else config.group_size


def groups(weight, config):
    """Return to which group each input belongs."""
    return np.arange(weight.split[0]) // group_size(weight, config)


def scales(matrix, size: int, config):
    """Return scales and zero points for groups of `size` columns of `(outputs, inputs)`."""
    outputs, inputs = matrix.shape
    count = -(-inputs // size)
    padded = jnp.pad(matrix, ((0, 0), (0, count * size - inputs)))
    grouped = padded.reshape(outputs, count, size)
    low, high = grouped.min(axis=2), grouped.max(axis=2)
    if not config.per_channel:
        low, high = (
            jnp.broadcast_to(low.min(0), low.shape),
            jnp.broadcast_to(high.max(0), low.shape),
        )
    return affine(low, high, (0, 2**config.weight_bits - 1), config.symmetric)


def rounded(x, scale, zero, config):
    """Return the integers of floats."""
    return jnp.clip(jnp.round(x / scale) + zero, 0, 2**config.weight_bits - 1)


def spread(x, size: int, matrix):
    """Return scales or zero points of groups as one for each element of a matrix."""
    return jnp.repeat(x, size, axis=1)[:, : matrix.shape[1]]


def encode(weight, value, config) -> dict:
    """Return a weight rounded to the nearest, without a look at data."""
    matrix = value.reshape(weight.split).T
    size = group_size(weight, config)
    scale, zero = scales(matrix, size, config)
    found = rounded(matrix, spread(scale, size, matrix), spread(zero, size, matrix), config)
    parts = stored(found, scale, zero, config)
    if config.mode == "awq":
        parts["channels"] = jnp.ones(matrix.shape[1], value.dtype)
    return parts


def stored(integers, scale, zero, config) -> dict:
    """Return integers, scales and zero points as they are stored."""
    value = integers.astype("uint8")
    if config.weight_bits == 4:
        value = pack_int4(value, axis=0, dtype="uint8")[0]
    return {"value": value, "scale": scale, "zero": zero.astype("uint8")}


def integers(weight, parts, config):
    """Return the integers, `(outputs, inputs)`."""
    if config.weight_bits != 4:
        return parts["value"]
    return unpack_int4(parts["value"], weight.split[1], 0, "uint8")


def decode(weight, parts, config):
    """Return the weight in floats."""
    scale, index = parts["scale"], parts["groups"].astype("int32")
    zero = jnp.take(parts["zero"], index, axis=1).astype(scale.dtype)
    floats = integers(weight, parts, config).astype(scale.dtype) - zero
    matrix = (floats * jnp.take(scale, index, axis=1)).T
    if "channels" in parts:
        matrix = matrix / parts["channels"][:, None]
    return matrix.reshape(weight.shape)
