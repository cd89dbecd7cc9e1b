"""Functions that choose, sort and scatter elements."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kerata.engine.dtypes import as_array
from kerata.engine.errors import is_int, one_of, positive_int
from kerata.engine.op import op
from kerata.ops.arguments import array, arrays, integers, one_axis, result_size

# Choosing


@op
def get_item(x, key):
    """Return `x[key]`.

    Args:
        x: tensor.
        key: what may stand in brackets: integers, slices, None, Ellipsis, tensors of indices or
            of booleans, or a tuple of these.

    Raises:
        IndexError: if a Python integer in `key` is past the end of its axis.

    Example:
        >>> kerata.ops.get_item([[1, 2], [3, 4]], (slice(None), 0))
        Array([1, 3], dtype=int32)
    """
    x = array(x)
    keys = key if isinstance(key, tuple) else (key,)
    keys = tuple(as_array(k) if isinstance(k, list) else k for k in keys)
    _check_integers(x, keys)
    return x[keys]


def _check_integers(x, keys):
    """Raise IndexError for an integer past the end: JAX would take the last element."""
    used = sum(_axes_used(k) for k in keys)
    axis = 0
    for k in keys:
        if k is Ellipsis:
            axis += x.ndim - used
        elif is_int(k) and axis < x.ndim:
            if not -x.shape[axis] <= k < x.shape[axis]:
                raise IndexError(
                    f"Axis {axis} has {x.shape[axis]} elements.\n"
                    f"Received: index {k} in a tensor of shape {x.shape}"
                )
        axis += _axes_used(k)


def _axes_used(k) -> int:
    """Return how many axes of the tensor one part of a key takes."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    return k.ndim if hasattr(k, "dtype") and k.dtype == np.bool_ else 1


@op
def take(x, indices, axis=None):
    """Return the elements (of the axis) at `indices`.

    Args:
        x: tensor.
        indices: integers of any shape; negative ones count from the end.
        axis: axis to choose from; None chooses from the flattened tensor.

    Returns:
        A tensor with the shape of `indices` in place of `axis`.

    Example:
        >>> kerata.ops.take([10, 20, 30], [2, 0])
        Array([30, 10], dtype=int32)
    """
    x = array(x)
    return jnp.take(x, integers(indices), None if axis is None else one_axis(axis, x.ndim))


@op
def take_along_axis(x, indices, axis=None):
    """Return elements at indices that differ from row to row, as `argsort` returns them.

    Args:
        x: tensor.
        indices: integers; the other axes broadcast with those of `x`.
        axis: axis to choose from; None chooses from the flattened tensor.

    Example:
        >>> kerata.ops.take_along_axis([[3, 1], [2, 4]], [[1], [0]], axis=1)
        Array([[1],
               [2]], dtype=int32)
    """
    x, indices = array(x), integers(indices)
    if axis is not None:
        axis = one_axis(axis, x.ndim)
        if indices.ndim != x.ndim:
            raise ValueError(
                f"`indices` must have the rank of `x`.\nReceived: shapes {indices.shape}, {x.shape}"
            )
    return jnp.take_along_axis(x, indices, axis)


@op
def where(condition, x1=None, x2=None):
    """Return elements of `x1` where `condition` holds, and of `x2` elsewhere.

    Args:
        condition: booleans.
        x1: number or tensor; without `x1` and `x2` it is `nonzero(condition)`.
        x2: number or tensor; all three broadcast.

    Example:
        >>> kerata.ops.where([True, False], 1.0, [5.0, 6.0])
        Array([1., 6.], dtype=float32)
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("`x1` and `x2` must both be given, or neither.")
    if x1 is None:
        return nonzero(condition)
    return jnp.where(*arrays(condition, x1, x2))


@op
def select(condlist, choicelist, default=0):
    """Return, elementwise, from the first choice whose condition holds.

    Args:
        condlist: list of boolean tensors.
        choicelist: list of as many tensors.
        default: what to return where no condition holds.

    Example:
        >>> x = kerata.ops.arange(4)
        >>> kerata.ops.select([x < 1, x > 2], [x - 10, x + 10], default=0)
        Array([-10,   0,   0,  13], dtype=int32)
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            "`condlist` and `choicelist` must be lists of equal length, not empty.\n"
            f"Received: {len(condlist)} conditions, {len(choicelist)} choices"
        )
    conditions = [array(c).astype(bool) for c in condlist]
    return jnp.select(conditions, [array(c) for c in choicelist], default)


