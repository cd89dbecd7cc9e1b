"""What an optimizer holds: its variables and its learning rate."""

import functools
import numbers

import jax
import numpy as np

from kerata import initializers
from kerata.engine import scopes, settings
from kerata.engine.configurable import Configurable, serialize
from kerata.engine.errors import argument_error, warn
from kerata.engine.variable import Variable
from kerata.optimizers.schedules import LearningRateSchedule


def _all_or_nothing(build):
    """Wrap a `build` method: where it fails, the optimizer is as it was, and can be built again."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        before = {k: list(v) if type(v) is list else v for k, v in vars(self).items()}
        try:
            return build(self, *args, **kwargs)
        except Exception:
            vars(self).clear()
            vars(self).update(before)
            raise

    return wrapped


class OptimizerState(Configurable):
    """The part of `Optimizer` that holds its variables and its learning rate."""

    name: str
    built: bool
    gradient_accumulation_steps: int | None
    _variables: list[Variable]
    _optimized: list[Variable]
    _variable_places: dict[int, int]
    _variable_slots: list[dict[str, Variable]]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _all_or_nothing(cls.__dict__["build"])  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        rate = vars(self).get("_learning_rate", "that of others")
        rate = f"{np.asarray(rate._array):g}" if isinstance(rate, Variable) else rate
        return f"<{type(self).__name__} name={self.name}, learning_rate={rate}, built={self.built}>"

    def _own_name_scope(self):
        return scopes.name_scope(self.name, override_parent="")

    def __setattr__(self, name, value):
        # Variables that subclasses create on their own become part of the optimizer's state.
        super().__setattr__(name, value)
        for item in value if type(value) in (list, tuple) else (value,):
            if isinstance(item, Variable):
                self._track_variable(item)

    def __setstate__(self, state):
        # A copy's or pickle's variables are other objects.
        self.__dict__.update(state)
        self._variable_places = {id(v): i for i, v in enumerate(self._optimized)}

    def _track_variable(self, variable) -> None:
        tracked = self.__dict__.setdefault("_variables", [])
        is_known = any(variable is v for v in tracked)
        if not is_known and id(variable) not in self.__dict__.get("_variable_places", {}):
            tracked.append(variable)

    def _untrack_variable(self, variable) -> None:
        self.__dict__["_variables"] = [v for v in self._variables if v is not variable]

    def forget_others(self, variables) -> None:
        """Forget what is remembered of all but some variables: the others exist no more.

        Args:
            variables: list of variables; new ones among them are not taken up.
        """
        if not (self.built and type(self).__module__.startswith("kerata.")):
            return
        places = {id(v) for v in variables}
        kept = [i for i, v in enumerate(self._optimized) if id(v) in places]
        lists = [n for n in ("_averages", "_accumulators") if n in vars(self)]
        before = [s for slots in self._variable_slots for s in slots.values()]
        before += [v for n in lists for v in getattr(self, n)]
        self._variable_slots = [self._variable_slots[i] for i in kept]
        for name in lists:
            self.__dict__[name] = [getattr(self, name)[i] for i in kept]
        after = {id(s) for slots in self._variable_slots for s in slots.values()}
        after |= {id(v) for n in lists for v in getattr(self, n)}
        for variable in before:
            if variable is not None and id(variable) not in after:
                self._untrack_variable(variable)
        self.__dict__["_optimized"] = [self._optimized[i] for i in kept]
        self._variable_places = {id(v): i for i, v in enumerate(self._optimized)}

    @property
    def variables(self) -> list[Variable]:
        """All variables of the optimizer, in the order in which files hold them."""
        return list(self._variables)

    @property
    def iterations(self):
        """The number of steps taken (with gradient accumulation: of full ones)."""
        if self.gradient_accumulation_steps:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    def add_variable(
        self, shape, initializer="zeros", dtype=None, aggregation="none", layout=None, name=None
    ) -> Variable:
        """Create a variable that belongs to the optimizer.

        Args:
            shape: tuple of integers.
            initializer: an initializer or its name, or an array.
            dtype: dtype name; `floatx()` if None.
            aggregation: see `Variable`.
            layout: sharding of the value, or None.
            name: name of the variable.
        """
        if isinstance(initializer, (str, dict)):
            initializer = initializers.get(initializer)
        with self._own_name_scope():
            variable = Variable(
                initializer,
                shape,
                dtype or settings.floatx(),
                trainable=False,
                aggregation=aggregation,
                layout=layout,
                name=name,
            )
        self._track_variable(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable, name=None, initializer="zeros"
    ) -> Variable:
        """Create a variable of the shape, dtype and sharding of a variable to be optimized.

        Args:
            reference_variable: the `Variable` to be optimized.
            name: what is remembered; the variable is called "<path of the reference>_<name>".
            initializer: an initializer or its name, or an array.
        """
        path = getattr(reference_variable, "path", "") or reference_variable.name
        return self.add_variable(
            tuple(reference_variable.shape),
            initializer,
            reference_variable.dtype,
            layout=getattr(reference_variable, "_layout", None),
            name=f"{path}_{name or 'variable'}".replace("/", "_"),
        )

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """Create a variable beside each of `trainable_variables`.

        Args:
            trainable_variables: list of variables to be optimized.
            name: what is remembered; or a list of such names.
            initializer: an initializer or its name; or a list, one for each name.

        Returns:
            A list of variables, or a tuple of lists, one for each name.
        """
        names = [name] if isinstance(name, str) else list(name)
        given = initializer if isinstance(initializer, (list, tuple)) else [initializer]
        chosen = list(given) * len(names) if len(given) == 1 else list(given)
        if len(chosen) != len(names):
            raise ValueError(
                "`name` and `initializer` must be lists of the same length.\n"
                f"Received: name={name!r}, initializer={initializer!r}"
            )
        columns: tuple[list, ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for column, one, start in zip(columns, names, chosen, strict=True):
                skipped = self._overwrite_variable_with_gradient(variable)
                column.append(
                    None if skipped else self.add_variable_from_reference(variable, one, start)
                )
        return columns[0] if isinstance(name, str) else columns

    def _add_slot(self, variable, name: str, initial) -> Variable:
        initial = np.asarray(initial) if isinstance(initial, (int, float)) else initial
        if (initial.shape, initial.dtype) == (variable.shape, variable.dtype):
            return self.add_variable_from_reference(variable, name, initial)
        path = f"{variable.path}_{name}".replace("/", "_")
        return self.add_variable(initial.shape, initial, initial.dtype, name=path)

    def _get_variable_index(self, variable) -> int:
        return self._variable_places[id(variable)]

    def assign(self, variable, value) -> None:
        """Assign to a variable. (For subclasses, as `assign_add` and `assign_sub`.)"""
        variable.assign(value)

    def assign_add(self, variable, value) -> None:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable, value) -> None:
        """Subtract from a variable."""
        variable.assign_sub(value)

    def _checked_learning_rate(self, value):
        if callable(value):
            return value
        is_number = isinstance(value, (numbers.Real, np.ndarray, jax.Array))
        if not is_number or isinstance(value, bool) or np.ndim(value) > 0:
            raise argument_error(
                "learning_rate",
                "be a number, a LearningRateSchedule, or a function of no arguments that returns "
                "a number",
                value,
                self,
            )
        self._check_rate(value)
        with self._own_name_scope():
            return Variable(
                value,
                (),
                settings.floatx(),
                trainable=False,
                aggregation="only_first_replica",
                name="learning_rate",
            )

    def _check_rate(self, value) -> None:
        if isinstance(value, str) or (
            isinstance(value, numbers.Real) and not 0 <= float(value) < float("inf")
        ):
            must = "be a finite number of at least 0"
            raise argument_error("learning_rate", must, value, self)

    def _get_current_learning_rate(self):
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate(self._iterations)
        return rate if isinstance(rate, Variable) else rate()

    @property
    def learning_rate(self):
        """The learning rate: a `Variable`, or the present value of a schedule or function.

        It can be set, to a schedule or function always, and to a number if it was one.
        """
        return self._get_current_learning_rate()

    @learning_rate.setter
    def learning_rate(self, value):
        now = self._learning_rate
        if callable(value):
            if isinstance(now, Variable):
                self._untrack_variable(now)
            self._learning_rate = value
        elif isinstance(now, Variable):
            self._check_rate(value)
            now.assign(value)
        else:
            raise TypeError(
                f"The learning rate of {type(self).__name__} {self.name!r} is not settable to a "
                f"number, because it is given by {now!r}.\nMake the optimizer with a number as "
                "`learning_rate`, or set another schedule."
            )

    def _config_value(self, name: str, value):
        # The learning rate may have been changed since: the current one counts.
        if name == "learning_rate":
            rate = self.__dict__.get("_learning_rate", value)
            return float(rate.numpy()) if isinstance(rate, Variable) else serialize(rate)
        return super()._config_value(name, value)

    def save_own_variables(self, store) -> None:
        """Write the values of `variables` into `store`, under "0", "1", …"""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store) -> None:
        """Set `variables` from what `save_own_variables` wrote; warn if the numbers differ."""
        variables = self.variables
        if len(store.keys()) != len(variables):
            hint = "" if self.built else " (Is the optimizer built? It is not yet.)"
            warn(
                f"Skipping variable loading for optimizer {self.name!r}, because it has "
                f"{len(variables)} variables whereas the saved optimizer has "
                f"{len(store.keys())} variables.{hint}",
            )
            return
        for i, variable in enumerate(variables):
            variable.assign(store[str(i)])

    def set_weights(self, weights) -> None:
        """Set the values of `variables`.

        Args:
            weights: list of arrays.
        """
        if len(weights) != len(self.variables):
            raise ValueError(
                f"Optimizer {self.name!r} has {len(self.variables)} variables.\n"
                f"Received: {len(weights)} weights"
            )
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)
