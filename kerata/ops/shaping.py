"""Functions that move elements about: reshape, transpose, join, split, repeat, pad."""

import math
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine.dtypes import canonical
from kerata.engine.errors import as_int, is_int, one_of
from kerata.engine.op import op
from kerata.engine.symbolic import standin
from kerata.ops.arguments import array, axes, one_axis, rank_at_least

# Shape and order of axes


@op
def reshape(x, newshape):
    """Return the elements of `x`, in row-major order, in another shape.

    Args:
        x: tensor.
        newshape: integer or tuple of integers; one of them may be -1: as much as it takes.

    Example:
        >>> kerata.ops.reshape([1, 2, 3, 4], (2, -1))
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    x = array(x)
    sizes = newshape.tolist() if hasattr(newshape, "tolist") else newshape
    sizes = tuple(sizes) if isinstance(sizes, list | tuple) else (sizes,)
    sizes = tuple(-1 if s is None else int(s) for s in sizes)
    known = math.prod(s for s in sizes if s != -1)
    fits = known and x.size % known == 0 if -1 in sizes else known == x.size
    if sizes.count(-1) > 1 or not (fits or x.size == 0):
        raise ValueError(
            "`newshape` must hold as many elements as `x`, with at most one size -1.\n"
            f"Received: newshape={newshape!r} for `x` of shape {x.shape}"
        )
    return jnp.reshape(x, sizes)


@op
def ravel(x):
    """Return the elements of `x` in row-major order, on one axis.

    Example:
        >>> kerata.ops.ravel([[1, 2], [3, 4]])
        Array([1, 2, 3, 4], dtype=int32)
    """
    return jnp.ravel(array(x))


@op
def transpose(x, axes=None):
    """Return `x` with its axes in another order.

    Args:
        x: tensor.
        axes: for each axis of the result, which axis of `x` it is; None reverses them.

    Example:
        >>> kerata.ops.transpose([[1, 2], [3, 4]])
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    x = array(x)
    if axes is not None and sorted(one_axis(a, x.ndim, "axes") for a in axes) != [*range(x.ndim)]:
        raise ValueError(f"`axes` must name each of the {x.ndim} axes once.\nReceived: axes={axes}")
    return jnp.transpose(x, axes)


@op
def swapaxes(x, axis1, axis2):
    """Return `x` with two axes exchanged.

    Example:
        >>> kerata.ops.swapaxes([[1, 2, 3]], 0, 1).shape
        (3, 1)
    """
    x = array(x)
    return jnp.swapaxes(x, one_axis(axis1, x.ndim, "axis1"), one_axis(axis2, x.ndim, "axis2"))


@op
def moveaxis(x, source, destination):
    """Return `x` with some axes moved; the others keep their order.

    Args:
        x: tensor.
        source: axis or axes to move.
        destination: where they go.

    Example:
        >>> kerata.ops.moveaxis(kerata.ops.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    x = array(x)
    source, destination = axes(source, x.ndim, "source"), axes(destination, x.ndim, "destination")
    if len(source) != len(destination):
        raise ValueError(
            "`source` and `destination` must name equally many axes.\n"
            f"Received: source={source}, destination={destination}"
        )
    return jnp.moveaxis(x, source, destination)


@op
def expand_dims(x, axis):
    """Return `x` with new axes of size 1.

    Args:
        x: tensor.
        axis: place of the new axis in the result, or several.

    Example:
        >>> kerata.ops.expand_dims([1, 2], 1)
        Array([[1],
               [2]], dtype=int32)
    """
    x = array(x)
    new = axis if isinstance(axis, list | tuple) else (axis,)
    return jnp.expand_dims(x, axes(new, x.ndim + len(new)))


@op
def squeeze(x, axis=None):
    """Return `x` without axes of size 1.

    Args:
        x: tensor.
        axis: axis or axes to drop; None for all of size 1.

    Example:
        >>> kerata.ops.squeeze([[1, 2]])
        Array([1, 2], dtype=int32)
    """
    x = array(x)
    if axis is None:
        return jnp.squeeze(x)
    dropped = axes(axis, x.ndim)
    if any(x.shape[a] != 1 for a in dropped):
        raise ValueError(
            f"Only axes of size 1 can be dropped.\nReceived: axis={axis} of shape {x.shape}"
        )
    return jnp.squeeze(x, dropped)


@op
def broadcast_to(x, shape):
    """Repeat `x` along new axes, and along those of size 1, to reach `shape`.

    Example:
        >>> kerata.ops.broadcast_to([1, 2], (2, 2))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    x = array(x)
    shape = as_int(shape)
    shape = tuple(map(as_int, shape)) if isinstance(shape, Iterable) else (shape,)
    if len(shape) < x.ndim or any(
        size not in (1, new) for size, new in zip(x.shape[::-1], shape[::-1], strict=False)
    ):
        raise ValueError(f"A tensor of shape {x.shape} cannot be broadcast.\nReceived: {shape=}")
    return jnp.broadcast_to(x, shape)


