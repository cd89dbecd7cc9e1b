"""Feeds: where batches come from, in an order that can be repeated.

A feed yields the batches of one pass over the data. What comes in a pass is a function of its
number and of the feed's seed alone, so a place in the data is two integers, (pass, position), and
a `Stream` can be put back there. The exception are one-shot iterators, of which nothing can be
repeated.
"""

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import numpy as np

from kerata.engine import placement, tree
from kerata.training import checks
from kerata.training.batches import (
    ClassWeights,
    is_pandas,
    plain_array,
    plain_batch,
    to_floatx,
)
from kerata.utils.numerical import pack_x_y_sample_weight, unpack_x_y_sample_weight
from kerata.utils.py_dataset import PyDataset, read_in_order

# What `cardinality()` returns for data without end, as in TensorFlow.
ENDLESS = -1


def permutation(seed: tuple[int, ...], number: int, length: int) -> np.ndarray:
    """Return the order of `length` items in pass `number` over them: a function of its arguments.

    Args:
        seed: integers of at least 0.
        number: which pass.
        length: how many items.
    """
    return np.random.default_rng([*seed, number]).permutation(length)


class Feed:
    """Batches, pass by pass.

    Attributes:
        num_batches: batches in a pass; None where that is not known.
        infinite: whether a pass never ends.
        one_shot: whether there is only one pass.
        single_samples: whether it is known that samples come one by one, not in batches.
        seed: integers that the order follows from, where there is an order to choose.
        prepare: function of the inputs of a batch that makes what the step gets, or None.
    """

    num_batches: int | None = None
    seed: tuple[int, ...] = (0,)
    infinite = False
    one_shot = False
    single_samples = False
    prepare: Callable | None = None

    def batches(self, number: int, start: int = 0) -> Iterator:
        """Yield the batches of pass `number`, from position `start` on."""
        raise NotImplementedError

    def on_pass_begin(self) -> None:
        """Called before the first batch of a pass."""

    def on_pass_end(self) -> None:
        """Called after the last batch of a pass."""


