"""What a data set yields: arrays and text in tuples and dicts, and batches of them.

Tuples and dicts are structure; everything else is a leaf. A list is a leaf, too: the array of what
is in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from kerata.engine import settings


class Array(np.ndarray):
    """A NumPy array that also answers to `.numpy()`, as tensors do."""

    def numpy(self) -> np.ndarray:
        """Return the values as a plain NumPy array, or as a number where there are no axes."""
        return self.view(np.ndarray)[()]


class StringDType:
    """The dtype of text: NumPy's `object` under the name that Keras gives it."""

    name = "string"
    kind = "O"
    dtype = np.dtype(object)

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other) -> bool:
        return other == self.name or self.dtype == other

    def __hash__(self) -> int:
        return hash(self.dtype)


class Strings(Array):
    """An array of strings."""

    @property
    def dtype(self) -> Any:
        """The dtype of text."""
        return StringDType()

    def __repr__(self) -> str:
        # NumPy's own looks into its dtype.
        text = np.array2string(self.view(np.ndarray), separator=", ", prefix="Strings(")
        return f"Strings({text}, dtype=string)"


class Text(str):
    """A string that also answers to `.numpy()` and `.shape`, as tensors do."""

    shape = ()
    ndim = 0

    def numpy(self) -> str:
        """Return the plain string."""
        return str(self)


class TensorSpec(NamedTuple):
    """Shape (None: not the same for all) and dtype of one part of each element."""

    shape: tuple[int | None, ...] | None
    dtype: str = "float32"


def frozen(structure):
    """Return the same elements, whose arrays cannot be changed through what is returned."""

    def freeze(leaf):
        if isinstance(leaf, np.ndarray):
            leaf = leaf.view()
            leaf.flags.writeable = False
        return leaf

    return map_leaves(freeze, structure)


def is_structure(x) -> bool:
    """Return whether `x` is a tuple or dict, not a leaf."""
    return isinstance(x, (tuple, Mapping)) and not isinstance(x, TensorSpec)


def map_leaves(function: Callable, first, *others) -> Any:
    """Return `first` with `function` applied to its leaves and those at their places in `others`.

    Raises:
        ValueError: if the structures differ.
    """
    nested = is_structure(first)
    for other in others:
        same = is_structure(other) == nested and (not nested or len(other) == len(first))
        if not same or (isinstance(first, Mapping) and set(first) != set(other)):
            raise ValueError(
                "The elements of a data set must all have the same structure.\n"
                f"Received: {describe(first)}\nand: {describe(other)}"
            )
    if not nested:
        return function(first, *others)
    if isinstance(first, Mapping):
        mapped = {k: map_leaves(function, v, *(o[k] for o in others)) for k, v in first.items()}
        kind: Any = type(first)
        return mapped if kind is dict else kind(mapped)
    children = [map_leaves(function, *parts) for parts in zip(first, *others)]
    return type(first)(*children) if hasattr(first, "_fields") else tuple(children)


def leaves_of(structure) -> list:
    """Return the leaves in their order."""
    found: list = []
    map_leaves(found.append, structure)
    return found


def as_leaf(x):
    """Return what a function or a generator gave as a leaf: an array, a string, or None.

    Python's numbers, and lists of them, become arrays of `int32` and `floatx()`.
    """
    if x is None or isinstance(x, (str, bytes, jax.Array)) or hasattr(x, "as_numpy_iterator"):
        return x
    array = x
    if not isinstance(x, (np.ndarray, np.generic)):
        if hasattr(x, "detach"):  # torch
            x = x.detach().cpu()
        try:
            array = np.asarray(x)
        except ValueError:
            raise ValueError(
                "A list in an element becomes one array: its parts must have equal shapes.\n"
                f"Received: a list of {len(x)}\nFor inputs and targets use a tuple: (x, y); make "
                "rows of different lengths equal with kerata.utils.pad_sequences."
            ) from None
        if not hasattr(x, "dtype") and array.dtype in (np.float64, np.int64):
            array = array.astype(settings.floatx() if array.dtype == np.float64 else "int32")
    if isinstance(array, Array):
        array = array.view(np.ndarray)
    return array.astype(object) if array.dtype.kind == "U" else array


def as_element(x):
    """Return `x` with its leaves as `as_leaf` makes them."""
    return map_leaves(as_leaf, x)


def returned(x):
    """Return what a function made of an element, as an element.

    Raises:
        ValueError: if it is None: the element would be left out.
    """
    if x is None:
        raise ValueError(
            "A function of an element must return an element.\nReceived: None\n"
            "Is a `return` missing? To leave elements out, use filter()."
        )
    return as_element(x)


