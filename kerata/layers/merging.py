"""Layers that make one tensor of several."""

import functools
import math

import jax.numpy as jnp

from kerata import ops
from kerata.engine import dtypes, tree
from kerata.engine.errors import argument_error
from kerata.layers.arguments import axis_tuple, resolve_axes
from kerata.layers.layer import Layer


class Merge(Layer):
    """Base of layers that combine a list of tensors element by element.

    The shapes must be equal, or broadcast: sizes of 1 stretch, and a tensor of lower rank gets
    axes of size 1 behind the batch axis. Subclasses write `merge(tensors)`.

    The output's mask is true where any input's is; there is none if an input has none.
    """

    exactly: int | None = None  # the number of inputs, where it is fixed
    takes_sparse = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def merge(self, tensors: list):
        """Combine tensors whose shapes broadcast."""
        raise NotImplementedError(f"{type(self).__name__} must have a `merge` method.")

    def build(self, input_shape):
        self.check_shapes(list_of_shapes(self, input_shape, self.exactly))

    def check_shapes(self, shapes: list[tuple]) -> None:
        """Raise if the inputs cannot be combined. None is any size."""
        batches = {shape[0] for shape in shapes if shape} - {None}
        if len(batches) > 1:
            raise self.misfit("inputs of one batch size", shapes)
        for sizes in zip(*(_aligned(s, max(map(len, shapes))) for s in shapes), strict=True):
            if len({size for size in sizes if size not in (None, 1)}) > 1:
                raise self.misfit("inputs whose shapes are equal, or broadcast", shapes)

    def call(self, inputs):
        return self.merge(self.aligned(inputs))

    def aligned(self, inputs) -> list:
        """Return the inputs checked, of one rank and one dtype."""
        self.check_shapes([x.shape for x in inputs])
        rank = max(x.ndim for x in inputs)
        dtype = dtypes.result_type(*(x.dtype for x in inputs))
        return [ops.cast(ops.reshape(x, _aligned(x.shape, rank)), dtype) for x in inputs]

    def compute_mask(self, inputs, mask=None):
        masks = list_of_masks(self, inputs, mask)
        if not masks or any(m is None for m in masks):
            return None
        return functools.reduce(ops.logical_or, masks)

    def misfit(self, needs: str, shapes) -> ValueError:
        """Return the error for inputs whose shapes do not fit together."""
        return ValueError(
            f"{type(self).__name__} {self.name!r} needs {needs}.\n"
            f"Received: inputs of shapes {', '.join(str(tuple(s)) for s in shapes)}"
        )


def _aligned(shape, rank: int) -> tuple:
    """Return a shape with axes of size 1 put behind the batch axis up to `rank`."""
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) if shape else (1,) * rank


def list_of_shapes(layer, input_shape, exactly: int | None = None) -> list[tuple]:
    """Return the shapes of a list of inputs.

    Raises:
        ValueError: if the input is not a list, or holds not `exactly` as many tensors.
    """
    several = isinstance(input_shape, (list, tuple)) and all(
        isinstance(s, (list, tuple)) for s in input_shape
    )
    if not several or not input_shape or (exactly and len(input_shape) != exactly):
        how_many = f"{exactly} tensors" if exactly else "tensors"
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} takes a list of {how_many}.\n"
            f"Received: input shape(s) {input_shape}\n"
            f"Call it as layer([x, y]), with both tensors in one list."
        )
    return [tuple(s) for s in input_shape]


def list_of_masks(layer, inputs, mask) -> list:
    """Return the masks of a list of inputs; an empty list where there is none.

    Raises:
        ValueError: if the masks are not a list of the inputs' length.
    """
    if mask is None:
        return []
    fits = isinstance(mask, (list, tuple)) and isinstance(inputs, (list, tuple))
    if not fits or len(mask) != len(inputs):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} takes a list of inputs, and a list of as many "
            f"masks.\nReceived: inputs={tree.map_structure(_brief, inputs)}, "
            f"mask={tree.map_structure(_brief, mask)}"
        )
    return [] if all(m is None for m in mask) else list(mask)


