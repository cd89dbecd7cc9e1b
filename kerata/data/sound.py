"""Sound in WAV files."""

import math
import struct

import numpy as np

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def read_wav(path) -> tuple[np.ndarray, int]:
    """Return what is in a WAV file: 8, 16, 24 or 32 bit integers, or floats.

    Args:
        path: path of the file.

    Returns:
        (float32 array `(samples, channels)` with values in [-1, 1], samples a second).

    Raises:
        ValueError: if it is no such file.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        return _decoded(content)
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise ValueError(
            "Sound must be in a WAV file of 8, 16, 24 or 32 bit integers, or of floats.\n"
            f"Received: {str(path)!r}: {error}"
        ) from None


def _decoded(content: bytes) -> tuple[np.ndarray, int]:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("it does not begin as one")
    chunks: dict[bytes, bytes] = {}
    place = 12
    while place + 8 <= len(content) and b"data" not in chunks:
        name, size = struct.unpack_from("<4sI", content, place)
        chunks[name] = content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    if b"fmt " not in chunks or b"data" not in chunks:
        raise ValueError("there is no sound in it")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    if kind == EXTENSIBLE:
        (kind,) = struct.unpack_from("<H", chunks[b"fmt "], 24)
    if not channels or not rate or (kind, bits) not in (
        (PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64),
    ):  # fmt: skip
        raise ValueError(f"its format is {kind}, with {bits} bits and {channels} channels")
    data = chunks[b"data"]
    data = data[: len(data) // (channels * bits // 8) * (channels * bits // 8)]
    if kind == FLOAT:
        sound = np.frombuffer(data, f"<f{bits // 8}").astype("float32")
    elif bits == 8:  # unsigned
        sound = (np.frombuffer(data, "u1").astype("float32") - 128) / 128
    else:
        if bits == 24:  # as 32 bits, the lowest 8 of them 0
            wide = np.zeros((len(data) // 3, 4), "u1")
            wide[:, 1:] = np.frombuffer(data, "u1").reshape(-1, 3)
            values = wide.view("<i4").ravel()
        else:
            values = np.frombuffer(data, f"<i{bits // 8}")
        sound = (values / 2.0 ** (15 if bits == 16 else 31)).astype("float32")
    return sound.reshape(-1, channels), rate


def resample(sound: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return a sound `(samples, channels)` with `wanted` samples a second in place of `rate`."""
    if rate == wanted:
        return sound
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    return resample_poly(sound, wanted // common, rate // common, axis=0).astype("float32")
