"""Comparisons, tests of single numbers, and logic on booleans and on bits."""

import jax.numpy as jnp

from kerata.engine.op import op
from kerata.ops.arguments import array, arrays

# Comparison


@op
def equal(x1, x2):
    """Return whether `x1 == x2`, elementwise.

    Example:
        >>> kerata.ops.equal([1, 2], 2)
        Array([False,  True], dtype=bool)
    """
    return jnp.equal(*arrays(x1, x2))


@op
def not_equal(x1, x2):
    """Return whether `x1 != x2`, elementwise.

    Example:
        >>> kerata.ops.not_equal([1, 2], 2)
        Array([ True, False], dtype=bool)
    """
    return jnp.not_equal(*arrays(x1, x2))


@op
def greater(x1, x2):
    """Return whether `x1 > x2`, elementwise.

    Example:
        >>> kerata.ops.greater([1, 2, 3], 2)
        Array([False, False,  True], dtype=bool)
    """
    return jnp.greater(*arrays(x1, x2))


@op
def greater_equal(x1, x2):
    """Return whether `x1 >= x2`, elementwise.

    Example:
        >>> kerata.ops.greater_equal([1, 2, 3], 2)
        Array([False,  True,  True], dtype=bool)
    """
    return jnp.greater_equal(*arrays(x1, x2))


@op
def less(x1, x2):
    """Return whether `x1 < x2`, elementwise.

    Example:
        >>> kerata.ops.less([1, 2, 3], 2)
        Array([ True, False, False], dtype=bool)
    """
    return jnp.less(*arrays(x1, x2))


@op
def less_equal(x1, x2):
    """Return whether `x1 <= x2`, elementwise.

    Example:
        >>> kerata.ops.less_equal([1, 2, 3], 2)
        Array([ True,  True, False], dtype=bool)
    """
    return jnp.less_equal(*arrays(x1, x2))


@op
def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Return whether `abs(x1 - x2) <= atol + rtol * abs(x2)`, elementwise.

    Args:
        x1: tensor.
        x2: tensor of a shape that broadcasts with `x1`.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether two NaNs count as close.

    Example:
        >>> kerata.ops.isclose([1.0, 1.1], 1.000001)
        Array([ True, False], dtype=bool)
    """
    return jnp.isclose(*arrays(x1, x2), rtol, atol, equal_nan)


@op
def allclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Return whether all elements are close, as a boolean scalar; see `isclose`.

    Example:
        >>> kerata.ops.allclose([1.0, 2.0], [1.0, 2.0000001])
        Array(True, dtype=bool)
    """
    return jnp.all(jnp.isclose(*arrays(x1, x2), rtol, atol, equal_nan))


@op
def isin(x1, x2, assume_unique=False, invert=False):
    """Return whether each element of `x1` is somewhere in `x2`.

    Args:
        x1: tensor.
        x2: the values to look for, of any shape.
        assume_unique: promise that neither holds a value twice, which can be faster.
        invert: return whether it is *not* there.

    Example:
        >>> kerata.ops.isin([1, 2, 3], [3, 1])
        Array([ True, False,  True], dtype=bool)
    """
    return jnp.isin(array(x1), array(x2), assume_unique=assume_unique, invert=invert)


# Tests of single numbers


@op
def isfinite(x):
    """Return whether each element is neither infinite nor NaN.

    Example:
        >>> kerata.ops.isfinite([1.0, float("inf"), float("nan")])
        Array([ True, False, False], dtype=bool)
    """
    return jnp.isfinite(array(x))


@op
def isinf(x):
    """Return whether each element is infinite.

    Example:
        >>> kerata.ops.isinf([1.0, -float("inf"), float("nan")])
        Array([False,  True, False], dtype=bool)
    """
    return jnp.isinf(array(x))


@op
def isnan(x):
    """Return whether each element is NaN.

    Example:
        >>> kerata.ops.isnan([1.0, float("inf"), float("nan")])
        Array([False, False,  True], dtype=bool)
    """
    return jnp.isnan(array(x))


@op
def isneginf(x):
    """Return whether each element is minus infinity.

    Example:
        >>> kerata.ops.isneginf([float("inf"), -float("inf")])
        Array([False,  True], dtype=bool)
    """
    return jnp.isneginf(array(x))


