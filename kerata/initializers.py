"""Initial values of weights: constants, random draws, and a few special matrices.

An initializer is called with a shape and a dtype and returns an array. One with an integer seed
returns the same numbers at every call; so does one without a seed, which picks a seed of its own
when it is made. With a `SeedGenerator` every call draws new numbers.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import variable
from kerata.engine.arrays import filled, sample
from kerata.engine.configurable import (
    Configurable,
    deserialize as _deserialize,
    deserialize_in,
    publish,
    resolve,
    serialize as _serialize,
)
from kerata.engine.dtypes import is_float, standardize_dtype
from kerata.engine.errors import argument_error, one_of
from kerata.engine.rng import SeedGenerator, draw_seed, make_default_seed

# The standard deviation of a unit normal distribution cut off at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978

_truncated_normal = functools.partial(jax.random.truncated_normal, lower=-2.0, upper=2.0)


class Initializer(Configurable):
    """Base of initializers: a callable from shape and dtype to an array.

    Subclasses write `__call__`. An initializer of your own may also be a plain function
    `f(shape, dtype=None)`.

    Example:
        >>> class Ramp(kerata.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return kerata.ops.reshape(kerata.ops.arange(6, dtype=dtype), shape)
        >>> Ramp()((2, 3), dtype="int32")
        Array([[0, 1, 2],
               [3, 4, 5]], dtype=int32)
    """

    def __call__(self, shape, dtype=None):
        """Return an array of `shape` and `dtype` (`floatx()` if None)."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(shape, dtype)`.")

    def clone(self):
        """Return a new initializer with the same configuration."""
        return type(self).from_config(self.get_config())


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape, dtype=None):
        return filled(shape, 0, standardize_dtype(dtype))


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape, dtype=None):
        return filled(shape, 1, standardize_dtype(dtype))


class Constant(Initializer):
    """One value everywhere.

    Args:
        value: a number, or an array that broadcasts to the shape asked for.
    """

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        value = jnp.asarray(self.value, standardize_dtype(dtype))
        try:
            return jnp.broadcast_to(value, shape)
        except ValueError:
            raise ValueError(
                f"The value of Constant must broadcast to the shape asked for, {tuple(shape)}.\n"
                f"Received: a value of shape {value.shape}"
            ) from None


class Identity(Initializer):
    """An identity matrix, scaled.

    Args:
        gain: the number on the diagonal.
    """

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(
                f"Identity makes matrices only: the shape must have two axes.\nReceived: {shape}"
            )
        return self.gain * jnp.eye(*shape, dtype=standardize_dtype(dtype))


class RandomInitializer(Initializer):
    """Base of initializers that draw random numbers.

    Args:
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.
    """

    def __init__(self, seed=None):
        if isinstance(seed, dict):
            seed = _deserialize(seed)
        integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
        if seed is not None and not integer and not isinstance(seed, SeedGenerator):
            raise argument_error("seed", "be an integer, a SeedGenerator or None", seed, type(self))
        # `seed` stays as given, so that a copy made from the config picks its own.
        self.seed = seed
        self._seed_source = make_default_seed() if seed is None else seed

    def _random_key(self):
        return draw_seed(self._seed_source)

    def _dtype(self, dtype) -> str:
        dtype = standardize_dtype(dtype)
        if not is_float(dtype):
            raise argument_error("dtype", "be a floating dtype", dtype, type(self))
        return dtype


class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Args:
        mean: mean of the distribution.
        stddev: standard deviation.
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.

    Example:
        >>> draw = kerata.initializers.RandomNormal(stddev=1.0, seed=1)
        >>> draw((2,)).shape
        (2,)
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        dtype = self._dtype(dtype)
        return sample(jax.random.normal, self._random_key(), shape, dtype, self.stddev, self.mean)


