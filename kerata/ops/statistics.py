"""Order statistics, histograms and correlations."""

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine.dtypes import as_float
from kerata.engine.errors import is_int, non_negative_int, one_of
from kerata.engine.op import op
from kerata.engine.sparse import bincount as count_sparsely, is_sparse
from kerata.ops.arguments import array, axes, common_float, result_size

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(function, x, q, axis, method, keepdims, whole=1):
    x = as_float(x)
    one_of("method", method, METHODS)
    # Positions are computed in float32 at least: bfloat16 cannot count to 300.
    q = jnp.asarray(q, jnp.promote_types(x.dtype, "float32")) / whole
    axis = axes(axis, x.ndim)
    return function(x, q, axis=axis, method=method, keepdims=keepdims).astype(x.dtype)


@op
def median(x, axis=None, keepdims=False):
    """Return the median over `axis`: the middle of the sorted elements.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.median([3.0, 1.0, 2.0])
        Array(2., dtype=float32)
    """
    return _quantile(jnp.quantile, x, 0.5, axis, "midpoint", keepdims)


@op
def nanmedian(x, axis=None, keepdims=False):
    """Return the median over `axis` of what is not NaN; see `median`.

    Example:
        >>> kerata.ops.nanmedian([3.0, float("nan"), 2.0])
        Array(2.5, dtype=float32)
    """
    return _quantile(jnp.nanquantile, x, 0.5, axis, "midpoint", keepdims)


@op
def quantile(x, q, axis=None, method="linear", keepdims=False):
    """Return the value below which a share `q` of the elements lies.

    Args:
        x: tensor.
        q: the share, in [0, 1], or several, in a tensor; its axes come first in the result.
        axis: axis or axes to reduce; None for all.
        method: how to choose between two elements: "linear" (interpolation), "lower", "higher",
            "midpoint" or "nearest".
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.quantile([1.0, 2.0, 3.0], [0.0, 0.75])
        Array([1. , 2.5], dtype=float32)
    """
    return _quantile(jnp.quantile, x, q, axis, method, keepdims)


@op
def nanquantile(x, q, axis=None, method="linear", keepdims=False):
    """Return the value below which a share `q` of what is not NaN lies; see `quantile`.

    Example:
        >>> kerata.ops.nanquantile([1.0, float("nan"), 3.0], 0.25)
        Array(1.5, dtype=float32)
    """
    return _quantile(jnp.nanquantile, x, q, axis, method, keepdims)


@op
def percentile(x, q, axis=None, method="linear", keepdims=False):
    """Return the value below which `q` percent of the elements lie; see `quantile`.

    Args:
        x: tensor.
        q: per cent, in [0, 100], or several, in a tensor; its axes come first in the result.
        axis: axis or axes to reduce; None for all.
        method: how to choose between two elements, as in `quantile`.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.percentile([1.0, 2.0, 3.0], 75)
        Array(2.5, dtype=float32)
    """
    return _quantile(jnp.quantile, x, q, axis, method, keepdims, whole=100)


@op
def nanpercentile(x, q, axis=None, method="linear", keepdims=False):
    """Return the value below which `q` percent of what is not NaN lie; see `percentile`.

    Example:
        >>> kerata.ops.nanpercentile([1.0, float("nan"), 3.0], 25)
        Array(1.5, dtype=float32)
    """
    return _quantile(jnp.nanquantile, x, q, axis, method, keepdims, whole=100)


