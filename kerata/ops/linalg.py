"""Linear algebra; the public namespace `kerata.ops.linalg`.

Matrices are the last two axes; what goes before is a batch. Integers become `floatx()`.
"""

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl

from kerata.engine.dtypes import as_float
from kerata.engine.errors import one_of
from kerata.engine.op import op
from kerata.ops.arguments import axes, common_float, rank_at_least


def _square(x, name="x"):
    """Return `x` as square matrices of floats."""
    x = as_float(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"`{name}` must be square matrices, of shape (..., n, n).\nReceived: shape {x.shape}"
        )
    return x


def _matrices(x, name="x"):
    x = as_float(x)
    rank_at_least(2, x, name)
    return x


# Decompositions


@op
def cholesky(x, upper=False):
    """Return the triangular matrix `L` with `L @ L.T == x`.

    Args:
        x: symmetric positive-definite matrices, of shape `(..., n, n)`.
        upper: whether to return the transpose, an upper triangle.

    Raises:
        ValueError: if a matrix is not positive definite, and its values are known.

    Example:
        >>> kerata.ops.cholesky([[4.0, 2.0], [2.0, 2.0]])
        Array([[2., 0.],
               [1., 1.]], dtype=float32)
    """
    x = _square(x)
    result = jnp.linalg.cholesky(x, upper=upper, symmetrize_input=False)
    known = not isinstance(result, jax.core.Tracer)
    if known and bool(jnp.any(jnp.isnan(result))) and not bool(jnp.any(jnp.isnan(x))):
        raise ValueError(f"`x` must be positive definite, and is not.\nReceived: shape {x.shape}")
    return result


@op
def cholesky_inverse(x, upper=False):
    """Return the inverse of a matrix from its `cholesky` factor.

    Args:
        x: triangular matrices, of shape `(..., n, n)`.
        upper: whether they are upper triangles.

    Example:
        >>> kerata.ops.cholesky_inverse([[2.0, 0.0], [0.0, 1.0]])
        Array([[0.25, 0.  ],
               [0.  , 1.  ]], dtype=float32)
    """
    x = _square(x)
    triangle = jnp.triu(x).mT if upper else jnp.tril(x)
    identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    wide = triangle.astype(jnp.promote_types(x.dtype, "float32"))
    inverse = jsl.solve_triangular(wide, identity.astype(wide.dtype), lower=True)
    return (inverse.mT @ inverse).astype(x.dtype)


@op
def lu_factor(x):
    """Return the LU decomposition with pivots.

    Args:
        x: matrices, of shape `(..., n, m)`.

    Returns:
        `(lu, pivots)`: both triangles in one matrix, and the row exchanged with each row.

    Example:
        >>> kerata.ops.lu_factor([[1.0, 2.0], [4.0, 4.0]])
        (Array([[4.  , 4.  ],
               [0.25, 1.  ]], dtype=float32), Array([1, 1], dtype=int32))
    """
    return tuple(jsl.lu_factor(_matrices(x)))


@op
def qr(x, mode="reduced"):
    """Return the decomposition into orthonormal columns and an upper triangle.

    Args:
        x: matrices, of shape `(..., n, m)`.
        mode: "reduced": `q` has `min(n, m)` columns; "complete": it has `n`.

    Returns:
        `(q, r)` with `q @ r == x`.

    Example:
        >>> [part.shape for part in kerata.ops.qr(kerata.ops.ones((3, 2)))]
        [(3, 2), (2, 2)]
    """
    one_of("mode", mode, ("reduced", "complete"))
    return tuple(jnp.linalg.qr(_matrices(x), mode))