@op
def copy(x):
    """Return a copy of `x`.

    Example:
        >>> kerata.ops.copy([1, 2])
        Array([1, 2], dtype=int32)
    """
    return jnp.copy(array(x))


@op
def view(x, dtype=None):
    """Return the bytes of `x` read as another dtype; the last axis shrinks or grows to fit.

    Args:
        x: tensor.
        dtype: the dtype to read; None for `x`'s own.

    Example:
        >>> kerata.ops.view(kerata.ops.array([1.0], "float32"), "int32")
        Array([1065353216], dtype=int32)
    """
    x = array(x)
    return x if dtype is None else x.view(canonical(dtype))


# Joining


def _list(xs, name="xs"):
    """Return the tensors to join as a list of arrays."""
    if isinstance(xs, list | tuple):
        found = [array(x) for x in xs]
    else:
        found = list(array(xs))
    if not found:
        raise ValueError(f"`{name}` must hold at least one tensor.\nReceived: {name}={xs!r}")
    return found


@op
def concatenate(xs, axis=0):
    """Join tensors along an axis that they have.

    Args:
        xs: sequence of tensors whose shapes agree but for `axis`.
        axis: axis to join along; None flattens them first.

    Example:
        >>> kerata.ops.concatenate([[1, 2], [3]])
        Array([1, 2, 3], dtype=int32)
    """
    xs = _list(xs)
    if axis is not None:
        axis = one_axis(axis, xs[0].ndim)
        others = {x.shape[:axis] + x.shape[axis + 1 :] for x in xs}
        if len(others) > 1 or len({x.ndim for x in xs}) > 1:
            shapes = ", ".join(str(x.shape) for x in xs)
            raise ValueError(
                "Tensors to concatenate must have equal shapes but for the axis of joining.\n"
                f"Received: axis={axis}, shapes {shapes}"
            )
    return jnp.concatenate(xs, axis)


@op
def stack(x, axis=0):
    """Join tensors along a new axis.

    Args:
        x: sequence of tensors of equal shapes.
        axis: place of the new axis in the result.

    Example:
        >>> kerata.ops.stack([[1, 2], [3, 4]], axis=1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    xs = _list(x, "x")
    if len({a.shape for a in xs}) > 1:
        shapes = ", ".join(str(a.shape) for a in xs)
        raise ValueError(f"Tensors to stack must have equal shapes.\nReceived: shapes {shapes}")
    return jnp.stack(xs, one_axis(axis, xs[0].ndim + 1))


@op
def append(x1, x2, axis=None):
    """Join two tensors along `axis`; None flattens them first.

    Example:
        >>> kerata.ops.append([1, 2], [[3], [4]])
        Array([1, 2, 3, 4], dtype=int32)
    """
    return jnp.append(array(x1), array(x2), axis)


@op
def hstack(xs):
    """Join tensors along the second axis (along the first, if they have one).

    Example:
        >>> kerata.ops.hstack([[1, 2], [3]])
        Array([1, 2, 3], dtype=int32)
    """
    return jnp.hstack(_list(xs))


@op
def vstack(xs):
    """Join tensors along the first axis; those of one axis are rows.

    Example:
        >>> kerata.ops.vstack([[1, 2], [3, 4]])
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    return jnp.vstack(_list(xs))


@op
def dstack(xs):
    """Join tensors along the third axis, which those of fewer axes get.

    Example:
        >>> kerata.ops.dstack([[1, 2], [3, 4]]).shape
        (1, 2, 2)
    """
    return jnp.dstack(_list(xs))


# Splitting


