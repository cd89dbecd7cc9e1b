"""Optimizer: what all optimizers share.

A subclass says what one variable remembers (`slots`) and what one step does to it (`step`), both on
plain arrays. Everything around that is here: the learning rate, clipping, weight decay, gradient
accumulation, moving averages of the weights, and the variables that hold it all.
"""

import inspect
import numbers
import re
import weakref
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from kerata.engine import naming, scopes, settings
from kerata.engine.arrays import filled
from kerata.engine.configurable import CustomObjectScope, deserialize, is_serialized
from kerata.engine.errors import argument_error, described, nearest, warn
from kerata.engine.transforms import jit, lift
from kerata.engine.variable import Variable
from kerata.optimizers.schedules import LearningRateSchedule
from kerata.optimizers.state import OptimizerState

# Compiled eager updates: optimizer -> {(hyperparameters, variables): function}. Kept outside of
# the optimizer so that copies and pickles of it do not carry them.
_compiled: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def zeros_like(variable) -> jax.Array:
    """Return zeros of a variable's shape and dtype: where most slots start."""
    return filled(variable.shape, 0, variable.dtype)


class Optimizer(OptimizerState):
    """Base of optimizers.

    To write one, give it `slots` and `step`. (An optimizer written for Keras, with `build` and
    `update_step`, works too.)

    Args:
        learning_rate: a number; a `LearningRateSchedule`; or a function of no arguments, called
            when a step is taken or compiled.
        weight_decay: before each step, weights shrink by `learning_rate * weight_decay` of
            themselves. None for no decay.
        clipnorm: the largest Euclidean norm that the gradient of one variable keeps.
        clipvalue: the largest absolute value that an element of a gradient keeps.
        global_clipnorm: the largest Euclidean norm that all gradients together keep.
        use_ema: whether to keep an exponential moving average of each variable.
        ema_momentum: weight of the past in the average, in [0, 1].
        ema_overwrite_frequency: every how many steps the variables are set to their averages.
            None for never before the end of training (`finalize_variable_values`).
        loss_scale_factor: factor by which `scale_loss` multiplies the loss, against underflow in
            float16. Gradients are divided by it.
        gradient_accumulation_steps: number of calls of `apply` (2 or more) whose gradients are
            averaged into one step.
        name: name of the optimizer; made from the class's if None.

    Raises:
        ValueError: if an argument is out of its range, or unknown.

    Example:
        >>> class SignDescent(kerata.optimizers.Optimizer):
        ...     def step(self, value, gradient, slots, learning_rate):
        ...         return value - learning_rate * kerata.ops.sign(gradient), {}
        >>> weights = kerata.Variable([1.0, 2.0])
        >>> SignDescent(0.5).apply([[3.0, -0.1]], [weights])
        >>> weights.numpy()
        array([0.5, 2.5], dtype=float32)
    """

    # Names of slots that come after those of all variables, slot by slot, in `variables`. All
    # others come variable by variable. This order is that of the variables in Keras's files.
    late_slots: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        self._refuse_unknown(kwargs)
        self.name = naming.auto_name(type(self).__name__) if name is None else name
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        if sum(limit is not None for limit in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                f"{type(self).__name__} takes only one of `clipnorm`, `clipvalue` and "
                f"`global_clipnorm`.\nReceived: clipnorm={clipnorm}, clipvalue={clipvalue}, "
                f"global_clipnorm={global_clipnorm}"
            )
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        if use_ema and not 0 <= ema_momentum <= 1:
            raise argument_error("ema_momentum", "be in the range [0, 1]", ema_momentum, self)
        if use_ema:
            _check_count("ema_overwrite_frequency", ema_overwrite_frequency, 1, self)
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        _check_count("gradient_accumulation_steps", gradient_accumulation_steps, 2, self)
        self.built = False
        self._without_decay: list = []
        self._optimized: list[Variable] = []
        self._variable_places: dict[int, int] = {}
        self._variable_slots: list[dict[str, Variable]] = []
        with self._own_name_scope():
            self._iterations = Variable(
                0, (), "int32", trainable=False, aggregation="only_first_replica", name="iteration"
            )
        self._learning_rate = self._checked_learning_rate(learning_rate)

    def _refuse_unknown(self, unknown: dict) -> None:
        if "decay" in unknown:
            warn(
                "The argument `decay` is no longer supported and has no effect: pass a schedule "
                "as `learning_rate`, e.g. kerata.optimizers.schedules.InverseTimeDecay.",
            )
            unknown.pop("decay")
        if unknown:
            known = list(inspect.signature(type(self).__init__).parameters)[1:]
            close = nearest(next(iter(unknown)), known, n=1)
            hint = {"lr": "learning_rate"}.get(next(iter(unknown)), close[0] if close else None)
            raise ValueError(
                f"Argument(s) not recognized by {type(self).__name__}.\nReceived: {unknown}"
                + (f"\nDid you mean `{hint}`?" if hint else "")
            )

    # What subclasses define.

    def slots(self, variable) -> dict:
        """Return what the optimizer remembers of one variable, as it is before the first step.

        Args:
            variable: the `Variable` to be optimized.

        Returns:
            A dict from names to arrays.
        """
        del variable
        return {}

    def step(self, value, gradient, slots: dict, learning_rate):
        """Return the new value and the new slots of one variable. A pure function.

        Args:
            value: array, the variable's value.
            gradient: array of the same shape and dtype.
            slots: dict of arrays, as `slots` made it. All arrays come as float32 at least.
            learning_rate: scalar of the same dtype.

        Returns:
            `(value, slots)`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `step(value, gradient, slots, learning_rate)` "
            "(or `update_step(gradient, variable, learning_rate)`)."
        )

    def begin_update(self, learning_rate) -> None:
        """Called before the variables are updated, for state that they share."""

    def step_number(self, dtype) -> jax.Array:
        """Return the number of the step that is being taken (1, 2, …) as `dtype`."""
        return jnp.asarray(self.iterations, dtype) + 1

    def build(self, variables) -> None:
        """Create the optimizer's variables.

        Args:
            variables: the variables to be optimized. A second call changes nothing.
        """
        if self.built:
            return
        variables = list(variables)
        _refuse_repeated(variables)
        # Not by assignment: an attribute that holds variables counts as the optimizer's own.
        self.__dict__["_optimized"] = variables
        self._variable_places = {id(v): i for i, v in enumerate(variables)}
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        with scopes.outside():
            initial = [
                {} if self._overwrite_variable_with_gradient(v) else self.slots(v)
                for v in variables
            ]
        self._variable_slots = [{} for _ in variables]
        early = [(i, n) for i, slots in enumerate(initial) for n in slots]
        late = [(i, n) for n in self.late_slots for i, _ in enumerate(initial)]
        order = [(i, n) for i, n in early if n not in self.late_slots] + late
        for i, name in order:
            if name in initial[i]:
                self._variable_slots[i][name] = self._add_slot(variables[i], name, initial[i][name])
        self.built = True

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Update one variable, and what is remembered of it.

        Args:
            gradient: array of the variable's shape.
            variable: the `Variable` to change.
            learning_rate: scalar.
        """
        slots = self._variable_slots[self._get_variable_index(variable)]
        # In half precision 1 - beta_2 would be 0: the step works in float32, its results are kept
        # in the variable's dtype.
        dtype = "float32" if jnp.finfo(variable.dtype).bits < 32 else variable.dtype
        value, new = self.step(
            variable.value.astype(dtype),
            jnp.asarray(gradient, dtype),
            {name: _widened(slot.value, dtype) for name, slot in slots.items()},
            jnp.asarray(learning_rate, dtype),
        )
        variable.assign(value)
        for name, slot in slots.items():
            slot.assign(new[name])

    # One step.

    def apply_gradients(self, grads_and_vars):
        """Take one step.

        Args:
            grads_and_vars: pairs (gradient, variable).

        Returns:
            The `iterations` counter.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError(
                "`grads_and_vars` must hold pairs (gradient, variable).\nReceived: an empty list"
            )
        if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
            raise TypeError(
                "`grads_and_vars` must hold pairs (gradient, variable).\n"
                f"Received: {described(pairs[0])} among them\n"
                "Write apply_gradients(zip(gradients, variables))."
            )
        grads, variables = zip(*pairs, strict=True)
        self.apply(grads, variables)
        return self._iterations

    def apply(self, grads, trainable_variables=None) -> None:
        """Take one step.

        Args:
            grads: list of gradients (arrays), one for each variable; None for a variable that the
                loss does not depend on.
            trainable_variables: list of variables; those that the optimizer was built with if
                None.

        Raises:
            ValueError: if gradients and variables do not match, a variable comes twice, the
                optimizer was built with other variables, or all gradients are None.
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._variables_for(grads, trainable_variables)
        grads = [g if g is None else _dense(g) for g in grads]
        grads, variables = self._overwrite_variables_directly_with_gradients(grads, variables)
        grads, variables = self._filter_empty_gradients(grads, variables)
        if not grads:
            return
        for gradient, variable in zip(grads, variables, strict=True):
            if jnp.shape(gradient) != variable.shape:
                raise ValueError(
                    f"The gradient of variable {variable.path!r} must have shape "
                    f"{variable.shape}.\nReceived: shape {jnp.shape(gradient)}"
                )
        if self._runs_compiled(grads):
            self._compiled_update(variables)(grads, self._rate_of_function())
        else:
            self._apply_now(grads, variables)

    def _variables_for(self, grads: Sequence, trainable_variables) -> list:
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"When `grads` come without variables, {type(self).__name__} {self.name!r} "
                    "must already be built.\nCall optimizer.build(trainable_variables) first, or "
                    "pass the variables."
                )
            variables = self._optimized
        else:
            variables = self._checked_variables(trainable_variables)
            if not self.built:
                with scopes.outside():  # with real arrays, also where a function is being traced
                    self.build(variables)
                self.built = True
            self._check_variables_are_known(variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs one gradient for each variable (None "
                f"where there is none).\nReceived: a list of {len(grads)} gradients for "
                f"{len(variables)} trainable variables"
            )
        return variables

    def _checked_variables(self, given) -> list:
        variables = [given] if hasattr(given, "trainable_variables") else list(given)
        wrong = next((v for v in variables if not isinstance(v, Variable)), None)
        if wrong is not None:
            raise TypeError(
                f"{type(self).__name__} {self.name!r} takes gradients first, then the variables.\n"
                f"Received: as a variable {described(wrong)}\nWrite apply(gradients, "
                "model.trainable_variables), or apply_gradients(zip(gradients, variables))."
            )
        _refuse_repeated(variables)
        return variables

    def _check_variables_are_known(self, variables) -> None:
        for variable in variables:
            if id(variable) not in self._variable_places:
                raise ValueError(
                    f"Unknown variable: {getattr(variable, 'path', variable)!r} is not among the "
                    f"{len(self._optimized)} variables that {type(self).__name__} {self.name!r} "
                    "was built with.\nIf layers were made trainable since, call compile() again; "
                    "for other variables make a new optimizer."
                )

    def _overwrite_variable_with_gradient(self, variable) -> bool:
        return getattr(variable, "overwrite_with_gradient", False)

    def _overwrite_variables_directly_with_gradients(self, grads, variables):
        kept = []
        for gradient, variable in zip(grads, variables, strict=True):
            if not self._overwrite_variable_with_gradient(variable):
                kept.append((gradient, variable))
            elif gradient is None:
                continue
            elif self.gradient_accumulation_steps:
                # As for statistics such as float8 scales: the largest of the steps counts.
                steps = self.gradient_accumulation_steps
                first = self._iterations.value % steps == 0
                largest = jnp.maximum(variable.value, gradient)
                variable.assign(jnp.where(first, gradient, largest))
            else:
                variable.assign(gradient)
        return [g for g, _ in kept], [v for _, v in kept]

    def _filter_empty_gradients(self, grads, variables):
        if all(gradient is not None for gradient in grads):
            return grads, variables
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not pairs:
            raise ValueError(
                "No gradients provided for any variable: the loss does not depend on any of "
                f"{[v.path for v in variables][:5]}.\nIs the loss computed from the model's output?"
            )
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        warn(
            f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
            "`model.compile()`, did you forget to provide a `loss` argument?",
        )
        return [g for g, _ in pairs], [v for _, v in pairs]

    # Outside of any transformation the whole update is compiled at once, unless the subclass has
    # an `update_step` of its own, which may do what cannot be traced.

    def _runs_compiled(self, grads) -> bool:
        return (
            type(self).update_step is Optimizer.update_step
            and scopes.current_scope() is None
            and not any(isinstance(g, jax.core.Tracer) for g in grads)
        )

    def _rate_of_function(self):
        """Return what a learning rate function returns now; None for other learning rates."""
        rate = self._learning_rate
        if isinstance(rate, (Variable, LearningRateSchedule)):
            return None
        return jnp.asarray(rate(), settings.floatx())

    def _rate_source(self):
        """Return the variable, schedule or function that the learning rate comes from."""
        return self._learning_rate

    def _update_settings(self) -> tuple:
        """Return the hyperparameters: what becomes part of a compiled update."""
        kinds = (bool, int, float, str, type(None))
        return tuple(item for item in vars(self).items() if isinstance(item[1], kinds))

    def _compiled_update(self, variables):
        table = _compiled.setdefault(self, {})
        # What a program is made of and may be replaced; kept, so that its id stays its own.
        parts = [self._rate_source(), *(v.constraint for v in variables)]
        overwritten = tuple(self._overwrite_variable_with_gradient(v) for v in variables)
        key = (self._update_settings(), overwritten, tuple(map(id, [*parts, *variables])))
        if key not in table:
            reference = weakref.ref(self)

            def update(grads, rate):
                reference()._apply_now(grads, variables, rate)

            table[key] = jit(update), parts
        return table[key][0]

    def _apply_now(self, grads, variables, learning_rate=None) -> None:
        """Take one step: the gradients are known to match the variables."""
        if self.loss_scale_factor is not None:
            grads = [gradient / self.loss_scale_factor for gradient in grads]
        if learning_rate is None:
            learning_rate = self._get_current_learning_rate()
        if self.gradient_accumulation_steps:
            self._accumulate_gradients(grads, variables, learning_rate)
        else:
            self._update_each(grads, variables, learning_rate)
        if self.use_ema:
            self._update_averages()
        self._iterations.assign_add(1)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))

    def _update_each(self, grads, variables, learning_rate) -> None:
        grads = self._clip_gradients(grads)
        self._apply_weight_decay(variables, learning_rate)
        self.begin_update(learning_rate)
        for gradient, variable in zip(grads, variables, strict=True):
            self.update_step(gradient, variable, learning_rate)

    def _accumulate_gradients(self, grads, variables, learning_rate) -> None:
        steps = self.gradient_accumulation_steps
        sums = [self._accumulators[self._get_variable_index(v)] for v in variables]
        totals = [s.value + jnp.asarray(g, s.dtype) for s, g in zip(sums, grads, strict=True)]

        def update():
            self._update_each([total / steps for total in totals], variables, learning_rate)
            for accumulator in sums:
                accumulator.assign(jnp.zeros(accumulator.shape, accumulator.dtype))

        def wait():
            for accumulator, total in zip(sums, totals, strict=True):
                accumulator.assign(total)

        choose((self._iterations.value + 1) % steps == 0, update, wait)

    def _clip_gradients(self, grads):
        if self.clipnorm and self.clipnorm > 0:
            return [g * self._clip_factor(_norm([g]), self.clipnorm) for g in grads]
        if self.global_clipnorm and self.global_clipnorm > 0:
            norm = _norm(grads)
            # `norm - norm`: NaN stays NaN.
            scale = self._clip_factor(norm, self.global_clipnorm) + (norm - norm)
            return [g * jnp.asarray(scale, jnp.result_type(g)) for g in grads]
        if self.clipvalue and self.clipvalue > 0:
            return [jnp.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    @staticmethod
    def _clip_factor(norm, limit):
        return limit / jnp.maximum(norm, limit)

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """Choose variables that do not decay. To be called before the optimizer is built.

        Args:
            var_list: list of variables.
            var_names: list of regular expressions; variables in whose path one is found are
                excluded.
        """
        if self.built:
            raise ValueError(
                "`exclude_from_weight_decay()` can only be called before the optimizer is built."
            )
        self._without_decay = [*(var_names or ()), *(var_list or ())]

    def _use_weight_decay(self, variable) -> bool:
        return not any(
            re.search(item, variable.path) if isinstance(item, str) else item is variable
            for item in self._without_decay
        )

    def _apply_weight_decay(self, variables, learning_rate=None) -> None:
        rate = self._get_current_learning_rate() if learning_rate is None else learning_rate
        for variable in variables:
            decay = self._decay_of(variable)
            if decay is not None and self._use_weight_decay(variable):
                decay = jnp.asarray(decay, variable.dtype)
                variable.assign_sub(variable.value * decay * jnp.asarray(rate, variable.dtype))

    def _decay_of(self, variable):
        del variable
        return self.weight_decay

    # Averages of the weights.

    def _averaged_variables(self):
        """Yield (variable, its moving average)."""
        for variable, average in zip(self._optimized, self._averages, strict=True):
            if average is not None:
                yield variable, average

    def _update_averages(self) -> None:
        steps = jnp.asarray(self.iterations)
        for variable, average in self._averaged_variables():
            momentum = jnp.where(steps == 0, 0, self.ema_momentum).astype(variable.dtype)
            average.assign(momentum * average.value + (1 - momentum) * variable.value)
            if self.ema_overwrite_frequency:
                due = (steps + 1) % self.ema_overwrite_frequency == 0
                variable.assign(jnp.where(due, average.value, variable.value))

    def finalize_variable_values(self, var_list) -> None:
        """Set variables to their moving averages, if `use_ema`. To be called after training.

        Args:
            var_list: list of variables.
        """
        if self.use_ema and self.built:
            chosen = {id(v) for v in var_list}
            for variable, average in self._averaged_variables():
                if id(variable) in chosen:
                    variable.assign(average.value)

    def scale_loss(self, loss):
        """Return the loss that gradients are to be taken of.

        Args:
            loss: scalar.
        """
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # Pure functions.

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """Take one step as a pure function.

        Args:
            optimizer_variables: list of arrays, the values of `variables`.
            grads: list of gradients.
            trainable_variables: list of arrays, the values of the variables that the optimizer
                was built with.

        Returns:
            `(trainable_variables, optimizer_variables)`, the lists of new values.

        Raises:
            ValueError: if the optimizer is not built, or a list has not the right length.
        """
        if not self.built:
            raise ValueError(
                f"To call `stateless_apply()`, {type(self).__name__} {self.name!r} must be built."
                "\nCall optimizer.build(trainable_variables) first."
            )
        own = self.variables
        for name, values, needed in (
            ("optimizer_variables", optimizer_variables, own),
            ("trainable_variables", trainable_variables, self._optimized),
        ):
            if len(values) != len(needed):
                raise ValueError(
                    f"`{name}` must hold one tensor for each of the {len(needed)} variables.\n"
                    f"Received: {len(values)}"
                )
        pairs = [
            *zip(self._optimized, trainable_variables, strict=True),
            *zip(own, optimizer_variables, strict=True),
        ]
        with scopes.StatelessScope(pairs):
            self.apply(grads)
            return [v.value for v in self._optimized], [v.value for v in own]

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make an optimizer from what `get_config` returned.

        Args:
            config: dict.
            custom_objects: dict from names to classes and functions of yours.
        """
        with CustomObjectScope(custom_objects or {}):
            if is_serialized(config.get("learning_rate")):
                config = {**config, "learning_rate": deserialize(config["learning_rate"])}
            return super().from_config(config)


def choose(condition, yes: Callable, no: Callable) -> None:
    """Run `yes` where `condition` holds, else `no`; inside a compiled function, on the device."""
    if isinstance(condition, jax.core.Tracer):
        branches, state = lift([yes, no])
        _, new = jax.lax.cond(condition, *branches, state.values())
        state.assign(new)
    elif condition:
        yes()
    else:
        no()


def _refuse_repeated(variables) -> None:
    known = set()
    for variable in variables:
        if id(variable) in known:
            raise ValueError(
                "An optimizer takes each variable once.\nReceived: variable "
                f"{getattr(variable, 'path', variable)!r} more than once\n"
                "List each variable once, with the sum of its gradients."
            )
        known.add(id(variable))


def _dense(gradient):
    return gradient.todense() if hasattr(gradient, "todense") else jnp.asarray(gradient)


def _widened(x, dtype):
    return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _norm(arrays):
    return jnp.sqrt(sum(jnp.sum(jnp.square(a)) for a in arrays))


def _check_count(name: str, value, least: int, owner) -> None:
    if value is not None and not (isinstance(value, numbers.Integral) and int(value) >= least):
        raise argument_error(name, f"be an integer >= {least}, or None", value, owner)