@op
def nonzero(x):
    """Return the places of elements that are not 0: one tensor of indices for each axis.

    It cannot be compiled: how many there are makes the result's shape.

    Example:
        >>> kerata.ops.nonzero([0, 5, 6])
        (Array([1, 2], dtype=int32),)
    """
    x = array(x)
    size = result_size(x, "nonzero", "Use where(condition, x1, x2), which keeps the shape.")
    return tuple(i.astype("int32") for i in jnp.nonzero(x, size=size))


@op
def unique(
    x,
    sorted=True,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    size=None,
    fill_value=None,
):
    """Return the distinct elements; each NaN is one.

    Args:
        x: tensor.
        sorted: kept for compatibility: the result always ascends.
        return_index: whether to return the first place of each, too.
        return_inverse: whether to return, for each element, its place in the result, too.
        return_counts: whether to return how often each occurs, too.
        axis: axis whose slices are compared; None compares single elements.
        size: length of the result: what is over is dropped, what lacks is filled in. With it the
            function can be compiled.
        fill_value: what to fill in; None for the least element.

    Returns:
        The distinct elements, or a tuple that begins with them.

    Example:
        >>> kerata.ops.unique([3, 1, 3], return_counts=True)
        (Array([1, 3], dtype=int32), Array([1, 2], dtype=int32))
    """
    x = array(x)
    if size is None:
        size = result_size(x, "unique", "Pass `size`, the length that the result shall have.")
    axis = None if axis is None else one_axis(axis, x.ndim)
    found = jnp.unique(
        x,
        return_index,
        return_inverse,
        return_counts,
        axis=axis,
        size=size,
        fill_value=fill_value,
        equal_nan=False,
    )
    if not isinstance(found, tuple):
        return found
    values, *others = found
    return values, *(i.astype("int32") for i in others)


@op
def unravel_index(indices, shape):
    """Return, for places in a flattened tensor, the indices along each axis.

    Args:
        indices: integers.
        shape: shape of the tensor.

    Returns:
        A tuple of integer tensors, one for each axis.

    Example:
        >>> kerata.ops.unravel_index([5], (2, 3))
        (Array([1], dtype=int32), Array([2], dtype=int32))
    """
    indices = array(indices)
    return tuple(i.astype(indices.dtype) for i in jnp.unravel_index(indices, tuple(shape)))


# Sorting and searching


@op
def sort(x, axis=-1):
    """Return the elements in ascending order along `axis`; None flattens `x`.

    Example:
        >>> kerata.ops.sort([3, 1, 2])
        Array([1, 2, 3], dtype=int32)
    """
    x = array(x)
    return jnp.sort(x, None if axis is None else one_axis(axis, x.ndim))


@op
def argsort(x, axis=-1):
    """Return the indices that sort `x` along `axis`, as int32; equal elements keep their order.

    Example:
        >>> kerata.ops.argsort([3, 1, 2])
        Array([1, 2, 0], dtype=int32)
    """
    x = array(x)
    axis = None if axis is None or not x.ndim else one_axis(axis, x.ndim)
    return jnp.argsort(x, axis).astype("int32")


@op
def argpartition(x, kth, axis=-1):
    """Return indices that put the `kth` element in its place, less ones before, others behind.

    Args:
        x: tensor.
        kth: place in the sorted order, from 0.
        axis: axis to partition; None flattens `x`.

    Example:
        >>> kerata.ops.argpartition([30, 10, 20], 0)[0]
        Array(1, dtype=int32)
    """
    x = array(x)
    if axis is None:
        x, axis = x.ravel(), 0
    return jnp.argpartition(x, kth, one_axis(axis, x.ndim)).astype("int32")


@op
def searchsorted(sorted_sequence, values, side="left"):
    """Return where values would have to be inserted to keep a sequence sorted.

    Args:
        sorted_sequence: ascending numbers, of shape `(n,)`.
        values: tensor of any shape.
        side: "left": before equal elements; "right": behind them.

    Returns:
        int32 of the shape of `values`, from 0 to `n`.

    Example:
        >>> kerata.ops.searchsorted([1, 3, 5], [3, 9])
        Array([1, 3], dtype=int32)
    """
    one_of("side", side, ("left", "right"))
    sequence = array(sorted_sequence)
    if sequence.ndim != 1:
        raise ValueError(f"`sorted_sequence` must have one axis.\nReceived: shape {sequence.shape}")
    return jnp.searchsorted(sequence, array(values), side=side).astype("int32")


