"""Losses between probabilities: cross-entropies and their relatives."""

import numbers

import jax
import jax.numpy as jnp

from kerata.engine import masks, settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, probability
from kerata.engine.op import op
from kerata.losses.loss import loss_class
from kerata.losses.regression import aligned, places_hint, shape_message


def _probabilities(p):
    """Return `p` away from 0 and 1, so that its logarithms are finite.

    In half precision 1 - epsilon is 1: such input is taken to single precision first.
    """
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    return jnp.clip(p, settings.epsilon(), 1.0 - settings.epsilon())


def _same_shape(y_true, y_pred, name: str, axis=None):
    """Return both as arrays of one float dtype.

    Raises:
        ValueError: if shapes differ; the message tells class numbers from one-hot vectors.
    """
    y_pred = as_float(y_pred)
    y_true = jnp.asarray(y_true).astype(y_pred.dtype)
    if y_true.shape == y_pred.shape:
        return y_true, y_pred
    if axis is not None and y_pred.ndim:
        left = tuple(n for i, n in enumerate(y_pred.shape) if i != axis % y_pred.ndim)
        if y_true.shape in (left, (*left, 1)):
            raise ValueError(class_numbers_message(name, y_true.shape, y_pred.shape, axis))
    raise ValueError(shape_message(name, y_true.shape, y_pred.shape))


def class_numbers_message(name: str, true_shape, pred_shape, axis=-1) -> str:
    """Return the message for class numbers where one-hot vectors belong."""
    if pred_shape[axis] == 1:
        hint = "For two classes and one unit: the loss binary_crossentropy, activation='sigmoid'."
        return (
            f"{name}: y_pred must have a number for each class.\nReceived: y_true of shape "
            f"{tuple(true_shape)}, y_pred of shape {tuple(pred_shape)}\n{hint}"
        )
    return (
        f"{name}: y_true must hold one-hot vectors (or probabilities), shaped like y_pred.\n"
        f"Received: y_true of shape {tuple(true_shape)}, y_pred of shape {tuple(pred_shape)}\n"
        "If y_true holds class numbers, use the loss sparse_categorical_crossentropy, or "
        f"kerata.utils.to_categorical(y_true, {pred_shape[axis]})."
    )


def _smooth(y_true, label_smoothing, classes: int):
    """Return one-hot targets with `label_smoothing` of their mass spread over all classes."""
    if isinstance(label_smoothing, numbers.Real) and not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def _normalized(p, axis):
    """Return `p` scaled to sum 1 along `axis`, away from 0 and 1."""
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    return _probabilities(p / jnp.sum(p, axis=axis, keepdims=True))


