"""Step functions: what happens with one batch, as a function that `kerata.jit` can compile.

A model's `train_step`, `test_step` and `predict_step` may be written in two styles, told apart by
their signatures:

* stateful: `train_step(self, data) -> logs`. Variables are read and assigned.
* stateless, as in Keras on JAX: `train_step(self, state, data) -> (logs, state)`. The state is a
  tuple of lists of arrays: the values of the trainable variables, the non-trainable ones, the
  optimizer's (train_step only) and the metrics' (not in predict_step, which returns the
  non-trainable ones alone).
"""

import inspect
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from kerata.engine import settings, tree
from kerata.engine.errors import warn
from kerata.engine.masks import counted_rows, get_mask, set_mask
from kerata.engine.scopes import Scope, StatelessScope, ambient
from kerata.engine.transforms import jit, lift, program_holders, value_and_grad
from kerata.training.batches import batch_size, form
from kerata.training.compiling import Compiling
from kerata.training.padding import Filled
from kerata.utils.numerical import unpack_x_y_sample_weight

TRAIN, TEST, PREDICT = "train_step", "test_step", "predict_step"


def takes_state(method: Callable) -> bool:
    """Return whether a step method is written in the stateless style.

    One that takes whatever comes, `train_step(self, *args)`, is: that is what Keras gives on JAX.
    """
    if getattr(method, "__func__", None) in (getattr(Stepping, n) for n in (TRAIN, TEST, PREDICT)):
        return False  # takes either
    kinds = inspect.Parameter
    parameters = inspect.signature(method).parameters.values()
    positional = [
        p
        for p in parameters
        if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        and p.default is kinds.empty
    ]
    return len(positional) == 2 or (
        not positional and any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    )


def state_variables(trainer, name: str) -> list[list]:
    """Return the groups of variables that make the state of a step."""
    groups = [trainer.trainable_variables, trainer.non_trainable_variables]
    if name == TRAIN:
        groups.append(trainer.optimizer.variables)
    if name != PREDICT:
        groups.append(trainer.metrics_variables)
    return groups


