"""Resizing pictures in NumPy, one by one, each of its own size: nothing is compiled for it.

Values are those of `tf.image.resize` (without antialiasing): pixels' centres lie at half numbers.
"""

import functools
import math

import numpy as np

from kerata.utils.images import crop_to_shape


def _lanczos(radius):
    return lambda x: np.sinc(x) * np.sinc(x / radius)


def _cubic(b, c):
    """The cubic filters of Mitchell and Netravali (1988)."""

    def kernel(x):
        near = (12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + 6 - 2 * b
        far = (-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 - (12 * b + 48 * c) * x + 8 * b + 24 * c
        return np.where(x < 1, near, far) / 6

    return kernel


# Radius, and weight at a distance, in pixels.
KERNELS = {
    "bicubic": (2, _cubic(0, 0.5)),
    "mitchellcubic": (2, _cubic(1 / 3, 1 / 3)),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "gaussian": (1.5, lambda x: np.exp(-2 * x**2)),
}
INTERPOLATIONS = ("nearest", "bilinear", "area", *KERNELS)


@functools.lru_cache(256)
def _weights(size: int, target: int, interpolation: str) -> np.ndarray:
    """Return the matrix `(target, size)` that resizes an axis."""
    scale = size / target
    if interpolation == "area":
        edges = np.arange(target + 1) * scale
        pixel = np.arange(size)
        low, high = edges[:-1, None], edges[1:, None]
        weights = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    else:
        radius, kernel = KERNELS[interpolation]
        place = (np.arange(target)[:, None] + 0.5) * scale - 0.5
        distance = np.abs(place - np.arange(size))
        weights = np.where(distance < radius, kernel(distance), 0)
    return (weights / weights.sum(1, keepdims=True)).astype("float32")


@functools.lru_cache(256)
def _neighbours(size: int, target: int, channels: int):
    """Return the numbers on both sides of each new one, in a row of pixels with `channels` numbers
    each, and the share of the second."""
    place = np.clip((np.arange(target) + 0.5) * (size / target) - 0.5, 0, size - 1)
    low = place.astype(int)
    high = np.minimum(low + 1, size - 1)
    share = np.repeat((place - low).astype("float32"), channels)
    low, high = ((n[:, None] * channels + np.arange(channels)).ravel() for n in (low, high))
    return low, high, share


def _resize_axis(image: np.ndarray, target: int, axis: int, interpolation: str) -> np.ndarray:
    size = image.shape[axis]
    if size == target:
        return image
    if interpolation == "nearest":
        place = ((np.arange(target) + 0.5) * (size / target)).astype(int)
        return image.take(np.minimum(place, size - 1), axis)
    if interpolation == "bilinear":
        # As a matrix: NumPy is slow where the last axis is short.
        height, width, channels = image.shape
        low, high, share = _neighbours(size, target, channels if axis else 1)
        matrix = image.reshape(height, width * channels)
        first = matrix.take(low, axis).astype("float32", copy=False)
        second = matrix.take(high, axis).astype("float32", copy=False)
        second -= first
        second *= share if axis else share[:, None]
        first += second
        return first.reshape(height if axis else target, -1, channels)
    moved = np.tensordot(_weights(size, target, interpolation), image.astype("float32"), (1, axis))
    return np.moveaxis(moved, 0, axis)


def resize(
    image: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear", fit: str = "squeeze"
) -> np.ndarray:
    """Return a picture in another size, as float32.

    Args:
        image: array `(height, width, channels)`.
        size: `(height, width)`.
        interpolation: one of `INTERPOLATIONS`.
        fit: what to do with another shape: "squeeze" it; "crop" what does not fit, evenly on both
            sides; or "pad" with zeros.
    """
    height, width = size
    if fit == "crop":
        image = image[crop_to_shape(image.shape[:2], size)]
    elif fit == "pad":
        ratio = max(image.shape[0] / height, image.shape[1] / width)
        height, width = (max(math.floor(n / ratio), 1) for n in image.shape[:2])
    # The cheaper axis first: the one that shrinks more.
    axes = sorted((0, 1), key=lambda axis: (height, width)[axis] / image.shape[axis])
    for axis in axes:
        image = _resize_axis(image, (height, width)[axis], axis, interpolation)
    image = image.astype("float32", copy=False)
    if fit == "pad":
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        padded = np.zeros((*size, image.shape[2]), "float32")
        padded[top : top + height, left : left + width] = image
        image = padded
    return image
