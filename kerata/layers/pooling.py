"""Pooling: over windows, over everything, and to a given size."""

import jax.numpy as jnp

from kerata import ops
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, int_tuple
from kerata.engine.input_spec import InputSpec
from kerata.layers.arguments import padding_name
from kerata.layers.spatial import SpatialLayer


class _Pooling(SpatialLayer):
    """What pooling over windows has in common.

    Args:
        pool_size: size of the window: one number for each spatial axis, or one for all.
        strides: steps between windows; the window's size if None.
        padding: "valid", or "same" (as many outputs as strides fit; padding never counts).
        data_format: "channels_last" or "channels_first"; the global setting if None.
        name: name of the layer.
        **kwargs: `dtype`, `trainable`.
    """

    per_axis = ("pool_size",)

    def __init__(self, pool_size, strides, padding, data_format, name, **kwargs):
        super().__init__(data_format, name=name, **kwargs)
        self.pool_size = int_tuple("pool_size", pool_size, self.rank, self)
        strides = self.pool_size if strides is None else strides
        self.strides = int_tuple("strides", strides, self.rank, self)
        self.padding = padding_name(padding, self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs):
        if self.padding == "valid":
            self.check_fits(inputs, self.pool_size)
        return self.pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _MaxPooling(_Pooling):
    """Base of `MaxPooling1D`, `MaxPooling2D` and `MaxPooling3D`."""

    pool = staticmethod(ops.max_pool)

    def __init__(
        self, pool_size=2, strides=None, padding="valid", data_format=None, name=None, **kwargs
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class _AveragePooling(_Pooling):
    """Base of `AveragePooling1D`, `AveragePooling2D` and `AveragePooling3D`."""

    pool = staticmethod(ops.average_pool)

    def __init__(
        self, pool_size, strides=None, padding="valid", data_format=None, name=None, **kwargs
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def call(self, inputs):
        return super().call(as_float(inputs))


class MaxPooling1D(_MaxPooling):
    """Takes the maximum over windows of time, `(batch, time, channels)`.

    Args:
        pool_size: length of the window.
        strides: steps between windows; the window's length if None.
        padding: "valid", or "same" (as many outputs as strides fit; padding never counts).
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        name: name of the layer.
        **kwargs: `dtype`, `trainable`.

    Raises:
        ValueError: if an argument is out of range, or (when called) the window does not fit.

    Example:
        >>> kerata.layers.MaxPooling1D(2)(np.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel()
        Array([3., 2.], dtype=float32)
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """Takes the maximum over windows of images, `(batch, rows, columns, channels)`.

    Arguments are those of `MaxPooling1D`; one number may stand for both axes.

    Example:
        >>> kerata.layers.MaxPooling2D(2)(np.ones((5, 6, 6, 3))).shape
        (5, 3, 3, 3)
    """

    rank = 2


class MaxPooling3D(_MaxPooling):
    """Takes the maximum over windows of volumes, `(batch, *three spatial axes, channels)`.

    Arguments are those of `MaxPooling1D`; one number may stand for all axes.
    """

    rank = 3


class AveragePooling1D(_AveragePooling):
    """Averages over windows of time, `(batch, time, channels)`.

    Arguments are those of `MaxPooling1D`.

    Example:
        >>> kerata.layers.AveragePooling1D(2)(np.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel()
        Array([2., 1.], dtype=float32)
    """

    rank = 1


class AveragePooling2D(_AveragePooling):
    """Averages over windows of images, `(batch, rows, columns, channels)`.

    Arguments are those of `MaxPooling1D`; one number may stand for both axes.
    """

    rank = 2


class AveragePooling3D(_AveragePooling):
    """Averages over windows of volumes, `(batch, *three spatial axes, channels)`.

    Arguments are those of `MaxPooling1D`; one number may stand for all axes.
    """

    rank = 3


class _GlobalPooling(SpatialLayer):
    """What pooling over all of the spatial axes has in common."""

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format, **kwargs)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _GlobalMaxPooling(_GlobalPooling):
    """Base of `GlobalMaxPooling1D` and its like."""

    def call(self, inputs):
        return jnp.max(inputs, self.spatial_axes, keepdims=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    """Base of `GlobalAveragePooling1D` and its like."""

    def call(self, inputs):
        return jnp.mean(as_float(inputs), self.spatial_axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """Takes the maximum over time: `(batch, time, channels)` becomes `(batch, channels)`.

    Args:
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        keepdims: whether to keep the spatial axes, with size 1.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.GlobalMaxPooling1D()(np.array([[[1.0], [3.0], [2.0]]]))
        Array([[3.]], dtype=float32)
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """Takes the maximum over images: `(batch, rows, columns, channels)` to `(batch, channels)`.

    Arguments are those of `GlobalMaxPooling1D`.
    """

    rank = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """Takes the maximum over volumes. Arguments are those of `GlobalMaxPooling1D`."""

    rank = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """Averages over time: `(batch, time, channels)` becomes `(batch, channels)`.

    Args:
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        keepdims: whether to keep the spatial axes, with size 1.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: the tensor.
        mask: booleans `(batch, time)`: which steps count.

    Example:
        >>> layer = kerata.layers.GlobalAveragePooling1D()
        >>> x = np.array([[[1.0], [3.0], [9.0]]])
        >>> layer(x, mask=np.array([[True, True, False]]))
        Array([[2.]], dtype=float32)
    """

    rank = 1

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return super().call(inputs)
        inputs = as_float(inputs)
        mask = jnp.expand_dims(mask, self.channel_axis).astype(inputs.dtype)
        axis = self.spatial_axes
        total = jnp.sum(inputs * mask, axis, keepdims=self.keepdims)
        # Where nothing counts, the sum is 0, and so is the result.
        return total / jnp.maximum(jnp.sum(mask, axis, keepdims=self.keepdims), 1)

    def compute_mask(self, inputs, mask=None):
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """Averages over images: `(batch, rows, columns, channels)` becomes `(batch, channels)`.

    Arguments are those of `GlobalMaxPooling1D`.

    Example:
        >>> kerata.layers.GlobalAveragePooling2D()(np.ones((5, 6, 6, 3))).shape
        (5, 3)
    """

    rank = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """Averages over volumes. Arguments are those of `GlobalMaxPooling1D`."""

    rank = 3


class _AdaptivePooling(SpatialLayer):
    """What pooling to a given size has in common."""

    def __init__(self, output_size, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        try:
            self.output_size = int_tuple("output_size", output_size, self.rank, self)
        except ValueError:
            must = f"be an integer or a tuple of {self.rank} integers, each at least 1"
            kind = ValueError if isinstance(output_size, int) else TypeError
            raise argument_error("output_size", must, output_size, self, kind) from None
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _AdaptiveAveragePooling(_AdaptivePooling):
    """Base of `AdaptiveAveragePooling1D` and its like."""

    def call(self, inputs):
        return ops.adaptive_average_pool(as_float(inputs), self.output_size, self.data_format)


class _AdaptiveMaxPooling(_AdaptivePooling):
    """Base of `AdaptiveMaxPooling1D` and its like."""

    def call(self, inputs):
        return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """Averages over as many windows of time as asked for, whatever the length of the input.

    Args:
        output_size: how many steps the output has.
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        TypeError: if `output_size` is neither an integer nor a tuple of them.
        ValueError: if it is not positive.

    Example:
        >>> kerata.layers.AdaptiveAveragePooling1D(3)(np.ones((5, 7, 2))).shape
        (5, 3, 2)
    """

    rank = 1


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """Averages images to a given size. Arguments are those of `AdaptiveAveragePooling1D`."""

    rank = 2


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """Averages volumes to a given size. Arguments are those of `AdaptiveAveragePooling1D`."""

    rank = 3


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """Takes maxima over as many windows of time as asked for, whatever the input's length.

    Arguments are those of `AdaptiveAveragePooling1D`.
    """

    rank = 1


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """Takes maxima of images to a given size. Arguments: see `AdaptiveAveragePooling1D`."""

    rank = 2


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """Takes maxima of volumes to a given size. Arguments: see `AdaptiveAveragePooling1D`."""

    rank = 3
