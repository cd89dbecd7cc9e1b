"""Where each part of a model stands in a file.

The order and the names are those of Keras's files: attributes in alphabetical order, private ones
last; the members of a list are named after their classes, `dense`, `dense_1`, …; what is found
twice stands at the first place.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping

from kerata.engine.configurable import Configurable
from kerata.engine.naming import to_snake_case
from kerata.engine.variable import Variable
from kerata.layers.layer import Layer
from kerata.models.functional import Functional
from kerata.models.model import Model
from kerata.models.sequential import Sequential


def parts(
    root, is_there: Callable[[str], bool] | None = None, skip: Iterable = ()
) -> Iterator[tuple[str, object]]:
    """Yield (path, object) for `root`, and for all layers and optimizers in it.

    The path of `root` is ""; the others are names joined by "/".

    Args:
        root: a model, or a layer.
        is_there: whether a file has something at a path. What has several paths is then yielded
            with one that is there, if any is.
        skip: objects to leave out, with what is inside them.
    """
    walk = _Walk({id(x) for x in skip}, is_there)
    yield from walk.visit(root, "")
    walk.is_there = None
    for path, thing in walk.missing:
        yield from walk.visit(thing, path)


class _Walk:
    def __init__(self, seen: set, is_there):
        self.seen = seen
        self.is_there = is_there
        self.missing: list[tuple[str, object]] = []

    def visit(self, thing, path: str) -> Iterator[tuple[str, object]]:
        if id(thing) in self.seen:
            return
        if path and self.is_there is not None and not self.is_there(path):
            self.missing.append((path, thing))
            return
        self.seen.add(id(thing))
        yield path, thing
        for name, child in _children(thing):
            place = f"{path}/{name}" if path else name
            if _is_part(child):
                yield from self.visit(child, place)
            elif isinstance(child, _CONTAINERS):
                yield from self.visit_members(child, place)

    def visit_members(self, container, path: str, within=()) -> Iterator[tuple[str, object]]:
        if id(container) in within:
            return
        used: dict[str, int] = {}
        for child in container.values() if isinstance(container, dict) else container:
            nested = isinstance(child, _CONTAINERS)
            if not nested and not _is_part(child):
                continue
            name = "container" if nested else to_snake_case(type(child).__name__)
            used[name] = used.get(name, -1) + 1
            place = f"{path}/{name}_{used[name]}" if used[name] else f"{path}/{name}"
            if nested:
                yield from self.visit_members(child, place, (*within, id(container)))
            else:
                yield from self.visit(child, place)


_CONTAINERS = (list, tuple, dict, set)
# Where hidden variables are not looked for: plain values, and objects of these packages.
_PLAIN = {str, int, float, bool, bytes, type(None), type}
_OTHERS = {"builtins", "kerata", "jax", "jaxlib", "numpy", "threading", "logging"}
_DEEPEST = 6


def _is_part(thing) -> bool:
    """Whether an object stands in files: a layer, an optimizer, or whatever saves like them."""
    return isinstance(thing, Layer) or (
        hasattr(thing, "save_own_variables") and not isinstance(thing, type)
    )


def _children(thing) -> Iterator[tuple[str, object]]:
    """Yield (attribute, value), in the order of files."""
    known: frozenset[str] = frozenset()
    if not isinstance(thing, Layer):
        names = set(vars(thing))
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


def check_complete(root, skip: Iterable = ()) -> None:
    """Raise an error if `root` has variables that no part of it, in files, would hold.

    Objects that are neither layers nor lists or dicts of them are not walked for files; they, and
    functions, are looked into for this alone.

    Args:
        root: a model, or a layer.
        skip: objects that are left out on purpose, with what is inside them.

    Raises:
        ValueError: if there are such variables; the message names them.
    """
    skip = list(skip)
    lost: dict[int, str] = {}
    held = {id(v) for thing in skip for v in variables_of(thing)}
    found = [part for _, part in parts(root, skip=skip)]
    held |= {id(v) for part in found for v in variables_of(part, inside=False)}
    for part in found:
        if not isinstance(part, Layer):
            continue
        for v in part.weights if part is root else ():
            if id(v) not in held:
                lost[id(v)] = v.path
        for name, value in vars(part).items():
            if name not in part.untracked and type(value) not in _PLAIN:
                for v in _hidden(value, 0, set()):
                    if id(v) not in held:
                        lost.setdefault(id(v), f"{v.path} (in `{name}` of {part.name!r})")
    if lost:
        named = ", ".join(list(lost.values())[:5]) + (", …" if len(lost) > 5 else "")
        raise ValueError(
            f"The file would lack variables of {type(root).__name__} {root.name!r}: they are "
            f"reached neither as attributes of layers nor in lists or dicts of these.\n"
            f"Received: {named}\nMake what holds them such an attribute; or name it in "
            "`objects_to_skip` of save_weights(), to leave it out on purpose."
        )


def variables_of(thing, inside: bool = True) -> list[Variable]:
    """Return the variables of a part, with or without those of the layers inside."""
    if isinstance(thing, Layer):
        return thing.weights if inside else thing._own_state()
    return list(getattr(thing, "variables", ()))


def _hidden(value, depth: int, seen: set) -> Iterator[Variable]:
    """Yield the variables inside of functions, and of objects that are not walked for files."""
    if isinstance(value, Variable):
        yield value
    elif isinstance(value, Layer):
        yield from value.weights
    if depth > _DEEPEST or id(value) in seen or isinstance(value, (Variable, Layer)):
        return
    seen.add(id(value))
    for child in _insides(value):
        if type(child) not in _PLAIN:
            yield from _hidden(child, depth + 1, seen)


def _insides(value) -> Iterable:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if isinstance(value, types.FunctionType):
        return list(inspect.getclosurevars(value).nonlocals.values())
    if isinstance(value, types.MethodType):
        return [value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    home = type(value).__module__.split(".")[0]
    # Metrics and losses have a state of their own, which is no weight.
    if isinstance(value, (type, Configurable)) or home in _OTHERS or not hasattr(value, "__dict__"):
        return ()
    return list(vars(value).values())