class TruncatedNormal(RandomInitializer):
    """Draws from a normal distribution, without values beyond two standard deviations.

    Args:
        mean: mean of the distribution before the cut.
        stddev: its standard deviation before the cut.
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        dtype = self._dtype(dtype)
        return sample(_truncated_normal, self._random_key(), shape, dtype, self.stddev, self.mean)


class RandomUniform(RandomInitializer):
    """Draws uniformly from [minval, maxval).

    Args:
        minval: least value.
        maxval: upper end, excluded.
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.
    """

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        bounds = {"minval": self.minval, "maxval": self.maxval}
        return sample(jax.random.uniform, self._random_key(), shape, self._dtype(dtype), **bounds)


class VarianceScaling(RandomInitializer):
    """Draws with a variance of `scale / fan`, so that signals keep their size across layers.

    The fan of a weight is the number of inputs of a unit (`"fan_in"`), the number of units that an
    input reaches (`"fan_out"`), or the mean of the two (`"fan_avg"`).

    Args:
        scale: positive number.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal", "untruncated_normal" or "uniform".
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.
        input_axes: axes of the weight that stand for inputs, where it is not a matrix or a
            convolution kernel; given together with `output_axes`.
        output_axes: axes of the weight that stand for outputs.
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        if not scale > 0:
            raise argument_error("scale", "be a positive number", scale, type(self))
        if distribution == "normal":
            distribution = "truncated_normal"
        self.scale = scale
        self.mode = one_of("mode", mode, ("fan_in", "fan_out", "fan_avg"), type(self))
        self.distribution = one_of(
            "distribution",
            distribution,
            ("truncated_normal", "untruncated_normal", "uniform"),
            type(self),
        )
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        dtype = self._dtype(dtype)
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        key = self._random_key()
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
            return sample(_truncated_normal, key, shape, dtype, stddev)
        if self.distribution == "untruncated_normal":
            return sample(jax.random.normal, key, shape, dtype, math.sqrt(variance))
        limit = math.sqrt(3.0 * variance)
        return sample(jax.random.uniform, key, shape, dtype, minval=-limit, maxval=limit)


def fans(shape, input_axes=None, output_axes=None) -> tuple[int, int]:
    """Return (inputs of a unit, units that an input reaches) of a weight.

    Args:
        shape: of the weight: `(inputs, outputs)`, or `(*window, inputs, outputs)` for a
            convolution.
        input_axes: axes that stand for inputs; None to read the shape as above.
        output_axes: axes that stand for outputs.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return tuple(math.prod(shape[axis] for axis in axes) for axes in (input_axes, output_axes))
    if len(shape) < 2:
        return (math.prod(shape),) * 2
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _scaled(name: str, scale: float, mode: str, distribution: str, doc: str) -> type:
    """Return a subclass of `VarianceScaling` with these settings, and only `seed` to choose."""

    class Scaled(VarianceScaling):
        config_exclude = ("scale", "mode", "distribution")

        def __init__(self, seed=None, input_axes=None, output_axes=None):
            super().__init__(scale, mode, distribution, seed, input_axes, output_axes)

    Scaled.__name__ = Scaled.__qualname__ = name
    Scaled.__doc__ = f"""{doc}

    Args:
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.
        input_axes: axes of the weight that stand for inputs, where it is not a matrix or a
            convolution kernel; given together with `output_axes`.
        output_axes: axes of the weight that stand for outputs.
    """
    return Scaled


GlorotUniform = _scaled(
    "GlorotUniform", 1.0, "fan_avg", "uniform",
    "Uniform with variance 2 / (fan in + fan out) (Glorot and Bengio, 2010).",
)  # fmt: skip
GlorotNormal = _scaled(
    "GlorotNormal", 1.0, "fan_avg", "truncated_normal",
    "Truncated normal with variance 2 / (fan in + fan out) (Glorot and Bengio, 2010).",
)  # fmt: skip
HeUniform = _scaled(
    "HeUniform", 2.0, "fan_in", "uniform",
    "Uniform with variance 2 / fan in, for ReLU networks (He et al., 2015).",
)  # fmt: skip
HeNormal = _scaled(
    "HeNormal", 2.0, "fan_in", "truncated_normal",
    "Truncated normal with variance 2 / fan in, for ReLU networks (He et al., 2015).",
)  # fmt: skip
LecunUniform = _scaled(
    "LecunUniform", 1.0, "fan_in", "uniform",
    "Uniform with variance 1 / fan in (LeCun et al., 1998).",
)  # fmt: skip
LecunNormal = _scaled(
    "LecunNormal", 1.0, "fan_in", "truncated_normal",
    "Truncated normal with variance 1 / fan in (LeCun et al., 1998).",
)  # fmt: skip


class Orthogonal(RandomInitializer):
    """A random matrix with orthogonal rows or columns, whichever are fewer (Saxe et al., 2014).

    A weight with more than two axes is a matrix of its last axis against all others.

    Args:
        gain: factor.
        seed: an integer, a `SeedGenerator`, or None to pick a seed now.

    Example:
        >>> q = kerata.initializers.Orthogonal(seed=1)((3, 2))
        >>> bool(kerata.ops.all(abs(q.T @ q - kerata.ops.eye(2)) < 1e-5))
        True
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ValueError(
                "Orthogonal makes matrices: the shape must have two axes or more.\n"
                f"Received: {tuple(shape)}"
            )
        dtype = self._dtype(dtype)
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        drawn = sample(jax.random.normal, self._random_key(), tall, jnp.promote_types(dtype, "f4"))
        traced = isinstance(drawn, jax.core.Tracer)
        # On the host nothing is compiled, and the decomposition takes less time than that.
        np_or_jnp, drawn = (jnp, drawn) if traced else (np, np.asarray(drawn))
        q, r = np_or_jnp.linalg.qr(drawn)
        # The sign of r's diagonal makes the distribution uniform over orthogonal matrices.
        q = q * np_or_jnp.sign(np_or_jnp.diag(r))
        q = (self.gain * (q.T if rows < columns else q)).reshape(shape).astype(dtype)
        return q if traced else jax.device_put(q)


