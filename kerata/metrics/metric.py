"""The base class of metrics: state, update, result."""

import jax.numpy as jnp

from kerata.engine import naming
from kerata.engine.configurable import Configurable
from kerata.engine.scopes import StatelessScope, name_scope
from kerata.engine.variable import Variable
from kerata.losses.loss import compute_dtype


class Metric(Configurable):
    """Base of metrics: a number that is gathered over batches.

    Subclasses make variables with `add_weight` in `__init__`, and write `update_state`, which adds
    a batch to them, and `result`, which computes the metric from them. Called like a function, a
    metric does both.

    Args:
        dtype: dtype or dtype policy of the variables; `floatx()` if None.
        name: name of the metric; made from the class's name if None.

    Example:
        >>> class Largest(kerata.metrics.Metric):
        ...     def __init__(self, name="largest", **kwargs):
        ...         super().__init__(name=name, **kwargs)
        ...         self.largest = self.add_weight(name="largest")
        ...     def update_state(self, values, sample_weight=None):
        ...         batch = kerata.ops.max(kerata.ops.convert_to_tensor(values))
        ...         self.largest.assign(kerata.ops.maximum(self.largest, batch))
        ...     def result(self):
        ...         return self.largest.value
        >>> metric = Largest()
        >>> metric.update_state([1.0, 3.0])
        >>> metric.update_state([2.0])
        >>> metric.result()
        Array(3., dtype=float32)
    """

    def __init__(self, dtype=None, name=None):
        self.name = name or naming.auto_name(type(self).__name__)
        self._dtype = compute_dtype(dtype)
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The dtype of the metric's variables."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """All variables: the metric's own, then those of metrics that it holds.

        Raises:
            RuntimeError: if a subclass did not call `super().__init__()`.
        """
        if "_variables" not in vars(self):
            raise RuntimeError(
                f"{type(self).__name__}.__init__() must call super().__init__() first."
            )
        own: dict[int, Variable] = {}
        held: dict[int, Variable] = {}
        _collect(list(vars(self).values()), own, held)
        return list({**own, **held}.values())

    def add_variable(self, shape, initializer, dtype=None, aggregation="sum", name=None):
        """Make a variable that holds part of the metric's state.

        Args:
            shape: its shape.
            initializer: initial value: an initializer or its name; zeros if None.
            dtype: its dtype; that of the metric if None.
            aggregation: how values of several replicas are joined.
            name: its name.

        Returns:
            The `Variable`; `reset_state` sets it to zeros.
        """
        from kerata import initializers

        variables = vars(self).get("_variables")
        if variables is None:
            raise RuntimeError(
                f"{type(self).__name__}.__init__() must call super().__init__() first."
            )
        with name_scope(self.name.replace("/", ">"), caller=self):
            variable = Variable(
                initializers.get("zeros" if initializer is None else initializer),
                shape=shape,
                dtype=dtype or self._dtype,
                trainable=False,
                autocast=False,
                aggregation=aggregation,
                name=name,
            )
        variables.append(variable)
        return variable

    def add_weight(self, shape=(), initializer=None, dtype=None, name=None):
        """Make a variable: see `add_variable`."""
        return self.add_variable(shape, initializer, dtype=dtype, name=name)

    def update_state(self, *args, **kwargs):
        """Add a batch to the state."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_state()`.")

    def result(self):
        """Return the metric of what was added since the last reset.

        Returns:
            A scalar, an array, or a dict from names to scalars.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `result()`.")

    def reset_state(self):
        """Set all variables to zeros."""
        for variable in self.variables:
            variable.assign(jnp.zeros(variable.shape, variable.dtype))

    def __call__(self, *args, **kwargs):
        """Add a batch to the state, and return the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    def stateless_update_state(self, metric_variables, *args, **kwargs) -> list:
        """Return the values that the variables get from `update_state(*args, **kwargs)`.

        Args:
            metric_variables: values of `variables` to start from.

        Raises:
            ValueError: if there are more or fewer values than variables.
        """
        with self._values_scope(metric_variables) as scope:
            self.update_state(*args, **kwargs)
        return [scope.get_current_value(v) for v in self.variables]

    def stateless_result(self, metric_variables):
        """Return the result for given values of `variables`.

        Raises:
            ValueError: if there are more or fewer values than variables.
        """
        with self._values_scope(metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list:
        """Return the values that the variables get from `reset_state()`."""
        variables = self.variables
        with StatelessScope([(v, v.value) for v in variables]) as scope:
            self.reset_state()
        return [scope.get_current_value(v) for v in variables]

    def _values_scope(self, values):
        variables, values = self.variables, list(values)
        if len(values) != len(variables):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has {len(variables)} variables, and needs a "
                f"value for each.\nReceived: {len(values)} values"
            )
        return StatelessScope(list(zip(variables, values, strict=True)))

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


def _collect(values, own: dict, held: dict) -> None:
    """Find Variables, and those of Metrics, in attributes and lists of them."""
    for value in values:
        if isinstance(value, Variable):
            own[id(value)] = value
        elif isinstance(value, Metric):
            held.update((id(v), v) for v in value.variables)
        elif type(value) in (list, tuple):
            _collect(value, own, held)
        elif type(value) is dict:
            _collect(value.values(), own, held)


def ratio(total, count):
    """Return `total / count`, 0 where the count is 0."""
    zero = count == 0
    return jnp.where(zero, 0, total / jnp.where(zero, 1, count))
