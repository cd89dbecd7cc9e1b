"""Functions that reduce axes to one number each: sums, means, extremes, and running sums.

`axis` is an integer, a tuple of integers, or None for all axes; with `keepdims` the reduced axes
stay, with size 1.
"""

import jax.numpy as jnp

from kerata.engine.dtypes import as_float, canonical
from kerata.engine.op import op
from kerata.ops.arguments import array, axes, bools_as_ints, common_float, one_axis


def _reduce(function, x, axis, keepdims, **options):
    return function(x, axis=axes(axis, x.ndim), keepdims=keepdims, **options)


def _index(function, x, axis, keepdims):
    axis = None if axis is None else one_axis(axis, x.ndim)
    return function(x, axis=axis, keepdims=keepdims).astype("int32")


def _running(function, x, axis, dtype):
    x = bools_as_ints(x)
    axis = None if axis is None else one_axis(axis, x.ndim)
    return function(x, axis=axis, dtype=None if dtype is None else canonical(dtype))


# Sums, products and means


@op
def sum(x, axis=None, keepdims=False):
    """Return the sum over `axis`; small integers are added as 32-bit ones.

    Args:
        x: tensor.
        axis: axis or axes to add up; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
        Array([4., 6.], dtype=float32)
    """
    return _reduce(jnp.sum, array(x), axis, keepdims)


@op
def prod(x, axis=None, keepdims=False, dtype=None):
    """Return the product over `axis`.

    Args:
        x: tensor.
        axis: axis or axes to multiply; None for all.
        keepdims: whether reduced axes stay, with size 1.
        dtype: dtype to multiply in; None for `x`'s (32-bit for small integers).

    Example:
        >>> kerata.ops.prod([[1.0, 2.0], [3.0, 4.0]], axis=1)
        Array([ 2., 12.], dtype=float32)
    """
    dtype = None if dtype is None else canonical(dtype)
    return _reduce(jnp.prod, array(x), axis, keepdims, dtype=dtype)


@op
def mean(x, axis=None, keepdims=False):
    """Return the mean over `axis`; that of integers is a float.

    Args:
        x: tensor.
        axis: axis or axes to average; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.mean([[1, 2], [3, 4]], axis=0)
        Array([2., 3.], dtype=float32)
    """
    return _reduce(jnp.mean, as_float(x), axis, keepdims)


@op
def average(x, axis=None, weights=None):
    """Return the mean over `axis`, weighted.

    Args:
        x: tensor.
        axis: axis or axes to average; None for all.
        weights: None, or weights of `x`'s shape, or of shape `(x.shape[axis],)` for one axis.

    Example:
        >>> kerata.ops.average([1.0, 2.0, 3.0], weights=[1.0, 0.0, 3.0])
        Array(2.5, dtype=float32)
    """
    if weights is None:
        return _reduce(jnp.mean, as_float(x), axis, keepdims=False)
    x, weights = common_float(x, weights)
    axis = None if axis is None else axes(axis, x.ndim)
    return jnp.average(x, axis[0] if axis and len(axis) == 1 else axis, weights)


@op
def var(x, axis=None, keepdims=False):
    """Return the variance over `axis`: the mean squared distance from the mean.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.var([1.0, 3.0])
        Array(1., dtype=float32)
    """
    return _reduce(jnp.var, as_float(x), axis, keepdims)


@op
def std(x, axis=None, keepdims=False):
    """Return the standard deviation over `axis`: the square root of `var`.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.std([1.0, 3.0])
        Array(1., dtype=float32)
    """
    return _reduce(jnp.std, as_float(x), axis, keepdims)


@op
def logsumexp(x, axis=None, keepdims=False):
    """Return `log(sum(exp(x)))` over `axis`, without overflow on the way.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.logsumexp([1000.0, 1000.0])
        Array(1000.6932, dtype=float32)
    """
    x = as_float(x)
    axis = axes(axis, x.ndim)
    greatest = jnp.max(x, axis, keepdims=True, initial=-jnp.inf)
    greatest = jnp.where(jnp.isfinite(greatest), greatest, 0)
    total = jnp.sum(jnp.exp(x - greatest), axis, keepdims=True)
    result = jnp.log(total) + greatest
    return result if keepdims else jnp.squeeze(result, axis)


# Extremes


