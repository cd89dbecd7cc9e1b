"""Where `Dataset.cache` keeps elements: in memory, or in a file."""

import contextlib
import json
import os
import threading
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerata.data.elements import leaves_of, map_leaves


class MemoryStore:
    """Elements by their index.

    Attributes:
        length: how many there are; None as long as some are missing.
    """

    def __init__(self):
        self.length: int | None = None
        self._held: dict[int, Any] = {}

    def get(self, index: int):
        """Return an element, or None."""
        return self._held.get(index)

    def put(self, index: int, element) -> None:
        """Keep an element."""
        self._held[index] = element

    def finish(self, length: int) -> None:
        """Note that there are `length` elements, if all of them are here."""
        if len(self._held) == length:
            self.length = length


class FileStore:
    """Elements in a `.npz` file; it gets its name once all of them are in it.

    Args:
        path: the file, with or without ".npz".
    """

    def __init__(self, path):
        self.path = Path(path).with_name(Path(path).name.removesuffix(".npz") + ".npz")
        self.length: int | None = None
        self._lock = threading.Lock()
        self._written: set[int] = set()
        self._structure: Any = None
        self._writer: zipfile.ZipFile | None = None
        self._reader: Any = None
        if self.path.exists():
            self._open()

    def _open(self) -> None:
        self._reader = np.load(self.path)
        about = json.loads(str(self._reader["about"]))
        self._structure = _decoded(about["structure"])
        self.length = about["length"]

    def get(self, index: int):
        """Return an element, or None."""
        if self.length is None:
            return None
        with self._lock:
            kinds = iter(range(len(leaves_of(self._structure))))
            return map_leaves(
                lambda kind: _read(self._reader[f"{index}/{next(kinds)}"], kind), self._structure
            )

    def put(self, index: int, element) -> None:
        """Write an element, unless it is there."""
        with self._lock:
            if index in self._written or self.length is not None:
                return
            if self._writer is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._draft = self.path.with_name(f"{self.path.name}.{os.getpid()}-{id(self)}")
                self._writer = zipfile.ZipFile(self._draft, "w")
                weakref.finalize(self, _discard, self._writer, self._draft)
                self._structure = map_leaves(_kind, element)
            for number, leaf in enumerate(leaves_of(element)):
                self._write(f"{index}/{number}", leaf)
            self._written.add(index)

    def _write(self, name: str, leaf) -> None:
        array = np.asarray(leaf)
        if array.dtype == object:
            array = array.astype(str)
        assert self._writer is not None
        with self._writer.open(f"{name}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)

    def finish(self, length: int) -> None:
        """Give the file its name, if all `length` elements are in it."""
        with self._lock:
            if self._writer is None or len(self._written) != length:
                return
            about = {"length": length, "structure": _encoded(self._structure)}
            self._write("about", json.dumps(about))
            self._writer.close()
            os.replace(self._draft, self.path)
            self._writer = None
            self._open()


def _discard(writer, draft) -> None:
    with contextlib.suppress(OSError, ValueError):
        writer.close()
        draft.unlink(missing_ok=True)


def _kind(leaf) -> str:
    if isinstance(leaf, (str, bytes)):
        return type(leaf).__name__
    return "text" if leaf.dtype == object else "array"


def _read(array, kind):
    if kind in ("str", "bytes"):
        return array.item()
    return array.astype(object) if kind == "text" else array[()]


def _encoded(structure):
    """Return a structure as JSON can hold it: lists are tuples."""
    if isinstance(structure, Mapping):
        return {key: _encoded(value) for key, value in structure.items()}
    return [_encoded(s) for s in structure] if isinstance(structure, tuple) else structure


def _decoded(structure):
    if isinstance(structure, dict):
        return {key: _decoded(value) for key, value in structure.items()}
    return tuple(_decoded(s) for s in structure) if isinstance(structure, list) else structure
