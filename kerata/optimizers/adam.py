"""Adam and its relatives: a running mean of gradients over a running mean of their squares."""

from typing import Unpack

import jax.numpy as jnp

from kerata.engine import scopes
from kerata.engine.variable import Variable
from kerata.optimizers.arguments import CommonArguments, takes_common_arguments
from kerata.optimizers.optimizer import Optimizer, zeros_like


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2014): steps by the gradient's running mean over its running size.

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_1: how much of the mean of gradients stays.
        beta_2: how much of the mean of squared gradients stays.
        epsilon: added to the square root of the latter ("epsilon hat" of the paper).
        amsgrad: whether to divide by the largest size so far (Reddi et al., 2018).

    The other arguments are those of `Optimizer`.

    Example:
        >>> w = kerata.Variable([1.0, -1.0])
        >>> kerata.optimizers.Adam(0.1).apply([[3.0, -0.2]], [w])
        >>> [round(x, 3) for x in w.numpy().tolist()]
        [0.9, -0.9]
    """

    late_slots = ("velocity_hat",)

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def slots(self, variable):
        names = ("momentum", "velocity", "velocity_hat")[: 3 if self.amsgrad else 2]
        return {name: zeros_like(variable) for name in names}

    def step(self, value, gradient, slots, learning_rate):
        m, v = _moments(self, gradient, slots)
        t = self.step_number(value.dtype)
        rate = learning_rate * jnp.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        new = {"momentum": m, "velocity": v}
        size = v
        if self.amsgrad:
            new["velocity_hat"] = size = jnp.maximum(slots["velocity_hat"], v)
        return value - rate * m / (jnp.sqrt(size) + self.epsilon), new


def _moments(optimizer, gradient, slots):
    """Return the new running means of the gradient and of its square."""
    m, v = slots["momentum"], slots["velocity"]
    return (
        m + (gradient - m) * (1 - optimizer.beta_1),
        v + (jnp.square(gradient) - v) * (1 - optimizer.beta_2),
    )


class AdamW(Adam):
    """Adam with weight decay (Loshchilov & Hutter, 2019).

    Args:
        learning_rate: number, schedule or function of no arguments.
        weight_decay: share of a weight, times the learning rate, that it loses in a step.
        beta_1: how much of the mean of gradients stays.
        beta_2: how much of the mean of squared gradients stays.
        epsilon: added to the square root of the latter.
        amsgrad: whether to divide by the largest size so far.

    The other arguments are those of `Optimizer`.

    Raises:
        ValueError: if `weight_decay` is None.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **common,
    ):
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common
        )
        if weight_decay is None:
            raise ValueError(
                "`weight_decay` must be a number.\nReceived: weight_decay=None\n"
                "For no weight decay use Adam."
            )


class Adamax(Optimizer):
    """Adam with the largest gradient, slowly forgotten, as the size (Kingma & Ba, 2014, 7.1).

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_1: how much of the mean of gradients stays.
        beta_2: how much of the largest size stays.
        epsilon: added to the size.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def slots(self, variable):
        return {"momentum": zeros_like(variable), "norm": zeros_like(variable)}

    def step(self, value, gradient, slots, learning_rate):
        m = slots["momentum"]
        m = m + (gradient - m) * (1 - self.beta_1)
        norm = jnp.maximum(self.beta_2 * slots["norm"], jnp.abs(gradient))
        rate = learning_rate / (1 - self.beta_1 ** self.step_number(value.dtype))
        return value - rate * m / (norm + self.epsilon), {"momentum": m, "norm": norm}


class Nadam(Adam):
    """Adam with Nesterov's look ahead (Dozat, 2016).

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_1: how much of the mean of gradients stays.
        beta_2: how much of the mean of squared gradients stays.
        epsilon: added to the square root of the latter.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)

    def build(self, variables):
        if not self.built:
            super().build(variables)
            # The product of all momentums so far.
            with self._own_name_scope():
                self._product = Variable(
                    1.0,
                    (),
                    variables[0].dtype if variables else None,
                    trainable=False,
                    name="momentum_product",
                )

    def _momentum(self, t):
        return self.beta_1 * (1 - 0.5 * 0.96**t)

    def begin_update(self, learning_rate):
        t = self.step_number(self._product.dtype)
        self._product.assign(self._product.value * self._momentum(t))

    def step(self, value, gradient, slots, learning_rate):
        m, v = _moments(self, gradient, slots)
        t = self.step_number(value.dtype)
        now, ahead = self._momentum(t), self._momentum(t + 1)
        product = jnp.asarray(self._product.value, value.dtype)
        mean = ahead * m / (1 - product * ahead) + (1 - now) * gradient / (1 - product)
        size = jnp.sqrt(v / (1 - self.beta_2**t)) + self.epsilon
        return value - learning_rate * mean / size, {"momentum": m, "velocity": v}


class Lamb(Adam):
    """Adam with each variable's step as large as its norm allows (You et al., 2019).

    Made for large batches.

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_1: how much of the mean of gradients stays.
        beta_2: how much of the mean of squared gradients stays.
        epsilon: added to the square root of the latter.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)

    def step(self, value, gradient, slots, learning_rate):
        m, v = _moments(self, gradient, slots)
        t = self.step_number(value.dtype)
        change = (m / (1 - self.beta_1**t)) / (jnp.sqrt(v / (1 - self.beta_2**t)) + self.epsilon)
        length, long = jnp.sqrt(jnp.sum(value**2)), jnp.sqrt(jnp.sum(change**2))
        ratio = jnp.where((length > 0) & (long > 0), length / jnp.where(long > 0, long, 1), 1)
        return value - ratio * learning_rate * change, {"momentum": m, "velocity": v}


class ScheduleFreeAdamW(Adam):
    """AdamW whose averaging takes the place of a schedule (Defazio et al., 2024).

    The model's weights are a mixture of a fast sequence, which takes the steps, and of its mean.

    Args:
        learning_rate: number, schedule or function of no arguments.
        beta_1: share of the mean in the mixture.
        beta_2: how much of the mean of squared gradients stays.
        epsilon: added to the square root of the latter.
        warmup_steps: steps in which the learning rate grows linearly from 0.

    The other arguments are those of `Optimizer`.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate=0.0025,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        warmup_steps=0,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.warmup_steps = warmup_steps

    def slots(self, variable):
        with scopes.AutocastScope(None):
            return {"momentum": variable.value, "velocity": zeros_like(variable)}

    def step(self, value, gradient, slots, learning_rate):
        t = self.step_number(value.dtype)
        fast, v = slots["momentum"], slots["velocity"]
        v = v + (jnp.square(gradient) - v) * (1 - self.beta_2)
        rate = (
            learning_rate * jnp.minimum(t / self.warmup_steps, 1)
            if self.warmup_steps
            else (learning_rate)
        )
        mean = (value - (1 - self.beta_1) * fast) / self.beta_1
        fast = fast - rate * gradient / (jnp.sqrt(v / (1 - self.beta_2**t)) + self.epsilon)
        mean = mean + (fast - mean) / t
        value = (1 - self.beta_1) * fast + self.beta_1 * mean
        return value, {"momentum": fast, "velocity": v}
