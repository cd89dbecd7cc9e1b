"""Weights spread over several HDF5 files, with a JSON file that says what is where."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, MutableMapping

import h5py
import numpy as np

from kerata.engine.errors import DamagedFileError, UnsafeModelError
from kerata.engine.reading import TEXT, parse
from kerata.saving import archive as zipped_model, atomic, hdf5
from kerata.saving.walk import check_complete, parts

SUFFIX = ".weights.json"
_TAG = "kerata_save"


class _Shards:
    """Writes arrays into a row of files, none of which becomes larger than `limit` bytes."""

    def __init__(self, stack: contextlib.ExitStack, path: str, limit: int):
        self._stack = stack
        self._stem = path.removesuffix(SUFFIX)
        self._limit = limit
        # In all files of one save, so that those of two are not taken for one.
        self.tag = secrets.token_hex(8)
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
        self.file = self._stack.enter_context(hdf5.writing(path))
        self.file.attrs[_TAG] = self.tag

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
    check_complete(model, skip)
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
        about = {"total_size": float(shards.total), _TAG: shards.tag}
        what = {"metadata": about, "weight_map": shards.places}
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
        index = parse(file.read(TEXT + 1), "the index", path)
        try:
            # Where a part is in one file, Keras writes its name, not a list of names.
            places = {
                place: [where] if isinstance(where, str) else where
                for place, where in index["weight_map"].items()
            }
            names = sorted({name for where in places.values() for name in where})
            tag = index.get("metadata", {}).get(_TAG)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFileError(
                f"The file does not say where the weights are.\nReceived: {path!r} ({error!r})"
            ) from None
    folder = os.path.dirname(os.path.abspath(path))
    with contextlib.ExitStack() as stack:
        files = {}
        for name in names:
            plain = isinstance(name, str) and zipped_model.is_plain(name)
            if not plain or not name.endswith(".weights.h5"):
                raise UnsafeModelError(
                    "Weights are read from files beside the one that names them.\n"
                    f"Received: {name[:80]!r} in {path!r}"
                )
            place = os.path.join(folder, name)
            if not os.path.isfile(place):
                raise DamagedFileError(
                    f"A part of the weights cannot be read: it is not there.\nReceived: {place!r}"
                    "\nAll files that were written together must be copied together."
                )
            files[name], _ = stack.enter_context(hdf5.opened(place, place))
            if tag is not None and files[name].attrs.get(_TAG, tag) != tag:
                raise DamagedFileError(
                    f"A part of the weights is of another save.\nReceived: {place!r}\n"
                    "Perhaps the latest one was not finished. Fall back on an earlier one."
                )
        yield Source(places, files)
