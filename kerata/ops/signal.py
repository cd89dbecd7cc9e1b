"""Fourier transforms. Complex numbers go in and out as pairs (real part, imaginary part)."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from kerata.engine.errors import positive_int
from kerata.engine.op import op
from kerata.ops.arguments import array, rank_at_least


def _complex(x, rank=1):
    """Return a pair (real, imaginary) as a complex tensor."""
    if not isinstance(x, list | tuple) or len(x) != 2:
        raise ValueError(
            "`x` must be a tuple of two tensors: real and imaginary part.\n"
            f"Received: x of type {type(x).__name__}"
        )
    real, imaginary = map(array, x)
    if real.shape != imaginary.shape:
        raise ValueError(
            "Real and imaginary part must have the same shape.\n"
            f"Received: shapes {real.shape}, {imaginary.shape}"
        )
    rank_at_least(rank, real)
    return lax.complex(*(v.astype(_width(v)) for v in (real, imaginary)))


def _width(x):
    """Return the dtype that a transform of `x` is computed in."""
    return x.dtype if x.dtype in (jnp.float32, jnp.float64) else "float32"


def _pair(z):
    return jnp.real(z), jnp.imag(z)


@op
def fft(x):
    """Return the discrete Fourier transform along the last axis.

    Args:
        x: tuple of two tensors `(..., n)`: real and imaginary part.

    Returns:
        The same for the transform.

    Example:
        >>> kerata.ops.fft(([1.0, 2.0], [0.0, 0.0]))
        (Array([ 3., -1.], dtype=float32), Array([0., 0.], dtype=float32))
    """
    return _pair(jnp.fft.fft(_complex(x)))


@op
def fft2(x):
    """Return the discrete Fourier transform along the last two axes.

    Args:
        x: tuple of two tensors `(..., n, m)`: real and imaginary part.

    Returns:
        The same for the transform.

    Example:
        >>> kerata.ops.fft2(([[1.0, 2.0]], [[0.0, 0.0]]))
        (Array([[ 3., -1.]], dtype=float32), Array([[0., 0.]], dtype=float32))
    """
    return _pair(jnp.fft.fft2(_complex(x, rank=2)))


@op
def ifft2(x):
    """Return the inverse of `fft2`.

    Args:
        x: tuple of two tensors `(..., n, m)`: real and imaginary part.

    Returns:
        The same for the original.

    Example:
        >>> kerata.ops.ifft2(([[3.0, -1.0]], [[0.0, 0.0]]))
        (Array([[1., 2.]], dtype=float32), Array([[0., 0.]], dtype=float32))
    """
    return _pair(jnp.fft.ifft2(_complex(x, rank=2)))


@op
def rfft(x, fft_length=None):
    """Return the discrete Fourier transform of real numbers along the last axis.

    Args:
        x: real tensor `(..., n)`.
        fft_length: length to cut or fill up (with zeros) the axis to; None for `n`.

    Returns:
        Real and imaginary part, of shape `(..., fft_length // 2 + 1)`: the other half mirrors it.

    Example:
        >>> kerata.ops.rfft([1.0, 2.0, 3.0, 4.0])
        (Array([10., -2., -2.], dtype=float32), Array([0., 2., 0.], dtype=float32))
    """
    x = array(x)
    rank_at_least(1, x)
    return _pair(jnp.fft.rfft(x.astype(_width(x)), fft_length))


@op
def irfft(x, fft_length=None):
    """Return the inverse of `rfft`.

    Args:
        x: tuple of two tensors `(..., m)`: real and imaginary part.
        fft_length: length of the result; None for `2 * (m - 1)`.

    Returns:
        A real tensor `(..., fft_length)`.

    Example:
        >>> kerata.ops.irfft(([10.0, -2.0, -2.0], [0.0, 2.0, 0.0]))
        Array([1., 2., 3., 4.], dtype=float32)
    """
    return jnp.fft.irfft(_complex(x), fft_length)


@op
def extract_sequences(x, sequence_length, sequence_stride):
    """Return the stretches of the last axis that a sliding window sees.

    Args:
        x: tensor of shape `(..., n)`.
        sequence_length: length of the window.
        sequence_stride: steps between windows.

    Returns:
        A tensor of shape `(..., (n - sequence_length) // sequence_stride + 1, sequence_length)`.

    Example:
        >>> kerata.ops.extract_sequences([1, 2, 3, 4, 5], 3, 2)
        Array([[1, 2, 3],
               [3, 4, 5]], dtype=int32)
    """
    x = array(x)
    rank_at_least(1, x)
    length = positive_int("sequence_length", sequence_length)
    stride = positive_int("sequence_stride", sequence_stride)
    starts = np.arange(0, max(x.shape[-1] - length + 1, 0), stride)
    return x[..., starts[:, None] + np.arange(length)]


def _window(window, length, fft_length, dtype):
    """Return the weights of a window, in the middle of `fft_length` places."""
    if window is None:
        weights = np.ones(length)
    elif isinstance(window, str):
        weights = getattr(np, {"hann": "hanning"}.get(window, window), None)
        if window not in ("hann", "hamming"):
            raise ValueError(
                '`window` must be "hann", "hamming", None, or a tensor.\n'
                f"Received: window={window!r}"
            )
        weights = weights(length + 1)[:-1]  # periodic: the next window goes on where it ends
    else:
        weights = array(window)
        if weights.shape != (length,):
            raise ValueError(
                f"`window` must have shape ({length},), by `sequence_length`.\n"
                f"Received: shape {weights.shape}"
            )
    before = (fft_length - length) // 2
    return jnp.pad(jnp.asarray(weights, dtype), (before, fft_length - length - before))


def _check_fft_length(sequence_length, fft_length):
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must be at least `sequence_length`.\n"
            f"Received: sequence_length={sequence_length}, fft_length={fft_length}"
        )


@op
def stft(x, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    """Return the Fourier transforms of the stretches that a sliding window sees.

    Args:
        x: floating tensor of shape `(..., n)`.
        sequence_length: length of the window.
        sequence_stride: steps between windows.
        fft_length: length that a stretch is filled up to, with zeros at both ends.
        window: weights: "hann", "hamming", a tensor `(sequence_length,)`, or None for 1.
        center: whether to mirror `x` at both ends, so that windows are centred at multiples of
            the stride.

    Returns:
        Real and imaginary part, of shape `(..., windows, fft_length // 2 + 1)`.

    Example:
        >>> kerata.ops.stft([1.0, 2.0, 3.0, 4.0], 4, 2, 4, center=False)
        (Array([[ 6., -3.,  0.]], dtype=float32), Array([[0., 1., 0.]], dtype=float32))
    """
    x = array(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"`x` must be floating.\nReceived: dtype {x.dtype}")
    _check_fft_length(sequence_length, fft_length)
    if center:
        sides = [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)]
        x = jnp.pad(x, sides, mode="reflect")
    weights = _window(window, sequence_length, fft_length, x.dtype)
    stretches = extract_sequences(x, fft_length, sequence_stride)
    return rfft(stretches * weights)


@op
def istft(
    x, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True
):  # fmt: skip
    """Return the signal whose `stft` is nearest to `x` (Griffin and Lim, 1984).

    Args:
        x: tuple of two tensors `(..., windows, fft_length // 2 + 1)`: real and imaginary part.
        sequence_length: length of the window.
        sequence_stride: steps between windows.
        fft_length: length that stretches were filled up to.
        length: length of the result; None for as long as the windows reach.
        window: weights, as in `stft`. With None the stretches are only added up, so that the
            result is as many times too large as they overlap.
        center: whether `stft` mirrored the ends.

    Returns:
        A real tensor `(..., length)`.

    Example:
        >>> x = kerata.ops.arange(8, dtype="float32")
        >>> kerata.ops.istft(kerata.ops.stft(x, 4, 2, 4), 4, 2, 4).round()
        Array([0., 1., 2., 3., 4., 5., 6., 7.], dtype=float32)
    """
    _check_fft_length(sequence_length, fft_length)
    positive_int("sequence_stride", sequence_stride)
    stretches = irfft(x, fft_length)
    count = stretches.shape[-2]
    weights = _window(window, sequence_length, fft_length, stretches.dtype)
    total = fft_length + (count - 1) * sequence_stride
    places = np.arange(count)[:, None] * sequence_stride + np.arange(fft_length)

    def overlapped(stretches):
        empty = jnp.zeros((*stretches.shape[:-2], total), stretches.dtype)
        return empty.at[..., places].add(stretches)

    signal = overlapped(stretches * weights)
    if window is not None:
        weight = overlapped(jnp.broadcast_to(jnp.square(weights), (count, fft_length)))
        signal = signal / jnp.where(weight > 1e-11, weight, 1)
    start = fft_length // 2 if center else 0
    end = total - start if length is None else start + length
    missing = max(end - total, 0)
    signal = jnp.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, missing)])
    return lax.slice_in_dim(signal, start, end, axis=-1)