def stateful(trainer, name: str) -> Callable:
    """Return the model's step as a function `data -> logs` (or outputs), in either style."""
    method = getattr(trainer, name)
    if not takes_state(method):
        return _explained(trainer, name, method)

    def step(data):
        groups = state_variables(trainer, name)
        state = tuple([v.value for v in group] for group in groups)
        results, new = method(state, data)
        if name == PREDICT:
            new = (state[0], new)
        for group, values in zip(groups, new, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return results

    return _explained(trainer, name, step)


def as_logs(results, name: str) -> dict:
    """Return what a step returned as a dict without dicts in it.

    Raises:
        TypeError: if it is no dict.
    """
    if not isinstance(results, dict):
        raise TypeError(
            f"{name}() must return a dict from names to numbers.\n"
            f'Received: {type(results).__name__}\nFor example: return {{"loss": loss}}'
        )
    logs = {}
    for key, value in results.items():
        if isinstance(value, str):
            raise TypeError(f"{name}() must return numbers.\nReceived: {key}={value!r}")
        logs.update(as_logs(value, name) if isinstance(value, dict) else {key: value})
    return logs


def _explained(trainer, name: str, step: Callable) -> Callable:
    """Return `step`, whose errors name as their cause why the model could not be built before."""

    def explained(data):
        try:
            results = data.run(step) if isinstance(data, Filled) else step(data)
            if name != PREDICT:
                results = as_logs(results, name)
        except Exception as error:
            if error.__cause__ is None:
                error.__cause__ = trainer._build_error
            note_swapped(trainer, data.data if isinstance(data, Filled) else data, error)
            raise
        trainer._build_error = None
        return results

    return explained


def note_swapped(trainer, data, error: Exception) -> None:
    """Add to an error that targets and inputs seem to have changed places, where they do."""
    graph = getattr(trainer, "_function_graph", None)
    x, y, _ = unpack_x_y_sample_weight(data)
    if graph is None or len(graph.inputs) != 1 or not (hasattr(x, "shape") and hasattr(y, "shape")):
        return
    wanted = graph.inputs[0].shape

    def fits(array):
        return len(array.shape) == len(wanted) and all(
            m in (None, n) for m, n in zip(wanted[1:], array.shape[1:])
        )

    if fits(y) and not fits(x) and not getattr(error, "_swapped", False):
        error._swapped = True  # type: ignore[attr-defined]
        error.add_note(f"`y` has the shape of the model's inputs, {wanted}: are x and y swapped?")


def stateless(trainer, name: str, step: Callable, state, data):
    """Run the stateful `step(data)` on the values in `state`; return (results, new state)."""
    groups = state_variables(trainer, name)
    with StatelessScope(_pairs(groups, state)) as scope:
        results = step(data)
        new = tuple([scope.read(v) for v in group] for group in groups)
    return results, new[1] if name == PREDICT else new


def make(trainer, name: str) -> Callable:
    """Return the function that the loop calls: of a batch, or of a tuple of several, compiled."""
    step = stateful(trainer, name)
    if trainer.steps_per_execution == 1:
        return _compiled(trainer, name, step)
    one = _TracedOnce(step) if trainer.compiles_steps else step

    def function(batches):
        results = [one(data) for data in batches]
        if name != PREDICT:
            return results[-1]
        return tree.map_structure(lambda *parts: jnp.concatenate(parts), *results)

    return _compiled(trainer, name, function)


def make_for_one(trainer, name: str) -> Callable:
    """Return a function of one batch, compiled, whose logs are those of this batch alone."""
    step = stateful(trainer, name)

    def function(data):
        if name != PREDICT:
            trainer.reset_metrics()
        return step(data)

    return _compiled(trainer, name, function)


def _compiled(trainer, name, function):
    if not trainer.compiles_steps:
        return function

    def compiled(data):
        return function(data)

    compiled.__name__ = name.replace("step", "function")
    return ours(jit(compiled, likely=lambda: likely_variables(trainer, name)))


# Step functions that were made here: those of users take a batch as it is, one by one.
_ours: weakref.WeakSet = weakref.WeakSet()


def ours(function: Callable) -> Callable:
    """Note that a step function may be given filled batches, and more of them at once."""
    _ours.add(function)
    return function


def is_ours(function: Callable) -> bool:
    """Return whether a step function was given to `ours`."""
    return function in _ours


def likely_variables(trainer, name: str) -> tuple[list, list]:
    """Return the variables that a step will probably only read, and those it will assign."""
    if name == PREDICT:
        return trainer.variables, []
    if name == TEST:
        return trainer.variables, trainer.metrics_variables
    frozen = [v for v in trainer.non_trainable_variables if v.made_trainable]
    others = [v for v in trainer.non_trainable_variables if not v.made_trainable]
    assigned = [*trainer.trainable_variables, *others, *trainer.metrics_variables]
    if trainer.optimizer is not None:
        assigned += trainer.optimizer.variables
    return frozen, list({id(v): v for v in assigned}.values())


class _TracedOnce:
    """A step that is used several times in one program, traced once for each shape of batch.

    The batches of one call are all steps of one program (a loop would run convolutions slowly on
    CPUs); without this, a model would be traced as many times.
    """

    def __init__(self, step: Callable):
        self._step = step
        self._programs: dict = {}
        program_holders[id(self)] = self

    def __call__(self, data):
        key = (jax.tree_util.tree_structure(data), form(data), ambient())
        if key not in self._programs:
            _, state = lift(self._step, data)
            self._programs[key] = state, jax.jit(self._pure(state))
        state, program = self._programs[key]
        results, new = program([v.value for v in state.variables], data)
        state.assign(new)
        return results

    def _pure(self, state):
        def pure(values, data):
            with Scope(zip(state.variables, values, strict=True)) as scope:
                results = self._step(data)
                return results, [scope.read(v) for v in state.written]

        return pure


def _pairs(groups, values) -> list:
    return [
        pair
        for group, new in zip(groups, values, strict=True)
        for pair in zip(group, new, strict=True)
    ]


def _samples(data):
    """Return how many samples a batch holds."""
    rows = counted_rows()
    return batch_size(data) if rows is None else rows


class Stepping(Compiling):
    """The part of `Trainer` that says what happens with one batch."""

    non_trainable_variables: Any
    variables: Any
    trainable: Any
    losses: Any
    _flatten_layers: Any
    # Why the model could not be built before its own step was called.
    _build_error: Exception | None = None

    def compute_metrics(self, x, y, y_pred, sample_weight=None) -> dict:
        """Update the metrics of `compile` with a batch, and return the results of all metrics.

        May be overridden, to report other things.

        Args:
            x: inputs.
            y: targets.
            y_pred: outputs of the model.
            sample_weight: weights of samples, or None.

        Returns:
            A dict from names to scalars: the logs of the step.
        """
        del x
        if self._compiled is not None and self._compiled.metrics is not None:
            self._compiled.metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    # Losses.

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of a batch: that of `compile`, and what layers and weights add.

        May be overridden.

        Args:
            x: inputs.
            y: targets.
            y_pred: outputs of the model.
            sample_weight: weights of samples, or None.
            training: whether the loss is for training.

        Returns:
            A scalar.
        """
        del training
        total = None
        if self._compiled is not None and self._compiled.loss is not None:
            loss = self._compiled.loss
            if y_pred is None:
                raise ValueError(
                    f"compute_loss() of {type(self).__name__} needs the model's outputs.\n"
                    "Received: y_pred=None\n"
                    "Write compute_loss(x=x, y=y, y_pred=self(x, training=True))."
                )
            if not loss.built:
                loss.build(y_pred, self._compiled.output_names)
            total = loss(y, y_pred, sample_weight, _samples(x if x is not None else y_pred))
        for extra in self.losses:
            extra = jnp.sum(jnp.asarray(extra, settings.floatx()))
            total = extra if total is None else total + extra
        return jnp.zeros((), settings.floatx()) if total is None else total

    def _loss_of(self, x, y, y_pred, sample_weight, training):
        """Call `compute_loss`, which users may have written without `training`."""
        arguments = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight}
        if "training" in inspect.signature(self.compute_loss).parameters:
            arguments["training"] = training
        loss = self.compute_loss(**arguments)
        if loss is None or jnp.ndim(loss) != 0:
            raise ValueError(
                f"compute_loss() of {type(self).__name__} must return a scalar.\n"
                f"Received: {'None' if loss is None else f'shape {jnp.shape(loss)}'}"
            )
        if training and self._has_no_objective():
            raise ValueError(
                "There is nothing to minimize: compile() was given no `loss`, and no layer adds "
                f"one.\nReceived: {type(self).__name__} {getattr(self, 'name', '')!r} with "
                "loss=None\nGive compile() a loss, or use add_loss, compute_loss or train_step."
            )
        return loss

    def _has_no_objective(self) -> bool:
        return (
            type(self).compute_loss is Stepping.compute_loss
            and (self._compiled is None or self._compiled.loss is None)
            and not self.losses
        )

    def _track_loss(self, loss, x, y_pred):
        if self._compiled is not None:
            self._compiled.tracker.update_state(loss, sample_weight=_samples((x, y_pred)))

    def stateless_compute_loss(
        self,
        trainable_variables,
        non_trainable_variables,
        metrics_variables,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """Call `compute_loss` as a pure function of the values of variables.

        Returns:
            (loss, (trainable variables, non-trainable variables, metrics' variables)), the latter
            three lists of values.
        """
        groups = (
            self.trainable_variables, self.non_trainable_variables, self.metrics_variables,
        )  # fmt: skip
        values = (trainable_variables, non_trainable_variables, metrics_variables)
        with StatelessScope(_pairs(groups, values)) as scope:
            loss = self._loss_of(x, y, y_pred, sample_weight, training)
            return loss, tuple([scope.read(v) for v in group] for group in groups)

    def compute_loss_and_updates(
        self,
        trainable_variables,
        non_trainable_variables,
        metrics_variables,
        x,
        y,
        sample_weight,
        training=False,
        optimizer_variables=None,
    ):
        """Call the model and `compute_loss` as a pure function of the values of variables.

        For `train_step(self, state, data)`, where it is differentiated with `jax.value_and_grad`.

        Returns:
            (loss to differentiate, (loss, outputs, non-trainable variables, metrics' variables)).
        """
        groups = (
            self.trainable_variables, self.non_trainable_variables, self.metrics_variables,
        )  # fmt: skip
        pairs = _pairs(groups, (trainable_variables, non_trainable_variables, metrics_variables))
        if optimizer_variables is not None:
            pairs += _pairs((self.optimizer.variables,), (optimizer_variables,))
        with StatelessScope(pairs) as scope:
            y_pred = self(x, training=training)
            loss = self._loss_of(x, y, y_pred, sample_weight, training)
            scaled = loss
            if training and self.optimizer is not None:
                scaled = self.optimizer.scale_loss(loss)
            new = [[scope.read(v) for v in group] for group in groups[1:]]
        return scaled, (loss, y_pred, *new)

    # One batch.

    def train_step(self, *args):
        """Train on one batch: `train_step(data) -> logs`. May be overridden.

        An override may also be written in Keras's stateless style,
        `train_step(self, state, data) -> (logs, state)`; this method can be called so, too.

        Args:
            *args: a batch: `x`, `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            A dict from names to scalars.
        """
        return self._in_either_style(TRAIN, self._default_train_step, args)

    def test_step(self, *args):
        """Evaluate one batch: `test_step(data) -> logs`. See `train_step`."""
        return self._in_either_style(TEST, self._default_test_step, args)

    def predict_step(self, *args):
        """Return the outputs for one batch: `predict_step(data)`. See `train_step`."""
        return self._in_either_style(PREDICT, self._default_predict_step, args)

    def _in_either_style(self, name, step, args):
        if len(args) == 2:
            return stateless(self, name, step, *args)
        return step(*args)

    def _default_train_step(self, data):
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        optimizer = self.optimizer
        if optimizer is None:
            raise ValueError(
                "Training needs an optimizer.\nReceived: compile(optimizer=None)\n"
                'For example: model.compile(optimizer="adam", loss="mse")'
            )

        def forward():
            y_pred = self(x, training=True)
            loss = self._loss_of(x, y, y_pred, sample_weight, training=True)
            masks = tree.map_structure(get_mask, y_pred)
            return optimizer.scale_loss(loss), (loss, y_pred, masks)

        variables = self.trainable_variables
        if variables:
            (_, aux), gradients = value_and_grad(forward, variables, has_aux=True)()
            optimizer.apply(gradients, variables)
        else:
            warn(
                f"{type(self).__name__} {getattr(self, 'name', '')!r} has no trainable weights: "
                "nothing changes in training."
            )
            _, aux = forward()
        loss, y_pred, masks = aux
        for output, mask in zip(tree.flatten(y_pred), tree.flatten(masks), strict=True):
            if mask is not None:
                set_mask(output, mask)
        self._track_loss(loss, x, y_pred)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _default_test_step(self, data):
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self._loss_of(x, y, y_pred, sample_weight, training=False)
        self._track_loss(loss, x, y_pred)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _default_predict_step(self, data):
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def make_train_function(self, force=False):
        """Return the compiled function of a batch that trains; make it if there is none.

        Args:
            force: whether to make it anew.
        """
        self._notice_freezing()
        if force or self.train_function is None:
            self.train_function = make(self, TRAIN)
        return self.train_function

    def _notice_freezing(self):
        """Forget functions that what is trainable is part of (also by penalties) if it changed."""
        known, flags = vars(self).get("_trained", ((), None))
        if flags != [getattr(x(), "trainable", None) for x in known]:
            found = [*self._flatten_layers(), *self.variables]
            # Weakly: what was taken out of a layer must not live on here.
            self._trained = [weakref.ref(x) for x in found], [x.trainable for x in found]
            self.train_function = self.test_function = None
            self._batch_functions = {k: f for k, f in self._batch_functions.items() if k == PREDICT}

    def _function_of_one(self, name: str):
        """Return the compiled function of one batch that the methods `..._on_batch` call."""
        if name != PREDICT:
            self._notice_freezing()
        if name not in self._batch_functions:
            self._batch_functions = {**self._batch_functions, name: make_for_one(self, name)}
        return self._batch_functions[name]

    def make_test_function(self, force=False):
        """Return the compiled function of a batch that evaluates; see `make_train_function`."""
        self._notice_freezing()
        if force or self.test_function is None:
            self.test_function = make(self, TEST)
        return self.test_function

    def make_predict_function(self, force=False):
        """Return the compiled function of a batch that predicts; see `make_train_function`."""
        if force or self.predict_function is None:
            self.predict_function = make(self, PREDICT)
        return self.predict_function
