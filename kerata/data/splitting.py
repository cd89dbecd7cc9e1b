"""One data set made into two."""

import numbers

import numpy as np

from kerata.data.dataset import Dataset
from kerata.data.elements import as_element, stack
from kerata.data.sources import INFINITE
from kerata.engine.errors import argument_error


def split_dataset(
    dataset, left_size=None, right_size=None, shuffle=False, seed=None, preferred_backend=None
):
    """Split data into two parts, for training and for validation.

    Args:
        dataset: array, tuple or list of arrays of one length; a `Dataset`; or any collection or
            iterable of samples, of torch's or TensorFlow's for example.
        left_size: size of the first part: a share in (0, 1), or a number of samples.
        right_size: size of the second part; what the first one leaves if None.
        shuffle: whether to choose at random; otherwise the first part holds the first samples.
        seed: integer that the choice follows from.
        preferred_backend: accepted for compatibility.

    Returns:
        Two `Dataset`s, in batches if `dataset` was one in batches.

    Raises:
        ValueError: if the sizes do not fit the data.
        TypeError: if it is no data.

    Example:
        >>> left, right = kerata.utils.split_dataset(np.arange(10), left_size=0.8)
        >>> len(left), len(right)
        (8, 2)
    """
    samples, batch_size = _samples(dataset)
    count = len(samples)
    left, right = sizes(left_size, right_size, count, "split_dataset()")
    if shuffle:
        samples = samples.shuffle(count, seed, reshuffle_each_iteration=False)
    parts = samples.take(left), samples.skip(count - right)
    return tuple(part.batch(batch_size) if batch_size else part for part in parts)


def _samples(dataset) -> tuple[Dataset, int]:
    """Return the single samples of any kind of data, and how many were in a batch; 0 if none."""
    if isinstance(dataset, np.ndarray):
        return Dataset.from_tensor_slices(dataset), 0
    if isinstance(dataset, (list, tuple)):
        wrong = [type(a).__name__ for a in dataset if not hasattr(a, "shape")]
        if wrong or not dataset:
            must = "be a list or tuple of arrays"
            raise argument_error("dataset", must, wrong or dataset, "split_dataset()")
        return Dataset.from_tensor_slices(tuple(dataset)), 0
    size = 0
    if isinstance(dataset, Dataset):
        if dataset.cardinality() == INFINITE:
            raise ValueError("split_dataset() needs data with an end.\nUse take() before.")
        size = int(dataset._batched)
        found = list((dataset.unbatch() if size else dataset).iterate(0))
    else:
        indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        if not indexed and not hasattr(dataset, "__iter__"):
            must = "hold samples: arrays, a Dataset, or an iterable"
            raise argument_error("dataset", must, dataset, "split_dataset()", TypeError)
        items = (dataset[i] for i in range(len(dataset))) if indexed else iter(dataset)
        found = [as_element(item) for item in items]
    if not found:
        raise ValueError("split_dataset() needs at least one sample in each part. Received: none")
    return Dataset.from_tensor_slices(stack(found)), size


def sizes(left, right, count: int, owner: str) -> tuple[int, int]:
    """Return the numbers of samples in both parts."""

    def absolute(name, size):
        if size is None:
            return None
        whole = isinstance(size, numbers.Integral) and not isinstance(size, bool)
        if not whole and not isinstance(size, numbers.Real):
            must = "be a share, a number of samples, or None"
            raise argument_error(name, must, size, owner, TypeError)
        if not 0 < size < (count if whole else 1):
            must = f"be a share in (0, 1), or a number of samples below {count}"
            raise argument_error(name, must, size, owner)
        return size if whole else round(size * count)

    if left is None and right is None:
        raise ValueError(f"{owner} needs `left_size` or `right_size`.\nReceived: neither")
    first, second = absolute("left_size", left), absolute("right_size", right)
    first = count - second if first is None else first
    second = count - first if second is None else second
    if not first or not second or first + second > count:
        raise ValueError(
            f"{owner} needs samples for both parts, and there are {count}.\nReceived: "
            f"left_size={left}, right_size={right}: {first} and {second} samples"
        )
    return first, second
