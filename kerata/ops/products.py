"""Products of vectors and matrices, and matrices by their diagonals and triangles."""

import jax.numpy as jnp

from kerata import kernels
from kerata.engine.op import op
from kerata.ops.arguments import array, common_float, one_axis, rank_at_least

# Products


def _accumulator(*xs):
    """Return the dtype to add products up in: int32 for 8-bit integers, None for any others."""
    return "int32" if all(x.dtype == jnp.int8 for x in xs) else None


@op
def matmul(x1, x2):
    """Return the matrix product over the last axis of `x1` and the one but last of `x2`.

    Args:
        x1: tensor of shape `(..., n, m)`, or `(m,)`.
        x2: tensor of shape `(..., m, p)`, or `(m,)`; leading axes broadcast.

    Returns:
        A tensor of shape `(..., n, p)`, without the axes that a vector lacks.

    Example:
        >>> kerata.ops.matmul([[1.0, 2.0]], [[3.0], [4.0]])
        Array([[11.]], dtype=float32)
    """
    x1, x2 = array(x1), array(x2)
    inner = x2.shape[-2 if x2.ndim > 1 else -1] if x1.ndim and x2.ndim else None
    if inner is None or x1.shape[-1] != inner:
        raise ValueError(
            "matmul() needs two tensors of rank 1 or more, and the last axis of `x1` as long as "
            "the one but last (or only) axis of `x2`.\n"
            f"Received: shapes {x1.shape}, {x2.shape}"
        )
    if x2.ndim == 2 and jnp.issubdtype(x1.dtype, jnp.floating):
        return kernels.dot(x1, x2)
    return jnp.matmul(x1, x2, preferred_element_type=_accumulator(x1, x2))


@op
def dot(x1, x2):
    """Return the product over the last axis of `x1` and the one but last of `x2`.

    For matrices it is `matmul`, for vectors the inner product, for scalars the product; leading
    axes of both are kept, not broadcast.

    Example:
        >>> kerata.ops.dot([1.0, 2.0], [3.0, 4.0])
        Array(11., dtype=float32)
    """
    return jnp.dot(array(x1), array(x2))


@op
def inner(x1, x2):
    """Return the product over the last axes of both.

    Example:
        >>> kerata.ops.inner([1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]])
        Array([11., 17.], dtype=float32)
    """
    return jnp.inner(array(x1), array(x2))


@op
def vdot(x1, x2):
    """Return the product of all elements, flattened; `x1` is conjugated if complex.

    Example:
        >>> kerata.ops.vdot([[1.0, 2.0]], [[3.0], [4.0]])
        Array(11., dtype=float32)
    """
    return jnp.vdot(array(x1), array(x2))


@op
def outer(x1, x2):
    """Return the products of every element of `x1` with every one of `x2`, as a matrix.

    Example:
        >>> kerata.ops.outer([1, 2], [3, 4])
        Array([[3, 4],
               [6, 8]], dtype=int32)
    """
    return jnp.outer(array(x1), array(x2))


@op
def kron(x1, x2):
    """Return the Kronecker product: `x2`, scaled by each element of `x1`.

    Example:
        >>> kerata.ops.kron([1, 2], [3, 4])
        Array([3, 4, 6, 8], dtype=int32)
    """
    return jnp.kron(array(x1), array(x2))


@op
def tensordot(x1, x2, axes=2):
    """Return the sum of products over chosen axes.

    Args:
        x1: tensor.
        x2: tensor.
        axes: how many of the last axes of `x1` and first of `x2` to sum over, or two sequences
            that name them.

    Example:
        >>> kerata.ops.tensordot([[1, 2], [3, 4]], [5, 6], axes=1)
        Array([17, 39], dtype=int32)
    """
    return jnp.tensordot(array(x1), array(x2), axes)


