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
    is_name = isinstance(identifier, str)
    name = identifier if is_name else getattr(identifier, "__name__", "")
    is_metric = (
        isinstance(identifier, metrics.Metric)
        or (isinstance(identifier, type) and issubclass(identifier, metrics.Metric))
        or (is_name and not _is_known(losses.get, name)
            and (name in _ACCURACIES or _is_known(metrics.get, name)))
        # It has no gradient.
        or (name.endswith("_accuracy") and bool(public_name(identifier)))
    )  # fmt: skip
    if is_metric:
        shown = repr(name) if is_name else name or type(identifier).__name__
        raise ValueError(
            f"`loss` must be a loss, which can be minimized, and {shown} is a metric.\n"
            f"Received: loss={shown}\nGive it as metrics=[...], beside a loss such as "
            "'sparse_categorical_crossentropy' for class numbers, or 'mse' for numbers."
        )
    if isinstance(identifier, optimizers.Optimizer) or (
        is_name and not _is_known(losses.get, name) and _is_known(optimizers.get, name)
    ):
        raise ValueError(
            "`loss` must be a loss, and this is an optimizer.\n"
            f"Received: loss={short(identifier)}\nThe optimizer comes first: "
            "compile(optimizer, loss)."
        )


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
