"""Weights as safetensors: a JSON header that names the arrays, then their bytes, and nothing else.

Format: https://huggingface.co/docs/safetensors. A weight is called by its place and its own name,
"layers/dense/kernel"; the `names` of `save_weights` and `load_weights` put others in their place.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import IO

import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import DamagedFileError, UnsafeModelError, unknown_name
from kerata.engine.reading import parse
from kerata.layers.adapting import Adaptable
from kerata.layers.layer import Layer
from kerata.layers.state import State
from kerata.saving.walk import parts

SUFFIX = ".safetensors"
# What other readers take as well.
_HEADER_LIMIT = 100_000_000
_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "BF16": "bfloat16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
_LETTERS = {name: letters for letters, name in _DTYPES.items()}

Change = Callable[[np.ndarray], np.ndarray]
Names = Mapping[str, object] | Callable[[str], object] | None


def _renamed(names: Names, *spellings: str) -> tuple[str | None, Change | None]:
    """Return what `names` puts in place of a name, and what changes the array."""
    if names is None:
        return spellings[0], None
    if callable(names):
        found = names(spellings[0])
    else:
        found = next((names[s] for s in spellings if s in names), spellings[0])
    change = None
    if isinstance(found, tuple) and len(found) == 2 and callable(found[1]):
        found, change = found
    if found is not None and not isinstance(found, str):
        raise TypeError(
            "`names` must give a name, a pair (name, function of the array), or None to leave a "
            f"weight out.\nReceived: {found!r} for {spellings[0]!r}"
        )
    return found, change


def _labels(layer: Layer) -> dict[str, str]:
    """Return the names of a layer's weights, by the keys under which it saves them."""
    if type(layer).save_own_variables not in (
        State.save_own_variables,
        Adaptable.save_own_variables,
    ):
        store: dict = {}
        layer.save_own_variables(store)
        return {key: key for key in store}
    names = [v.name for v in layer._in_files()]
    unique = [n if names.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(names)]
    return {str(i): name for i, name in enumerate(unique)}


def _paths(model, variable) -> list[str]:
    """Return the path of a variable, and that without the name of the model."""
    return [variable.path, variable.path.removeprefix(f"{model.name}/")]


def _weights(model, is_there=None, skip=()) -> Iterator[tuple[str, Layer]]:
    """Yield the layers of a model, with their paths."""
    for path, part in parts(model, is_there, skip):
        if isinstance(part, Layer):
            yield f"{path}/" if path else "", part


def write(model, file: IO[bytes], names: Names = None, skip=()) -> None:
    """Write the weights of a model.

    Args:
        model: the model.
        file: binary file, open for writing.
        names: see `save_weights`.
        skip: layers to leave out.

    Raises:
        ValueError: if two weights get one name, or a weight is of a dtype that the format lacks.
    """
    arrays: dict[str, np.ndarray] = {}
    written: dict[str, object] = {}
    for path, layer in _weights(model, skip=skip):
        store: dict = {}
        layer.save_own_variables(store)
        labels = _labels(layer)
        variables = layer._in_files()
        variables_of = dict(zip(labels, variables)) if len(labels) == len(variables) else {}
        for key, value in store.items():
            spellings = [f"{path}{labels.get(key, key)}"]
            spellings += _paths(model, variables_of[key]) if key in variables_of else []
            name, change = _renamed(names, *spellings)
            if name is None:
                continue
            array = np.asarray(value if change is None else change(np.asarray(value)))
            if array.dtype.name not in _LETTERS:
                raise ValueError(
                    f"Safetensors have no dtype {array.dtype.name}.\nReceived: {spellings[0]!r}"
                )
            variable = variables_of.get(key, value)
            if written.setdefault(name, variable) is not variable:
                raise ValueError(
                    "Two weights would have one name.\n"
                    f"Received: {name!r}, also for {spellings[0]!r}"
                )
            arrays[name] = array
    # Wide numbers first, as all writers do: then each array begins at a multiple of its width.
    ordered = sorted(arrays, key=lambda n: (-arrays[n].dtype.itemsize, n))
    header: dict = {"__metadata__": {"format": "np"}}
    end = 0
    for name in ordered:
        array, start = arrays[name], end
        end += array.nbytes
        header[name] = {
            "dtype": _LETTERS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in ordered:
        file.write(arrays[name].tobytes())


class _Entry:
    """An array in a file: its shape is known, its numbers are read when they are asked for."""

    def __init__(self, file: IO[bytes], start: int, shape: tuple[int, ...], dtype: np.dtype):
        self._file, self._start, self._shape, self.dtype = file, start, shape, dtype
        self.change: Change | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape if self.change is None else self.read().shape

    def read(self) -> np.ndarray:
        self._file.seek(self._start)
        data = self._file.read(math.prod(self._shape) * self.dtype.itemsize)
        array = np.frombuffer(data, self.dtype).reshape(self._shape)
        return array if self.change is None else np.asarray(self.change(array))


def entries(file: IO[bytes], name: str) -> dict[str, _Entry]:
    """Return the arrays in an open file by their names, after checking all that the header says.

    Args:
        file: the file, open in binary mode.
        name: what to call it in messages.

    Raises:
        DamagedFileError: if the file is cut short, or its header is no JSON.
        UnsafeModelError: if the header is not one that a writer makes.
    """

    def refuse(what: str) -> UnsafeModelError:
        return UnsafeModelError(
            f"The file is not safetensors as any program writes them: {what}.\nReceived: {name!r}"
        )

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > _HEADER_LIMIT:
        raise refuse(f"it declares a header of {length:,} bytes")
    if size < 8 + length:
        raise DamagedFileError(f"The file is cut short, within its header.\nReceived: {name!r}")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise refuse("the header is no JSON object")
    header = parse(text, "the header", name)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(x, str) for x in metadata.values()):
        raise refuse("`__metadata__` holds more than texts")
    found: dict[str, _Entry] = {}
    places = []
    for key, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise refuse(f"{key[:60]!r} has no dtype, shape and data_offsets")
        letters, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(letters, str) or letters not in _DTYPES:
            raise refuse(f"{key[:60]!r} is of the unknown dtype {str(letters)[:20]!r}")
        if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
            raise refuse(f"the shape or the offsets of {key[:60]!r} are no sizes")
        dtype = np.dtype(jnp.dtype(_DTYPES[letters]))
        if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
            raise refuse(f"{key[:60]!r} takes another space than its shape {tuple(shape)}"[:200])
        places.append(offsets)
        found[key] = _Entry(file, 8 + length + offsets[0], tuple(shape), dtype)
    end = 0
    for start, stop in sorted(places):
        if start != end:
            raise refuse("arrays overlap, or there is space between them")
        end = stop
    if size < 8 + length + end:
        raise DamagedFileError(f"The file is cut short, within its arrays.\nReceived: {name!r}")
    if size > 8 + length + end:
        raise refuse("there is something behind the arrays")
    return found


