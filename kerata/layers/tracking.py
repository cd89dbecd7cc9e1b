"""Finding the state of a layer: variables, layers, seeds and metrics among its attributes.

Nothing is registered when an attribute is set; the attributes, and lists, tuples, dicts and sets
in them, are walked when somebody asks. What is found is in the order in which it was assigned.
"""

import types
from collections.abc import Iterable, Iterator, Mapping

from kerata.engine.rng import SeedGenerator
from kerata.engine.variable import Variable

_PLAIN = frozenset((str, int, float, bool, type(None), types.FunctionType, type))


def is_metric(x) -> bool:
    """Return whether `x` is a metric: it has a state to update, reset and read."""
    return hasattr(x, "update_state") and hasattr(x, "reset_state") and hasattr(x, "result")


def parts(value, within: tuple[int, ...] = ()) -> Iterator:
    """Yield the leaves of nested containers, in order; a container inside itself is left out."""
    if isinstance(value, Mapping):
        children: Iterable = value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        children = value
    else:
        yield value
        return
    if id(value) not in within:
        for child in children:
            yield from parts(child, (*within, id(value)))


def attributes(owner, excluded: frozenset) -> Iterator:
    """Yield the leaves of all attributes of `owner` but the excluded ones, each once.

    Plain values, which most attributes are, are left out at once.
    """
    seen = set()
    for name, value in vars(owner).items():
        if type(value) not in _PLAIN and name not in excluded:
            for leaf in parts(value):
                if id(leaf) not in seen:
                    seen.add(id(leaf))
                    yield leaf


def holds_state(value, layer_type: type) -> bool:
    """Return whether `value` is, or holds, a variable, a seed or a layer."""
    return any(isinstance(x, (Variable, SeedGenerator, layer_type)) for x in parts(value))


def unique(items) -> list:
    """Return `items` without repetitions, by identity."""
    return list({id(x): x for x in items}.values())
