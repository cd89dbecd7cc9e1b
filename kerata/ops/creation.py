"""Tensors made from nothing: constants, ranges, grids, windows.

`dtype=None` means `floatx()`, except where the values given are integers.
"""

import jax.numpy as jnp

from kerata.engine.dtypes import canonical, dtype_of, is_float, result_type, standardize_dtype
from kerata.engine.errors import argument_error, int_tuple, non_negative_int
from kerata.engine.op import op
from kerata.ops.arguments import array


def _shape(shape) -> tuple[int, ...]:
    """Return `shape`, an integer or a sequence of them, as a tuple."""
    if hasattr(shape, "shape"):  # an array of sizes
        shape = shape.tolist()
    values = (shape,) if not isinstance(shape, list | tuple) else shape
    return int_tuple("shape", values, len(values), allow_zero=True)


def _numbers_dtype(dtype, *numbers) -> str:
    """Return `dtype`; if None, that of the numbers: integers, or floats."""
    if dtype is not None:
        return canonical(dtype)
    return result_type(*(type(n) if type(n) in (int, float) else array(n).dtype for n in numbers))


@op
def zeros(shape, dtype=None):
    """Return a tensor of zeros.

    Args:
        shape: tuple of integers.
        dtype: None for `floatx()`.

    Example:
        >>> kerata.ops.zeros((2, 3))
        Array([[0., 0., 0.],
               [0., 0., 0.]], dtype=float32)
    """
    return jnp.zeros(_shape(shape), canonical(dtype))


@op
def ones(shape, dtype=None):
    """Return a tensor of ones.

    Args:
        shape: tuple of integers.
        dtype: None for `floatx()`.

    Example:
        >>> kerata.ops.ones((3,), dtype="int32")
        Array([1, 1, 1], dtype=int32)
    """
    return jnp.ones(_shape(shape), canonical(dtype))


@op
def empty(shape, dtype=None):
    """Return a tensor whose values are of no interest (they are zeros).

    Args:
        shape: tuple of integers.
        dtype: None for `floatx()`.

    Example:
        >>> kerata.ops.empty((2, 3)).shape
        (2, 3)
    """
    return jnp.zeros(_shape(shape), canonical(dtype))


@op
def full(shape, fill_value, dtype=None):
    """Return a tensor filled with one value.

    Args:
        shape: tuple of integers.
        fill_value: number, or a tensor that broadcasts to `shape`.
        dtype: None for `floatx()`.

    Example:
        >>> kerata.ops.full((2,), 7.0)
        Array([7., 7.], dtype=float32)
    """
    return jnp.full(_shape(shape), fill_value, canonical(dtype))


@op
def zeros_like(x, dtype=None):
    """Return zeros in the shape of `x`, and in its dtype unless `dtype` is given.

    Example:
        >>> kerata.ops.zeros_like([1.0, 2.0])
        Array([0., 0.], dtype=float32)
    """
    return jnp.zeros_like(array(x), dtype=None if dtype is None else canonical(dtype))


@op
def ones_like(x, dtype=None):
    """Return ones in the shape of `x`, and in its dtype unless `dtype` is given.

    Example:
        >>> kerata.ops.ones_like([1.0, 2.0])
        Array([1., 1.], dtype=float32)
    """
    return jnp.ones_like(array(x), dtype=None if dtype is None else canonical(dtype))


@op
def empty_like(x, dtype=None):
    """Return a tensor in the shape of `x` whose values are of no interest (they are zeros).

    Example:
        >>> kerata.ops.empty_like([1.0, 2.0]).shape
        (2,)
    """
    return jnp.zeros_like(array(x), dtype=None if dtype is None else canonical(dtype))


@op
def full_like(x, fill_value, dtype=None):
    """Return a tensor in the shape of `x`, filled with one value.

    Args:
        x: tensor.
        fill_value: number, or a tensor that broadcasts to `x`'s shape.
        dtype: None for `x`'s.

    Example:
        >>> kerata.ops.full_like([1.0, 2.0], 5)
        Array([5., 5.], dtype=float32)
    """
    return jnp.full_like(array(x), fill_value, dtype=None if dtype is None else canonical(dtype))


@op
def eye(N, M=None, k=0, dtype=None):
    """Return a matrix with ones on one diagonal and zeros elsewhere.

    Args:
        N: number of rows.
        M: number of columns; None for `N`.
        k: the diagonal: 0 is the main one, positive ones are above it.
        dtype: None for `floatx()`.

    Example:
        >>> kerata.ops.eye(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    rows, columns = _count("N", N), _count("M", N if M is None else M)
    return jnp.eye(rows, columns, k=k, dtype=canonical(dtype))


def _count(name, n) -> int:
    """Return a number of rows or columns, checked."""
    if is_float(dtype_of(n)):
        raise argument_error(name, "be an integer", n, kind=TypeError)
    return non_negative_int(name, n)


@op
def identity(n, dtype=None):
    """Return the identity matrix of `n` rows.

    Example:
        >>> kerata.ops.identity(2, dtype="int32")
        Array([[1, 0],
               [0, 1]], dtype=int32)
    """
    return jnp.eye(_count("n", n), dtype=canonical(dtype))


@op
def tri(N, M=None, k=0, dtype=None):
    """Return a matrix with ones on and below one diagonal and zeros above.

    Args:
        N: number of rows.
        M: number of columns; None for `N`.
        k: the diagonal: 0 is the main one, positive ones are above it.
        dtype: None for `floatx()`.

    Example:
        >>> kerata.ops.tri(3)
        Array([[1., 0., 0.],
               [1., 1., 0.],
               [1., 1., 1.]], dtype=float32)
    """
    return jnp.tri(N, M, k=k, dtype=canonical(dtype))


@op
def arange(start, stop=None, step=None, dtype=None):
    """Return evenly spaced numbers from `start` up to, but without, `stop`.

    Args:
        start: first number; if `stop` is None, the end, and the first number is 0.
        stop: end.
        step: distance between two numbers; None for 1.
        dtype: None for that of the arguments: int32 if all are integers.

    Example:
        >>> kerata.ops.arange(2, 10, 3)
        Array([2, 5, 8], dtype=int32)
    """
    given = [n for n in (start, stop, step) if n is not None]
    dtype = _numbers_dtype(dtype, *given)
    return jnp.arange(start, stop, step, dtype=dtype)


@op
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """Return `num` evenly spaced numbers from `start` to `stop`.

    Args:
        start: first number, or a tensor of them.
        stop: last number, or a tensor of a shape that broadcasts with `start`.
        num: how many.
        endpoint: whether `stop` is among them.
        retstep: whether to return `(numbers, step)`.
        dtype: None for the float type of the arguments.
        axis: where the new axis goes, if `start` or `stop` has axes.

    Example:
        >>> kerata.ops.linspace(0.0, 1.0, num=5)
        Array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    dtype = _spacing_dtype(dtype, start, stop)
    return jnp.linspace(array(start), array(stop), num, endpoint, retstep, dtype, axis=axis)


