"""Projections that weights go through after each step of training."""

import jax.numpy as jnp

from kerata.engine import settings
from kerata.engine.configurable import (
    Configurable,
    deserialize_in,
    publish,
    resolve,
    serialize as _serialize,
)
from kerata.engine.dtypes import as_float


class Constraint(Configurable):
    """Base of constraints: a callable from a weight to the nearest allowed one.

    A constraint of your own may also be a plain function.

    Example:
        >>> class Small(kerata.constraints.Constraint):
        ...     def __call__(self, w):
        ...         return kerata.ops.clip(w, -1.0, 1.0)
        >>> Small()(kerata.ops.array([3.0, 0.5]))
        Array([1. , 0.5], dtype=float32)
    """

    def __call__(self, w):
        """Return the value that weight `w` gets: here, its own."""
        return w


def _norms(w, axis):
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Scales vectors down to a norm of at most `max_value` (Srivastava et al., 2014).

    Args:
        max_value: the greatest norm.
        axis: axis or axes along which a vector lies: 0 for the weights into each unit of a Dense
            layer, (0, 1, 2) for those of each filter of a Conv2D.

    Example:
        >>> kerata.constraints.MaxNorm(1.0)([[3.0], [4.0]])
        Array([[0.6],
               [0.8]], dtype=float32)
    """

    def __init__(self, max_value=2, axis=0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w):
        w = as_float(w)
        norms = _norms(w, self.axis)
        return w * (jnp.clip(norms, 0, self.max_value) / (settings.epsilon() + norms))


class NonNeg(Constraint):
    """Sets negative weights to zero."""

    def __call__(self, w):
        return jnp.maximum(as_float(w), 0)


class UnitNorm(Constraint):
    """Scales vectors to norm 1.

    Args:
        axis: axis or axes along which a vector lies; see `MaxNorm`.
    """

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        w = as_float(w)
        return w / (settings.epsilon() + _norms(w, self.axis))


class MinMaxNorm(Constraint):
    """Moves the norm of vectors into [min_value, max_value].

    Args:
        min_value: the least norm.
        max_value: the greatest norm.
        rate: how far to move at each step: 1 all the way, 0 not at all.
        axis: axis or axes along which a vector lies; see `MaxNorm`.
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w):
        w = as_float(w)
        norms = _norms(w, self.axis)
        clipped = jnp.clip(norms, self.min_value, self.max_value)
        desired = self.rate * clipped + (1 - self.rate) * norms
        return w * (desired / (settings.epsilon() + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

publish(globals())

_NAMES = {
    name: thing
    for name, thing in globals().items()
    if isinstance(thing, type) and issubclass(thing, Constraint)
}


def serialize(constraint):
    """Return the config dict of a constraint."""
    return _serialize(constraint)


def deserialize(config, custom_objects=None):
    """Return the constraint that `serialize` wrote as `config`."""
    return deserialize_in("keras.constraints", config, custom_objects)


def get(identifier):
    """Return the constraint that `identifier` means.

    Args:
        identifier: a name ("max_norm", "MaxNorm"), a config dict, a class, a constraint or
            function, or None.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> kerata.constraints.get("non_neg")([-1.0, 2.0])
        Array([0., 2.], dtype=float32)
    """
    return resolve(identifier, _NAMES, "constraint", deserialize)
