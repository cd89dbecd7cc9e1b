"""Convolutions, and what else moves pixels between space and channels."""

import math

import jax
from jax import lax

from kerata.engine import settings
from kerata.engine.errors import argument_error, int_tuple, positive_int
from kerata.engine.op import op
from kerata.kernels import convolution, depthwise
from kerata.ops.arguments import array
from kerata.ops.pooling import check_padding, spatial_rank


def _prepared(inputs, kernel, strides, dilation_rate, data_format):
    """Return the arguments of a convolution, checked and complete."""
    x, kernel = array(inputs), array(kernel)
    rank = spatial_rank(x)
    if kernel.ndim != rank + 2:
        raise ValueError(
            "`kernel` must have as many spatial axes as `inputs`, and two axes of channels.\n"
            f"Received: kernel of shape {kernel.shape} for inputs of shape {x.shape}"
        )
    strides = int_tuple("strides", strides, rank)
    dilation = int_tuple("dilation_rate", dilation_rate, rank)
    return x, kernel.astype(x.dtype), strides, dilation, settings.data_format(data_format)


def _channels(x, data_format: str) -> int:
    return x.shape[-1 if data_format == "channels_last" else 1]


@op
def conv(
    inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):  # fmt: skip
    """Convolve over one to three spatial axes (strictly: correlate; the kernel is not flipped).

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)`, or `(batch, channels, *spatial)`
            with `data_format="channels_first"`.
        kernel: tensor of shape `(*window, channels_in, channels_out)`. If `channels_in` is a
            divisor of the inputs' channels, these are convolved in so many separate groups.
        strides: steps between windows, for all spatial axes or one for each.
        padding: "valid" (no padding) or "same" (a window at every stride).
        data_format: None for `image_data_format()`.
        dilation_rate: distance between the pixels of a window, for all axes or one for each.

    Example:
        >>> x = kerata.ops.ones((1, 5, 1))
        >>> kerata.ops.conv(x, kerata.ops.ones((3, 1, 1)), padding="same").ravel()
        Array([2., 3., 3., 3., 2.], dtype=float32)
    """
    x, kernel, strides, dilation, data_format = _prepared(
        inputs, kernel, strides, dilation_rate, data_format
    )
    channels, taken = _channels(x, data_format), kernel.shape[-2]
    if channels % taken or kernel.shape[-1] % (channels // taken):
        raise ValueError(
            "The input channels of `kernel` must be those of `inputs`, or divide them into groups, "
            "which must divide the output channels.\n"
            f"Received: kernel of shape {kernel.shape} for {channels} channels"
        )
    padding = check_padding(padding)
    return convolution.conv(x, kernel, strides, padding, dilation, data_format)


@op
def depthwise_conv(
    inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):  # fmt: skip
    """Convolve each channel by itself.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)`, or `(batch, channels, *spatial)`
            with `data_format="channels_first"`; one or two spatial axes.
        kernel: tensor of shape `(*window, channels, multiplier)`: each channel gives `multiplier`
            output channels.
        strides: steps between windows, for all spatial axes or one for each.
        padding: "valid" (no padding) or "same" (a window at every stride).
        data_format: None for `image_data_format()`.
        dilation_rate: distance between the pixels of a window, for all axes or one for each.

    Example:
        >>> x = kerata.ops.ones((1, 3, 2))
        >>> kerata.ops.depthwise_conv(x, kerata.ops.ones((3, 2, 1)))
        Array([[[3., 3.]]], dtype=float32)
    """
    x, kernel, strides, dilation, data_format = _prepared(
        inputs, kernel, strides, dilation_rate, data_format
    )
    channels = _channels(x, data_format)
    if kernel.shape[-2] != channels:
        raise ValueError(
            "`kernel` must have the channels of `inputs` on its last axis but one.\n"
            f"Received: kernel of shape {kernel.shape} for {channels} channels"
        )
    padding = check_padding(padding)
    return depthwise.depthwise_conv(x, kernel, strides, padding, dilation, data_format)


@op
def separable_conv(
    inputs,
    depthwise_kernel,
    pointwise_kernel,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
):
    """Convolve each channel by itself, then mix the channels of each pixel.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)`, or `(batch, channels, *spatial)`
            with `data_format="channels_first"`; one or two spatial axes.
        depthwise_kernel: tensor of shape `(*window, channels, multiplier)`.
        pointwise_kernel: tensor of shape `(*ones, channels * multiplier, channels_out)`.
        strides: steps between windows, for all spatial axes or one for each.
        padding: "valid" (no padding) or "same" (a window at every stride).
        data_format: None for `image_data_format()`.
        dilation_rate: distance between the pixels of a window, for all axes or one for each.

    Example:
        >>> x = kerata.ops.ones((1, 3, 2))
        >>> kerata.ops.separable_conv(x, kerata.ops.ones((3, 2, 1)), kerata.ops.ones((1, 2, 1)))
        Array([[[6.]]], dtype=float32)
    """
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format, 1)


