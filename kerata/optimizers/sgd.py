"""Descent along the gradient, or along its sign, with momentum."""

from typing import Unpack

import jax.numpy as jnp

from kerata.engine.errors import argument_error
from kerata.optimizers.arguments import CommonArguments, takes_common_arguments
from kerata.optimizers.optimizer import Optimizer, zeros_like


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    With momentum, each variable keeps a velocity `v = momentum * v - learning_rate * gradient`
    and moves by it (Polyak, 1964), or, with `nesterov`, by `momentum * v - learning_rate *
    gradient` (Sutskever et al., 2013).

    Args:
        learning_rate: number, schedule or function of no arguments.
        momentum: how much of the velocity stays, in [0, 1].
        nesterov: whether to look ahead along the velocity.

    The other arguments are those of `Optimizer`.

    Raises:
        ValueError: if `momentum` is not in [0, 1].

    Example:
        >>> w = kerata.Variable(1.0)
        >>> kerata.optimizers.SGD(learning_rate=0.1).apply([2.0], [w])
        >>> round(float(w), 3)
        0.8
    """

    @takes_common_arguments
    def __init__(
        self, learning_rate=0.01, momentum=0.0, nesterov=False, **common: Unpack[CommonArguments]
    ):
        super().__init__(learning_rate, **common)
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise argument_error("momentum", "be a number between [0, 1]", momentum, self)
        self.momentum = momentum
        self.nesterov = nesterov

    def slots(self, variable):
        return {"momentum": zeros_like(variable)} if self.momentum else {}

    def step(self, value, gradient, slots, learning_rate):
        change = -learning_rate * gradient
        if not self.momentum:
            return value + change, {}
        velocity = self.momentum * slots["momentum"] + change
        move = self.momentum * velocity + change if self.nesterov else velocity
        return value + move, {"momentum": velocity}


class Lion(Optimizer):
    """Steps of one size along the sign of an interpolated momentum (Chen et al., 2023).

    Wants a learning rate 3 to 10 times smaller than Adam's, and as much more weight decay.

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_1: weight of the momentum, against the gradient, in the direction; in (0, 1].
        beta_2: how much of the momentum stays.

    The other arguments are those of `Optimizer`.

    Raises:
        ValueError: if `beta_1` is not in (0, 1].
    """

    @takes_common_arguments
    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, **common: Unpack[CommonArguments]
    ):
        super().__init__(learning_rate, **common)
        if not 0 < beta_1 <= 1:
            raise argument_error("beta_1", "be in (0, 1] (at 0 it is sign descent)", beta_1, self)
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def slots(self, variable):
        return {"momentum": zeros_like(variable)}

    def step(self, value, gradient, slots, learning_rate):
        m = slots["momentum"]
        direction = jnp.sign(self.beta_1 * m + (1 - self.beta_1) * gradient)
        momentum = self.beta_2 * m + (1 - self.beta_2) * gradient
        return value - learning_rate * direction, {"momentum": momentum}