@op
def isposinf(x):
    """Return whether each element is plus infinity.

    Example:
        >>> kerata.ops.isposinf([float("inf"), -float("inf")])
        Array([ True, False], dtype=bool)
    """
    return jnp.isposinf(array(x))


@op
def isreal(x):
    """Return whether each element has no imaginary part.

    Example:
        >>> kerata.ops.isreal([1 + 0j, 1 + 2j])
        Array([ True, False], dtype=bool)
    """
    return jnp.isreal(array(x))


# Logic


@op
def logical_and(x1, x2):
    """Return the "and" of truth values; what is not 0 is true.

    Example:
        >>> kerata.ops.logical_and([True, False], True)
        Array([ True, False], dtype=bool)
    """
    return jnp.logical_and(*arrays(x1, x2))


@op
def logical_or(x1, x2):
    """Return the "or" of truth values; what is not 0 is true.

    Example:
        >>> kerata.ops.logical_or([True, False], False)
        Array([ True, False], dtype=bool)
    """
    return jnp.logical_or(*arrays(x1, x2))


@op
def logical_xor(x1, x2):
    """Return whether exactly one of two truth values is true.

    Example:
        >>> kerata.ops.logical_xor([True, False], True)
        Array([False,  True], dtype=bool)
    """
    return jnp.logical_xor(*arrays(x1, x2))


@op
def logical_not(x):
    """Return whether each element is false, that is, 0.

    Example:
        >>> kerata.ops.logical_not([True, False])
        Array([False,  True], dtype=bool)
    """
    return jnp.logical_not(array(x))


# Bits


@op
def bitwise_and(x, y):
    """Return the "and" of the bits of integers.

    Example:
        >>> kerata.ops.bitwise_and(6, [3, 4])
        Array([2, 4], dtype=int32)
    """
    return jnp.bitwise_and(*arrays(x, y))


@op
def bitwise_or(x, y):
    """Return the "or" of the bits of integers.

    Example:
        >>> kerata.ops.bitwise_or(6, [3, 4])
        Array([7, 6], dtype=int32)
    """
    return jnp.bitwise_or(*arrays(x, y))


@op
def bitwise_xor(x, y):
    """Return the "exclusive or" of the bits of integers.

    Example:
        >>> kerata.ops.bitwise_xor(6, [3, 4])
        Array([5, 2], dtype=int32)
    """
    return jnp.bitwise_xor(*arrays(x, y))


@op
def bitwise_not(x):
    """Return integers with every bit flipped; of booleans, their "not".

    Example:
        >>> kerata.ops.bitwise_not([0, 5])
        Array([-1, -6], dtype=int32)
    """
    return jnp.bitwise_not(array(x))


@op
def bitwise_invert(x):
    """Return integers with every bit flipped; the same as `bitwise_not`.

    Example:
        >>> kerata.ops.bitwise_invert([0, 5])
        Array([-1, -6], dtype=int32)
    """
    return jnp.bitwise_not(array(x))


@op
def bitwise_left_shift(x, y):
    """Return the bits of `x` moved left by `y` places.

    Example:
        >>> kerata.ops.bitwise_left_shift([1, 3], 2)
        Array([ 4, 12], dtype=int32)
    """
    return jnp.left_shift(*arrays(x, y))


@op
def left_shift(x, y):
    """Return the bits of `x` moved left by `y` places; the same as `bitwise_left_shift`.

    Example:
        >>> kerata.ops.left_shift([1, 3], 2)
        Array([ 4, 12], dtype=int32)
    """
    return jnp.left_shift(*arrays(x, y))


@op
def bitwise_right_shift(x, y):
    """Return the bits of `x` moved right by `y` places; the sign is kept.

    Example:
        >>> kerata.ops.bitwise_right_shift([8, -8], 2)
        Array([ 2, -2], dtype=int32)
    """
    return jnp.right_shift(*arrays(x, y))


@op
def right_shift(x, y):
    """Return the bits of `x` moved right by `y` places; the same as `bitwise_right_shift`.

    Example:
        >>> kerata.ops.right_shift([8, -8], 2)
        Array([ 2, -2], dtype=int32)
    """
    return jnp.right_shift(*arrays(x, y))