class ArrayFeed(Feed):
    """Batches cut from arrays.

    Args:
        x: array or structure of arrays (NumPy, JAX, pandas, torch, scipy.sparse …), samples first.
        y: targets, likewise, or None.
        sample_weight: weights, likewise, or None.
        batch_size: samples in a batch; the last one of a pass may be smaller.
        shuffle: False (in order), True, or "batch" (whole batches change places: fast where
            arrays lie on a disk).
        seed: integers that the order follows from.
        class_weights: `ClassWeights`, or None.
    """

    def __init__(
        self, x, y=None, sample_weight=None, *, batch_size=32, shuffle=False, seed=(0,),
        class_weights=None,
    ):  # fmt: skip
        self.length = checks.check_lengths(x, y, sample_weight)
        self.batch_size = batch_size
        self.num_batches = -(-self.length // batch_size)
        self.shuffle = shuffle
        self.seed = tuple(seed)
        self.class_weights = class_weights
        leaves, self._structure = jax.tree_util.tree_flatten(
            pack_x_y_sample_weight(x, y, sample_weight)
        )
        self._leaves = leaves
        self._takers = self._from_host = [_taker(leaf) for leaf in leaves]
        self._sends = placement.accelerator() is not None

    @property
    def data(self):
        """All samples, as one batch."""
        return self._structure.unflatten(self._leaves)

    def keep_on_device(self) -> None:
        """Move the arrays to an accelerator, if there is one and they take an eighth of it at most.

        For data that is read more than once.
        """
        device = placement.accelerator()
        arrays = [x for x in self._leaves if isinstance(x, np.ndarray) and x.dtype.kind in "biuf"]
        if (
            device is not None
            and len(arrays) == len(self._leaves)
            and self.class_weights is None
            and self.prepare is None
            and sum(x.nbytes for x in arrays) <= placement.memory_of(device) // 8
        ):
            self._takers = [_taker(jax.device_put(to_floatx(x), device)) for x in arrays]
            self._sends = False

    def leave_device(self) -> None:
        """Undo `keep_on_device`."""
        self._takers = self._from_host
        self._sends = placement.accelerator() is not None

    def batches(self, number: int, start: int = 0) -> Iterator:
        batches = self._cut(number, start)
        return _sent_ahead(batches) if self._sends and self.prepare is None else batches

    def _cut(self, number: int, start: int) -> Iterator:
        for rows in itertools.islice(self._rows(number), start, None):
            batch = self._structure.unflatten([take(rows) for take in self._takers])
            yield batch if self.class_weights is None else self.class_weights.apply(batch)

    def _rows(self, number: int) -> Iterator:
        """Yield the rows of each batch: a slice, or an array of indices."""
        starts: Sequence[int] = range(0, self.length, self.batch_size)
        if self.shuffle and self.shuffle != "batch":
            order = permutation(self.seed, number, self.length)
            for low in starts:
                yield order[low : low + self.batch_size]
            return
        if self.shuffle:
            starts = [starts[i] for i in permutation(self.seed, number, len(starts))]
        for low in starts:
            yield slice(low, min(low + self.batch_size, self.length))


# Batches on their way to an accelerator while it works on the one before.
_AHEAD = 2


def _sent_ahead(batches: Iterator) -> Iterator:
    """Yield batches that were sent to the accelerator before they are asked for."""
    waiting: deque = deque()
    for batch in batches:
        waiting.append(jax.tree_util.tree_map(_put, batch))
        if len(waiting) > _AHEAD:
            yield waiting.popleft()
    yield from waiting


def _taker(leaf) -> Callable:
    """Return the function that cuts rows (a slice, or an array of indices) from `leaf`."""
    if isinstance(leaf, jax.Array) and any(d.platform != "cpu" for d in leaf.devices()):
        # On its device already. Indices as an array: a slice would compile anew for each place.
        def take(rows):
            if isinstance(rows, slice):
                rows = np.arange(rows.start, rows.stop)
            return to_floatx(leaf.take(rows, axis=0))

        return take
    if hasattr(leaf, "tocsr"):
        matrix = leaf.tocsr()
        return lambda rows: to_floatx(matrix[rows].toarray())
    array = np.asarray(leaf)

    def cut(rows):
        if isinstance(rows, slice):
            return to_floatx(array[rows])
        return to_floatx(array.take(rows, axis=0))

    return cut


class PyDatasetFeed(Feed):
    """Batches of a `PyDataset`.

    Args:
        dataset: the data set.
        shuffle: whether its batches come in another order in each pass.
        seed: integers that the order follows from.
        class_weights: `ClassWeights`, or None.
    """

    def __init__(self, dataset: PyDataset, *, shuffle=False, seed=(0,), class_weights=None):
        self.dataset = dataset
        self.num_batches = dataset.num_batches
        if self.num_batches == 0:
            raise _no_batches(dataset)
        self.infinite = self.num_batches is None
        self.shuffle = bool(shuffle)
        self.seed = tuple(seed)
        self.class_weights = class_weights

    def batches(self, number: int, start: int = 0) -> Iterator:
        indices: Iterable[int] = itertools.count(start)
        if self.num_batches is not None:
            indices = range(start, self.num_batches)
            if self.shuffle:
                indices = permutation(self.seed, number, self.num_batches)[start:].tolist()
        for batch in read_in_order(self.dataset, indices):
            yield _prepared(batch, self.class_weights)

    def on_pass_begin(self) -> None:
        self.dataset.on_epoch_begin()

    def on_pass_end(self) -> None:
        self.dataset.on_epoch_end()
        self.num_batches = self.dataset.num_batches


class IterableFeed(Feed):
    """Batches of anything that can be iterated over: generators, loaders, Grain's data sets.

    Args:
        source: the iterable.
        class_weights: `ClassWeights`, or None.
    """

    def __init__(self, source: Iterable, *, class_weights=None):
        if hasattr(source, "to_iter_dataset"):  # grain.MapDataset
            self._set_length(source)
            source = source.to_iter_dataset()
        else:
            self._set_length(source)
        self.source = source
        self.class_weights = class_weights
        self.infinite = self.infinite or isinstance(source, (itertools.cycle, itertools.count))
        iterator = iter(source)
        self.one_shot = iterator is source
        self._first: Iterator | None = iterator
        # torch's loaders make lists of what its data sets give as tuples.
        self._lists_are_tuples = any(
            kind.__module__.split(".")[0] == "torch" for kind in type(source).__mro__
        )

    def _set_length(self, source) -> None:
        try:
            length = len(source)
        except TypeError:
            # TensorFlow's data sets have no length, but a cardinality, if they are without end.
            cardinality = getattr(source, "cardinality", None)
            self.infinite = callable(cardinality) and int(cardinality()) == ENDLESS
            return
        if length == 0:
            raise _no_batches(source)
        self.infinite = length >= sys.maxsize
        self.num_batches = None if self.infinite else length

    def batches(self, number: int, start: int = 0) -> Iterator:
        iterator = self.source if self.one_shot else self._first or iter(self.source)
        self._first = None
        for batch in itertools.islice(iterator, start, None):
            if self._lists_are_tuples and isinstance(batch, list):
                batch = tuple(batch)
            yield _prepared(batch, self.class_weights)


class DatasetFeed(Feed):
    """Batches of a `kerata.data.Dataset`, or what can be read like one from any place on.

    They are made, and brought to the device, in other threads while steps run.

    Args:
        source: the data set; it has `cardinality()`, `next_pass` and
            `iterate(number, start, transform)`.
        class_weights: `ClassWeights`, or None.
    """

    def __init__(self, source, *, class_weights=None):
        count = source.cardinality()
        if count == 0:
            raise _no_batches(source)
        self.source = source
        self.infinite = count == ENDLESS
        self.num_batches = count if count > 0 else None
        self.single_samples = not getattr(source, "_batched", True)
        self.seed = (source.next_pass,)
        self.class_weights = class_weights

    def batches(self, number: int, start: int = 0) -> Iterator:
        return self.source.iterate(self.seed[0] + number, start, self._on_device)

    def _on_device(self, batch):
        batch = _prepared(batch, self.class_weights)
        # With a distribution each device gets a part, later. What is prepared on the host stays
        # there as it is: devices have integers of 32 bits only.
        if placement.current.distribution is not None or self.prepare is not None:
            return batch
        return jax.tree_util.tree_map(_put, batch)


def _put(leaf):
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "OSU":
        return jax.device_put(leaf)
    return leaf


def _no_batches(source) -> ValueError:
    return ValueError(
        f"The data must hold at least one batch.\nReceived: {type(source).__name__} of length 0"
    )


def _prepared(batch, class_weights):
    if isinstance(batch, list):
        raise ValueError(
            "A batch must be a tuple: (x,), (x, y) or (x, y, sample_weight); a list means several "
            f"inputs.\nReceived: a list of {len(batch)} elements\n"
            "Yield `x, y` in place of `[x, y]`."
        )
    batch = plain_batch(batch)
    return batch if class_weights is None else class_weights.apply(batch)


def is_array(x) -> bool:
    """Return whether `x` counts as an array of samples, not as a source of batches."""
    if isinstance(x, (np.ndarray, np.generic, jax.Array, bool, int, float, complex, str, bytes)):
        return True
    if isinstance(x, type) or isinstance(x, (PyDataset, Iterator)):
        return False
    return is_pandas(x) or hasattr(x, "tocsr") or (hasattr(x, "shape") and hasattr(x, "dtype"))


def make_feed(
    x,
    y=None,
    sample_weight=None,
    *,
    batch_size=None,
    shuffle=False,
    class_weight=None,
    seed=(0,),
    text=False,
    if_arrays=False,
) -> Feed:
    """Return the feed for what a user gave to `fit`, `evaluate` or `predict`.

    Args:
        x: array, structure of arrays, `PyDataset`, or any iterable of batches.
        y: targets, for arrays only.
        sample_weight: weights of samples, for arrays only.
        batch_size: samples in a batch, for arrays only; 32 if None.
        shuffle: see `ArrayFeed`.
        class_weight: dict from class index to weight, or None.
        seed: integers that the order follows from.
        text: whether `x` may hold text.
        if_arrays: whether `batch_size` is meant in case that there are arrays.

    Raises:
        ValueError, TypeError: if the data cannot be what it has to be; see `checks`.
    """
    class_weights = None if class_weight is None else ClassWeights(class_weight)
    if isinstance(x, Feed):
        return x
    if tree.is_nested(x) or is_array(x) or x is None:
        x, y, sample_weight = (as_arrays(part) for part in (x, y, sample_weight))
        for name, leaf in checks.named_leaves(x, y, sample_weight):
            checks.check_leaf(name, leaf, text)
        return ArrayFeed(
            x, y, sample_weight, batch_size=batch_size or 32, shuffle=shuffle, seed=seed,
            class_weights=class_weights,
        )  # fmt: skip
    if isinstance(x, type) or not (isinstance(x, Iterable) or hasattr(x, "__getitem__")):
        raise ValueError(
            "`x` must be an array, a structure of arrays, a kerata.utils.PyDataset or an iterable "
            f"of batches.\nReceived: {x!r}, of type {type(x).__name__}"
            + ("\nCall it, if that gives batches: x()." if callable(x) else "")
        )
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            raise ValueError(
                f"`{name}` must not be given beside an `x` that yields batches.\n"
                f"Received: x of type {type(x).__name__}, and {name}\n"
                "Let each batch be (x, y) or (x, y, sample_weight)."
            )
    if hasattr(x, "iterate") and hasattr(x, "next_pass"):
        if batch_size is not None and not if_arrays:
            checks.warn_of_batch_size(batch_size)
        return DatasetFeed(x, class_weights=class_weights)
    if isinstance(x, PyDataset):
        return PyDatasetFeed(x, shuffle=shuffle, seed=seed, class_weights=class_weights)
    return IterableFeed(x, class_weights=class_weights)


def as_arrays(structure):
    """Return a user's structure of arrays with its leaves as arrays of NumPy or JAX."""

    def convert(leaf):
        return leaf if hasattr(leaf, "tocsr") else plain_array(leaf)

    return tree.map_structure(convert, structure)


class Stream:
    """A place in a feed, which moves on as batches are taken.

    Args:
        feed: the feed.
        number: the pass to begin in.
        position: how many batches of that pass have been taken already.
    """

    def __init__(self, feed: Feed, number: int = 0, position: int = 0):
        self.feed = feed
        self.number = number
        self.position = position
        self._iterator: Iterator | None = None
        self._ahead: list = []  # a batch that was looked at, not taken

    def state(self) -> dict:
        """Return the place: {"pass": ..., "position": ...}."""
        return {"pass": self.number, "position": self.position}

    def has_more(self) -> bool:
        """Return whether there is a batch to take, in this pass or the next one."""
        if not self._ahead:
            batch = self._fetch()
            if batch is not _END:
                self._ahead.append(batch)
        return bool(self._ahead)

    def peek(self):
        """Return the next batch without taking it.

        Raises:
            ValueError: if there is none.
        """
        if not self.has_more():
            raise ValueError(
                "The data must hold at least one batch.\n"
                f"Received: a {type(getattr(self.feed, 'source', self.feed)).__name__} that yields "
                "none\nA generator yields its batches only once: make it anew."
            )
        if self._ahead[0] is None:
            raise ValueError(
                "A batch must be x, (x,), (x, y) or (x, y, sample_weight).\nReceived: None\n"
                "Is a `return` missing in what makes the batches?"
            )
        return self._ahead[0]

    def take(self, limit: int | None = None) -> Iterator:
        """Yield the next `limit` batches, or all that are left; fewer where the pass ends before.

        A pass that is over when this begins is followed by the next one, if there is one.
        """
        taken = 0
        while limit is None or taken < limit:
            if self._ahead:
                batch = self._ahead.pop()
            elif taken and self._iterator is not None:
                batch = next(self._iterator, _END)
            else:
                batch = self._fetch()
            if batch is _END:
                self._end()
                return
            taken += 1
            self.position += 1
            yield batch
        if self.position == self.feed.num_batches:
            self._end()

    def _fetch(self):
        """Return the next batch, if need be of the next pass."""
        if self._iterator is None:
            self._begin()
        assert self._iterator is not None
        batch = next(self._iterator, _END)
        if batch is _END and self.position and not self.feed.one_shot:
            self._end()
            return self._fetch()
        return batch

    def _begin(self) -> None:
        if not self.position:
            self.feed.on_pass_begin()
        self._iterator = iter(self.feed.batches(self.number, self.position))
        if self.feed.prepare is not None:
            self._iterator = map(self._prepared, self._iterator)

    def _prepared(self, batch):
        assert self.feed.prepare is not None
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        return pack_x_y_sample_weight(self.feed.prepare(x), y, sample_weight)

    def _end(self) -> None:
        self.feed.on_pass_end()
        self._iterator = None
        self.number += 1
        self.position = 0


_END = object()