class STFT(Initializer):
    """The kernel of a convolution that computes a short-time Fourier transform.

    Its shape is `(frame length, 1, bins)`, for a transform of length `2 * (bins - 1)`.

    Args:
        side: "real" for the cosine part, "imag" for the sine part.
        window: name of a window of `scipy.signal.get_window`, an array of the frame's length, or
            None for no window.
        scaling: "density", "spectrum" or None: divide a window by its root energy, by its sum,
            or not at all.
        periodic: whether the window is periodic; otherwise it is symmetric.
    """

    def __init__(self, side="real", window="hann", scaling="density", periodic=False):
        self.side = one_of("side", side, ("real", "imag"), type(self))
        self.scaling = one_of("scaling", scaling, (None, "density", "spectrum"), type(self))
        self.window = window
        self.periodic = periodic
        if isinstance(window, str):
            self._window(8)

    def _window(self, length: int) -> np.ndarray:
        if self.window is None:
            return np.ones(length)
        if not isinstance(self.window, str):
            return np.asarray(self.window, "float64")
        from scipy.signal import get_window

        try:
            return get_window(self.window, length, fftbins=self.periodic)
        except ValueError:
            raise argument_error(
                "window", "be a window of scipy.signal.get_window", self.window, type(self)
            ) from None

    def __call__(self, shape, dtype=None):
        length, bins = shape[0], shape[2]
        window = self._window(length)
        if self.window is None:
            pass
        elif self.scaling == "density":
            window = window / np.sqrt(np.sum(window**2))
        elif self.scaling == "spectrum":
            window = window / np.abs(np.sum(window))
        angle = 2 * np.pi * np.outer(np.arange(length), np.arange(bins)) / (2 * (bins - 1))
        wave = np.cos(angle) if self.side == "real" else -np.sin(angle)
        return jnp.asarray((window[:, None] * wave)[:, None, :], standardize_dtype(dtype))


IdentityInitializer = identity = Identity
OrthogonalInitializer = orthogonal = Orthogonal
STFTInitializer = stft = STFT
zeros, ones, constant = Zeros, Ones, Constant
random_normal, random_uniform = RandomNormal, RandomUniform
truncated_normal, variance_scaling = TruncatedNormal, VarianceScaling
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform

publish(globals())

_NAMES = {
    name: thing
    for name, thing in globals().items()
    if isinstance(thing, type) and issubclass(thing, Initializer)
} | {"zero": Zeros, "one": Ones, "normal": RandomNormal, "uniform": RandomUniform}


def serialize(initializer):
    """Return the config dict of an initializer."""
    return _serialize(initializer)


def deserialize(config, custom_objects=None):
    """Return the initializer that `serialize` wrote as `config`."""
    return deserialize_in("keras.initializers", config, custom_objects)


def get(identifier):
    """Return the initializer that `identifier` means.

    Args:
        identifier: a name ("he_normal", "HeNormal"), a config dict, a class, an initializer or
            function, an array (used as the value), or None.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> kerata.initializers.get("zeros")((2,))
        Array([0., 0.], dtype=float32)
    """
    if isinstance(identifier, (np.ndarray, jax.Array)):
        return Constant(identifier)
    return resolve(identifier, _NAMES, "initializer", deserialize)


variable.lookups["initializer"] = get