def shown(element):
    """Return an element as users get it, with leaves that answer to `.numpy()`."""

    def show(leaf):
        if isinstance(leaf, str):
            return Text(leaf)
        if isinstance(leaf, (np.ndarray, np.generic, jax.Array)):
            array = np.asarray(leaf)
            return array.view(Strings if array.dtype == object else Array)
        return leaf

    return map_leaves(show, element)


def stack(elements: Sequence):
    """Return elements of equal shapes as one batch, with a first axis for the samples.

    Raises:
        ValueError: if the shapes differ.
    """

    def join(*leaves):
        if leaves[0] is None:
            return None
        if isinstance(leaves[0], (str, bytes)):
            return np.array(leaves, dtype=object)
        try:
            return np.stack(leaves)
        except ValueError:
            shapes = dict.fromkeys(np.shape(leaf) for leaf in leaves)
            raise ValueError(
                "The elements of a batch must have equal shapes.\n"
                f"Received: {' and '.join(str(s) for s in list(shapes)[:4])}\n"
                "Bring them to one shape with map() first (images: resize them; pass `image_size` "
                "to a loader), or use padded_batch()."
            ) from None

    return map_leaves(join, *elements)


def pad(elements: Sequence, shapes=None, values=None):
    """Return elements as one batch, each padded at its end to the largest size among them.

    Args:
        elements: the elements.
        shapes: structure of shapes to pad to; None, as a shape or in one, is the largest size.
        values: what to pad with: one value, or a structure of values; 0 and "" if None.

    Raises:
        ValueError: if an element is larger than its shape.
    """
    places = iter(_spread(shapes, elements[0]))
    fills = iter(_spread(values, elements[0]))

    def join(*leaves):
        shape, fill = next(places), next(fills)
        if not np.ndim(leaves[0]):
            return stack(leaves)
        arrays = [np.asarray(leaf) for leaf in leaves]
        largest = np.max([a.shape for a in arrays], axis=0).astype(int).tolist()
        wanted = [m if d in (None, -1) else d for m, d in zip(largest, shape or largest)]
        if len(wanted) != len(largest) or any(w < m for w, m in zip(wanted, largest)):
            raise ValueError(
                "`padded_shapes` must have room for every element.\n"
                f"Received: padded_shapes={shape}, and elements of up to {tuple(largest)}"
            )
        if fill is None:
            fill = "" if arrays[0].dtype == object else 0
        batch = np.full((len(arrays), *wanted), fill, arrays[0].dtype)
        for row, array in zip(batch, arrays):
            row[tuple(slice(n) for n in array.shape)] = array
        return batch

    return map_leaves(join, *elements)


def _spread(given, like) -> list:
    """Return one value of `given` for each leaf of `like`; a single one serves all."""
    if given is None or not is_structure(given):
        return [given] * len(leaves_of(like))
    if is_structure(like):
        keys = like if isinstance(like, Mapping) else range(len(like))
        if len(given) == len(like):
            return [value for key in keys for value in _spread(given[key], like[key])]
    return [given] * len(leaves_of(like))


def rows(batch):
    """Yield the elements of a batch.

    Raises:
        ValueError: if a leaf has no axis to take apart.
    """
    found = leaves_of(batch)
    if any(np.ndim(leaf) == 0 for leaf in found):
        raise ValueError(
            "unbatch() needs elements with a first axis to take apart.\n"
            f"Received: {describe(batch)}"
        )
    for i in range(len(found[0])):
        yield map_leaves(lambda leaf: leaf[i], batch)  # noqa: B023 (used at once)


def spec_of(element, batched: bool = False):
    """Return the `TensorSpec`s of an element; of a batch, the first size is not fixed."""

    def spec(leaf):
        if isinstance(leaf, (str, bytes)):
            return TensorSpec((), "string")
        if leaf is None or not hasattr(leaf, "dtype"):
            return TensorSpec(None, type(leaf).__name__)
        shape = tuple(leaf.shape)
        name = "string" if leaf.dtype.kind in "OSU" else leaf.dtype.name
        return TensorSpec((None, *shape[1:]) if batched and shape else shape, name)

    return map_leaves(spec, element)


def describe(element) -> str:
    """Return a short text that says what an element is made of."""
    spec = spec_of(element)

    def text(part):
        if isinstance(part, TensorSpec):
            return f"{part.dtype}{list(part.shape) if part.shape is not None else ''}"
        if isinstance(part, Mapping):
            return "{" + ", ".join(f"{k!r}: {text(v)}" for k, v in part.items()) + "}"
        return "(" + ", ".join(text(p) for p in part) + ")"

    return text(spec)
