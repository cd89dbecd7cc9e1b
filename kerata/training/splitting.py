"""Holding out a part of the samples."""

import numpy as np

from kerata.engine import tree
from kerata.training import checks
from kerata.training.feeding import as_arrays, is_array


def split(x, y, sample_weight, fraction):
    """Return the first samples of arrays, and the last `fraction` of them.

    Args:
        x: structure of arrays.
        y: likewise, or None.
        sample_weight: likewise, or None.
        fraction: in (0, 1).

    Returns:
        ((x, y, sample_weight), (x, y, sample_weight)).

    Raises:
        ValueError: if these are no arrays, or one part would be empty.
    """
    if (
        isinstance(fraction, bool)
        or not isinstance(fraction, (int, float, np.number))
        or not (0 <= fraction <= 1)
    ):
        raise ValueError(
            "`validation_split` must be a number between 0 and 1.\n"
            f"Received: validation_split={fraction!r}"
        )
    if not (tree.is_nested(x) or is_array(x)):
        raise ValueError(
            "`validation_split` works for arrays only.\n"
            f"Received: x of type {type(x).__name__}\n"
            "Pass the batches to validate on as `validation_data`."
        )
    parts = [as_arrays(part) for part in (x, y, sample_weight)]
    for name, leaf in checks.named_leaves(*parts):
        checks.check_leaf(name, leaf, text=True)
    length = checks.check_lengths(*parts)
    boundary = int(np.floor(length * (1.0 - fraction)))
    if boundary in (0, length):
        raise ValueError(
            f"validation_split={fraction} must leave samples on both sides.\n"
            f"Received: {length} samples, {boundary} of them for training and "
            f"{length - boundary} for validation\n"
            "Give more data or another fraction."
        )

    def cut(low, high):
        return tuple(
            tree.map_structure(lambda a: None if a is None else _rows(a, low, high), part)
            for part in parts
        )

    return cut(0, boundary), cut(boundary, length)


def _rows(array, low, high):
    return (array.tocsr() if hasattr(array, "tocsr") else array)[low:high]
