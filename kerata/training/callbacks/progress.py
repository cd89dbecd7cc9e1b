"""The progress bar of `fit`, `evaluate` and `predict`."""

from kerata.engine.errors import one_of
from kerata.training.callbacks.callback import Callback
from kerata.utils.progbar import Progbar, is_live, print_message

# Reading a value means waiting for the device: a few times a second at most.
_INTERVAL = 0.2


class ProgbarLogger(Callback):
    """Prints how training goes: a live bar in a terminal, elsewhere a line an epoch.

    `fit`, `evaluate` and `predict` add one by themselves unless `verbose=0`. `verbose=1` or
    "auto" is the bar, `verbose=2` a line an epoch.
    """

    watches_batches = False

    def __init__(self):
        super().__init__()
        self.progbar = None
        self.verbose = 1
        self.target = None
        self.epochs = 1
        self._is_training = False
        self._seen = 0

    def set_params(self, params):
        super().set_params(params)
        verbose = one_of("verbose", params.get("verbose", 1), (0, 1, 2, "auto"))
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.epochs = params.get("epochs") or 1
        self.target = params.get("steps")

    def _begin(self, prefix=""):
        self._seen = 0
        verbose = 2 if self.verbose == 1 and not is_live() else self.verbose
        self.progbar = Progbar(
            self.target, verbose=verbose, interval=_INTERVAL, stateless_metrics=()
        )
        self.progbar.prefix = prefix

    def _step(self, batch, logs):
        self._seen = batch + 1
        if self.progbar is not None and self.progbar.is_due():
            self.progbar.update(self._seen, list((logs or {}).items()), finalize=False)

    def _end(self, logs):
        if self.progbar is None:
            return
        if self.target is None:
            # Now it is known how many there are.
            self.target = self.progbar.target = self._seen or None
        if self.verbose:
            self.progbar.update(self._seen, list((logs or {}).items()), finalize=True)
        self.progbar = None

    def on_train_begin(self, logs=None):
        self._is_training = True

    def on_train_end(self, logs=None):
        self._is_training = False

    def on_epoch_begin(self, epoch, logs=None):
        title = f"Epoch {epoch + 1}/{self.epochs}" if self.epochs > 1 else ""
        live = self.verbose == 1 and is_live()
        if title and live:
            print_message(title)
        self._begin("" if live or not title else f"{title} - ")

    def on_train_batch_end(self, batch, logs=None):
        self._step(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._end(logs)

    def on_test_begin(self, logs=None):
        if not self._is_training:
            self._begin()

    def on_test_batch_end(self, batch, logs=None):
        if not self._is_training:
            self._step(batch, logs)

    def on_test_end(self, logs=None):
        if not self._is_training:
            self._end(logs)

    def on_predict_begin(self, logs=None):
        self._begin()

    def on_predict_batch_end(self, batch, logs=None):
        self._step(batch, None)

    def on_predict_end(self, logs=None):
        self._end(None)
