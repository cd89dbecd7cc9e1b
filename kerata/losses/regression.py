"""Losses that measure distances: errors of numbers, angles between vectors."""

import numbers

import jax.numpy as jnp

from kerata.engine import settings
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error
from kerata.engine.op import op
from kerata.losses.loss import loss_class
from kerata.losses.weighting import same_rank


def aligned(y_true, y_pred, name: str):
    """Return targets and predictions as arrays of one float dtype and one shape.

    A last axis of length 1 that only one of them has is added or removed; a scalar stands for an
    array of that value.

    Raises:
        ValueError: if the shapes then differ: broadcasting would compare every sample with every
            other.
    """
    y_pred = as_float(y_pred)
    y_true = jnp.asarray(y_true).astype(y_pred.dtype)
    shapes = (y_true.shape, y_pred.shape)
    y_true, y_pred = same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape and y_true.ndim and y_pred.ndim:
        raise ValueError(shape_message(name, *shapes))
    return y_true, y_pred


def shape_message(name: str, true_shape, pred_shape) -> str:
    """Return the message for targets and predictions of different shapes."""
    hint = "Check the units of the model's last layer, or reshape the targets."
    if len(pred_shape) == 2 and tuple(true_shape) in (pred_shape[:1], (*pred_shape[:1], 1)):
        hint = (
            f"For one number a sample, give the last layer 1 unit, not {pred_shape[1]}; for class "
            "numbers, use the loss sparse_categorical_crossentropy."
        )
    return (
        f"{name}: y_true and y_pred must have the same shape.\n"
        f"Received: y_true of shape {tuple(true_shape)}, y_pred of shape {tuple(pred_shape)}\n"
        f"{places_hint(true_shape, pred_shape) or hint}"
    )


def places_hint(true_shape, pred_shape) -> str:
    """Return what to do where a model predicts for each place of samples that have one target."""
    axes = len(pred_shape) - 2
    if (
        not 1 <= axes <= 3
        or len(true_shape) > 2
        or tuple(true_shape[1:2]) == tuple(pred_shape[1:2])
    ):
        return ""
    last = ", or leave out the last return_sequences=True" if axes == 1 else ""
    return (
        "For one target a sample: put Flatten() or "
        f"GlobalAveragePooling{axes}D() before the last Dense layer{last}."
    )


@op
def mean_squared_error(y_true, y_pred):
    """Mean of the squared errors, `mean((y_true - y_pred)^2)`.

    Args:
        y_true: targets, `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.mean_squared_error([[0.0, 1.0], [2.0, 2.0]], [[1.0, 1.0], [2.0, 4.0]])
        Array([0.5, 2. ], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "mean_squared_error")
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


@op
def mean_absolute_error(y_true, y_pred):
    """Mean of the absolute errors, `mean(|y_true - y_pred|)`.

    Args:
        y_true: targets, `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.mean_absolute_error([[0.0, 1.0], [2.0, 2.0]], [[1.0, 1.0], [2.0, 5.0]])
        Array([0.5, 1.5], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "mean_absolute_error")
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


@op
def mean_absolute_percentage_error(y_true, y_pred):
    """Mean of the absolute errors in percent of the targets, `100 mean(|(t - p) / t|)`.

    Targets smaller than `epsilon()` count as `epsilon()`.

    Args:
        y_true: targets, `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`, in percent.

    Example:
        >>> kerata.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]])
        Array([25.], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "mean_absolute_percentage_error")
    scale = jnp.maximum(jnp.abs(y_true), jnp.asarray(settings.epsilon(), y_pred.dtype))
    return 100.0 * jnp.mean(jnp.abs((y_true - y_pred) / scale), axis=-1)


@op
def mean_squared_logarithmic_error(y_true, y_pred):
    """Mean of the squared errors of logarithms, `mean((log(1 + t) - log(1 + p))^2)`.

    Negative numbers count as `epsilon()`.

    Args:
        y_true: targets, at least 0, `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.mean_squared_logarithmic_error([[0.0, 3.0]], [[0.0, 3.0]])
        Array([0.], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "mean_squared_logarithmic_error")
    least = jnp.asarray(settings.epsilon(), y_pred.dtype)
    logs = [jnp.log(jnp.maximum(y, least) + 1.0) for y in (y_true, y_pred)]
    return jnp.mean(jnp.square(logs[0] - logs[1]), axis=-1)


@op
def huber(y_true, y_pred, delta=1.0):
    """Quadratic in errors up to `delta`, linear beyond (Huber, 1964).

    `e^2 / 2` where `|e| <= delta`, else `delta |e| - delta^2 / 2`.

    Args:
        y_true: targets, `(batch, …, d)`.
        y_pred: predictions of the same shape.
        delta: the error at which the loss becomes linear.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.huber([[0.0, 0.0]], [[1.0, 3.0]])
        Array([1.5], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "huber")
    error = jnp.abs(y_pred - y_true)
    delta = jnp.asarray(delta, y_pred.dtype)
    beyond = delta * error - 0.5 * jnp.square(delta)
    return jnp.mean(jnp.where(error <= delta, 0.5 * jnp.square(error), beyond), axis=-1)


@op
def log_cosh(y_true, y_pred):
    """Mean of `log(cosh(error))`: about `e^2 / 2` for small errors, `|e| - log 2` for large ones.

    Args:
        y_true: targets, `(batch, …, d)`.
        y_pred: predictions of the same shape.

    Returns:
        The mean over the last axis, `(batch, …)`.

    Example:
        >>> kerata.losses.log_cosh([[0.0, 0.0]], [[0.0, 100.0]])
        Array([49.653...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "log_cosh")
    error = y_pred - y_true
    return jnp.mean(jnp.logaddexp(error, -error) - jnp.log(2.0).astype(error.dtype), axis=-1)


def unit(x, axis):
    """Return the vectors of `x` along `axis` scaled to length 1; zero vectors stay zero."""
    least = max(settings.epsilon() ** 2, float(jnp.finfo(x.dtype).tiny))
    return x / jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(x), axis=axis, keepdims=True), least))


@op
def cosine_similarity(y_true, y_pred, axis=-1):
    """The negative cosine of the angle between target and prediction, so that less is better.

    -1 for the same direction, 0 for right angles (and for zero vectors), 1 for opposite ones.

    Args:
        y_true: target vectors, `(batch, …, d)`.
        y_pred: predicted vectors of the same shape.
        axis: axis along which the vectors lie.

    Returns:
        An array without that axis.

    Example:
        >>> kerata.losses.cosine_similarity([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]])
        Array([-0. , -0.999...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "cosine_similarity")
    return -jnp.sum(unit(y_true, axis) * unit(y_pred, axis), axis=axis)


def _check_delta(loss):
    if isinstance(loss.delta, numbers.Real) and not loss.delta > 0:
        raise argument_error("delta", "be above 0", loss.delta, loss)


MeanSquaredError = loss_class(mean_squared_error, "mean_squared_error")
MeanAbsoluteError = loss_class(mean_absolute_error, "mean_absolute_error")
MeanAbsolutePercentageError = loss_class(
    mean_absolute_percentage_error, "mean_absolute_percentage_error"
)
MeanSquaredLogarithmicError = loss_class(
    mean_squared_logarithmic_error, "mean_squared_logarithmic_error"
)
Huber = loss_class(huber, "huber_loss", check=_check_delta)
LogCosh = loss_class(log_cosh, "log_cosh")
CosineSimilarity = loss_class(cosine_similarity, "cosine_similarity")