def _brief(x):
    return f"tensor of shape {tuple(x.shape)}" if hasattr(x, "shape") else x


class Add(Merge):
    """Adds its inputs.

    Example:
        >>> kerata.layers.Add()([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
        Array([11., 22.], dtype=float32)
    """

    def merge(self, tensors):
        return functools.reduce(ops.add, tensors)


class Subtract(Merge):
    """Subtracts the second of two inputs from the first."""

    exactly = 2

    def merge(self, tensors):
        return ops.subtract(*tensors)


class _MaskedMerge(Merge):
    """Base of merges in which what is masked in one input leaves the choice to the others."""

    def call(self, inputs, mask=None):
        masks = list_of_masks(self, inputs, mask)
        if not masks:
            return super().call(inputs)
        tensors = self.aligned(inputs)
        shapes = [
            _aligned((*m.shape, *(1,) * (x.ndim - m.ndim)), tensors[0].ndim)
            if m is not None
            else ()
            for x, m in zip(inputs, masks, strict=True)
        ]
        masks = [
            jnp.ones((), bool) if m is None else m.reshape(shape)
            for m, shape in zip(masks, shapes, strict=True)
        ]
        (merged, known), *rest = zip(tensors, masks, strict=True)
        for x, mask in rest:
            both = self.merge([merged, x])
            merged = jnp.where(known & mask, both, jnp.where(mask, x, merged))
            known = known | mask
        return self.where_known(merged, known)

    def where_known(self, merged, known):
        """Return the result, given where any input is not masked."""
        return merged


class Multiply(_MaskedMerge):
    """Multiplies its inputs element by element. Masked elements are left out."""

    def merge(self, tensors):
        return functools.reduce(ops.multiply, tensors)

    def where_known(self, merged, known):
        return jnp.where(known, merged, 0)


class Average(Merge):
    """Averages its inputs."""

    def merge(self, tensors):
        return ops.divide(functools.reduce(ops.add, tensors), len(tensors))


class Maximum(_MaskedMerge):
    """Takes the largest of its inputs, element by element. Masked elements are left out."""

    def merge(self, tensors):
        return functools.reduce(ops.maximum, tensors)


class Minimum(_MaskedMerge):
    """Takes the smallest of its inputs, element by element. Masked elements are left out."""

    def merge(self, tensors):
        return functools.reduce(ops.minimum, tensors)


