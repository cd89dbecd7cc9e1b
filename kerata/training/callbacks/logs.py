"""Logs: what a step reported, fetched from the device when somebody looks."""

import jax
import numpy as np


class Logs(dict):
    """A dict of numbers that stay on the device until a value is read.

    Reading a value fetches all of them at once: scalars become Python numbers, arrays NumPy's.
    Names, length and membership cost nothing.

    Example:
        >>> logs = Logs(loss=jax.numpy.float32(0.5))
        >>> "loss" in logs, logs.is_fetched
        (True, False)
        >>> logs["loss"], logs.is_fetched
        (0.5, True)
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.is_fetched = False

    def fetch(self) -> None:
        """Wait for the values."""
        if self.is_fetched:
            return
        self.is_fetched = True
        names = [name for name in dict.keys(self) if isinstance(dict.get(self, name), jax.Array)]
        for name, value in zip(
            names, jax.device_get([dict.get(self, n) for n in names]), strict=True
        ):
            dict.__setitem__(self, name, plain(value))

    # Whatever reads a value fetches first. `__iter__` is among them, although it reads none,
    # because `dict(logs)` and `{**logs}` take the values behind our back unless it is overridden.

    def __iter__(self):
        return super().__iter__()

    def __getitem__(self, name):
        self.fetch()
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.fetch()
        return super().get(name, default)

    def items(self):
        self.fetch()
        return super().items()

    def values(self):
        self.fetch()
        return super().values()

    def pop(self, *args):
        self.fetch()
        return super().pop(*args)

    def popitem(self):
        self.fetch()
        return super().popitem()

    def copy(self):
        self.fetch()
        return dict(super().items())

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        self.is_fetched = self.is_fetched and not isinstance(value, jax.Array)

    def update(self, *args, **kwargs):
        super().update(*args, **kwargs)
        self.is_fetched = False

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def __or__(self, other):
        return self.copy() | dict(other)

    def __ror__(self, other):
        return dict(other) | self.copy()

    def __eq__(self, other):
        self.fetch()
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self):
        self.fetch()
        return super().__repr__()

    def __reduce__(self):
        return dict, (self.copy(),)


def plain(value):
    """Return a number on its own as Python's, an array as NumPy's."""
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array
