"""AWQ: weights of inputs that are often large are scaled up before rounding.

Source: Lin et al., 2023.
"""

import functools

import jax
import jax.numpy as jnp

from kerata.quantizers import codes
from kerata.quantizers.config import AWQConfig


class Statistics:
    """The largest absolute value of each of a layer's inputs."""

    def __init__(self, inputs: int):
        self.largest = jnp.zeros(inputs, "float32")

    def update(self, x) -> None:
        """Take in inputs, `(samples, inputs)`."""
        self.largest = jnp.maximum(self.largest, jnp.abs(x.astype("float32")).max(axis=0))


def calibrate(weight, value, statistics: Statistics, config) -> dict:
    """Return a weight as it is stored, scaled with a look at what its inputs were."""
    matrix = value.reshape(weight.split).T.astype("float32")
    size = codes.group_size(weight, config)
    channels = _best_scales(matrix, statistics.largest, size, config.num_grid_points)
    found, scale, zero = _rounded(matrix * channels, size)
    groups = jnp.asarray(codes.groups(weight, config))
    return {**codes.stored(found, scale, zero, config), "channels": channels, "groups": groups}


_FOUR_BITS = AWQConfig(None, None)


def _rounded(matrix, size):
    scale, zero = codes.scales(matrix, size, _FOUR_BITS)
    wide = codes.spread(scale, size, matrix), codes.spread(zero, size, matrix)
    return codes.rounded(matrix, wide[0], wide[1], _FOUR_BITS), scale, zero


@functools.partial(jax.jit, static_argnums=(2, 3))
def _best_scales(matrix, largest, size, points):
    """Return the scales, `(inputs,)`, with which rounding loses least.

    Tried are powers from 0 to 1 of the largest values.
    """
    largest = jnp.where(largest < 1e-8, 1, largest)

    def scales(power):
        found = jnp.maximum(largest**power, 1e-4)
        return found / jnp.maximum(jnp.sqrt(found.max() * found.min()), 1e-8)

    def loss(power):
        channels = scales(power)
        found, scale, zero = _rounded(matrix * channels, size)
        scale, zero = codes.spread(scale, size, matrix), codes.spread(zero, size, matrix)
        error = matrix - (found - zero) * scale / channels
        return jnp.mean(jnp.square(error * largest))

    powers = jnp.arange(points + 1) / points
    return scales(powers[jnp.argmin(jax.lax.map(loss, powers))])
