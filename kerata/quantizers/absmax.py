"""Quantizers: from floats to integers and scales."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from kerata.engine.configurable import Configurable
from kerata.engine.errors import argument_error
from kerata.engine.op import op


class Quantizer(Configurable):
    """Base of quantizers. Subclasses write `__call__`.

    Args:
        output_dtype: dtype of the quantized values.
    """

    def __init__(self, output_dtype="int8"):
        self.output_dtype = output_dtype

    def __call__(self, x):
        """Return quantized values; layers want the scales by which they were multiplied, too."""
        return x


class AbsMaxQuantizer(Quantizer):
    """Scales so that the largest absolute value becomes the largest integer.

    Args:
        axis: axis, or axes, whose elements share a scale; those of the call if None.
        value_range: pair (lowest, highest) of integers.
        epsilon: added to the largest absolute value, against division by zero.
        output_dtype: dtype of the integers.

    Raises:
        ValueError: if the range does not fit into the dtype.

    Example:
        >>> quantize = kerata.quantizers.AbsMaxQuantizer(axis=-1)
        >>> values, scale = quantize(np.array([[0.5, -1.0], [3.0, 2.0]]))
        >>> values
        Array([[  63, -127],
               [ 127,   85]], dtype=int8)
    """

    def __init__(self, axis=None, value_range=(-127, 127), epsilon=1e-7, output_dtype="int8"):
        super().__init__(output_dtype=output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else axis if axis is None else tuple(axis)
        self.value_range = tuple(value_range)
        self.epsilon = epsilon
        lowest, highest = self.value_range
        if output_dtype == "int8" and not -128 <= lowest <= highest <= 127:
            must = "lie within (-128, 127) for output_dtype='int8'"
            raise argument_error("value_range", must, value_range, type(self))

    def __call__(self, x, axis=None, to_numpy=False):
        """Return integers and scales, which keep all axes.

        Args:
            x: tensor of floats.
            axis: axis, or axes, whose elements share a scale; that of the quantizer if None, or
                the last one.
            to_numpy: whether to compute on the host, to save memory on the device.
        """
        axis = self.axis if axis is None else axis
        axis = -1 if axis is None else axis
        return abs_max_quantize(
            x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy
        )

    def get_config(self) -> dict:
        config = {
            "value_range": self.value_range,
            "epsilon": self.epsilon,
            "output_dtype": self.output_dtype,
        }
        return config if self.axis is None else {**config, "axis": self.axis}


@op
def abs_max_quantize(
    inputs, axis, value_range=(-127, 127), dtype="int8", epsilon=1e-7, to_numpy=False
):
    """Scale so that the largest absolute value becomes the largest integer, and round.

    Args:
        inputs: tensor of floats.
        axis: axis, or axes, whose elements share a scale.
        value_range: pair (lowest, highest) of integers.
        dtype: dtype of the integers.
        epsilon: added to the largest absolute value, against division by zero.
        to_numpy: whether to compute on the host, to save memory on the device.

    Returns:
        The integers, of the shape of `inputs`; and the scales, of that shape with 1 along `axis`:
        the inputs are about the integers divided by the scales.

    Example:
        >>> values, scale = kerata.quantizers.abs_max_quantize(np.array([-0.5, 2.0]), axis=0)
        >>> values, scale
        (Array([-32, 127], dtype=int8), Array([63.5], dtype=float32))
    """
    xp: Any = np if to_numpy else jnp
    x = xp.asarray(inputs if to_numpy else jnp.asarray(inputs))
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    scale = value_range[1] / (xp.max(xp.abs(x), axis=axis, keepdims=True) + epsilon)
    scale = scale.astype(x.dtype)
    outputs = xp.clip(xp.round(x * scale), *value_range).astype(dtype)
    return jnp.asarray(outputs), jnp.asarray(scale)


@op
def abs_max_quantize_grouped_with_zero_point(
    inputs, block_size, value_range=(-8, 7), dtype="int8", epsilon=1e-7, to_numpy=False
):
    """Quantize blocks of a matrix's rows, each by a scale and zero point of its own.

    What is quantized is the range of a block and 0, so that 0 is always exact.

    Args:
        inputs: matrix of floats, `(rows, columns)`.
        block_size: number of rows of a block, which share scales and zero points (one for each
            column).
        value_range: pair (lowest, highest) of integers.
        dtype: dtype of the integers.
        epsilon: added to the extent of a range, against division by zero.
        to_numpy: whether to compute on the host, to save memory on the device.

    Returns:
        The integers, `(rows, columns)`; the scales and the zero points, both
        `(blocks, columns)`: the inputs are about `(integer - zero_point) * scale`.

    Example:
        >>> x = np.array([[-1.0], [2.0], [0.5], [0.25]])
        >>> kerata.quantizers.abs_max_quantize_grouped_with_zero_point(x, block_size=2)[0].ravel()
        Array([-8,  7,  7, -1], dtype=int8)
    """
    xp: Any = np if to_numpy else jnp
    x = xp.asarray(inputs if to_numpy else jnp.asarray(inputs))
    rows, columns = x.shape
    blocks = -(-rows // block_size)
    padded = xp.pad(x, ((0, blocks * block_size - rows), (0, 0)))
    grouped = padded.reshape(blocks, block_size, columns)
    low, high = grouped.min(axis=1), grouped.max(axis=1)
    scale, zero = affine(low, high, value_range, epsilon=epsilon, xp=xp)
    scale = scale.astype(x.dtype)
    outputs = xp.round(grouped / scale[:, None]) + zero[:, None]
    outputs = xp.clip(outputs, *value_range).astype(dtype).reshape(padded.shape)[:rows]
    return jnp.asarray(outputs), jnp.asarray(scale), jnp.asarray(zero.astype("int8"))


def affine(low, high, value_range, symmetric=False, epsilon=0.0, xp: Any = jnp):
    """Return the scales and zero points that map ranges of floats onto a range of integers.

    Args:
        low: the lowest floats.
        high: the highest ones. 0 counts as well: otherwise the zero point could lie outside.
        value_range: pair (lowest, highest) of integers.
        symmetric: whether the zero point is the middle.
        epsilon: added to the extent of a range.
        xp: `numpy` or `jax.numpy`.
    """
    lowest, highest = value_range
    low, high = xp.minimum(low, 0), xp.maximum(high, 0)
    if symmetric:
        high = xp.maximum(-low, high)
        low = -high
    extent = high - low + epsilon
    scale = xp.where(extent > 0, extent, 2) / (highest - lowest)
    if symmetric:
        return scale, xp.full_like(scale, lowest + (highest - lowest + 1) // 2)
    return scale, xp.clip(xp.round(-low / scale) + lowest, lowest, highest)
