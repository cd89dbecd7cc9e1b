"""Layers that turn sound into spectrograms."""

import math

import jax.numpy as jnp
import numpy as np

from kerata import initializers, ops
from kerata.engine import reading, settings
from kerata.engine.errors import argument_error, one_of, positive_int, warn
from kerata.engine.input_spec import InputSpec
from kerata.layers.arguments import padding_name
from kerata.layers.layer import Layer
from kerata.layers.stateless import Stateless


class MelSpectrogram(Stateless):
    """Computes mel spectrograms: the power of a sound in bands as wide as the ear tells apart.

    Args:
        fft_length: length of the Fourier transform, in samples.
        sequence_stride: samples between windows.
        sequence_length: length of the windows, in samples; `fft_length` if None.
        window: "hann", "hamming", a tensor `(sequence_length,)`, or None.
        sampling_rate: samples a second.
        num_mel_bins: number of bands.
        min_freq: where the bands begin, in hertz.
        max_freq: where they end, in hertz; half the sampling rate if None.
        power_to_db: whether to return decibels.
        top_db: decibels below the loudest at which values are cut off.
        mag_exp: exponent of the magnitudes: 1 for these, 2 for power.
        min_power: the least power, before decibels are taken.
        ref_power: the power that is 0 decibels.
        **kwargs: `name`, `dtype`, `trainable`.

    Inputs have the shape `(samples,)` or `(batch, samples)`, outputs `(bands, time)` or
    `(batch, bands, time)`.

    Example:
        >>> layer = kerata.layers.MelSpectrogram(num_mel_bins=64, sampling_rate=8000)
        >>> layer(np.zeros((2, 16000))).shape
        (2, 64, 32)
    """

    def __init__(
        self,
        fft_length=2048,
        sequence_stride=512,
        sequence_length=None,
        window="hann",
        sampling_rate=16000,
        num_mel_bins=128,
        min_freq=20.0,
        max_freq=None,
        power_to_db=True,
        top_db=80.0,
        mag_exp=2.0,
        min_power=1e-10,
        ref_power=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.fft_length = positive_int("fft_length", fft_length, self)
        self.sequence_stride = positive_int("sequence_stride", sequence_stride, self)
        self.sequence_length = sequence_length or fft_length
        if self.sequence_length > fft_length:
            must = f"be at most fft_length={fft_length}"
            raise argument_error("sequence_length", must, sequence_length, self)
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = positive_int("num_mel_bins", num_mel_bins, self)
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power

    def call(self, inputs):
        x = inputs.astype("float64" if self.compute_dtype == "float64" else "float32")
        filters = self.linear_to_mel_weight_matrix(
            self.num_mel_bins,
            self.fft_length // 2 + 1,
            self.sampling_rate,
            self.min_freq,
            self.max_freq,
        )
        real, imaginary = ops.stft(
            x, self.sequence_length, self.sequence_stride, self.fft_length, self.window
        )
        power = jnp.sqrt(real**2 + imaginary**2) ** self.mag_exp
        bands = power @ filters.astype(power.dtype)
        if self.power_to_db:
            bands = self._decibels(bands)
        return jnp.swapaxes(bands, -1, -2).astype(self.compute_dtype)

    def _decibels(self, power):
        reference = max(abs(self.ref_power), self.min_power)
        level = 10 * (jnp.log10(jnp.maximum(power, self.min_power)) - math.log10(reference))
        return jnp.maximum(level, level.max() - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins=20,
        num_spectrogram_bins=129,
        sampling_rate=8000,
        lower_edge_hertz=125.0,
        upper_edge_hertz=3800.0,
        dtype="float32",
    ):
        """Return the matrix that sums a spectrogram's bins into bands.

        Bands are triangles of height 1 that reach to the middles of their neighbours, equally wide
        in mel, `1127 log(1 + hertz / 700)` (as in the Hidden Markov Model Toolkit).

        Args:
            num_mel_bins: number of bands.
            num_spectrogram_bins: number of bins, from 0 hertz to half the sampling rate; the first
                one is in no band.
            sampling_rate: samples a second.
            lower_edge_hertz: where the bands begin.
            upper_edge_hertz: where they end.
            dtype: dtype of the result.

        Returns:
            An array `(num_spectrogram_bins, num_mel_bins)`.
        """

        def mel(hertz):
            return 1127.0 * np.log(1 + np.asarray(hertz, "float64") / 700)

        reading.charge("the mel filters", (num_spectrogram_bins, num_mel_bins))
        bins = mel(np.linspace(0, sampling_rate / 2, num_spectrogram_bins))[:, None]
        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        low, centre, high = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
        weights = np.maximum(0, np.minimum(rising, falling))
        weights[0] = 0
        return jnp.asarray(weights, dtype)


class STFTSpectrogram(Layer):
    """Computes spectrograms by convolution with waves, which may be trained.

    Args:
        mode: "log", "magnitude", "psd" (power), "real", "imag", "angle", or "stft" (real and
            imaginary parts one after the other).
        frame_length: length of the frames, in samples.
        frame_step: samples between frames; half a frame if None.
        fft_length: length of the Fourier transform, at least `frame_length`; the next power of two
            if None.
        window: name of a window of `scipy.signal.get_window`, an array of the frame's length, or
            None.
        periodic: whether the window is periodic; otherwise it is symmetric.
        scaling: "density", "spectrum" or None; see `kerata.initializers.STFT`.
        padding: "valid", or "same" to fill up the last frame with zeros.
        expand_dims: whether channels keep an axis of their own.
        data_format: "channels_last" for inputs `(batch, time, channels)`, or "channels_first".
        **kwargs: `name`, `dtype`, `trainable`.

    Outputs have the shape `(batch, frames, channels * bins)`, with `expand_dims` `(batch, frames,
    bins, channels)`; for "channels_first" `(batch, channels * bins, frames)`, with `expand_dims`
    `(batch, channels, frames, bins)`; bins number `fft_length // 2 + 1`.

    Example:
        >>> layer = kerata.layers.STFTSpectrogram(frame_length=256, trainable=False)
        >>> layer(np.zeros((3, 16000, 1), "float32")).shape
        (3, 124, 129)
    """

    def __init__(
        self,
        mode="log",
        frame_length=256,
        frame_step=None,
        fft_length=None,
        window="hann",
        periodic=False,
        scaling="density",
        padding="valid",
        expand_dims=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        modes = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
        self.mode = one_of("mode", mode, modes, self)
        self.frame_length = positive_int("frame_length", frame_length, self)
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            must = f"be from 1 to frame_length={frame_length}"
            raise argument_error("frame_step", must, frame_step, self)
        if fft_length is not None and fft_length < frame_length:
            must = f"be at least frame_length={frame_length}"
            raise argument_error("fft_length", must, fft_length, self)
        if fft_length is not None and fft_length & (fft_length - 1):
            warn(
                f"{self._title()}: `fft_length` should be a power of two.\n"
                f"Received: fft_length={fft_length}",
            )
        self.frame_step = frame_step
        self.fft_length = fft_length
        self.window = window
        self.periodic = periodic
        self.scaling = one_of("scaling", scaling, (None, "density", "spectrum"), self)
        self.padding = padding_name(padding, self)
        self.expand_dims = expand_dims
        self.data_format = settings.data_format(data_format, self)
        self.input_spec = InputSpec(ndim=3)
        self._wave("real")  # raises if the window does not exist

    def _wave(self, side):
        return initializers.STFT(side, self.window, self.scaling, self.periodic)

    def build(self, input_shape):
        bins = (self.fft_length or 2 ** math.ceil(math.log2(self.frame_length))) // 2 + 1
        shape = (self.frame_length, 1, bins)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(shape, self._wave("real"), name="real_kernel")
        if self.mode != "real":
            self.imag_kernel = self.add_weight(shape, self._wave("imag"), name="imag_kernel")

    def call(self, inputs):
        if not jnp.issubdtype(inputs.dtype, jnp.floating):
            raise TypeError(f"{self._title()} takes floats.\nReceived: dtype {inputs.dtype}")
        last = self.data_format == "channels_last"
        x = jnp.swapaxes(inputs, 1, 2) if last else inputs
        batch, channels, time = x.shape
        x = x.reshape(batch * channels, time, 1)
        parts = [self._filtered(x, side) for side in ("real", "imag") if self.mode != _LESS[side]]
        y = self._combined(*parts)  # (batch * channels, frames, bins)
        y = y.reshape(batch, channels, *y.shape[1:])
        if self.expand_dims:
            return y.transpose(0, 2, 3, 1) if last else y
        y = y.swapaxes(2, 3).reshape(batch, channels * y.shape[3], y.shape[2])
        return y.swapaxes(1, 2) if last else y

    def _filtered(self, x, side):
        kernel = (self.real_kernel if side == "real" else self.imag_kernel).value
        step = self.frame_step or self.frame_length // 2
        return ops.conv(x, kernel.astype(x.dtype), step, self.padding, "channels_last")

    def _combined(self, first, second=None):
        if second is None:
            return first
        if self.mode == "stft":
            return jnp.concatenate([first, second], -1)
        if self.mode == "angle":
            return jnp.arctan2(second, first)
        power = first**2 + second**2
        if self.mode == "psd":
            # Each frequency but the first and the last stands for its negative, too.
            return power.at[..., 1:-1].multiply(2)
        epsilon = settings.epsilon()
        magnitude = jnp.sqrt(jnp.maximum(power, epsilon))
        return magnitude if self.mode == "magnitude" else jnp.log(jnp.maximum(magnitude, epsilon))


# The mode that does without a part.
_LESS = {"real": "imag", "imag": "real"}