@op
def logspace(start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0):
    """Return numbers whose logarithms are evenly spaced, from `base**start` to `base**stop`.

    Args:
        start: first exponent, or a tensor of them.
        stop: last exponent, or a tensor of a shape that broadcasts with `start`.
        num: how many.
        endpoint: whether the last is included.
        base: base of the exponents.
        dtype: None for the float type of the arguments.
        axis: where the new axis goes, if `start` or `stop` has axes.

    Example:
        >>> kerata.ops.logspace(0.0, 2.0, num=3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    dtype = _spacing_dtype(dtype, start, stop)
    return jnp.logspace(array(start), array(stop), num, endpoint, base, dtype, axis=axis)


@op
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """Return a geometric progression from `start` to `stop`.

    Args:
        start: first number, or a tensor of them.
        stop: last number, or a tensor of a shape that broadcasts with `start`.
        num: how many.
        endpoint: whether `stop` is among them.
        dtype: None for the float type of the arguments.
        axis: where the new axis goes, if `start` or `stop` has axes.

    Example:
        >>> kerata.ops.geomspace(1.0, 8.0, num=4).round(3)
        Array([1., 2., 4., 8.], dtype=float32)
    """
    dtype = _spacing_dtype(dtype, start, stop)
    return jnp.geomspace(array(start), array(stop), num, endpoint, dtype, axis=axis)


def _spacing_dtype(dtype, start, stop) -> str:
    if dtype is not None:
        return canonical(dtype)
    kinds = [type(n) if type(n) in (int, float) else array(n).dtype for n in (start, stop)]
    return result_type(*kinds, float)


@op
def meshgrid(*x, indexing="xy"):
    """Return the coordinates of a grid's points, one tensor for each axis.

    Args:
        *x: coordinates along each axis, of shapes `(n_1,)`, `(n_2,)`, ...
        indexing: "xy": results have shape `(n_2, n_1, ...)`; "ij": `(n_1, n_2, ...)`.

    Returns:
        A list of tensors.

    Example:
        >>> kerata.ops.meshgrid([1, 2], [3, 4], indexing="ij")[0]
        Array([[1, 1],
               [2, 2]], dtype=int32)
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'`indexing` must be "xy" or "ij".\nReceived: indexing={indexing!r}')
    return list(jnp.meshgrid(*map(array, x), indexing=indexing))


@op
def vander(x, N=None, increasing=False):
    """Return the Vandermonde matrix of `x`: its powers in columns.

    Args:
        x: tensor of shape `(n,)`.
        N: number of columns; None for `n`.
        increasing: whether powers rise from left to right.

    Example:
        >>> kerata.ops.vander([1, 2, 3], increasing=True)
        Array([[1, 1, 1],
               [1, 2, 4],
               [1, 3, 9]], dtype=int32)
    """
    x = array(x)
    if x.ndim != 1:
        raise ValueError(f"`x` must have one axis.\nReceived: shape {x.shape}")
    return jnp.vander(x, N, increasing)


# Windows: weights for a stretch of a signal, `x` of them


def _window(function, x, *parameters):
    n = non_negative_int("x", int(x))
    return function(n, *parameters).astype(standardize_dtype(None))


@op
def bartlett(x):
    """Return the Bartlett window, a triangle, of `x` points.

    Example:
        >>> kerata.ops.bartlett(5)
        Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return _window(jnp.bartlett, x)


@op
def blackman(x):
    """Return the Blackman window of `x` points.

    Example:
        >>> kerata.ops.blackman(5).round(2)
        Array([-0.  ,  0.34,  1.  ,  0.34, -0.  ], dtype=float32)
    """
    return _window(jnp.blackman, x)


@op
def hamming(x):
    """Return the Hamming window of `x` points.

    Example:
        >>> kerata.ops.hamming(5)[2]
        Array(1., dtype=float32)
    """
    return _window(jnp.hamming, x)


@op
def hanning(x):
    """Return the Hann window of `x` points.

    Example:
        >>> kerata.ops.hanning(5)
        Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return _window(jnp.hanning, x)


@op
def kaiser(x, beta):
    """Return the Kaiser window of `x` points.

    Args:
        x: number of points.
        beta: shape: 0 is a rectangle, 14 a usual choice for a narrow window.

    Example:
        >>> kerata.ops.kaiser(5, beta=14.0)[2]
        Array(1., dtype=float32)
    """
    return _window(jnp.kaiser, x, beta)
