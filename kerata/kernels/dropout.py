"""Random bits that cost a few integer operations an element."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_WORD = 2**32  # how many elements an index of one word can tell apart


def dropout_mask(key: jax.Array, rate: float, shape: tuple[int, ...]) -> jax.Array:
    """Return booleans that are False with probability `rate`, independently of each other.

    Args:
        key: two words of uint32, or a typed key of `jax.random`.
        rate: probability in [0, 1] that an element is False, exact to 2**-32.
        shape: shape of the result.

    Returns:
        A boolean array: the same for the same key, rate and shape, on every platform.

    Example:
        >>> dropout_mask(jax.random.key(1), 0.25, (2, 4))
        Array([[False,  True, False,  True],
               [ True,  True, False,  True]], dtype=bool)
    """
    threshold = int(rate * _WORD)
    if threshold >= _WORD:
        return jnp.zeros(shape, bool)
    return random_bits(key, shape) >= np.uint32(threshold)


def random_bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return 32 random bits an element: a hash of the element's index and the key.

    The bits pass simple tests of randomness (uniform bytes; no correlation between bits,
    neighbours, distant elements or related keys, in 2**20 of them), which is what dropping units
    asks for, at a tenth of the time of `jax.random.bits` on a CPU or less. They are not for
    secrets, nor for Monte Carlo work: use `jax.random` there.

    Each element goes through the three multiply-and-shift rounds of a mixing function of 32 bits
    whose constants were searched for least bias (Chris Wellons, "hash-prospector", triple32; two
    rounds leave correlations). The two words of the key enter before the first and the second
    round, after a Feistel network has mixed them with each other, so that keys that differ in one
    bit have nothing in common.

    Args:
        key: two words of uint32, or a typed key of `jax.random`.
        shape: shape of the result.

    Returns:
        An array of uint32.
    """
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    first, second = _schedule(key[0], key[1])
    index, stride = jnp.zeros(shape, jnp.uint32), 1
    for axis in reversed(range(len(shape))):
        if stride * shape[axis] <= _WORD:
            index += lax.broadcasted_iota(jnp.uint32, shape, axis) * np.uint32(stride)
        else:  # the index would start again from 0: this axis goes into the key
            along = [shape[a] if a == axis else 1 for a in range(len(shape))]
            position = lax.broadcasted_iota(jnp.uint32, along, axis)
            first, second = _schedule(first + position, second)
        stride *= shape[axis]
    return _mix(index + first, second)


def _schedule(first, second):
    """Mix the words of a key with each other. Different keys stay different."""
    first = first + _mix(second ^ np.uint32(0x9E3779B9), np.uint32(0))
    return first, second ^ _mix(first, np.uint32(0x85EBCA6B))


def _mix(x, key):
    x = (x ^ (x >> 17)) * np.uint32(0xED5AD4BB)
    x = ((x ^ (x >> 11)) + key) * np.uint32(0xAC4C1B51)
    x = (x ^ (x >> 15)) * np.uint32(0x31848BAB)
    return x ^ (x >> 14)
