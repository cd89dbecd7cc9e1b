"""What a file may ask for while it is read: how large, how deep, how much memory."""

import json
import math
import os
import re
import threading
from typing import Any

from kerata.engine.errors import DamagedFileError, UnsafeModelError, short

# Far above what any model needs, far below what stops a machine.
TEXT = 256 * 2**20  # bytes of a JSON text
NODES = 5_000_000  # values in it
DEPTH = 200
STRING = 32 * 2**20
OBJECTS = 50_000
# Variables may take this many times the bytes of the saved arrays, and so many more: some are of a
# wider type than they are stored in, and the state of an optimizer is not always stored.
_RATIO = 8
_SLACK = 64 * 2**20

_ELSEWHERE = re.compile(r"(^|[/\\])\.\.([/\\]|$)|\\|\0")  # a name that could be a path out

_local = threading.local()


class Reading:
    """While the block runs, this thread reads a file: what its variables take has a limit.

    Args:
        name: what to call the file in messages.
        saved: bytes of the arrays that the file holds.
    """

    def __init__(self, name: str, saved: int):
        self.name = name
        self.saved = saved
        self.left = _RATIO * saved + _SLACK

    def __enter__(self):
        self._outer = getattr(_local, "reading", None)
        _local.reading = self
        return self

    def __exit__(self, *exception):
        _local.reading = self._outer


def charge(what: str, shape: tuple[int, ...], itemsize: int = 8) -> None:
    """Raise an error if an array would take more memory than the file that is read accounts for.

    Without a file, the limit is what memory the machine has.

    Args:
        what: what it is for, for the message.
        shape: its shape.
        itemsize: bytes of an element.

    Raises:
        UnsafeModelError: if a file is being read.
        ValueError: otherwise.
    """
    size = math.prod(shape) * itemsize
    reading = getattr(_local, "reading", None)
    if reading is not None:
        reading.left -= size
        if reading.left < 0:
            raise UnsafeModelError(
                f"The config asks for far more memory than its weights fill: {what} of shape "
                f"{shape} takes {size:,} bytes.\nReceived: {reading.name!r}, which stores "
                f"{reading.saved:,} bytes"
            )
    elif size > 2**30 and size > _machine_memory():
        raise ValueError(
            f"There is not so much memory: {what} of shape {shape} takes {size:,} bytes.\n"
            f"Received: shape {shape}; the machine has {_machine_memory():,} bytes"
        )


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on this system
        return 2**44


def parse(text: str | bytes, what: str, name: str) -> Any:
    """Return what a JSON text holds.

    Args:
        text: the text.
        what: what it is, for messages: "config.json".
        name: what to call the file.

    Raises:
        DamagedFileError: if it is not JSON.
        UnsafeModelError: if it is larger, or nested deeper, than any model needs.
    """
    if len(text) > TEXT:
        raise refusal(f"{len(text):,} bytes in {what}", name)
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        # What is in strings counts as well: the limit is far enough for that.
        if text.count(",") + text.count("[") + text.count("{") > NODES:
            raise refusal(f"more than {NODES:,} values in {what}", name)
        value = json.loads(text, object_pairs_hook=_without_repetition)
    except RecursionError:
        raise refusal(f"lists nested without end in {what}", name) from None
    except _Repeated as error:
        raise refusal(f"the key {str(error)[:60]!r} twice in one object of {what}", name) from None
    except UnsafeModelError:
        raise
    except (ValueError, TypeError) as error:
        raise DamagedFileError(
            f"The file is damaged: {what} is no JSON.\nReceived: {name!r} ({error})\n"
            "Copy it again, or fall back on an earlier one."
        ) from error
    check(value, what, name)
    return value


class _Repeated(Exception):
    pass


def _without_repetition(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(n for n in names if names.count(n) > 1))
    return found


def check(value, what: str, name: str) -> None:
    """Raise UnsafeModelError if a config has more parts, or deeper ones, than any model needs."""
    objects = 0
    level, depth = [value], 0
    while level:
        below: list = []
        for x in level:
            if isinstance(x, str):
                if len(x) > STRING:
                    raise refusal(f"a text of {len(x):,} characters in {what}", name)
            elif isinstance(x, dict):
                objects += "class_name" in x
                if isinstance(x.get("name"), str) and _ELSEWHERE.search(x["name"]):
                    raise refusal(f"the name {short(x['name'])} in {what}", name)
                below += x.values()
            elif isinstance(x, list):
                below += x
        if objects > OBJECTS:
            raise refusal(f"more than {OBJECTS:,} objects in {what}", name)
        level, depth = below, depth + 1
        if depth > DEPTH:
            raise refusal(f"lists nested without end in {what}", name)


def refusal(what: str, name: str) -> UnsafeModelError:
    """Return the error for a file that holds `what`."""
    return UnsafeModelError(
        f"The file holds {what}, which no model needs.\nReceived: {name!r}\n"
        "Do not use it, unless you can get it from its author in another form."
    )