@op
def einsum(subscripts, *operands, **kwargs):
    """Return a sum of products that is described by its indices (Einstein's convention).

    Args:
        subscripts: an index for each axis of the operands and of the result: "ij,jk->ik". What is
            absent in the result is summed; "..." stands for leading axes.
        *operands: tensors.
        **kwargs: passed to `jax.numpy.einsum`, such as `optimize`.

    Example:
        >>> kerata.ops.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
        Array([21., 43.], dtype=float32)
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"`subscripts` must be a string.\nReceived: {subscripts!r}")
    operands = [array(x) for x in operands]
    terms = subscripts.replace(" ", "").split("->")[0].split(",")
    fits = len(terms) == len(operands) and all(
        "..." in t or len(t) == x.ndim for t, x in zip(terms, operands, strict=True)
    )
    if not fits:
        shapes = ", ".join(str(x.shape) for x in operands)
        raise ValueError(
            "`subscripts` must name each axis of each operand by a letter.\n"
            f"Received: subscripts={subscripts!r}, shapes {shapes}"
        )
    kwargs.setdefault("preferred_element_type", _accumulator(*operands))
    return jnp.einsum(subscripts, *operands, **kwargs)


@op
def cdist(x, y):
    """Return the Euclidean distances between the rows of two tensors.

    Args:
        x: points, of shape `(..., n, features)`.
        y: points, of shape `(..., m, features)`.

    Returns:
        A float tensor of shape `(..., n, m)`.

    Example:
        >>> kerata.ops.cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
        Array([[5., 1.]], dtype=float32)
    """
    x, y = common_float(x, y)
    rank_at_least(2, x, "x")
    rank_at_least(2, y, "y")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            "`x` and `y` must have points of equally many features.\n"
            f"Received: shapes {x.shape}, {y.shape}"
        )
    squared = jnp.sum(jnp.square(x[..., :, None, :] - y[..., None, :, :]), axis=-1)
    # The square root has no gradient at 0: a point's distance to itself gets a zero one.
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)


@op
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Return the cross product of vectors of 3 numbers, or of 2, whose third is 0.

    Args:
        x1: tensor with vectors along `axisa`.
        x2: tensor with vectors along `axisb`; the other axes broadcast.
        axisa: the vectors' axis in `x1`.
        axisb: the vectors' axis in `x2`.
        axisc: the vectors' axis in the result. Of vectors of 2 numbers only the third number of
            the product is returned, without such an axis.
        axis: if given, replaces the three.

    Example:
        >>> kerata.ops.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        Array([0., 0., 1.], dtype=float32)
    """
    x1, x2 = array(x1), array(x2)
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x1 = jnp.moveaxis(x1, one_axis(axisa, x1.ndim), -1)
    x2 = jnp.moveaxis(x2, one_axis(axisb, x2.ndim), -1)
    lengths = x1.shape[-1], x2.shape[-1]
    if not set(lengths) <= {2, 3}:
        raise ValueError(
            "Vectors must have 2 or 3 numbers to have a cross product.\n"
            f"Received: vectors of {lengths[0]} and {lengths[1]} numbers"
        )
    x1, x2 = (jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 3 - x.shape[-1])]) for x in (x1, x2))
    found = jnp.cross(x1, x2)
    return found[..., 2] if lengths == (2, 2) else jnp.moveaxis(found, -1, axisc)


@op
def trace(x, offset=0, axis1=0, axis2=1):
    """Return the sum of a diagonal of the matrices on two axes.

    Args:
        x: tensor of rank 2 or more.
        offset: the diagonal: 0 is the main one, positive ones are above it.
        axis1: axis of the rows.
        axis2: axis of the columns.

    Example:
        >>> kerata.ops.trace([[1, 2], [3, 4]])
        Array(5, dtype=int32)
    """
    x = array(x)
    return jnp.trace(x, offset, *_two_axes(x, axis1, axis2))


# Diagonals and triangles


@op
def diag(x, k=0):
    """Return a diagonal of a matrix, or the matrix with a vector on that diagonal.

    Args:
        x: tensor of shape `(n,)` or `(rows, columns)`.
        k: the diagonal: 0 is the main one, positive ones are above it.

    Example:
        >>> kerata.ops.diag([1, 2])
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    x = array(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"`x` must have one axis or two.\nReceived: shape {x.shape}")
    return jnp.diag(x, k)


@op
def diagflat(x, k=0):
    """Return the matrix with all elements of `x` on diagonal `k`.

    Example:
        >>> kerata.ops.diagflat([[1], [2]])
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    return jnp.diagflat(array(x), k)


@op
def diagonal(x, offset=0, axis1=0, axis2=1):
    """Return a diagonal of the matrices on two axes, as a new last axis.

    Args:
        x: tensor of rank 2 or more.
        offset: the diagonal: 0 is the main one, positive ones are above it.
        axis1: axis of the rows.
        axis2: axis of the columns.

    Example:
        >>> kerata.ops.diagonal([[1, 2], [3, 4]])
        Array([1, 4], dtype=int32)
    """
    x = array(x)
    return jnp.diagonal(x, offset, *_two_axes(x, axis1, axis2))


def _two_axes(x, axis1, axis2):
    """Return the axes of the matrices in `x`, checked."""
    rank_at_least(2, x)
    rows, columns = one_axis(axis1, x.ndim, "axis1"), one_axis(axis2, x.ndim, "axis2")
    if rows == columns:
        raise ValueError(
            f"`axis1` and `axis2` must be different axes.\nReceived: axis1={axis1}, axis2={axis2}"
        )
    return rows, columns


@op
def tril(x, k=0):
    """Return matrices with zeros above diagonal `k`.

    Example:
        >>> kerata.ops.tril([[1, 2], [3, 4]])
        Array([[1, 0],
               [3, 4]], dtype=int32)
    """
    x = array(x)
    rank_at_least(2, x)
    return jnp.tril(x, k)


@op
def triu(x, k=0):
    """Return matrices with zeros below diagonal `k`.

    Example:
        >>> kerata.ops.triu([[1, 2], [3, 4]])
        Array([[1, 2],
               [0, 4]], dtype=int32)
    """
    x = array(x)
    rank_at_least(2, x)
    return jnp.triu(x, k)
