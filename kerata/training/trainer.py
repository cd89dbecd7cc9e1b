"""Trainer: what gives a layer `compile`, `fit`, `evaluate` and `predict`."""

import copy
import functools
from typing import Any

import jax
import numpy as np

from kerata.engine import placement, rng, settings, tree
from kerata.engine.errors import non_negative_int, positive_int, reworded, warn
from kerata.engine.sparse import is_sparse
from kerata.engine.symbolic import KerasTensor, abstract_eval
from kerata.training import checks, grouping, loop, padding, steps
from kerata.training.callbacks import CallbackList
from kerata.training.compiling import Compiled
from kerata.training.feeding import ArrayFeed, Feed, Stream, as_arrays, make_feed
from kerata.training.objectives import CompiledMetrics
from kerata.training.overlap import overlapping
from kerata.training.splitting import split
from kerata.training.state import TrainingState
from kerata.training.steps import PREDICT, TEST, TRAIN, Stepping, as_logs, note_swapped, stateful
from kerata.utils.numerical import unpack_x_y_sample_weight


class Trainer(Stepping):
    """Mixed into a layer, gives it the methods that train, evaluate and predict.

    `Model` is a layer with this mixed in. What a batch does is in `train_step`, `test_step` and
    `predict_step`, what is minimized in `compute_loss`, what is reported in `compute_metrics`; all
    may be overridden.

    Attributes:
        optimizer: the optimizer that `compile` was given.
        stop_training: set it, in a callback, to end `fit` after the batch.
        history: the `History` of the latest `fit`.
        training_state: the `TrainingState` of the latest `fit`.
    """

    stop_evaluating = False
    stop_predicting = False
    history: Any = None
    training_state: TrainingState | None = None
    _resume_from: dict | None = None
    _grouped: grouping.Grouped | None = None
    # Attributes in which no layers, variables or metrics of the model are looked for.
    untracked: frozenset = frozenset(
        "_compiled loss optimizer history training_state train_function test_function "
        "predict_function _batch_functions _grouped _trained _resume_from _build_error".split()
    )

    built: bool
    __call__: Any

    def __init__(self):
        # Nothing to set up: all state has a default, so that mixing in is enough.
        pass

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "untracked" not in vars(cls):
            cls.untracked = frozenset().union(*(vars(c).get("untracked", ()) for c in cls.__mro__))

    def __getstate__(self):
        # For copies: the step functions are those of this very object.
        left_out = ("train_function", "test_function", "predict_function", "_batch_functions",
                    "_grouped", "_trained", "training_state", "_build_error")  # fmt: skip
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in left_out}

    @reworded
    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Train the model.

        Args:
            x: inputs: an array with the samples along its first axis (NumPy, JAX, pandas, torch),
                a list or dict of arrays for several inputs; or what yields batches `(x, y)` or
                `(x, y, sample_weight)`: a generator, `kerata.utils.PyDataset`, a loader, any
                iterable.
            y: targets, likewise; not beside an `x` that yields batches.
            batch_size: samples in a batch; 32 if None. Not for an `x` that yields batches.
            epochs: number of the last epoch, counted from 1: how many there are, if
                `initial_epoch` is 0.
            verbose: 0 (silent), 1 (a progress bar), 2 (a line an epoch), or "auto" (1).
            callbacks: list of callbacks.
            validation_split: part of the samples in [0, 1), the last ones, to be held out and
                evaluated after each epoch. For arrays only.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or what yields batches, to be
                evaluated after each epoch.
            shuffle: whether samples (of a `PyDataset`: batches) come in another order in each
                epoch; "batch" shuffles whole batches of arrays. The order follows from the seed
                given to `kerata.utils.set_random_seed`.
            class_weight: dict from class index to the weight of its samples; omitted classes
                weigh 1.
            sample_weight: weights of the samples, `(samples,)`, or of their values; for several
                outputs structured like `y`.
            initial_epoch: epoch to begin with, counted from 0.
            steps_per_epoch: batches in an epoch; a pass over the data if None.
            validation_steps: batches of validation data to evaluate; all if None.
            validation_batch_size: samples in a batch of validation data; `batch_size` if None.
            validation_freq: evaluate every so many epochs, or after the epochs (counted from 1)
                in this list.

        Returns:
            A `History`: `history.history` is a dict from names to lists with a number an epoch.

        Raises:
            ValueError, TypeError: if the model is not compiled, or the data cannot be trained on.

        Example:
            >>> import numpy as np
            >>> x = np.linspace(-1, 1, 20)[:, None]
            >>> model = kerata.Sequential([kerata.Input((1,)), kerata.layers.Dense(1)])
            >>> model.compile(kerata.optimizers.SGD(0.2), "mse")
            >>> history = model.fit(x, 3 * x, epochs=50, verbose=0)
            >>> history.history["loss"][-1] < 1e-3
            True
        """
        self._require_compiled("fit")
        epochs = non_negative_int("epochs", epochs, "fit()")
        initial_epoch = non_negative_int("initial_epoch", initial_epoch, "fit()")
        if settings.max_epochs():
            epochs = min(epochs, settings.max_epochs())
        steps_per_epoch = _limit("steps_per_epoch", steps_per_epoch, "fit()")
        batch_size = _count("batch_size", batch_size, "fit()")
        if initial_epoch >= epochs:
            warn(
                "fit() trains nothing: `epochs`, the number of the last epoch, must be above "
                f"`initial_epoch`.\nReceived: epochs={epochs}, initial_epoch={initial_epoch}",
            )
        self.stop_training = False
        x = self._as_arrays(x)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split(x, y, sample_weight, validation_split)
        feed = self._feed(
            x, y, sample_weight, batch_size=batch_size, shuffle=shuffle,
            class_weight=class_weight, seed=_order_seed(),
        )  # fmt: skip
        if feed.infinite and steps_per_epoch is None and epochs > initial_epoch:
            raise checks.endless("fit", "steps_per_epoch")
        state = TrainingState(self, Stream(feed), feed.seed, initial_epoch)
        self._prepare(state.stream, TRAIN, "fit()")
        if isinstance(feed, ArrayFeed) and epochs - initial_epoch > 1:
            self.training_state = None  # with the arrays of a run that was interrupted
            feed.keep_on_device()
        first = state.stream.peek()
        validate = self._validation_of(
            validation_data,
            _count("validation_batch_size", validation_batch_size, "fit()") or batch_size,
            validation_steps,
            first,
        )
        steps_in_epoch = feed.num_batches if steps_per_epoch is None else steps_per_epoch
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks, add_history=True, add_progbar=verbose != 0, verbose=verbose,
                epochs=epochs, steps=steps_in_epoch, model=self,
            )  # fmt: skip
        state.callbacks = callbacks
        self.training_state = state
        if self._resume_from is not None:
            snapshot, self._resume_from = self._resume_from, None
            if self.optimizer is not None:
                self.optimizer.build(self.trainable_variables)
            state.restore(snapshot)
        total = (steps_in_epoch or 0) * (epochs - initial_epoch)
        function, size = self._group_function(
            self.make_train_function(), grouping.group_size(self, feed, callbacks, total, first)
        )
        function = self._filling(function, feed, TRAIN, size)

        def after_step(count, _):
            state.step += count

        logs: dict = {}
        callbacks.on_train_begin()
        while state.epoch < epochs:
            epoch = state.epoch
            if not state.stream.has_more():
                checks.warn_ran_out(epoch, epochs, state.stream)
                break
            if not state.step:
                self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            limit = None if steps_per_epoch is None else steps_per_epoch - state.step
            results, done = loop.run(
                self, loop.TRAIN, function, state.stream, callbacks, limit, after_step, size
            )
            if limit is not None and done < limit and not self.stop_training:
                checks.warn_short(done, limit)
            logs = as_logs(results, TRAIN)
            if first is not None and not self.stop_training:
                if not np.all(np.isfinite(np.asarray(logs.get("loss", 0.0), "float64"))):
                    data = feed.data if isinstance(feed, ArrayFeed) else first
                    reasons = checks.why_not_finite(
                        self._flatten_layers(), data, whole=data is not first
                    )
                    warn(reasons)
                first = None  # looked at once, after the first epoch
            state.end_epoch()
            if validate is not None and is_due(epoch, validation_freq):
                logs |= {f"val_{name}": value for name, value in validate(callbacks).items()}
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        if epochs > initial_epoch and self.optimizer is not None:
            self.optimizer.finalize_variable_values(self.trainable_variables)
        if isinstance(feed, ArrayFeed):
            feed.leave_device()
        callbacks.on_train_end(logs)
        return self.history

    def _validation_of(self, data, batch_size, limit, training_batch):
        """Return the function that evaluates validation data, or None."""
        limit = _limit("validation_steps", limit, "fit()")
        if data is None:
            return None
        try:
            x, y, sample_weight = data, None, None
            if isinstance(data, (tuple, list)):
                x, y, sample_weight = unpack_x_y_sample_weight(data)
            feed = self._feed(x, y, sample_weight, batch_size=batch_size, if_arrays=True)
            if feed.infinite and limit is None:
                raise checks.endless("fit", "validation_steps")
            stream = Stream(feed)
            self._prepare(stream, TEST, "fit()")
            if self.compiles_steps and _forms(stream.peek()) != _forms(training_batch):
                # What does not fit is to be said now, not after an epoch.
                abstract_eval(stateful(self, TEST), (_specs(stream.peek()),))
        except Exception as error:
            error.add_note("This happened with `validation_data`.")
            raise

        def validate(callbacks):
            nonlocal stream
            if not feed.one_shot:
                stream = Stream(feed)  # the same samples each time
            return self._evaluate(stream, limit, callbacks)

        return validate

    @reworded
    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """Return the loss and the metrics on data.

        Args:
            x: inputs; see `fit`.
            y: targets.
            batch_size: samples in a batch; 32 if None.
            verbose: 0 (silent), 1 (a progress bar), 2 (a line), or "auto" (1).
            sample_weight: weights of the samples.
            steps: batches to evaluate; all if None.
            callbacks: list of callbacks.
            return_dict: whether to return a dict from names to numbers.

        Returns:
            The loss, a number; with metrics a list, the loss first; or a dict.

        Example:
            >>> import numpy as np
            >>> model = kerata.Sequential([kerata.Input((2,)), kerata.layers.Identity()])
            >>> model.compile(loss="mse", metrics=["mae"])
            >>> model.evaluate(np.ones((4, 2)), np.zeros((4, 2)), verbose=0, return_dict=True)
            {'loss': 1.0, 'mae': 1.0}
        """
        self._require_compiled("evaluate")
        if kwargs:
            raise ValueError(f"evaluate() has no arguments {sorted(kwargs)}.\nReceived: {kwargs}")
        steps = _limit("steps", steps, "evaluate()")
        batch_size = _count("batch_size", batch_size, "evaluate()")
        feed = self._feed(x, y, sample_weight, batch_size=batch_size)
        if feed.infinite and steps is None:
            raise checks.endless("evaluate", "steps")
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks, add_progbar=verbose != 0, verbose=verbose, epochs=1,
                steps=feed.num_batches if steps is None else steps, model=self,
            )  # fmt: skip
        stream = Stream(feed)
        self._prepare(stream, TEST, "evaluate()")
        logs = self._evaluate(stream, steps, callbacks)
        logs = {name: _number(value) for name, value in logs.items()}
        return logs if return_dict else self._in_order(logs)

    def _evaluate(self, stream: Stream, limit, callbacks) -> dict:
        """Evaluate what is left of a pass, or `limit` batches; return the logs."""
        self.stop_evaluating = False
        size = self.steps_per_execution
        function = self._filling(self.make_test_function(), stream.feed, TEST, size)
        self.reset_metrics()
        callbacks.on_test_begin()
        results, done = loop.run(self, loop.TEST, function, stream, callbacks, limit, size=size)
        if limit is not None and done < limit and not self.stop_evaluating:
            checks.warn_short(done, limit)
        logs = as_logs(results, TEST)
        callbacks.on_test_end(logs)
        return logs

    @reworded
    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Return the model's outputs for data, as NumPy arrays.

        Args:
            x: inputs; see `fit`.
            batch_size: samples in a batch; 32 if None.
            verbose: 0 (silent), 1 (a progress bar), 2 (a line), or "auto" (1).
            steps: batches to predict; all if None.
            callbacks: list of callbacks.

        Returns:
            An array with a row for each sample, or a structure of arrays.
        """
        steps = _limit("steps", steps, "predict()")
        feed = self._feed(x, batch_size=_count("batch_size", batch_size, "predict()"))
        if feed.infinite and steps is None:
            raise checks.endless("predict", "steps")
        stream = Stream(feed)
        self.stop_predicting = False
        self._prepare(stream, PREDICT, "predict()")
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks, add_progbar=verbose != 0, verbose=verbose, epochs=1,
                steps=feed.num_batches if steps is None else steps, model=self,
            )  # fmt: skip
        outputs: list = []

        def after_step(_, results):
            outputs.append(results)
            if len(outputs) > loop.IN_FLIGHT:  # ready by now: off the device
                index = -1 - loop.IN_FLIGHT
                outputs[index] = tree.map_structure(np.asarray, outputs[index])

        callbacks.on_predict_begin()
        size = self.steps_per_execution
        with overlapping(self, self.make_predict_function(), feed.num_batches) as function:
            function = self._filling(function, feed, PREDICT, size)
            loop.run(self, loop.PREDICT, function, stream, callbacks, steps, after_step, size)
        callbacks.on_predict_end()
        return self._finished(tree.map_structure(_concatenated, *outputs))

    # Single batches.

    @reworded
    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Train on one batch.

        Args:
            x: inputs.
            y: targets.
            sample_weight: weights of the samples.
            class_weight: dict from class index to weight.
            return_dict: whether to return a dict.

        Returns:
            Loss and metrics of the batch (as it was before the update), like `evaluate`.
        """
        self._require_compiled("train_on_batch")
        batch = self._one_batch(TRAIN, x, y, sample_weight, class_weight)
        return self._on_batch(TRAIN, batch, return_dict)

    @reworded
    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Evaluate one batch. Returns what `evaluate` does."""
        self._require_compiled("test_on_batch")
        batch = self._one_batch(TEST, x, y, sample_weight)
        return self._on_batch(TEST, batch, return_dict)

    @reworded
    def predict_on_batch(self, x):
        """Return the outputs for one batch, as NumPy arrays."""
        batch = self._one_batch(PREDICT, x)
        outputs = self._function_of_one(PREDICT)(batch)
        return self._finished(tree.map_structure(np.array, outputs))

    def _one_batch(self, name, x, y=None, sample_weight=None, class_weight=None):
        """Return arrays as one batch, and build what is not built yet for it."""
        parts = [as_arrays(part) for part in (self._as_arrays(x), y, sample_weight)]
        for leaf_name, leaf in checks.named_leaves(*parts):
            checks.check_leaf(leaf_name, leaf, text=True)
        size = checks.check_lengths(*parts)
        stream = Stream(self._feed(*parts, batch_size=size, class_weight=class_weight))
        self._prepare(stream, name, f"{name.removesuffix('_step')}_on_batch()")
        return placement.put_batch(stream.peek())

    def _on_batch(self, name, batch, return_dict):
        logs = as_logs(self._function_of_one(name)(batch), name)
        logs = {name: _number(value) for name, value in logs.items()}
        return logs if return_dict else self._in_order(logs)

    def _in_order(self, logs: dict):
        """Return the logs as a list in the order of the metrics; the only one, if there is one."""
        if len(logs) == 1:
            return next(iter(logs.values()))
        key = tuple(logs)
        if key not in self._orders:
            names: list = []
            for metric in self.metrics:
                names += metric.names if isinstance(metric, CompiledMetrics) else [metric.name]
            order = [name for name in dict.fromkeys([*names, *logs]) if name in logs]
            self._orders = {**self._orders, key: order}
        return [logs[name] for name in self._orders[key]]

    # Data.

    def _feed(self, x, y=None, sample_weight=None, **options) -> Feed:
        """Return the feed for a user's data; what does not belong to the step is done in it."""
        on_host = self._on_host()
        text = on_host is not None or not self.compiles_steps
        feed = make_feed(self._as_arrays(x), y, sample_weight, text=text, **options)
        feed.prepare = on_host
        return feed

    def _group_function(self, single, size: int):
        """Return what trains on `size` batches at once, and their number.

        Args:
            single: the function that trains on what `compile` says; one of the user's stays alone.
            size: how many batches.
        """
        if size == self.steps_per_execution or not steps.is_ours(single):
            return single, self.steps_per_execution
        known = self._grouped
        if known is None or (known.single, known.size) != (single, size):
            likely = functools.partial(steps.likely_variables, self, TRAIN)
            known = grouping.Grouped(stateful(self, TRAIN), single, size, likely)
            steps.ours(known)
            self._grouped = known
        return known, size

    def _filling(self, function, feed: Feed, name: str, size: int):
        """Return a step function that fills up the last batch, where that can be done."""
        if not (steps.is_ours(function) and padding.can_fill(self, feed, name)):
            return function
        return padding.fill(function, feed.batch_size, size > 1, cuts=name == PREDICT)

    def _as_arrays(self, x):
        """Return inputs with arrays in place of lists of strings."""
        return x

    def _on_host(self):
        """Return the function that runs, on the inputs of a batch, what is not compiled; or None.

        The model takes what it returns in place of the inputs.
        """
        return None

    def _finished(self, outputs):
        """Return what `predict` gets to see of the model's outputs."""
        return outputs

    # Building.

    def _prepare(self, stream: Stream, name: str, method: str) -> None:
        """Build what is not built yet, for the shapes of the next batch, and check the data.

        The model is evaluated abstractly: nothing is computed.
        """
        batch = stream.peek()
        own_step = getattr(type(self), name) is not getattr(Trainer, name)
        stateless = own_step and steps.takes_state(getattr(self, name))
        compiled = None if name == PREDICT else self._compiled
        if name != PREDICT:
            checks.check_numbers(batch, method)
            checks.check_targets_are_numbers(batch)
        x, y, _ = unpack_x_y_sample_weight(batch)
        text = checks.holds_text(x, allowed=not self.compiles_steps)
        undo = self._undo_of_build()
        self._build_error = None
        try:
            if not self.built or (compiled is not None and not compiled.built):
                if text or self.run_eagerly:  # what is called may need values
                    y_pred = _specs(self(x, training=False))
                else:
                    y_pred = abstract_eval(lambda x: self(x, training=False), (_specs(x),))
                if y_pred is None:
                    raise ValueError(
                        f"`call` of {type(self).__name__} must return tensors.\nReceived: None\n"
                        "Is a `return` missing?"
                    )
                if compiled is not None:
                    compiled.build(_specs(y), y_pred)
            if compiled is not None and y is not None:
                _check_targets(compiled, stream.feed, y)
                if name == TRAIN and not own_step and compiled.loss is not None:
                    graph = getattr(self, "_function_graph", None)
                    for message in compiled.loss.activation_mismatches(graph):
                        warn(message)
        except Exception as error:
            # A step of the user's own may do without `call` or the compiled loss, or change the
            # data first. If it fails, too, this is why.
            if not own_step and type(self).compute_loss is Trainer.compute_loss:
                undo()
                note_swapped(self, batch, error)
                checks.note_columns(self, x, error)
                if getattr(stream.feed, "single_samples", False):
                    error.add_note("The data set yields single samples: call .batch(32) on it.")
                raise
            self._build_error = error
        if name == TRAIN and self.optimizer is not None and (stateless or not own_step):
            self.optimizer.build(self.trainable_variables)

    def _undo_of_build(self):
        """Return a function that makes the model as unbuilt as it is now.

        What is built for wrong data would not fit the right data.
        """
        compiled = self._compiled
        matched = compiled is None or compiled.built
        before = [
            (layer, {k: copy.copy(v) if type(v) in (list, dict) else v for k, v in own.items()})
            for layer in ([] if self.built else self._flatten_layers())
            if (own := vars(layer)) and not layer.built
        ]

        def undo():
            for layer, attributes in before:
                vars(layer).clear()
                vars(layer).update(attributes)
            if not matched:
                self._compiled = Compiled(compiled.arguments, compiled.output_names)

        return undo

    def _symbolic_build(self, iterator=None, data_batch=None):
        """Build the model, its losses and metrics for the shapes of a batch."""
        if data_batch is None:
            data_batch = next(iter(iterator))
        self._prepare(Stream(self._feed(iter([data_batch]))), TEST, "build")


