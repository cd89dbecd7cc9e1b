"""Callbacks that save the model: `ModelCheckpoint` and `BackupAndRestore`."""

import json
import os
import shutil
from typing import Any

import numpy as np

from kerata.engine.errors import UnknownKeyError, argument_error, warn
from kerata.training.callbacks.callback import Callback
from kerata.training.callbacks.monitor import Monitor
from kerata.utils.progbar import print_message


def _checked_frequency(save_freq, owner):
    is_int = isinstance(save_freq, (int, np.integer)) and not isinstance(save_freq, bool)
    if save_freq != "epoch" and not (is_int and save_freq >= 1):
        raise argument_error(
            "save_freq", "be 'epoch' or a number of batches (at least 1)", save_freq, owner
        )
    return save_freq


class _Every:
    """Tells when `number` batches have passed since it last did."""

    def __init__(self, number):
        self.number = number
        self.passed = 0
        self.last = -1

    def is_due(self, batch: int) -> bool:
        if self.number == "epoch":
            return False
        self.passed += batch - self.last if batch > self.last else batch + 1
        self.last = batch
        if self.passed < self.number:
            return False
        self.passed = 0
        return True


class ModelCheckpoint(Monitor):
    """Saves the model, or its weights, as training goes on.

    Args:
        filepath: where to: ends with ".keras" (the model) or ".weights.h5" (the weights). May hold
            "{epoch}" (from 1), "{batch}" (from 1; with a number as `save_freq`) and names of logs:
            "{epoch:02d}-{val_loss:.2f}.keras".
        monitor: name of the metric that says which is the best.
        verbose: 1 to print when something is done.
        save_best_only: whether to save only when the metric has improved. The best value is kept
            from one `fit` to the next. Without the metric each model is saved, with a warning.
        save_weights_only: whether to save only the weights.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        save_freq: "epoch" for after each epoch, or a number of batches.
        initial_value_threshold: what the first value must improve upon, for `save_best_only`.

    Raises:
        ValueError: if `save_freq` is neither, or `filepath` has the wrong ending.

    Example:
        >>> save = kerata.callbacks.ModelCheckpoint(
        ...     "best.keras", monitor="val_accuracy", save_best_only=True)
    """

    remembers = ("best",)

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
    ):
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = _checked_frequency(save_freq, self)
        self.best = initial_value_threshold
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            what = "save_weights_only=True" if save_weights_only else "whole models"
            raise argument_error(
                "filepath", f"end in `{endings[0]}` for {what}", self.filepath, self
            )
        self._every = _Every(save_freq)
        self.watches_batches = save_freq != "epoch"
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._every.is_due(batch):
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs) -> None:
        at = f"Epoch {epoch + 1}"
        path = self._path(epoch, batch, logs)
        value: Any = self.get_monitor_value(logs) if self.save_best_only else None
        if self.save_best_only and np.ndim(value) > 0:
            warn(
                "Can save the best model only when `monitor` is a scalar value, and saves each "
                f"model instead. Received: {self.monitor} of shape {np.shape(value)}.",
            )
        elif self.save_best_only and value is not None:
            if not self._is_improvement(value, self.best):
                self._say(f"\n{at}: {self.monitor} did not improve from {_decimal(self.best)}")
                return
            self._say(
                f"\n{at}: {self.monitor} improved from {_decimal(self.best)} to "
                f"{_decimal(value)}, saving model to {path}"
            )
            self.best = value
        else:
            self._say(f"\n{at}: saving model to {path}")
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        self._say(f"{at}: finished saving model to {path}")

    def _path(self, epoch, batch, logs) -> str:
        fields = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**fields)
        except (KeyError, IndexError) as error:
            hint = "Take it out of the name."
            if str(error.args[0]).startswith("val_"):
                hint = "Give fit() validation data, or take it out of the name."
            raise UnknownKeyError(
                f"Failed to format this callback filepath: {self.filepath!r}.\n"
                f"Received: {error.args[0]!r} in it, which is not among {sorted(fields)}\n{hint}"
            ) from None

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            print_message(text)


def _decimal(value) -> str:
    return "None" if value is None else f"{value:.5f}"


class BackupAndRestore(Callback):
    """Keeps the state of training on disk, so that an interrupted `fit` goes on where it was.

    The whole state is kept: weights, optimizer, metrics, random numbers, the place in the data and
    the callbacks' memory. `fit`, called again with the same arguments, continues from there.

    Args:
        backup_dir: folder for the backup, used for nothing else.
        save_freq: "epoch" for after each epoch, or a number of batches.
        double_checkpoint: whether to keep the backup before the last one too, in case that cannot
            be read.
        delete_checkpoint: whether to remove the backup when training is done.

    Raises:
        ValueError: if `backup_dir` is empty or `save_freq` neither.
    """

    runs_last = True

    def __init__(
        self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True
    ):
        super().__init__()
        if not backup_dir:
            raise argument_error("backup_dir", "be the path of a folder", backup_dir, self)
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = _checked_frequency(save_freq, self)
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._every = _Every(save_freq)
        self.watches_batches = save_freq != "epoch"
        self._path = os.path.join(self.backup_dir, "state.npz")
        self._previous = os.path.join(self.backup_dir, "previous.npz")

    def on_train_begin(self, logs=None):
        found = [path for path in (self._path, self._previous) if os.path.exists(path)]
        if not found:
            return
        if self.model.optimizer is not None:
            self.model.optimizer.build(self.model.trainable_variables)
        for path in found:
            try:
                state = read_state(path)
                break
            except Exception:
                if path == found[-1]:
                    raise
        self.model.training_state.restore(state)

    def on_train_batch_end(self, batch, logs=None):
        if self._every.is_due(batch):
            self._back_up()

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._back_up()

    def on_train_end(self, logs=None):
        if self.delete_checkpoint and os.path.isdir(self.backup_dir):
            shutil.rmtree(self.backup_dir)

    def _back_up(self):
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._path):
            os.replace(self._path, self._previous)
        write_state(self._path, self.model.training_state.snapshot())


def write_state(path, state) -> None:
    """Write nested dicts and lists of plain data and NumPy arrays into an .npz file, or nothing.

    Args:
        path: the file. It is replaced as a whole when all is written.
        state: the data.
    """
    arrays: dict = {}

    def described(value):
        if isinstance(value, dict):
            return {"dict": {key: described(x) for key, x in value.items()}}
        if isinstance(value, (list, tuple)):
            return {"list": [described(x) for x in value]}
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            name = f"array_{len(arrays)}"
            # As bytes: NumPy's format does not know bfloat16 and its kin.
            arrays[name] = np.frombuffer(array.tobytes(), np.uint8)
            return {"array": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        return {"value": value}

    structure = json.dumps(described(state))
    temporary = f"{path}.part"
    with open(temporary, "wb") as file:
        np.savez(file, structure=np.frombuffer(structure.encode(), np.uint8), **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_state(path):
    """Return what `write_state` wrote."""
    with np.load(path, allow_pickle=False) as arrays:

        def made(item):
            if "dict" in item:
                return {key: made(x) for key, x in item["dict"].items()}
            if "list" in item:
                return [made(x) for x in item["list"]]
            if "array" in item:
                dtype = np.dtype(item["dtype"])
                return np.frombuffer(arrays[item["array"]].tobytes(), dtype).reshape(item["shape"])
            return item["value"]

        return made(json.loads(arrays["structure"].tobytes()))
