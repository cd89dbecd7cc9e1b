"""Which positions of a tensor count: masks that travel beside tensors, and rows of a batch.

A layer that computes a mask attaches it to its output; the next layer finds it there. JAX's arrays
and tracers take no attributes, so masks are kept in a table by identity, for as long as the tensor
lives.

A batch may have been filled up to the size of the others (`training.padding`): while it is worked
on, `counted_rows` says how many of its first rows are samples.
"""

import contextlib
import contextvars
import weakref

import jax.numpy as jnp

from kerata.engine.symbolic import KerasTensor

_masks: dict[int, tuple] = {}


def set_mask(x, mask) -> None:
    """Attach `mask` to tensor `x` (array, tracer or symbolic tensor); None removes it."""
    if isinstance(x, KerasTensor):
        x._keras_mask = mask
        return
    if mask is None:
        _masks.pop(id(x), None)
        return
    key = id(x)
    _masks[key] = (weakref.ref(x, lambda _: _masks.pop(key, None)), mask)


def get_mask(x):
    """Return the mask attached to tensor `x`, or None."""
    if isinstance(x, KerasTensor):
        return x._keras_mask
    if not _masks:
        return None
    found = _masks.get(id(x))
    return found[1] if found is not None and found[0]() is x else None


_rows: contextvars.ContextVar = contextvars.ContextVar("rows", default=None)


@contextlib.contextmanager
def counting(rows):
    """Say that only the first `rows` (a number, usually traced) of what is a batch now count."""
    token = _rows.set(rows)
    try:
        yield
    finally:
        _rows.reset(token)


def counted_rows():
    """Return how many of the first rows of a batch count; None: all of them."""
    return _rows.get()


def counted(mask):
    """Return a mask or weights, `(batch, ...)`, with zeros in the rows that do not count."""
    rows = _rows.get()
    if rows is None:
        return mask
    mask = jnp.asarray(mask)
    counts = jnp.arange(mask.shape[0]) < rows
    return mask * counts.reshape(-1, *(1,) * (mask.ndim - 1)).astype(mask.dtype)


def mask_of_values(mask, values):
    """Return the mask of values, `(batch, ...)`, without the rows that do not count.

    Args:
        mask: what is masked besides, or None.
        values: array of a loss or metric.
    """
    if _rows.get() is None:
        return mask
    return counted(jnp.ones(values.shape, bool) if mask is None else jnp.asarray(mask, bool))
