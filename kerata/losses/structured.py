"""Losses of margins, overlaps, embeddings and alignments."""

import jax
import jax.numpy as jnp

from kerata.engine import masks, settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error
from kerata.engine.op import op
from kerata.losses.loss import loss_class
from kerata.losses.regression import aligned


def _signs(y_true):
    """Return targets of 0 and 1 as -1 and 1; other targets as they are."""
    is_binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(is_binary, 2.0 * y_true - 1.0, y_true)


@op
def hinge(y_true, y_pred):
    """Mean of `max(1 - t p, 0)`: zero once a prediction has the right sign and a margin of 1.

    Args:
        y_true: targets, -1 or 1 (or 0 or 1), `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.hinge([[-1.0, 1.0]], [[-2.0, 0.5]])
        Array([0.25], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "hinge")
    return jnp.mean(jnp.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


@op
def squared_hinge(y_true, y_pred):
    """Mean of `max(1 - t p, 0)^2`.

    Args:
        y_true: targets, -1 or 1 (or 0 or 1), `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.squared_hinge([[-1.0, 1.0]], [[-2.0, 0.5]])
        Array([0.125], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "squared_hinge")
    return jnp.mean(jnp.square(jnp.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


@op
def categorical_hinge(y_true, y_pred):
    """`max(best wrong score - right score + 1, 0)` for one-hot targets.

    Args:
        y_true: one-hot vectors, `(batch, …, classes)`.
        y_pred: scores of the same shape.

    Returns:
        An array without the last axis.

    Example:
        >>> kerata.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]])
        Array([0.75], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "categorical_hinge")
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1.0 - y_true) * y_pred, axis=-1)
    return jnp.maximum(wrong - right + 1.0, 0.0)


@op
def dice(y_true, y_pred, axis=None):
    """One minus the Sørensen-Dice overlap, `1 - 2 sum(t p) / (sum(t) + sum(p))`.

    Args:
        y_true: masks in [0, 1], `(batch, …)`.
        y_pred: masks in [0, 1] of the same shape.
        axis: axes that are summed; None for all: one overlap for the whole batch.

    Returns:
        An array without these axes.

    Example:
        >>> kerata.losses.dice([[0.0, 1.0]], [[0.0, 1.0]], axis=-1)
        Array([0.], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "dice")
    axis = _axes(axis)
    overlap = 2.0 * jnp.sum(y_true * y_pred, axis=axis)
    sizes = jnp.sum(y_true, axis=axis) + jnp.sum(y_pred, axis=axis) + settings.epsilon()
    return 1.0 - overlap / sizes


@op
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """One minus an overlap with a price for each kind of error (Salehi et al., 2017).

    `1 - hits / (hits + alpha false negatives + beta false positives)`; with both at 0.5 it is the
    Dice loss.

    Args:
        y_true: masks in [0, 1], `(batch, …)`.
        y_pred: masks in [0, 1] of the same shape.
        alpha: price of a false negative.
        beta: price of a false positive.
        axis: axes that are summed; None for all: one overlap for the whole batch.

    Returns:
        An array without these axes.

    Example:
        >>> kerata.losses.tversky([[1.0, 1.0]], [[0.0, 1.0]], alpha=1.0, axis=-1)
        Array([0.5], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "tversky")
    axis = _axes(axis)
    hits = jnp.sum(y_true * y_pred, axis=axis)
    false_positives = jnp.sum((1.0 - y_true) * y_pred, axis=axis)
    false_negatives = jnp.sum(y_true * (1.0 - y_pred), axis=axis)
    whole = hits + alpha * false_negatives + beta * false_positives + settings.epsilon()
    return 1.0 - hits / whole


def _axes(axis):
    return tuple(axis) if isinstance(axis, (list, tuple)) else axis


@op
def circle(
    y_true,
    y_pred,
    ref_labels=None,
    ref_embeddings=None,
    remove_diagonal=True,
    gamma=80,
    margin=0.4,
):
    """Draws embeddings of one class together and those of others apart (Sun et al., 2020).

    Args:
        y_true: class numbers, `(batch,)`.
        y_pred: embeddings of length 1, `(batch, d)`.
        ref_labels: class numbers of embeddings to compare with, `(references,)`; the batch itself
            if None.
        ref_embeddings: these embeddings, `(references, d)`.
        remove_diagonal: whether a sample is not compared with the reference at its own place.
        gamma: scale.
        margin: how much similarities of one class must be above those of others.

    Returns:
        An array `(batch,)`. A sample that is alone in its class has loss 0, and does not count in
        means.

    Example:
        >>> kerata.losses.circle([0, 1], [[1.0, 0.0], [0.0, 1.0]]).shape
        (2,)
    """
    y_pred = as_float(y_pred)
    labels = jnp.reshape(jnp.asarray(y_true), (-1, 1))
    others = y_pred if ref_embeddings is None else jnp.asarray(ref_embeddings, y_pred.dtype)
    other_labels = labels if ref_labels is None else jnp.reshape(jnp.asarray(ref_labels), (-1, 1))
    same = labels == other_labels.T
    similarity = y_pred @ others.T
    positive, negative = same, ~same
    if remove_diagonal:
        positive = positive & ~jnp.eye(*same.shape, dtype=bool)
    # Finite in place of minus infinity: a sample without partners then has a gradient, zero.
    never = jnp.asarray(jnp.finfo(y_pred.dtype).min / 4, y_pred.dtype)
    pull = -gamma * jax.nn.relu(1 + margin - similarity) * (similarity - (1 - margin))
    push = gamma * jax.nn.relu(similarity + margin) * (similarity - margin)
    pulls = jax.nn.logsumexp(jnp.where(positive, pull, never), axis=1)
    pushes = jax.nn.logsumexp(jnp.where(negative, push, never), axis=1)
    values = jax.nn.softplus(pulls + pushes)
    masks.set_mask(values, jnp.any(positive, axis=1))
    return values


@op
def ctc(y_true, y_pred):
    """Connectionist temporal classification (Graves et al., 2006): sequences without alignment.

    Args:
        y_true: class numbers from 1, `(batch, length)`; 0 pads shorter sequences, and is the blank
            class.
        y_pred: logits, `(batch, time, classes)`.

    Returns:
        The negative log-likelihoods, `(batch,)`.
    """
    from kerata import ops

    y_pred = as_float(y_pred)
    y_true = jnp.asarray(y_true)
    if y_true.ndim != 2 or y_pred.ndim != 3:
        raise ValueError(
            "ctc: y_true must be (batch, length), and y_pred (batch, time, classes).\n"
            f"Received: y_true of shape {y_true.shape}, y_pred of shape {y_pred.shape}"
        )
    labels = y_true.astype(jnp.int32)
    batch, time = y_pred.shape[:2]
    lengths = jnp.sum(labels != 0, axis=-1)
    times = jnp.full((batch,), time, jnp.int32)
    return ops.ctc_loss(labels, y_pred, lengths, times, mask_index=0)


def _check_overlap(loss):
    if not isinstance(loss.axis, (int, list, tuple, type(None))):
        raise argument_error("axis", "be an integer, a tuple of integers or None", loss.axis, loss)


Hinge = loss_class(hinge, "hinge")
SquaredHinge = loss_class(squared_hinge, "squared_hinge")
CategoricalHinge = loss_class(categorical_hinge, "categorical_hinge")
Dice = loss_class(dice, "dice", order=("reduction", "name", "axis", "dtype"), check=_check_overlap)
Tversky = loss_class(
    tversky,
    "tversky",
    order=("alpha", "beta", "reduction", "name", "axis", "dtype"),
    check=_check_overlap,
)
CTC = loss_class(ctc, "ctc", "CTC", integer_targets=True)
Circle = loss_class(
    circle,
    "circle",
    order=("gamma", "margin", "remove_diagonal", "reduction", "name", "dtype"),
    defaults={"gamma": 80.0},
    integer_targets=True,
)
