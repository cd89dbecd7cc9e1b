"""The record of a training, and its picture."""

from kerata.training.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of each epoch. `fit` adds one by itself, and returns it.

    Attributes:
        epoch: list of the numbers of the epochs, from 0.
        history: dict from names to lists with a value an epoch.

    Example:
        >>> history = kerata.callbacks.History()
        >>> history.on_train_begin()
        >>> history.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.75})
        >>> history.history
        {'loss': [0.5], 'val_loss': [0.75]}
    """

    remembers = ("epoch", "history")

    def __init__(self):
        super().__init__()
        self.epoch = []
        self.history = {}

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]!r}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs, at the end {last or 'nothing'}>"

    def __getitem__(self, name):
        raise TypeError(
            f"A History is no dict.\nReceived: [{name!r}]\nIt has one: history.history[{name!r}]"
        )

    def set_state(self, state):
        self.epoch = list(state["epoch"])
        self.history = {name: list(values) for name, values in state["history"].items()}

    def get_state(self):
        return {
            "epoch": list(self.epoch),
            "history": {name: list(values) for name, values in self.history.items()},
        }

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self

    def plot(self, metrics=None):
        """Draw one panel for each metric, validation beside training.

        Args:
            metrics: names of the metrics to draw (without "val_"); all if None.

        Returns:
            A Matplotlib `Figure`.

        Raises:
            ImportError: if Matplotlib is not installed.
            ValueError: if there is nothing to draw, or a metric is unknown.
        """
        try:
            import matplotlib
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                'History.plot() needs Matplotlib: install kerata with the extra "plots".'
            ) from error
        known = [name for name in self.history if not name.startswith("val_")]
        known += [
            name.removeprefix("val_")
            for name in self.history
            if name.startswith("val_") and name.removeprefix("val_") not in known
        ]
        chosen = known if metrics is None else list(metrics)
        if not chosen or not set(chosen) <= set(known):
            raise ValueError(
                f"There is no such metric in the history, which has {known}.\n"
                f"Received: metrics={metrics!r}"
            )
        figure, panels = plt.subplots(
            1, len(chosen), figsize=(5 * len(chosen), 3.5), squeeze=False, layout="constrained"
        )
        for panel, name in zip(panels[0], chosen, strict=True):
            for series, label in ((name, "training"), (f"val_{name}", "validation")):
                if series in self.history:
                    values = self.history[series]
                    # Counted from 1; of a metric that was not seen in each epoch, the latest.
                    epochs = [epoch + 1 for epoch in self.epoch][-len(values) :]
                    marker = "o" if len(values) == 1 else None
                    panel.plot(epochs[: len(values)], values, label=label, marker=marker)
            panel.set_title(name)
            panel.set_xlabel("epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            if f"val_{name}" in self.history:
                panel.legend()
        if "inline" in matplotlib.get_backend().lower():
            plt.close(figure)  # a notebook shows what is returned: not twice
        return figure
