"""Layers that bring numbers into a convenient range."""

import math
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from kerata.engine import settings
from kerata.engine.errors import argument_error
from kerata.engine.input_spec import InputSpec, check_inputs
from kerata.layers.arguments import axis_tuple, known_dim, resolve_axes
from kerata.layers.layer import Layer
from kerata.layers.preprocessing.host import as_numbers, check_learnable
from kerata.layers.stateless import Stateless


class Rescaling(Stateless):
    """Computes `inputs * scale + offset`.

    Args:
        scale: factor: a number, or one for each channel.
        offset: number to add, or one for each channel.
        **kwargs: `name`, `dtype`, `trainable`.

    Inputs may be integers; outputs are of the layer's compute dtype.

    Example:
        >>> kerata.layers.Rescaling(1 / 127.5, offset=-1)(np.array([0, 255], "uint8"))
        Array([-1.,  1.], dtype=float32)
    """

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True

    def call(self, inputs):
        dtype = self.compute_dtype
        scale, offset = (self._for_channels(x, dtype) for x in (self.scale, self.offset))
        return inputs.astype(dtype) * scale + offset

    @staticmethod
    def _for_channels(value, dtype):
        value = jnp.asarray(value, dtype)
        if value.ndim and settings.image_data_format() == "channels_first":
            value = value.reshape(*value.shape, *(1,) * (3 - value.ndim))
        return value


class Normalization(Layer):
    """Shifts and scales to mean 0 and standard deviation 1, by statistics of a data set.

    Give `mean` and `variance`, or call `adapt(data)` before training.

    Args:
        axis: axis or axes along which each element has a mean and variance of its own; None for
            one mean and variance of everything.
        mean: the mean(s), with a shape that broadcasts to those axes.
        variance: the variance(s).
        invert: whether to go the other way, from normalized to original values.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if only one of `mean` and `variance` is given, or their shapes differ.

    Example:
        >>> layer = kerata.layers.Normalization()
        >>> layer.adapt(np.array([[0.0, 10.0], [2.0, 30.0]]))
        >>> layer(np.array([[2.0, 20.0]]))
        Array([[1., 0.]], dtype=float32)
    """

    def __init__(self, axis=-1, mean=None, variance=None, invert=False, **kwargs):
        super().__init__(**kwargs)
        self.axis = () if axis is None else axis_tuple(axis, self)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.supports_masking = True
        if (mean is None) != (variance is None) or np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"Normalization {self.name!r} takes both `mean` and `variance`, of one shape, or "
                f"neither.\nReceived: mean={mean!r}, variance={variance!r}"
            )
        if np.ndim(mean) > max(len(self.axis), 0) and mean is not None:
            must = f"have at most as many axes as `axis`, {len(self.axis)}"
            raise argument_error("mean", must, mean, self)

    def build(self, input_shape):
        rank = len(input_shape)
        axes = resolve_axes(self.axis, rank, self)
        sizes = tuple(known_dim(input_shape, a, self) for a in axes)
        # Axes counted from the end are there whatever the rank.
        counted = all(a < 0 for a in self.axis)
        self.input_spec = InputSpec(
            ndim=None if counted else rank,
            axes={a - rank * counted: s for a, s in zip(axes, sizes, strict=True) if a},
        )
        self._kept_axes = axes
        self._broadcast = tuple(input_shape[a] if a in axes else 1 for a in range(rank))
        if self.input_mean is None:
            fixed = {"trainable": False, "autocast": False}
            add = self.add_weight
            self.adapt_mean = add(name="mean", shape=sizes, initializer="zeros", **fixed)
            self.adapt_variance = add(name="variance", shape=sizes, initializer="ones", **fixed)
            self.count = add(name="count", dtype="int32", initializer="zeros", **fixed)

    def _spread(self, given, learned):
        """Return statistics in the shape that broadcasts with the inputs."""
        if self.input_mean is None:
            value = learned.value
        else:
            sizes = tuple(self._broadcast[a] for a in self._kept_axes)
            value = jnp.broadcast_to(jnp.asarray(given, self.variable_dtype), sizes)
        return value.reshape(self._broadcast)

    @property
    def mean(self):
        """The mean in use, in a shape that broadcasts with the inputs; None before build."""
        if not self.built:
            return self.input_mean
        return self._spread(self.input_mean, vars(self).get("adapt_mean"))

    @property
    def variance(self):
        """The variance in use, in a shape that broadcasts with the inputs; None before build."""
        if not self.built:
            return self.input_variance
        return self._spread(self.input_variance, vars(self).get("adapt_variance"))

    def call(self, inputs):
        x = inputs.astype(self.compute_dtype)
        stddev = jnp.maximum(jnp.sqrt(self.variance), settings.epsilon()).astype(x.dtype)
        mean = self.mean.astype(x.dtype)
        return x * stddev + mean if self.invert else (x - mean) / stddev

    def adapt(self, data) -> None:
        """Learn mean and variance from data; what was learned before is forgotten.

        Args:
            data: an array `(samples, ...)`; or an iterable of batches: arrays, or tuples that
                begin with one.

        Raises:
            ValueError: if mean and variance were given, or there is no data.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"Normalization {self.name!r} was given mean and variance: there is nothing to "
                "learn.\nCall it as it is, or make one without them."
            )
        check_learnable(data, self)
        count, mean, variance = 0, 0.0, 0.0
        for batch in [data] if _is_one_batch(data) else data:
            if isinstance(_inputs(batch), Mapping):
                check_learnable(batch, self, is_batch=True)
            batch = as_numbers(_inputs(batch), self)
            if batch.size == 0:
                continue
            self._check_batch(batch)
            axes = tuple(a for a in range(batch.ndim) if a not in self._kept_axes)
            n = math.prod(batch.shape[a] for a in axes)
            # Chan et al., 1979: statistics of two parts make those of the whole.
            new = batch.mean(axes)
            share = n / (count + n)
            gap = new - mean
            variance = (1 - share) * (variance + share * gap**2) + share * batch.var(axes)
            mean = mean + share * gap
            count += n
        if count == 0:
            raise argument_error("data", "hold at least one sample", data, self)
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)
        self.count.assign(count)

    def _check_batch(self, batch):
        if not batch.ndim:
            raise TypeError(
                f"{self._title()} learns from batches: arrays with samples along the first axis.\n"
                f"Received: {batch!r}"
            )
        if not self.built:
            self.build(batch.shape)
        check_inputs(self.input_spec, batch, self._title())

    def reset_state(self) -> None:
        """Forget what `adapt` learned."""
        if self.built and self.input_mean is None:
            self.adapt_mean.assign(np.zeros(self.adapt_mean.shape))
            self.adapt_variance.assign(np.ones(self.adapt_variance.shape))
            self.count.assign(0)

    def get_config(self) -> dict:
        def plain(x):
            return np.asarray(x).tolist() if hasattr(x, "__array__") else x

        return {
            **super().get_config(),
            "axis": self.axis,
            "mean": plain(self.input_mean),
            "variance": plain(self.input_variance),
            "invert": self.invert,
        }


def _inputs(batch):
    return batch[0] if isinstance(batch, tuple) else batch


def _is_one_batch(data) -> bool:
    """Return whether data is an array, or a list that stands for one."""
    if isinstance(data, (list, tuple)):
        return not data or not hasattr(_inputs(data[0]), "shape")
    return hasattr(data, "shape")