def _sections(x, indices_or_sections, axis):
    """Return where to cut, or into how many equal parts, checked."""
    if isinstance(indices_or_sections, list | tuple):
        return [int(i) for i in indices_or_sections]
    if hasattr(indices_or_sections, "tolist"):
        return indices_or_sections.tolist()
    size = x.shape[axis]
    if indices_or_sections < 1 or size % indices_or_sections:
        raise ValueError(
            f"An axis of size {size} cannot be split into {indices_or_sections} equal parts.\n"
            f"Received: indices_or_sections={indices_or_sections}, axis={axis}, shape {x.shape}"
        )
    return int(indices_or_sections)


def _split(x, indices_or_sections, axis):
    return list(jnp.split(x, _sections(x, indices_or_sections, axis), axis))


@op
def split(x, indices_or_sections, axis=0):
    """Split `x` into a list of tensors.

    Args:
        x: tensor.
        indices_or_sections: number of equal parts, or the places along `axis` to cut at.
        axis: axis to split.

    Example:
        >>> kerata.ops.split([1, 2, 3, 4], [1])
        [Array([1], dtype=int32), Array([2, 3, 4], dtype=int32)]
    """
    x = array(x)
    return _split(x, indices_or_sections, one_axis(axis, x.ndim))


@op
def array_split(x, indices_or_sections, axis=0):
    """Split `x` into a list of tensors, of sizes that differ by one if they must.

    Args:
        x: tensor.
        indices_or_sections: number of parts, or the places along `axis` to cut at.
        axis: axis to split.

    Example:
        >>> kerata.ops.array_split([1, 2, 3], 2)
        [Array([1, 2], dtype=int32), Array([3], dtype=int32)]
    """
    x = array(x)
    if is_int(indices_or_sections) and indices_or_sections < 1:
        raise ValueError(
            "`indices_or_sections` must be positive.\n"
            f"Received: indices_or_sections={indices_or_sections}"
        )
    return list(jnp.array_split(x, indices_or_sections, one_axis(axis, x.ndim)))


@op
def hsplit(x, indices_or_sections):
    """Split `x` along the second axis (the first, if it has one); see `split`.

    Example:
        >>> kerata.ops.hsplit([[1, 2], [3, 4]], 2)
        [Array([[1],
               [3]], dtype=int32), Array([[2],
               [4]], dtype=int32)]
    """
    x = array(x)
    rank_at_least(1, x)
    return _split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@op
def vsplit(x, indices_or_sections):
    """Split `x` along the first axis; see `split`.

    Example:
        >>> kerata.ops.vsplit([[1, 2], [3, 4]], 2)
        [Array([[1, 2]], dtype=int32), Array([[3, 4]], dtype=int32)]
    """
    x = array(x)
    rank_at_least(2, x)
    return _split(x, indices_or_sections, 0)


@op
def dsplit(x, indices_or_sections):
    """Split `x` along the third axis; see `split`.

    Example:
        >>> [part.shape for part in kerata.ops.dsplit(kerata.ops.zeros((1, 2, 4)), 2)]
        [(1, 2, 2), (1, 2, 2)]
    """
    x = array(x)
    rank_at_least(3, x)
    return _split(x, indices_or_sections, 2)


@op
def unstack(x, num=None, axis=0):
    """Return the slices of `x` along `axis`, as a list.

    Args:
        x: tensor.
        num: number of slices; it must be the size of the axis, if that is known.
        axis: axis to take apart.

    Example:
        >>> kerata.ops.unstack([[1, 2], [3, 4]], axis=1)
        [Array([1, 3], dtype=int32), Array([2, 4], dtype=int32)]
    """
    x = array(x)
    axis = one_axis(axis, x.ndim)
    size = x.shape[axis]
    if num is not None and num != size and size != standin():
        raise ValueError(f"`num` must be the size of axis {axis}, {size}.\nReceived: num={num}")
    count = size if num is None else num
    return [jax.lax.index_in_dim(x, i, axis, keepdims=False) for i in range(count)]


# Order and repetition along axes


@op
def flip(x, axis=None):
    """Return `x` with the order along `axis` reversed; None for all axes.

    Example:
        >>> kerata.ops.flip([1, 2, 3])
        Array([3, 2, 1], dtype=int32)
    """
    x = array(x)
    return jnp.flip(x, axes(axis, x.ndim))


@op
def fliplr(x):
    """Return `x` with the order along the second axis reversed.

    Example:
        >>> kerata.ops.fliplr([[1, 2], [3, 4]])
        Array([[2, 1],
               [4, 3]], dtype=int32)
    """
    x = array(x)
    rank_at_least(2, x)
    return jnp.flip(x, 1)


