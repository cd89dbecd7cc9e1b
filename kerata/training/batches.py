"""What a batch is: inputs, targets, sample weights; and what its leaves become for a step."""

import numbers

import jax
import numpy as np

from kerata.engine import settings
from kerata.engine.errors import short
from kerata.utils.numerical import unpack_x_y_sample_weight


def batch_size(data) -> int | None:
    """Return the number of samples in a batch: the length of its first tensor with an axis."""
    for leaf in jax.tree_util.tree_leaves(data):
        shape = getattr(leaf, "shape", ())
        if shape:
            return shape[0]
    return None


def form(data) -> tuple:
    """Return the shapes and dtypes of a batch: what a program for it depends on."""
    leaves = jax.tree_util.tree_leaves(data)
    return tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)


def plain_array(leaf):
    """Return `leaf` as an array of NumPy or JAX: no copy where possible.

    Arrays stay; tensors of torch and its like, anything with `__array__`, become NumPy arrays,
    sparse matrices dense ones; pandas columns get a second axis. What is no array stays.
    """
    if isinstance(leaf, (np.ndarray, jax.Array, bool, int, float, str, bytes)) or leaf is None:
        return leaf
    if is_pandas(leaf):
        array = _of_frame(leaf) if hasattr(leaf, "columns") else leaf.to_numpy()
        return array[:, None] if array.ndim == 1 else array
    for to_dense in ("toarray", "todense"):  # scipy.sparse; jax.experimental.sparse
        if hasattr(leaf, to_dense) and not hasattr(leaf, "__array__"):
            return getattr(leaf, to_dense)()
    if hasattr(leaf, "detach"):  # torch
        leaf = leaf.detach().cpu()
    if hasattr(leaf, "__array__"):
        return np.asarray(leaf)
    return leaf.numpy() if hasattr(leaf, "numpy") else leaf


def _of_frame(frame):
    """Return a DataFrame as an array.

    Raises:
        ValueError: if some columns hold numbers, and some do not.
    """
    # (columns may have one name twice)
    # (a column of Python's numbers is told by what it holds)
    kinds = [
        "f" if kind == "O" and len(frame) and _all_numbers(frame.iloc[:, i]) else kind
        for i, kind in enumerate(getattr(dtype, "kind", "O") for dtype in frame.dtypes)
    ]
    others = [i for i, kind in enumerate(kinds) if kind not in "biuf"]
    if len(others) in (0, len(kinds)):
        array = frame.to_numpy()
        # Numbers beside booleans, or beside missing values of pandas's own kind.
        is_numbers = array.dtype == object and not others and len(kinds)
        return frame.to_numpy("float64", na_value=np.nan) if is_numbers else array
    column = frame.iloc[:, others[0]]
    raise ValueError(
        f"A DataFrame must hold numbers, and its columns {frame.columns[others].tolist()} do not.\n"
        f"Received: {column.name!r} of dtype {column.dtype}, for example "
        f"{short(column.iloc[0] if len(column) else None)}\n"
        "Leave them out, or make them numbers; kerata.utils.FeatureSpace takes tables as they are."
    )


def _all_numbers(column) -> bool:
    return all(isinstance(value, numbers.Real) for value in column)


# JAX on a CPU reads NumPy arrays at such addresses where they lie, without a copy.
_ALIASED = 64


def kept_array(leaf):
    """Return `plain_array(leaf)`, safe from a source that fills the same array again.

    Steps run while the source already makes the next batch.
    """
    array = plain_array(leaf)
    if isinstance(array, np.ndarray) and array.__array_interface__["data"][0] % _ALIASED == 0:
        return array.copy()
    return array


def is_pandas(leaf) -> bool:
    """Return whether `leaf` is a pandas DataFrame, Series or index (without importing pandas)."""
    return type(leaf).__module__.split(".")[0] == "pandas" and hasattr(leaf, "to_numpy")


def plain_batch(batch):
    """Return a batch of a source with its leaves as arrays: see `kept_array`."""
    return jax.tree_util.tree_map(kept_array, batch, is_leaf=_is_foreign)


def _is_foreign(x) -> bool:
    # Some sparse arrays are registered with JAX as containers of their parts.
    return hasattr(x, "todense")


def to_floatx(array):
    """Return `array` in `floatx()` if it is of another floating type."""
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return array.astype(settings.floatx(), copy=False)
    return array


class ClassWeights:
    """Turns class labels into sample weights.

    Args:
        weights: dict from class index to weight; classes that it omits weigh 1.

    Raises:
        TypeError: if it is no such dict.
    """

    def __init__(self, weights: dict):
        try:
            pairs = sorted((int(k), float(w)) for k, w in weights.items())
        except (AttributeError, TypeError, ValueError):
            raise TypeError(
                "`class_weight` must be a dict from class index to weight, like {0: 1.0, 1: 5.0}.\n"
                f"Received: class_weight={short(weights)}"
            ) from None
        # The last entry stands for every class that is not named.
        self._classes = np.array([k for k, _ in pairs], "int64")
        self._weights = np.array([*(w for _, w in pairs), 1.0], "float32")

    def __call__(self, y) -> np.ndarray:
        """Return one weight for each sample of `y`: indices (batch,), (batch, 1), or one-hot."""
        y = np.asarray(y)
        if y.ndim > 1 and y.shape[-1] > 1:
            labels = np.argmax(y, axis=-1)
        else:
            labels = np.round(y).astype("int64")
            labels = labels[..., 0] if y.ndim > 1 else labels
        place = np.searchsorted(self._classes, labels)
        known = np.append(self._classes, 0)[place] == labels
        return self._weights[np.where(known & (place < len(self._classes)), place, -1)]

    def apply(self, data):
        """Return the batch `data` with these weights as its sample weights.

        Raises:
            ValueError: if it has no targets, several, or sample weights already.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            raise ValueError(
                "`class_weight` and `sample_weight` cannot both be given.\n"
                "Multiply the class weights into the sample weights."
            )
        leaves = jax.tree_util.tree_leaves(y)
        if len(leaves) != 1:
            raise ValueError(
                "`class_weight` needs exactly one array of targets.\n"
                f"Received: {len(leaves)} arrays of targets"
                + ("\nFor several outputs, give `sample_weight` in the same structure as `y`."
                   if leaves else "")
            )  # fmt: skip
        return x, y, self(leaves[0])
