"""Callback, and the list that calls callbacks."""

import copy
import difflib
from collections.abc import Iterable
from typing import Any

from kerata.engine.errors import warn
from kerata.training.callbacks.logs import Logs


class Callback:
    """Base of callbacks: methods that `fit`, `evaluate` and `predict` call as they go.

    Subclasses define the methods they want. `logs` are dicts from names to numbers, which are
    fetched from the device when a value is read, not before.

    Attributes:
        model: the model.
        params: dict of the run's parameters: "verbose", "epochs", "steps" (an epoch).
        remembers: class attribute: names of the attributes (plain data) that a resumed training
            needs; see `get_state`.
        runs_last: class attribute: whether it is called after all others, because it keeps what
            they remember.
        watches_batches: whether its methods for batches, if it has any, must be called for each
            single one; if no callback's must, `fit` may run several short steps between two calls.

    Example:
        >>> class Stop(kerata.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         if logs["loss"] < 0.1:
        ...             self.model.stop_training = True
    """

    remembers: tuple[str, ...] = ()
    runs_last = False
    watches_batches = True
    params: Any = None
    _model: Any = None

    def __init__(self):
        self.params = None
        self._model = None

    def set_params(self, params):
        """Set `params`."""
        self.params = params

    def set_model(self, model):
        """Set `model`."""
        self._model = model

    @property
    def model(self):
        """The model that is trained, evaluated or asked for predictions."""
        return self._model

    def get_state(self) -> dict:
        """Return what must be known to go on after an interruption, as plain data."""
        return {name: copy.copy(getattr(self, name)) for name in self.remembers}

    def set_state(self, state: dict) -> None:
        """Go on from what `get_state` returned."""
        for name in self.remembers:
            setattr(self, name, copy.copy(state[name]))

    def on_batch_begin(self, batch, logs=None):
        """Called as `on_train_batch_begin` is, unless that is overridden."""

    def on_batch_end(self, batch, logs=None):
        """Called as `on_train_batch_end` is, unless that is overridden."""

    def on_epoch_begin(self, epoch, logs=None):
        """Called before an epoch of `fit`.

        Args:
            epoch: its number, from 0.
            logs: an empty dict.
        """

    def on_epoch_end(self, epoch, logs=None):
        """Called after an epoch of `fit`, and its validation.

        Args:
            epoch: its number, from 0.
            logs: dict of the epoch's loss and metrics; those of validation begin with "val_".
        """

    def on_train_batch_begin(self, batch, logs=None):
        """Called before a batch of `fit`.

        Args:
            batch: its number in the epoch, from 0.
            logs: an empty dict.
        """
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        """Called after a batch of `fit`.

        Args:
            batch: its number in the epoch, from 0.
            logs: dict of loss and metrics over the epoch so far.
        """
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch, logs=None):
        """Called before a batch of `evaluate`, also inside `fit`."""

    def on_test_batch_end(self, batch, logs=None):
        """Called after a batch of `evaluate`, also inside `fit`."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Called before a batch of `predict`."""

    def on_predict_batch_end(self, batch, logs=None):
        """Called after a batch of `predict`; `logs["outputs"]` is what the model returned."""

    def on_train_begin(self, logs=None):
        """Called when `fit` begins."""

    def on_train_end(self, logs=None):
        """Called when `fit` ends, with the logs of its last epoch."""

    def on_test_begin(self, logs=None):
        """Called when `evaluate`, or validation in `fit`, begins."""

    def on_test_end(self, logs=None):
        """Called when `evaluate`, or validation in `fit`, ends."""

    def on_predict_begin(self, logs=None):
        """Called when `predict` begins."""

    def on_predict_end(self, logs=None):
        """Called when `predict` ends."""


