"""Depthwise convolution: each channel by its own small kernels."""

import math
import os
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from kerata.kernels.platform import platform
from kerata.kernels.windows import (
    channels_back,
    channels_to_last,
    pad,
    pairs,
    places,
    seen_from,
    sliding,
    written_out,
)

# Kernels of more places than this would unroll into long programs.
_MOST_TAPS = 64
# Below this size one plain sum a place is as good as the loop over rows.
_SMALL = 2**16


def depthwise_conv(
    x: jax.Array,
    kernel: jax.Array,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[tuple[int, int]] = "valid",
    dilation: int | Sequence[int] = 1,
    data_format: str = "channels_last",
) -> jax.Array:
    """Convolve each channel with kernels of its own.

    Args:
        x: `(batch, *spatial, channels)`, or channels second with "channels_first"; one to three
            spatial axes.
        kernel: `(*window, channels, multiplier)`.
        strides: steps between windows, one for all spatial axes or one for each.
        padding: "valid", "same", "causal", or a pair (before, after) for each axis.
        dilation: distance between the places of the window.
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, *out, channels * multiplier)`: output channel `c * multiplier + m` is input
        channel `c` by `kernel[..., c, m]`.

    Example:
        >>> depthwise_conv(jnp.ones((1, 4, 4, 3)), jnp.ones((2, 2, 3, 1)))[0, 0, 0]
        Array([4., 4., 4.], dtype=float32)
    """
    dtype = jnp.result_type(x, kernel)
    x, kernel = channels_to_last(x.astype(dtype), data_format), kernel.astype(dtype)
    axes = sliding(x.shape, 1, kernel.shape[:-2], strides, padding, dilation)
    shifted = (
        platform() == "cpu"
        and math.prod(a.taps for a in axes) <= _MOST_TAPS
        and all(a.out > 0 and min(a.low, a.high) >= 0 for a in axes)
    )
    y = _shifted(x, kernel, axes) if shifted else _lax(x, kernel, axes)
    return channels_back(y, data_format)


def _lax(x, kernel, axes):
    spatial = "DHW"[-len(axes) :]
    channels, multiplier = kernel.shape[-2:]
    return lax.conv_general_dilated(
        x,
        kernel.reshape(*kernel.shape[:-2], 1, channels * multiplier),
        [a.stride for a in axes],
        pairs(axes),
        rhs_dilation=[a.dilation for a in axes],
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        feature_group_count=channels,
    )


@partial(jax.jit, static_argnums=2, inline=True)
def _shifted(x, kernel, axes):
    channels, multiplier = kernel.shape[-2:]
    x = jnp.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    return _convolve(x, kernel.reshape(*kernel.shape[:-2], channels * multiplier), axes)


def _sum_of_shifts(x, kernel, axes):
    # XLA's own depthwise convolution is a loop over single elements: 20 to 60 times slower.
    wide = jnp.promote_types(x.dtype, jnp.float32)
    padded, kernel = pad(x, axes), kernel.astype(wide)
    total = 0
    for place in places(axes):
        total += seen_from(padded, axes, place) * kernel[tuple(place)]
    return written_out(total.astype(x.dtype))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x, kernel, axes):
    return _sum_of_shifts(x, kernel, axes)


def _forward(x, kernel, axes):
    return _sum_of_shifts(x, kernel, axes), (x, kernel)


def _backward(axes, saved, gradient):
    x, kernel = saved
    (to_x,) = jax.linear_transpose(lambda x: _sum_of_shifts(x, kernel, axes), x)(gradient)
    by_rows = len(axes) == 2 and gradient.size >= _SMALL
    to_kernel = _products_by_rows if by_rows else _products
    return written_out(to_x), to_kernel(x, gradient, axes).astype(kernel.dtype)


_convolve.defvjp(_forward, _backward)


def _products(x, gradient, axes):
    """Return the kernel's gradient: at each place, the sum over all windows of x * gradient."""
    wide = jnp.promote_types(x.dtype, jnp.float32)
    padded, gradient = pad(x, axes), gradient.astype(wide)
    over = tuple(range(x.ndim - 1))
    sums = [jnp.sum(seen_from(padded, axes, p) * gradient, axis=over) for p in places(axes)]
    return jnp.stack(sums).reshape(*(a.taps for a in axes), x.shape[-1])


def _products_by_rows(x, gradient, axes):
    """Return what `_products` does, reading the arrays once.

    A loop goes through the samples two rows of windows at a time, and adds their products to one
    accumulator of (width, channels) for each place of the window. All of them stay in the cache.
    A loop runs on one core, so the work is cut into several that may run side by side.
    """
    rows_axis, columns = axes
    wide = jnp.promote_types(x.dtype, jnp.float32)
    padded = pad(x, axes)
    samples, height, width, channels = gradient.shape
    window = list(places(axes))

    def loop(begin, end, rows, first, steps):
        """Sum over steps `begin` to `end`, where each sample takes `steps` of `rows` rows."""
        seen = (rows - 1) * rows_axis.stride + rows_axis.span
        inner = rows_axis._replace(size=seen, low=0, high=0)  # gives `rows` windows
        inner_axes = (inner, columns._replace(size=padded.shape[2], low=0, high=0))

        def body(step, sums):
            sample, row = step // steps, first + step % steps * rows
            start = (sample, row * rows_axis.stride, 0, 0)
            here = lax.dynamic_slice(padded, start, (1, seen, *padded.shape[2:]))
            g = lax.dynamic_slice(gradient, (sample, row, 0, 0), (1, rows, width, channels))
            here, g = here.astype(wide), g.astype(wide)
            sums = list(sums)
            for i, place in enumerate(window):
                products = seen_from(here, inner_axes, place) * g
                for r in range(rows):
                    sums[i] += products[0, r]
            return tuple(sums)

        zero = jnp.zeros((width, channels), wide)
        sums = lax.fori_loop(begin, end, body, (zero,) * len(window))
        return jnp.stack([s.sum(0) for s in sums])

    rows = min(height, 2)
    steps = height // rows
    parts = max(1, min(os.cpu_count() or 1, 4, samples))
    cuts = [samples * steps * i // parts for i in range(parts + 1)]
    total = sum(
        loop(begin, end, rows, 0, steps) for begin, end in zip(cuts, cuts[1:], strict=False)
    )
    if height % rows:
        total += loop(0, samples, 1, height - 1, 1)
    return total.reshape(rows_axis.taps, columns.taps, channels)