@op
def bincount(x, weights=None, minlength=0, sparse=False):
    """Count how often each whole number occurs.

    Args:
        x: integers of 0 and more, of shape `(n,)` or `(batch, n)`; of a sparse tensor, those that
            it stores.
        weights: what each occurrence counts, of `x`'s shape; None for 1.
        minlength: the least length of the result. In compiled code, where the greatest element is
            unknown, it *is* the length, and must be given: greater elements are not counted.
        sparse: whether the result is a sparse tensor; it is if `x` is one.

    Returns:
        Counts of shape `(length,)` or `(batch, length)`.

    Example:
        >>> kerata.ops.bincount([1, 1, 3], minlength=5)
        Array([0, 2, 0, 1, 0], dtype=int32)
    """
    sparse = sparse or is_sparse(x)
    x = array(x) if isinstance(x, list | tuple) else x
    values = x.data if is_sparse(x) else x  # a constant's are known in compiled code, too
    x = x if is_sparse(x) else array(x)
    non_negative_int("minlength", minlength)
    if not jnp.issubdtype(x.dtype, jnp.integer) and x.dtype != bool:
        raise TypeError(f"`x` must hold integers.\nReceived: dtype {x.dtype}")
    length = minlength
    if not isinstance(values, jax.core.Tracer):
        length = max(minlength, int(np.max(np.asarray(values, "int64"), initial=-1)) + 1)
    elif not minlength:
        remedy = "Pass `minlength`, above the greatest element."
        length = result_size(values, "bincount", remedy) or 0
    x = x.astype("int32")
    if sparse:
        return count_sparsely(x, weights, length)

    def count(x, weights):
        return jnp.bincount(x, weights, minlength=length, length=length)

    if weights is not None:
        weights = array(weights)
    for _ in range(x.ndim - 1):
        count = jax.vmap(count, (0, None if weights is None else 0))
    return count(x, weights)


@op
def histogram(x, bins=10, range=None):
    """Count elements in equal bins.

    Args:
        x: tensor of shape `(n,)`.
        bins: number of bins.
        range: (least, greatest) of what is counted; None for those of `x`.

    Returns:
        `(counts, edges)` of shapes `(bins,)` and `(bins + 1,)`.

    Example:
        >>> kerata.ops.histogram([1.0, 2.0, 2.5, 4.0], bins=3)
        (Array([1., 2., 1.], dtype=float32), Array([1., 2., 3., 4.], dtype=float32))
    """
    x = array(x)
    if x.ndim != 1:
        raise ValueError(f"`x` must have one axis.\nReceived: shape {x.shape}")
    if not is_int(bins) or bins < 1:
        raise ValueError(f"`bins` must be a positive integer.\nReceived: bins={bins!r}")
    if range is not None and (len(range) != 2 or range[1] < range[0]):
        raise ValueError(f"`range` must be (least, greatest).\nReceived: range={range!r}")
    return jnp.histogram(x, bins=bins, range=range or None)


@op
def digitize(x, bins):
    """Return the number of the bin that each element falls in.

    Args:
        x: tensor.
        bins: ascending edges, of shape `(n,)`.

    Returns:
        int32 of `x`'s shape: 0 below the first edge, `i` where `bins[i-1] <= x < bins[i]`, and
        `n` from the last edge on.

    Example:
        >>> kerata.ops.digitize([0.0, 1.0, 5.0], bins=[1.0, 3.0])
        Array([0, 1, 2], dtype=int32)
    """
    bins = array(bins)
    if bins.ndim != 1:
        raise ValueError(f"`bins` must have one axis.\nReceived: shape {bins.shape}")
    return jnp.digitize(array(x), bins).astype("int32")


@op
def corrcoef(x):
    """Return Pearson's correlations between the rows of `x`.

    Args:
        x: tensor of shape `(variables, observations)`, or `(observations,)`.

    Returns:
        A float tensor of shape `(variables, variables)`, or a scalar.

    Example:
        >>> kerata.ops.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    return jnp.corrcoef(as_float(x))


@op
def correlate(x1, x2, mode="valid"):
    """Return the sliding product of two sequences, without flipping either.

    Args:
        x1: tensor of shape `(n,)`.
        x2: tensor of shape `(m,)`.
        mode: "valid" (only full overlaps), "same" (length of the longer) or "full".

    Example:
        >>> kerata.ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0])
        Array([2., 3.], dtype=float32)
    """
    one_of("mode", mode, ("valid", "same", "full"))
    x1, x2 = array(x1), array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            f"`x1` and `x2` must have one axis.\nReceived: shapes {x1.shape}, {x2.shape}"
        )
    return jnp.correlate(*common_float(x1, x2), mode=mode)


@op
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """Integrate along `axis` by the trapezoidal rule.

    Args:
        y: values.
        x: the places of the values, of `y`'s shape or `(y.shape[axis],)`; None for even spacing.
        dx: the spacing, if `x` is None.
        axis: axis to integrate along.

    Example:
        >>> kerata.ops.trapezoid([1.0, 2.0, 3.0], dx=2.0)
        Array(8., dtype=float32)
    """
    return jnp.trapezoid(as_float(y), None if x is None else as_float(x), dx, axis)
