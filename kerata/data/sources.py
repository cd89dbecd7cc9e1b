"""Where data sets begin: arrays, generators, files, tables."""

import glob
import os
from collections.abc import Callable
from typing import Any, Self

import grain
import numpy as np

from kerata.data import elements, nodes, streams
from kerata.engine.errors import argument_error, reworded

# Numbers of elements that are none, as in TensorFlow.
INFINITE = -1
UNKNOWN = -2


class Sources:
    """What a `Dataset` is, and the class methods that make one."""

    class_names: list | None = None  # set by loaders, as the next two
    file_paths: list = []
    broken_files: list = []

    def __init__(
        self, make: Callable[[tuple], Any] | None = None, length: int = UNKNOWN, parents: tuple = ()
    ):  # fmt: skip
        if not callable(make):
            raise TypeError(
                "A Dataset is made by one of its class methods.\n"
                f"Received: Dataset({'...' if make is not None else ''})\nOf arrays: "
                "Dataset.from_tensor_slices((x, y)); also from_generator, from_csv, from_dataframe."
            )
        # `make(epoch)` returns the Grain data set of a pass. An epoch is a tuple of numbers: of
        # the pass, and of the repetitions in it.
        self._make = make
        self._length = length
        self._passes = parents[0]._passes if parents else [0]
        self._batched = max([p._batched for p in parents], default=0)  # samples in a batch
        self._reshuffled = any(p._reshuffled for p in parents)
        self._spec: Any = None

    @classmethod
    def from_tensor_slices(cls, tensors) -> Self:
        """Return the data set of the rows of arrays.

        Args:
            tensors: array or list `(samples, ...)`, or a tuple or dict of such, of one length.

        Raises:
            ValueError: if the lengths differ, or an array has no axes.
        """
        arrays = elements.as_element(tensors)
        leaves = elements.leaves_of(arrays)
        lengths = {len(leaf) if np.ndim(leaf) else None for leaf in leaves}
        if len(lengths) != 1 or None in lengths:
            raise ValueError(
                "from_tensor_slices() needs arrays of one length, the number of samples.\n"
                f"Received: {elements.describe(arrays)}\n"
                "For a single element, put it into a list or add an axis."
            )
        arrays = elements.frozen(elements.map_leaves(np.asarray, arrays))
        return cls(lambda epoch: nodes.Slices(arrays), len(leaves[0]))

    @classmethod
    def from_tensors(cls, tensors) -> Self:
        """Return the data set whose only element is `tensors`."""
        element = elements.frozen(elements.as_element(tensors))
        return cls(lambda epoch: nodes.Mapped(nodes.Slices([0]), lambda _, index: element), 1)

    @classmethod
    def range(cls, *args) -> Self:
        """Return the data set of the integers that Python's `range(*args)` yields."""
        numbers = np.arange(*args, dtype="int64")
        return cls(lambda epoch: nodes.Slices(numbers), len(numbers))

    @classmethod
    def from_generator(cls, generator, output_signature=None, args=None) -> Self:
        """Return the data set of what a generator yields, called anew in each pass.

        Args:
            generator: function of `args` that returns an iterator.
            output_signature: structure of objects with `shape` and `dtype` (`TensorSpec`,
                `KerasTensor`, arrays): what each element must be like, and is converted to.
            args: arguments of the function.

        Raises:
            TypeError: if `generator` is not callable.
            ValueError: (in a pass) if an element does not fit the signature.
        """
        if not callable(generator):
            raise TypeError(
                "from_generator() needs a function that returns an iterator, so that each pass "
                f"begins anew.\nReceived: generator={generator!r}\n"
                "Pass the generator function itself, or lambda: iter(data)."
            )

        def convert(element):
            element = elements.as_element(element)
            if output_signature is None:
                return element
            return elements.map_leaves(_fitted, element, output_signature)

        def make(epoch):
            return streams.Stream(
                streams.generated, lambda: iter(generator(*(args or ()))), convert,
                open_children=lambda memory: [], index=0,
            )  # fmt: skip

        return cls(make)

    @classmethod
    def from_grain(cls, dataset) -> Self:
        """Return the data set of a `grain.MapDataset` or `grain.IterDataset`."""
        known = isinstance(dataset, grain.MapDataset)
        return cls(lambda epoch: dataset, len(dataset) if known else UNKNOWN)

    @classmethod
    def list_files(cls, file_pattern, shuffle: bool = True, seed: int | None = None) -> Self:
        """Return the data set of the names of files.

        Args:
            file_pattern: pattern such as "images/*.png", or a list of patterns.
            shuffle: whether they come in another order in each pass, or sorted.
            seed: integer that the order follows from.

        Raises:
            ValueError: if there is no such file.
        """
        patterns = [file_pattern] if isinstance(file_pattern, (str, os.PathLike)) else file_pattern
        names = sorted({name for pattern in patterns for name in glob.glob(os.fspath(pattern))})
        if not names:
            raise argument_error(
                "file_pattern", "match at least one file", file_pattern, "list_files()"
            )
        found: Any = cls.from_tensor_slices(names)
        return found.shuffle(len(names), seed) if shuffle else found

    @classmethod
    @reworded
    def from_csv(
        cls, filename, label: str | None = None, columns=None, missing="error", delimiter=","
    ) -> Self:
        """Return the data set of the rows of a CSV file whose first line names the columns.

        Args:
            filename: path of the file.
            label: the column with the targets, if there is one.
            columns: the columns to use as inputs; all others if None.
            missing: what to do about missing values: "error", "drop" (leave out the rows), or a
                dict from columns to the values to put in their place.
            delimiter: what is between values.

        Returns:
            A `Dataset` of dicts from columns to numbers or strings; with `label`, of pairs of such
            a dict and a target.

        Raises:
            ValueError: if a column does not exist, or values are missing.
        """
        from kerata.data.tables import read_csv, table_arrays

        table = read_csv(filename, delimiter)
        return cls.from_tensor_slices(table_arrays(table, label, columns, missing, filename))

    @classmethod
    def from_dataframe(cls, frame, label: str | None = None, columns=None, missing="error") -> Self:
        """Return the data set of the rows of a pandas table: see `from_csv`."""
        from kerata.data.tables import read_frame, table_arrays

        table = read_frame(frame)
        return cls.from_tensor_slices(table_arrays(table, label, columns, missing, "the DataFrame"))


def _fitted(leaf, spec):
    """Return a generator's leaf in the dtype of its signature."""
    dtype = getattr(spec.dtype, "name", spec.dtype)
    if dtype != "string":
        leaf = np.asarray(leaf).astype(dtype)
    shape = None if spec.shape is None else tuple(spec.shape)
    came = np.shape(leaf)
    if shape is not None and (
        len(shape) != len(came) or any(s not in (None, c) for s, c in zip(shape, came))
    ):
        raise ValueError(
            "The elements of from_generator() must fit `output_signature`.\n"
            f"Received: an element of shape {came}, where the signature has {shape}"
        )
    return leaf
