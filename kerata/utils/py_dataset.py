"""PyDataset: batches by their index, read by several workers at once."""

import concurrent.futures
import itertools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kerata.engine.errors import non_negative_int, positive_int, warn


class PyDataset:
    """A data set that makes its batches one by one, each from its index.

    Subclasses write `__getitem__(self, index)`, which returns a batch: `(inputs,)`,
    `(inputs, targets)` or `(inputs, targets, sample_weights)`; and `__len__`, or the property
    `num_batches`, which is None for a data set without end. Since a batch is a function of its
    index, `fit` can shuffle them and read several at once, and their order stays reproducible.

    Args:
        workers: how many batches are made at the same time, in threads.
        use_multiprocessing: whether in processes instead. These are started afresh, so the data
            set must be picklable, and a script must start its work under
            `if __name__ == "__main__":`.
        max_queue_size: how many batches may wait, ready, to be used.

    Example:
        >>> import numpy as np
        >>> class Squares(kerata.utils.PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         x = np.arange(3.0) + 3 * index
        ...         return x, x**2
        >>> [y.tolist() for _, y in Squares()]
        [[0.0, 1.0, 4.0], [9.0, 16.0, 25.0]]
    """

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        self._workers = non_negative_int("workers", workers, self)
        self._use_multiprocessing = bool(use_multiprocessing)
        self._max_queue_size = non_negative_int("max_queue_size", max_queue_size, self)

    def _warn_if_super_not_called(self):
        if not hasattr(self, "_workers"):
            PyDataset.__init__(self)
            warn(
                f"{type(self).__name__}.__init__ should call super().__init__(**kwargs), which "
                "takes `workers`, `use_multiprocessing` and `max_queue_size`.",
            )

    @property
    def workers(self) -> int:
        """How many batches are made at the same time."""
        self._warn_if_super_not_called()
        return self._workers

    @workers.setter
    def workers(self, value):
        self._workers = positive_int("workers", value, self)

    @property
    def use_multiprocessing(self) -> bool:
        """Whether the workers are processes rather than threads."""
        self._warn_if_super_not_called()
        return self._use_multiprocessing

    @use_multiprocessing.setter
    def use_multiprocessing(self, value):
        self._use_multiprocessing = bool(value)

    @property
    def max_queue_size(self) -> int:
        """How many batches may wait to be used."""
        self._warn_if_super_not_called()
        return self._max_queue_size

    @max_queue_size.setter
    def max_queue_size(self, value):
        self._max_queue_size = non_negative_int("max_queue_size", value, self)

    def __getitem__(self, index: int):
        """Return the batch at `index`. Subclasses write this."""
        raise NotImplementedError(f"{type(self).__name__} must have a `__getitem__(self, index)`.")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None for a data set without end."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"{type(self).__name__} must have a `__len__(self)`, or a property `num_batches` "
            "(None for a data set without end)."
        )

    def __iter__(self):
        try:
            count = self.num_batches
        except NotImplementedError:
            count = None
        indices = itertools.count() if count is None else range(count)
        return (self[index] for index in indices)

    def on_epoch_begin(self):
        """Called before the first batch of each pass over the data."""

    def on_epoch_end(self):
        """Called after the last batch of each pass over the data."""


def read_in_order(dataset: PyDataset, indices: Iterable[int]) -> Iterator[Any]:
    """Yield `dataset[index]` for each of `indices`, made by its workers, in this order."""
    if dataset.workers <= 1 and not dataset.use_multiprocessing:
        yield from map(dataset.__getitem__, indices)
        return
    pool, get = _pool(dataset)
    waiting: deque = deque()
    try:
        for index in indices:
            waiting.append(pool.submit(get, index))
            if len(waiting) > max(dataset.max_queue_size, dataset.workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except concurrent.futures.BrokenExecutor as error:
        raise RuntimeError(
            f"The worker processes of {type(dataset).__name__} did not start or were killed.\n"
            'Start the work of a script under `if __name__ == "__main__":`, and see that the data '
            "set can be pickled; or use threads: use_multiprocessing=False."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(dataset: PyDataset) -> tuple[concurrent.futures.Executor, Callable]:
    workers = max(dataset.workers, 1)
    if not dataset.use_multiprocessing:
        return concurrent.futures.ThreadPoolExecutor(workers), dataset.__getitem__
    # Fresh processes: a fork of one in which JAX's threads run can hang.
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _hold, (dataset,)
    )
    return pool, _get


_held: PyDataset


def _hold(dataset: PyDataset) -> None:
    global _held
    _held = dataset


def _get(index: int):
    return _held[index]
