"""Penalties on weights, which layers add to the loss."""

import math
import numbers

import jax.numpy as jnp

from kerata.engine.configurable import (
    Configurable,
    deserialize_in,
    publish,
    resolve,
    serialize as _serialize,
)
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, one_of


class Regularizer(Configurable):
    """Base of regularizers: a callable from a weight to a scalar, its penalty.

    A regularizer of your own may also be a plain function.

    Example:
        >>> class Spread(kerata.regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return kerata.ops.std(x)
        >>> Spread()(kerata.ops.ones((2, 2)))
        Array(0., dtype=float32)
    """

    def __call__(self, x):
        """Return the penalty, a scalar, of weight `x`."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(x)`.")


def _factor(name: str, value, owner) -> float:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or value < 0:
        raise argument_error(name, "be a finite number of at least 0", value, owner)
    return float(value)


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x^2)`, the elastic net (Zou and Hastie, 2005).

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.

    Example:
        >>> kerata.regularizers.L1L2(l1=0.5, l2=0.25)([1.0, -2.0])
        Array(2.75, dtype=float32)
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = _factor("l1", 0.0 if l1 is None else l1, type(self))
        self.l2 = _factor("l2", 0.0 if l2 is None else l2, type(self))

    def __call__(self, x):
        x = as_float(x)
        penalty = jnp.zeros((), x.dtype)
        if self.l1:
            penalty += self.l1 * jnp.sum(jnp.abs(x))
        if self.l2:
            penalty += self.l2 * jnp.sum(jnp.square(x))
        return penalty


class L1(Regularizer):
    """`l1 * sum(|x|)`: drives weights to exactly zero.

    Args:
        l1: factor.
    """

    def __init__(self, l1=0.01):
        self.l1 = _factor("l1", 0.01 if l1 is None else l1, type(self))

    def __call__(self, x):
        return self.l1 * jnp.sum(jnp.abs(as_float(x)))


class L2(Regularizer):
    """`l2 * sum(x^2)`: keeps weights small.

    Args:
        l2: factor.
    """

    def __init__(self, l2=0.01):
        self.l2 = _factor("l2", 0.01 if l2 is None else l2, type(self))

    def __call__(self, x):
        return self.l2 * jnp.sum(jnp.square(as_float(x)))


class OrthogonalRegularizer(Regularizer):
    """Keeps the rows (or columns) of a matrix orthogonal: the mean |cosine| of distinct pairs.

    Args:
        factor: factor of the penalty, which lies in [0, 1] without it.
        mode: "rows" or "columns".

    Example:
        >>> kerata.regularizers.OrthogonalRegularizer(factor=1.0)([[1.0, 0.0], [0.0, 2.0]])
        Array(0., dtype=float32)
    """

    def __init__(self, factor=0.01, mode="rows"):
        self.factor = _factor("factor", factor, type(self))
        self.mode = one_of("mode", mode, ("rows", "columns"), type(self))

    def __call__(self, x):
        x = as_float(x)
        if x.ndim != 2:
            raise ValueError(
                f"OrthogonalRegularizer takes matrices only.\nReceived: a weight of shape {x.shape}"
            )
        rows = x if self.mode == "rows" else x.T
        norms = jnp.sqrt(jnp.maximum(jnp.sum(rows**2, axis=1, keepdims=True), 1e-12))
        cosines = (rows / norms) @ (rows / norms).T
        count = len(rows)
        distinct = jnp.abs(cosines) * (1 - jnp.eye(count, dtype=x.dtype))
        return self.factor * jnp.sum(distinct) / max(count * (count - 1), 1)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

publish(globals())

_NAMES = {
    name: thing
    for name, thing in globals().items()
    if isinstance(thing, type) and issubclass(thing, Regularizer)
} | {"l1l2": L1L2}


def serialize(regularizer):
    """Return the config dict of a regularizer."""
    return _serialize(regularizer)


def deserialize(config, custom_objects=None):
    """Return the regularizer that `serialize` wrote as `config`."""
    return deserialize_in("keras.regularizers", config, custom_objects)


def get(identifier):
    """Return the regularizer that `identifier` means.

    Args:
        identifier: a name ("l2", "L2", with its default factor), a config dict, a class, a
            regularizer or function, or None.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> kerata.regularizers.get("l2").l2
        0.01
    """
    return resolve(identifier, _NAMES, "regularizer", deserialize)