@op
def conv_transpose(
    inputs,
    kernel,
    strides=1,
    padding="valid",
    output_padding=None,
    data_format=None,
    dilation_rate=1,
):
    """Apply the transpose of `conv`, as its gradient does: with strides, images grow.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)`, or `(batch, channels, *spatial)`
            with `data_format="channels_first"`.
        kernel: tensor of shape `(*window, channels_out, channels_in)`.
        strides: steps between windows in the result, for all spatial axes or one for each.
        padding: "same": the result is `strides` times as large; "valid": and larger by what the
            window reaches out.
        output_padding: rows to add at the end of the result, which must be fewer than `strides`;
            None for what `padding` says.
        data_format: None for `image_data_format()`.
        dilation_rate: distance between the pixels of a window, for all axes or one for each.

    Example:
        >>> x = kerata.ops.ones((1, 2, 1))
        >>> kerata.ops.conv_transpose(x, kerata.ops.ones((2, 1, 1)), strides=2).ravel()
        Array([1., 1., 1., 1.], dtype=float32)
    """
    x, kernel, strides, dilation, data_format = _prepared(
        inputs, kernel, strides, dilation_rate, data_format
    )
    if kernel.shape[-1] != _channels(x, data_format):
        raise ValueError(
            "`kernel` must have the channels of `inputs` on its last axis.\n"
            f"Received: kernel of shape {kernel.shape} for inputs of shape {x.shape}"
        )
    if output_padding is not None:
        extra = int_tuple("output_padding", output_padding, x.ndim - 2, allow_zero=True)
        if any(more >= stride for more, stride in zip(extra, strides, strict=True)):
            raise argument_error("output_padding", f"be less than strides={strides}", extra)
        output_padding = extra
    return convolution.conv_transpose(
        x, kernel, strides, check_padding(padding), output_padding, dilation, data_format
    )


# Patches


def _patches(x, kernel_size, dilation, padding, stride):
    window = int_tuple("kernel_size", kernel_size, 2)
    return lax.conv_general_dilated_patches(
        x,
        window,
        int_tuple("stride", stride, 2),
        [(p, p) for p in int_tuple("padding", padding, 2, allow_zero=True)],
        rhs_dilation=int_tuple("dilation", dilation, 2),
    ).reshape(x.shape[0], x.shape[1] * math.prod(window), -1)


@op
def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """Return the patches of images as columns.

    Args:
        x: tensor of shape `(batch, channels, height, width)`.
        kernel_size: height and width of a patch, or one number for both.
        dilation: distance between the pixels of a patch.
        padding: rows and columns of zeros to add at each side.
        stride: steps between patches.

    Returns:
        A tensor of shape `(batch, channels * height_of_patch * width_of_patch, patches)`.

    Example:
        >>> kerata.ops.unfold(kerata.ops.ones((1, 1, 3, 3)), 2).shape
        (1, 4, 4)
    """
    x = array(x)
    if x.ndim != 4:
        raise ValueError(f"`x` must have rank 4.\nReceived: shape {x.shape}")
    return _patches(x, kernel_size, dilation, padding, stride)