def _check_targets(compiled, feed: Feed, y) -> None:
    """Check all targets, where they are arrays, or those of the first batch."""
    if compiled.loss is None or compiled.output_shapes is None:
        return
    if isinstance(feed, ArrayFeed):
        _, y, _ = unpack_x_y_sample_weight(feed.data)
    # The first batch of a feed that reads ahead is on the device already.
    y = jax.tree_util.tree_map(lambda a: np.asarray(a) if isinstance(a, jax.Array) else a, y)
    compiled.loss.check_targets(y, compiled.output_shapes)


def _forms(batch):
    """Return the shapes and dtypes of a batch but for the number of its samples."""
    return jax.tree_util.tree_map(lambda a: (np.shape(a)[1:], str(a.dtype)), batch)


def _specs(structure):
    def spec(leaf):
        if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
            return KerasTensor(tuple(leaf.shape), leaf.dtype, is_sparse(leaf))
        return leaf

    return jax.tree_util.tree_map(spec, structure, is_leaf=is_sparse)


def _count(name, value, owner) -> int | None:
    """Check a number of steps or samples; None means that none was given."""
    return None if value is None else positive_int(name, value, owner)


def _limit(name, value, owner) -> int | None:
    """Check a number of steps, and keep it below the limit of the settings."""
    limits = [n for n in (_count(name, value, owner), settings.max_steps_per_epoch()) if n]
    return min(limits, default=None)


def _order_seed() -> tuple[int, ...]:
    """Draw the seed of the order of samples from the global generator."""
    return tuple(int(n) for n in np.asarray(rng.global_seed_generator().next()))


def is_due(epoch: int, frequency) -> bool:
    """Return whether to validate after `epoch`, counted from 0: see `validation_freq`."""
    if isinstance(frequency, (list, tuple, set, range)):
        return epoch + 1 in frequency
    return (epoch + 1) % positive_int("validation_freq", frequency, "fit()") == 0


def _number(value):
    """Return a log as Python's number; arrays as NumPy's."""
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


def _concatenated(*parts):
    arrays = [np.asarray(part) for part in parts]
    if arrays[0].ndim == 0:
        return np.stack(arrays)
    return np.concatenate(arrays) if len(arrays) > 1 else np.array(arrays[0])
