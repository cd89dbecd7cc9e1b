"""Different optimizers for different variables of one model."""

import re
from collections.abc import MutableMapping

from kerata.engine.configurable import Configurable
from kerata.engine.errors import argument_error
from kerata.optimizers.loss_scale import LossScaleOptimizer
from kerata.optimizers.optimizer import Optimizer


class OptimizerMap(Configurable, MutableMapping):
    """Optimizers by regular expressions, for `MultiOptimizer`.

    A lookup by a variable's path gives the optimizer whose expression matches the whole path; the
    default one if there is none.

    Args:
        default_optimizer: the optimizer of variables that no expression matches.
        optimizer_map: dict from expressions to optimizers.

    Raises:
        ValueError: if a value is no optimizer, or an expression is there already.

    Example:
        >>> chosen = kerata.optimizers.OptimizerMap(
        ...     kerata.optimizers.SGD(0.5), {".*/bias": kerata.optimizers.Adam()})
        >>> chosen["dense/bias"].name[:4], chosen["dense/kernel"].name[:3]
        ('adam', 'sgd')
    """

    def __init__(self, default_optimizer, optimizer_map=None):
        if not isinstance(default_optimizer, Optimizer):
            raise argument_error("default_optimizer", "be an optimizer", default_optimizer, self)
        self.default_optimizer = default_optimizer
        self._optimizer_map: dict = {}
        self.update(optimizer_map or {})

    @property
    def optimizer_map(self) -> dict:
        """The optimizers by expression."""
        return dict(self._optimizer_map)

    def __call__(self, variable):
        """Return the optimizer of a variable."""
        return self[variable.path]

    def __getitem__(self, path):
        if path in self._optimizer_map:
            return self._optimizer_map[path]
        found = [key for key in self._optimizer_map if re.fullmatch(key, path)]
        if len(found) > 1:
            raise ValueError(
                f"Multiple optimizers are assigned to variable {path!r}.\n"
                f"The expressions {found} all match it: make them more exact."
            )
        return self._optimizer_map[found[0]] if found else self.default_optimizer

    def __contains__(self, path):
        return path in self._optimizer_map

    def __setitem__(self, expression, optimizer):
        if expression in self._optimizer_map:
            raise ValueError(
                f"The expression {expression!r} already exists in the OptimizerMap, with "
                f"{self._optimizer_map[expression].name!r}.\nDelete it first."
            )
        if not isinstance(optimizer, Optimizer):
            raise argument_error("optimizer", "be an optimizer", optimizer, self)
        _refuse_wrapper(optimizer)
        self._optimizer_map[expression] = optimizer

    def __delitem__(self, expression):
        del self._optimizer_map[expression]

    def __iter__(self):
        return iter(self._optimizer_map)

    def __len__(self):
        return len(self._optimizer_map)


def _refuse_wrapper(optimizer):
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(
            f"An optimizer inside a MultiOptimizer cannot be a {type(optimizer).__name__}.\n"
            "To scale the loss, wrap the MultiOptimizer in a LossScaleOptimizer."
        )


class MultiOptimizer(Optimizer):
    """Gives each variable to one of several optimizers.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from a variable to an optimizer.
        loss_scale_factor: see `Optimizer`; one for all.
        name: name of the optimizer.

    Raises:
        TypeError: if `optimizer_map` is neither.

    Example:
        >>> a, b = kerata.Variable(1.0, name="a"), kerata.Variable(1.0, name="b")
        >>> half, whole = kerata.optimizers.SGD(0.5), kerata.optimizers.SGD(1.0)
        >>> optimizer = kerata.optimizers.MultiOptimizer(
        ...     kerata.optimizers.OptimizerMap(half, {"b": whole}))
        >>> optimizer.apply([1.0, 1.0], [a, b])
        >>> float(a), float(b)
        (0.5, 0.0)
    """

    def __init__(self, optimizer_map, loss_scale_factor=None, name=None):
        if isinstance(optimizer_map, Optimizer):
            optimizer_map = OptimizerMap(optimizer_map)
        if not callable(optimizer_map):
            raise argument_error(
                "optimizer_map",
                "be an OptimizerMap or a function from a variable to an optimizer",
                optimizer_map,
                self,
                TypeError,
            )
        self.optimizers: list[Optimizer] = []
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._add(optimizer)
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)
        self.optimizer_map = optimizer_map
        self._choice: list[Optimizer] = []

    def _add(self, optimizer):
        if all(optimizer is not known for known in self.optimizers):
            self.optimizers.append(optimizer)

    @property
    def loss_scale_factor(self):
        """The factor that the loss is scaled by: one for all of `optimizers`."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value):
        self._loss_scale_factor = value
        for optimizer in self.optimizers:
            optimizer.loss_scale_factor = value

    def build(self, variables):
        if self.built:
            return
        variables = list(variables)
        choice = [self.optimizer_map(variable) for variable in variables]
        for variable, chosen in zip(variables, choice, strict=True):
            if not isinstance(chosen, Optimizer):
                raise TypeError(
                    f"`optimizer_map` must give an optimizer for {variable.path!r}.\n"
                    f"Received: {chosen!r}"
                )
            _refuse_wrapper(chosen)
        super().build(variables)
        self._choice = choice
        for chosen in choice:
            self._add(chosen)
        self.loss_scale_factor = self._loss_scale_factor
        for optimizer in self.optimizers:
            own = [v for v, o in zip(variables, self._choice, strict=True) if o is optimizer]
            if own:
                optimizer.build(own)

    @property
    def variables(self):
        """The optimizer's variables, then those of the others."""
        return [*self._variables, *(v for o in self.optimizers for v in o.variables)]

    @property
    def learning_rate(self):
        """Not there: each of `optimizers` has its own."""
        raise AttributeError(
            "A MultiOptimizer has no learning rate: see those of its `optimizers`."
        )

    @learning_rate.setter
    def learning_rate(self, value):
        raise AttributeError(
            "A MultiOptimizer has no learning rate: set those of its `optimizers`."
        )

    def finalize_variable_values(self, var_list):
        for optimizer in self.optimizers:
            optimizer.finalize_variable_values(var_list)

    def _runs_compiled(self, grads):
        return False  # each of the optimizers compiles its own update

    def _overwrite_variables_directly_with_gradients(self, grads, variables):
        return grads, variables  # each of the optimizers does that

    def _apply_now(self, grads, variables, learning_rate=None):
        for optimizer in self.optimizers:
            chosen = [
                (g, v)
                for g, v in zip(grads, variables, strict=True)
                if self._choice[self._get_variable_index(v)] is optimizer
            ]
            if chosen:
                optimizer.apply(*zip(*chosen, strict=True))
        self._iterations.assign_add(1)
