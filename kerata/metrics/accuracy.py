"""How often predictions are right."""

import jax.numpy as jnp

from kerata.engine import settings
from kerata.engine.errors import argument_error, positive_int
from kerata.engine.op import op
from kerata.losses.crossentropy import class_numbers
from kerata.losses.regression import shape_message
from kerata.losses.weighting import same_rank
from kerata.metrics.reduction import metric_class


def _matched(y_true, y_pred, name: str):
    """Return both as arrays of one shape.

    Raises:
        ValueError: if their shapes differ by more than a last axis of length 1.
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    shapes = (y_true.shape, y_pred.shape)
    y_true, y_pred = same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(shape_message(name, *shapes))
    return y_true, y_pred


def _right(hits):
    return hits.astype(settings.floatx())


@op
def accuracy(y_true, y_pred):
    """How often predictions equal targets.

    Args:
        y_true: targets, of any shape.
        y_pred: predictions of the same shape.

    Returns:
        An array of that shape, 1 where they are equal, else 0.
    """
    y_true, y_pred = _matched(y_true, y_pred, "accuracy")
    return _right(y_true.astype(y_pred.dtype) == y_pred)


@op
def binary_accuracy(y_true, y_pred, threshold=0.5):
    """How often a yes-no prediction is right.

    Args:
        y_true: targets, 0 or 1, of any shape.
        y_pred: probabilities of the same shape.
        threshold: probability above which the prediction is 1.

    Returns:
        An array of that shape, 1 where the prediction is right, else 0.

    Example:
        >>> kerata.metrics.binary_accuracy([1, 1, 0, 0], [0.98, 0.4, 0.1, 0.6])
        Array([1., 0., 1., 0.], dtype=float32)
    """
    y_true, y_pred = _matched(y_true, y_pred, "binary_accuracy")
    return _right(y_true == (y_pred > threshold))


@op
def categorical_accuracy(y_true, y_pred):
    """How often the most probable class is the true one, for one-hot targets.

    Args:
        y_true: one-hot vectors, `(batch, …, classes)`.
        y_pred: scores of the classes, of the same shape.

    Returns:
        An array without the last axis, 1 where the prediction is right, else 0.

    Raises:
        ValueError: if the shapes differ, as they do when targets are class numbers.

    Example:
        >>> kerata.metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
        Array([1., 0.], dtype=float32)
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            shape_message("categorical_accuracy", y_true.shape, y_pred.shape)
            + "\nIf y_true holds class numbers, use sparse_categorical_accuracy."
        )
    return _right(jnp.argmax(y_true, axis=-1) == jnp.argmax(y_pred, axis=-1))


@op
def sparse_categorical_accuracy(y_true, y_pred):
    """How often the most probable class is the true one, for class numbers as targets.

    Args:
        y_true: class numbers, `(batch, …)` or `(batch, …, 1)`.
        y_pred: scores of the classes, `(batch, …, classes)`.

    Returns:
        An array `(batch, …)`, 1 where the prediction is right, else 0.

    Example:
        >>> kerata.metrics.sparse_categorical_accuracy([1, 0], [[0.1, 0.9], [0.2, 0.8]])
        Array([1., 0.], dtype=float32)
    """
    y_pred = jnp.asarray(y_pred)
    labels = class_numbers(y_true, y_pred, -1, "sparse_categorical_accuracy")
    return _right(labels == jnp.argmax(y_pred, axis=-1))


@op
def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """How often the true class is among the `k` most probable, for one-hot targets.

    Args:
        y_true: one-hot vectors, `(batch, …, classes)`.
        y_pred: scores of the classes, of the same shape.
        k: number of classes to look at.

    Returns:
        An array without the last axis, 1 where the prediction is right, else 0.

    Example:
        >>> kerata.metrics.top_k_categorical_accuracy([[0, 1, 0]], [[0.5, 0.3, 0.2]], k=2)
        Array([1.], dtype=float32)
    """
    y_true, y_pred = _matched(y_true, y_pred, "top_k_categorical_accuracy")
    return _right(_in_top_k(jnp.argmax(y_true, axis=-1), y_pred, k))


@op
def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """How often the true class is among the `k` most probable, for class numbers as targets.

    Args:
        y_true: class numbers, `(batch, …)` or `(batch, …, 1)`.
        y_pred: scores of the classes, `(batch, …, classes)`; with `from_sorted_ids` the numbers of
            the best classes, best first.
        k: number of classes to look at.
        from_sorted_ids: what `y_pred` holds.

    Returns:
        An array `(batch, …)`, 1 where the prediction is right, else 0.

    Example:
        >>> kerata.metrics.sparse_top_k_categorical_accuracy([2], [[0.5, 0.3, 0.2]], k=2)
        Array([0.], dtype=float32)
    """
    y_pred = jnp.asarray(y_pred)
    labels = class_numbers(y_true, y_pred, -1, "sparse_top_k_categorical_accuracy")
    if from_sorted_ids:
        best = y_pred[..., :k].astype(labels.dtype)
        return _right(jnp.any(labels[..., None] == best, axis=-1))
    return _right(_in_top_k(labels, y_pred, k))


def _in_top_k(labels, scores, k: int):
    """Whether fewer than `k` classes score higher than the true one."""
    valid = (labels >= 0) & (labels < scores.shape[-1])
    place = jnp.where(valid, labels, 0)[..., None]
    own = jnp.take_along_axis(scores, place, axis=-1)
    higher = jnp.sum(scores > own, axis=-1)
    return valid & (higher < k) & ~jnp.isnan(own[..., 0].astype(jnp.float32))


def _check_threshold(metric):
    if metric.threshold is not None and not 0 < metric.threshold < 1:
        raise argument_error("threshold", "be between 0 and 1, both excluded", metric.threshold,
                             metric)  # fmt: skip


def _check_k(metric):
    positive_int("k", metric.k, metric)


Accuracy = metric_class(accuracy, "accuracy", "Accuracy")
BinaryAccuracy = metric_class(
    binary_accuracy, "binary_accuracy", "BinaryAccuracy", check=_check_threshold
)
CategoricalAccuracy = metric_class(
    categorical_accuracy, "categorical_accuracy", "CategoricalAccuracy"
)
SparseCategoricalAccuracy = metric_class(
    sparse_categorical_accuracy, "sparse_categorical_accuracy", "SparseCategoricalAccuracy"
)
TopKCategoricalAccuracy = metric_class(
    top_k_categorical_accuracy,
    "top_k_categorical_accuracy",
    "TopKCategoricalAccuracy",
    ("k", "name", "dtype"),
    check=_check_k,
)
SparseTopKCategoricalAccuracy = metric_class(
    sparse_top_k_categorical_accuracy,
    "sparse_top_k_categorical_accuracy",
    "SparseTopKCategoricalAccuracy",
    ("k", "name", "dtype", "from_sorted_ids"),
    check=_check_k,
)
