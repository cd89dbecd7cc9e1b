"""What layers do with their arguments and with the shapes they meet: normalise, check, explain."""

import inspect
import types
from collections.abc import Callable, Iterable, Sequence

from kerata import constraints, initializers, regularizers
from kerata.engine.errors import argument_error, one_of, positive_int

_RULES = {
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
}


def keep_rules(layer, arguments: dict) -> None:
    """Store the rules for weights that a layer was given, each under its own name.

    `add_weight("kernel", …)` finds `kernel_initializer`, `kernel_regularizer` and
    `kernel_constraint` on the layer.

    Args:
        layer: the layer.
        arguments: `locals()` of its `__init__`; entries with other names are left alone.
    """
    for name, value in arguments.items():
        kind = name.rpartition("_")[2]
        if kind in _RULES and name != "activity_regularizer":
            setattr(layer, name, _RULES[kind](value))


def width(name: str, value, owner) -> int:
    """Return a number of units or vectors, checked; `3.0` will not do."""
    if isinstance(value, float):
        raise argument_error(name, "be a positive integer", value, owner)
    return positive_int(name, value, owner)


def padding_name(value, owner, options: Sequence[str] = ("valid", "same")) -> str:
    """Return `padding` in lower case, checked."""
    return one_of("padding", value.lower() if isinstance(value, str) else value, options, owner)


def axis_tuple(axis, owner, name: str = "axis") -> tuple[int, ...]:
    """Return an axis or several as a tuple of integers.

    Raises:
        TypeError: if it is something else.
    """
    axes = tuple(axis) if isinstance(axis, Iterable) and not isinstance(axis, str) else (axis,)
    if not all(isinstance(a, int) and not isinstance(a, bool) for a in axes):
        raise argument_error(name, "be an integer or a tuple of integers", axis, owner, TypeError)
    return axes


def resolve_axes(axis, rank: int, owner, name: str = "axis") -> tuple[int, ...]:
    """Return the axes of a tensor of `rank` axes, sorted and counted from the front.

    Raises:
        ValueError: if the tensor has no such axis, or one is named twice.
    """
    axes = axis_tuple(axis, owner, name)
    found = sorted(a % rank for a in axes if -rank <= a < rank)
    if len(found) < len(axes):
        must = f"be from {-rank} to {rank - 1} for inputs of rank {rank}"
        raise argument_error(name, must, axis, owner)
    if len(set(found)) < len(found):
        raise argument_error(name, "not name an axis twice", axis, owner)
    return tuple(found)


def known_dim(shape: Sequence[int | None], axis: int, layer) -> int:
    """Return `shape[axis]`, on which the shapes of the layer's weights depend.

    Raises:
        ValueError: if there is no such axis, or its size is not known.
    """
    rank = len(shape)
    if not -rank <= axis < rank:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} needs inputs that have an axis {axis}.\n"
            f"Received: an input of shape {tuple(shape)}, of rank {rank}"
        )
    size = shape[axis]
    if size is None:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} needs to know the size of axis {axis} of its "
            "inputs, for the shapes of its weights follow from it.\n"
            f"Received: an input of shape {tuple(shape)}\n"
            "Give that size in the Input's shape; batch and time may stay None."
        )
    return int(size)


def repeat_defaults(function: Callable, names: Sequence[str], times: int) -> Callable:
    """Return a copy of `function` in which the defaults of some parameters are repeated.

    Args:
        function: a function.
        names: the parameters whose default `1` becomes `(1, 1)`; other defaults stay.
        times: how often.

    Example:
        >>> import inspect
        >>> def scale(x, factor=2, offset=0): ...
        >>> inspect.signature(repeat_defaults(scale, ["factor"], 3))
        <Signature (x, factor=(2, 2, 2), offset=0)>
    """
    function = inspect.unwrap(function)
    defaults = [
        (p.default,) * times if p.name in names and isinstance(p.default, int) else p.default
        for p in inspect.signature(function).parameters.values()
        if p.default is not p.empty
    ]
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        tuple(defaults),
        function.__closure__,
    )
    copy.__qualname__ = function.__qualname__
    copy.__doc__ = function.__doc__
    copy.__annotations__ = function.__annotations__
    return copy