@op
def svd(x, full_matrices=True, compute_uv=True):
    """Return the singular value decomposition.

    Args:
        x: matrices, of shape `(..., n, m)`.
        full_matrices: whether `u` and `vh` are square.
        compute_uv: whether to return them; otherwise only `s` is.

    Returns:
        `(u, s, vh)` with `u @ diag(s) @ vh == x`, `s` descending; or `s`.

    Example:
        >>> kerata.ops.svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False)
        Array([4., 3.], dtype=float32)
    """
    found = jnp.linalg.svd(_matrices(x), full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@op
def eig(x):
    """Return eigenvalues and eigenvectors of square matrices; only on the CPU.

    Args:
        x: matrices, of shape `(..., n, n)`.

    Returns:
        `(w, v)`: complex, of shapes `(..., n)` and `(..., n, n)`, the vectors in columns.

    Example:
        >>> kerata.ops.eig([[2.0, 0.0], [0.0, 3.0]])[0]
        Array([2.+0.j, 3.+0.j], dtype=complex64)
    """
    return tuple(jnp.linalg.eig(_square(x)))


@op
def eigh(x):
    """Return eigenvalues and eigenvectors of symmetric (or Hermitian) matrices.

    Args:
        x: matrices, of shape `(..., n, n)`.

    Returns:
        `(w, v)`: `w` real and ascending, of shape `(..., n)`; the vectors in the columns of `v`.

    Example:
        >>> kerata.ops.eigh([[2.0, 0.0], [0.0, 3.0]])[0]
        Array([2., 3.], dtype=float32)
    """
    return tuple(jnp.linalg.eigh(_square(x)))


# Inverses and systems of equations


@op
def inv(x):
    """Return the inverse of square matrices.

    Example:
        >>> kerata.ops.inv([[2.0, 0.0], [0.0, 4.0]])
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    return jnp.linalg.inv(_square(x))


@op
def pinv(x, rcond=None):
    """Return the pseudo-inverse (Moore and Penrose) of matrices.

    Args:
        x: matrices, of shape `(..., n, m)`.
        rcond: singular values below `rcond` times the greatest count as 0; None for
            `10 * max(n, m)` times the machine epsilon.

    Returns:
        A tensor of shape `(..., m, n)`.

    Example:
        >>> kerata.ops.pinv([[2.0, 0.0], [0.0, 0.0]])
        Array([[0.5, 0. ],
               [0. , 0. ]], dtype=float32)
    """
    return jnp.linalg.pinv(_matrices(x), rcond)


@op
def solve(a, b):
    """Return `x` with `a @ x == b`.

    Args:
        a: matrices, of shape `(..., n, n)`.
        b: right sides, of shape `(..., n)` or `(..., n, k)`.

    Example:
        >>> kerata.ops.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
        Array([1. , 0.5], dtype=float32)
    """
    a, b = _system(a, b)
    columns = b.ndim == a.ndim
    return jnp.linalg.solve(a, b) if columns else jnp.linalg.solve(a, b[..., None])[..., 0]


@op
def solve_triangular(a, b, lower=False):
    """Return `x` with `a @ x == b` for triangular `a`.

    Args:
        a: matrices, of shape `(..., n, n)`.
        b: right sides, of shape `(..., n)` or `(..., n, k)`.
        lower: whether `a` is a lower triangle.

    Example:
        >>> kerata.ops.solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 5.0], lower=True)
        Array([1., 1.], dtype=float32)
    """
    a, b = _system(a, b)
    if b.ndim == a.ndim:
        return jsl.solve_triangular(a, b, lower=lower)
    return jsl.solve_triangular(a, b[..., None], lower=lower)[..., 0]


def _system(a, b):
    """Return the two sides of a system of equations in one dtype, checked."""
    a, b = common_float(a, b)
    a = _square(a, "a")
    if b.ndim not in (a.ndim, a.ndim - 1) or b.shape[a.ndim - 2] != a.shape[-1]:
        raise ValueError(
            f"`b` must have shape (..., {a.shape[-1]}) or (..., {a.shape[-1]}, k), by `a`.\n"
            f"Received: a of shape {a.shape}, b of shape {b.shape}"
        )
    return a, b


@op
def lstsq(a, b, rcond=None):
    """Return the `x` that makes `a @ x - b` smallest (least squares).

    Args:
        a: matrix of shape `(n, m)`.
        b: right sides, of shape `(n,)` or `(n, k)`.
        rcond: singular values below `rcond` times the greatest count as 0.

    Returns:
        A tensor of shape `(m,)` or `(m, k)`.

    Example:
        >>> kerata.ops.lstsq([[1.0], [1.0]], [1.0, 3.0]).round(3)
        Array([2.], dtype=float32)
    """
    a, b = common_float(a, b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(
            "`a` must be a matrix (n, m), and `b` have shape (n,) or (n, k).\n"
            f"Received: shapes {a.shape}, {b.shape}"
        )
    return jnp.linalg.lstsq(a, b, rcond=rcond)[0]


# Numbers that describe a matrix


@op
def det(x):
    """Return the determinant of square matrices.

    Example:
        >>> kerata.ops.det([[2.0, 0.0], [0.0, 4.0]])
        Array(8., dtype=float32)
    """
    return jnp.linalg.det(_square(x))


@op
def slogdet(x):
    """Return the sign of the determinant and the logarithm of its magnitude.

    Example:
        >>> kerata.ops.slogdet([[-2.0, 0.0], [0.0, 1.0]])
        (Array(-1., dtype=float32), Array(0.6931472, dtype=float32))
    """
    return tuple(jnp.linalg.slogdet(_square(x)))


@op
def logdet(x):
    """Return the logarithm of the determinant, which must be positive.

    Example:
        >>> kerata.ops.logdet([[2.0, 0.0], [0.0, 4.0]])
        Array(2.0794415, dtype=float32)
    """
    return jnp.linalg.slogdet(_square(x))[1]


@op
def matrix_rank(x, tol=None):
    """Return the rank of matrices, as int32.

    Args:
        x: matrices, of shape `(..., n, m)`.
        tol: singular values below `tol` times the greatest count as 0; None for `max(n, m)` times
            the machine epsilon.

    Example:
        >>> kerata.ops.matrix_rank([[1.0, 2.0], [2.0, 4.0]])
        Array(1, dtype=int32)
    """
    return jnp.linalg.matrix_rank(_matrices(x), tol).astype("int32")


@op
def norm(x, ord=None, axis=None, keepdims=False):
    """Return the norm of vectors or of matrices.

    Args:
        x: tensor.
        ord: for vectors, the order `p` of `sum(abs(x)**p)**(1 / p)`, infinity included; for
            matrices 1, -1, 2, -2, inf, -inf, "fro" or "nuc". None for 2 and "fro".
        axis: axis of the vectors, or two axes of the matrices; None takes all of `x`.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.norm([3.0, 4.0])
        Array(5., dtype=float32)
    """
    x = as_float(x)
    if axis is None and ord is None:
        flat = jnp.sqrt(jnp.sum(jnp.square(jnp.abs(x))))
        return flat.reshape((1,) * x.ndim) if keepdims else flat
    chosen = axes(axis, x.ndim)
    if len(chosen) not in (1, 2):
        raise ValueError(
            f"A norm is taken over one axis or two.\nReceived: axis={axis} of shape {x.shape}"
        )
    if isinstance(ord, str):
        one_of("ord", ord, ("fro", "nuc"))
        if len(chosen) == 1:
            raise ValueError(f"ord={ord!r} is for matrices: pass two axes.\nReceived: axis={axis}")
    elif len(chosen) == 2:
        one_of("ord", ord, (None, 1, -1, 2, -2, float("inf"), -float("inf")))
    return jnp.linalg.norm(x, ord, chosen if len(chosen) == 2 else chosen[0], keepdims)


@op
def jvp(fun, primals, tangents, has_aux=False):
    """Return a function's value, and its derivative in a direction (forward mode).

    Args:
        fun: function of tensors.
        primals: its arguments, a tuple.
        tangents: the direction: a tuple like `primals`.
        has_aux: whether `fun` returns `(outputs, aux)`, of which `aux` is passed through.

    Returns:
        `(outputs, derivative)`, or `(outputs, derivative, aux)`.

    Example:
        >>> kerata.ops.jvp(kerata.ops.square, ([3.0],), ([1.0],))
        (Array([9.], dtype=float32), Array([6.], dtype=float32))
    """
    floats = [tuple(jax.tree.map(as_float, tuple(x))) for x in (primals, tangents)]
    return jax.jvp(fun, *floats, has_aux=has_aux)
