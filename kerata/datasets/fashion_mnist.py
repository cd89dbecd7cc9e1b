"""Articles of clothing, 28x28 pixels: a harder drop-in for MNIST."""

import gzip
import math
import os
import struct
import zlib

import numpy as np

from kerata.datasets import files

_FOLDER = os.path.join("datasets", "fashion-mnist")
_LARGEST = 2**28  # bytes of an array


def load_data():
    """Return the Fashion-MNIST pictures: 60,000 for training and 10,000 for testing.

    Downloaded on first use (31 MB). The classes are 0 T-shirt or top, 1 trousers, 2 pullover,
    3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images, `(samples, 28, 28)`, uint8 from 0
        (background) to 255; and labels, `(samples,)`, uint8 from 0 to 9.

    Source: H. Xiao et al., "Fashion-MNIST: a Novel Image Dataset", https://arxiv.org/abs/1708.07747
    """
    parts = []
    for part in ("train", "t10k"):
        images, labels = (
            _read(files.fetch(f"{part}-{kind}-ubyte.gz", cache_subdir=_FOLDER))
            for kind in ("images-idx3", "labels-idx1")
        )
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ValueError(
                "There must be one label for each image of Fashion-MNIST.\n"
                f"Received: arrays of shapes {images.shape} and {labels.shape}"
            )
        parts.append((images, labels))
    return tuple(parts)


def _read(path: str) -> np.ndarray:
    """Return the array of bytes in a compressed IDX file: it begins with its rank and its sizes."""
    try:
        with gzip.open(path) as file:
            zeros, kind, rank = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{rank}I", file.read(4 * rank))
            contents = file.read(min(math.prod(shape), _LARGEST) + 1)
    except (OSError, EOFError, zlib.error, struct.error):
        zeros, kind, shape, contents = 1, 0, (), b""
    if zeros or kind != 8 or len(contents) != math.prod(shape):
        raise ValueError(
            f"The file is damaged: it is no compressed array of bytes.\nReceived: {path!r}"
        )
    return np.frombuffer(contents, "uint8").reshape(shape)
