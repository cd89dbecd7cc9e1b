"""Hash functions of byte strings, computed on whole arrays: FarmHash Fingerprint64 and SipHash-2-4.

Bucket numbers have to be the same wherever a model runs, so they come from published functions,
and equal TensorFlow's. Strings of one length are hashed together: each step below works on an
array of unsigned 64-bit integers, which wrap around as C's do.
"""

import numpy as np

from kerata.engine.errors import argument_error

U = np.uint64
_K0, _K1, _K2 = U(0xC3A5C85C97CB3127), U(0xB492B66FBE98F273), U(0x9AE16A3B2F90404F)
_CAT = U(0xC6A4A7935BD1E995)


def buckets(values: list[bytes], count: int, key=None) -> np.ndarray:
    """Return a number in [0, count) for each string.

    Args:
        values: byte strings.
        count: how many buckets there are.
        key: two integers for SipHash-2-4, or None for Fingerprint64.
    """
    return (hashes(values, key) % U(count)).astype("int64")


def hashes(values: list[bytes], key=None) -> np.ndarray:
    """Return the 64-bit hash of each string; see `buckets`."""
    lengths = np.fromiter(map(len, values), "int64", len(values))
    result = np.empty(len(values), U)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        flat = np.frombuffer(b"".join([values[i] for i in rows]), np.uint8)
        data = _Bytes(flat.reshape(len(rows), length))
        with np.errstate(over="ignore"):
            result[rows] = _fingerprint(data) if key is None else _siphash(data, key)
    return result


def combine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return one hash of two: the order counts."""
    with np.errstate(over="ignore"):
        result = (first ^ _CAT) ^ (_shift_mix(second * _CAT) * _CAT)
        return _shift_mix(_shift_mix(result * _CAT) * _CAT)


class _Bytes:
    """Strings of one length, as rows of bytes."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows
        self.length = rows.shape[1]

    def word(self, start: int, size: int = 8) -> np.ndarray:
        """Return the `size` bytes from `start` on as numbers, the first byte the lowest."""
        part = self.rows[:, start : start + size].astype(U)
        return (part << np.arange(0, 8 * size, 8, dtype=U)).sum(1, dtype=U)


def _rotate(x, right: int):
    return (x >> U(right)) | (x << U(64 - right))


def _shift_mix(x):
    return x ^ (x >> U(47))


def _mix(u, v, factor):
    a = _shift_mix((u ^ v) * factor)
    return _shift_mix((v ^ a) * factor) * factor


def _fingerprint(data: _Bytes):
    """FarmHash's Fingerprint64 (Pike and Alakuijala, 2014), by the length of the strings."""
    word, n = data.word, data.length
    if n == 0:
        return np.full(len(data.rows), _K2)
    if n < 4:
        low, middle, high = (data.rows[:, i].astype(U) for i in (0, n >> 1, n - 1))
        y, z = low + (middle << U(8)), U(n) + (high << U(2))
        return _shift_mix(y * _K2 ^ z * _K0) * _K2
    factor = _K2 + U(2 * n)
    if n < 8:
        return _mix(U(n) + (word(0, 4) << U(3)), word(n - 4, 4), factor)
    if n <= 16:
        a, b = word(0) + _K2, word(n - 8)
        return _mix(_rotate(b, 37) * factor + a, (_rotate(a, 25) + b) * factor, factor)
    if n <= 32:
        return _medium(word(0) * _K1, word(8), word(n - 8) * factor, word(n - 16) * _K2, factor)[1]
    if n <= 64:
        a = word(0) * _K2
        y, z = _medium(a, word(8), word(n - 8) * factor, word(n - 16) * _K2, factor)
        e, f = word(16) * factor, word(24)
        g, h = (y + word(n - 32)) * factor, (z + word(n - 24)) * factor
        return _medium(e, f, g, h, factor, a)[1]
    return _long(data)


def _medium(a, b, c, d, factor, extra=_K2):
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    return y, _mix(y, a + _rotate(b + extra, 18) + c, factor)


def _long(data: _Bytes):
    word, n = data.word, data.length
    y = U(81) * _K1 + U(113)
    z = _shift_mix(y * _K2 + U(113)) * _K2
    x = U(81) * _K2 + word(0)
    v = w = (U(0), U(0))

    def pair(start, a, b):
        first, second, third, fourth = (word(start + i) for i in (0, 8, 16, 24))
        a = a + first
        b = _rotate(b + a + fourth, 21)
        total = a + second + third
        return total + fourth, b + _rotate(total, 44) + a

    def block(start, factor, last=False):
        nonlocal x, y, z, v, w
        nine = U(9) if last else U(1)
        x = (_rotate(x + y + v[0] + word(start + 8), 37) * factor) ^ (w[1] * nine)
        y = _rotate(y + v[1] + word(start + 48), 42) * factor + v[0] * nine + word(start + 40)
        z = _rotate(z + w[0], 33) * factor
        v = pair(start, v[1] * factor, x + w[0])
        w = pair(start + 32, z + w[1], y + word(start + 16))
        x, z = z, x

    for start in range(0, (n - 1) // 64 * 64, 64):
        block(start, _K1)
    factor = _K1 + ((z & U(0xFF)) << U(1))
    w = (w[0] + U((n - 1) & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    block(n - 64, factor, last=True)
    left = _mix(v[0], w[0], factor) + _shift_mix(y) * _K0 + z
    return _mix(left, _mix(v[1], w[1], factor) + x, factor)


def _siphash(data: _Bytes, key):
    """SipHash-2-4 (Aumasson and Bernstein, 2012)."""
    k0, k1 = (U(k % 2**64) for k in key)
    start = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    a, b, c, d = (np.full(len(data.rows), k ^ U(s)) for k, s in zip((k0, k1, k0, k1), start))

    def rounds(count):
        nonlocal a, b, c, d
        for _ in range(count):
            a, c = a + b, c + d
            b, d = _rotate(b, 51) ^ a, _rotate(d, 48) ^ c
            a, c = _rotate(a, 32) + d, c + b
            b, d = _rotate(b, 47) ^ c, _rotate(d, 43) ^ a
            c = _rotate(c, 32)

    whole = data.length // 8 * 8
    tail = data.word(whole, data.length - whole) | U((data.length & 0xFF) << 56)
    for m in [*(data.word(i) for i in range(0, whole, 8)), tail]:
        d = d ^ m
        rounds(2)
        a = a ^ m
    c = c ^ U(0xFF)
    rounds(4)
    return a ^ b ^ c ^ d


def as_salt(salt, owner):
    """Return the key of a hash as a list of two integers, or None.

    Raises:
        ValueError: if it is neither an integer nor a pair of integers.
    """
    pair = [salt, salt] if isinstance(salt, int) else salt
    if pair is None:
        return None
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise argument_error("salt", "be an integer or a pair of integers", salt, owner)
    return [int(k) for k in pair]
