"""Functions of one number, applied to every element: powers, logarithms, rounding, signs.

Integers and booleans become `floatx()` where the result is not a whole number.
"""

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine.dtypes import as_float
from kerata.engine.op import op
from kerata.ops.arguments import array, arrays, bools_as_ints

# Signs and rounding


@op
def absolute(x):
    """Return the absolute value elementwise; of complex numbers, the magnitude.

    Example:
        >>> kerata.ops.absolute([-1.5, 2.0])
        Array([1.5, 2. ], dtype=float32)
    """
    return jnp.abs(array(x))


@op
def abs(x):
    """Return the absolute value elementwise; the same as `absolute`.

    Example:
        >>> kerata.ops.abs([-3, 4])
        Array([3, 4], dtype=int32)
    """
    return jnp.abs(array(x))


@op
def fabs(x):
    """Return the absolute value elementwise, as a float.

    Example:
        >>> kerata.ops.fabs([-3, 4])
        Array([3., 4.], dtype=float32)
    """
    return jnp.abs(as_float(x))


@op
def negative(x):
    """Return `-x` elementwise.

    Example:
        >>> kerata.ops.negative([1.0, -2.0])
        Array([-1.,  2.], dtype=float32)
    """
    return jnp.negative(array(x))


@op
def sign(x):
    """Return -1, 0 or 1 by the sign of each element, in `x`'s dtype.

    Example:
        >>> kerata.ops.sign([-0.5, 0.0, 3.0])
        Array([-1.,  0.,  1.], dtype=float32)
    """
    return jnp.sign(array(x))


@op
def signbit(x):
    """Return whether the sign bit is set: true for negative numbers and for -0.0.

    Example:
        >>> kerata.ops.signbit([-0.0, 0.0, -2.0])
        Array([ True, False,  True], dtype=bool)
    """
    return jnp.signbit(array(x))


@op
def ceil(x):
    """Return the least whole number that is not below each element, as a float.

    Example:
        >>> kerata.ops.ceil([-1.5, 0.2])
        Array([-1.,  1.], dtype=float32)
    """
    return jnp.ceil(as_float(x))


@op
def floor(x):
    """Return the greatest whole number that is not above each element, as a float.

    Example:
        >>> kerata.ops.floor([-1.5, 0.2])
        Array([-2.,  0.], dtype=float32)
    """
    return jnp.floor(as_float(x))


@op
def round(x, decimals=0):
    """Round elementwise to `decimals` places; halves go to the even neighbour.

    Args:
        x: tensor.
        decimals: digits after the point to keep; negative ones round to tens, hundreds, ...

    Example:
        >>> kerata.ops.round([0.5, 1.5, 2.26])
        Array([0., 2., 2.], dtype=float32)
        >>> kerata.ops.round([1234.0], decimals=-2)
        Array([1200.], dtype=float32)
    """
    x = bools_as_ints(x)
    if decimals < 0 and jnp.issubdtype(x.dtype, jnp.integer):
        return jnp.round(as_float(x), decimals).astype(x.dtype)
    return jnp.round(x, decimals)


@op
def trunc(x):
    """Return each element without its fraction, in `x`'s dtype.

    Example:
        >>> kerata.ops.trunc([-1.7, 1.7])
        Array([-1.,  1.], dtype=float32)
    """
    x = array(x)
    return jnp.trunc(x) if jnp.issubdtype(x.dtype, jnp.floating) else x


# Powers, roots and logarithms


@op
def square(x):
    """Return `x * x`; booleans become integers.

    Example:
        >>> kerata.ops.square([1.0, -3.0])
        Array([1., 9.], dtype=float32)
    """
    return jnp.square(bools_as_ints(x))


@op
def sqrt(x):
    """Return the square root elementwise; NaN for negative numbers.

    Example:
        >>> kerata.ops.sqrt([4.0, 9.0])
        Array([2., 3.], dtype=float32)
    """
    return jnp.sqrt(as_float(x))


