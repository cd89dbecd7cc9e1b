"""The arithmetic of sliding windows, shared by pooling and convolution. All of it is static."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Axis(NamedTuple):
    """How a window of `taps` places, `dilation` apart, slides along one axis in `stride`s."""

    number: int  # of the axis in the array
    size: int
    taps: int
    stride: int
    dilation: int
    low: int  # padding before (negative: elements left out)
    high: int  # padding after

    @property
    def span(self) -> int:
        return (self.taps - 1) * self.dilation + 1

    @property
    def out(self) -> int:
        return max(0, (self.size + self.low + self.high - self.span) // self.stride + 1)


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Return `value` as one number for each of `rank` axes."""
    return (value,) * rank if isinstance(value, (int, np.integer)) else tuple(value)


def sliding(shape, first, window, strides, padding, dilation=1) -> tuple[Axis, ...]:
    """Describe a window over the axes `first`, `first + 1`, ... of an array of `shape`.

    `padding` is "valid", "same" (as many outputs as strides fit, the odd place after), "causal"
    (all of it before) or one pair (before, after) for each axis.
    """
    rank = len(window)
    axes = []
    for i, (taps, stride, gap) in enumerate(
        zip(window, per_axis(strides, rank), per_axis(dilation, rank), strict=True)
    ):
        size = shape[first + i]
        reach = (taps - 1) * gap
        if not isinstance(padding, str):
            low, high = padding[i]
        elif padding == "same":
            total = max(0, (-(-size // stride) - 1) * stride + reach + 1 - size)
            low, high = total // 2, total - total // 2
        elif padding == "causal":
            low, high = reach, 0
        else:
            low, high = 0, 0
        axes.append(Axis(first + i, size, taps, stride, gap, low, high))
    return tuple(axes)


def pairs(axes: Sequence[Axis]) -> list[tuple[int, int]]:
    """Return the padding (before, after) of each axis, as `lax` wants it."""
    return [(a.low, a.high) for a in axes]


def pad(x: jax.Array, axes: Sequence[Axis], value=0) -> jax.Array:
    """Pad `x` along `axes`."""
    if not any(a.low or a.high for a in axes):
        return x
    config = [(0, 0, 0)] * x.ndim
    for a in axes:
        config[a.number] = (a.low, a.high, 0)
    return lax.pad(x, jnp.asarray(value, x.dtype), config)


def places(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """Count through the places of the window, the last axis fastest."""
    return np.ndindex(*(a.taps for a in axes))


def seen_from(x: jax.Array, axes: Sequence[Axis], place: Sequence[int]) -> jax.Array:
    """Return what every window sees at `place`: a strided slice of the padded `x`."""
    start, stop, step = [0] * x.ndim, list(x.shape), [1] * x.ndim
    for a, p in zip(axes, place, strict=True):
        start[a.number] = p * a.dilation
        stop[a.number] = start[a.number] + (a.out - 1) * a.stride + 1
        step[a.number] = a.stride
    return lax.slice(x, start, stop, step)


def written_out(x):
    """Return `x` (one array or several), which XLA then computes once.

    Otherwise it puts what is cheap, in its eyes, into each operation that reads it: a sum of nine
    shifted products is then computed again by every reader.
    """
    return lax.optimization_barrier(x)


def channels_to_last(x: jax.Array, data_format: str) -> jax.Array:
    """Move the channels of `x` to the end if `data_format` says that they come first."""
    return jnp.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def channels_back(x: jax.Array, data_format: str) -> jax.Array:
    """Undo `channels_to_last`."""
    return jnp.moveaxis(x, -1, 1) if data_format == "channels_first" else x
