"""Colour pictures of 100 kinds of things, 32x32 pixels."""

import os

from kerata.datasets import files
from kerata.engine.errors import one_of

_NAME = "cifar-100-python"


def load_data(label_mode="fine"):
    """Return the CIFAR-100 pictures: 50,000 for training and 10,000 for testing.

    Downloaded on first use (169 MB).

    Args:
        label_mode: "fine" for the 100 classes, "coarse" for the 20 groups that they form.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images, `(samples, 32, 32, 3)` (or
        `(samples, 3, 32, 32)` with the setting "channels_first"), uint8; and labels,
        `(samples, 1)`, integers.

    Raises:
        ValueError: if `label_mode` is something else.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    one_of("label_mode", label_mode, ("fine", "coarse"), "cifar100.load_data()")
    folder = os.path.join(files.fetch(f"{_NAME}-target", extract=True), _NAME)
    train, test = (files.read_batch(folder, n, f"{label_mode}_labels") for n in ("train", "test"))
    return train, test
