"""Reading HDF5 files that may come from anybody, and writing such as Keras reads.

HDF5 can point outside of the file (external links and storage, virtual datasets), load code
(filter plugins) and declare arrays of any size. All that is in a file is looked at when it is
opened: only groups and datasets that lie in the file itself, each under one name, in filters that
come with HDF5, and no larger than what is really stored lets expect.
"""

import contextlib
import math
import os
import zlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import IO

import h5py
import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import DamagedFileError, UnsafeModelError
from kerata.saving import atomic

# Filters that are part of the HDF5 library: gzip, shuffle, Fletcher's checksum, szip, n-bit,
# scale-offset; and LZF, of h5py.
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
# An array may be this many times as large as what is stored of it, and this many bytes more.
_RATIO = 16
_SLACK = 64 * 2**20
_OBJECTS = 100_000
_DEPTH = 50
# Behind the end of a file on its own stands a checksum, which HDF5 does not look at. Who writes
# into such a file with h5py cuts it off.
_SEAL = b"\nkerata crc32 "


@contextlib.contextmanager
def writing(path) -> Iterator[h5py.File]:
    """Open a new HDF5 file that takes the place of `path` when it is complete: see `atomic`."""
    with atomic.replacing(path) as file:
        with h5py.File(file.name, "w") as h5:
            yield h5
        file.seek(0)
        _, checksum = _checksum(file, os.path.getsize(file.name))
        file.seek(0, os.SEEK_END)
        file.write(_SEAL + b"%08x" % checksum)


def _checksum(file: IO[bytes], size: int) -> tuple[int, int]:
    """Return how many bytes there are, up to `size`, and their checksum."""
    checksum = left = 0
    left = size
    while left and (chunk := file.read(min(left, 2**22))):
        checksum = zlib.crc32(chunk, checksum)
        left -= len(chunk)
    return size - left, checksum


def _check_seal(path: str) -> None:
    """Raise DamagedFileError if a file has a checksum that is not its own."""
    length = len(_SEAL) + 8
    with open(path, "rb") as file:
        size = os.path.getsize(path) - length
        if size < 0:
            return
        file.seek(size)
        seal = file.read()
        if not seal.startswith(_SEAL):
            return
        file.seek(0)
        if b"%08x" % _checksum(file, size)[1] != seal[len(_SEAL) :]:
            raise _damaged("the checksum at its end is another", path)


def _damaged(why, name: str) -> DamagedFileError:
    return DamagedFileError(
        f"The weights cannot be read: they are no HDF5 file, or it is damaged.\n"
        f"Received: {name!r} ({why})\nCopy it again, or fall back on an earlier one."
    )


@contextlib.contextmanager
def opened(file, name: str) -> Iterator[tuple[h5py.File, int]]:
    """Open an HDF5 file for reading, and check all that is in it.

    Gives the file, and how many bytes all its arrays have.

    Args:
        file: a path, or an open file.
        name: what to call it in messages.

    Raises:
        DamagedFileError: if it is no HDF5 file, or not what it was.
        UnsafeModelError: if it holds what no weights file needs.
    """
    try:
        if isinstance(file, str):
            _check_seal(file)
        h5 = h5py.File(file, "r")
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, DamagedFileError):
            raise
        raise _damaged(error, name) from None
    with h5:
        yield h5, _saved_bytes(h5, name)


def _saved_bytes(h5: h5py.File, name: str) -> int:
    """Return how many bytes all arrays of a file have, after a look at everything in it."""
    total = count = 0
    try:
        seen = {h5py.h5o.get_info(h5.id).addr}
        level = [h5py.h5g.open(h5.id, b"/")]
        for _ in range(_DEPTH):
            below = []
            for group in level:
                count += len(group)
                if count > _OBJECTS:
                    raise refuse(f"more than {_OBJECTS:,} groups and arrays", name)
                for key in group:
                    where = f"{h5py.h5i.get_name(group).decode(errors='replace')}/{key!r}"
                    if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                        raise refuse("a link", where)
                    found = h5py.h5o.open(group, key)
                    address = h5py.h5o.get_info(found).addr
                    if address in seen:
                        raise refuse("one object under two names", where)
                    seen.add(address)
                    if isinstance(found, h5py.h5g.GroupID):
                        below.append(found)
                    elif isinstance(found, h5py.h5d.DatasetID):
                        total += check_dataset(h5py.Dataset(found))
                    else:
                        raise refuse("something that is neither a group nor an array", where)
            level = below
        if level:
            raise refuse("groups nested without end", name)
        stored = h5.id.get_filesize()
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise _damaged(error, name) from error
    if total > _RATIO * stored + _SLACK:
        raise refuse(f"arrays that declare {total:,} bytes in a file of {stored:,}", name)
    return total


def refuse(what: str, name: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"The weights file holds {what}, which no model needs.\nReceived: {name!r} in the file\n"
        "Do not use it, unless you can get it from its author in another form."
    )


def find(group: h5py.Group, path: str):
    """Return the group or dataset at `path`, or None. The file was checked when it was opened."""
    return group.get(path) if path.strip("/") else group


