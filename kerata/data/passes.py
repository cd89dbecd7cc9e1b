"""What a data set is read by: passes over its elements, its length, what its elements are like."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerata.data import elements, steps, streams
from kerata.data.iterating import DatasetIterator
from kerata.data.sources import INFINITE, UNKNOWN, Sources
from kerata.engine.errors import positive_int, reword, reworded


class Passes(Sources):
    """Base of `Dataset`: how it is read."""

    def __iter__(self) -> "DatasetIterator":
        return DatasetIterator(self, self._next_pass())

    def _next_pass(self) -> int:
        self._passes[0] += 1
        return self._passes[0] - 1

    def as_numpy_iterator(self) -> Iterator:
        """Return an iterator over the elements as plain NumPy arrays and strings."""
        found = self.iterate(self._next_pass())
        return map(functools.partial(elements.map_leaves, _plain), found)

    def iterate(
        self, number: int, start: int = 0, transform: Callable | None = None
    ) -> Iterator[Any]:
        """Yield the elements of pass `number` from place `start` on.

        Args:
            number: which pass; the order follows from it.
            start: how many elements to leave out.
            transform: function of an element, which is called in another thread, ahead of time.
        """
        self._passes[0] = max(self._passes[0], number + 1)
        pipeline = self._make((number,))
        if start:
            pipeline = steps.part(pipeline, slice(start, None), streams.skipped, start)
        if transform is not None:
            pipeline = steps.ahead(steps.mapped(pipeline, lambda element, _: transform(element)), 2)
        iterator = streams.open_iterator(pipeline)
        try:
            yield from iterator
        except Exception as error:
            reword(error)
            raise
        finally:
            iterator.close()

    @property
    def next_pass(self) -> int:
        """The number of the pass that begins next."""
        return self._passes[0]

    def cardinality(self) -> int:
        """Return the number of elements; `INFINITE` (-1), or `UNKNOWN` (-2) before a pass."""
        return self._length

    def __len__(self) -> int:
        if self._length >= 0:
            return self._length
        what = "has no end" if self._length == INFINITE else "is not known before a pass over it"
        raise TypeError(f"The length of the Dataset {what}.\nAsk for `cardinality()`.")

    def __bool__(self) -> bool:
        return True

    @property
    @reworded
    def element_spec(self):
        """`TensorSpec`s of an element, as the first one is; None where batches may differ."""
        if self._spec is None:
            first = next(streams.open_iterator(self._make((0,))), None)
            if first is None:
                raise ValueError("The elements of an empty Dataset have no shape.")
            self._spec = elements.spec_of(first, bool(self._batched))
        return self._spec

    def __repr__(self) -> str:
        length = {INFINITE: "infinite", UNKNOWN: "unknown"}.get(self._length, self._length)
        batches = f", batch_size={self._batched}" if self._batched else ""
        return f"<Dataset length={length}{batches}>"

    def show(self, count: int = 9):
        """Draw a few samples with their labels: pictures, curves or text.

        Args:
            count: how many.

        Returns:
            The matplotlib figure; None where the samples are text, which is printed.
        """
        from kerata.data.showing import show

        return show(self, positive_int("count", count, "show()"))


def _plain(leaf):
    return np.asarray(leaf)[()] if hasattr(leaf, "dtype") else leaf