@op
def top_k(x, k, sorted=True):
    """Return the `k` greatest elements along the last axis, and their indices.

    Args:
        x: tensor of shape `(..., n)`.
        k: how many; at most `n`.
        sorted: kept for compatibility: the result always descends.

    Returns:
        `(values, indices)`, both of shape `(..., k)`; indices are int32.

    Example:
        >>> kerata.ops.top_k([10, 30, 20], 2)
        (Array([30, 20], dtype=int32), Array([1, 2], dtype=int32))
    """
    x = array(x)
    if not x.ndim or positive_int("k", k) > x.shape[-1]:
        raise ValueError(
            f"`k` must not be greater than the last axis of `x`.\nReceived: k={k}, shape {x.shape}"
        )
    return tuple(lax.top_k(x, k))


@op
def in_top_k(targets, predictions, k):
    """Return whether the target class is among the `k` most likely ones.

    Args:
        targets: class indices, of shape `(batch,)`.
        predictions: scores, of shape `(batch, classes)`.
        k: how many predictions count; classes equal to the `k`-th count as well.

    Returns:
        Booleans of shape `(batch,)`; false where the target's score is not finite.

    Example:
        >>> kerata.ops.in_top_k([1, 0], [[0.1, 0.9], [0.1, 0.9]], k=1)
        Array([ True, False], dtype=bool)
    """
    targets, predictions = array(targets), array(predictions)
    known = (targets >= 0) & (targets < predictions.shape[-1])
    safe = jnp.where(known, targets, 0).astype("int32")
    score = jnp.take_along_axis(predictions, safe[..., None], axis=-1)
    better = jnp.sum(predictions > score, axis=-1)
    return (better < k) & known & jnp.isfinite(score[..., 0])


# Slices and scattering


@op
def slice(inputs, start_indices, shape):
    """Return a box out of a tensor.

    Args:
        inputs: tensor.
        start_indices: for each axis the first index; it may be a tensor. A box that would stick
            out is moved inside.
        shape: for each axis the size of the box; -1: to the end.

    Example:
        >>> kerata.ops.slice([[1, 2, 3], [4, 5, 6]], (0, 1), (2, 2))
        Array([[2, 3],
               [5, 6]], dtype=int32)
    """
    x = array(inputs)
    starts = [integers(i) for i in start_indices]
    shape = shape.tolist() if hasattr(shape, "tolist") else list(shape)
    if len(starts) != x.ndim or len(shape) != x.ndim:
        raise ValueError(
            f"`start_indices` and `shape` must have a number for each of the {x.ndim} axes.\n"
            f"Received: start_indices={start_indices}, shape={shape}"
        )
    for axis, size in enumerate(shape):
        if size == -1:
            shape[axis] = x.shape[axis] - int(start_indices[axis])
        elif not 0 <= size <= x.shape[axis]:
            raise ValueError(f"`shape` must fit into the tensor.\nReceived: {shape=} of {x.shape}")
    return lax.dynamic_slice(x, starts, shape)


@op
def slice_update(inputs, start_indices, updates):
    """Return `inputs` with a box of it replaced.

    Args:
        inputs: tensor.
        start_indices: for each axis the first index; it may be a tensor.
        updates: the new elements: a tensor of the rank of `inputs`, not greater than it.

    Example:
        >>> kerata.ops.slice_update([1, 2, 3, 4], [1], [8, 9])
        Array([1, 8, 9, 4], dtype=int32)
    """
    x, updates = array(inputs), array(updates)
    if x.ndim != updates.ndim or len(start_indices) != x.ndim:
        raise ValueError(
            "`updates` must have the rank of `inputs`, and `start_indices` a number for each axis."
            f"\nReceived: shapes {updates.shape}, {x.shape}, start_indices={start_indices}"
        )
    starts = [integers(i) for i in start_indices]
    return lax.dynamic_update_slice(x, updates.astype(x.dtype), starts)


def _places(indices):
    """Return indices `(..., axes)` as one tensor for each axis."""
    return tuple(jnp.moveaxis(integers(indices), -1, 0))


