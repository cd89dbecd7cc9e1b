"""Arithmetic of two tensors, elementwise, with broadcasting and promotion.

Python numbers are weak: they do not change the float width of a tensor. Shapes must be equal or
broadcast together, aligned at the last axis.
"""

import jax.numpy as jnp

from kerata.engine.dtypes import as_float
from kerata.engine.op import op
from kerata.ops.arguments import arrays, bools_as_ints, float_arrays


def _numbers(x1, x2):
    """Return `arrays(x1, x2)`; two tensors of booleans become integers."""
    found = arrays(x1, x2)
    both = all(x.dtype == jnp.bool_ for x in found)
    return [bools_as_ints(x) for x in found] if both else found


@op
def add(x1, x2):
    """Return `x1 + x2`; of booleans, their "or".

    Example:
        >>> kerata.ops.add([1.0, 2.0], 3)
        Array([4., 5.], dtype=float32)
    """
    return jnp.add(*arrays(x1, x2))


@op
def subtract(x1, x2):
    """Return `x1 - x2`.

    Example:
        >>> kerata.ops.subtract([1.0, 2.0], 3)
        Array([-2., -1.], dtype=float32)
    """
    return jnp.subtract(*arrays(x1, x2))


@op
def multiply(x1, x2):
    """Return `x1 * x2` elementwise; of booleans, their "and".

    Example:
        >>> kerata.ops.multiply([1.0, 2.0], [[2], [3]])
        Array([[2., 4.],
               [3., 6.]], dtype=float32)
    """
    return jnp.multiply(*arrays(x1, x2))


@op
def divide(x1, x2):
    """Return `x1 / x2`, as a float.

    Example:
        >>> kerata.ops.divide([1, 3], 2)
        Array([0.5, 1.5], dtype=float32)
    """
    return jnp.true_divide(*float_arrays(x1, x2))


@op
def true_divide(x1, x2):
    """Return `x1 / x2`, as a float; the same as `divide`.

    Example:
        >>> kerata.ops.true_divide([1, 3], 2)
        Array([0.5, 1.5], dtype=float32)
    """
    return jnp.true_divide(*float_arrays(x1, x2))


@op
def divide_no_nan(x1, x2):
    """Return `x1 / x2`, and 0 where `x2` is 0.

    Example:
        >>> kerata.ops.divide_no_nan([1.0, 3.0], [0.0, 2.0])
        Array([0. , 1.5], dtype=float32)
    """
    x1, x2 = float_arrays(x1, x2)
    # Dividing by 1 there, not by 0, keeps NaN out of the gradient as well.
    zero = x2 == 0
    return jnp.where(zero, 0, jnp.true_divide(x1, jnp.where(zero, 1, x2)))


@op
def floor_divide(x1, x2):
    """Return the greatest whole number that is not above `x1 / x2`; booleans become integers.

    Example:
        >>> kerata.ops.floor_divide([7, -7], 2)
        Array([ 3, -4], dtype=int32)
    """
    return jnp.floor_divide(*_numbers(x1, x2))


@op
def mod(x1, x2):
    """Return the remainder of `floor_divide`; it has the sign of `x2`.

    Example:
        >>> kerata.ops.mod([7, -7], 3)
        Array([1, 2], dtype=int32)
    """
    return jnp.mod(*_numbers(x1, x2))


@op
def fmod(x1, x2):
    """Return the remainder of division truncated towards 0; it has the sign of `x1`.

    Example:
        >>> kerata.ops.fmod([7, -7], 3)
        Array([ 1, -1], dtype=int32)
    """
    return jnp.fmod(*_numbers(x1, x2))


@op
def power(x1, x2):
    """Return `x1` to the power of `x2`.

    Example:
        >>> kerata.ops.power([2.0, 3.0], 2)
        Array([4., 9.], dtype=float32)
    """
    base, exponent = arrays(x1, x2)
    # A Python integer stays one: JAX then multiplies instead of taking logarithms.
    return jnp.power(base, x2 if isinstance(x2, int) else exponent)


