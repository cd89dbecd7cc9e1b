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
    """The arrays of one group, by name: what `load_own_variables` is given.

    Args:
        group: the group; None for one that is empty.
    """

    def __init__(self, group: h5py.Group | None):
        self._group = group

    def dataset(self, name) -> h5py.Dataset:
        """Return a dataset by its name, checked, not read yet.

        Raises:
            KeyError: if there is none.
        """
        found = None if self._group is None else member(self._group, str(name))
        if not isinstance(found, h5py.Dataset):
            raise KeyError(name)
        return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all arrays."""
        return {name: self.dataset(name).shape for name in self}

    def __getitem__(self, name) -> np.ndarray:
        return array_of(self.dataset(name))

    def __iter__(self) -> Iterator[str]:
        return iter(()) if self._group is None else iter(self._group.keys())

    def __len__(self) -> int:
        return 0 if self._group is None else len(self._group)


class Writer(MutableMapping):
    """Writes arrays into a group, by name: what `save_own_variables` is given."""

    def __init__(self, group: h5py.Group):
        self._group = group

    def __setitem__(self, name, value) -> None:
        value = np.asarray(value)
        if value.dtype.kind == "V":
            # A float type that HDF5 has no name for, such as bfloat16: its bytes, and its name.
            dataset = self._group.create_dataset(
                str(name), data=value.view(f"V{value.dtype.itemsize}")
            )
            dataset.attrs["dtype"] = value.dtype.name
        else:
            self._group.create_dataset(str(name), data=value)

    def __getitem__(self, name) -> np.ndarray:
        return array_of(self._group[str(name)])

    def __delitem__(self, name) -> None:
        del self._group[str(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._group.keys())

    def __len__(self) -> int:
        return len(self._group)