@op
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Put patches back into images, the transpose of `unfold`: where they overlap, they add up.

    Args:
        x: tensor of shape `(batch, channels * height_of_patch * width_of_patch, patches)`.
        output_size: height and width of the images.
        kernel_size: height and width of a patch, or one number for both.
        dilation: distance between the pixels of a patch.
        padding: rows and columns that `unfold` added at each side.
        stride: steps between patches.

    Returns:
        A tensor of shape `(batch, channels, height, width)`.

    Example:
        >>> kerata.ops.fold(kerata.ops.ones((1, 4, 4)), (3, 3), 2)
        Array([[[[1., 2., 1.],
                 [2., 4., 2.],
                 [1., 2., 1.]]]], dtype=float32)
    """
    x = array(x)
    window = int_tuple("kernel_size", kernel_size, 2)
    size = int_tuple("output_size", output_size, 2)
    if x.ndim != 3 or x.shape[1] % math.prod(window):
        raise ValueError(
            "`x` must have shape (batch, channels * pixels of a patch, patches).\n"
            f"Received: shape {x.shape}, kernel_size={window}"
        )
    images = jax.ShapeDtypeStruct((x.shape[0], x.shape[1] // math.prod(window), *size), x.dtype)

    def patches(images):
        return _patches(images, window, dilation, padding, stride)

    count = jax.eval_shape(patches, images).shape[2]
    if count != x.shape[2]:
        raise ValueError(
            f"Images of `output_size` {size} have {count} patches.\nReceived: {x.shape[2]} patches"
        )
    return jax.linear_transpose(patches, images)(x)[0]


def _check_blocks(x, block_size):
    if positive_int("block_size", block_size) < 2 or x.ndim != 4:
        raise ValueError(
            "`block_size` must be at least 2, and `x` of rank 4.\n"
            f"Received: block_size={block_size}, shape {x.shape}"
        )


@op
def depth_to_space(x, block_size, data_format="channels_last"):
    """Turn channels into blocks of pixels ("pixel shuffle").

    Args:
        x: tensor of shape `(batch, height, width, block_size**2 * channels)`, the pixel's place
            before the channel; or `(batch, channels * block_size**2, height, width)` with
            "channels_first", the channel before the place.
        block_size: height and width of the block that a pixel becomes.
        data_format: "channels_last" or "channels_first".

    Returns:
        A tensor of shape `(batch, height * block_size, width * block_size, channels)`, or
        `(batch, channels, height * block_size, width * block_size)`.

    Example:
        >>> kerata.ops.depth_to_space(kerata.ops.ones((1, 2, 2, 8)), 2).shape
        (1, 4, 4, 2)
    """
    x, b = array(x), block_size
    _check_blocks(x, b)
    last = settings.data_format(data_format) == "channels_last"
    if x.shape[-1 if last else 1] % b**2:
        raise ValueError(
            f"The channels must be a multiple of block_size**2, {b**2}.\n"
            f"Received: shape {x.shape}, data_format={data_format!r}"
        )
    if last:
        n, h, w, c = x.shape
        x = x.reshape(n, h, w, b, b, c // b**2).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(n, h * b, w * b, c // b**2)
    n, c, h, w = x.shape
    x = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // b**2, h * b, w * b)


@op
def space_to_depth(x, block_size, data_format="channels_last"):
    """Turn blocks of pixels into channels: the inverse of `depth_to_space`.

    Args:
        x: tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` with "channels_first".
        block_size: height and width of the block that becomes a pixel.
        data_format: "channels_last" or "channels_first".

    Returns:
        A tensor of shape
        `(batch, height // block_size, width // block_size, block_size**2 * channels)`, or
        `(batch, channels * block_size**2, height // block_size, width // block_size)`.

    Example:
        >>> kerata.ops.space_to_depth(kerata.ops.ones((1, 4, 4, 2)), 2).shape
        (1, 2, 2, 8)
    """
    x, b = array(x), block_size
    _check_blocks(x, b)
    last = settings.data_format(data_format) == "channels_last"
    h, w = x.shape[1:3] if last else x.shape[2:]
    if h % b or w % b:
        raise ValueError(
            f"Height and width must be multiples of block_size.\nReceived: {h} by {w}, "
            f"block_size={b}"
        )
    if last:
        n, c = x.shape[0], x.shape[3]
        x = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(n, h // b, w // b, b**2 * c)
    n, c = x.shape[:2]
    x = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 1, 3, 5, 2, 4)
    return x.reshape(n, c * b**2, h // b, w // b)