@op
def maximum(x1, x2):
    """Return the greater of each pair; NaN where one is NaN.

    Example:
        >>> kerata.ops.maximum([1.0, 5.0], [3.0, 2.0])
        Array([3., 5.], dtype=float32)
    """
    return jnp.maximum(*arrays(x1, x2))


@op
def minimum(x1, x2):
    """Return the lesser of each pair; NaN where one is NaN.

    Example:
        >>> kerata.ops.minimum([1.0, 5.0], [3.0, 2.0])
        Array([1., 2.], dtype=float32)
    """
    return jnp.minimum(*arrays(x1, x2))


@op
def fmax(x1, x2):
    """Return the greater of each pair; where one is NaN, the other.

    Example:
        >>> kerata.ops.fmax([1.0, float("nan")], [3.0, 2.0])
        Array([3., 2.], dtype=float32)
    """
    return jnp.fmax(*arrays(x1, x2))


@op
def fmin(x1, x2):
    """Return the lesser of each pair; where one is NaN, the other.

    Example:
        >>> kerata.ops.fmin([1.0, float("nan")], [3.0, 2.0])
        Array([1., 2.], dtype=float32)
    """
    return jnp.fmin(*arrays(x1, x2))


@op
def hypot(x1, x2):
    """Return `sqrt(x1**2 + x2**2)` without overflow on the way.

    Example:
        >>> kerata.ops.hypot([3.0], [4.0])
        Array([5.], dtype=float32)
    """
    return jnp.hypot(*float_arrays(x1, x2))


@op
def logaddexp(x1, x2):
    """Return `log(exp(x1) + exp(x2))` without overflow on the way.

    Example:
        >>> kerata.ops.logaddexp([0.0, 1000.0], [0.0, 1000.0])
        Array([6.9314718e-01, 1.0006932e+03], dtype=float32)
    """
    return jnp.logaddexp(*float_arrays(x1, x2))


@op
def logaddexp2(x1, x2):
    """Return `log2(2**x1 + 2**x2)` without overflow on the way.

    Example:
        >>> kerata.ops.logaddexp2([3.0], [3.0])
        Array([4.], dtype=float32)
    """
    return jnp.logaddexp2(*float_arrays(x1, x2))


@op
def ldexp(x1, x2):
    """Return `x1 * 2**x2`.

    Args:
        x1: mantissas.
        x2: exponents, integers.

    Example:
        >>> kerata.ops.ldexp([0.75, 1.0], [2, 3])
        Array([3., 8.], dtype=float32)
    """
    x1, x2 = arrays(x1, x2)
    if not jnp.issubdtype(x2.dtype, jnp.integer):
        raise TypeError(f"`x2` must hold integers: it is an exponent.\nReceived: dtype {x2.dtype}")
    return jnp.ldexp(as_float(x1), x2)


@op
def nextafter(x1, x2):
    """Return the next representable number after `x1` on the way to `x2`.

    Example:
        >>> kerata.ops.nextafter(1.0, 2.0) > 1.0
        Array(True, dtype=bool, weak_type=True)
    """
    return jnp.nextafter(*float_arrays(x1, x2))


@op
def heaviside(x1, x2):
    """Return 0 where `x1` is negative, 1 where it is positive, and `x2` where it is 0.

    Example:
        >>> kerata.ops.heaviside([-1.0, 0.0, 2.0], 0.5)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    return jnp.heaviside(*float_arrays(x1, x2))


@op
def gcd(x1, x2):
    """Return the greatest common divisor of integers.

    Example:
        >>> kerata.ops.gcd([12, 7], [18, 5])
        Array([6, 1], dtype=int32)
    """
    return jnp.gcd(*arrays(x1, x2))


@op
def lcm(x1, x2):
    """Return the least common multiple of integers.

    Example:
        >>> kerata.ops.lcm([12, 7], [18, 5])
        Array([36, 35], dtype=int32)
    """
    return jnp.lcm(*arrays(x1, x2))
