"""OrbaxCheckpoint: saves the model with Orbax, in the background and over several processes."""

import os
from typing import Any

import jax

from kerata.training.callbacks.checkpoint import _checked_frequency, _Every
from kerata.training.callbacks.monitor import Monitor
from kerata.utils.progbar import print_message


class OrbaxCheckpoint(Monitor):
    """Saves the model, or its weights, as checkpoints of Orbax while training goes on.

    Each is a folder `directory/STEP`, of the epoch's number (from 0) or of the number of batches
    trained. `kerata.saving.load_model(directory)` and `model.load_weights(directory)` read the
    latest. Needs the extra `orbax`.

    Args:
        directory: folder for the checkpoints.
        monitor: name of the metric that says which is the best.
        verbose: 1 to print when something is saved.
        save_best_only: whether to save only when the metric has improved.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        save_freq: "epoch" for after each epoch, or a number of batches.
        initial_value_threshold: what the first value must improve upon, for `save_best_only`.
        max_to_keep: how many of the latest checkpoints to keep; all if None.
        save_on_background: whether training goes on while files are written.
        save_weights_only: whether to save only the weights.

    Raises:
        ImportError: if Orbax is not installed.
        ValueError: if `save_freq` is neither.
    """

    remembers = ("best",)

    def __init__(
        self,
        directory,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
        max_to_keep=1,
        save_on_background=True,
        save_weights_only=False,
    ):
        from kerata.saving import orbax

        super().__init__(monitor, mode)
        orbax.module()  # says so now if it is not installed
        self.directory = os.path.abspath(os.fspath(directory))
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_freq = _checked_frequency(save_freq, self)
        self.best = initial_value_threshold
        self.max_to_keep = max_to_keep
        self.save_on_background = save_on_background
        self.save_weights_only = save_weights_only
        self._every = _Every(save_freq)
        self.watches_batches = save_freq != "epoch"
        self._checkpointer: Any = None
        self._pending: list = []

    @property
    def checkpointer(self):
        """Orbax's checkpointer, which is there from the first use to the end of training."""
        from kerata.saving import orbax

        if self._checkpointer is None:
            training = orbax.module().training
            keep = self.max_to_keep
            self._checkpointer = training.Checkpointer(
                self.directory,
                preservation_policy=(
                    None if keep is None else training.preservation_policies.LatestN(keep)
                ),
            )
        return self._checkpointer

    def is_multihost_enabled(self) -> bool:
        """Return whether several processes save together."""
        return jax.process_count() > 1

    def is_primary_host(self) -> bool:
        """Return whether this is the first of the processes."""
        return jax.process_index() == 0

    def on_train_begin(self, logs=None):
        os.makedirs(self.directory, exist_ok=True)  # now, not after an epoch's work

    def on_train_batch_end(self, batch, logs=None):
        if self._every.is_due(batch):
            self._save(int(self.model.optimizer.iterations), logs)

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def on_train_end(self, logs=None):
        if self._checkpointer is not None:
            self.wait_until_finished()
            self._checkpointer.close()
            self._checkpointer = None

    def wait_until_finished(self) -> None:
        """Wait until everything is written."""
        pending, self._pending = self._pending, []
        for saving in pending:
            saving.result()

    def _save(self, step: int, logs) -> None:
        from kerata.saving import orbax

        if self.save_best_only:
            value = self.get_monitor_value(logs)
            if value is None or not self._is_improvement(value, self.best):
                return
            self.best = value
        self.wait_until_finished()
        data = orbax.contents(self.model, self.save_weights_only)
        # Whether to save is decided here; an older training may have left this step.
        options = {"force": True, "overwrite": True}
        if self.save_on_background:
            self._pending.append(
                self.checkpointer.save_checkpointables_async(step, data, **options)
            )
        else:
            self.checkpointer.save_checkpointables(step, data, **options)
        if self.verbose > 0:
            print_message(f"\nOrbaxCheckpoint: saving step {step} to {self.directory}")