@op
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Cross-entropy of yes-no predictions, `-t log(p) - (1 - t) log(1 - p)`.

    Args:
        y_true: targets in [0, 1], `(batch, …, d)`.
        y_pred: probabilities, or logits (any real numbers), of the same shape.
        from_logits: whether `y_pred` holds logits. Then no sigmoid is needed in the model, and
            large values lose no precision.
        label_smoothing: moves targets this far towards 0.5, in [0, 1].
        axis: axis that is averaged.

    Returns:
        The mean over `axis`.

    Example:
        >>> kerata.losses.binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        Array([0.6931...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "binary_crossentropy")
    y_true = _smooth(y_true, label_smoothing, 2)
    return jnp.mean(_binary_entropy(y_true, y_pred, from_logits), axis=axis)


def _binary_entropy(y_true, y_pred, from_logits):
    if from_logits:
        return jnp.maximum(y_pred, 0) - y_pred * y_true + jnp.log1p(jnp.exp(-jnp.abs(y_pred)))
    p = _probabilities(y_pred)
    return -(y_true * jnp.log(p) + (1.0 - y_true) * jnp.log(1.0 - p)).astype(y_pred.dtype)


@op
def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """Binary cross-entropy that counts easy samples less (Lin et al., 2017).

    Each term is multiplied by `(1 - q)^gamma`, where `q` is the probability given to the truth.

    Args:
        y_true: targets in [0, 1], `(batch, …, d)`.
        y_pred: probabilities, or logits, of the same shape.
        apply_class_balancing: whether to weight ones by `alpha` and zeros by `1 - alpha`.
        alpha: weight of the ones, in [0, 1].
        gamma: how fast easy samples lose weight; 0 for plain cross-entropy.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: moves targets this far towards 0.5, in [0, 1].
        axis: axis that is averaged.

    Returns:
        The mean over `axis`.

    Example:
        >>> kerata.losses.binary_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        Array([0.1732...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "binary_focal_crossentropy")
    y_true = _smooth(y_true, label_smoothing, 2)
    p = jax.nn.sigmoid(y_pred) if from_logits else y_pred
    entropy = _binary_entropy(y_true, p, False)
    q = y_true * p + (1.0 - y_true) * (1.0 - p)
    entropy = entropy * jnp.power(1.0 - q, gamma)
    if apply_class_balancing:
        entropy = entropy * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return jnp.mean(entropy, axis=axis)


@op
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Cross-entropy of class probabilities, `-sum(t log(p))`, for one-hot targets.

    Args:
        y_true: one-hot vectors or probabilities, `(batch, …, classes)`.
        y_pred: probabilities (scaled to sum 1), or logits, of the same shape.
        from_logits: whether `y_pred` holds logits. Then no softmax is needed in the model, and
            large values lose no precision.
        label_smoothing: how much of the targets' mass is spread evenly over all classes, in
            [0, 1].
        axis: the classes' axis.

    Returns:
        An array without that axis.

    Raises:
        ValueError: if the shapes differ, as they do when targets are class numbers.

    Example:
        >>> kerata.losses.categorical_crossentropy([[0.0, 1.0, 0.0]], [[0.1, 0.8, 0.1]])
        Array([0.2231...], dtype=float32)
    """
    y_true, y_pred = _same_shape(y_true, y_pred, "categorical_crossentropy", axis)
    y_true = _smooth(y_true, label_smoothing, y_true.shape[axis])
    if from_logits:
        return -jnp.sum(y_true * jax.nn.log_softmax(y_pred, axis=axis), axis=axis)
    logs = jnp.log(_normalized(y_pred, axis)).astype(y_pred.dtype)
    return -jnp.sum(y_true * logs, axis=axis)


@op
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Categorical cross-entropy that counts easy samples less (Lin et al., 2017).

    `-sum(alpha (1 - p)^gamma t log(p))`.

    Args:
        y_true: one-hot vectors or probabilities, `(batch, …, classes)`.
        y_pred: probabilities (scaled to sum 1), or logits, of the same shape.
        alpha: weight; a number, or one a class.
        gamma: how fast easy samples lose weight; 0 for plain cross-entropy.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: how much of the targets' mass is spread evenly over all classes, in
            [0, 1].
        axis: the classes' axis.

    Returns:
        An array without that axis.

    Example:
        >>> kerata.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        Array([0.0433...], dtype=float32)
    """
    y_true, y_pred = _same_shape(y_true, y_pred, "categorical_focal_crossentropy", axis)
    y_true = _smooth(y_true, label_smoothing, y_true.shape[axis])
    p = _normalized(jax.nn.softmax(y_pred, axis=axis) if from_logits else y_pred, axis)
    terms = -y_true * jnp.log(p) * jnp.power(1.0 - p, gamma) * jnp.asarray(alpha, p.dtype)
    return jnp.sum(terms, axis=axis).astype(y_pred.dtype)


@op
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """Cross-entropy of class probabilities, `-log(p[t])`, for class numbers as targets.

    Args:
        y_true: class numbers from 0, `(batch, …)` or `(batch, …, 1)`.
        y_pred: probabilities (scaled to sum 1), or logits, `(batch, …, classes)`.
        from_logits: whether `y_pred` holds logits. Then no softmax is needed in the model, and
            large values lose no precision.
        ignore_class: a class number whose samples have loss 0 and do not count in means; None for
            no such class.
        axis: the classes' axis of `y_pred`.

    Returns:
        An array of the targets' shape, 0 where the class number is out of range.

    Raises:
        ValueError: if the targets' shape is not that of the predictions without classes.

    Example:
        >>> kerata.losses.sparse_categorical_crossentropy([1, 0], [[0.2, 0.8], [0.5, 0.5]])
        Array([0.2231..., 0.6931...], dtype=float32)
    """
    y_pred = as_float(y_pred)
    labels = class_numbers(y_true, y_pred, axis, "sparse_categorical_crossentropy")
    if from_logits:
        logs = jax.nn.log_softmax(y_pred, axis=axis)
    else:
        logs = jnp.log(_normalized(y_pred, axis)).astype(y_pred.dtype)
    valid = (labels >= 0) & (labels < y_pred.shape[axis])
    if ignore_class is not None:
        kept = labels != jnp.asarray(ignore_class, labels.dtype)
        valid = valid & kept
    place = jnp.expand_dims(jnp.where(valid, labels, 0), axis)
    picked = jnp.squeeze(jnp.take_along_axis(logs, place, axis=axis), axis)
    losses = jnp.where(valid, -picked, 0)
    if ignore_class is not None:
        masks.set_mask(losses, kept)
    return losses


def class_numbers(y_true, y_pred, axis: int, name: str):
    """Return the targets as int32 class numbers, of the predictions' shape without classes.

    Raises:
        ValueError: if they have another shape, up to axes of length 1.
    """
    y_true = jnp.asarray(y_true)
    given = y_true.shape
    if y_pred.ndim < 1:
        raise ValueError(f"{name}: y_pred must have an axis of classes.\nReceived: a scalar")
    expected = tuple(n for i, n in enumerate(y_pred.shape) if i != axis % y_pred.ndim)
    if [n for n in given if n != 1] != [n for n in expected if n != 1]:
        raise ValueError(sparse_shape_message(name, given, y_pred.shape, expected))
    return jnp.reshape(y_true, expected).astype(jnp.int32)


def sparse_shape_message(name: str, true_shape, pred_shape, expected) -> str:
    """Return the message for targets that are not one class number a prediction."""
    message = (
        f"{name}: y_true must hold class numbers, of shape {tuple(expected)}.\n"
        f"Received: y_true of shape {tuple(true_shape)}, y_pred of shape {tuple(pred_shape)}"
    )
    if tuple(true_shape) == tuple(pred_shape):
        message += "\nIf y_true holds one-hot vectors, use the loss categorical_crossentropy."
    elif hint := places_hint(true_shape, pred_shape):
        message += f"\n{hint}"
    return message


@op
def categorical_generalized_cross_entropy(y_true, y_pred, q):
    """Cross-entropy that bears wrong labels, `(1 - p^q) / q` (Zhang and Sabuncu, 2018).

    Between the absolute error (q = 1) and the cross-entropy (q towards 0).

    Args:
        y_true: class numbers from 0, `(batch, …)` or `(batch, …, 1)`, or one-hot vectors,
            `(batch, …, classes)`.
        y_pred: probabilities, `(batch, …, classes)`.
        q: in (0, 1): the larger, the less a wrong label counts.

    Returns:
        An array without the last axis.

    Example:
        >>> kerata.losses.categorical_generalized_cross_entropy([1], [[0.75, 0.25]], q=0.5)
        Array([1.], dtype=float32)
    """
    y_pred, y_true = as_float(y_pred), jnp.asarray(y_true)
    if y_true.shape != y_pred.shape:
        labels = class_numbers(y_true, y_pred, -1, "categorical_generalized_cross_entropy")
        y_true = jax.nn.one_hot(labels, y_pred.shape[-1])
    p = jnp.sum(y_true * y_pred, axis=-1)
    # A power of zero has no gradient.
    p = jnp.maximum(p, jnp.finfo(p.dtype).tiny)
    return (1.0 - jnp.power(p, q)) / q


@op
def kl_divergence(y_true, y_pred):
    """Kullback-Leibler divergence, `sum(t log(t / p))`.

    Args:
        y_true: probabilities, `(batch, …, d)`.
        y_pred: probabilities of the same shape.

    Returns:
        The sum over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.kl_divergence([[1.0, 0.0]], [[0.5, 0.5]])
        Array([0.6931...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "kl_divergence")
    t, p = (jnp.clip(y, settings.epsilon(), 1) for y in (y_true, y_pred))
    return jnp.sum(t * jnp.log(t / p), axis=-1)


@op
def poisson(y_true, y_pred):
    """Negative log-likelihood of counts, without its constant: `mean(p - t log(p))`.

    Args:
        y_true: counts, `(batch, …, d)`.
        y_pred: predicted rates, positive, of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.poisson([[1.0, 0.0]], [[1.0, 1.0]])
        Array([0.9999999...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "poisson")
    log_rate = jnp.log(y_pred + jnp.asarray(settings.epsilon(), y_pred.dtype))
    return jnp.mean(y_pred - y_true * log_rate, axis=-1)


def _check_q(loss):
    if not 0 < loss.q < 1:
        raise argument_error("q", "be between 0 and 1, both excluded", loss.q, loss)


def _check_smoothing(loss):
    probability("label_smoothing", loss.label_smoothing, loss)


BinaryCrossentropy = loss_class(binary_crossentropy, "binary_crossentropy", check=_check_smoothing)
BinaryFocalCrossentropy = loss_class(
    binary_focal_crossentropy, "binary_focal_crossentropy", check=_check_smoothing
)
CategoricalCrossentropy = loss_class(
    categorical_crossentropy, "categorical_crossentropy", check=_check_smoothing
)
CategoricalFocalCrossentropy = loss_class(
    categorical_focal_crossentropy, "categorical_focal_crossentropy", check=_check_smoothing
)
SparseCategoricalCrossentropy = loss_class(
    sparse_categorical_crossentropy,
    "sparse_categorical_crossentropy",
    order=("from_logits", "ignore_class", "reduction", "axis", "name", "dtype"),
    integer_targets=True,
)
CategoricalGeneralizedCrossEntropy = loss_class(
    categorical_generalized_cross_entropy,
    "categorical_generalized_cross_entropy",
    defaults={"q": 0.5},
    check=_check_q,
)
KLDivergence = loss_class(kl_divergence, "kl_divergence", "KLDivergence")
Poisson = loss_class(poisson, "poisson")
