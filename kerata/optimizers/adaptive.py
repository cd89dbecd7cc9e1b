"""Steps divided by the size of the gradients seen so far, element by element."""

from typing import Unpack

import jax.numpy as jnp
from jax import lax

from kerata.engine.errors import argument_error
from kerata.optimizers.arguments import CommonArguments, takes_common_arguments
from kerata.optimizers.optimizer import Optimizer, zeros_like


class RMSprop(Optimizer):
    """The gradient over the root of a running mean of its square (Hinton, 2012).

    Args:
        learning_rate: number, schedule or function of no arguments.
        rho: how much of the running means stays.
        momentum: how much of the last step is made again; 0 for none.
        epsilon: added under the root.
        centered: whether the running mean of the gradient, squared, is taken off that of its
            square, which leaves the variance.

    The other arguments are those of `Optimizer`.
    """

    late_slots = ("velocity", "momentum", "average_gradient")

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def slots(self, variable):
        wanted = {
            "velocity": True,
            "momentum": self.momentum > 0,
            "average_gradient": self.centered,
        }
        return {name: zeros_like(variable) for name, is_used in wanted.items() if is_used}

    def step(self, value, gradient, slots, learning_rate):
        rho = self.rho
        new = {"velocity": rho * slots["velocity"] + (1 - rho) * jnp.square(gradient)}
        size = new["velocity"]
        if self.centered:
            new["average_gradient"] = rho * slots["average_gradient"] + (1 - rho) * gradient
            size = size - jnp.square(new["average_gradient"])
        change = learning_rate * gradient * lax.rsqrt(size + self.epsilon)
        if self.momentum > 0:
            change = new["momentum"] = self.momentum * slots["momentum"] + change
        return value - change, new


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares (Duchi et al., 2011).

    Args:
        learning_rate: number, schedule or function of no arguments.
        initial_accumulator_value: what the sum starts from.
        epsilon: added under the root.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        initial_accumulator_value=0.1,
        epsilon=1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slots(self, variable):
        return {"accumulator": zeros_like(variable) + self.initial_accumulator_value}

    def step(self, value, gradient, slots, learning_rate):
        total = slots["accumulator"] + jnp.square(gradient)
        change = learning_rate * gradient / jnp.sqrt(total + self.epsilon)
        return value - change, {"accumulator": total}


class Adadelta(Optimizer):
    """Steps in the unit of the variable: root mean square of changes over that of gradients.

    Zeiler, 2012; with `learning_rate=1.0` as in the paper.

    Args:
        learning_rate: number, schedule or function of no arguments.
        rho: how much of the running means stays.
        epsilon: added under the roots.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **common: Unpack[CommonArguments]
    ):
        super().__init__(learning_rate, **common)
        self.rho = rho
        self.epsilon = epsilon

    def slots(self, variable):
        names = ("accumulated_grad", "accumulated_delta_var")
        return {name: zeros_like(variable) for name in names}

    def step(self, value, gradient, slots, learning_rate):
        rho, changes = self.rho, slots["accumulated_delta_var"]
        grads = rho * slots["accumulated_grad"] + (1 - rho) * jnp.square(gradient)
        change = gradient * jnp.sqrt(changes + self.epsilon) / jnp.sqrt(grads + self.epsilon)
        changes = rho * changes + (1 - rho) * jnp.square(change)
        return value - learning_rate * change, {
            "accumulated_grad": grads,
            "accumulated_delta_var": changes,
        }


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013): sparse weights from L1.

    Args:
        learning_rate: number, schedule or function of no arguments.
        learning_rate_power: exponent of the sum of squared gradients in the rate; at most 0,
            and 0 for a fixed rate.
        initial_accumulator_value: what that sum starts from; at least 0.
        l1_regularization_strength: L1 penalty; at least 0.
        l2_regularization_strength: L2 penalty; at least 0.
        l2_shrinkage_regularization_strength: L2 penalty on the size of the present weights, which
            acts through the gradient; at least 0.
        beta: the paper's beta: adds `beta / learning_rate` to the L2 penalty.

    The other arguments are those of `Optimizer`.

    Raises:
        ValueError: if an argument has the wrong sign.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for name in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
        ):
            if getattr(self, name) < 0:
                raise argument_error(name, "be positive or zero", getattr(self, name), self)
        if learning_rate_power > 0:
            raise argument_error(
                "learning_rate_power", "be negative or zero", learning_rate_power, self
            )

    def slots(self, variable):
        return {
            "accumulator": zeros_like(variable) + self.initial_accumulator_value,
            "linear": zeros_like(variable),
        }

    def step(self, value, gradient, slots, learning_rate):
        l1, l2 = self.l1_regularization_strength, self.l2_regularization_strength
        power = -self.learning_rate_power
        total = slots["accumulator"] + jnp.square(gradient)
        gradient = gradient + 2 * self.l2_shrinkage_regularization_strength * value
        grown = total**power - slots["accumulator"] ** power
        linear = slots["linear"] + gradient - grown / learning_rate * value
        quadratic = total**power / learning_rate + 2 * (l2 + self.beta / (2 * learning_rate))
        value = (jnp.clip(linear, -l1, l1) - linear) / quadratic
        return value, {"accumulator": total, "linear": linear}
