"""How a layer is called: its call's arguments, the training flag, masks and losses."""

import functools
import inspect
import threading
import weakref
from typing import Any

import jax
import numpy as np

from kerata.engine import scopes, tree
from kerata.engine.masks import get_mask
from kerata.engine.symbolic import KerasTensor
from kerata.engine.variable import Variable


class _Calls(threading.local):
    """The calls of layers that this thread is in."""

    def __init__(self):
        self.depth = 0
        self.training: bool | None = None
        # Layers that keep losses added outside of every scope.
        self.with_losses: weakref.WeakSet = weakref.WeakSet()


calls = _Calls()
scopes.ambient_sources.append(lambda: calls.training)


class CallSignature:
    """The parameters of a `call` method.

    Attributes:
        names: names of its parameters, `self` aside.
        first: name of the first one, or None.
        has_training: whether it takes `training`.
        takes_any: whether it takes arbitrary keywords.
    """

    def __init__(self, function):
        self.signature = inspect.signature(function)
        parameters = list(self.signature.parameters.values())
        kinds = inspect.Parameter
        self.names = [p.name for p in parameters if p.kind not in (kinds.VAR_KEYWORD,)]
        self.takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        self.first = self.names[0] if self.names else None
        self.has_training = "training" in self.names
        self.training_default = None
        if self.has_training:
            default = self.signature.parameters["training"].default
            self.training_default = None if default is kinds.empty else default


@functools.lru_cache(maxsize=4096)
def call_signature(function) -> CallSignature:
    """Return the parameters of an unbound `call` method (cached)."""
    return CallSignature(functools.partial(function, None))


def is_tensor(x) -> bool:
    """Return whether `x` is an array, a tracer, a symbolic tensor or a variable."""
    return isinstance(x, (jax.Array, np.ndarray, KerasTensor, Variable))


def is_option(x) -> bool:
    """Return whether `x` can only be an option of a call, to be given by keyword."""
    return isinstance(x, (bool, str)) or callable(x) and not is_tensor(x)


def holds_tensor(structure) -> bool:
    """Return whether there is a tensor in `structure`."""
    return any(is_tensor(x) for x in tree.flatten(structure))


def mask_arguments(signature: CallSignature, arguments: dict) -> dict[str, Any]:
    """Return the masks to add to a call's arguments: those attached to its tensors.

    The first argument's mask is called `mask`, another argument's `NAME_mask`.
    """
    found = {}
    for name, value in arguments.items():
        for mask_name in ("mask", f"{name}_mask") if name == signature.first else (f"{name}_mask",):
            if mask_name in signature.names and arguments.get(mask_name) is None:
                mask = tree.map_structure(get_mask, value)
                if any(m is not None for m in tree.flatten(mask)):
                    found[mask_name] = mask
                break
    return found


class training_scope:
    """Sets the training flag that layers called inside inherit; counts the depth of calls."""

    def __init__(self, training):
        self.training = training

    def __enter__(self):
        self._outer = calls.training
        calls.training = self.training
        calls.depth += 1

    def __exit__(self, *exception):
        calls.training = self._outer
        calls.depth -= 1


def add_loss(layer, loss) -> None:
    """Keep a loss for `layer`: in the innermost scope, since it may be traced; else with it."""
    scope = scopes.current_scope()
    if scope is None:
        layer._losses.append(loss)
        calls.with_losses.add(layer)
        return
    scope.losses.setdefault(id(layer), (layer, []))[1].append(loss)
    stateless = scopes.get_stateless_scope()
    if stateless is not None and stateless.collect_losses:
        stateless.collected.append(loss)


def get_losses(layer) -> list:
    """Return the losses that `layer` added in its latest call."""
    scope = scopes.current_scope()
    while scope is not None:
        if id(layer) in scope.losses:
            return list(scope.losses[id(layer)][1])
        scope = scope.outer
    return list(layer._losses)


def clear_losses(layer) -> None:
    """Forget the losses of `layer` and those inside, where the latest were kept."""
    scope = scopes.current_scope()
    if not (calls.with_losses if scope is None else scope.losses):
        return  # mostly: then there is no need to walk the layers
    for inner in layer._flatten_layers():
        if scope is None:
            inner._losses.clear()
            calls.with_losses.discard(inner)
        else:
            scope.losses.pop(id(inner), None)