@op
def scatter(indices, values, shape):
    """Return a tensor of zeros with values added at some places.

    Args:
        indices: integers of shape `(..., len(shape))`: places in the result. (With fewer numbers
            they name whole slices.)
        values: tensor of shape `(...)`; what falls on the same place is added up.
        shape: shape of the result.

    Example:
        >>> kerata.ops.scatter([[0], [2], [2]], [1.0, 2.0, 3.0], (4,))
        Array([1., 0., 5., 0.], dtype=float32)
    """
    values = array(values)
    return jnp.zeros(tuple(shape), values.dtype).at[_places(indices)].add(values)


REDUCTIONS = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}


@op
def scatter_update(inputs, indices, updates, reduction=None):
    """Return `inputs` with some elements replaced.

    Args:
        inputs: tensor.
        indices: integers of shape `(..., rank)`: places in `inputs`. (With fewer numbers they
            name whole slices.)
        updates: tensor of shape `(...)`, the new elements.
        reduction: None to replace; "add", "max", "min" or "mul" to combine with the old ones.

    Example:
        >>> kerata.ops.scatter_update([1, 2, 3], [[0], [2]], [8, 9])
        Array([8, 2, 9], dtype=int32)
    """
    one_of("reduction", reduction, tuple(REDUCTIONS))
    x = array(inputs)
    combine = getattr(x.at[_places(indices)], REDUCTIONS[reduction])
    return combine(array(updates).astype(x.dtype))


# Sums over segments


def _segment(function, data, segment_ids, num_segments, sorted):
    data, ids = array(data), integers(segment_ids)
    if ids.ndim != 1 or not data.ndim or ids.shape[0] != data.shape[0]:
        raise ValueError(
            "`segment_ids` must have one axis, as long as the first of `data`.\n"
            f"Received: shapes {ids.shape}, {data.shape}"
        )
    if num_segments is None:
        num_segments = result_size(ids, function.__name__, "Pass `num_segments`.")
    return function(data, ids, num_segments, indices_are_sorted=sorted)


@op
def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    """Return the sums of the rows that belong to the same segment.

    Args:
        data: tensor of shape `(n, ...)`.
        segment_ids: integers of shape `(n,)`: the segment of each row.
        num_segments: how many segments there are; None for the greatest id + 1.
        sorted: promise that `segment_ids` ascend, which can be faster.

    Returns:
        A tensor of shape `(num_segments, ...)`.

    Example:
        >>> kerata.ops.segment_sum([1, 2, 3], [0, 0, 1])
        Array([3, 3], dtype=int32)
    """
    return _segment(jax.ops.segment_sum, data, segment_ids, num_segments, sorted)


@op
def segment_max(data, segment_ids, num_segments=None, sorted=False):
    """Return the maxima of the rows that belong to the same segment; see `segment_sum`.

    Segments without rows get the least number of the dtype.

    Example:
        >>> kerata.ops.segment_max([1, 2, 3], [0, 0, 1])
        Array([2, 3], dtype=int32)
    """
    return _segment(jax.ops.segment_max, data, segment_ids, num_segments, sorted)


@op
def segment_min(data, segment_ids, num_segments=None, sorted=False):
    """Return the minima of the rows that belong to the same segment; see `segment_sum`.

    Segments without rows get the greatest number of the dtype.

    Example:
        >>> kerata.ops.segment_min([1, 2, 3], [0, 0, 1])
        Array([1, 3], dtype=int32)
    """
    return _segment(jax.ops.segment_min, data, segment_ids, num_segments, sorted)


@op
def segment_prod(data, segment_ids, num_segments=None, sorted=False):
    """Return the products of the rows that belong to the same segment; see `segment_sum`.

    Segments without rows get 1.

    Example:
        >>> kerata.ops.segment_prod([1, 2, 3], [0, 0, 1])
        Array([2, 3], dtype=int32)
    """
    return _segment(jax.ops.segment_prod, data, segment_ids, num_segments, sorted)


# Differences


@op
def diff(a, n=1, axis=-1):
    """Return the differences of neighbours along `axis`, `n` times over.

    Example:
        >>> kerata.ops.diff([1, 4, 9])
        Array([3, 5], dtype=int32)
    """
    a = array(a)
    return jnp.diff(a, n, one_axis(axis, a.ndim))
