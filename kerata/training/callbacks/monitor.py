"""Callbacks that watch one metric: `EarlyStopping` and `ReduceLROnPlateau`."""

import math
import numbers
import re
from typing import Any

import numpy as np

from kerata.engine.errors import argument_error, nearest, warn
from kerata.training.callbacks.callback import Callback
from kerata.utils.progbar import print_message

_UP = re.compile(
    r"(^|_)(acc|accuracy|auc|precision|recall|f1|f1_score|fbeta|fbeta_score|fmeasure|iou|mean_iou|"
    r"dice|r2|r2_score|similarity|sensitivity|specificity|map|bleu)(_|$)|accuracy"
)
_DOWN = re.compile(
    r"(^|_)(loss|error|err|mse|mae|mape|msle|rmse|crossentropy|divergence|perplexity|"
    r"hinge|wer|cer)(_|$)"
)


def _epochs(patience, callback):
    if not isinstance(patience, numbers.Real) or patience != patience:
        raise argument_error("patience", "be a number of epochs", patience, type(callback))
    return patience


class Monitor(Callback):
    """A callback that watches one metric: whether less or more of it is better, and the best.

    Args:
        monitor: name of the metric.
        mode: "min", "max" or "auto".
        min_delta: what a change must exceed to count.
    """

    def __init__(self, monitor, mode="auto", min_delta=0):
        super().__init__()
        if not isinstance(monitor, str):
            raise argument_error(
                "monitor", "be the name of a metric", monitor, type(self), TypeError
            )
        if mode not in ("auto", "min", "max"):
            warn(
                f"{type(self).__name__} mode {mode!r} is unknown, falling back to auto mode.",
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None
        self._has_warned = False

    def _sign(self) -> int:
        """Return 1 where more is better, -1 where less is."""
        if self.mode != "auto":
            return 1 if self.mode == "max" else -1
        name = self.monitor.removeprefix("val_")
        direction = _direction_in(self.model, name)
        if direction is None and name.endswith("loss"):
            direction = "down"
        if direction is None:
            up, down = _UP.search(name.lower()), _DOWN.search(name.lower())
            direction = "up" if up and not down else "down" if down and not up else None
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} cannot tell whether more or less of "
                f"{self.monitor!r} is better.\nReceived: monitor={self.monitor!r}, mode='auto'\n"
                "Pass mode='max' or mode='min'."
            )
        return 1 if direction == "up" else -1

    @property
    def monitor_op(self):
        """`ops.greater` where more is better, `ops.less` where less is."""
        from kerata import ops

        return ops.greater if self._sign() > 0 else ops.less

    def _is_improvement(self, value, reference) -> bool:
        """Return whether `value` is better than `reference`; any number is better than none."""
        if np.ndim(value) > 0:
            raise ValueError(
                f"{type(self).__name__} can only monitor a metric that is a single number.\n"
                f"Received: {self.monitor!r} of shape {np.shape(value)}"
            )
        if value is None or math.isnan(value):
            return False
        if reference is None or math.isnan(reference):
            return True
        return self._sign() * (value - reference) > self.min_delta

    def get_monitor_value(self, logs) -> Any:
        """Return the metric's value; None, with a warning, if it is not in the logs.

        Args:
            logs: dict of the epoch's logs.

        Raises:
            ValueError: if it is not there, and it cannot be told what would be better.
        """
        value = (logs or {}).get(self.monitor)
        if value is not None:
            return value if np.ndim(value) == 0 or np.size(value) > 1 else np.ravel(value)[0].item()
        if not self._has_warned:
            self._has_warned = True
            names = list(logs or ())
            close = nearest(self.monitor, names, n=1)
            hint = f"\nDid you mean {close[0]!r}?" if close else ""
            if self.monitor.startswith("val_") and not any(n.startswith("val_") for n in names):
                hint = "\nGive fit() validation data, or watch one of these."
            text = (
                f"{type(self).__name__} conditioned on metric `{self.monitor}` which is not "
                f"available.\nReceived: monitor={self.monitor!r}; available metrics are: "
                f"{', '.join(names)}{hint}"
            )
            try:
                self._sign()
            except ValueError:
                raise ValueError(text) from None
            warn(text)
        return None


