"""Colour pictures of 10 kinds of things, 32x32 pixels."""

import os

import numpy as np

from kerata.datasets import files

_NAME = "cifar-10-batches-py"


def load_data():
    """Return the CIFAR-10 pictures: 50,000 for training and 10,000 for testing.

    Downloaded on first use (170 MB). The classes are 0 airplane, 1 automobile, 2 bird, 3 cat,
    4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images, `(samples, 32, 32, 3)` (or
        `(samples, 3, 32, 32)` with the setting "channels_first"), uint8; and labels,
        `(samples, 1)`, uint8 from 0 to 9.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    folder = os.path.join(files.fetch(f"{_NAME}-target", extract=True), _NAME)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    batches = [files.read_batch(folder, name, "labels") for name in names]
    *train, (x_test, y_test) = [(images, labels.astype("uint8")) for images, labels in batches]
    x_train, y_train = (np.concatenate(part) for part in zip(*train))
    return (x_train, y_train), (x_test, y_test)
