"""The files of the data sets: where they come from, and how they are read.

Nothing that a file says is run: arrays are read as numbers, pickles by `kerata.datasets.pickles`.
"""

import json
import math
import os
import zipfile
from importlib import resources

import numpy as np

from kerata.datasets import pickles
from kerata.engine import settings
from kerata.utils.download import get_file

# URL and hash of each file; the hash is None if none is published.
SOURCES: dict[str, tuple[str, str | None]] = json.loads(
    resources.files("kerata.datasets").joinpath("sources.json").read_text(encoding="utf-8")
)


def fetch(name: str, path: str | None = None, **options) -> str:
    """Return the path of a file of `SOURCES` in the cache; download it if it is not there.

    Args:
        name: name in `SOURCES`.
        path: what to call it in the cache, or an absolute path; its own name if None.
        **options: further arguments of `kerata.utils.get_file`.
    """
    origin, file_hash = SOURCES[name]
    return get_file(path or name, origin=origin, file_hash=file_hash, **options)


def read_npz(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file. Arrays of lists are read without unpickling.

    Raises:
        ValueError: if it holds anything but numbers, strings and lists of them.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                header = np.lib.format.read_magic(file)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }
                if header not in read:
                    raise ValueError(f"Not an array that is known here.\nReceived: {name!r}")
                shape, _, dtype = read[header](file)
                declared = math.prod(shape) * dtype.itemsize
                if declared > archive.getinfo(name).file_size:
                    raise ValueError(
                        f"The header of an array must not declare more than there is.\n"
                        f"Received: {declared:,} bytes for {name!r} in {path!r}"
                    )
                if dtype.hasobject:
                    array = pickles.read(file.read(), name)
                    if not isinstance(array, np.ndarray):
                        raise ValueError(f"Not an array.\nReceived: {name!r} in {path!r}")
            if not dtype.hasobject:
                with archive.open(name) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
            arrays[name.removesuffix(".npy")] = array
    return arrays


def read_json(path: str) -> dict:
    """Return the JSON object in a file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def shuffled(arrays: list[np.ndarray], generator) -> list[np.ndarray]:
    """Return arrays of one length in one random order."""
    order = np.arange(len(arrays[0]))
    generator.shuffle(order)
    return [array[order] for array in arrays]


def load_table(name: str, path: str, test_split: float, seed: int, rows: int | None = None):
    """Return a data set of numbers with a target each, `(x, y)` of training and of test.

    Args:
        name: name in `SOURCES`.
        path: what to call the file in the cache.
        test_split: share of the rows that is for testing, in [0, 1).
        seed: integer that the order depends on.
        rows: how many rows to take; None for all.
    """
    check_share(test_split)
    arrays = read_npz(fetch(name, path))
    generator = np.random.RandomState(seed)
    x, y = shuffled([arrays["x"][:rows], arrays["y"][:rows]], generator)
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def check_share(test_split: float) -> None:
    """Raise ValueError unless `test_split` lies in [0, 1)."""
    if not 0 <= test_split < 1:
        raise ValueError(f"`test_split` must lie in [0, 1). Received: test_split={test_split}")


def read_batch(folder: str, name: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels, `(n, 1)`, of a file of the CIFAR data sets.

    Images have their channels where `kerata.config.image_data_format()` says.
    """
    path = os.path.join(folder, name)
    with open(path, "rb") as file:
        batch = pickles.read(file.read(), path)
    try:
        images = batch["data"].reshape(-1, 3, 32, 32)
        found = np.reshape(batch[labels], (len(images), 1))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The file is no batch of images of a CIFAR data set.\nReceived: {path!r}"
        ) from error
    if settings.image_data_format() == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return images, found
