"""Layers that normalize: by the batch, by the sample, by groups of channels, by length."""

import math

import jax.numpy as jnp
from jax import lax

from kerata import ops
from kerata.engine import masks, settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, positive_int
from kerata.engine.input_spec import InputSpec
from kerata.kernels import batch_moments
from kerata.layers.arguments import axis_tuple, keep_rules, known_dim, resolve_axes
from kerata.layers.layer import Layer
from kerata.layers.stateless import Stateless

_CLIPS = {"rmin": 0.0, "rmax": math.inf, "dmax": math.inf}


def _wide(x):
    """Return `x` as floats of 32 bits or more: sums of 16-bit floats lose too much."""
    x = as_float(x)
    return x.astype(jnp.promote_types(x.dtype, "float32"))


class BatchNormalization(Layer):
    """Normalizes each channel over the batch (Ioffe and Szegedy, 2015).

    In training, `gamma * (x - mean) / sqrt(variance + epsilon) + beta` with mean and variance of
    the batch; else with moving averages of them. A layer with `trainable = False` always uses the
    averages, and leaves them alone.

    Args:
        axis: axis of the channels.
        momentum: how much of the moving averages stays at each step.
        epsilon: number added to the variance.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        beta_initializer: initial value of `beta`, `(channels,)`.
        gamma_initializer: initial value of `gamma`.
        moving_mean_initializer: initial value of the average mean.
        moving_variance_initializer: initial value of the average variance.
        beta_regularizer: penalty on `beta`, added to the loss.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: what is applied to `beta` after each update.
        gamma_constraint: what is applied to `gamma` after each update.
        renorm: whether to correct the batch's statistics by averages of them (Ioffe, 2017).
        renorm_clipping: limits of that correction: a dict with any of "rmin", "rmax" and "dmax".
        renorm_momentum: how much of those averages stays at each step.
        synchronized: accepted for compatibility: a batch that is spread over devices is always
            normalized as a whole.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: tensor of any rank above 0, `(batch, ...)`.
        training: whether to use, and average, the statistics of the batch.
        mask: booleans of the inputs' leading axes: which elements count for the statistics.

    Raises:
        ValueError: if an argument is out of range, or (when called) there is no such axis.

    Example:
        >>> layer = kerata.layers.BatchNormalization()
        >>> layer(np.array([[1.0], [3.0]]), training=True).round(2)
        Array([[-1.],
               [ 1.]], dtype=float32)
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        synchronized=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(axis, int):
            raise argument_error("axis", "be an integer", axis, self, TypeError)
        self.axis = axis
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        keep_rules(self, locals())
        self.renorm = renorm
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized
        if unknown := set(renorm_clipping or ()) - set(_CLIPS):
            must = f"have no keys but {', '.join(map(repr, _CLIPS))}, not {min(unknown)!r}"
            raise argument_error("renorm_clipping", must, renorm_clipping, self)
        clips = {**_CLIPS, **(renorm_clipping or {})}
        if clips["rmin"] > clips["rmax"] or clips["dmax"] < 0:
            must = "have `rmin` at most `rmax`, and `dmax` at least 0"
            raise argument_error("renorm_clipping", must, renorm_clipping, self)
        self.autocast = False  # what does not fit into 16 bits can still be normalized
        self.supports_masking = True

    def build(self, input_shape):
        rank = len(input_shape)
        channels = known_dim(input_shape, self.axis, self)
        self.input_spec = InputSpec(ndim=rank, axes={self.axis % rank: channels})

        def weight(name, wanted=True, **options):
            options = {"shape": (channels,), "autocast": False, **options}
            return self.add_weight(name=name, **options) if wanted else None

        self.gamma = weight("gamma", self.scale)
        self.beta = weight("beta", self.center)
        self.moving_mean = weight("moving_mean", trainable=False)
        self.moving_variance = weight("moving_variance", trainable=False)
        if self.renorm:
            mean = {"trainable": False, "initializer": self.moving_mean_initializer}
            stddev = {"trainable": False, "initializer": self._initial_stddev}
            self.moving_stddev = weight("moving_stddev", **stddev)
            self.renorm_mean = weight("renorm_mean", **mean)
            self.renorm_stddev = weight("renorm_stddev", **stddev)

    def _initial_stddev(self, shape, dtype=None):
        return jnp.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

    def call(self, inputs, training=None, mask=None):
        x = _wide(inputs)
        scale, offset = self.gamma, self.beta
        if training and self.trainable:
            mean, variance = self._moments(x, mask)
            if self.renorm:
                scale, offset = self._renormalized(mean, variance)
            else:
                self._average("moving_mean", mean, self.momentum)
                self._average("moving_variance", variance, self.momentum)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        outputs = ops.batch_normalization(
            x, mean, variance, self.axis, offset=offset, scale=scale, epsilon=self.epsilon
        )
        return outputs.astype(self.compute_dtype)

    def _moments(self, x, mask):
        axes = tuple(a for a in range(x.ndim) if a != self.axis % x.ndim)
        if mask is None:
            # The batch may have been filled up: see `training.padding`.
            return batch_moments(x, axes, rows=masks.counted_rows() if 0 in axes else None)
        mask = jnp.asarray(masks.counted(mask), x.dtype)
        weights = mask.reshape(*mask.shape, *(1,) * (x.ndim - mask.ndim))
        weights = jnp.broadcast_to(weights, x.shape)
        total = jnp.sum(weights, axes, keepdims=True) + settings.epsilon()
        mean = jnp.sum(weights * x, axes, keepdims=True) / total
        variance = jnp.sum(weights * jnp.square(x - mean), axes, keepdims=True) / total
        return mean.ravel(), variance.ravel()

    def _average(self, name, value, momentum):
        average = getattr(self, name)
        average.assign(average.value * momentum + value * (1 - momentum))

    def _renormalized(self, mean, variance):
        """Return scale and offset that contain the correction `r, d`; move the averages."""
        clips = {**_CLIPS, **(self.renorm_clipping or {})}
        stddev = jnp.sqrt(variance + self.epsilon)
        usual_mean, usual_stddev = self.renorm_mean.value, self.renorm_stddev.value
        r = jnp.clip(stddev / usual_stddev, clips["rmin"], clips["rmax"])
        d = jnp.clip((mean - usual_mean) / usual_stddev, -clips["dmax"], clips["dmax"])
        r, d = lax.stop_gradient((r, d))
        self._average("renorm_mean", mean, self.renorm_momentum)
        self._average("renorm_stddev", stddev, self.renorm_momentum)
        self._average("moving_mean", mean, self.momentum)
        self._average("moving_stddev", stddev, self.momentum)
        self.moving_variance.assign(jnp.square(self.moving_stddev.value) - self.epsilon)
        if self.gamma is not None:
            r, d = r * self.gamma.value, d * self.gamma.value
        return r, d if self.beta is None else d + self.beta.value


class LayerNormalization(Layer):
    """Normalizes each sample, or each of its vectors, by its own mean and variance.

    `gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Ba et al., 2016).

    Args:
        axis: axis or axes over which mean and variance are taken.
        epsilon: number added to the variance.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        beta_initializer: initial value of `beta`, of the shape of those axes.
        gamma_initializer: initial value of `gamma`.
        beta_regularizer: penalty on `beta`, added to the loss.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: what is applied to `beta` after each update.
        gamma_constraint: what is applied to `gamma` after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        TypeError: if `axis` is not an integer or several.
        ValueError: (when called) if there is no such axis, or its size is not known.

    Example:
        >>> layer = kerata.layers.LayerNormalization()
        >>> layer(np.array([[1.0, 3.0]])).round(2)
        Array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        # Older Keras: no mean is subtracted, no offset added. RMSNormalization is its successor.
        self.rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        axis_tuple(axis, self)
        self.axis = list(axis) if isinstance(axis, tuple) else axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        keep_rules(self, locals())
        self.autocast = False
        self.supports_masking = True

    def build(self, input_shape):
        axes = resolve_axes(self.axis, len(input_shape), self)
        shape = tuple(known_dim(input_shape, a, self) for a in axes)
        if type(self).call is LayerNormalization.call:  # a subclass may take several tensors
            sizes = {a: input_shape[a] for a in axis_tuple(self.axis, self)}
            self.input_spec = InputSpec(axes=sizes)
        wanted = self.scale or self.rms_scaling, self.center and not self.rms_scaling
        self.gamma = (
            self.add_weight(name="gamma", shape=shape, autocast=False) if wanted[0] else None
        )
        self.beta = self.add_weight(name="beta", shape=shape, autocast=False) if wanted[1] else None

    def call(self, inputs):
        x = _wide(inputs)
        axes = resolve_axes(self.axis, x.ndim, self)
        x = ops.layer_normalization(
            x, self.gamma, self.beta, axes, self.epsilon, rms_scaling=self.rms_scaling
        )
        return x.astype(self.compute_dtype)


class RMSNormalization(Layer):
    """Divides by the root of the mean square: `scale * x / sqrt(mean(x^2) + epsilon)`.

    Source: Zhang and Sennrich, 2019.

    Args:
        axis: axis over which the mean is taken.
        epsilon: number added to it.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> layer = kerata.layers.RMSNormalization()
        >>> layer(np.array([[3.0, 3.0, 3.0, 3.0]])).round(2)
        Array([[1., 1., 1., 1.]], dtype=float32)
    """

    def __init__(self, axis=-1, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        axis_tuple(axis, self)
        self.axis = axis
        self.epsilon = epsilon
        self.autocast = False
        self.supports_masking = True

    def build(self, input_shape):
        axes = resolve_axes(self.axis, len(input_shape), self)
        shape = tuple(known_dim(input_shape, a, self) for a in axes)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones", autocast=False)

    def call(self, inputs):
        x = _wide(inputs)
        axes = resolve_axes(self.axis, x.ndim, self)
        x = ops.rms_normalization(x, self.scale, axes, self.epsilon)
        return x.astype(self.compute_dtype)


class GroupNormalization(Layer):
    """Normalizes groups of channels of each sample by their own mean and variance.

    Source: Wu and He, 2018. One group is layer normalization over all but the batch axis; as many
    groups as channels, instance normalization.

    Args:
        groups: number of groups, a divisor of the number of channels; -1 for one each.
        axis: axis of the channels.
        epsilon: number added to the variance.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        beta_initializer: initial value of `beta`, `(channels,)`.
        gamma_initializer: initial value of `gamma`.
        beta_regularizer: penalty on `beta`, added to the loss.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: what is applied to `beta` after each update.
        gamma_constraint: what is applied to `gamma` after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: (when called) if `groups` does not divide the number of channels.

    Example:
        >>> layer = kerata.layers.GroupNormalization(groups=2)
        >>> layer(np.array([[1.0, 3.0, 10.0, 30.0]])).round(2)
        Array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        groups=32,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if groups != -1:
            positive_int("groups", groups, self)
        self.groups = groups
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        keep_rules(self, locals())
        self.autocast = False
        self.supports_masking = True

    def build(self, input_shape):
        channels = known_dim(input_shape, self.axis, self)
        if self.axis % len(input_shape) == 0:
            raise argument_error("axis", "not be the batch axis", self.axis, self)
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            must = f"be a divisor of the number of channels, {channels}, or -1"
            raise argument_error("groups", must, self.groups, self)
        axis = self.axis % len(input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})
        options = {"shape": (channels,), "autocast": False}
        self.gamma = self.add_weight(name="gamma", **options) if self.scale else None
        self.beta = self.add_weight(name="beta", **options) if self.center else None

    def call(self, inputs):
        x = _wide(inputs)
        axis = self.axis % x.ndim
        grouped = x.reshape(*x.shape[:axis], self.groups, -1, *x.shape[axis + 1 :])
        axes = tuple(a for a in range(1, grouped.ndim) if a != axis)
        mean = jnp.mean(grouped, axes, keepdims=True)
        variance = jnp.mean(jnp.square(grouped - mean), axes, keepdims=True)
        x = ((grouped - mean) * lax.rsqrt(variance + self.epsilon)).reshape(x.shape)
        shape = [1] * x.ndim
        shape[axis] = -1
        if self.gamma is not None:
            x = x * self.gamma.value.reshape(shape)
        if self.beta is not None:
            x = x + self.beta.value.reshape(shape)
        return x.astype(self.compute_dtype)


class UnitNormalization(Stateless):
    """Scales to length 1 along an axis, or several.

    Args:
        axis: that axis, or those axes.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        TypeError: if `axis` is not an integer or several.

    Example:
        >>> kerata.layers.UnitNormalization()(np.array([[3.0, 4.0]]))
        Array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        axis_tuple(axis, self)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs):
        x = as_float(inputs)
        axes = resolve_axes(self.axis, x.ndim, self)
        return x * lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(x), axes, keepdims=True), 1e-12))
