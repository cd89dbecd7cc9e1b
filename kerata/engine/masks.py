"""Which positions of a tensor count: masks that travel beside tensors.

A layer that computes a mask attaches it to its output; the next layer finds it there. JAX's arrays
and tracers take no attributes, so masks are kept in a table by identity, for as long as the tensor
lives.
"""

import weakref

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