def _are_sizes(x) -> bool:
    return isinstance(x, list) and all(type(n) is int and 0 <= n < 2**63 for n in x)


class _Store(Mapping):
    """The arrays of one layer, by the keys under which it saves them: see `hdf5.Reader`."""

    def __init__(self, found: dict[str, _Entry]):
        self._found = found

    def dataset(self, name) -> _Entry:
        return self._found[str(name)]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self._found.items()}

    def __getitem__(self, name) -> np.ndarray:
        return self._found[str(name)].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class Source:
    """Weights in an open file, as those of a model: see `hdf5.Source`.

    Args:
        file: the file, open in binary mode.
        name: what to call it in messages.
        model: the model that is to have the weights.
        names: see `load_weights`.

    Raises:
        ValueError: if `names` gives what the model does not have, or the same weight twice.
    """

    kinds = Layer

    def __init__(self, file: IO[bytes], name: str, model, names: Names = None):
        spellings: dict[str, str] = {}
        known: dict[str, str] = {}
        # A weight may stand in two layers, as that of SpectralNormalization's does.
        places: dict[int, list[str]] = {}
        for path, layer in _weights(model):
            labels, variables = _labels(layer).values(), layer._in_files()
            known |= {f"{path}{label}": f"{path}{label}" for label in labels}
            if len(labels) == len(variables):
                for label, variable in zip(labels, variables):
                    for spelling in _paths(model, variable):
                        spellings.setdefault(spelling, f"{path}{label}")
                    places.setdefault(id(variable), []).append(f"{path}{label}")
        known = spellings | known
        self._found: dict[str, _Entry] = {}
        for key, entry in entries(file, name).items():
            target, entry.change = _renamed(names, key)
            if target is None:
                continue
            if target not in known and target != key:
                raise unknown_name(f"weight of model {model.name!r}", target, list(known))
            target = known.get(target, target)
            if target in self._found:
                raise ValueError(
                    f"`names` must give each weight once.\nReceived: {target!r}, also for {key!r}"
                )
            self._found[target] = entry
        for first, *others in places.values():
            if first in self._found:
                self._found |= {p: self._found[first] for p in others if p not in self._found}
        self._stores = {
            path.rstrip("/"): _Store(self._of(path, layer))
            for path, layer in _weights(model, self.is_there)
        }
        used = {id(entry) for store in self._stores.values() for entry in store._found.values()}
        self._left = [key for key, entry in self._found.items() if id(entry) not in used]

    def _of(self, path: str, layer: Layer) -> dict[str, _Entry]:
        found = {key: self._found.get(f"{path}{label}") for key, label in _labels(layer).items()}
        return {key: entry for key, entry in found.items() if entry is not None}

    def is_there(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in self._found)

    def store(self, path: str) -> _Store:
        return self._stores.get(path) or _Store({})

    def parts(self) -> Iterator[str]:
        """Yield the names of arrays for which the model has no weight."""
        yield from self._left
