"""Images on other grids: resizing, affine and other transformations, and blurring."""

import jax
import jax.numpy as jnp
from jax.scipy import ndimage

from kerata.engine import settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import int_tuple, one_of
from kerata.engine.op import op
from kerata.engine.rng import draw_seed
from kerata.kernels.depthwise import depthwise_conv
from kerata.ops.arguments import array
from kerata.ops.projections import homography, move_points

INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")
ORDERS = {"nearest": 0, "bilinear": 1}
FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def check_rank(x) -> None:
    """Raise ValueError unless `x` is an image or a batch of images."""
    if x.ndim not in (3, 4):
        raise ValueError(
            "`images` must have rank 3 (one image) or 4 (a batch).\n"
            f"Received: shape {tuple(x.shape)}"
        )


def as_batch(x, data_format):
    """Return images as `(batch, height, width, channels)`, and a function that undoes it."""
    check_rank(x)
    first = settings.data_format(data_format) == "channels_first"

    def restore(y):
        y = jnp.moveaxis(y, -1, 1) if first else y
        return y if x.ndim == 4 else y[0]

    batch = x if x.ndim == 4 else x[None]
    return jnp.moveaxis(batch, 1, -1) if first else batch, restore


def _as_dtype(x, dtype):
    """Return floats in the dtype of the images: integers are rounded and limited."""
    if jnp.issubdtype(dtype, jnp.integer):
        limits = jnp.iinfo(dtype)
        x = jnp.clip(jnp.round(x), limits.min, limits.max)
    return x.astype(dtype)


