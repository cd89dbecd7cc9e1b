"""Muon: orthogonal steps for matrices."""

import re

import jax.numpy as jnp

from kerata.optimizers.optimizer import Optimizer, zeros_like


class Muon(Optimizer):
    """Moves a matrix by its momentum, made orthogonal; all other variables as AdamW does.

    Jordan et al., 2024; Liu et al., 2025. Not for embeddings (left out by default) nor for the
    output layer (name it in `exclude_layers`).

    Args:
        learning_rate: number, schedule or function of no arguments.
        adam_beta_1: AdamW's `beta_1`.
        adam_beta_2: AdamW's `beta_2`.
        adam_weight_decay: AdamW's weight decay.
        epsilon: AdamW's `epsilon`.
        weight_decay: weight decay of the matrices.
        clipnorm: see `Optimizer`, as the following.
        clipvalue: see `Optimizer`.
        global_clipnorm: see `Optimizer`.
        use_ema: see `Optimizer`.
        ema_momentum: see `Optimizer`.
        ema_overwrite_frequency: see `Optimizer`.
        loss_scale_factor: see `Optimizer`.
        gradient_accumulation_steps: see `Optimizer`.
        name: see `Optimizer`.
        exclude_layers: list of regular expressions; AdamW moves variables in whose path one is
            found.
        exclude_embeddings: whether AdamW moves variables with "embedding" in their path.
        muon_a: coefficient of x in the iteration's polynomial.
        muon_b: coefficient of its cube.
        muon_c: coefficient of its fifth power.
        adam_lr_ratio: AdamW's learning rate as a multiple of `learning_rate`.
        momentum: how much of the momentum stays.
        ns_steps: number of Newton-Schulz iterations.
        nesterov: whether to look ahead along the momentum.
        rms_rate: root mean square of a step, as a multiple of the learning rate (0.2 is Adam's
            size). None for the orthogonal matrix as it is.
    """

    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        exclude_layers=None,
        exclude_embeddings=True,
        muon_a=3.4445,
        muon_b=-4.775,
        muon_c=2.0315,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        nesterov=True,
        rms_rate=0.2,
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = exclude_layers or []
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def _is_left_to_adam(self, variable) -> bool:
        return (
            len(variable.shape) != 2
            or (self.exclude_embeddings and "embedding" in variable.path.lower())
            or any(re.search(expression, variable.path) for expression in self.exclude_layers)
        )

    def slots(self, variable):
        found = {"momentum": zeros_like(variable)}
        if self._is_left_to_adam(variable):
            found["velocity"] = zeros_like(variable)
        return found

    def step(self, value, gradient, slots, learning_rate):
        if "velocity" in slots:
            return self._adam_step(value, gradient, slots, learning_rate * self.adam_lr_ratio)
        momentum = self.momentum * slots["momentum"] + gradient
        direction = gradient + self.momentum * momentum if self.nesterov else momentum
        change = self.lr_adjust(self.zeropower_via_newtonschulz5(direction, self.ns_steps))
        return value - learning_rate * change, {"momentum": momentum}

    def lr_adjust(self, x):
        """Return a step of the size that `rms_rate` asks for.

        Args:
            x: orthogonal matrix.
        """
        return x if self.rms_rate is None else x * max(x.shape) ** 0.5 * self.rms_rate

    def transpose_last_axis(self, X):
        """Return `X` with its last two axes exchanged."""
        return jnp.swapaxes(X, -1, -2)

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """Return a matrix with the singular vectors of `x` and singular values near 1.

        Args:
            x: array of shape (rows, columns).
            steps: number of iterations.
        """
        rows, columns = x.shape[-2:]
        x = self.transpose_last_axis(x) if rows > columns else x
        x = x / (jnp.sqrt(jnp.sum(jnp.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
        for _ in range(steps):
            square = x @ self.transpose_last_axis(x)
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return self.transpose_last_axis(x) if rows > columns else x

    def _adam_step(self, value, gradient, slots, learning_rate):
        m, v = slots["momentum"], slots["velocity"]
        m = m + (gradient - m) * (1 - self.adam_beta_1)
        v = v + (jnp.square(gradient) - v) * (1 - self.adam_beta_2)
        t = self.step_number(value.dtype)
        rate = learning_rate * jnp.sqrt(1 - self.adam_beta_2**t) / (1 - self.adam_beta_1**t)
        return value - rate * m / (jnp.sqrt(v) + self.epsilon), {"momentum": m, "velocity": v}

    def _decay_of(self, variable):
        return self.adam_weight_decay if self._is_left_to_adam(variable) else self.weight_decay
