"""Handwritten digits, 28x28 pixels."""

from kerata.datasets import files


def load_data(path="mnist.npz"):
    """Return the MNIST digits: 60,000 images for training and 10,000 for testing.

    Downloaded on first use (11 MB).

    Args:
        path: name of the file in the cache, or an absolute path.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images, `(samples, 28, 28)`, uint8 from 0
        (background) to 255; and labels, `(samples,)`, uint8 from 0 to 9.

    Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.
    """
    arrays = files.read_npz(files.fetch("mnist.npz", path))
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