@op
def resize(
    images,
    size,
    interpolation="bilinear",
    antialias=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    fill_mode="constant",
    fill_value=0.0,
    data_format=None,
):
    """Change the height and width of images.

    Args:
        images: images.
        size: height and width of the result.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        antialias: whether to blur before shrinking, so that fine patterns do not alias.
        crop_to_aspect_ratio: whether to cut equal margins off first, so that proportions stay.
        pad_to_aspect_ratio: whether to add equal margins first, so that proportions stay.
        fill_mode: must be "constant".
        fill_value: what margins are filled with.
        data_format: None for `image_data_format()`.

    Returns:
        Images in the dtype of `images`.

    Example:
        >>> kerata.ops.image.resize(kerata.ops.ones((4, 6, 3)), (2, 2)).shape
        (2, 2, 3)
    """
    height, width = int_tuple("size", size, 2)
    one_of("interpolation", interpolation, INTERPOLATIONS)
    one_of("fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("`crop_to_aspect_ratio` and `pad_to_aspect_ratio` cannot both be True.")
    images = array(images)
    x, restore = as_batch(images, data_format)
    x = as_float(x)
    if crop_to_aspect_ratio:
        x = _crop_to_ratio(x, height, width)
    if pad_to_aspect_ratio:
        x = _pad_to_ratio(x, height, width, fill_value)
    shape = (x.shape[0], height, width, x.shape[3])
    x = jax.image.resize(x, shape, interpolation, antialias=antialias)
    return restore(_as_dtype(x, images.dtype))


def _crop_to_ratio(x, height, width):
    rows = min(x.shape[1], max(int(x.shape[2] * height / width), 1))
    columns = min(x.shape[2], max(int(x.shape[1] * width / height), 1))
    top, left = (x.shape[1] - rows) // 2, (x.shape[2] - columns) // 2
    return x[:, top : top + rows, left : left + columns]


def _pad_to_ratio(x, height, width, fill_value):
    rows = max(x.shape[1], int(x.shape[2] * height / width)) - x.shape[1]
    columns = max(x.shape[2], int(x.shape[1] * width / height)) - x.shape[2]
    margins = [(n // 2, n // 2) for n in (0, rows, columns, 0)]
    return jnp.pad(x, margins, constant_values=fill_value)


@op
def scale_and_translate(
    images, output_shape, scale, translation, spatial_dims, method, antialias=True
):  # fmt: skip
    """Scale and move tensors along some axes; what comes in from outside is 0.

    Args:
        images: tensor of any rank.
        output_shape: shape of the result; None keeps the size of an axis.
        scale: factor for each axis of `spatial_dims`.
        translation: distance in pixels of the result, likewise.
        spatial_dims: the axes to scale and move.
        method: "linear", "cubic", "lanczos3", "lanczos5", or a synonym of these.
        antialias: whether to blur before shrinking.

    Example:
        >>> x = kerata.ops.ones((4, 4, 3))
        >>> kerata.ops.image.scale_and_translate(
        ...     x, (8, 8, 3), [2.0, 2.0], [0.0, 0.0], (0, 1), "linear"
        ... ).shape
        (8, 8, 3)
    """
    methods = ("linear", "bilinear", "trilinear", "triangle", "cubic", "bicubic", "tricubic")
    one_of("method", method, (*methods, "lanczos3", "lanczos5"))
    x, scale, translation = map(as_float, (images, scale, translation))
    shape = tuple(x.shape[i] if n is None else n for i, n in enumerate(output_shape))
    dims = tuple(spatial_dims)
    return jax.image.scale_and_translate(x, shape, dims, scale, translation, method, antialias)


# Sampling at given places


@op
def map_coordinates(inputs, coordinates, order, fill_mode="constant", fill_value=0):
    """Return the values between the elements of a tensor, at given places.

    Args:
        inputs: tensor.
        coordinates: places, of shape `(rank of inputs, ...)`: an index for each axis, with
            fractions.
        order: 0 takes the nearest element, 1 interpolates linearly.
        fill_mode: what is beyond the border: "constant", "nearest", "wrap", "mirror" (without the
            edge) or "reflect" (with it).
        fill_value: the value there, for "constant".

    Returns:
        A tensor of the shape of one row of `coordinates`, in the dtype of `inputs`.

    Example:
        >>> kerata.ops.image.map_coordinates([1.0, 2.0, 4.0], [[0.5, 1.5]], order=1)
        Array([1.5, 3. ], dtype=float32)
    """
    x, places = array(inputs), array(coordinates)
    one_of("order", order, (0, 1))
    one_of("fill_mode", fill_mode, FILL_MODES)
    if places.ndim < 2 or places.shape[0] != x.ndim:
        raise ValueError(
            "`coordinates` must have an index for each axis of `inputs`, on its first of two axes "
            f"or more.\nReceived: shape {places.shape} for inputs of shape {x.shape}"
        )
    return ndimage.map_coordinates(x, list(places), order, fill_mode, fill_value)


def sample_images(x, rows, columns, interpolation, fill_mode, fill_value):
    """Sample images `(batch, height, width, channels)` at places `(batch, height, width)`."""

    def one_channel(channel, rows, columns):
        places = [rows, columns]
        return ndimage.map_coordinates(
            channel, places, ORDERS[interpolation], fill_mode, fill_value
        )

    channels = jax.vmap(one_channel, (-1, None, None), -1)
    return jax.vmap(channels)(x, rows, columns)


def grid(x):
    """Return the row and the column of each pixel, as floats."""
    sides = [jnp.arange(n, dtype="float32") for n in x.shape[1:3]]
    return jnp.meshgrid(*sides, indexing="ij")


def _project(x, matrices, interpolation, fill_mode, fill_value):
    """Sample each image where its 3x3 matrix sends the (column, row) of the result's pixels."""
    rows, columns = grid(x)
    moved = move_points(jnp.stack([columns, rows], axis=-1), matrices.astype("float32")[:, None])
    rows, columns = moved[..., 1], moved[..., 0]
    shape = (x.shape[0], *rows.shape[1:])
    rows, columns = jnp.broadcast_to(rows, shape), jnp.broadcast_to(columns, shape)
    return sample_images(x, rows, columns, interpolation, fill_mode, fill_value)


@op
def affine_transform(
    images,
    transform,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0,
    data_format=None,
):
    """Move the pixels of images by an affine (or projective) transformation.

    Args:
        images: images.
        transform: tensor of shape `(8,)` or `(batch, 8)`: `[a0, a1, a2, b0, b1, b2, c0, c1]`. The
            pixel at column `x` and row `y` of the result is taken from column
            `(a0 x + a1 y + a2) / k` and row `(b0 x + b1 y + b2) / k`, `k = c0 x + c1 y + 1`.
        interpolation: "bilinear" or "nearest".
        fill_mode: what is beyond the border: "constant", "nearest", "wrap", "mirror" (without the
            edge) or "reflect" (with it).
        fill_value: the value there, for "constant".
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.reshape([1.0, 2.0, 3.0], (1, 3, 1))
        >>> shift = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        >>> kerata.ops.image.affine_transform(x, shift).ravel()
        Array([2., 3., 0.], dtype=float32)
    """
    one_of("interpolation", interpolation, tuple(ORDERS))
    one_of("fill_mode", fill_mode, FILL_MODES)
    x, restore = as_batch(array(images), data_format)
    numbers = as_float(transform)
    numbers = numbers[None] if numbers.ndim == 1 else numbers
    if numbers.ndim != 2 or numbers.shape[1] != 8 or numbers.shape[0] not in (1, x.shape[0]):
        raise ValueError(
            "`transform` must have 8 numbers, for each image or for all.\n"
            f"Received: shape {array(transform).shape} for images of shape {array(images).shape}"
        )
    one = jnp.ones((numbers.shape[0], 1), numbers.dtype)
    matrices = jnp.concatenate([numbers, one], axis=1).reshape(-1, 3, 3)
    return restore(_project(x, matrices, interpolation, fill_mode, fill_value))


@op
def perspective_transform(
    images,
    start_points,
    end_points,
    interpolation="bilinear",
    fill_value=0,
    data_format=None,
):
    """Move four points of images to other places, and the rest as a photograph of a plane would.

    Args:
        images: images.
        start_points: tensor of shape `(4, 2)` or `(batch, 4, 2)`: column and row of each point.
        end_points: where the points go, likewise.
        interpolation: "bilinear" or "nearest".
        fill_value: what is beyond the border.
        data_format: None for `image_data_format()`.

    Example:
        >>> corners = [[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [4.0, 3.0]]
        >>> kerata.ops.image.perspective_transform(
        ...     kerata.ops.ones((4, 5, 1)), corners, corners
        ... ).shape
        (4, 5, 1)
    """
    one_of("interpolation", interpolation, tuple(ORDERS))
    x, restore = as_batch(array(images), data_format)
    start, end = (as_float(p).astype("float32") for p in (start_points, end_points))
    if start.shape != end.shape or start.shape[-2:] != (4, 2) or start.ndim not in (2, 3):
        raise ValueError(
            "`start_points` and `end_points` must have shape (4, 2) or (batch, 4, 2).\n"
            f"Received: shapes {start.shape}, {end.shape}"
        )
    matrices = homography(end.reshape(-1, 4, 2), start.reshape(-1, 4, 2))
    return restore(_project(x, matrices, interpolation, "constant", fill_value))


# Blurring


def gaussian_window(width, height, sigma, channels, dtype):
    """Return the weights of a Gaussian window, which add up to 1, for each channel.

    Args:
        width, height: size of the window.
        sigma: standard deviations sideways and downwards; they may be tensors.
        channels: number of channels.
        dtype: dtype of the weights.
    """

    def along(n, s):
        places = jnp.arange(n, dtype="float32") - (n - 1) / 2
        weights = jnp.exp(-0.5 * jnp.square(places / s))
        return weights / jnp.sum(weights)

    window = jnp.outer(along(height, sigma[1]), along(width, sigma[0])).astype(dtype)
    return jnp.broadcast_to(window[:, :, None, None], (height, width, channels, 1))


@op
def gaussian_blur(images, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    """Blur images with a Gaussian window; beyond the border they count as 0.

    Args:
        images: images.
        kernel_size: width and height of the window.
        sigma: standard deviation in pixels, sideways and downwards; it may be a tensor.
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.reshape([0.0, 1.0, 0.0], (1, 3, 1))
        >>> kerata.ops.image.gaussian_blur(x, (3, 1)).ravel() > 0.3
        Array([False,  True, False], dtype=bool)
    """
    images = array(images)
    x, restore = as_batch(as_float(images), data_format)
    width, height = int_tuple("kernel_size", kernel_size, 2)
    sigma = jnp.broadcast_to(as_float(sigma), (2,))
    window = gaussian_window(width, height, sigma, x.shape[-1], x.dtype)
    return restore(_as_dtype(depthwise_conv(x, window, padding="same"), images.dtype))


@op
def elastic_transform(
    images,
    alpha=20.0,
    sigma=5.0,
    interpolation="bilinear",
    fill_mode="reflect",
    fill_value=0.0,
    seed=None,
    data_format=None,
):
    """Distort images by smooth random displacements of their pixels (Simard et al., 2003).

    Args:
        images: images.
        alpha: strength: the displacements' factor, in pixels.
        sigma: standard deviation in pixels of the window that smooths them.
        interpolation: "bilinear" or "nearest".
        fill_mode: what is beyond the border: "constant", "nearest", "wrap", "mirror" (without the
            edge) or "reflect" (with it).
        fill_value: the value there, for "constant".
        seed: integer, `SeedGenerator` or None.
        data_format: None for `image_data_format()`.

    Example:
        >>> kerata.ops.image.elastic_transform(kerata.ops.ones((4, 5, 1)), seed=1).shape
        (4, 5, 1)
    """
    one_of("interpolation", interpolation, tuple(ORDERS))
    one_of("fill_mode", fill_mode, FILL_MODES)
    x, restore = as_batch(array(images), data_format)
    noise = jax.random.normal(draw_seed(seed), (*x.shape[:3], 2))
    size = int(6 * sigma) | 1
    moves = alpha * gaussian_blur(noise, (size, size), (sigma, sigma), "channels_last")
    rows, columns = grid(x)
    rows, columns = rows + moves[..., 0], columns + moves[..., 1]
    return restore(sample_images(x, rows, columns, interpolation, fill_mode, fill_value))
