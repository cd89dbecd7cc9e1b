"""Files that would set off a harmless canary, made out of good ones."""

import base64
import dataclasses
import io
import json
import marshal
import os
import pathlib
import pickle
import zipfile

import h5py


@dataclasses.dataclass
class Canary:
    """What an attack would touch.

    Attributes:
        marker: path of a file that code would make.
        secret: path of a file that would be read.
        url: address that would be called.
    """

    marker: pathlib.Path
    secret: pathlib.Path
    url: str

    @property
    def code(self) -> str:
        """A function's code, as Keras writes it, that makes the marker."""
        code = compile(f"lambda x: open({str(self.marker)!r}, 'w') and x", "x", "eval")
        return base64.b64encode(marshal.dumps(code.co_consts[0])).decode()

    @property
    def python_lambda(self) -> dict:
        """The config of a Python lambda with that code."""
        config = {"code": self.code, "defaults": None, "closure": None}
        return {"class_name": "__lambda__", "config": config}

    @property
    def pickle(self) -> str:
        """A pickle that makes the marker, in Base64."""
        return base64.b64encode(pickle.dumps(_Touch(str(self.marker)))).decode()


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def members_of(path) -> dict[str, bytes]:
    """Return the members of an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(path, members, compression=zipfile.ZIP_STORED):
    """Write an archive of (name or ZipInfo, bytes); return its path."""
    pairs = members.items() if isinstance(members, dict) else members
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in pairs:
            file.writestr(name, data)
    return path


def with_config(good, path, edit):
    """Write a variant of a model file whose config `edit` changed in place; return its path."""
    members = members_of(good)
    config = json.loads(members["config.json"])
    edit(config)
    members["config.json"] = json.dumps(config).encode()
    return archive(path, members)


def with_weights(good, path, edit):
    """Write a variant of a model file whose HDF5 weights `edit` changed; return its path."""
    members = members_of(good)
    memory = io.BytesIO(members["model.weights.h5"])
    with h5py.File(memory, "r+") as file:
        edit(file)
    members["model.weights.h5"] = memory.getvalue()
    return archive(path, members)


def dense(config) -> dict:
    """Return the entry of the first dense layer in a config."""
    return config["config"]["layers"][1]


def becomes(class_name, place="keras.layers", **config):
    """Return a function that puts another layer in the place of the only one of `plain.keras`."""

    def edit(whole):
        entry = dense(whole)
        entry.pop("build_config", None)
        entry.update(module=place, class_name=class_name, registered_name=None)
        entry["config"] = {"name": "x", "trainable": True, "dtype": "float32", **config}

    edit.base = "plain.keras"
    return edit
