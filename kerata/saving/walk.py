"""Where each part of a model stands in a file.

The order and the names are those of Keras's files: attributes in alphabetical order, private ones
last; the members of a list are named after their classes, `dense`, `dense_1`, …; what is found
twice stands at the first place.
"""

import functools
from collections.abc import Iterator

from kerata.engine.naming import to_snake_case
from kerata.layers.layer import Layer
from kerata.models.functional import Functional
from kerata.models.model import Model
from kerata.models.sequential import Sequential


def parts(root) -> Iterator[tuple[str, object]]:
    """Yield (path, object) for `root`, and for all layers and optimizers in it.

    The path of `root` is ""; the others are names joined by "/".
    """
    yield from _visit(root, "", set())


def _visit(thing, path: str, seen: set) -> Iterator[tuple[str, object]]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield path, thing
    for name, child in _children(thing):
        place = f"{path}/{name}" if path else name
        if _is_part(child):
            yield from _visit(child, place, seen)
        elif isinstance(child, (list, tuple, dict, set)):
            yield from _visit_members(child, place, seen)


def _visit_members(container, path: str, seen: set) -> Iterator[tuple[str, object]]:
    members = container.values() if isinstance(container, dict) else container
    used: dict[str, int] = {}
    for child in members:
        nested = isinstance(child, (list, tuple, dict, set))
        if not nested and not _is_part(child):
            continue
        name = "container" if nested else to_snake_case(type(child).__name__)
        used[name] = used.get(name, -1) + 1
        if used[name]:
            name = f"{name}_{used[name]}"
        visit = _visit_members if nested else _visit
        yield from visit(child, f"{path}/{name}", seen)


def _is_part(thing) -> bool:
    """Whether an object stands in files: a layer, an optimizer, or whatever saves like them."""
    return isinstance(thing, Layer) or (
        hasattr(thing, "save_own_variables") and not isinstance(thing, type)
    )


def _children(thing) -> Iterator[tuple[str, object]]:
    """Yield (attribute, value), in the order of files."""
    if not isinstance(thing, Layer):
        names, known = set(vars(thing)), frozenset[str]()
    else:
        known = _common_names(Model if isinstance(thing, Model) else Layer)
        names = set(dir(thing)) - (type(thing).untracked - {"optimizer"})
        if isinstance(thing, (Sequential, Functional)):
            # The graph comes first; attributes that a subclass adds do not change its order.
            yield "layers", thing.layers
            known = known | _common_names(Sequential)
    for name in sorted(names - known, key=_place):
        if name.startswith("__"):
            continue
        try:
            value = getattr(thing, name)
        except Exception:  # a property that has no value at the moment
            continue
        yield name, value


def _place(name: str) -> str:
    return "~" + name if name.startswith("_") else name


@functools.cache
def _common_names(cls: type) -> frozenset[str]:
    """Return the attributes that every layer, or every model, has: they are not walked."""
    names = set(dir(cls(name="any")))
    if issubclass(cls, Model):
        names -= {"layers", "optimizer"}
    return frozenset(names)
