"""Counting hits and misses at many thresholds: what the metrics of binary decisions share."""

import jax.numpy as jnp
import numpy as np

from kerata.engine import reading, settings
from kerata.losses.regression import shape_message
from kerata.losses.weighting import expand_like, same_rank
from kerata.metrics.reduction import spread

# The score of classes outside of the top k: below every threshold.
NEVER = -1e10
# Up to so many thresholds are compared one by one; more are counted by bins.
FEW = 8

COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def even(number: int) -> list[float]:
    """Return `number` evenly spaced thresholds from just below 0 to just above 1."""
    reading.charge("a list of thresholds", (number,))
    inner = [(i + 1) / (number - 1) for i in range(number - 2)]
    return [0.0 - settings.epsilon(), *inner, 1.0 + settings.epsilon()]


def is_even(thresholds) -> bool:
    """Return whether thresholds are what `even` makes, up to rounding."""
    if len(thresholds) < 3:
        return False
    return bool(np.allclose(thresholds, even(len(thresholds)), atol=settings.epsilon()))


def checked(thresholds, default: float, owner) -> list[float]:
    """Return thresholds, given as a number, a list or None for the default, as a list.

    Raises:
        ValueError: if one is outside of [0, 1].
    """
    values = [default] if thresholds is None else np.atleast_1d(thresholds).tolist()
    wrong = [t for t in values if t is None or not 0 <= t <= 1]
    if wrong and thresholds is not None:
        raise ValueError(
            f"{owner.name}: thresholds must be between 0 and 1.\nReceived: {wrong} in thresholds"
        )
    return values


def only_top_k(y_pred, k: int, owner):
    """Return scores with those below the `k` best along the last axis set to `NEVER`."""
    if k > y_pred.shape[-1]:
        raise ValueError(
            f"{owner.name}: top_k must be at most the number of classes, {y_pred.shape[-1]}.\n"
            f"Received: top_k={k}"
        )
    rank = jnp.argsort(jnp.argsort(-y_pred, axis=-1), axis=-1)
    return jnp.where(rank < k, y_pred, NEVER)


def one_class(y_true, y_pred, class_id: int, owner):
    """Return the targets and scores of one class.

    Raises:
        ValueError: if there is no such class.
    """
    if y_pred.ndim < 2 or not -y_pred.shape[-1] <= class_id < y_pred.shape[-1]:
        raise ValueError(
            f"{owner.name}: with class_id={class_id}, y_pred must be (batch, classes), with that "
            f"class in it.\nReceived: y_pred of shape {y_pred.shape}"
        )
    return y_true[..., class_id], y_pred[..., class_id]


def counts(
    y_true,
    y_pred,
    thresholds,
    sample_weight=None,
    *,
    evenly: bool = False,
    multi_label: bool = False,
    label_weights=None,
    top_k: int | None = None,
    class_id: int | None = None,
    owner=None,
) -> dict:
    """Return how many decisions `y_pred > threshold` are right and wrong, for each threshold.

    Args:
        y_true: targets, 0 or 1.
        y_pred: scores of the same shape, a float array.
        thresholds: sequence of numbers.
        sample_weight: weights, `(batch,)` or of a shape that fits, or None.
        evenly: whether the thresholds are those of `even`.
        multi_label: whether to count for each label: `y_pred` is `(batch, labels)`.
        label_weights: weights of the labels, or None.
        top_k: count only the `k` best classes of a sample as predicted.
        class_id: count one class only.
        owner: metric, for error messages.

    Returns:
        A dict from the names in `COUNTS` to arrays `(thresholds,)` or `(thresholds, labels)`.
    """
    y_true, y_pred = jnp.asarray(y_true, y_pred.dtype), jnp.asarray(y_pred)
    shapes = (y_true.shape, y_pred.shape)
    y_true, y_pred = same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(shape_message(owner.name, *shapes))
    if top_k is not None:
        y_pred = only_top_k(y_pred, top_k, owner)
    if class_id is not None:
        y_true, y_pred = one_class(y_true, y_pred, class_id, owner)
    weights = _weights(y_pred, sample_weight, label_weights)
    if y_pred.ndim < 2 or not multi_label:
        y_true, y_pred, weights = (jnp.reshape(x, (-1, 1)) for x in (y_true, y_pred, weights))
    if evenly:
        y_pred = jnp.clip(y_pred, 0.0, 1.0)
    else:
        y_true = (y_true != 0).astype(y_pred.dtype)
    positive, negative = y_true * weights, (1.0 - y_true) * weights
    # How many weighted positives and negatives lie above each threshold.
    if len(thresholds) <= FEW:
        above = y_pred > jnp.asarray(thresholds, y_pred.dtype)[:, None, None]
        hits, alarms = (jnp.sum(jnp.where(above, x, 0), axis=1) for x in (positive, negative))
    else:
        passed = _thresholds_passed(y_pred, thresholds, evenly)
        hits, alarms = (_above(passed, x, len(thresholds)) for x in (positive, negative))
    if not multi_label:
        hits, alarms = hits[:, 0], alarms[:, 0]
        positive, negative = positive[:, 0], negative[:, 0]
    return {
        "true_positives": hits,
        "false_positives": alarms,
        "true_negatives": jnp.sum(negative, axis=0) - alarms,
        "false_negatives": jnp.sum(positive, axis=0) - hits,
    }


def _weights(y_pred, sample_weight, label_weights):
    weights = jnp.ones_like(y_pred)
    if sample_weight is not None:
        given = jnp.asarray(sample_weight, y_pred.dtype)
        if given.ndim > y_pred.ndim and given.shape[-1] == 1:
            given = given[..., 0]
        weights = spread(y_pred, expand_like(given, y_pred) if given.ndim == 0 else given)[1]
        weights = jnp.reshape(weights, y_pred.shape)
    if label_weights is not None:
        weights = weights * jnp.asarray(label_weights, y_pred.dtype)
    return weights


def _thresholds_passed(y_pred, thresholds, evenly: bool):
    """Return for each score how many of the thresholds, in ascending order, are below it."""
    if evenly:
        passed = jnp.ceil(y_pred * (len(thresholds) - 1)).astype(jnp.int32)
        return jnp.maximum(passed, 1)
    ascending = jnp.sort(jnp.asarray(thresholds, y_pred.dtype))
    return jnp.searchsorted(ascending, y_pred, side="left").astype(jnp.int32)


def _above(passed, weights, number: int):
    """Return the weight above each of `number` ascending thresholds, `(number, labels)`."""
    labels = jnp.arange(passed.shape[1])
    bins = jnp.zeros((number + 1, passed.shape[1]), weights.dtype)
    bins = bins.at[passed, labels].add(weights)
    return jnp.cumsum(bins[::-1], axis=0)[::-1][1:]
