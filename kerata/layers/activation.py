"""Activation functions as layers."""

import jax
import jax.numpy as jnp

from kerata import activations
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error
from kerata.engine.input_spec import InputSpec
from kerata.layers.arguments import axis_tuple, keep_rules, known_dim, resolve_axes
from kerata.layers.stateless import Stateless


def _at_least_zero(name, value, owner, optional=False):
    if (value is None and not optional) or (value is not None and not value >= 0):
        raise argument_error(name, "be a number of at least 0", value, owner)
    return value


class Elementwise(Stateless):
    """Base of layers that work on each element alone, so that masks pass through."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True


class Activation(Elementwise):
    """Applies an activation function.

    Args:
        activation: name of a function, or a function; None for none.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.Activation("relu")(np.array([-1.0, 2.0]))
        Array([0., 2.], dtype=float32)
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs):
        return self.activation(inputs)


class ReLU(Elementwise):
    """Rectified linear unit: negative values become 0.

    Args:
        max_value: largest output; None for no limit.
        negative_slope: slope below the threshold.
        threshold: values below it count as negative.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if a number is negative.

    Example:
        >>> kerata.layers.ReLU(max_value=6)(np.array([2.0, 9.0]))
        Array([2., 6.], dtype=float32)
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        self.max_value = _at_least_zero("max_value", max_value, self, optional=True)
        self.negative_slope = _at_least_zero("negative_slope", negative_slope, self)
        self.threshold = _at_least_zero("threshold", threshold, self)

    def call(self, inputs):
        return activations.relu(
            inputs,
            negative_slope=self.negative_slope,
            max_value=self.max_value,
            threshold=self.threshold,
        )


class LeakyReLU(Elementwise):
    """Rectified linear unit with a small slope for negative values.

    Args:
        negative_slope: that slope.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if the slope is negative.

    Example:
        >>> kerata.layers.LeakyReLU(0.5)(np.array([-1.0, 2.0]))
        Array([-0.5,  2. ], dtype=float32)
    """

    def __init__(self, negative_slope=0.3, **kwargs):
        if "alpha" in kwargs:  # its name in older Keras
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        self.negative_slope = _at_least_zero("negative_slope", negative_slope, self)

    def call(self, inputs):
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)


class PReLU(Elementwise):
    """Rectified linear unit whose slope for negative values is learned (He et al., 2015).

    Args:
        alpha_initializer: initial value of the slopes, one for each element of a sample.
        alpha_regularizer: penalty on the slopes, added to the loss.
        alpha_constraint: what is applied to the slopes after each update.
        shared_axes: axes along which one slope serves all; `[1, 2]` for images.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> layer = kerata.layers.PReLU(alpha_initializer="ones", shared_axes=[1])
        >>> layer(np.array([[[-1.0], [2.0]]])).ravel()
        Array([-1.,  2.], dtype=float32)
        >>> layer.alpha.shape
        (1, 1)
    """

    def __init__(
        self,
        alpha_initializer="Zeros",
        alpha_regularizer=None,
        alpha_constraint=None,
        shared_axes=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        keep_rules(self, locals())
        axes = None if shared_axes is None else axis_tuple(shared_axes, self, "shared_axes")
        self.shared_axes = None if axes is None else list(axes)

    def build(self, input_shape):
        rank = len(input_shape)
        shared = resolve_axes(self.shared_axes or (), rank, self, "shared_axes")
        if 0 in shared:
            raise argument_error("shared_axes", "not hold the batch axis", self.shared_axes, self)
        shape = [1 if a in shared else known_dim(input_shape, a, self) for a in range(1, rank)]
        self.alpha = self.add_weight(name="alpha", shape=tuple(shape))
        known = {a: input_shape[a] for a in range(1, rank) if a not in shared}
        self.input_spec = InputSpec(ndim=rank, axes=known)

    def call(self, inputs):
        return jnp.maximum(inputs, 0) + self.alpha * jnp.minimum(inputs, 0)


class ELU(Elementwise):
    """Exponential linear unit: `alpha * (exp(x) - 1)` for negative `x` (Clevert et al., 2015).

    Args:
        alpha: minus the limit for very negative values.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.ELU()(np.array([-1.0, 2.0]))
        Array([-0.63212055,  2.        ], dtype=float32)
    """

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return activations.elu(inputs, alpha=self.alpha)


class Softmax(Elementwise):
    """Turns scores into probabilities, `exp(x) / sum(exp(x))`.

    Args:
        axis: axis, or axes, along which they sum to 1.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: scores of any shape.
        mask: which scores take part; the others get 0. Booleans that broadcast to the inputs, or
            (as the mask of a sequence) that have their leading axes.

    Example:
        >>> layer = kerata.layers.Softmax()
        >>> layer(np.array([1.0, 1.0, 5.0]), mask=np.array([True, True, False]))
        Array([0.5, 0.5, 0. ], dtype=float32)
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs, mask=None):
        scores = as_float(inputs)
        axes = resolve_axes(self.axis, scores.ndim, self)
        if mask is None:
            return jax.nn.softmax(scores, axes)
        mask = _like(jnp.asarray(mask, bool), scores.shape)
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
        return jnp.where(mask, jax.nn.softmax(scores, axes), 0)


def _like(mask, shape):
    """Return `mask` with the axes that it lacks, in front if it broadcasts so, else behind."""
    try:
        return jnp.broadcast_to(mask, shape)
    except ValueError:
        return jnp.broadcast_to(mask.reshape(*mask.shape, *(1,) * (len(shape) - mask.ndim)), shape)
