"""Where `Dataset.cache` keeps elements: in memory, or in a file."""

import contextlib
import itertools
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
            numbers = itertools.count()
            return map_leaves(
                lambda kind: self._read(f"{index}/{next(numbers)}", kind), self._structure
            )

    def _read(self, name: str, kind: str):
        array = self._reader[name]
        if kind != "text":
            return array.view(kind)[()] if kind else array[()]
        lengths = self._reader[f"{name}/lengths"]
        texts, place = np.empty(lengths.shape, object), 0
        for i, length in np.ndenumerate(lengths):
            size = length if length >= 0 else ~length
            text = array[place : place + size].tobytes()
            texts[i] = text.decode("utf-8", "surrogatepass") if length >= 0 else text
            place += size
        return texts[()]

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
        kind = _kind(leaf)
        if kind != "text":
            array = np.asarray(leaf)
            self._write_array(name, array.view(f"u{array.itemsize}") if kind else array)
            return
        texts = np.asarray(leaf, object)
        # NumPy's own arrays of text and bytes lose zeros at their ends. A length < 0 is of bytes.
        parts = [
            t if isinstance(t, bytes) else str(t).encode("utf-8", "surrogatepass")
            for t in texts.flat
        ]
        lengths = [~len(p) if isinstance(t, bytes) else len(p) for t, p in zip(texts.flat, parts)]
        self._write_array(name, np.frombuffer(b"".join(parts), "uint8"))
        self._write_array(f"{name}/lengths", np.array(lengths, "int64").reshape(texts.shape))

    def _write_array(self, name: str, array: np.ndarray) -> None:
        assert self._writer is not None
        with self._writer.open(f"{name}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)

    def finish(self, length: int) -> None:
        """Give the file its name, if all `length` elements are in it."""
        with self._lock:
            if self._writer is None or len(self._written) != length:
                return
            about = {"length": length, "structure": _encoded(self._structure)}
            self._write_array("about", np.array(json.dumps(about)))
            self._writer.close()
            os.replace(self._draft, self.path)
            self._writer = None
            self._open()


def _discard(writer, draft) -> None:
    with contextlib.suppress(OSError, ValueError):
        writer.close()
        draft.unlink(missing_ok=True)


def _kind(leaf) -> str:
    """Return "text", the dtype's name where NumPy's files cannot hold it, or ""."""
    if isinstance(leaf, (str, bytes)) or leaf.dtype == object:
        return "text"
    return leaf.dtype.name if leaf.dtype.isbuiltin == 2 else ""


def _encoded(structure):
    """Return a structure as JSON can hold it: lists are tuples."""
    if isinstance(structure, Mapping):
        return {key: _encoded(value) for key, value in structure.items()}
    return [_encoded(s) for s in structure] if isinstance(structure, tuple) else structure


def _decoded(structure):
    if isinstance(structure, dict):
        return {key: _decoded(value) for key, value in structure.items()}
    return tuple(_decoded(s) for s in structure) if isinstance(structure, list) else structure
