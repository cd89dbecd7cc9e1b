"""What `compile` is given in the place of something else: metrics as losses, and the reverse."""

from collections.abc import Callable

from kerata import losses, metrics, optimizers
from kerata.engine import tree
from kerata.engine.errors import short
from kerata.engine.registry import public_name

_ACCURACIES = ("acc", "accuracy")


def refuse_metric(identifier) -> None:
    """Check that what is given as a loss is no metric and no optimizer.

    Raises:
        ValueError: if it is.
    """
    name = _metric_name(identifier)
    if name and not _is_known(losses.get, name):  # of errors there are both
        shown = repr(name) if isinstance(identifier, str) else name
        raise ValueError(
            f"`loss` must be a loss, which can be minimized, and {shown} is a metric.\n"
            f"Received: loss={shown}\nGive it as metrics=[...], beside a loss such as "
            "'sparse_categorical_crossentropy' for class numbers, or 'mse' for numbers."
        )
    if isinstance(identifier, optimizers.Optimizer) or (
        isinstance(identifier, str)
        and not _is_known(losses.get, identifier)
        and _is_known(optimizers.get, identifier)
    ):
        raise ValueError(
            "`loss` must be a loss, and this is an optimizer.\n"
            f"Received: loss={short(identifier)}\nThe optimizer comes first: "
            "compile(optimizer, loss)."
        )


def _metric_name(identifier) -> str | None:
    """Return the name of a metric that is given by name, as an object, class or function."""
    if isinstance(identifier, str):
        known = identifier in _ACCURACIES or _is_known(metrics.get, identifier)
        return identifier if known else None
    kind = identifier if isinstance(identifier, type) else type(identifier)
    if issubclass(kind, metrics.Metric):  # one of the user's may be minimized
        return kind.__name__ if public_name(kind) else None
    name = getattr(identifier, "__name__", "")
    # Only what cannot be minimized; the others are losses.
    return name if name.endswith("_accuracy") and public_name(identifier) else None


def refuse_loss(identifier) -> None:
    """Check that what is given as a metric is not the name of what is a loss only.

    Raises:
        ValueError: if it is.
    """
    name = identifier
    if isinstance(name, str) and not _is_known(metrics.get, name) and _is_known(losses.get, name):
        raise ValueError(
            f"There is no metric named {name!r}: it is a loss.\nReceived: metrics=[{name!r}]\n"
            f"To watch it, give the function: metrics=[kerata.losses.{name}]."
        )


def refuse_metrics_as_weights(loss_weights) -> None:
    """Check that the weights of losses are no metrics, which come fourth.

    Raises:
        ValueError: if they are.
    """
    for leaf in tree.flatten(loss_weights):
        if isinstance(leaf, str) or callable(leaf):
            raise ValueError(
                "`loss_weights`, the third argument, must hold numbers.\n"
                f"Received: loss_weights={short(loss_weights)}\n"
                "Give metrics by name: compile(optimizer, loss, metrics=[...])."
            )


def _is_known(get: Callable, name: str) -> bool:
    try:
        get(name)
    except ValueError:
        return False
    except TypeError:  # it needs arguments
        pass
    return True
