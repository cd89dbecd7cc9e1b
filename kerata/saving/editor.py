"""KerasFileEditor: look at the weights in a file, compare them with a model, move them about."""

import io
import os
import posixpath

import h5py
import numpy as np

from kerata.engine.errors import unknown_name
from kerata.saving import archive as zipped_model, hdf5, weights
from kerata.saving.api import check_file


class KerasFileEditor:
    """The weights of a file, to read, compare and edit.

    Objects are named by their path in the file, "layers/dense_1", or by the end of it, "dense_1".
    Nothing changes in the file itself: `save` writes a new one.

    Args:
        filepath: path of a `.keras` or `.weights.h5` file.

    Raises:
        ValueError: if there is no such file, or it holds no weights.
        UnsafeModelError: if it holds what no model needs.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "x.weights.h5")
        >>> model = kerata.Sequential([kerata.Input((3,)), kerata.layers.Dense(2)])
        >>> model.save_weights(path)
        >>> editor = kerata.saving.KerasFileEditor(path)
        >>> editor.rename_object("dense", "encoder")
        >>> editor.summary()
        layers/encoder
            0: (3, 2) float32
            1: (2,) float32
    """

    def __init__(self, filepath):
        path = os.fspath(filepath)
        self.filepath = path
        self.metadata: dict | None = None
        self.config: dict | None = None
        check_file(path)
        if path.endswith(".keras"):
            with open(path, "rb") as file:
                archive = zipped_model.Archive(file, path)
                self.config = archive.read_json(zipped_model.CONFIG)
                if zipped_model.METADATA in archive:
                    self.metadata = archive.read_json(zipped_model.METADATA)
                with archive.weights() as member, hdf5.opened(member, path) as (h5, _):
                    self._objects, self._names = _read(h5)
        elif path.endswith(".weights.h5"):
            with hdf5.opened(path, path) as (h5, _):
                self._objects, self._names = _read(h5)
        else:
            raise ValueError(f"The path must end in `.keras` or `.weights.h5`.\nReceived: {path!r}")

    @property
    def weights_dict(self) -> dict:
        """The weights as nested dicts along the paths."""
        result: dict = {}
        for path, arrays in self._objects.items():
            place = result
            for part in path.split("/") if path else ():
                place = place.setdefault(part, {})
            place.update(arrays)
        return result

    def summary(self) -> None:
        """Print all objects, with the shapes and dtypes of their weights."""
        for path, arrays in self._objects.items():
            print(path or "(the model itself)")
            for name, value in arrays.items():
                print(f"    {name}: {value.shape} {value.dtype}")

    def compare(self, reference_model) -> dict:
        """Print how the weights differ from those of a model.

        Args:
            reference_model: the model; it must be built.

        Returns:
            A dict with the keys "status" ("success" or "error"), "error_count" and "match_count".
        """
        theirs = _of_model(reference_model)
        errors, matches = 0, 0
        for path in sorted({*self._objects, *theirs}):
            mine = self._objects.get(path)
            if mine is None or path not in theirs:
                where = "model" if mine is None else "file"
                if path.split("/")[0] != "optimizer" or mine is None:
                    print(f"{path}: only in the {where}")
                    errors += 1
                continue
            for name in sorted({*mine, *theirs[path]}):
                shapes = [None if name not in a else a[name].shape for a in (mine, theirs[path])]
                if shapes[0] == shapes[1]:
                    matches += 1
                else:
                    print(f"{path}/{name}: {shapes[0]} in the file, {shapes[1]} in the model")
                    errors += 1
        print(f"{errors} differences, {matches} weights alike")
        status = "error" if errors else "success"
        return {"status": status, "error_count": errors, "match_count": matches}

    def _find(self, name: str) -> str:
        """Return the path of the object, or of the group of objects, of that name."""
        paths = set(self._objects)
        for path in self._objects:
            while path := posixpath.dirname(path):
                paths.add(path)
        name = name.strip("/")
        if name in paths:
            return name
        found = sorted(p for p in paths if p.endswith(f"/{name}"))
        if not found:
            raise unknown_name("object in the file", name, sorted(paths))
        if len(found) > 1:
            raise ValueError(
                f"The name must be that of one object.\nReceived: {name!r}, which is one of {found}"
            )
        return found[0]

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Give an object another name, at the same place.

        Args:
            object_name: its path, or the end of it.
            new_name: name without "/".
        """
        old = self._find(object_name)
        if "/" in new_name:
            raise ValueError(f"A name must be without '/'.\nReceived: new_name={new_name!r}")
        new = posixpath.join(posixpath.dirname(old), new_name)
        if any(path == new or path.startswith(f"{new}/") for path in self._objects):
            raise ValueError(f"There is an object of that name already.\nReceived: {new!r}")
        self._objects = {_moved(path, old, new): a for path, a in self._objects.items()}
        self._names = {_moved(path, old, new): n for path, n in self._names.items()}

    def delete_object(self, object_name: str) -> None:
        """Remove an object, with all objects inside it."""
        gone = self._find(object_name)
        self._objects = {
            path: arrays
            for path, arrays in self._objects.items()
            if path != gone and not path.startswith(f"{gone}/")
        }

    def add_object(self, object_path: str, weights: dict) -> None:
        """Add an object.

        Args:
            object_path: its full path.
            weights: dict from names to arrays.
        """
        path = object_path.strip("/")
        if path in self._objects:
            raise ValueError(f"There is an object at that path already.\nReceived: {path!r}")
        self._objects[path] = {str(k): np.asarray(v) for k, v in weights.items()}

    def add_weights(self, object_name: str, weights: dict) -> None:
        """Add weights to an object.

        Args:
            object_name: its path, or the end of it.
            weights: dict from names to arrays.
        """
        self._objects[self._find(object_name)].update(
            {str(k): np.asarray(v) for k, v in weights.items()}
        )

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Remove one of an object's weights."""
        path = self._find(object_name)
        if str(weight_name) not in self._objects[path]:
            raise unknown_name(f"weight in {path!r}", weight_name, self._objects[path])
        del self._objects[path][str(weight_name)]

    def save(self, filepath) -> None:
        """Write the weights, as they are now, to a new file.

        Args:
            filepath: path that ends in `.weights.h5`.
        """
        path = os.fspath(filepath)
        if not path.endswith(".weights.h5"):
            raise ValueError(f"The path must end in `.weights.h5`.\nReceived: {path!r}")
        with hdf5.writing(path) as h5:
            for place, arrays in self._objects.items():
                group = h5.require_group(f"{place}/vars" if place else "vars")
                if place in self._names:
                    group.attrs["name"] = self._names[place]
                for name, value in arrays.items():
                    hdf5.put(group, name, value)

    def resave_weights(self, filepath) -> None:
        """Write the weights to a new file: the same as `save`."""
        self.save(filepath)


def _moved(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path


def _read(h5: h5py.File) -> tuple[dict, dict]:
    """Return the arrays, and the names, of all objects in a file, by path."""
    objects, names = {}, {}
    source = hdf5.Source(h5)
    for path in ("", *source.parts(everything=True)):
        store = source.store(path)
        if len(store):
            objects[path] = dict(store)
        group = hdf5.find(h5, f"{path}/vars")
        if group is not None and isinstance(name := group.attrs.get("name"), str):
            names[path] = name
    return objects, names


def _of_model(model) -> dict:
    """Return the arrays of a model as they would stand in a file."""
    with h5py.File(io.BytesIO(), "w") as h5:
        weights.write(model, h5)
        return _read(h5)[0]
