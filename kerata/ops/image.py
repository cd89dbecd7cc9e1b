"""Images; the public namespace `kerata.ops.image`.

An image has shape `(height, width, channels)`, a batch of them `(batch, height, width, channels)`;
with `data_format="channels_first"` the channels go before the height.
"""

import jax.numpy as jnp
import numpy as np

from kerata.engine import settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, int_tuple, positive_int
from kerata.engine.op import op
from kerata.kernels.depthwise import depthwise_conv
from kerata.ops.arguments import array
from kerata.ops.pooling import check_padding
from kerata.ops.resampling import (
    affine_transform as affine_transform,
    as_batch,
    check_rank,
    elastic_transform as elastic_transform,
    gaussian_blur as gaussian_blur,
    gaussian_window,
    map_coordinates as map_coordinates,
    perspective_transform as perspective_transform,
    resize as resize,
    scale_and_translate as scale_and_translate,
)

# Colours


def _colours(images, data_format, function):
    """Apply `function(red, green, blue)` to float images; join what it returns as channels."""
    x = array(images)
    check_rank(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"`images` must be floating.\nReceived: dtype {x.dtype}")
    return _join(x, data_format, function)


def _join(x, data_format, function):
    axis = -1 if settings.data_format(data_format) == "channels_last" else -3
    if x.shape[axis] != 3:
        raise ValueError(
            f"`images` must have 3 channels, on axis {axis}.\nReceived: shape {x.shape}"
        )
    return jnp.stack(function(*jnp.moveaxis(x, axis, 0)), axis)


@op
def rgb_to_grayscale(images, data_format=None):
    """Return the brightness of coloured images: 0.2989 red + 0.587 green + 0.114 blue.

    Args:
        images: images with 3 channels, of any dtype.
        data_format: None for `image_data_format()`.

    Returns:
        Images with one channel, in the dtype of `images`.

    Example:
        >>> kerata.ops.image.rgb_to_grayscale(kerata.ops.ones((2, 2, 3))).shape
        (2, 2, 1)
    """
    x = array(images)
    check_rank(x)

    def brightness(red, green, blue):
        return [0.2989 * red + 0.587 * green + 0.114 * blue]

    return _join(as_float(x), data_format, brightness).astype(x.dtype)


@op
def rgb_to_hsv(images, data_format=None):
    """Convert colours from red, green, blue to hue, saturation, value.

    Args:
        images: floating images with 3 channels, in [0, 1].
        data_format: None for `image_data_format()`.

    Returns:
        Images of the same shape, in [0, 1].

    Example:
        >>> kerata.ops.image.rgb_to_hsv([[[1.0, 0.0, 0.0]]])
        Array([[[0., 1., 1.]]], dtype=float32)
    """

    def convert(red, green, blue):
        value = jnp.maximum(jnp.maximum(red, green), blue)
        span = value - jnp.minimum(jnp.minimum(red, green), blue)
        safe = jnp.where(span > 0, span, 1)
        # In sixths of the circle, beginning at red.
        sector = jnp.where(
            value == red,
            (green - blue) / safe,
            jnp.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
        )
        hue = jnp.where(span > 0, (sector / 6) % 1, 0)
        return hue, jnp.where(value > 0, span / jnp.where(value > 0, value, 1), 0), value

    return _colours(images, data_format, convert)


@op
def hsv_to_rgb(images, data_format=None):
    """Convert colours from hue, saturation, value to red, green, blue.

    Args:
        images: floating images with 3 channels, in [0, 1].
        data_format: None for `image_data_format()`.

    Returns:
        Images of the same shape, in [0, 1].

    Example:
        >>> kerata.ops.image.hsv_to_rgb([[[0.0, 1.0, 1.0]]])
        Array([[[1., 0., 0.]]], dtype=float32)
    """

    def convert(hue, saturation, value):
        def channel(offset):
            place = (offset + 6 * hue) % 6
            ramp = jnp.clip(jnp.minimum(place, 4 - place), 0, 1)
            return value * (1 - saturation * ramp)

        return channel(5), channel(3), channel(1)

    return _colours(images, data_format, convert)


# Margins


def _margins(before, after, target, size, names, crop):
    """Return the margins (before, after) from two of: before, after, the target size."""
    if [before, after, target].count(None) != 1:
        raise ValueError(
            f"Exactly two of {names} must be given.\nReceived: {before}, {after}, {target}"
        )
    total = size - target if crop and target is not None else None
    if target is not None and not crop:
        total = target - size
    before = total - after if before is None else before
    after = total - before if after is None else after
    if before < 0 or after < 0 or (crop and before + after >= size):
        raise ValueError(
            f"{names} must leave margins of 0 or more, and some of the image.\n"
            f"Received: margins {before} and {after} of an axis of size {size}"
        )
    return before, after


