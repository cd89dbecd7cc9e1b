"""New arrays, made without compiling a program for each shape.

Run eagerly, every function of `jax.numpy` and `jax.random` is compiled for the shape at hand. A
model has weights of dozens of shapes, each made once: compiling would take nearly all the time.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np


def owned(value, dtype) -> jax.Array:
    """Return `value` as an array that shares no memory with a NumPy array of someone else's."""
    if isinstance(value, jax.Array):
        return jnp.asarray(value, dtype)
    if isinstance(value, (np.ndarray, np.generic)):
        return jax.device_put(np.array(value, jnp.dtype(dtype)))
    return jnp.array(value, dtype)


def filled(shape, value, dtype) -> jax.Array:
    """Return an array of `shape` that holds `value` everywhere."""
    return jax.device_put(np.full(tuple(shape), value, jnp.dtype(dtype)))


def sample(distribution, key, shape, dtype, scale=None, shift=None, **parameters) -> jax.Array:
    """Return `distribution(key, shape=shape, dtype=dtype, **parameters) * scale + shift`.

    An element of a draw of JAX's depends on the key and on its position alone, so a draw of
    another size begins with the same numbers. Sizes are rounded up to powers of two: a dozen
    programs serve all shapes. The numbers go through the host: this is for what is drawn once.

    Args:
        distribution: function of `jax.random` that draws elements independently of each other.
        key: uint32 of shape (2,).
        shape: shape of the result.
        dtype: a floating dtype.
        scale: factor; None for 1.
        shift: summand; None for 0.
        **parameters: further arguments of `distribution`.
    """
    shape = tuple(int(size) for size in shape)
    size = math.prod(shape)
    config = jax.config
    same_prefix = (
        config.jax_threefry_partitionable and config.jax_default_prng_impl == "threefry2x32"
    )
    if isinstance(key, jax.core.Tracer) or not same_prefix or not size:
        values = distribution(key, shape=shape, dtype=dtype, **parameters)
    else:
        whole = max(1024, 1 << (size - 1).bit_length())
        values = distribution(key, shape=(whole,), dtype=dtype, **parameters)
        values = np.array(np.asarray(values)[:size].reshape(shape))
    # In the dtype of the draw, as JAX would: a NumPy float64 would widen it.
    values = values if scale is None else values * values.dtype.type(scale)
    values = values if shift is None else values + values.dtype.type(shift)
    return values if isinstance(values, jax.Array) else jax.device_put(values)
