"""Activation functions of layers, by name (public namespace `kerata.activations`)."""

import jax.numpy as jnp

from kerata.engine import registry as _registry
from kerata.engine.configurable import deserialize as _deserialize, serialize as _serialize
from kerata.engine.dtypes import as_float
from kerata.engine.op import op
from kerata.ops import activation
from kerata.ops.activation import (
    celu as celu,
    elu as elu,
    glu as glu,
    hard_shrink as hard_shrink,
    hard_sigmoid as hard_sigmoid,
    hard_silu as hard_silu,
    hard_swish as hard_swish,
    hard_tanh as hard_tanh,
    leaky_relu as leaky_relu,
    log_sigmoid as log_sigmoid,
    log_softmax as log_softmax,
    relu6 as relu6,
    selu as selu,
    sigmoid as sigmoid,
    silu as silu,
    soft_shrink as soft_shrink,
    softmax as softmax,
    softplus as softplus,
    softsign as softsign,
    sparse_plus as sparse_plus,
    sparse_sigmoid as sparse_sigmoid,
    sparsemax as sparsemax,
    squareplus as squareplus,
    swish as swish,
    tanh_shrink as tanh_shrink,
    threshold as threshold,
)
from kerata.ops.trigonometry import tanh as tanh


@op
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """Return `max(x, 0)`, or a variation of it.

    Args:
        x: tensor.
        negative_slope: slope below `threshold`.
        max_value: greatest value of the result; None for no limit.
        threshold: where the function begins: `x` itself is returned above it,
            `negative_slope * (x - threshold)` below.

    Example:
        >>> kerata.activations.relu([-2.0, 1.0, 9.0], max_value=6.0)
        Array([-0.,  1.,  6.], dtype=float32)
    """
    if not (negative_slope or threshold or max_value is not None):
        return activation.relu(x)
    x = as_float(x)
    below = negative_slope * (x - threshold)
    above = x if max_value is None else jnp.minimum(x, max_value)
    return jnp.where(x > threshold, above, below).astype(x.dtype)


@op
def gelu(x, approximate=False):
    """Return `x` times the normal distribution function of `x` (Hendrycks and Gimpel, 2016).

    Args:
        x: tensor.
        approximate: whether to take `tanh` in place of the error function.

    Example:
        >>> kerata.activations.gelu([0.0, 2.0])
        Array([0.       , 1.9544997], dtype=float32)
    """
    return activation.gelu(x, approximate)


@op
def linear(x):
    """Return `x`.

    Example:
        >>> kerata.activations.linear(3.0)
        3.0
    """
    return x


@op
def exponential(x):
    """Return e to the power of each element.

    Example:
        >>> kerata.activations.exponential([0.0, 1.0])
        Array([1.       , 2.7182817], dtype=float32)
    """
    return jnp.exp(as_float(x))


@op
def mish(x):
    """Return `x * tanh(softplus(x))` (Misra, 2019).

    Example:
        >>> kerata.activations.mish([-1.0, 2.0])
        Array([-0.30340144,  1.943959  ], dtype=float32)
    """
    x = as_float(x)
    return x * jnp.tanh(activation.softplus(x))


_registry.publish(globals())

# Every op that is defined or imported here.
_FUNCTIONS = {name: thing for name, thing in globals().items() if hasattr(thing, "__wrapped__")}


def get(identifier):
    """Return an activation function.

    Args:
        identifier: its name, a config, a function or other callable, or None for `linear`.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if `identifier` is something else.

    Example:
        >>> kerata.activations.get("relu")([-1.0, 1.0])
        Array([0., 1.], dtype=float32)
    """
    if identifier is None:
        return linear
    return _registry.resolve(identifier, _FUNCTIONS, "activation function", deserialize)


def serialize(activation):
    """Return what stands for an activation in a config: its name, or the dict of an object."""
    if getattr(activation, "__name__", None) in _FUNCTIONS and activation in _FUNCTIONS.values():
        return activation.__name__
    return _serialize(activation)


def deserialize(config, custom_objects=None):
    """Return the activation that `serialize` wrote: a name, or a dict."""
    if isinstance(config, str):
        with _registry.CustomObjectScope(custom_objects or {}):
            return _registry.resolve(config, _FUNCTIONS, "activation function")
    return _deserialize(config, custom_objects)
