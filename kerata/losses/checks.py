"""What can be seen wrong with targets before training starts.

JAX takes a class number that is out of range, or probabilities where logits belong, without a
word. These checks look at one batch of real numbers, on the host, once; they are no part of the
compiled step.
"""

import numpy as np

from kerata import activations
from kerata.engine.errors import warn
from kerata.losses import crossentropy, loss, structured
from kerata.losses.crossentropy import class_numbers_message, sparse_shape_message

_SPARSE = (
    crossentropy.sparse_categorical_crossentropy,
    crossentropy.categorical_generalized_cross_entropy,
)
_CATEGORICAL = (
    crossentropy.categorical_crossentropy,
    crossentropy.categorical_focal_crossentropy,
)
_BINARY = (crossentropy.binary_crossentropy, crossentropy.binary_focal_crossentropy)


def check_targets(loss_fn, y_true, y_pred_shape, y_pred=None, name: str | None = None) -> None:
    """Raise an error if targets cannot be meant for a loss.

    Args:
        loss_fn: a loss: an instance, or a function. Of losses that are not kerata's, only the
            numbers themselves are looked at.
        y_true: targets of one batch: an array on the host. Anything else is passed over.
        y_pred_shape: shape of the predictions for that batch.
        y_pred: these predictions, if they are at hand, on the host.
        name: the output that the targets belong to, for messages.

    Raises:
        ValueError: if class numbers are out of range or not whole; if there are one-hot vectors
            in place of class numbers, or the reverse; if targets of a binary cross-entropy are
            outside of [0, 1]; if all targets are NaN.

    Warns:
        UserWarning: if predictions cannot be what `from_logits` says that they are.

    Example:
        >>> loss = kerata.losses.SparseCategoricalCrossentropy()
        >>> check_targets(loss, np.array([1, 2, 3]), (3, 3))
        Traceback (most recent call last):
        ...
        ValueError: sparse_categorical_crossentropy: class numbers must be between 0 and 2, ...
        Received: 3 in y_true
        The classes seem to be counted from 1: subtract 1 from them.
    """
    function, arguments = _parts(loss_fn)
    if not isinstance(y_true, np.ndarray) or y_true.dtype.kind not in "biuf" or not y_true.size:
        return
    if y_true.dtype.kind == "f" and np.isnan(y_true).all():
        raise ValueError(f"{_of(name)}y_true must hold numbers.\nReceived: only NaN")
    shape = tuple(y_pred_shape)
    if not shape:
        return
    if function in _SPARSE:
        _check_class_numbers(function, arguments, y_true, shape, name)
    elif function in _CATEGORICAL:
        _check_one_hot(function, arguments, y_true, shape, name)
    elif function in _BINARY:
        _check_bits(function, y_true, name)
    elif function is structured.ctc and y_true.min() < 0:
        raise ValueError(
            f"{_of(name)}ctc: class numbers must be at least 0 (0 pads).\n"
            f"Received: {y_true.min()} in y_true"
        )
    if y_pred is not None and "from_logits" in arguments:
        _check_logits(function, arguments, np.asarray(y_pred), name)


def activation_mismatch(loss_fn, activation, layer: str) -> str | None:
    """Return what is wrong if a model's last activation does not give what a loss takes, or None.

    Args:
        loss_fn: a loss: an instance, or a function.
        activation: the function that the last layer ends with.
        layer: name of that layer.
    """
    function, arguments = _parts(loss_fn)
    if function not in (*_SPARSE, *_CATEGORICAL, *_BINARY) or "from_logits" not in arguments:
        return None
    wanted = "sigmoid" if function in _BINARY else "softmax"
    if not arguments["from_logits"] and activation is activations.linear:
        return (
            f"{function.__name__} takes probabilities, but layer {layer!r}, the last one, has no "
            f"activation: this model will hardly learn.\nGive that layer activation={wanted!r}, "
            "or compile() the class of the loss with from_logits=True."
        )
    if arguments["from_logits"] and activation in (activations.softmax, activations.sigmoid):
        return (
            f"{function.__name__} with from_logits=True takes logits, but layer {layer!r}, the "
            "last one, gives probabilities: this model will hardly learn.\nLeave out that layer's "
            f"activation={activation.__name__!r}, or from_logits=True."
        )
    return None