def check_dataset(dataset: h5py.Dataset) -> int:
    """Return the bytes of a dataset's array.

    Raises:
        UnsafeModelError: unless it is stored in its file, and as large as what is stored says.
    """
    creation = dataset.id.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL:
        raise refuse("a virtual dataset", dataset.name)
    if creation.get_external_count():
        raise refuse("an array stored in another file", dataset.name)
    for index in range(creation.get_nfilters()):
        if creation.get_filter(index)[0] not in _FILTERS:
            raise refuse("an array behind a filter plugin", dataset.name)
    if dataset.shape is None:
        raise refuse("an array without a shape", dataset.name)
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    stored = min(dataset.id.get_storage_size(), dataset.file.id.get_filesize())
    if max(declared, chunk) > _RATIO * stored + _SLACK:
        raise refuse(
            f"an array that declares {max(declared, chunk):,} bytes and stores {stored:,}",
            dataset.name,
        )
    return declared


def array_of(dataset: h5py.Dataset) -> np.ndarray:
    """Return the numbers of a dataset that was checked.

    Raises:
        UnsafeModelError: if it holds anything but numbers.
    """
    name = dataset.attrs.get("dtype")
    if isinstance(name, str) and dataset.dtype.kind == "V":
        try:
            dtype = np.dtype(jnp.dtype(name))
        except TypeError:
            raise refuse(f"numbers of the unknown dtype {name[:40]!r}", dataset.name) from None
        if dtype.itemsize != dataset.dtype.itemsize or dataset.dtype.fields:
            raise refuse(f"numbers of another size than {name!r}", dataset.name)
        return _values(dataset).view(dtype)
    if dataset.dtype.kind not in "biufc":
        raise refuse(f"an array of {dataset.dtype}, which are no numbers,", dataset.name)
    return np.asarray(_values(dataset))


def _values(dataset: h5py.Dataset):
    try:
        return dataset[()]
    except (OSError, RuntimeError) as error:
        raise _damaged(error, f"{dataset.file.filename}, {dataset.name}") from error


class Reader(Mapping):
    """The arrays of a group, by name: what `load_own_variables` is given.

    Args:
        *groups: the group; several if its arrays are spread over files; none if there is none.
    """

    def __init__(self, *groups: h5py.Group):
        self._groups = groups

    def dataset(self, name) -> h5py.Dataset:
        """Return a dataset by its name, checked, not read yet.

        Raises:
            KeyError: if there is none.
        """
        for group in self._groups:
            found = find(group, str(name))
            if isinstance(found, h5py.Dataset):
                return found
        raise KeyError(name)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all arrays."""
        return {name: self.dataset(name).shape for name in self}

    def __getitem__(self, name) -> np.ndarray:
        return array_of(self.dataset(name))

    def __iter__(self) -> Iterator[str]:
        for group in self._groups:  # a damaged or crafted file may have a group among the arrays
            yield from (n for n in group.keys() if isinstance(find(group, n), h5py.Dataset))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Source:
    """A weights file, open for reading.

    Args:
        file: the file, or the group in it that holds the model.
    """

    def __init__(self, file: h5py.Group):
        self._file = file

    def is_there(self, path: str) -> bool:
        """Return whether the file has something at `path`."""
        return find(self._file, path) is not None

    def store(self, path: str) -> Reader:
        """Return the arrays of the part at `path`."""
        group = find(self._file, f"{path}/vars")
        return Reader(group) if isinstance(group, h5py.Group) else Reader()

    def parts(self, everything: bool = False) -> Iterator[str]:
        """Yield the paths of all parts that have arrays.

        Args:
            everything: whether to yield those of the optimizer as well.
        """
        for path in _parts_in(self._file, ""):
            if everything or path.split("/")[0] != "optimizer":
                yield path


def _parts_in(group: h5py.Group, path: str) -> Iterator[str]:
    for name in group.keys():
        child = group[name]
        if not isinstance(child, h5py.Group):
            continue
        if name == "vars":
            if path and len(child):
                yield path
        else:
            yield from _parts_in(child, f"{path}/{name}" if path else name)


def put(group: h5py.Group, name: str, value: np.ndarray) -> None:
    """Write an array into a group."""
    if value.dtype.kind == "V":
        # A float type that HDF5 has no name for, such as bfloat16: its bytes, and its name.
        dataset = group.create_dataset(name, data=value.view(f"V{value.dtype.itemsize}"))
        dataset.attrs["dtype"] = value.dtype.name
    else:
        group.create_dataset(name, data=value)


class Writer(MutableMapping):
    """Writes arrays into a group, by name: what `save_own_variables` is given."""

    def __init__(self, group: h5py.Group):
        self._group = group

    def __setitem__(self, name, value) -> None:
        put(self._group, str(name), np.asarray(value))

    def __getitem__(self, name) -> np.ndarray:
        return array_of(self._group[str(name)])

    def __delitem__(self, name) -> None:
        del self._group[str(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._group.keys())

    def __len__(self) -> int:
        return len(self._group)
