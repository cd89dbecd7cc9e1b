"""Layers that move elements about: shapes, order, borders and repetition."""

import math

import jax
import jax.numpy as jnp

from kerata import ops
from kerata.engine import settings
from kerata.engine.errors import argument_error, int_tuple, one_of, positive_int
from kerata.engine.input_spec import InputSpec
from kerata.engine.symbolic import KerasTensor
from kerata.layers.spatial import SpatialLayer
from kerata.layers.stateless import Stateless


class Flatten(Stateless):
    """Flattens each sample to one axis.

    Args:
        data_format: "channels_last", or "channels_first" to move the channels of
            `(batch, channels, ...)` to the end first; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.

    Inputs are `(batch, ...)`, outputs `(batch, elements)`.

    Example:
        >>> kerata.layers.Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)
    """

    takes_sparse = True

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = settings.data_format(data_format, self)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs):
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = ops.transpose(inputs, (0, *range(2, inputs.ndim), 1))
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))


class Reshape(Stateless):
    """Gives each sample another shape.

    Args:
        target_shape: the shape without the batch axis; at most one size may be -1: whatever the
            elements make.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if two sizes are -1, or (when called) the number of elements differs.

    Example:
        >>> kerata.layers.Reshape((2, -1))(np.ones((5, 6))).shape
        (5, 2, 3)
    """

    takes_sparse = True

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        sizes = tuple(-1 if size is None else size for size in target_shape)
        if sizes.count(-1) > 1 or any(not isinstance(s, int) or s < -1 for s in sizes):
            must = "hold integers of at least 0, one of which may be -1"
            raise argument_error("target_shape", must, target_shape, self)
        self.target_shape = sizes

    def compute_output_spec(self, inputs):
        # Numbers of elements can be compared only where they are known.
        if None not in inputs.shape[1:]:
            return super().compute_output_spec(inputs)
        sizes = (None if size == -1 else size for size in self.target_shape)
        return KerasTensor((inputs.shape[0], *sizes), inputs.dtype, inputs.sparse)

    def call(self, inputs):
        elements = math.prod(inputs.shape[1:])
        known = math.prod(size for size in self.target_shape if size != -1)
        rest = elements // known if -1 in self.target_shape and known else 1
        if known * rest != elements:
            raise ValueError(
                f"Reshape {self.name!r} to {self.target_shape} cannot keep the number of elements "
                f"of a sample.\nReceived: samples of shape {tuple(inputs.shape[1:])}, with "
                f"{elements} elements"
            )
        shape = tuple(rest if size == -1 else size for size in self.target_shape)
        return ops.reshape(inputs, (inputs.shape[0], *shape))


class Permute(Stateless):
    """Reorders the axes of each sample.

    Args:
        dims: for each axis of the result, the axis of the input that it is; 1 is the first after
            the batch axis.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `dims` is not a permutation of 1, 2, …

    Example:
        >>> kerata.layers.Permute((2, 1))(np.ones((5, 2, 3))).shape
        (5, 3, 2)
    """

    takes_sparse = True

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            must = "hold each of 1, 2, … (the axes without the batch axis) once"
            raise argument_error("dims", must, dims, self)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        return ops.transpose(inputs, (0, *self.dims))


class RepeatVector(Stateless):
    """Repeats each sample `n` times: `(batch, features)` becomes `(batch, n, features)`.

    Args:
        n: how often.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        TypeError: if `n` is not an integer.
        ValueError: if it is not positive.
    """

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise argument_error("n", "be an integer", n, self, TypeError)
        self.n = positive_int("n", n, self)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        return jnp.repeat(inputs[:, None, :], self.n, axis=1)


class _Borders(SpatialLayer):
    """Base of layers that take away from, or add to, both ends of the spatial axes."""

    def __init__(self, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def pairs(self, name: str, value) -> tuple:
        """Return `value` as pairs (before, after), one for each spatial axis.

        It is a number for all, or for each axis a number or a pair. The pair of a one-dimensional
        layer is not nested.
        """
        if self.rank == 1:
            return int_tuple(name, value, 2, self, allow_zero=True)
        values = (value,) * self.rank if isinstance(value, int) else value
        if not isinstance(values, (list, tuple)) or len(values) != self.rank:
            must = f"be an integer, or {self.rank} integers or pairs (before, after)"
            raise argument_error(name, must, value, self)
        return tuple(int_tuple(name, v, 2, self, allow_zero=True) for v in values)

    def by_axis(self, pairs) -> dict:
        """Return the pairs by place of the axis in the inputs."""
        pairs = (pairs,) if self.rank == 1 else pairs
        return dict(zip(self.spatial_axes, pairs, strict=True))


class _Cropping(_Borders):
    """Base of the cropping layers."""

    def call(self, inputs):
        slices = [slice(None)] * inputs.ndim
        for axis, (before, after) in self.by_axis(self.cropping).items():
            size = inputs.shape[axis]
            if before + after >= size:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} must leave something: `cropping` takes "
                    f"{before} + {after} of the {size} elements of axis {axis}.\n"
                    f"Received: cropping={self.cropping}, and an input of shape "
                    f"{tuple(inputs.shape)}"
                )
            slices[axis] = slice(before, size - after)
        return inputs[tuple(slices)]


