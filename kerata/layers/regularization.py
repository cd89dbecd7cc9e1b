"""Layers that add noise in training, and one that adds a penalty."""

import math

import jax
import jax.numpy as jnp

from kerata import regularizers
from kerata.engine import settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, probability
from kerata.engine.input_spec import InputSpec
from kerata.engine.rng import SeedGenerator, draw_seed
from kerata.kernels import dropout_mask
from kerata.layers.stateless import Stateless


class _Noise(Stateless):
    """Base of layers that change their inputs at random in training, and only then.

    Subclasses write `noisy(inputs)`; `amount` is their rate or standard deviation, and with 0
    nothing happens.
    """

    def __init__(self, amount, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        if amount > 0:
            self.seed_generator = SeedGenerator(seed)
        self._amount = amount
        self.supports_masking = True

    def noisy(self, inputs):
        """Return the changed inputs."""
        raise NotImplementedError(f"{type(self).__name__} must have a `noisy` method.")

    def draw(self):
        """Return the next key for random numbers."""
        return draw_seed(self.seed_generator)

    def call(self, inputs, training=False):
        return self.noisy(as_float(inputs)) if training and self._amount > 0 else inputs


def _noise_shape(noise_shape, owner):
    """Return `noise_shape` as a tuple, or None, checked."""
    if noise_shape is None:
        return None
    sizes = tuple(noise_shape) if isinstance(noise_shape, (list, tuple)) else (0,)
    if any(s is not None and (not isinstance(s, int) or s < 1) for s in sizes):
        must = "be a tuple of positive integers and None (the inputs' own size)"
        raise argument_error("noise_shape", must, noise_shape, owner)
    return sizes


def _like(noise_shape, inputs):
    """Return the shape in which to draw: sizes that are None are the inputs'."""
    if noise_shape is None:
        return inputs.shape
    shape = tuple(inputs.shape)
    sizes = (None,) * (len(shape) - len(noise_shape)) + tuple(noise_shape)
    found = tuple(s if s is not None else own for s, own in zip(sizes, shape, strict=False))
    if len(sizes) != len(shape) or any(s not in (1, own) for s, own in zip(found, shape)):
        raise ValueError(
            "Each size in `noise_shape` must be 1, None, or the size of the inputs there.\n"
            f"Received: noise_shape={noise_shape}, and an input of shape {shape}"
        )
    return found


class Dropout(_Noise):
    """Sets elements to zero at random in training, and scales the others to make up for it.

    Source: Srivastava et al., 2014.

    Args:
        rate: probability that an element is dropped, in [0, 1].
        noise_shape: shape in which to draw: where its size is 1, elements along that axis are
            dropped together; None for the size of the inputs.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `rate` is not in [0, 1].

    Example:
        >>> layer = kerata.layers.Dropout(0.5, seed=1)
        >>> sorted(set(layer(np.ones((9, 9)), training=True).ravel().tolist()))
        [0.0, 2.0]
        >>> layer(np.ones(2))
        Array([1., 1.], dtype=float32)
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        self.rate = probability("rate", rate, type(self))
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = _noise_shape(noise_shape, self)

    def drawn_shape(self, inputs) -> tuple:
        """Return the shape in which to draw."""
        return _like(self.noise_shape, inputs)

    def noisy(self, inputs):
        kept = dropout_mask(self.draw(), self.rate, self.drawn_shape(inputs))
        scale = 1 / (1 - self.rate) if self.rate < 1 else 0
        return jnp.where(kept, inputs * scale, 0)


class _SpatialDropout(Dropout):
    """Base of the layers that drop whole channels."""

    rank = 1

    def __init__(self, rate, data_format, seed, name, dtype):
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = settings.data_format(data_format, self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def drawn_shape(self, inputs) -> tuple:
        batch, *sizes = inputs.shape
        ones = (1,) * self.rank
        if self.data_format == "channels_first":
            return (batch, sizes[0], *ones)
        return (batch, *ones, sizes[-1])

    def get_config(self) -> dict:
        # These layers take no `trainable`, so their config has none.
        config = {"rate": self.rate, "seed": self.seed, "name": self.name}
        if self.rank > 1:
            config["data_format"] = self.data_format
        return {**config, "dtype": self.dtype_policy.name}


class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of `(batch, time, channels)` at random in training.

    Neighbours in time tell much the same, so dropping single elements would do little
    (Tompson et al., 2014).

    Args:
        rate: probability that a channel is dropped.
        seed: integer that fixes the random numbers.
        name: name of the layer.
        dtype: dtype or dtype policy.
    """

    def __init__(self, rate, seed=None, name=None, dtype=None):
        super().__init__(rate, "channels_last", seed, name, dtype)


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images at random in training.

    Args:
        rate: probability that a channel is dropped.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        name: name of the layer.
        dtype: dtype or dtype policy.
    """

    rank = 2

    def __init__(self, rate, data_format=None, seed=None, name=None, dtype=None):
        super().__init__(rate, data_format, seed, name, dtype)


class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes at random in training.

    Args:
        rate: probability that a channel is dropped.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        name: name of the layer.
        dtype: dtype or dtype policy.
    """

    rank = 3

    def __init__(self, rate, data_format=None, seed=None, name=None, dtype=None):
        super().__init__(rate, data_format, seed, name, dtype)


class GaussianDropout(_Noise):
    """Multiplies by random numbers of mean 1 in training (Srivastava et al., 2014).

    Args:
        rate: drop probability of the `Dropout` with noise of the same variance,
            `rate / (1 - rate)`.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `rate` is not in [0, 1].
    """

    def __init__(self, rate, seed=None, **kwargs):
        self.rate = probability("rate", rate, type(self))
        super().__init__(rate, seed, **kwargs)

    def noisy(self, inputs):
        stddev = math.sqrt(self.rate / (1 - self.rate)) if self.rate < 1 else math.inf
        return inputs * (1 + stddev * jax.random.normal(self.draw(), inputs.shape, inputs.dtype))


class GaussianNoise(_Noise):
    """Adds normally distributed noise of mean 0 in training.

    Args:
        stddev: standard deviation, in [0, 1].
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `stddev` is not in [0, 1].
    """

    def __init__(self, stddev, seed=None, **kwargs):
        self.stddev = probability("stddev", stddev, type(self))
        super().__init__(stddev, seed, **kwargs)

    def noisy(self, inputs):
        noise = jax.random.normal(self.draw(), inputs.shape, inputs.dtype)
        return inputs + self.stddev * noise


class AlphaDropout(_Noise):
    """Dropout that keeps mean and variance, for networks with `selu` (Klambauer et al., 2017).

    Dropped elements become the limit of `selu` for very negative values; then everything is
    scaled and shifted back.

    Args:
        rate: probability that an element is dropped.
        noise_shape: shape in which to draw, as for `Dropout`.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `rate` is not in [0, 1].
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        self.rate = probability("rate", rate, type(self))
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = _noise_shape(noise_shape, self)

    def noisy(self, inputs):
        if self.rate == 1:
            return jnp.zeros_like(inputs)
        low = -1.0507009873554805 * 1.6732632423543772  # -scale * alpha of selu
        kept = dropout_mask(self.draw(), self.rate, _like(self.noise_shape, inputs))
        factor = ((1 - self.rate) * (1 + self.rate * low**2)) ** -0.5
        return factor * (jnp.where(kept, inputs, low) - self.rate * low)


class ActivityRegularization(Stateless):
    """Returns its inputs, and adds a penalty on them, divided by the batch size, to the loss.

    Args:
        l1: factor of the sum of absolute values.
        l2: factor of the sum of squares.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if a factor is negative.

    Example:
        >>> layer = kerata.layers.ActivityRegularization(l2=0.5)
        >>> _ = layer(np.array([[1.0, 2.0]]))
        >>> layer.losses
        [Array(2.5, dtype=float32)]
    """

    def __init__(self, l1=0.0, l2=0.0, **kwargs):
        super().__init__(**kwargs)
        self.activity_regularizer = regularizers.L1L2(l1=l1, l2=l2)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("activity_regularizer")  # it follows from the factors
        return {**config, "l1": self.l1, "l2": self.l2}

    def call(self, inputs):
        return inputs