def _direction_in(model, name: str) -> str | None:
    """Return what the model's metric of this name says about itself: "up", "down" or None."""
    queue = list(getattr(model, "metrics", None) or ())
    while queue:
        metric = queue.pop()
        for _, inner, shown, *_ in getattr(metric, "entries", ()):
            if shown == name:
                queue.append(inner)
                name = inner.name
                break
        queue.extend(getattr(metric, "metrics", ()))
        if getattr(metric, "name", None) == name and getattr(metric, "_direction", None):
            return metric._direction
    return None


class EarlyStopping(Monitor):
    """Stops training when a metric has stopped improving.

    Each `fit` begins afresh.

    Args:
        monitor: name of the metric, as in the logs.
        min_delta: a change must exceed it to be an improvement.
        patience: epochs without improvement after which training stops.
        verbose: 1 to print when something is done.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        baseline: value that must be improved upon.
        restore_best_weights: whether the model gets its weights of the best epoch back.
        start_from_epoch: epochs at the beginning that do not count.

    Example:
        >>> stop = kerata.callbacks.EarlyStopping("val_loss", patience=3)
    """

    remembers = ("best", "wait", "best_epoch", "stopped_epoch", "best_weights")

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = _epochs(patience, self)
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self):
        self.best = None
        self.wait = 0
        self.best_epoch = 0
        self.stopped_epoch = 0
        self.best_weights = None
        self._has_warned = False

    def on_train_begin(self, logs=None):
        self._reset()

    def on_epoch_end(self, epoch, logs=None):
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self._is_improvement(value, self.best):
            self.best = value
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_message(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print_message(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a metric has stopped improving.

    Puts the learning rate into the logs as "learning_rate".

    Args:
        monitor: name of the metric, as in the logs.
        factor: what the learning rate is multiplied by; below 1.
        patience: epochs without improvement after which that is done.
        verbose: 1 to print when something is done.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        min_delta: a change must exceed it to be an improvement.
        cooldown: epochs after a reduction that do not count.
        min_lr: the lowest learning rate.

    Raises:
        ValueError: if `factor` is not below 1.
    """

    remembers = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
        **kwargs,
    ):
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ValueError(
                f"ReduceLROnPlateau does not support a factor >= 1.0.\nReceived: factor={factor}"
            )
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau has no arguments {sorted(kwargs)}.")
        self.factor = factor
        self.patience = _epochs(patience, self)
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self):
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0
        self._has_warned = False

    def in_cooldown(self) -> bool:
        """Return whether the last reduction was less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs=None):
        self._reset()

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        optimizers = learning_rates_of(self.model.optimizer)
        logs.update({name: float(np.asarray(o.learning_rate)) for name, o in optimizers.items()})
        value = self.get_monitor_value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch, optimizers, logs)

    def _reduce(self, epoch, optimizers, logs):
        lowest = np.float32(self.min_lr)
        above = {name: o for name, o in optimizers.items() if logs[name] > lowest}
        for name, optimizer in above.items():
            rate = max(logs[name] * self.factor, self.min_lr)
            optimizer.learning_rate = rate
            if self.verbose > 0:
                print_message(
                    f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing {spelled(name)} to {rate}."
                )
        if above:
            self.cooldown_counter = self.cooldown
            self.wait = 0


def learning_rates_of(optimizer) -> dict:
    """Return the optimizers that have a learning rate, by its name in the logs.

    Args:
        optimizer: an optimizer; those inside of a `MultiOptimizer` count each.

    Returns:
        {"learning_rate": optimizer}, or one "learning_rate_<name>" for each of several.

    Raises:
        ValueError: if there is none.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, "optimizers"):
        return {f"learning_rate_{o.name}": o for o in inner.optimizers}
    if not hasattr(optimizer, "learning_rate"):
        raise ValueError(
            f'The optimizer must have a "learning_rate" attribute.\nReceived: {optimizer!r}'
        )
    return {"learning_rate": optimizer}


def spelled(name: str) -> str:
    """Return a name that `learning_rates_of` gave, in words."""
    which = name.removeprefix("learning_rate").removeprefix("_")
    return f"{which} learning rate" if which else "learning rate"