def _parts(loss_fn):
    """Return the function behind a loss, and its arguments."""
    if isinstance(loss_fn, loss.FunctionLoss):
        return loss_fn.fn, loss_fn.arguments
    has_option = loss_fn in (*_SPARSE, *_CATEGORICAL, *_BINARY)
    return loss_fn, {"from_logits": False} if has_option else {}


def _of(name: str | None) -> str:
    return "" if name is None else f"Output {name!r}: "


def _check_class_numbers(function, arguments, y_true, shape, name):
    axis = arguments.get("axis", -1) % len(shape)
    expected = shape[:axis] + shape[axis + 1 :]
    if y_true.shape not in (expected, (*expected, 1)):
        if y_true.shape == shape and function is not crossentropy.sparse_categorical_crossentropy:
            return
        message = sparse_shape_message(function.__name__, y_true.shape, shape, expected)
        raise ValueError(_of(name) + message)
    kept = y_true
    if arguments.get("ignore_class") is not None:
        kept = y_true[y_true != arguments["ignore_class"]]
    if kept.dtype.kind == "f" and not np.array_equal(kept, np.round(kept)):
        raise ValueError(
            f"{_of(name)}{function.__name__}: y_true must hold class numbers.\n"
            f"Received: {kept[kept != np.round(kept)].flat[0]} in y_true\n"
            "For numbers that are not classes, use a loss such as mean_squared_error."
        )
    if not kept.size:
        return
    low, high, classes = kept.min(), kept.max(), shape[axis]
    if low >= 0 and high < classes:
        return
    message = (
        f"{_of(name)}{function.__name__}: class numbers must be between 0 and {classes - 1}, "
        f"since y_pred has {classes} classes.\nReceived: {high if low >= 0 else low} in y_true"
    )
    if classes == 1:
        message += "\nFor two classes and one unit: the loss binary_crossentropy with a sigmoid."
    elif low == 1 and high == classes:
        message += "\nThe classes seem to be counted from 1: subtract 1 from them."
    elif low < 0 and arguments.get("ignore_class") is None:
        message += f"\nTo leave these samples out, give the loss ignore_class={low}."
    else:
        message += f"\nGive the model's last layer {high + 1} units, or check the labels."
    raise ValueError(message)


def _check_one_hot(function, arguments, y_true, shape, name):
    axis = arguments.get("axis", -1) % len(shape)
    expected = shape[:axis] + shape[axis + 1 :]
    if y_true.shape != shape and y_true.shape in (expected, (*expected, 1)):
        message = class_numbers_message(function.__name__, y_true.shape, shape, axis)
        raise ValueError(_of(name) + message)


def _check_bits(function, y_true, name):
    low, high = np.nanmin(y_true), np.nanmax(y_true)
    if low >= 0 and high <= 1:
        return
    message = (
        f"{_of(name)}{function.__name__}: targets must be between 0 and 1.\n"
        f"Received: {high if low >= 0 else low} in y_true"
    )
    if low == -1 and high == 1:
        message += "\nTurn -1 and 1 into 0 and 1: (y + 1) / 2. (hinge takes them as they are.)"
    elif y_true.dtype.kind in "iu":
        message += "\nFor more than two classes, use the loss sparse_categorical_crossentropy."
    raise ValueError(message)


def _check_logits(function, arguments, y_pred, name):
    if y_pred.dtype.kind != "f" or not y_pred.size or not np.isfinite(y_pred).all():
        return
    if not arguments["from_logits"]:
        if y_pred.min() < 0 or y_pred.max() > 1.001:
            warn(
                f"{_of(name)}{function.__name__} takes y_pred as probabilities, but they lie "
                f"between {y_pred.min():.4g} and {y_pred.max():.4g}. If the model ends without a "
                "softmax or sigmoid, give the loss from_logits=True.",
            )
    elif function not in _BINARY and y_pred.shape[0] > 1:
        axis = arguments.get("axis", -1) % y_pred.ndim
        sums = y_pred.sum(axis=axis)
        # Logits all positive that sum to 1 in every sample are no accident.
        if y_pred.min() >= 0 and y_pred.shape[axis] > 1 and np.allclose(sums, 1, atol=1e-4):
            warn(
                f"{_of(name)}{function.__name__} takes y_pred as logits (from_logits=True), but "
                "they are probabilities. Drop the model's softmax, or from_logits=True.",
            )
