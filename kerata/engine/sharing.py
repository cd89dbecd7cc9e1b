"""One object at several places of a config: written with a number, made once when it is read."""

import threading
from collections.abc import Mapping

_local = threading.local()
KEY = "shared_object_id"


class Sharing:
    """Keeps objects that configs share together while the `with` block runs, in this thread.

    Args:
        numbers: numbers to write, by identity of the objects: `repeated` of an earlier block.
    """

    def __init__(self, numbers: Mapping[int, int] | None = None):
        self._numbers = numbers or {}
        self._written: dict[int, list] = {}
        self._made: dict[int, object] = {}

    def __enter__(self):
        self._outer = getattr(_local, "sharing", None)
        _local.sharing = self
        return self

    def __exit__(self, *exception):
        _local.sharing = self._outer

    @property
    def repeated(self) -> dict[int, int]:
        """Numbers for the objects that were written more than once."""
        often = [key for key, entries in self._written.items() if len(entries) > 1]
        return {key: number for number, key in enumerate(often, 1)}

    def note(self, thing) -> int | None:
        """Note that `thing` is being written; return its number if it has one."""
        self._written.setdefault(id(thing), []).append(thing)
        return self._numbers.get(id(thing))

    def recall(self, number):
        """Return the object that was made for a number, or None."""
        return self._made.get(number) if isinstance(number, int) else None

    def remember(self, number, thing) -> None:
        """Keep an object that was made for a number."""
        if isinstance(number, int):
            self._made[number] = thing


def current() -> Sharing | None:
    """Return the innermost block of this thread, or None."""
    return getattr(_local, "sharing", None)
