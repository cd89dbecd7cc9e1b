"""Loss scaling that finds its factor itself."""

import inspect

import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import argument_error
from kerata.optimizers.optimizer import Optimizer, choose


class LossScaleOptimizer(Optimizer):
    """Scales the loss up as far as float16 gradients allow, around another optimizer.

    The factor doubles after `dynamic_growth_steps` steps without overflow. When a gradient is not
    finite the step is skipped and the factor halves. All of it happens on the device.

    Args:
        inner_optimizer: the `Optimizer` that takes the steps.
        initial_scale: the first factor.
        dynamic_growth_steps: number of steps before the factor doubles.
        name: name of the optimizer.

    Raises:
        ValueError: if an argument is given that belongs to the inner optimizer.
        TypeError: if `inner_optimizer` is no optimizer.

    Example:
        >>> w = kerata.Variable(1.0)
        >>> optimizer = kerata.optimizers.LossScaleOptimizer(kerata.optimizers.SGD(0.5), 1024.0)
        >>> optimizer.apply([1024.0], [w])
        >>> optimizer.apply([float("inf")], [w])
        >>> float(w), float(optimizer.dynamic_scale)
        (0.5, 512.0)
    """

    def __init__(
        self, inner_optimizer, initial_scale=32768.0, dynamic_growth_steps=2000, name=None, **kwargs
    ):
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer does not support `dynamic=False`.\n"
                "For a fixed factor set `loss_scale_factor` on the optimizer itself."
            )
        defaults = inspect.signature(Optimizer.__init__).parameters
        for argument, value in kwargs.items():
            if argument not in defaults:
                raise ValueError(f"LossScaleOptimizer got unknown arguments: {sorted(kwargs)}.")
            if value != defaults[argument].default:
                raise ValueError(
                    f"LossScaleOptimizer does not support `{argument}`.\n"
                    f"Set `{argument}` on the `inner_optimizer` instead."
                )
        if not isinstance(inner_optimizer, Optimizer):
            raise argument_error(
                "inner_optimizer", "be an optimizer", inner_optimizer, self, TypeError
            )
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        inner_optimizer.loss_scale_factor = None  # the dynamic factor takes its place
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps

    def build(self, variables):
        if self.built:
            return
        variables = list(variables)
        super().build(variables)
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        self.dynamic_scale = self.add_variable(
            (), np.float32(self.initial_scale), "float32", name="dynamic_scale"
        )
        self.inner_optimizer.build(variables)

    @property
    def variables(self):
        """The optimizer's variables, then those of the inner one."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def iterations(self):
        """The number of steps that were not skipped."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        """The learning rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner_optimizer.learning_rate = value

    def scale_loss(self, loss):
        scale = self.dynamic_scale.value if self.built else self.initial_scale
        return loss * jnp.asarray(scale, jnp.result_type(loss))

    def finalize_variable_values(self, var_list):
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def _update_settings(self):
        return (*super()._update_settings(), *self.inner_optimizer._update_settings())

    def _rate_source(self):
        return self.inner_optimizer._rate_source()

    def _runs_compiled(self, grads):
        return super()._runs_compiled(grads) and self.inner_optimizer._runs_compiled(grads)

    def _rate_of_function(self):
        return self.inner_optimizer._rate_of_function()

    def _overwrite_variables_directly_with_gradients(self, grads, variables):
        return grads, variables  # in `_apply_now`, if all is finite

    def _apply_now(self, grads, variables, learning_rate=None):
        inner = self.inner_optimizer
        is_scaled = [not self._overwrite_variable_with_gradient(v) for v in variables]
        finite = jnp.stack([jnp.all(jnp.isfinite(g)) for g in grads]).all()
        scale, counter = self.dynamic_scale.value, self.step_counter.value

        def take_step():
            unscaled = [
                g / scale.astype(g.dtype) if scaled else g
                for g, scaled in zip(grads, is_scaled, strict=True)
            ]
            rest = inner._overwrite_variables_directly_with_gradients(unscaled, variables)
            if rest[0]:
                inner._apply_now(*rest, learning_rate)
            grows = counter >= self.dynamic_growth_steps - 1
            self.step_counter.assign(jnp.where(grows, 0, counter + 1))
            self.dynamic_scale.assign(jnp.where(grows, scale * 2, scale))

        def skip_step():
            self.step_counter.assign(0)
            self.dynamic_scale.assign(scale / 2)

        choose(finite, take_step, skip_step)