@op
def max(x, axis=None, keepdims=False, initial=None):
    """Return the greatest element over `axis`.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.
        initial: the least value that the result may have; needed if there are no elements.

    Example:
        >>> kerata.ops.max([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([5., 3.], dtype=float32)
    """
    return _extreme(jnp.max, array(x), axis, keepdims, initial)


@op
def min(x, axis=None, keepdims=False, initial=None):
    """Return the least element over `axis`.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.
        initial: the greatest value that the result may have; needed if there are no elements.

    Example:
        >>> kerata.ops.min([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([1., 2.], dtype=float32)
    """
    return _extreme(jnp.min, array(x), axis, keepdims, initial)


def _extreme(function, x, axis, keepdims, initial):
    if initial is None and any_empty(x, axis):
        raise ValueError(
            "There is no greatest or least among no elements; pass `initial`.\n"
            f"Received: shape {x.shape}, axis={axis}"
        )
    return _reduce(function, x, axis, keepdims, initial=initial)


def any_empty(x, axis) -> bool:
    """Return whether one of the axes `axis` of `x` has size 0."""
    return 0 in [x.shape[a] for a in axes(axis, x.ndim)]


@op
def amax(x, axis=None, keepdims=False):
    """Return the greatest element over `axis`; the same as `max`.

    Example:
        >>> kerata.ops.amax([[1.0, 5.0], [3.0, 2.0]], axis=0)
        Array([3., 5.], dtype=float32)
    """
    return _extreme(jnp.max, array(x), axis, keepdims, None)


@op
def amin(x, axis=None, keepdims=False):
    """Return the least element over `axis`; the same as `min`.

    Example:
        >>> kerata.ops.amin([[1.0, 5.0], [3.0, 2.0]], axis=0)
        Array([1., 2.], dtype=float32)
    """
    return _extreme(jnp.min, array(x), axis, keepdims, None)


@op
def ptp(x, axis=None, keepdims=False):
    """Return the greatest minus the least element over `axis` ("peak to peak").

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.ptp([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([4., 1.], dtype=float32)
    """
    return _reduce(jnp.ptp, array(x), axis, keepdims)


@op
def argmax(x, axis=None, keepdims=False):
    """Return the index of the greatest element (the first of equals), as int32.

    Args:
        x: tensor.
        axis: axis to search; None searches the flattened tensor.
        keepdims: whether the searched axis stays, with size 1.

    Example:
        >>> kerata.ops.argmax([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([1, 0], dtype=int32)
    """
    return _index(jnp.argmax, array(x), axis, keepdims)


@op
def argmin(x, axis=None, keepdims=False):
    """Return the index of the least element (the first of equals), as int32.

    Args:
        x: tensor.
        axis: axis to search; None searches the flattened tensor.
        keepdims: whether the searched axis stays, with size 1.

    Example:
        >>> kerata.ops.argmin([[1.0, 5.0], [3.0, 2.0]], axis=1)
        Array([0, 1], dtype=int32)
    """
    return _index(jnp.argmin, array(x), axis, keepdims)


# Truth and counts


@op
def all(x, axis=None, keepdims=False):
    """Return whether all elements over `axis` are true, that is, not 0.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.all([[True, False], [True, True]], axis=1)
        Array([False,  True], dtype=bool)
    """
    return _reduce(jnp.all, array(x), axis, keepdims)


@op
def any(x, axis=None, keepdims=False):
    """Return whether some element over `axis` is true, that is, not 0.

    Args:
        x: tensor.
        axis: axis or axes to reduce; None for all.
        keepdims: whether reduced axes stay, with size 1.

    Example:
        >>> kerata.ops.any([[True, False], [False, False]], axis=1)
        Array([ True, False], dtype=bool)
    """
    return _reduce(jnp.any, array(x), axis, keepdims)


@op
def count_nonzero(x, axis=None):
    """Return how many elements over `axis` are not 0, as int32.

    Example:
        >>> kerata.ops.count_nonzero([[0, 1], [2, 3]], axis=0)
        Array([1, 2], dtype=int32)
    """
    return _reduce(jnp.count_nonzero, array(x), axis, keepdims=False).astype("int32")


# Running sums


@op
def cumsum(x, axis=None, dtype=None):
    """Return the sums of the elements up to each place.

    Args:
        x: tensor; booleans become integers.
        axis: axis to add along; None flattens `x`.
        dtype: dtype to add in; None for `x`'s.

    Example:
        >>> kerata.ops.cumsum([1.0, 2.0, 3.0])
        Array([1., 3., 6.], dtype=float32)
    """
    return _running(jnp.cumsum, x, axis, dtype)