@op
def rsqrt(x):
    """Return `1 / sqrt(x)` elementwise.

    Example:
        >>> kerata.ops.rsqrt([1.0, 4.0])
        Array([1. , 0.5], dtype=float32)
    """
    return lax.rsqrt(as_float(x))


@op
def cbrt(x):
    """Return the cube root elementwise; that of a negative number is negative.

    Example:
        >>> kerata.ops.cbrt([-8.0, 27.0])
        Array([-2.,  3.], dtype=float32)
    """
    return jnp.cbrt(as_float(x))


@op
def reciprocal(x):
    """Return `1 / x` elementwise.

    Example:
        >>> kerata.ops.reciprocal([2.0, -4.0])
        Array([ 0.5 , -0.25], dtype=float32)
    """
    return jnp.reciprocal(as_float(x))


@op
def exp(x):
    """Return e to the power of each element.

    Example:
        >>> kerata.ops.exp([0.0, 1.0])
        Array([1.       , 2.7182817], dtype=float32)
    """
    return jnp.exp(as_float(x))


@op
def exp2(x):
    """Return 2 to the power of each element.

    Example:
        >>> kerata.ops.exp2([0.0, 3.0])
        Array([1., 8.], dtype=float32)
    """
    return jnp.exp2(as_float(x))


@op
def expm1(x):
    """Return `exp(x) - 1`, precise for small `x`.

    Example:
        >>> kerata.ops.expm1([0.0, 1e-5])
        Array([0.000000e+00, 1.000005e-05], dtype=float32)
    """
    return jnp.expm1(as_float(x))


@op
def log(x):
    """Return the natural logarithm elementwise.

    Example:
        >>> kerata.ops.log([1.0, 10.0])
        Array([0.       , 2.3025851], dtype=float32)
    """
    return jnp.log(as_float(x))


@op
def log10(x):
    """Return the logarithm to base 10 elementwise.

    Example:
        >>> kerata.ops.log10([1.0, 100.0])
        Array([0., 2.], dtype=float32)
    """
    return jnp.log10(as_float(x))


@op
def log1p(x):
    """Return `log(1 + x)`, precise for small `x`.

    Example:
        >>> kerata.ops.log1p([0.0, 1e-5])
        Array([0.00000e+00, 9.99995e-06], dtype=float32)
    """
    return jnp.log1p(as_float(x))


@op
def log2(x):
    """Return the logarithm to base 2 elementwise.

    Example:
        >>> kerata.ops.log2([1.0, 8.0])
        Array([0., 3.], dtype=float32)
    """
    return jnp.log2(as_float(x))


# Special functions


@op
def erf(x):
    """Return the error function, `2 / sqrt(pi)` times the integral of `exp(-t**2)` from 0 to `x`.

    Example:
        >>> kerata.ops.erf([0.0, 1.0])
        Array([0.        , 0.84270084], dtype=float32)
    """
    return lax.erf(as_float(x))


@op
def erfc(x):
    """Return `1 - erf(x)`, precise where `erf(x)` is close to 1.

    Example:
        >>> kerata.ops.erfc([0.0, 2.0])
        Array([1.        , 0.00467773], dtype=float32)
    """
    return lax.erfc(as_float(x))


@op
def erfinv(x):
    """Return the inverse of `erf`, for numbers in (-1, 1).

    Example:
        >>> kerata.ops.erfinv([0.0, 0.5])
        Array([0.        , 0.47693628], dtype=float32)
    """
    return lax.erf_inv(as_float(x))


@op
def i0(x):
    """Return the modified Bessel function of the first kind and order 0.

    Example:
        >>> kerata.ops.i0([0.0, 1.0])
        Array([1.0000001, 1.266066 ], dtype=float32)
    """
    return jnp.i0(as_float(x))


# Limits and replacement


