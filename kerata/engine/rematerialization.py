"""Layers whose intermediate results are computed again for the gradient, not kept."""

import functools
import threading
import weakref

import jax
import numpy as np

from kerata.engine import scopes
from kerata.engine.errors import one_of
from kerata.engine.transforms import exchanging, remat


class _Scopes(threading.local):
    def __init__(self):
        self.stack: list[RematScope] = []


_scopes = _Scopes()
# The largest outputs of layers and operations, by what they were called with.
_sizes: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """Makes layers that are created in the `with` block save memory in training.

    What such a layer computes on the way to its outputs is not kept for the gradient but computed
    again (Chen et al., 2016): less memory, more time.

    Args:
        mode: "full" for every layer; "activations" for the activation functions only;
            "larger_than" for layers with an output of more elements than `output_size_threshold`;
            "list_of_layers" for the layers in `layer_names`; None for none (inside another scope).
        output_size_threshold: number of elements, with the batch.
        layer_names: list of names of layers.

    Raises:
        ValueError: if there is no such mode.

    Example:
        >>> with kerata.RematScope("full"):
        ...     block = kerata.layers.Dense(64, activation="gelu")
    """

    def __init__(self, mode="full", output_size_threshold=1024, layer_names=None):
        self.mode = one_of("mode", mode, _MODES, "RematScope")
        self.output_size_threshold = output_size_threshold
        self.layer_names = list(layer_names or [])

    def __enter__(self):
        _scopes.stack.append(self)
        return self

    def __exit__(self, *exception):
        _scopes.stack.pop()


def current_scope() -> RematScope | None:
    """Return the innermost scope that this thread is in, or None."""
    return _scopes.stack[-1] if _scopes.stack else None


def wrapped(scope: RematScope | None, owner, call, args, kwargs):
    """Return `call`, a method of a layer or operation, made as the scope says that it was made in.

    Args:
        scope: the scope, or None.
        owner: the layer or operation.
        call: the method.
        args: what it will be called with.
        kwargs: likewise.
    """
    mode = None if scope is None else scope.mode
    if mode is None or scope is None:
        return call
    if mode == "activations":
        return _with_activation_again(owner, call)
    if mode == "list_of_layers" and owner.name not in scope.layer_names:
        return call
    if mode == "larger_than" and (
        _largest(owner, call, args, kwargs) <= scope.output_size_threshold
    ):
        return call
    return _again(call)


def _again(call):
    """Return `call` rematerialized; losses that layers add inside are added outside."""

    @functools.wraps(call)
    def rematerialized(*args, **kwargs):
        owners = []

        def with_losses(*args, **kwargs):
            outputs = call(*args, **kwargs)
            added = list(scopes.current_scope().losses.values())
            owners[:] = [layer for layer, _ in added]
            return outputs, [losses for _, losses in added]

        outputs, found = remat(with_losses)(*args, **kwargs)
        for layer, losses in zip(owners, found, strict=True):
            for loss in losses:
                layer.add_loss(loss)
        return outputs

    return rematerialized


def _with_activation_again(owner, call):
    if vars(owner).get("activation") is None:
        return call

    @functools.wraps(call)
    def rematerialized(*args, **kwargs):
        with exchanging:  # or another thread would take the changed one for the layer's own
            activation = owner.activation
            owner.activation = remat(activation)
            try:
                return call(*args, **kwargs)
            finally:
                owner.activation = activation

    return rematerialized


def _largest(owner, call, args, kwargs) -> int:
    """Return the number of elements of the largest output."""
    leaves, structure = jax.tree_util.tree_flatten((args, kwargs))
    key = structure, *(tuple(x.shape) if hasattr(x, "shape") else repr(x) for x in leaves)
    known = _sizes.setdefault(owner, {})
    if key not in known:
        with scopes.Scope():
            outputs = jax.eval_shape(lambda: call(*args, **kwargs))
        sizes = [int(np.prod(x.shape)) for x in jax.tree_util.tree_leaves(outputs)]
        known[key] = max(sizes, default=0)
    return known[key]
