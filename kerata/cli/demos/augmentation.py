"""More training images from the ones there are: small movements that keep their meaning."""

import numpy as np


def moved(images, views, generator, degrees=10, zoom=0.1, shift=1.0):
    """Return several views of each image: as it is, then turned, zoomed and shifted a little.

    Each pixel of a view is read, between four pixels, from where the inverse movement takes it;
    around the images is nothing (0).

    Args:
        images: `(n, height, width, 1)`, float32.
        views: number of views, the untouched one included.
        generator: `numpy.random.Generator`, the source of the movements.
        degrees: largest angle.
        zoom: largest change of size, as a share of it.
        shift: largest shift, in pixels, at most 1.

    Returns:
        `(views * n, height, width, 1)`, float32: all images once, then all again, moved, …
    """
    copies = np.tile(images, (views - 1, 1, 1, 1))
    count, height, width, _ = copies.shape
    angle = np.deg2rad(generator.uniform(-degrees, degrees, (count, 1, 1)))
    scale = generator.uniform(1 - zoom, 1 + zoom, (count, 1, 1))
    down, right = generator.uniform(-shift, shift, (2, count, 1, 1))

    margin = 2
    y, x = np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2
    from_y = (np.cos(angle) * y - np.sin(angle) * x) / scale + down + (height - 1) / 2 + margin
    from_x = (np.sin(angle) * y + np.cos(angle) * x) / scale + right + (width - 1) / 2 + margin
    from_y = np.clip(from_y, 0, height + 2 * margin - 1.001)
    from_x = np.clip(from_x, 0, width + 2 * margin - 1.001)
    top, left = from_y.astype(int), from_x.astype(int)
    below, beside = from_y - top, from_x - left

    padded = np.pad(copies[..., 0], ((0, 0), (margin, margin), (margin, margin)))
    n = np.arange(count)[:, None, None]
    upper = (1 - beside) * padded[n, top, left] + beside * padded[n, top, left + 1]
    lower = (1 - beside) * padded[n, top + 1, left] + beside * padded[n, top + 1, left + 1]
    result = (1 - below) * upper + below * lower
    return np.concatenate([images, result[..., None].astype("float32")])