def _rows_and_columns(x, data_format):
    first = x.ndim - 3 + (settings.data_format(data_format) == "channels_first")
    return first, first + 1


@op
def crop_images(
    images,
    top_cropping=None,
    left_cropping=None,
    bottom_cropping=None,
    right_cropping=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Cut margins off.

    Of top, bottom and target height exactly two must be given, and so for the width.

    Args:
        images: images.
        top_cropping: rows to cut off at the top.
        left_cropping: columns to cut off at the left.
        bottom_cropping: rows to cut off at the bottom.
        right_cropping: columns to cut off at the right.
        target_height: rows that stay.
        target_width: columns that stay.
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.ones((4, 5, 3))
        >>> kerata.ops.image.crop_images(x, 1, 1, target_height=2, target_width=2).shape
        (2, 2, 3)
    """
    x = array(images)
    check_rank(x)
    rows, columns = _rows_and_columns(x, data_format)
    top, bottom = _margins(
        top_cropping, bottom_cropping, target_height, x.shape[rows],
        "top_cropping, bottom_cropping, target_height", crop=True,
    )  # fmt: skip
    left, right = _margins(
        left_cropping, right_cropping, target_width, x.shape[columns],
        "left_cropping, right_cropping, target_width", crop=True,
    )  # fmt: skip
    kept = [slice(None)] * x.ndim
    kept[rows] = slice(top, x.shape[rows] - bottom)
    kept[columns] = slice(left, x.shape[columns] - right)
    return x[tuple(kept)]


@op
def pad_images(
    images,
    top_padding=None,
    left_padding=None,
    bottom_padding=None,
    right_padding=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Add margins of zeros.

    Of top, bottom and target height exactly two must be given, and so for the width.

    Args:
        images: images.
        top_padding: rows to add at the top.
        left_padding: columns to add at the left.
        bottom_padding: rows to add at the bottom.
        right_padding: columns to add at the right.
        target_height: height of the result.
        target_width: width of the result.
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.ones((4, 5, 3))
        >>> kerata.ops.image.pad_images(x, 1, 1, 1, 1).shape
        (6, 7, 3)
    """
    x = array(images)
    check_rank(x)
    rows, columns = _rows_and_columns(x, data_format)
    margins = [(0, 0)] * x.ndim
    margins[rows] = _margins(
        top_padding, bottom_padding, target_height, x.shape[rows],
        "top_padding, bottom_padding, target_height", crop=False,
    )  # fmt: skip
    margins[columns] = _margins(
        left_padding, right_padding, target_width, x.shape[columns],
        "left_padding, right_padding, target_width", crop=False,
    )  # fmt: skip
    return jnp.pad(x, margins)


# Patches


def _extract(x, size, strides, dilation, padding):
    """Return patches `(batch, *places, *size * channels)` of `(batch, *spatial, channels)`."""
    rank = len(size)
    for axis, (taps, stride, gap) in enumerate(zip(size, strides, dilation)):
        # The axes of places and of patches alternate: axis `i` has become 2 * i.
        at, length = 1 + 2 * axis, x.shape[1 + 2 * axis]
        span = (taps - 1) * gap + 1
        if padding == "same":
            total = max((-(-length // stride) - 1) * stride + span - length, 0)
            margins = [(0, 0)] * x.ndim
            margins[at] = (total // 2, total - total // 2)
            x = jnp.pad(x, margins)
            length += total
        starts = np.arange(0, max(length - span + 1, 0), stride)
        x = jnp.take(x, jnp.asarray(starts[:, None] + gap * np.arange(taps)), at)
    places = [1 + 2 * axis for axis in range(rank)]
    patches = [2 + 2 * axis for axis in range(rank)]
    x = jnp.transpose(x, [0, *places, *patches, x.ndim - 1])
    return x.reshape(*x.shape[: rank + 1], -1)


def _patches(x, rank, size, strides, dilation_rate, padding, data_format):
    try:
        size = int_tuple("size", size, rank)
    except ValueError as error:
        raise TypeError(str(error)) from None
    strides = size if strides is None else int_tuple("strides", strides, rank)
    dilation = int_tuple("dilation_rate", dilation_rate, rank)
    if x.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"The input must have rank {rank + 1}, or {rank + 2} with a batch axis.\n"
            f"Received: shape {x.shape}"
        )
    batch = x if x.ndim == rank + 2 else x[None]
    first = settings.data_format(data_format) == "channels_first"
    batch = jnp.moveaxis(batch, 1, -1) if first else batch
    found = _extract(batch, size, strides, dilation, check_padding(padding))
    found = jnp.moveaxis(found, -1, 1) if first else found
    return found if x.ndim == rank + 2 else found[0]


@op
def extract_patches(
    images, size, strides=None, dilation_rate=1, padding="valid", data_format=None
):  # fmt: skip
    """Cut images into patches.

    Args:
        images: images.
        size: height and width of a patch, or one number for both. (Three numbers are for volumes:
            see `extract_patches_3d`.)
        strides: steps between patches; None for `size`.
        dilation_rate: distance between the pixels of a patch.
        padding: "valid" (no padding) or "same" (a patch at every stride).
        data_format: None for `image_data_format()`.

    Returns:
        A tensor of shape `(batch, rows, columns, height * width * channels)`.

    Example:
        >>> kerata.ops.image.extract_patches(kerata.ops.ones((1, 4, 6, 3)), 2).shape
        (1, 2, 3, 12)
    """
    rank = len(size) if isinstance(size, list | tuple) else 2
    if rank not in (2, 3):
        raise ValueError(f"`size` must be an integer, or 2 or 3 of them.\nReceived: size={size}")
    return _patches(array(images), rank, size, strides, dilation_rate, padding, data_format)


@op
def extract_patches_3d(
    volumes, size, strides=None, dilation_rate=1, padding="valid", data_format=None
):  # fmt: skip
    """Cut volumes into patches.

    Args:
        volumes: tensor of shape `(batch, depth, height, width, channels)`, or without the batch.
        size: depth, height and width of a patch, or one number for all.
        strides: steps between patches; None for `size`.
        dilation_rate: distance between the voxels of a patch.
        padding: "valid" (no padding) or "same" (a patch at every stride).
        data_format: None for `image_data_format()`.

    Returns:
        A tensor of shape `(batch, layers, rows, columns, depth * height * width * channels)`.

    Example:
        >>> kerata.ops.image.extract_patches_3d(kerata.ops.ones((1, 4, 4, 4, 3)), 2).shape
        (1, 2, 2, 2, 24)
    """
    return _patches(array(volumes), 3, size, strides, dilation_rate, padding, data_format)


# Filters and comparison


@op
def sobel_edges(images, data_format=None):
    """Return the gradients of brightness by Sobel's filters.

    Args:
        images: images; beyond the border they count as 0.
        data_format: None for `image_data_format()`.

    Returns:
        A tensor of the shape of `images` and a last axis of 2: downwards, and to the right.

    Example:
        >>> kerata.ops.image.sobel_edges(kerata.ops.ones((4, 5, 3))).shape
        (4, 5, 3, 2)
    """
    x, restore = as_batch(as_float(images), data_format)
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    filters = jnp.asarray(np.stack([down, down.T], axis=-1), x.dtype)
    filters = jnp.broadcast_to(filters[:, :, None], (3, 3, x.shape[-1], 2))
    edges = depthwise_conv(x, filters, padding="same").reshape(*x.shape, 2)
    return jnp.stack([restore(edges[..., i]) for i in range(2)], axis=-1)


@op
def ssim(
    image1,
    image2,
    max_val=1.0,
    filter_size=11,
    filter_sigma=1.5,
    k1=0.01,
    k2=0.03,
    data_format=None,
):
    """Return how similar the structure of images is (Wang et al., 2004).

    Args:
        image1: images.
        image2: images of the same shape.
        max_val: the greatest value that a pixel can have.
        filter_size: height and width of the window of comparison.
        filter_sigma: standard deviation of the window's weights, in pixels.
        k1: steadies the comparison of brightness.
        k2: steadies the comparison of contrast.
        data_format: None for `image_data_format()`.

    Returns:
        Numbers up to 1 (equal), of shape `(batch,)`; for two single images, one number.

    Example:
        >>> x = kerata.ops.ones((1, 12, 12, 3))
        >>> kerata.ops.image.ssim(x, x)
        Array([1.], dtype=float32)
    """
    x, y = as_float(image1), as_float(image2)
    if x.shape != y.shape:
        raise ValueError(f"The images must have equal shapes.\nReceived: {x.shape}, {y.shape}")
    rank = x.ndim
    (x, _), (y, _) = as_batch(x, data_format), as_batch(y, data_format)
    if min(x.shape[1:3]) < positive_int("filter_size", filter_size):
        raise argument_error("filter_size", f"fit into images of shape {x.shape}", filter_size)
    sigma = (filter_sigma, filter_sigma)
    window = gaussian_window(filter_size, filter_size, sigma, x.shape[-1], x.dtype)

    def local_mean(values):
        return depthwise_conv(values, window)

    mean_x, mean_y = local_mean(x), local_mean(y)
    covariance = local_mean(x * y) - mean_x * mean_y
    variances = local_mean(x * x + y * y) - mean_x**2 - mean_y**2
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    result = jnp.mean(brightness * structure, axis=(1, 2, 3))
    return result if rank == 4 else result[0]
