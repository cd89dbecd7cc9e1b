"""Adafactor: sizes of gradients kept as rows and columns."""

from typing import Unpack

import jax.numpy as jnp
import numpy as np

from kerata.optimizers.arguments import CommonArguments, takes_common_arguments
from kerata.optimizers.optimizer import Optimizer, zeros_like


class Adafactor(Optimizer):
    """Adam's division by size, with the sizes of a matrix from its rows' and columns' means.

    Shazeer & Stern, 2018. Made for large embeddings and Transformers.

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_2_decay: exponent of the step in the decay of the running means: `1 - step **
            beta_2_decay` of them stays.
        epsilon_1: added to squared gradients.
        epsilon_2: the least size of a variable, by which its steps are scaled.
        clip_threshold: largest root mean square of an update, before the learning rate.
        relative_step: accepted for compatibility: the learning rate is at most `1 / sqrt(step)`
            in either case, as in Keras.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        beta_2_decay=-0.8,
        epsilon_1=1e-30,
        epsilon_2=1e-3,
        clip_threshold=1.0,
        relative_step=True,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def slots(self, variable):
        shape = variable.shape
        unused = np.zeros((), "int32")  # a place in the file: vectors are not factored
        factored = len(shape) >= 2
        row, column = shape[:-1], shape[:-2] + shape[-1:]
        return {
            "row": jnp.zeros(row, variable.dtype) if factored else unused,
            "column": jnp.zeros(column, variable.dtype) if factored else unused,
            "velocity": zeros_like(variable),
        }

    def step(self, value, gradient, slots, learning_rate):
        t = self.step_number(value.dtype)
        kept = 1 - t**self.beta_2_decay
        square = jnp.square(gradient) + self.epsilon_1
        row, column = slots["row"], slots["column"]
        if value.ndim >= 2:
            row = kept * row + (1 - kept) * jnp.mean(square, axis=-1)
            column = kept * column + (1 - kept) * jnp.mean(square, axis=-2)
            share = row / jnp.mean(row, axis=-1, keepdims=True)
            velocity = share[..., :, None] * column[..., None, :]
        else:
            velocity = kept * slots["velocity"] + (1 - kept) * square
        change = gradient / jnp.sqrt(velocity)
        change = change / jnp.maximum(1, _rms(change) / self.clip_threshold)
        learning_rate = jnp.minimum(learning_rate, 1 / jnp.sqrt(t))
        rate = jnp.maximum(self.epsilon_2, _rms(value)) * learning_rate
        return value - rate * change, {"row": row, "column": column, "velocity": velocity}


def _rms(x):
    return jnp.sqrt(jnp.mean(jnp.square(x)))