@op
def clip(x, x_min, x_max):
    """Limit each element to the interval from `x_min` to `x_max`; booleans become integers.

    Args:
        x: tensor.
        x_min: lower limit, a number or a tensor that broadcasts with `x`.
        x_max: upper limit, likewise.

    Example:
        >>> kerata.ops.clip([-2.0, 0.5, 9.0], 0.0, 1.0)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    x, x_min, x_max = arrays(x, x_min, x_max)
    return jnp.clip(bools_as_ints(x), x_min, x_max)


@op
def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """Replace NaN and infinities by numbers.

    Args:
        x: tensor.
        nan: what stands for NaN.
        posinf: what stands for infinity; None for the greatest number of the dtype.
        neginf: what stands for minus infinity; None for the least number of the dtype.

    Example:
        >>> kerata.ops.nan_to_num([1.0, float("nan"), float("inf")], posinf=9.0)
        Array([1., 0., 9.], dtype=float32)
    """
    return jnp.nan_to_num(array(x), nan=nan, posinf=posinf, neginf=neginf)


# Complex numbers


@op
def real(x):
    """Return the real part of each element.

    Example:
        >>> kerata.ops.real([1 + 2j])
        Array([1.], dtype=float32)
    """
    return jnp.real(array(x))


@op
def imag(x):
    """Return the imaginary part of each element; 0 for real numbers.

    Example:
        >>> kerata.ops.imag([1 + 2j])
        Array([2.], dtype=float32)
    """
    return jnp.imag(array(x))


@op
def conjugate(x):
    """Return the complex conjugate of each element.

    Example:
        >>> kerata.ops.conjugate([1 + 2j])
        Array([1.-2.j], dtype=complex64)
    """
    return jnp.conjugate(array(x))


@op
def conj(x):
    """Return the complex conjugate of each element; the same as `conjugate`.

    Example:
        >>> kerata.ops.conj([1 + 2j])
        Array([1.-2.j], dtype=complex64)
    """
    return jnp.conjugate(array(x))


@op
def angle(x):
    """Return the angle of each complex number, in radians from -pi to pi.

    Example:
        >>> kerata.ops.angle([1j, -1.0])
        Array([1.5707964, 3.1415927], dtype=float32)
    """
    return jnp.angle(as_float(x))


@op
def view_as_complex(x):
    """Return pairs of real numbers on the last axis as complex numbers.

    Args:
        x: floating tensor of shape `(..., 2)`: real and imaginary parts.

    Returns:
        A complex tensor of shape `(...)`.

    Example:
        >>> kerata.ops.view_as_complex([[1.0, 2.0]])
        Array([1.+2.j], dtype=complex64)
    """
    x = as_float(x)
    if not x.ndim or x.shape[-1] != 2:
        raise ValueError(f"`x` must have 2 numbers on its last axis.\nReceived: shape {x.shape}")
    return lax.complex(x[..., 0], x[..., 1])


@op
def view_as_real(x):
    """Return complex numbers as pairs of real ones, on a new last axis.

    Example:
        >>> kerata.ops.view_as_real([1 + 2j])
        Array([[1., 2.]], dtype=float32)
    """
    x = array(x)
    return jnp.stack([jnp.real(x), jnp.imag(x)], axis=-1)


@op
def polar(abs_, angle):
    """Return complex numbers from their magnitudes and angles.

    Args:
        abs_: magnitudes, a floating tensor.
        angle: angles in radians, of a shape that broadcasts with `abs_`.

    Example:
        >>> kerata.ops.polar(2.0, 0.0)
        Array(2.+0.j, dtype=complex64, weak_type=True)
    """
    magnitude, angle = jnp.broadcast_arrays(*map(as_float, arrays(abs_, angle)))
    return lax.complex(magnitude * jnp.cos(angle), magnitude * jnp.sin(angle))


@op
def stop_gradient(variable):
    """Return `variable` unchanged, as a constant for differentiation.

    Args:
        variable: tensor or `Variable`.

    Example:
        >>> kerata.ops.stop_gradient([1.0, 2.0])
        [Array(1., dtype=float32, weak_type=True), Array(2., dtype=float32, weak_type=True)]
    """
    return lax.stop_gradient(jax.tree.map(array, variable) if variable is not None else None)
