"""Convolution and its transpose, over one to three spatial axes.

A convolution `y = x * w` has three linear maps: x -> y, y -> x (also the transposed convolution)
and (x, y) -> w. Each is formulated by itself (`_output`, `_input`, `_kernel`), and the two public
functions with their gradients are made of the three.

On a CPU, XLA hands common two-dimensional convolutions to Eigen, which nothing here beats; but what
it does not hand over (three dimensions, groups, windows larger than the picture, the kernel's
gradient of a transposed convolution) runs as a loop over single elements, 5 to 200 times slower.
So the formulations bring those cases back to what is handed over, or to matrix products.
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from kerata.kernels.depthwise import depthwise_conv
from kerata.kernels.matmul import dot
from kerata.kernels.platform import platform
from kerata.kernels.windows import (
    Axis,
    channels_back,
    channels_to_last,
    pad,
    pairs,
    per_axis,
    places,
    seen_from,
    sliding,
    written_out,
)

# Up to so many windows a sample, the products of all places at once are the faster `_input`.
_FEW_WINDOWS = 256
# Of one input channel, up to so many (places x filters), shifted pictures are multiplied.
_FEW_PRODUCTS = 600
# Groups are convolved one by one: at least so many channels each, at most so many of them.
_WIDE, _FEW_GROUPS = 16, 16


def conv(
    x: jax.Array,
    kernel: jax.Array,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[tuple[int, int]] = "valid",
    dilation: int | Sequence[int] = 1,
    data_format: str = "channels_last",
) -> jax.Array:
    """Convolve (as a network does: without flipping the kernel).

    Args:
        x: `(batch, *spatial, channels)`, or channels second with "channels_first"; one to three
            spatial axes.
        kernel: `(*window, channels / groups, filters)`. Fewer channels in the kernel than in `x`
            make groups: each takes its share of the channels to its share of the filters.
        strides: steps between windows, one for all spatial axes or one for each.
        padding: "valid", "same", "causal", or a pair (before, after) for each axis.
        dilation: distance between the places of the window.
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, *out, filters)` in the layout of `x`.

    Raises:
        ValueError: if the channels of `x`, or the filters, cannot be divided into the groups.

    Example:
        >>> conv(jnp.ones((1, 4, 4, 3)), jnp.ones((2, 2, 3, 8)), padding="same").shape
        (1, 4, 4, 8)
    """
    dtype = jnp.result_type(x, kernel)
    x, kernel = channels_to_last(x.astype(dtype), data_format), kernel.astype(dtype)
    axes = sliding(x.shape, 1, kernel.shape[:-2], strides, padding, dilation)
    groups = _groups(x.shape[-1], kernel.shape)
    if platform() != "cpu":
        y = _lax_output(x, kernel, axes, groups)
    elif groups == 1:
        # (a 1x1 convolution is a product, whose gradients are its own)
        y = (_output if _is_pointwise(axes) else _conv)(x, kernel, axes)
    elif groups == x.shape[-1]:
        window, filters = kernel.shape[:-2], kernel.shape[-1]
        kernel = kernel.reshape(*window, groups, filters // groups)
        y = depthwise_conv(x, kernel, strides, padding, dilation)
    else:
        kernel, groups = _merge_groups(kernel, groups)
        parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
        y = jnp.concatenate([_conv(a, b, axes) for a, b in parts], -1)
    return channels_back(y, data_format)


def conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    dilation: int | Sequence[int] = 1,
    data_format: str = "channels_last",
) -> jax.Array:
    """Apply the transpose of the convolution that would take the result's shape to `x`'s.

    A window spans `(window - 1) * dilation + 1` outputs, and `size` inputs cover
    `(size - 1) * stride + span`. The result is that long with "valid" (or `size * stride`, if
    that is more); with "same" it is `size * stride`. With `output_padding` it is so much longer
    than what is covered, less `span // 2` at either end with "same".

    Args:
        x: `(batch, *spatial, channels)`, or channels second with "channels_first".
        kernel: `(*window, filters, channels)`.
        strides: outputs from one input to the next, one for all spatial axes or one for each.
        padding: "valid" or "same".
        output_padding: None, or the number of outputs to add at the end of each axis.
        dilation: distance between the places of the window.
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, *out, filters)` in the layout of `x`.

    Example:
        >>> conv_transpose(jnp.ones((1, 3, 1)), jnp.ones((2, 1, 1)), strides=2).shape
        (1, 6, 1)
    """
    dtype = jnp.result_type(x, kernel)
    x, kernel = channels_to_last(x.astype(dtype), data_format), kernel.astype(dtype)
    rank = x.ndim - 2
    axes = tuple(
        _transposed_axis(i + 1, x.shape[i + 1], kernel.shape[i], stride, gap, extra, padding)
        for i, (stride, gap, extra) in enumerate(
            zip(
                per_axis(strides, rank),
                per_axis(dilation, rank),
                (None,) * rank if output_padding is None else per_axis(output_padding, rank),
                strict=True,
            )
        )
    )
    # Outputs beyond the last window (their `high` is negative) are covered by none: zeros.
    beyond = [(0, max(0, -a.high)) for a in axes]
    axes = tuple(a._replace(size=a.size + min(0, a.high), high=max(0, a.high)) for a in axes)
    y = _transposed(x, kernel, axes) if platform() == "cpu" else _lax_input(x, kernel, axes)
    y = jnp.pad(y, [(0, 0), *beyond, (0, 0)]) if any(map(sum, beyond)) else y
    return channels_back(y, data_format)


def _groups(channels, kernel_shape):
    each, filters = kernel_shape[-2:]
    if each == 0 or channels % each or filters % (channels // each):
        raise ValueError(
            "The kernel's channels must divide the input's, and the groups that this makes must "
            f"divide the filters.\nReceived: inputs of {channels} channels, and a kernel of shape "
            f"{tuple(kernel_shape)} (*window, channels, filters)."
        )
    return channels // each


def _merge_groups(kernel, groups):
    """Join neighbouring groups, with zeros between them, until they are few and wide enough."""
    *window, each, filters = kernel.shape
    joined = next(
        n
        for n in range(1, groups + 1)
        if groups % n == 0 and (n == groups or (n * each >= _WIDE and groups // n <= _FEW_GROUPS))
    )
    if joined == 1:
        return kernel, groups
    parts = kernel.reshape(-1, each, groups // joined, joined, filters // groups)
    apart = jnp.eye(joined, dtype=kernel.dtype)
    kernel = jnp.einsum("wcgjf,jk->wkcgjf", parts, apart)
    return kernel.reshape(*window, joined * each, filters), groups // joined


def _transposed_axis(index, inputs, taps, stride, gap, extra, padding):
    """Return the axis of the convolution that takes the result back to `inputs` windows."""
    span = (taps - 1) * gap + 1
    covered = (inputs - 1) * stride + span
    if extra is not None:
        outputs = covered + extra - (span // 2 * 2 if padding == "same" else 0)
    elif padding == "same":
        outputs = inputs * stride
    else:
        outputs = (inputs - 1) * stride + max(span, stride)
    low = max(0, covered - outputs) // 2 if padding == "same" else 0
    high = covered - outputs - low
    return Axis(index, outputs, taps, stride, gap, low, high)


# The three linear maps as lax has them.


def _numbers(axes):
    spatial = "DHW"[-len(axes) :]
    return f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"


def _lax_output(x, kernel, axes, groups=1):
    return lax.conv_general_dilated(
        x,
        kernel,
        [a.stride for a in axes],
        pairs(axes),
        rhs_dilation=[a.dilation for a in axes],
        dimension_numbers=_numbers(axes),
        feature_group_count=groups,
    )


def _lax_input(y, kernel, axes):
    window = tuple(range(len(axes)))
    return lax.conv_general_dilated(
        y,
        jnp.flip(kernel, window).swapaxes(-1, -2),
        [1] * len(axes),
        [(a.span - 1 - a.low, a.span - 1 - a.high) for a in axes],
        lhs_dilation=[a.stride for a in axes],
        rhs_dilation=[a.dilation for a in axes],
        dimension_numbers=_numbers(axes),
    )


def _lax_kernel(x, y, axes):
    shape = (*(a.taps for a in axes), x.shape[-1], y.shape[-1])
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda kernel: _lax_output(x, kernel, axes), kernel)(y)[0]


# The three as they are fast on a CPU.


def _output(x, kernel, axes):
    """Map `x` to the convolution's output."""
    filters = kernel.shape[-1]
    if not _is_common(axes):
        return _lax_output(x, kernel, axes)
    if _is_pointwise(axes):
        return dot(seen_from(x, axes, (0,) * len(axes)), kernel.reshape(-1, filters))
    if x.shape[-1] == 1 and math.prod(a.taps for a in axes) * filters <= _FEW_PRODUCTS:
        return _by_places(x, kernel, axes, lambda seen, w: seen * w[0])
    if any(a.taps > a.size for a in axes):
        wide = jnp.promote_types(x.dtype, jnp.float32)
        matmul = partial(jnp.matmul, preferred_element_type=wide)
        return _by_places(x, kernel, axes, matmul)
    if len(axes) == 3:
        planes, axes_2d = _planes(x, axes), _plane_axes(axes)
        y = _output(planes, _plane_kernel(kernel), axes_2d)
        return y.reshape(x.shape[0], axes[0].out, *y.shape[1:])
    return _lax_output(x, kernel, axes)


def _input(y, kernel, axes):
    """Map an output back to the input: the transpose of `_output` in `x`."""
    if not _is_common(axes):
        return _lax_input(y, kernel, axes)
    shape = (y.shape[0], *(a.size for a in axes), kernel.shape[-2])
    few = math.prod(a.out for a in axes) <= _FEW_WINDOWS or shape[-1] <= 4
    if few or _is_pointwise(axes):
        return _by_columns(y, kernel, axes)
    if len(axes) == 3:
        planes = _input(_flat(y), _plane_kernel(kernel), _plane_axes(axes))
        x = jax.ShapeDtypeStruct(shape, y.dtype)
        return jax.linear_transpose(lambda x: _planes(x, axes), x)(planes)[0]
    return _lax_input(y, kernel, axes)


def _kernel(x, y, axes):
    """Map input and output to the kernel: the transpose of `_output` in `kernel`."""
    if not _is_common(axes):
        return _lax_kernel(x, y, axes)
    window = tuple(a.taps for a in axes)
    channels, filters = x.shape[-1], y.shape[-1]
    if _is_pointwise(axes) or any((a.out - 1) * a.stride >= a.size for a in axes):
        padded, y = written_out((pad(x, axes), y.reshape(-1, filters)))
        seen = [seen_from(padded, axes, p).reshape(-1, channels) for p in places(axes)]
        kernel = jnp.stack([lax.dot_general(s, y, (((0,), (0,)), ((), ()))) for s in seen])
    elif len(axes) == 3:
        kernel = _kernel(_planes(x, axes), _flat(y), _plane_axes(axes))
        kernel = jnp.moveaxis(kernel.reshape(*window[1:], window[0], channels, filters), 2, 0)
    else:
        return _lax_kernel(x, y, axes)
    return kernel.reshape(*window, channels, filters)


def _is_common(axes):
    return all(a.out > 0 and a.size > 0 and min(a.low, a.high) >= 0 for a in axes)


def _is_pointwise(axes):
    return all(a.taps == 1 and a.low == a.high == 0 for a in axes)


def _by_places(x, kernel, axes, product):
    """Sum the products of what each place of the window sees with the kernel there."""
    padded = pad(x, axes)
    total = sum(product(seen_from(padded, axes, p), kernel[tuple(p)]) for p in places(axes))
    return written_out(total.astype(x.dtype))


def _by_columns(y, kernel, axes):
    """Take all products of `y` with the kernel in one, and add each to the places it came from."""
    channels, filters = kernel.shape[-2:]
    columns = y.reshape(-1, filters) @ kernel.reshape(-1, filters).T
    columns = columns.reshape(*y.shape[:-1], -1)
    total = 0
    for i, place in enumerate(places(axes)):
        config = [(0, 0, 0)] * y.ndim
        for a, p in zip(axes, place, strict=True):
            before, covered = p * a.dilation - a.low, (a.out - 1) * a.stride + 1
            config[a.number] = (before, a.size - before - covered, a.stride - 1)
        part = columns[..., i * channels : (i + 1) * channels]
        total += lax.pad(part, jnp.zeros((), part.dtype), config)
    return written_out(total)


# Three dimensions become two: the places along the depth become channels, the depth samples.


def _planes(x, axes):
    depth = axes[:1]
    padded = pad(x, depth)
    seen = [seen_from(padded, depth, p) for p in places(depth)]
    return _flat(jnp.concatenate(seen, -1))


def _flat(y):
    return y.reshape(-1, *y.shape[2:])


def _plane_axes(axes):
    return tuple(a._replace(number=a.number - 1) for a in axes[1:])


def _plane_kernel(kernel):
    depth, *window, channels, filters = kernel.shape
    return jnp.moveaxis(kernel, 0, 2).reshape(*window, depth * channels, filters)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x, kernel, axes):
    return _output(x, kernel, axes)


def _conv_forward(x, kernel, axes):
    return _output(x, kernel, axes), (x, kernel)


def _conv_backward(axes, saved, gradient):
    x, kernel, gradient = written_out((*saved, gradient))
    return _transposed(gradient, kernel, axes), _kernel(x, gradient, axes)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _transposed(y, kernel, axes):
    return _input(y, kernel, axes)


def _transposed_forward(y, kernel, axes):
    return _input(y, kernel, axes), (y, kernel)


def _transposed_backward(axes, saved, gradient):
    y, kernel, gradient = written_out((*saved, gradient))
    return _conv(gradient, kernel, axes), _kernel(gradient, y, axes)


_conv.defvjp(_conv_forward, _conv_backward)
_transposed.defvjp(_transposed_forward, _transposed_backward)