class CallbackList:
    """Calls each of several callbacks, in order, where it has something to do.

    A method that a callback does not override is not called, and logs are fetched from the device
    only if somebody reads them: a loop that nobody watches is not slowed down.

    Args:
        callbacks: a callback, or a list of callbacks, which may be nested.
        add_history: whether to add a `History` if there is none.
        add_progbar: whether to add a `ProgbarLogger` if there is none.
        model: the model.
        **params: parameters of the run, for `Callback.params`.

    Raises:
        TypeError: if one of `callbacks` is no callback.

    Example:
        >>> calls = kerata.callbacks.CallbackList(
        ...     [kerata.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))])
        >>> calls.on_epoch_end(0, {"loss": 0.5})
        {'loss': 0.5}
    """

    def __init__(self, callbacks=None, add_history=False, add_progbar=False, model=None, **params):
        self.callbacks = [_checked(callback) for callback in _flat(callbacks)]
        self.params = params
        self.model = None
        self._listening: dict[str, list] = {}
        self._is_beginning = False
        self._pending_state: dict | None = None
        self._add_defaults(add_history, add_progbar)
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _add_defaults(self, add_history, add_progbar):
        from kerata.training.callbacks.history import History
        from kerata.training.callbacks.progress import ProgbarLogger

        # Last, so that they see what other callbacks put into the logs.
        for kind, is_wanted in ((ProgbarLogger, add_progbar), (History, add_history)):
            if is_wanted and not any(isinstance(c, kind) for c in self.callbacks):
                self.callbacks.append(kind())

    def append(self, callback) -> None:
        """Add a callback at the end."""
        self.callbacks.append(_checked(callback))
        self._listening.clear()
        if self.model is not None:
            callback.set_model(self.model)

    def set_params(self, params) -> None:
        """Give all callbacks the parameters of the run."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model) -> None:
        """Give all callbacks the model."""
        from kerata.training.callbacks.history import History

        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)
            if isinstance(callback, History):
                model.history = callback

    def needs_batch_logs(self, mode: str = "train") -> bool:
        """Return whether a callback watches the end of batches.

        Args:
            mode: "train", "test" or "predict".
        """
        return bool(self._listeners(f"on_{mode}_batch_end"))

    def watches_batches(self, mode: str = "train") -> bool:
        """Return whether a callback must be called for each single batch.

        Args:
            mode: "train", "test" or "predict".
        """
        hooks = f"on_{mode}_batch_begin", f"on_{mode}_batch_end"
        return any(_watches(c, hook) for c in self.callbacks for hook in hooks)

    def get_state(self) -> dict:
        """Return what the callbacks remember, as plain data."""
        return {
            "callbacks": [
                {"class_name": type(c).__name__, "state": c.get_state()}
                for c in self.callbacks
                if hasattr(c, "get_state")
            ]
        }

    def set_state(self, state: dict) -> None:
        """Let the callbacks go on from what `get_state` returned.

        States are matched with callbacks of the same class, in order; a state whose callback is
        gone is left out. If this is called by a callback's `on_train_begin`, it is done when all
        have begun, because beginning makes them forget.
        """
        if self._is_beginning:
            self._pending_state = state
            return
        left: dict[str, list] = {}
        for item in state["callbacks"]:
            left.setdefault(item["class_name"], []).append(item["state"])
        for callback in self.callbacks:
            states = left.get(type(callback).__name__)
            if states and hasattr(callback, "set_state"):
                callback.set_state(states.pop(0))

    def _listeners(self, hook: str) -> list:
        found = self._listening.get(hook)
        if found is None:
            ordered = sorted(self.callbacks, key=lambda c: getattr(c, "runs_last", False))
            found = [getattr(c, hook) for c in ordered if _overrides(c, hook)]
            self._listening[hook] = found
        return found

    def _call(self, hook: str, *args) -> None:
        *place, logs = args
        listeners = self._listeners(hook)
        if not listeners:
            return
        if type(logs) is not Logs and "predict" not in hook:
            logs = Logs(logs or {})
        for listener in listeners:
            listener(*place, logs)

    def on_batch_begin(self, batch, logs=None):
        """Call `on_train_batch_begin`."""
        self._call("on_train_batch_begin", batch, logs)

    def on_batch_end(self, batch, logs=None):
        """Call `on_train_batch_end`."""
        self._call("on_train_batch_end", batch, logs)

    def on_epoch_begin(self, epoch, logs=None):
        """Call the callbacks."""
        self._call("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        """Call the callbacks."""
        self._call("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        """Call the callbacks."""
        self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Call the callbacks."""
        self._call("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch, logs=None):
        """Call the callbacks."""
        self._call("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        """Call the callbacks."""
        self._call("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch, logs=None):
        """Call the callbacks."""
        self._call("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch, logs=None):
        """Call the callbacks."""
        self._call("on_predict_batch_end", batch, logs)

    def on_train_begin(self, logs=None):
        """Call the callbacks."""
        self._listening.clear()
        self._is_beginning = True
        try:
            self._call("on_train_begin", logs)
        finally:
            self._is_beginning = False
        if self._pending_state is not None:
            state, self._pending_state = self._pending_state, None
            self.set_state(state)

    def on_train_end(self, logs=None):
        """Call the callbacks."""
        self._call("on_train_end", logs)

    def on_test_begin(self, logs=None):
        """Call the callbacks."""
        self._listening.clear()
        self._call("on_test_begin", logs)

    def on_test_end(self, logs=None):
        """Call the callbacks."""
        self._call("on_test_end", logs)

    def on_predict_begin(self, logs=None):
        """Call the callbacks."""
        self._listening.clear()
        self._call("on_predict_begin", logs)

    def on_predict_end(self, logs=None):
        """Call the callbacks."""
        self._call("on_predict_end", logs)


def _flat(callbacks) -> Iterable:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple, set)):
        for item in callbacks:
            yield from _flat(item)
    else:
        yield callbacks


def _checked(callback):
    if isinstance(callback, type) or not hasattr(callback, "set_model"):
        hint = f"\nMake one: {callback.__name__}(...)." if isinstance(callback, type) else (
            "\nOf a function: LambdaCallback(on_epoch_end=function)." if callable(callback) else ""
        )  # fmt: skip
        raise TypeError(
            "`callbacks` must hold Callback objects.\n"
            f"Received: {callback!r} of type {type(callback).__name__}{hint}"
        )
    for name in {name for name in dir(type(callback)) if name.startswith("on_")} - _HOOKS:
        if close := difflib.get_close_matches(name, _HOOKS, 1, 0.9):
            warn(
                f"Nothing calls {type(callback).__name__}.{name}(): callbacks have no such method."
                f"\nDid you mean {close[0]!r}?"
            )
    return callback


_HOOKS = {name for name in dir(Callback) if name.startswith("on_")}


def _overrides(callback, hook: str) -> bool:
    """Whether a method of a callback does anything."""
    method = getattr(callback, hook, None)
    if method is None:
        return False
    if getattr(method, "__func__", method) is not getattr(Callback, hook):
        return True
    # The methods of training batches call those of batches.
    general = hook.replace("_train", "")
    return "train_batch" in hook and _overrides(callback, general)


def _watches(callback, hook: str) -> bool:
    """Whether a method of a callback must be called for each single batch."""
    if not _overrides(callback, hook):
        return False
    names = {hook, hook.replace("_train", "")}
    for kind in type(callback).__mro__:
        if "watches_batches" in vars(kind):
            break
        if names & vars(kind).keys() and kind.__module__.split(".")[0] != "kerata":
            return True  # what a class of kerata's says of itself is not said of this one
    return getattr(callback, "watches_batches", True)
