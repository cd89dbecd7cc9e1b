"""Automatic names: `dense`, `dense_1`, …, counted for each thread until `reset`."""

import re
import threading
from collections import Counter


class _Counts(threading.local):
    def __init__(self):
        self.used: Counter = Counter()


_counts = _Counts()


def to_snake_case(name: str) -> str:
    """Return "MaxPooling2D" as "max_pooling2d".

    Example:
        >>> from kerata.engine.naming import to_snake_case
        >>> to_snake_case("LSTMCell")
        'lstm_cell'
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def uniquify(name: str) -> str:
    """Return `name`, with a number behind it if it was used before."""
    used = _counts.used[name]
    _counts.used[name] += 1
    return f"{name}_{used}" if used else name


def auto_name(prefix: str) -> str:
    """Return a fresh name for a class or kind: "Dense" -> "dense", "dense_1", …"""
    return uniquify(to_snake_case(prefix))


def get_uid(prefix: str = "") -> int:
    """Return how often this was called with `prefix`: 1, 2, …"""
    _counts.used[prefix] += 1
    return _counts.used[prefix]


def reset() -> None:
    """Begin counting anew."""
    _counts.used.clear()