class Cropping1D(_Cropping):
    """Cuts off the ends of the time axis of `(batch, time, features)`.

    Args:
        cropping: how many steps at each end, or a pair (start, end).
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.Cropping1D((1, 2))(np.ones((5, 7, 3))).shape
        (5, 4, 3)
    """

    def __init__(self, cropping=(1, 1), **kwargs):
        super().__init__("channels_last", **kwargs)
        self.cropping = self.pairs("cropping", cropping)


class Cropping2D(_Cropping):
    """Cuts off the borders of images.

    Args:
        cropping: how many rows and columns on each side: a number for all, a pair (rows, columns)
            or a pair of pairs ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.Cropping2D(((1, 0), (2, 1)))(np.ones((5, 6, 6, 3))).shape
        (5, 5, 3, 3)
    """

    rank = 2

    def __init__(self, cropping=((0, 0), (0, 0)), data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.cropping = self.pairs("cropping", cropping)


class Cropping3D(_Cropping):
    """Cuts off the borders of volumes.

    Args:
        cropping: how much on each side: a number for all, or for each axis a number or a pair
            (before, after).
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    rank = 3

    def __init__(self, cropping=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.cropping = self.pairs("cropping", cropping)


class _ZeroPadding(_Borders):
    """Base of the padding layers."""

    def call(self, inputs):
        widths = self.by_axis(self.padding)
        return jnp.pad(inputs, [widths.get(axis, (0, 0)) for axis in range(inputs.ndim)])


class ZeroPadding1D(_ZeroPadding):
    """Adds zeros at the ends of a sequence.

    Args:
        padding: how many at each end, or a pair (start, end).
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.ZeroPadding1D((1, 2))(np.ones((5, 7, 3))).shape
        (5, 10, 3)
    """

    def __init__(self, padding=1, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.padding = self.pairs("padding", padding)


class ZeroPadding2D(_ZeroPadding):
    """Adds borders of zeros to images.

    Args:
        padding: how many rows and columns on each side: a number for all, a pair (rows, columns)
            or a pair of pairs ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.ZeroPadding2D((1, 2))(np.ones((5, 6, 6, 3))).shape
        (5, 8, 10, 3)
    """

    rank = 2

    def __init__(self, padding=(1, 1), data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.padding = self.pairs("padding", padding)


class ZeroPadding3D(_ZeroPadding):
    """Adds borders of zeros to volumes.

    Args:
        padding: how much on each side: a number for all, or for each axis a number or a pair
            (before, after).
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    rank = 3

    def __init__(self, padding=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.padding = self.pairs("padding", padding)


class _UpSampling(_Borders):
    """Base of the layers that repeat elements along the spatial axes."""

    def call(self, inputs):
        sizes = int_tuple("size", self.size, self.rank, self)
        for axis, size in zip(self.spatial_axes, sizes, strict=True):
            inputs = jnp.repeat(inputs, size, axis)
        return inputs


class UpSampling1D(_UpSampling):
    """Repeats each time step of `(batch, time, features)`.

    Args:
        size: how often.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, size=2, **kwargs):
        super().__init__("channels_last", **kwargs)
        if not isinstance(size, int) or isinstance(size, bool):
            raise argument_error("size", "be an integer", size, self, TypeError)
        self.size = positive_int("size", size, self)


class UpSampling2D(_UpSampling):
    """Enlarges images by whole factors.

    Args:
        size: factor of the rows and of the columns, or one for both.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        interpolation: "nearest" repeats; "bilinear", "bicubic", "lanczos3" and "lanczos5"
            interpolate.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.UpSampling2D((2, 3))(np.ones((5, 4, 4, 3))).shape
        (5, 8, 12, 3)
    """

    rank = 2

    def __init__(self, size=(2, 2), data_format=None, interpolation="nearest", **kwargs):
        super().__init__(data_format, **kwargs)
        self.size = int_tuple("size", size, 2, self)
        known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        name = interpolation.lower() if isinstance(interpolation, str) else interpolation
        self.interpolation = one_of("interpolation", name, known, self)

    def call(self, inputs):
        if self.interpolation == "nearest":
            return super().call(inputs)
        shape = list(inputs.shape)
        for axis, size in zip(self.spatial_axes, self.size, strict=True):
            shape[axis] *= size
        return jax.image.resize(ops.cast(inputs, self.compute_dtype), shape, self.interpolation)


class UpSampling3D(_UpSampling):
    """Enlarges volumes by repeating elements.

    Args:
        size: factors of the three axes, or one for all.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    rank = 3

    def __init__(self, size=(2, 2, 2), data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.size = int_tuple("size", size, 3, self)