@op
def flipud(x):
    """Return `x` with the order along the first axis reversed.

    Example:
        >>> kerata.ops.flipud([[1, 2], [3, 4]])
        Array([[3, 4],
               [1, 2]], dtype=int32)
    """
    x = array(x)
    rank_at_least(1, x)
    return jnp.flip(x, 0)


@op
def rot90(array, k=1, axes=(0, 1)):
    """Rotate by 90 degrees in the plane of two axes, from the first towards the second.

    Args:
        array: tensor of rank 2 or more.
        k: number of quarter turns.
        axes: the two axes.

    Example:
        >>> kerata.ops.rot90([[1, 2], [3, 4]])
        Array([[2, 4],
               [1, 3]], dtype=int32)
    """
    array = jnp.asarray(array)
    rank_at_least(2, array, "array")
    if len(axes) != 2 or one_axis(axes[0], array.ndim) == one_axis(axes[1], array.ndim):
        raise ValueError(f"`axes` must be two different axes.\nReceived: axes={axes}")
    return jnp.rot90(array, k, tuple(axes))


@op
def roll(x, shift, axis=None):
    """Move elements along an axis; those that fall off come back at the other end.

    Args:
        x: tensor.
        shift: number of places, or one for each axis.
        axis: axis or axes; None rolls the flattened tensor.

    Example:
        >>> kerata.ops.roll([1, 2, 3, 4], 1)
        Array([4, 1, 2, 3], dtype=int32)
    """
    x = array(x)
    return jnp.roll(x, shift, None if axis is None else axes(axis, x.ndim))


@op
def repeat(x, repeats, axis=None):
    """Repeat each element (of the axis) in place.

    Args:
        x: tensor.
        repeats: number of times, or one for each element of the axis; the values must be known,
            as they make the result's shape.
        axis: axis to repeat along; None flattens `x`.

    Example:
        >>> kerata.ops.repeat([1, 2], [1, 3])
        Array([1, 2, 2, 2], dtype=int32)
    """
    x = array(x)
    axis = None if axis is None else one_axis(axis, x.ndim)
    if isinstance(repeats, jax.core.Tracer):
        raise ValueError(
            "`repeats` must be known when the function is compiled: the result's shape depends "
            f"on it.\nReceived: a traced tensor of shape {repeats.shape}\n"
            "Name it in jit(..., static_argnames=...), or give it as a plain number."
        )
    repeats = np.asarray(repeats)
    if repeats.size == 1:
        return jnp.repeat(x, int(repeats.item()), axis)
    return jnp.repeat(x, repeats, axis, total_repeat_length=int(repeats.sum()))


@op
def tile(x, repeats):
    """Repeat the whole tensor along its axes.

    Args:
        x: tensor.
        repeats: number of times, for the last axes; more numbers than axes make new axes.

    Example:
        >>> kerata.ops.tile([1, 2], 2)
        Array([1, 2, 1, 2], dtype=int32)
    """
    repeats = repeats.tolist() if hasattr(repeats, "tolist") else repeats
    return jnp.tile(array(x), repeats)


PAD_MODES = (
    "constant",
    "edge",
    "linear_ramp",
    "maximum",
    "mean",
    "median",
    "minimum",
    "reflect",
    "symmetric",
    "wrap",
    "empty",
    "circular",
)


@op
def pad(x, pad_width, mode="constant", constant_values=None):
    """Add elements before and after those of each axis.

    Args:
        x: tensor.
        pad_width: an integer for all sides, (before, after) for all axes, or one such pair for
            each axis.
        mode: "constant"; "reflect", "symmetric" (mirrored without and with the edge), "edge",
            "wrap", or another mode of `numpy.pad`.
        constant_values: what to add in "constant" mode; None for 0.

    Example:
        >>> kerata.ops.pad([1, 2], (1, 2), constant_values=9)
        Array([9, 1, 2, 9, 9], dtype=int32)
    """
    x = array(x)
    one_of("mode", mode, PAD_MODES)
    pad_width = pad_width.tolist() if hasattr(pad_width, "tolist") else pad_width
    if mode != "constant":
        if constant_values is not None:
            raise ValueError(
                "`constant_values` is for mode 'constant'.\n"
                f"Received: mode={mode!r}, constant_values={constant_values!r}"
            )
        return jnp.pad(x, pad_width, mode="wrap" if mode == "circular" else mode)
    value = 0 if constant_values is None else constant_values
    return jnp.pad(x, pad_width, constant_values=value)
