"""Data sets whose elements can be read in any order: Grain's `MapDataset`, extended.

Where such an iterator stands is one number, whatever the number of threads that read for it.
"""

from collections.abc import Callable, Sequence

import grain
import numpy as np

from kerata.data.elements import frozen, leaves_of, map_leaves, stack
from kerata.engine.rng import ElementSeeds


class Node(grain.MapDataset):
    """A data set with `len()` and elements by their index.

    Args:
        *parents: the data sets that it reads.
        threads: how many elements are made at the same time when it is iterated over.
        ahead: how many elements may wait, ready.
    """

    def __init__(self, *parents: "Node", threads: int = 0, ahead: int = 0):
        super().__init__(parents)
        self.threads = max([threads, *(getattr(p, "threads", 0) for p in parents)])
        self.ahead = max([ahead, *(getattr(p, "ahead", 0) for p in parents)])

    def __len__(self) -> int:
        return len(self._parent)

    def gather(self, indices: np.ndarray):
        """Return the elements at `indices` as one batch."""
        return stack([self[int(i)] for i in indices])


def gather(node: grain.MapDataset, indices: np.ndarray):
    """Return elements of any `MapDataset` as one batch."""
    return node.gather(indices) if isinstance(node, Node) else Node.gather(node, indices)  # type: ignore[arg-type]


def origins(node) -> np.ndarray | None:
    """Return the number of the row that each element is made of; None where rows are mixed."""
    if isinstance(node, Slices):
        return np.arange(len(node))
    if not isinstance(node, (Reordered, Mapped, Ahead)):
        return None
    found = origins(node._parent)
    return found[node.order] if found is not None and isinstance(node, Reordered) else found


class Slices(Node):
    """Rows of arrays.

    Args:
        arrays: structure of arrays (or lists) of one length.
    """

    def __init__(self, arrays):
        super().__init__()
        self.arrays = arrays
        self.length = len(leaves_of(arrays)[0])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index):
        return map_leaves(lambda array: array[index], self.arrays)

    def gather(self, indices):
        return map_leaves(lambda array: array[indices], self.arrays)


class Reordered(Node):
    """Elements of a parent in another order, some of them or some repeatedly."""

    def __init__(self, parent, order: np.ndarray):
        super().__init__(parent)
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index):
        return self._parent[int(self.order[index])]

    def gather(self, indices):
        return gather(self._parent, self.order[indices])


class Mapped(Node):
    """`function(element, index)` of each element."""

    def __init__(self, parent, function: Callable, threads: int = 0):
        super().__init__(parent, threads=threads)
        self.function = function

    def __getitem__(self, index):
        return self.function(self._parent[index], index)


class Ahead(Node):
    """The same elements, made before they are asked for."""

    def __init__(self, parent, ahead: int):
        super().__init__(parent, threads=1, ahead=ahead)

    def __getitem__(self, index):
        return self._parent[index]

    def gather(self, indices):
        return gather(self._parent, indices)


class Batched(Node):
    """Batches of `size` elements; the last may be smaller."""

    def __init__(self, parent, size: int, drop_remainder: bool, join: Callable | None = None):
        super().__init__(parent)
        self.size = size
        self.join = join
        self.length = len(parent) // size if drop_remainder else -(-len(parent) // size)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index):
        low = index * self.size
        indices = np.arange(low, min(low + self.size, len(self._parent)))
        if self.join is None:
            return gather(self._parent, indices)
        return self.join([self._parent[int(i)] for i in indices])


class Zipped(Node):
    """Elements of several data sets side by side: as many as the shortest has."""

    def __init__(self, structure):
        super().__init__(*leaves_of(structure))
        self.structure = structure

    def __len__(self) -> int:
        return min(len(parent) for parent in self._parents)

    def __getitem__(self, index):
        return map_leaves(lambda parent: parent[index], self.structure)

    def gather(self, indices):
        return map_leaves(lambda parent: gather(parent, indices), self.structure)


class Joined(Node):
    """The elements of one data set, then those of the next."""

    def __init__(self, parents: Sequence):
        super().__init__(*parents)
        self.ends = np.cumsum([len(parent) for parent in parents])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index):
        which = int(np.searchsorted(self.ends, index, side="right"))
        start = int(self.ends[which - 1]) if which else 0
        return self._parents[which][index - start]


class Kept(Node):
    """Elements that are made once and then kept in a store (see `stores`)."""

    def __init__(self, parent, store):
        super().__init__(parent)
        self.store = store

    def __getitem__(self, index):
        element = self.store.get(index)
        if element is None:
            element = self._parent[index]
            self.store.put(index, element)
            self.store.finish(len(self._parent))
        return frozen(element)


class UserFunction:
    """A user's function as part of a data set: `function(element, index)`.

    Random layers in it draw numbers that follow from their seed, the pass over the data and the
    element's index alone, so that threads make the same elements in whatever order they work.

    Args:
        function: called with an element; with the parts of a tuple one by one.
        method: the method of `Dataset` that it was given to, for errors.
        epoch: which pass over the data this is.
        convert: what to do with its result.
        seed: stands for the seed of random functions that are given none.
    """

    def __init__(
        self, function: Callable, method: str, epoch: tuple, convert: Callable, seed: int = 0
    ):
        self.function = function
        self.method = method
        self.epoch = epoch
        self.convert = convert
        self.seed = seed

    def __call__(self, element, index):
        arguments = element if type(element) is tuple else (element,)
        try:
            with ElementSeeds((*self.epoch, int(index)), self.seed):
                return self.convert(self.function(*arguments))
        except Exception as error:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            error.add_note(f"Raised by {name} in Dataset.{self.method}() for element {index}.")
            if isinstance(error, TypeError) and "positional argument" in str(error):
                count = len(arguments)
                what = f"{count} arguments, the parts of a tuple" if count > 1 else "one argument"
                error.add_note(f"It is called with {what}.")
            if self.method == "filter" and "truth value" in str(error):
                error.add_note("It must say one thing of an element; for parts of batches, "
                               "unbatch() first.")  # fmt: skip
            if "read-only" in str(error):
                error.add_note("Its arrays are the data themselves: change a .copy() of them.")
            raise
