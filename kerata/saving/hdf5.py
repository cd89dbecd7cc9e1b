"""Reading HDF5 files that may come from anybody, and writing such as Keras reads.

HDF5 can point outside of the file (external links and storage, virtual datasets), load code
(filter plugins) and declare arrays of any size. What is read here is checked before it is opened:
only groups and datasets that lie in the file itself, in filters that come with HDF5, and no
larger than what is really stored lets expect.
"""

from collections.abc import Iterator, Mapping, MutableMapping

import h5py
import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import UnsafeModelError

# Filters that are part of the HDF5 library: gzip, shuffle, Fletcher's checksum, szip, n-bit,
# scale-offset; and LZF, of h5py.
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
# An array may be this many times as large as what is stored of it, and this many bytes more.
_RATIO = 16
_SLACK = 64 * 2**20


def _refuse(what: str, name: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"The weights file holds {what}, which no model needs.\nReceived: {name!r} in the file\n"
        "Do not use it, unless you can get it from its author in another form."
    )


def member(group: h5py.Group, name: str):
    """Return a group or dataset directly in `group`, or None if there is none.

    Raises:
        UnsafeModelError: if it lies outside of the file, or is no plain array.
    """
    link = group.get(name, getlink=True) if name in group.keys() else None
    if link is None:
        return None
    where = f"{group.name.rstrip('/')}/{name}"
    if not isinstance(link, h5py.HardLink):
        raise _refuse("a link", where)
    found = group[name]
    if isinstance(found, h5py.Dataset):
        check_dataset(found)
    elif not isinstance(found, h5py.Group):
        raise _refuse("something that is neither a group nor an array", where)
    return found


def find(group: h5py.Group, path: str):
    """Return what is at `path`, looked up step by step, or None."""
    found = group
    for name in filter(None, path.split("/")):
        if not isinstance(found, h5py.Group):
            return None
        found = member(found, name)
    return found


def check_dataset(dataset: h5py.Dataset) -> None:
    """Raise UnsafeModelError unless a dataset is an array of numbers stored in its file."""
    creation = dataset.id.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL:
        raise _refuse("a virtual dataset", dataset.name)
    if creation.get_external_count():
        raise _refuse("an array stored in another file", dataset.name)
    for index in range(creation.get_nfilters()):
        if creation.get_filter(index)[0] not in _FILTERS:
            raise _refuse("an array behind a filter plugin", dataset.name)
    if dataset.shape is None:
        raise _refuse("an array without a shape", dataset.name)
    declared = int(np.prod([int(n) for n in dataset.shape], dtype=object)) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if declared > _RATIO * stored + _SLACK:
        raise _refuse(
            f"an array that declares {declared:,} bytes and stores {stored:,}", dataset.name
        )


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
            raise _refuse(f"numbers of the unknown dtype {name[:40]!r}", dataset.name) from None
        if dtype.itemsize != dataset.dtype.itemsize or dataset.dtype.fields:
            raise _refuse(f"numbers of another size than {name!r}", dataset.name)
        return dataset[()].view(dtype)
    if dataset.dtype.kind not in "biufc":
        raise _refuse(f"an array of {dataset.dtype}, which are no numbers,", dataset.name)
    return np.asarray(dataset[()])


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
            found = member(group, str(name))
            if isinstance(found, h5py.Dataset):
                return found
        raise KeyError(name)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all arrays."""
        return {name: self.dataset(name).shape for name in self}

    def __getitem__(self, name) -> np.ndarray:
        return array_of(self.dataset(name))

    def __iter__(self) -> Iterator[str]:
        for group in self._groups:
            yield from group.keys()

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups)


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
        for path in _parts_in(self._file, "", 0):
            if everything or path.split("/")[0] != "optimizer":
                yield path


def _parts_in(group: h5py.Group, path: str, depth: int) -> Iterator[str]:
    # No model is nested so deep: the file would be one that goes in circles.
    if depth > 50:
        raise _refuse("groups nested without end", path)
    for name in group.keys():
        child = member(group, name)
        if not isinstance(child, h5py.Group):
            continue
        if name == "vars":
            if path and len(child):
                yield path
        else:
            yield from _parts_in(child, f"{path}/{name}" if path else name, depth + 1)


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
