"""Small callbacks: functions as callbacks, learning rates, CSV files, NaN, averaged weights."""

import csv
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kerata.engine.errors import argument_error, unknown_name
from kerata.training.callbacks.callback import Callback
from kerata.training.callbacks.monitor import learning_rates_of, spelled
from kerata.utils.progbar import print_message


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: function of (epoch, logs).
        on_epoch_end: function of (epoch, logs).
        on_train_begin: function of (logs).
        on_train_end: function of (logs).
        on_train_batch_begin: function of (batch, logs).
        on_train_batch_end: function of (batch, logs).
        **kwargs: functions for any other method of `Callback`.

    Example:
        >>> show = kerata.callbacks.LambdaCallback(
        ...     on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
        >>> show.on_epoch_end(0, {"loss": 0.5})
        0 0.5
    """

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **kwargs,
    ):
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in given.items():
            if name.startswith("on_") and not hasattr(type(self), name):
                hooks = [hook for hook in dir(Callback) if hook.startswith("on_")]
                raise unknown_name("method of a callback", name, hooks)
            if function is not None:
                setattr(self, name, function)


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Puts the learning rate into the logs as "learning_rate".

    Args:
        schedule: function of the epoch (from 0) and the present learning rate, or of the epoch
            alone, that returns the new one.
        verbose: 1 to print it.

    Example:
        >>> halve = kerata.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    """

    def __init__(self, schedule, verbose=0):
        super().__init__()
        if not callable(schedule):
            must = "be a function (epoch, learning rate)"
            raise argument_error("schedule", must, schedule, type(self), TypeError)
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch, logs=None):
        for name, optimizer in learning_rates_of(self.model.optimizer).items():
            now = float(np.asarray(optimizer.learning_rate))
            new = self.schedule(epoch, now) if _takes_two(self.schedule) else self.schedule(epoch)
            if not _is_number(new):
                raise ValueError(
                    "The output of the `schedule` function must be a number.\n"
                    f"Received: {new!r} of type {type(new).__name__}"
                )
            optimizer.learning_rate = float(np.asarray(new))
            if self.verbose > 0:
                print_message(
                    f"\nEpoch {epoch + 1}: LearningRateScheduler setting {spelled(name)} to "
                    f"{float(np.asarray(new))}."
                )

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            for name, optimizer in learning_rates_of(self.model.optimizer).items():
                logs[name] = float(np.asarray(optimizer.learning_rate))


def _takes_two(function) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def _is_number(value) -> bool:
    return np.ndim(value) == 0 and np.issubdtype(np.asarray(value).dtype, np.number)


class TerminateOnNaN(Callback):
    """Stops training when the loss of a batch is no finite number.

    Args:
        raise_error: whether to raise a RuntimeError; if False, training ends as usual.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is None or np.all(np.isfinite(loss)):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. "
                "Terminating training immediately."
            )
        print_message(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True


class CSVLogger(Callback):
    """Writes a line an epoch into a CSV file.

    The columns are "epoch" and the names of the first epoch's logs, sorted, with a "val_" column
    for each of them. What an epoch does not have is "NA".

    Args:
        filename: path of the file.
        separator: what separates the columns.
        append: whether to go on behind what the file holds already.
    """

    remembers = ("keys",)

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        self.filename = filename
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self._file: Any = None

    def on_train_begin(self, logs=None):
        self.keys = None
        # Now, not after an epoch's work.
        Path(self.filename).parent.mkdir(parents=True, exist_ok=True)

    def _open(self):
        """Open the file at the first line, when it is known whether a training is resumed."""
        resumed = self.keys is not None
        self._file = open(self.filename, "a" if self.append or resumed else "w", newline="")
        return self._file.tell() == 0

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        is_empty = self._open() if self._file is None else False
        writer = csv.writer(self._file, delimiter=self.sep)
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        if is_empty:
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        self._file.flush()

    def on_train_end(self, logs=None):
        if self._file is not None:
            self._file.close()
            self._file = None


def _cell(value):
    if isinstance(value, str) or not isinstance(value, Iterable) or np.ndim(value) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'


class SwapEMAWeights(Callback):
    """Evaluates the model with the moving averages of its weights.

    For optimizers with `use_ema=True`. The weights return when the evaluation is done.

    Args:
        swap_on_epoch: whether the averages also stand in the model from the end of an epoch to the
            beginning of the next, for callbacks that come after this one, such as
            `ModelCheckpoint`.
    """

    def __init__(self, swap_on_epoch=False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._own: list | None = None

    def _show_averages(self):
        if self._own is not None:
            return
        optimizer = getattr(self.model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                "SwapEMAWeights must be used with an optimizer that has `use_ema=True`.\n"
                f"Received: {optimizer!r}"
            )
        if optimizer.built:
            self._own = [(variable, variable.value) for variable in self.model.trainable_variables]
            optimizer.finalize_variable_values(self.model.trainable_variables)

    def _show_own(self):
        for variable, value in self._own or ():
            variable.assign(value)
        self._own = None

    def on_epoch_begin(self, epoch, logs=None):
        self._show_own()

    def on_epoch_end(self, epoch, logs=None):
        if self.swap_on_epoch:
            self._show_averages()

    def on_train_end(self, logs=None):
        self._own = None  # the model keeps the averages

    def on_test_begin(self, logs=None):
        self._show_averages()

    def on_test_end(self, logs=None):
        self._show_own()

    def on_predict_begin(self, logs=None):
        self._show_averages()

    def on_predict_end(self, logs=None):
        self._show_own()