class Concatenate(Merge):
    """Joins its inputs along one axis; the sizes of all others must agree.

    Args:
        axis: that axis.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> kerata.layers.Concatenate()([np.array([[1.0]]), np.array([[2.0, 3.0]])])
        Array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        (self.axis,) = axis_tuple(axis, self)

    def check_shapes(self, shapes):
        rank = len(shapes[0])
        (axis,) = resolve_axes(self.axis, rank, self)
        same = f"inputs whose shapes agree but for axis {self.axis}"
        if any(len(s) != rank for s in shapes):
            raise self.misfit(same, shapes)
        for place, sizes in enumerate(zip(*shapes, strict=True)):
            if place != axis and len(set(sizes) - {None}) > 1:
                raise self.misfit(same, shapes)

    def merge(self, tensors):
        return ops.concatenate(tensors, self.axis)

    def compute_mask(self, inputs, mask=None):
        masks = list_of_masks(self, inputs, mask)
        if not masks:
            return None
        # The last axis of the masks tells features apart only if some mask does.
        rank = len(inputs[0].shape)
        by_feature = any(m is not None and len(m.shape) == rank for m in masks)
        whole = []
        for x, m in zip(inputs, masks, strict=True):
            if m is None:
                m = ops.ones_like(x if by_feature else x[..., :1], dtype="bool")
            elif len(m.shape) < rank:
                m = ops.expand_dims(m, -1)
                if by_feature:
                    m = ops.logical_and(m, ops.ones_like(x, dtype="bool"))
            whole.append(m)
        return ops.any(ops.concatenate(whole, axis=self.axis), axis=-1)


class Dot(Merge):
    """Multiplies two tensors as matrices, sample by sample, summing over one axis of each.

    Args:
        axes: the axis to sum over, in both or, as a pair, in each. The batch axis stays.
        normalize: whether to scale both to unit length along that axis first: the result is then
            the cosine of the angle.
        **kwargs: `name`, `dtype`, `trainable`.

    Returns (when called):
        A tensor with the batch axis, the other axes of the first input, and those of the second;
        `(batch, 1)` for two inputs of shape `(batch, size)`.

    Example:
        >>> layer = kerata.layers.Dot(axes=1)
        >>> layer([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])])
        Array([[11.]], dtype=float32)
    """

    exactly = 2

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        pair = axis_tuple(axes, self, "axes")
        if not isinstance(axes, int) and len(pair) != 2:
            raise argument_error("axes", "be an integer or a pair of integers", axes, self)
        self.axes = axes
        self.normalize = normalize

    def _pair(self, shapes) -> tuple[int, int]:
        """Return the axes to sum over, counted from the front."""
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        first, second = (
            resolve_axes(axis, len(s), self, "axes")[0]
            for axis, s in zip(given, shapes, strict=True)
        )
        if 0 in (first, second):
            raise argument_error("axes", "not be 0, the batch axis", self.axes, self)
        return first, second

    def check_shapes(self, shapes):
        first, second = self._pair(shapes)
        sizes = {shapes[0][first], shapes[1][second]} - {None}
        if len(sizes) > 1 or len({shapes[0][0], shapes[1][0]} - {None}) > 1:
            raise self.misfit(
                f"equal batch sizes, and equal sizes of axis {first} of the first and axis "
                f"{second} of the second input",
                shapes,
            )

    def call(self, inputs):
        shapes = [x.shape for x in inputs]
        self.check_shapes(shapes)
        first, second = self._pair(shapes)
        dtype = dtypes.result_type(*(x.dtype for x in inputs))
        x, y = (t.astype(dtype) for t in inputs)
        if self.normalize:
            x, y = ops.normalize(x, axis=first), ops.normalize(y, axis=second)
        (x, kept), (y, kept_too) = _as_rows(x, first), _as_rows(y, second)
        result = ops.matmul(x, ops.transpose(y, (0, 2, 1)))
        return ops.reshape(result, (x.shape[0], *(kept + kept_too or (1,))))

    def compute_mask(self, inputs, mask=None):
        return None


def _as_rows(x, axis: int) -> tuple:
    """Return each sample as a matrix whose rows lie along `axis`, and the sizes of other axes."""
    others = [a for a in range(1, x.ndim) if a != axis]
    kept = tuple(x.shape[a] for a in others)
    rows = ops.transpose(x, (0, *others, axis))
    return ops.reshape(rows, (x.shape[0], math.prod(kept), x.shape[axis])), kept


def add(inputs, **kwargs):
    """Add tensors: `Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)


def subtract(inputs, **kwargs):
    """Subtract the second of two tensors from the first: `Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs, **kwargs):
    """Multiply tensors element by element: `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def average(inputs, **kwargs):
    """Average tensors: `Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def maximum(inputs, **kwargs):
    """Take the largest of tensors, element by element: `Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs, **kwargs):
    """Take the smallest of tensors, element by element: `Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs, axis=-1, **kwargs):
    """Join tensors along `axis`: `Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs, axes=-1, **kwargs):
    """Multiply two tensors as matrices, sample by sample: `Dot(axes, **kwargs)(inputs)`."""
    return Dot(axes=axes, **kwargs)(inputs)
