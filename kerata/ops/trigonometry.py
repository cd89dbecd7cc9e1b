"""Trigonometric and hyperbolic functions, elementwise; angles are in radians."""

import jax.numpy as jnp

from kerata.engine.dtypes import as_float
from kerata.engine.op import op
from kerata.ops.arguments import float_arrays


@op
def sin(x):
    """Return the sine elementwise.

    Example:
        >>> kerata.ops.sin([0.0, 1.5707964])
        Array([0., 1.], dtype=float32)
    """
    return jnp.sin(as_float(x))


@op
def cos(x):
    """Return the cosine elementwise.

    Example:
        >>> kerata.ops.cos([0.0, 1.0])
        Array([1.       , 0.5403023], dtype=float32)
    """
    return jnp.cos(as_float(x))


@op
def tan(x):
    """Return the tangent elementwise.

    Example:
        >>> kerata.ops.tan([0.0, 0.5])
        Array([0.       , 0.5463025], dtype=float32)
    """
    return jnp.tan(as_float(x))


@op
def arcsin(x):
    """Return the inverse sine elementwise, from -pi/2 to pi/2; NaN outside [-1, 1].

    Example:
        >>> kerata.ops.arcsin([0.0, 1.0])
        Array([0.       , 1.5707964], dtype=float32)
    """
    return jnp.arcsin(as_float(x))


@op
def arccos(x):
    """Return the inverse cosine elementwise, from 0 to pi; NaN outside [-1, 1].

    Example:
        >>> kerata.ops.arccos([1.0, 0.0])
        Array([0.       , 1.5707964], dtype=float32)
    """
    return jnp.arccos(as_float(x))


@op
def arctan(x):
    """Return the inverse tangent elementwise, from -pi/2 to pi/2.

    Example:
        >>> kerata.ops.arctan([0.0, 1.0])
        Array([0.       , 0.7853981], dtype=float32)
    """
    return jnp.arctan(as_float(x))


@op
def arctan2(x1, x2):
    """Return the angle of the point (`x2`, `x1`), from -pi to pi.

    Args:
        x1: ordinates.
        x2: abscissas, of a shape that broadcasts with `x1`.

    Example:
        >>> kerata.ops.arctan2([1.0, -1.0], [0.0, -1.0])
        Array([ 1.5707964, -2.3561945], dtype=float32)
    """
    return jnp.arctan2(*float_arrays(x1, x2))


@op
def sinh(x):
    """Return the hyperbolic sine elementwise.

    Example:
        >>> kerata.ops.sinh([0.0, 1.0])
        Array([0.       , 1.1752012], dtype=float32)
    """
    return jnp.sinh(as_float(x))


@op
def cosh(x):
    """Return the hyperbolic cosine elementwise.

    Example:
        >>> kerata.ops.cosh([0.0, 1.0])
        Array([1.       , 1.5430806], dtype=float32)
    """
    return jnp.cosh(as_float(x))


@op
def tanh(x):
    """Return the hyperbolic tangent elementwise.

    Example:
        >>> kerata.ops.tanh([0.0, 1.0])
        Array([0.       , 0.7615942], dtype=float32)
    """
    return jnp.tanh(as_float(x))


@op
def arcsinh(x):
    """Return the inverse hyperbolic sine elementwise.

    Example:
        >>> kerata.ops.arcsinh([0.0, 1.0])
        Array([0.        , 0.88137364], dtype=float32)
    """
    return jnp.arcsinh(as_float(x))


@op
def arccosh(x):
    """Return the inverse hyperbolic cosine elementwise; NaN below 1.

    Example:
        >>> kerata.ops.arccosh([1.0, 2.0])
        Array([0.      , 1.316958], dtype=float32)
    """
    return jnp.arccosh(as_float(x))


@op
def arctanh(x):
    """Return the inverse hyperbolic tangent elementwise; NaN outside [-1, 1].

    Example:
        >>> kerata.ops.arctanh([0.0, 0.5])
        Array([0.        , 0.54930615], dtype=float32)
    """
    return jnp.arctanh(as_float(x))


@op
def sinc(x):
    """Return `sin(pi x) / (pi x)` elementwise; 1 at 0.

    Example:
        >>> kerata.ops.sinc([0.0, 0.5])
        Array([1.       , 0.6366198], dtype=float32)
    """
    return jnp.sinc(as_float(x))


@op
def deg2rad(x):
    """Convert degrees to radians.

    Example:
        >>> kerata.ops.deg2rad([0.0, 180.0])
        Array([0.       , 3.1415927], dtype=float32)
    """
    return jnp.deg2rad(as_float(x))


@op
def rad2deg(x):
    """Convert radians to degrees.

    Example:
        >>> kerata.ops.rad2deg([0.0, 3.1415927])
        Array([  0., 180.], dtype=float32)
    """
    return jnp.rad2deg(as_float(x))
