"""`Dataset`: batches for training, made step by step from whatever the data are."""

from collections.abc import Callable
from typing import Any

import grain
import numpy as np

from kerata.data import elements, nodes, steps, streams
from kerata.data.passes import Passes
from kerata.data.sources import INFINITE, UNKNOWN
from kerata.data.steps import AUTOTUNE
from kerata.data.stores import FileStore, MemoryStore
from kerata.engine.errors import argument_error, non_negative_int, positive_int, warn
from kerata.engine.rng import make_default_seed


class Dataset(Passes):
    """A sequence of elements, read anew in each pass, transformed step by step.

    An element is an array, a string, or a tuple or dict of such; where it is a tuple, functions
    get its parts as arguments. Each method returns a new data set and leaves this one as it is.
    Functions given to `map` and the others get NumPy arrays, and may use NumPy, `kerata.ops` and
    layers; what one yields answers to `np.asarray`, `.numpy()` and `.shape`.

    Everything is reproducible: the order and the random numbers in a pass follow from the seeds
    and from the number of the pass, not from the number of threads. Data sets whose elements can
    be read in any order (from arrays and files, until `filter`, `repeat` and the like) are
    shuffled as a whole, and go on at any place at once.

    Data sets are made by `from_tensor_slices`, `from_generator`, `range`, `list_files`,
    `from_csv`, `from_dataframe`, `from_grain`, and by the loaders of `kerata.utils`.

    Example:
        >>> data = kerata.data.Dataset.from_tensor_slices(([1.0, 2.0, 3.0], [0, 1, 0]))
        >>> data = data.map(lambda x, y: (10 * x, y)).batch(2)
        >>> for x, y in data:
        ...     print(x, y)
        [10. 20.] [0 1]
        [30.] [0]
    """

    def _then(self, make, length: int | None = None) -> "Dataset":
        """Return the data set whose pass is `make(epoch, what this makes)`."""
        return Dataset(
            lambda epoch: make(epoch, self._make(epoch)),
            self._length if length is None else length,
            (self,),
        )

    def _stream(self, body, *arguments, length: int = UNKNOWN, **memory) -> "Dataset":
        """Return the data set that `body` makes of this one."""
        return self._then(lambda epoch, p: steps.streamed(p, body, *arguments, **memory), length)

    @staticmethod
    def zip(*datasets) -> "Dataset":
        """Return the data set whose elements are those of several, side by side.

        Args:
            *datasets: data sets; or one tuple, list or dict of them.

        Raises:
            TypeError: if they are not.
        """
        structure = datasets[0] if len(datasets) == 1 else datasets
        structure = tuple(structure) if isinstance(structure, list) else structure
        parents = tuple(elements.leaves_of(structure))
        if not all(isinstance(parent, Dataset) for parent in parents):
            must = "be data sets, or one tuple or dict of them"
            raise argument_error("datasets", must, structure, "zip()", TypeError)

        def make(epoch):
            parts = elements.map_leaves(lambda d: d._make(epoch), structure)
            leaves = elements.leaves_of(parts)
            if all(isinstance(leaf, grain.MapDataset) for leaf in leaves):
                return nodes.Zipped(parts)
            numbers = iter(range(len(leaves)))
            places = elements.map_leaves(lambda _: next(numbers), parts)
            return streams.Stream(
                streams.zipped, places,
                open_children=lambda memory: [streams.open_iterator(leaf) for leaf in leaves],
            )  # fmt: skip

        lengths = [p._length for p in parents]
        finite = [n for n in lengths if n != INFINITE]
        known = UNKNOWN if UNKNOWN in lengths else min(finite, default=INFINITE)
        return Dataset(make, known, parents)

    def concatenate(self, dataset: "Dataset") -> "Dataset":
        """Return the elements of this data set, then those of another."""

        def make(epoch):
            parts = [d._make(epoch) for d in (self, dataset)]
            if all(isinstance(part, grain.MapDataset) for part in parts):
                return nodes.Joined(parts)
            return streams.Stream(
                streams.joined, len(parts),
                open_children=lambda memory: [streams.open_iterator(parts[memory["which"]])],
                which=0,
            )  # fmt: skip

        both = (self._length, dataset._length)
        known = next((n for n in (INFINITE, UNKNOWN) if n in both), sum(both))
        return Dataset(make, known, (self, dataset))

    # Elements.

    def map(
        self, map_func: Callable, num_parallel_calls: int | None = None, deterministic=None
    ) -> "Dataset":
        """Return the data set of `map_func(element)`.

        Args:
            map_func: function of an element, or of the parts of a tuple.
            num_parallel_calls: how many threads call it at the same time; `AUTOTUNE` chooses; none
                if None. They change nothing but the time that it takes.
            deterministic: accepted for compatibility: the order is always that of the elements.
        """
        _check_function("map_func", map_func, "map()")
        threads, seed = steps.threads_of(num_parallel_calls, "map"), make_default_seed()

        def make(epoch, parent):
            function = nodes.UserFunction(map_func, "map", epoch, elements.returned, seed)
            return steps.mapped(parent, function, threads)

        return self._then(make)

    def filter(self, predicate: Callable) -> "Dataset":
        """Return the elements of which `predicate(element)` is true."""

        _check_function("predicate", predicate, "filter()")

        def make(epoch, parent):
            test = nodes.UserFunction(predicate, "filter", epoch, bool)
            return steps.streamed(parent, streams.filtered, test, index=0)

        return self._then(make, UNKNOWN)

    def enumerate(self, start: int = 0) -> "Dataset":
        """Return the data set of pairs `(number, element)`, counted from `start`."""

        def number(element, index):
            return np.int64(start + index), element

        return self._then(lambda epoch, parent: steps.mapped(parent, number))

    # Batches.

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls=None,
        deterministic=None,
    ) -> "Dataset":  # fmt: skip
        """Return batches of elements, with a first axis for the samples.

        Args:
            batch_size: elements in a batch.
            drop_remainder: whether to leave out a last batch that is smaller.
            num_parallel_calls: how many threads make batches at the same time; see `map`.
            deterministic: accepted for compatibility.

        Raises:
            ValueError: (in a pass) if elements have different shapes.
        """
        if self._batched:
            warn(
                "batch() is called on a data set of batches: each element will be a batch of "
                "batches.\nLeave out one of the two calls (loaders such as "
                "image_dataset_from_directory() make batches of `batch_size`), or use rebatch().",
            )
        return self._grouped(batch_size, drop_remainder, None, num_parallel_calls)

    def padded_batch(
        self, batch_size: int, padded_shapes=None, padding_values=None, drop_remainder: bool = False
    ) -> "Dataset":
        """Return batches of elements of different sizes, padded at their ends.

        Args:
            batch_size: elements in a batch.
            padded_shapes: structure of shapes to pad to; None, as a shape or in one, means the
                largest size in the batch.
            padding_values: what to pad with, or a structure of such; 0 and "" if None.
            drop_remainder: whether to leave out a last batch that is smaller.
        """

        def join(found):
            return elements.pad(found, padded_shapes, padding_values)

        return self._grouped(batch_size, drop_remainder, join)

    def _grouped(self, batch_size, drop_remainder, join, num_parallel_calls=None) -> "Dataset":
        size = positive_int("batch_size", batch_size, "batch()")
        threads = steps.threads_of(num_parallel_calls, "batch")

        def make(epoch, parent):
            if isinstance(parent, grain.MapDataset):
                made = nodes.Batched(parent, size, drop_remainder, join)
                made.threads = max(made.threads, threads)
                return made
            return steps.streamed(
                parent, streams.batched, size, drop_remainder, join or elements.stack
            )

        count = self._length
        if count >= 0:
            count = count // size if drop_remainder else -(-count // size)
        made = self._then(make, count)
        made._batched = size
        return made

    def unbatch(self) -> "Dataset":
        """Return the samples of batches one by one."""
        made = self._stream(streams.unbatched)
        made._batched = 0
        return made

    def rebatch(self, batch_size: int, drop_remainder: bool = False) -> "Dataset":
        """Return batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(
        self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False
    ) -> "Dataset":
        """Return windows: each is a data set of `size` elements (of tuples, a tuple of data sets).

        Args:
            size: elements in a window.
            shift: elements from the beginning of one to that of the next; `size` if None.
            stride: elements from one to the next in a window.
            drop_remainder: whether to leave out the last windows, which are smaller.
        """
        shift = size if shift is None else shift
        for name, value in (("size", size), ("shift", shift), ("stride", stride)):
            positive_int(name, value, "window()")

        def pack(found):
            return elements.map_leaves(lambda *leaves: _listed(leaves), *found)

        return self._stream(streams.windows, size, shift, stride, drop_remainder, pack)

    # Order and number.

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True
    ) -> "Dataset":
        """Return the elements in random order.

        Args:
            buffer_size: for data that are read from the beginning on, from a generator for
                example: how many elements change places with each other, and are held in memory
                for it. Elements that can be read in any order are shuffled as a whole; 1 leaves
                all in order.
            seed: integer that the order follows from.
            reshuffle_each_iteration: whether each pass has an order of its own.
        """
        buffer_size = positive_int("buffer_size", buffer_size, "shuffle()")
        own = make_default_seed() if seed is None else int(seed) & 0xFFFFFFFF

        def make(epoch, parent):
            key = (own, *epoch) if reshuffle_each_iteration else (own,)
            if buffer_size == 1:
                return parent
            if isinstance(parent, grain.MapDataset):
                order = np.random.default_rng(key).permutation(len(parent))
                return nodes.Reordered(parent, order)
            return steps.streamed(parent, streams.shuffled, buffer_size, key, window=0)

        made = self._then(make)
        made._reshuffled = reshuffle_each_iteration
        return made

    def repeat(self, count: int | None = None) -> "Dataset":
        """Return the elements `count` times; without end if None or -1."""
        times = None if count in (None, -1) else non_negative_int("count", count, "repeat()")

        def make(epoch):
            def open_children(memory):
                return [streams.open_iterator(self._make((*epoch, memory["which"])))]

            return streams.Stream(
                streams.repeated, times, open_children=open_children, which=0, found=0
            )

        known = self._length
        if times is None:
            known = INFINITE if known else 0
        elif known > 0:
            known *= times
        elif times == 0:
            known = 0
        return Dataset(make, known, (self,))

    def take(self, count: int) -> "Dataset":
        """Return the first `count` elements; all if it is -1."""
        if count == -1:
            return self
        count = non_negative_int("count", count, "take()")
        return self._part(slice(None, count), streams.taken, count)

    def skip(self, count: int) -> "Dataset":
        """Return all elements but the first `count`."""
        count = non_negative_int("count", count, "skip()")
        if self._reshuffled and count:
            warn(
                "skip() comes after shuffle(): it leaves out other elements in each pass, so that "
                "take() and skip() share samples.\nTo part the data, use split(), or "
                "shuffle(..., reshuffle_each_iteration=False).",
            )
        return self._part(slice(count, None), streams.skipped, count)

    def shard(self, num_shards: int, index: int) -> "Dataset":
        """Return every `num_shards`-th element, from number `index` on."""
        num_shards = positive_int("num_shards", num_shards, "shard()")
        if not 0 <= index < num_shards:
            raise argument_error("index", f"lie in [0, {num_shards})", index, "shard()")

        def mine(element, number):
            return number % num_shards == index

        return self._part(slice(index, None, num_shards), streams.filtered, mine)

    def _part(self, part: slice, body, argument) -> "Dataset":
        """Return the elements in a slice, or what `body` takes of them."""

        def make(epoch, parent):
            return steps.part(parent, part, body, argument)

        known = self._length
        if known >= 0:
            known = len(range(known)[part])
        elif known == INFINITE and part.stop is not None:
            known = part.stop
        return self._then(make, known)

    def split(self, left_size, shuffle: bool = False, seed: int | None = None):
        """Return two data sets that share no element.

        The elements are parted by their order in the first pass; what one part holds stays the
        same. Its order and random numbers are those of each pass, where elements can be read in
        any order; where not, and after `shuffle().batch()`, always those of the first: then
        split first, and shuffle the parts.

        Args:
            left_size: elements in the first one: a share in (0, 1), or a number.
            shuffle: whether to choose them at random.
            seed: integer that the choice follows from.

        Raises:
            ValueError: if one part would be empty.
        """
        from kerata.data.splitting import sizes

        count = self._length
        if count == INFINITE:
            raise ValueError("split() needs a data set with an end.\nUse take() before.")
        if count == UNKNOWN:
            count = sum(1 for _ in self.iterate(0))
        left, _ = sizes(left_size, None, count, "split()")
        fixed, first = self, self._make((0,))
        if self._reshuffled or not isinstance(first, grain.MapDataset):
            rows = nodes.origins(first)
            if rows is not None and len(np.unique(rows)) == count:
                if shuffle:
                    own = make_default_seed() if seed is None else seed
                    rows = np.random.default_rng(own).permutation(rows)
                return self._of_rows(rows[:left]), self._of_rows(rows[left:])
            if self._reshuffled:
                warn(
                    "split() comes after shuffle() of data that cannot be told apart any more: the "
                    "parts have the same order and random numbers in each pass.\nCall split() "
                    "before, and shuffle() for the part to train on.",
                )
            fixed = Dataset(lambda epoch: self._make((0,)), count, (self,))
            fixed._reshuffled = False
        if shuffle:
            fixed = fixed.shuffle(count, seed, reshuffle_each_iteration=False)
        return fixed.take(left), fixed.skip(left)

    def _of_rows(self, rows: np.ndarray) -> "Dataset":
        """Return the elements made of certain rows, in the order of each pass."""

        def make(epoch, parent):
            return nodes.Reordered(parent, np.flatnonzero(np.isin(nodes.origins(parent), rows)))

        return self._then(make, len(rows))

    # Data sets of data sets.

    def flat_map(self, map_func: Callable) -> "Dataset":
        """Return the elements of the data sets `map_func(element)`, one after another."""
        return self._interleaved(map_func, 1, 1, 0, "flat_map")

    def interleave(
        self, map_func: Callable, cycle_length: int | None = None, block_length: int = 1,
        num_parallel_calls: int | None = None, deterministic=None,
    ) -> "Dataset":  # fmt: skip
        """Return the elements of the data sets `map_func(element)`, some of each in turn.

        Args:
            map_func: function from an element to a data set.
            cycle_length: how many data sets are read by turns; the number of processors if None.
            block_length: how many elements come from each at a time.
            num_parallel_calls: if given, elements are read before they are asked for.
            deterministic: accepted for compatibility: the order is always the same.
        """
        cycle = steps.processors() if cycle_length in (None, -1) else cycle_length
        cycle = positive_int("cycle_length", cycle, "interleave()")
        block = positive_int("block_length", block_length, "interleave()")
        return self._interleaved(map_func, cycle, block, num_parallel_calls or 0, "interleave")

    def _interleaved(self, map_func, cycle, block, parallel, method) -> "Dataset":
        def make(epoch, parent):
            def opened(inner):
                if not isinstance(inner, Dataset):
                    raise TypeError(
                        f"{method}() needs a function that returns a Dataset.\n"
                        f"Received: {type(inner).__name__}"
                    )
                inner = inner.prefetch(block) if parallel else inner
                return streams.open_iterator(inner._make(epoch))

            function = nodes.UserFunction(map_func, method, epoch, opened)
            return steps.streamed(parent, streams.interleaved, function, cycle, block, index=0)

        return self._then(make, UNKNOWN)

    # Time.

    def cache(self, filename: str = "") -> "Dataset":
        """Return the elements of the first pass, each of which is made once and then kept.

        What comes before has the same order and random numbers in each pass from here on; what
        comes after, `shuffle` or a random `map`, does not.

        Args:
            filename: a `.npz` file to keep them in, for later runs, too; in memory if empty. It is
                complete, and used, after a whole pass.
        """
        store: Any = FileStore(filename) if filename else MemoryStore()

        def make(epoch):
            # Of one pass, whichever asks for them: elements of two would not fit together.
            parent = self._make((0,))
            if isinstance(parent, grain.MapDataset):
                return nodes.Kept(parent, store)
            return steps.streamed(parent, streams.kept, store, index=0, read=0)

        made = Dataset(make, self._length, (self,))
        made._reshuffled = False
        return made

    def prefetch(self, buffer_size: int = AUTOTUNE, workers: int = 0) -> "Dataset":
        """Return the same elements; up to `buffer_size` are made before they are asked for.

        Args:
            buffer_size: how many elements may wait; with workers, for each of them.
            workers: how many processes make them. 0 for a thread, which is mostly enough: NumPy,
                JAX and the reading of pictures let others work meanwhile. Processes pay where
                functions are slow in Python itself. They are started anew in each pass, which
                takes seconds, and get a copy of all data that the elements are made of. What
                starts them must be under `if __name__ == "__main__":` in a program's file.

        Raises:
            ValueError: (in a pass) if workers are to make elements that can only be read in order:
                call it before `filter`, `repeat` and the like.
        """
        size = 2 if buffer_size == AUTOTUNE else buffer_size
        size = non_negative_int("buffer_size", size, "prefetch()")
        if not non_negative_int("workers", workers, "prefetch()"):
            return self._then(lambda epoch, parent: steps.ahead(parent, size)) if size else self

        def make(epoch, parent):
            if not isinstance(parent, grain.MapDataset):
                raise ValueError(
                    "prefetch() with workers needs elements that can be read in any order.\n"
                    f"Received: workers={workers}, for a data set that is read in order\n"
                    "Call it before filter(), repeat() and the like; for generators leave "
                    "`workers` out."
                )
            return streams.Stream(
                streams.in_processes, parent, workers, max(size, 1),
                open_children=lambda memory: [], index=0,
            )  # fmt: skip

        return self._then(make)


def _listed(leaves) -> Dataset:
    """Return the data set of leaves that may differ in shape."""
    return Dataset.range(len(leaves)).map(lambda index: leaves[index])


def _check_function(name, function, method) -> None:
    if not callable(function):
        raise argument_error(name, "be a function of an element", function, method, TypeError)
