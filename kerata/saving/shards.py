"""Weights spread over several HDF5 files, with a JSON file that says what is where."""

import contextlib
import json
import os
from collections.abc import Iterator, MutableMapping

import h5py
import numpy as np

from kerata.engine.errors import UnsafeModelError
from kerata.saving import atomic, hdf5
from kerata.saving.walk import parts

SUFFIX = ".weights.json"


class _Shards:
    """Writes arrays into a row of files, none of which becomes larger than `limit` bytes."""

    def __init__(self, stack: contextlib.ExitStack, path: str, limit: int):
        self._stack = stack
        self._stem = path.removesuffix(SUFFIX)
        self._limit = limit
        self._number = -1
        self._size = 0
        self.total = 0
        self.places: dict[str, list[str]] = {}
        self._next()

    def _next(self):
        self._number += 1
        self._size = 0
        path = f"{self._stem}_{self._number:05}.weights.h5"
        self.name = os.path.basename(path)
        file = self._stack.enter_context(atomic.replacing(path))
        self.file = self._stack.enter_context(h5py.File(file.name, "w"))

    def put(self, path: str, name: str, value: np.ndarray) -> None:
        if value.nbytes > self._limit:
            raise ValueError(
                "max_shard_size must be at least the size of the largest variable.\n"
                f"Received: {self._limit:,} bytes, and {value.nbytes:,} bytes in {path!r}"
            )
        if self._size + value.nbytes > self._limit:
            self._next()
        hdf5.put(self.file.require_group(path), name, value)
        self._size += value.nbytes
        self.total += value.nbytes
        names = self.places.setdefault("/" + path, [])
        if self.name not in names:
            names.append(self.name)


class _Writer(MutableMapping):
    """What `save_own_variables` is given: arrays of one part, wherever they go."""

    def __init__(self, shards: _Shards, path: str):
        self._shards = shards
        self._path = path
        self._mine: dict[str, np.ndarray] = {}

    def __setitem__(self, name, value) -> None:
        self._mine[str(name)] = np.asarray(value)
        self._shards.put(self._path, str(name), self._mine[str(name)])

    def __getitem__(self, name) -> np.ndarray:
        return self._mine[str(name)]

    def __delitem__(self, name) -> None:
        raise TypeError("What was written to a file of weights cannot be taken back.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._mine)

    def __len__(self) -> int:
        return len(self._mine)


def write(model, path: str, limit: int, skip=()) -> None:
    """Write weights to `NAME_00000.weights.h5`, …, and `NAME.weights.json`.

    All files appear at the end, the JSON file last.

    Args:
        model: the model.
        path: path of the JSON file.
        limit: largest size of a file, in bytes of its arrays.
        skip: layers to leave out.
    """
    with contextlib.ExitStack() as stack:
        index = stack.enter_context(atomic.replacing(path))
        shards = _Shards(stack, path, limit)
        for place, part in parts(model, skip=skip):
            if not hasattr(part, "save_own_variables"):
                continue
            group = f"{place}/vars" if place else "vars"
            attributes = shards.file.require_group(group).attrs
            if isinstance(getattr(part, "name", None), str):
                attributes["name"] = part.name
            part.save_own_variables(_Writer(shards, group))
        what = {"metadata": {"total_size": float(shards.total)}, "weight_map": shards.places}
        index.write(json.dumps(what, indent=4).encode())


class Source:
    """Weights in several files, open for reading: see `hdf5.Source`."""

    def __init__(self, places: dict[str, list[str]], files: dict[str, h5py.File]):
        self._places = {place.strip("/"): names for place, names in places.items()}
        self._files = files

    def is_there(self, path: str) -> bool:
        return any(place.startswith(f"{path}/") for place in self._places) or any(
            hdf5.find(file, path) is not None for file in self._files.values()
        )

    def store(self, path: str) -> hdf5.Reader:
        place = f"{path}/vars" if path else "vars"
        groups = [hdf5.find(self._files[name], place) for name in self._places.get(place, ())]
        return hdf5.Reader(*(g for g in groups if isinstance(g, h5py.Group)))

    def parts(self) -> Iterator[str]:
        for place in self._places:
            path = place.removesuffix("vars").rstrip("/")
            if path and path.split("/")[0] != "optimizer":
                yield path


@contextlib.contextmanager
def opened(path: str) -> Iterator[Source]:
    """Open weights that `write` wrote.

    Args:
        path: path of the JSON file.

    Raises:
        ValueError: if it is damaged, or a file that it names is missing.
        UnsafeModelError: if it names a file elsewhere.
    """
    with open(path, "rb") as file:
        try:
            places = json.loads(file.read())["weight_map"]
            names = sorted({name for where in places.values() for name in where})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"The file does not say where the weights are.\nReceived: {path!r} ({error!r})"
            ) from None
    folder = os.path.dirname(os.path.abspath(path))
    with contextlib.ExitStack() as stack:
        files = {}
        for name in names:
            if name != os.path.basename(name) or not name.endswith(".weights.h5"):
                raise UnsafeModelError(
                    "Weights are read from files beside the one that names them.\n"
                    f"Received: {name[:80]!r} in {path!r}"
                )
            place = os.path.join(folder, name)
            try:
                files[name] = stack.enter_context(h5py.File(place, "r"))
            except OSError as error:
                raise ValueError(
                    f"A part of the weights cannot be read.\nReceived: {place!r} ({error})\n"
                    "All files that were written together must be copied together."
                ) from None
        yield Source(places, files)
