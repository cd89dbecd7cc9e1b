"""Max and average pooling.

Both separate: the maximum over a rectangle is the maximum over its rows of the maxima over their
columns, and so for sums. So on a CPU a pooling is a chain of poolings along one axis, and each of
them is a few strided slices forward and a few repetitions backward, which XLA fuses into one loop
each. (XLA's own gradient of a max pooling, select-and-scatter, takes 10 to 50 times as long there.)
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kerata.kernels.gradients import unless_differentiated
from kerata.kernels.platform import platform
from kerata.kernels.windows import Axis, pad, pairs, per_axis, seen_from, sliding, written_out

# Windows longer than this would unroll into long programs.
_MOST_TAPS = 16
_MOST_STRIDE = 128  # places are counted in a byte


def max_pool(
    x: jax.Array,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "valid",
    data_format: str = "channels_last",
) -> jax.Array:
    """Return the maximum in each window; the gradient goes to the first of equal ones.

    Args:
        x: `(batch, *spatial, channels)`, or `(batch, channels, *spatial)` with
            `data_format="channels_first"`; one to three spatial axes; any real dtype.
        window: size of the window, one for all spatial axes or one for each.
        strides: steps between windows; None: the window's size.
        padding: "valid", "same", or a pair (before, after) for each axis.
        data_format: "channels_last" or "channels_first".

    Returns:
        An array in the layout and dtype of `x`.

    Example:
        >>> max_pool(jnp.array([3.0, 1.0, 2.0, 5.0]).reshape(1, 4, 1), 2).ravel()
        Array([3., 5.], dtype=float32)
    """
    axes = _axes(x, window, strides, padding, data_format)
    return _max_pool(x, axes, _is_chained(x, axes))


def avg_pool(
    x: jax.Array,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "valid",
    data_format: str = "channels_last",
) -> jax.Array:
    """Return the mean of each window; padding does not count.

    Arguments and result are those of `max_pool`; `x` is floating. Sums are taken in float32 at
    least.

    Example:
        >>> avg_pool(jnp.array([3.0, 1.0, 2.0]).reshape(1, 3, 1), 2, padding="same").ravel()
        Array([2., 2.], dtype=float32)
    """
    axes = _axes(x, window, strides, padding, data_format)
    return _avg_pool(x, axes, _is_chained(x, axes))


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _max_pool(x, axes, chained):
    def window(x):
        return _window(x, _lowest(x.dtype), lax.max, axes)

    def chain(x):
        for axis in reversed(axes):  # the last first: equal maxima then tie as in row-major order
            x = _max_along(x, axis) if floating else _running_max(x, axis)
        return x

    floating = jnp.issubdtype(x.dtype, jnp.floating)
    if not chained:
        return window(x)
    if floating and all(a.taps <= a.stride for a in axes):
        # Alone, the chain would be faster here too. But behind a convolution XLA fuses what comes
        # between them better into its own.
        return unless_differentiated(window, chain)(x)
    return chain(x)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _avg_pool(x, axes, chained):
    dtype = x.dtype
    x = x.astype(jnp.promote_types(dtype, jnp.float32))
    if chained:
        for axis in reversed(axes):
            x = _mean_along(x, axis)
        return x.astype(dtype)
    x = _window(x, 0, lax.add, axes)
    for axis in axes:
        x = x / _counts(axis, x)
    return x.astype(dtype)


def _axes(x, window, strides, padding, data_format):
    first = 1 if data_format == "channels_last" else 2
    window = per_axis(window, x.ndim - 2)
    strides = window if strides is None else per_axis(strides, x.ndim - 2)
    return sliding(x.shape, first, window, strides, padding)


def _is_chained(x: jax.Array, axes: Sequence[Axis]) -> bool:
    return (
        platform() == "cpu"
        and x.size > 0
        and all(a.out > 0 and min(a.low, a.high) >= 0 for a in axes)
        and all(a.taps <= _MOST_TAPS and a.stride <= _MOST_STRIDE for a in axes)
    )


def _window(x, start, combine, axes):
    """Pool as `lax` does."""
    window, strides, padding = [1] * x.ndim, [1] * x.ndim, [(0, 0)] * x.ndim
    for a, pair in zip(axes, pairs(axes), strict=True):
        window[a.number], strides[a.number], padding[a.number] = a.taps, a.stride, pair
    return lax.reduce_window(x, np.array(start, x.dtype)[()], combine, window, strides, padding)


def _lowest(dtype):
    if jnp.issubdtype(dtype, jnp.bool_):
        return False
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min


def _counts(axis: Axis, like: jax.Array) -> np.ndarray:
    """Return how many places of each window lie inside, shaped to divide `like`."""
    start = np.arange(axis.out) * axis.stride - axis.low
    count = np.minimum(start + axis.taps, axis.size) - np.maximum(start, 0)
    shape = [1] * like.ndim
    shape[axis.number] = axis.out
    return count.reshape(shape).astype(like.dtype)


def _running_max(x, axis, places=False):
    """Return the maximum along one axis; with `places`, also where in its window the first is."""
    padded = pad(x, [axis], _lowest(x.dtype))
    best = seen_from(padded, [axis], [0])
    place = jnp.zeros(best.shape, jnp.uint8)
    for i in range(1, axis.taps):
        new = seen_from(padded, [axis], [i])
        place = jnp.where(new > best, jnp.uint8(i), place)
        best = jnp.maximum(best, new)
    return _settled((best, place) if places else best, axis)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_along(x, axis):
    return _running_max(x, axis)


def _max_forward(x, axis):
    return _running_max(x, axis, places=True)


def _max_backward(axis, place, gradient):
    def received(gradient, place, here):
        return jnp.where(place == here, gradient, 0)

    return (_spread(received, axis, gradient, place),)


_max_along.defvjp(_max_forward, _max_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _mean_along(x, axis):
    padded = pad(x, [axis])
    total = sum(seen_from(padded, [axis], [i]) for i in range(axis.taps))
    return _settled(total / _counts(axis, x), axis)


def _mean_forward(x, axis):
    return _mean_along(x, axis), None


def _mean_backward(axis, _, gradient):
    def received(gradient, here):
        return jnp.where(here < axis.taps, gradient, 0) if ragged else gradient

    ragged = axis.taps % axis.stride
    return (_spread(received, axis, gradient / _counts(axis, gradient)),)


_mean_along.defvjp(_mean_forward, _mean_backward)


def _spread(received, axis, *outputs):
    """Carry what belongs to the windows back to the positions that they cover.

    Cut the padded axis into blocks of one stride. Each position lies in the window that starts
    with its own block, and in those that started one, two, ... blocks earlier as far as they
    reach: so every array of `outputs` (one value a window) is repeated over the blocks, shifted by
    0, 1, ... of them, and `received(*values, here)` says what a position gets, where `here` is
    its own place in that window.
    """
    blocks = -(-(axis.low + axis.size) // axis.stride)
    total = None
    for earlier in range(-(-axis.taps // axis.stride)):
        values = [_repeat(v, axis, blocks, earlier) for v in outputs]
        places = lax.broadcasted_iota(jnp.uint8, values[0].shape, axis.number + 1)
        here = places + np.uint8(earlier * axis.stride)
        share = received(*values, here)
        total = share if total is None else total + share
    total = lax.collapse(total, axis.number, axis.number + 2)
    total = lax.slice_in_dim(total, axis.low, axis.low + axis.size, axis=axis.number)
    return _settled(total, axis)


def _settled(x, axis):
    """Have `x` written out if windows overlap: what follows would compute it once for each."""
    return written_out(x) if axis.taps > axis.stride else x


def _repeat(x, axis, blocks, earlier):
    """Return for each block what `x` has for the window `earlier` blocks before; zero outside."""
    config = [(0, 0, 0)] * x.ndim
    config[axis.number] = (earlier, blocks - earlier - x.shape[axis.number], 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), config)
    shape = x.shape[: axis.number + 1] + (axis.stride,) + x.shape[axis.number + 1 :]
    kept = [i for i in range(len(shape)) if i != axis.number + 1]
    return lax.broadcast_in_dim(x, shape, kept)
