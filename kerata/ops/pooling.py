"""Pooling: one number for each window of an image, sequence or volume."""

import math

import jax.numpy as jnp
import numpy as np

from kerata.engine import reading, settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, int_tuple, one_of
from kerata.engine.op import op
from kerata.kernels import pooling as kernels
from kerata.ops.arguments import array


def check_padding(padding) -> str:
    """Return "valid" or "same", from either case."""
    known = padding.lower() if isinstance(padding, str) else padding
    return one_of("padding", known, ("valid", "same"))


def spatial_rank(x, name: str = "inputs") -> int:
    """Return how many axes lie between the batch and the channels; 1, 2 or 3."""
    if not 3 <= x.ndim <= 5:
        raise ValueError(
            f"`{name}` must have a batch axis, a channel axis, and one to three spatial axes.\n"
            f"Received: shape {x.shape}"
        )
    return x.ndim - 2


def _pool(kernel, x, pool_size, strides, padding, data_format):
    rank = spatial_rank(x)
    window = int_tuple("pool_size", pool_size, rank)
    strides = window if strides is None else int_tuple("strides", strides, rank)
    data_format = settings.data_format(data_format)
    return kernel(x, window, strides, check_padding(padding), data_format)


@op
def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """Return the maximum in each window.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)` with one to three spatial axes, or
            `(batch, channels, *spatial)` with `data_format="channels_first"`.
        pool_size: size of the window, for all spatial axes or one for each.
        strides: steps between windows; None for `pool_size`.
        padding: "valid" (no padding) or "same" (a window at every stride).
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.reshape([1.0, 5.0, 3.0, 2.0], (1, 4, 1))
        >>> kerata.ops.max_pool(x, 2).ravel()
        Array([5., 3.], dtype=float32)
    """
    return _pool(kernels.max_pool, array(inputs), pool_size, strides, padding, data_format)


@op
def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """Return the mean of each window; padding does not count.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)` with one to three spatial axes, or
            `(batch, channels, *spatial)` with `data_format="channels_first"`.
        pool_size: size of the window, for all spatial axes or one for each.
        strides: steps between windows; None for `pool_size`.
        padding: "valid" (no padding) or "same" (a window at every stride).
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.reshape([1.0, 5.0, 3.0, 2.0], (1, 4, 1))
        >>> kerata.ops.average_pool(x, 2).ravel()
        Array([3. , 2.5], dtype=float32)
    """
    return _pool(kernels.avg_pool, as_float(inputs), pool_size, strides, padding, data_format)


def _adaptive_pool(reduce, x, output_size, data_format):
    """Apply `reduce(x, axis, starts, ends)` to the spatial axes one after the other."""
    rank = spatial_rank(x)
    if isinstance(output_size, list | tuple) and len(output_size) != rank:
        raise argument_error("output_size", f"be an integer or {rank} of them", output_size)
    sizes = output_size if isinstance(output_size, list | tuple) else (output_size,) * rank
    first = 1 if settings.data_format(data_format) == "channels_last" else 2
    for axis, size in enumerate(sizes, first):
        old = x.shape[axis]
        (new,) = int_tuple("output_size", old if size is None else size, 1)
        if new != old:
            reading.charge("the windows of an adaptive pooling", (new, old))
            starts = [i * old // new for i in range(new)]
            ends = [math.ceil((i + 1) * old / new) for i in range(new)]
            x = reduce(x, axis, np.array(starts), np.array(ends))
    return x


@op
def adaptive_average_pool(inputs, output_size, data_format=None):
    """Return means of windows that are chosen to give an output of a certain size.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)` with one to three spatial axes, or
            `(batch, channels, *spatial)` with `data_format="channels_first"`.
        output_size: spatial size of the result, for all axes or one for each; None keeps the
            input's. Window `i` of `n` goes from `floor(i * size / n)` to
            `ceil((i + 1) * size / n)`.
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.reshape([1.0, 5.0, 3.0, 2.0], (1, 4, 1))
        >>> kerata.ops.adaptive_average_pool(x, 2).ravel()
        Array([3. , 2.5], dtype=float32)
    """

    def mean(x, axis, starts, ends):
        places = np.arange(x.shape[axis])
        inside = (places >= starts[:, None]) & (places < ends[:, None])
        weights = jnp.asarray(inside / (ends - starts)[:, None], x.dtype)
        return jnp.moveaxis(jnp.tensordot(x, weights, (axis, 1)), -1, axis)

    return _adaptive_pool(mean, as_float(inputs), output_size, data_format)


@op
def adaptive_max_pool(inputs, output_size, data_format=None):
    """Return maxima of windows that are chosen to give an output of a certain size.

    Args:
        inputs: tensor of shape `(batch, *spatial, channels)` with one to three spatial axes, or
            `(batch, channels, *spatial)` with `data_format="channels_first"`.
        output_size: spatial size of the result, for all axes or one for each; None keeps the
            input's. See `adaptive_average_pool` for the windows.
        data_format: None for `image_data_format()`.

    Example:
        >>> x = kerata.ops.reshape([1.0, 5.0, 3.0, 2.0], (1, 4, 1))
        >>> kerata.ops.adaptive_max_pool(x, 2).ravel()
        Array([5., 3.], dtype=float32)
    """

    def greatest(x, axis, starts, ends):
        # A window that is shorter than the longest one sees its last element again.
        offsets = np.arange((ends - starts).max())
        places = np.minimum(starts[:, None] + offsets, ends[:, None] - 1)
        return jnp.take(x, jnp.asarray(places), axis).max(axis + 1)

    return _adaptive_pool(greatest, array(inputs), output_size, data_format)
