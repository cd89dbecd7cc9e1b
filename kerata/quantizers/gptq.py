"""GPTQ: rounding one input after the other, while those that follow make up for the errors.

Source: Frantar et al., 2022.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kerata.quantizers import codes

# How many inputs are rounded before their errors are spread over all that follow.
_BLOCK = 128


class Statistics:
    """The second moments of a layer's inputs, from which the loss of rounding follows."""

    def __init__(self, inputs: int):
        self.total = jnp.zeros((inputs, inputs), "float32")
        self.count = 0

    def update(self, x) -> None:
        """Take in inputs, `(samples, inputs)`."""
        x = x.astype("float32")
        self.total = self.total + x.T @ x
        self.count += x.shape[0]


def calibrate(weight, value, statistics: Statistics, config) -> dict:
    """Return a weight as it is stored, rounded with a look at what its inputs were."""
    matrix = value.reshape(weight.split).T.astype("float32")
    hessian = statistics.total * (2 / max(1, statistics.count))
    diagonal = jnp.diag(hessian)
    diagonal = jnp.where(diagonal == 0, 1, diagonal)  # inputs that were always 0
    diagonal = diagonal + config.hessian_damping * diagonal.mean()
    hessian = jnp.fill_diagonal(hessian, diagonal, inplace=False)
    index = np.arange(matrix.shape[1])
    if config.activation_order:
        index = np.argsort(-np.asarray(diagonal), kind="stable")
    size = codes.group_size(weight, config)
    # Row i of this factor is that of the inverse for the inputs from i on, up to a scale.
    inverse = jnp.linalg.inv(hessian)[np.ix_(index, index)]
    found, scale, zero = _rounded(
        matrix[:, index],
        jnp.linalg.cholesky(inverse).T,
        size,
        _Bits(config.weight_bits, config.symmetric, config.per_channel),
    )
    back = np.argsort(index)
    parts = codes.stored(found[:, back], scale, zero, config)
    return {**parts, "groups": jnp.asarray((np.arange(len(index)) // size)[back])}


class _Bits(NamedTuple):
    """The part of a config that rounding depends on."""

    weight_bits: int
    symmetric: bool
    per_channel: bool


@functools.partial(jax.jit, static_argnums=(2, 3))
def _rounded(matrix, factor, size, config):
    """Return integers, scales and zero points of `(outputs, inputs)`, in groups of `size` inputs.

    Args:
        matrix: the weights.
        factor: the upper Cholesky factor of the Hessian's inverse, `(inputs, inputs)`.
        size: how many inputs share a scale.
        config: how many bits, and which scales.
    """
    outputs, inputs = matrix.shape
    whole = size >= inputs
    block = min(_BLOCK, inputs) if whole else size
    steps = -(-inputs // block)
    missing = steps * block - inputs
    matrix = jnp.pad(matrix, ((0, 0), (0, missing)))
    factor = jnp.pad(factor, ((0, missing), (0, missing)))
    factor = factor + jnp.diag(jnp.arange(steps * block) >= inputs).astype(factor.dtype)
    if whole:
        scale, zero = codes.scales(matrix, steps * block, config)

    def round_block(matrix, start):
        part = jax.lax.dynamic_slice_in_dim(matrix, start, block, axis=1)
        rows = jax.lax.dynamic_slice_in_dim(factor, start, block, axis=0)
        within = jax.lax.dynamic_slice_in_dim(rows, start, block, axis=1)
        scales, zeros = (scale, zero) if whole else codes.scales(part, block, config)

        def round_one(i, state):
            part, found, errors = state
            integers = codes.rounded(part[:, i], scales[:, 0], zeros[:, 0], config)
            error = (part[:, i] - (integers - zeros[:, 0]) * scales[:, 0]) / within[i, i]
            change = error[:, None] * jnp.where(jnp.arange(block) > i, within[i], 0)
            return part - change, found.at[:, i].set(integers), errors.at[:, i].set(error)

        empty = jnp.zeros_like(part)
        _, found, errors = jax.lax.fori_loop(0, block, round_one, (part, empty, empty))
        behind = jnp.arange(matrix.shape[1]) >= start + block
        return matrix - errors @ jnp.where(behind, rows, 0), (found, scales[:, 0], zeros[:, 0])

    _, results = jax.lax.scan(round_block, matrix, jnp.arange(steps) * block)
    found = jnp.moveaxis(results[0], 0, 1).reshape(outputs, -1)[:, :inputs]
    return (found, scale, zero) if whole else (found, results[1].T, results[2].T)
