"""Small array helpers."""

import jax
import numpy as np

from kerata.engine.errors import argument_error, positive_int, short


def to_categorical(x, num_classes: int | None = None) -> np.ndarray:
    """Return class numbers as one-hot vectors.

    Args:
        x: array-like of integers in [0, num_classes), of any shape; an axis of size 1 at the end
            is dropped.
        num_classes: number of classes; the largest number plus one if None.

    Returns:
        float array of shape `(*x.shape, num_classes)`, NumPy's or, for one of JAX, JAX's.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> kerata.utils.to_categorical([0, 2], num_classes=3)
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    given = np.asarray(x)
    if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
        text = given.dtype.kind in "USO"
        raise ValueError(
            f"`x` must hold class numbers.\nReceived: {short(given.ravel()[:3].tolist())}, of "
            f"dtype {given.dtype}\n"
            + ("Turn names into numbers with kerata.layers.StringLookup." if text else "")
        )
    if num_classes is None and not given.size:
        raise argument_error("num_classes", "be given where `x` is empty", num_classes)
    if num_classes is not None:
        num_classes = positive_int("num_classes", num_classes, "to_categorical()")
    labels = given.astype("int64")
    shape = labels.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    labels = labels.reshape(-1)
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        raise ValueError(
            f"`x` must hold class numbers from 0 to {num_classes - 1}.\nReceived: {wrong[0]} "
            f"among them (num_classes={num_classes})"
        )
    return _like(x, np.eye(num_classes)[labels].reshape((*shape, num_classes)))


def normalize(x, axis: int = -1, order: int = 2):
    """Return `x` divided by its norm along an axis; zeros stay zeros.

    Args:
        x: array-like.
        axis: axis along which the norm is taken.
        order: order of the norm (2: Euclidean).

    Raises:
        ValueError: if `order` is not a positive number.

    Example:
        >>> kerata.utils.normalize([[3.0, 4.0]])
        array([[0.6, 0.8]])
    """
    if not isinstance(order, (int, float)) or order < 1:
        raise argument_error("order", "be a number of at least 1", order, "normalize()")
    values = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(values, order, axis))
    norm[norm == 0] = 1
    return _like(x, values / np.expand_dims(norm, axis))


def _like(x, result):
    """Return a result for JAX's array as one, for anything else as NumPy's."""
    return jax.numpy.asarray(result) if isinstance(x, jax.Array) else result


def pack_x_y_sample_weight(x, y=None, sample_weight=None):
    """Return data as `fit` takes it from an iterator: `x`, `(x, y)` or `(x, y, sample_weight)`.

    Args:
        x: inputs.
        y: targets, or None.
        sample_weight: weights of the samples, or None.
    """
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data) -> tuple:
    """Return data that an iterator gave as `(x, y, sample_weight)`, with None for what is missing.

    Args:
        data: `x`, or a tuple or list `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: if a tuple has more than three elements.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "A batch must be x, (x,), (x, y) or (x, y, sample_weight).\n"
            f"Received: a tuple of {len(data)} elements"
        )
    return (*data, None, None)[:3]
