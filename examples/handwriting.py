"""Handwritten digits in 17 levels of ink, and measures of what is drawn like them."""

import numpy as np

import kerata
from kerata import layers
from kerata.cli import pictures
from kerata.cli.guard import BadInput
from kerata.datasets import digits, mnist

LEVELS = 17  # a pixel's ink is a whole number from 0 to 16


def load(dataset):
    """Return `(images, labels), (x_test, y_test)`, with images `(n, side, side, 1)`.

    Args:
        dataset: "digits", 8×8 pixels, from scikit-learn; or "mnist", 28×28, which is downloaded.
    """
    if dataset not in ("digits", "mnist"):
        raise BadInput(f"--dataset must be digits or mnist, not {dataset!r}")
    parts = digits.load_data() if dataset == "digits" else mnist.load_data()
    divisor = 1 if dataset == "digits" else 15
    return tuple((np.minimum(x // divisor, 16)[..., None], y.astype(int)) for x, y in parts)


def tiles(images, columns=12):
    """Draw images with ink from 0 to 16 side by side."""
    return pictures.mosaic(np.asarray(images).reshape(*np.shape(images)[:3]) / 16, columns)


def pixel_tables(images, groups, x_test):
    """Return the test images' cost in nats if pixels are independent within each group."""
    levels = np.arange(LEVELS)
    logs = []
    for group in np.unique(groups):
        members = images[groups == group]
        # Half a sighting more of each level: what was not seen yet is not impossible.
        counts = np.stack([(members == level).sum(axis=0) for level in levels], axis=-1) + 0.5
        log_shares = np.log(counts / counts.sum(axis=-1, keepdims=True))
        log_pixels = np.take_along_axis(log_shares[None], x_test[..., None].astype(int), axis=-1)
        logs.append(log_pixels.sum(axis=(1, 2, 3, 4)) + np.log(len(members) / len(images)))
    return float(-np.logaddexp.reduce(logs, axis=0).mean())


def classifier(shape):
    """Return a convnet that names the digit; its last layer but one are 32 features."""
    return kerata.Sequential(
        [
            kerata.Input(shape),
            layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def gaussian(images, count, generator):
    """Return images drawn from the normal distribution that has the images' mean and covariance."""
    flat = images.reshape(len(images), -1)
    drawn = generator.multivariate_normal(flat.mean(axis=0), np.cov(flat, rowvar=False), count)
    return np.clip(drawn, -1, 1).reshape(-1, *images.shape[1:]).astype("float32")


def frechet(features, others):
    """Return the Fréchet distance of two samples, taken for normal ones (Heusel et al., 2017)."""
    means = features.mean(axis=0) - others.mean(axis=0)
    one, other = (np.cov(sample, rowvar=False) for sample in (features, others))
    # The trace of the root of a product is the sum of the roots of its eigenvalues.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ other).real, 0))
    return float(means @ means + np.trace(one + other) - 2 * roots.sum())


def neighbours(images, others):
    """Return, for each image, the index of the nearest other one, and the distance to it."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1).fit(others.reshape(len(others), -1))
    distances, indices = search.kneighbors(images.reshape(len(images), -1))
    return indices[:, 0], distances[:, 0]