@op
def cumprod(x, axis=None, dtype=None):
    """Return the products of the elements up to each place.

    Args:
        x: tensor; booleans become integers.
        axis: axis to multiply along; None flattens `x`.
        dtype: dtype to multiply in; None for `x`'s.

    Example:
        >>> kerata.ops.cumprod([1.0, 2.0, 3.0])
        Array([1., 2., 6.], dtype=float32)
    """
    return _running(jnp.cumprod, x, axis, dtype)


# The same, passing over NaN


@op
def nansum(x, axis=None, keepdims=False):
    """Return the sum over `axis`, with NaN counted as 0; see `sum`.

    Example:
        >>> kerata.ops.nansum([1.0, float("nan"), 3.0])
        Array(4., dtype=float32)
    """
    return _reduce(jnp.nansum, array(x), axis, keepdims)


@op
def nanprod(x, axis=None, keepdims=False):
    """Return the product over `axis`, with NaN counted as 1; see `prod`.

    Example:
        >>> kerata.ops.nanprod([2.0, float("nan"), 3.0])
        Array(6., dtype=float32)
    """
    return _reduce(jnp.nanprod, array(x), axis, keepdims)


@op
def nanmean(x, axis=None, keepdims=False):
    """Return the mean over `axis` of what is not NaN; see `mean`.

    Example:
        >>> kerata.ops.nanmean([1.0, float("nan"), 3.0])
        Array(2., dtype=float32)
    """
    return _reduce(jnp.nanmean, as_float(x), axis, keepdims)


@op
def nanvar(x, axis=None, keepdims=False):
    """Return the variance over `axis` of what is not NaN; see `var`.

    Example:
        >>> kerata.ops.nanvar([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """
    return _reduce(jnp.nanvar, as_float(x), axis, keepdims)


@op
def nanstd(x, axis=None, keepdims=False):
    """Return the standard deviation over `axis` of what is not NaN; see `std`.

    Example:
        >>> kerata.ops.nanstd([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """
    return _reduce(jnp.nanstd, as_float(x), axis, keepdims)


@op
def nanmax(x, axis=None, keepdims=False):
    """Return the greatest element over `axis` that is not NaN; see `max`.

    Example:
        >>> kerata.ops.nanmax([1.0, float("nan"), 3.0])
        Array(3., dtype=float32)
    """
    return _reduce(jnp.nanmax, array(x), axis, keepdims)


@op
def nanmin(x, axis=None, keepdims=False):
    """Return the least element over `axis` that is not NaN; see `min`.

    Example:
        >>> kerata.ops.nanmin([1.0, float("nan"), 3.0])
        Array(1., dtype=float32)
    """
    return _reduce(jnp.nanmin, array(x), axis, keepdims)


@op
def nanargmax(x, axis=None, keepdims=False):
    """Return the index of the greatest element that is not NaN; -1 if there is none.

    Example:
        >>> kerata.ops.nanargmax([1.0, float("nan"), 3.0])
        Array(2, dtype=int32)
    """
    return _index(jnp.nanargmax, array(x), axis, keepdims)


@op
def nanargmin(x, axis=None, keepdims=False):
    """Return the index of the least element that is not NaN; -1 if there is none.

    Example:
        >>> kerata.ops.nanargmin([1.0, float("nan"), 3.0])
        Array(0, dtype=int32)
    """
    return _index(jnp.nanargmin, array(x), axis, keepdims)


@op
def nancumsum(x, axis=None, dtype=None):
    """Return the sums of the elements up to each place, with NaN counted as 0; see `cumsum`.

    Example:
        >>> kerata.ops.nancumsum([1.0, float("nan"), 3.0])
        Array([1., 1., 4.], dtype=float32)
    """
    return _running(jnp.nancumsum, x, axis, dtype)


@op
def nancumprod(x, axis=None, dtype=None):
    """Return the products of the elements up to each place, with NaN counted as 1; see `cumprod`.

    Example:
        >>> kerata.ops.nancumprod([2.0, float("nan"), 3.0])
        Array([2., 2., 6.], dtype=float32)
    """
    return _running(jnp.nancumprod, x, axis, dtype)
