"""Nested structures: lists, tuples, named tuples, deques and dicts of leaves.

Everything else, None included, is a leaf; so are sets, but for those that a layer holds. Dicts are
visited in the order of their sorted keys (ordered dicts: in their own order), so that equal
structures flatten alike.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from typing import Any

from kerata.engine.errors import is_int


class MAP_TO_NONE:
    """Returned by the function given to `traverse` to put None in a leaf's place."""


class HeldSet(set):
    """A set that is an attribute of a layer: unlike other sets it is a structure of its members."""


def _is_namedtuple(x) -> bool:
    return isinstance(x, tuple) and hasattr(type(x), "_fields")


def is_nested(structure) -> bool:
    """Return whether `structure` is a list, tuple, deque or dict (possibly empty).

    Example:
        >>> kerata.tree.is_nested([1]), kerata.tree.is_nested(1)
        (True, False)
    """
    return isinstance(structure, (list, tuple, deque, Mapping, HeldSet))


def _keys(mapping) -> list:
    if isinstance(mapping, OrderedDict):
        return list(mapping)
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def _children(structure) -> list:
    """Return (key, child) pairs of a nested structure in the order in which it is flattened."""
    if isinstance(structure, Mapping):
        return [(key, structure[key]) for key in _keys(structure)]
    return list(enumerate(structure))


def _rebuild(like: Any, children: list):
    """Return a container of `like`'s type with `children`, given in flattening order."""
    if isinstance(like, Mapping):
        found = dict(zip(_keys(like), children, strict=True))
        ordered = {key: found[key] for key in like}
        if isinstance(like, defaultdict):
            return defaultdict(like.default_factory, ordered)
        kind: Any = type(like)
        return ordered if kind is dict else kind(ordered)
    if _is_namedtuple(like):
        return type(like)(*children)
    if isinstance(like, deque):
        return deque(children, maxlen=like.maxlen)
    return type(like)(children)


def flatten(structure) -> list:
    """Return the leaves of `structure` as a list.

    Example:
        >>> kerata.tree.flatten({"b": [2, 3], "a": 1})
        [1, 2, 3]
    """
    if not is_nested(structure):
        return [structure]
    return [leaf for _, child in _children(structure) for leaf in flatten(child)]


def flatten_with_path(structure) -> list:
    """Return (path, leaf) pairs; a path is a tuple of keys and positions.

    Example:
        >>> kerata.tree.flatten_with_path({"a": [5, 6]})
        [(('a', 0), 5), (('a', 1), 6)]
    """
    if not is_nested(structure):
        return [((), structure)]
    pairs = []
    for key, child in _children(structure):
        pairs += [((key, *path), leaf) for path, leaf in flatten_with_path(child)]
    return pairs


def map_structure(func, *structures, none_is_leaf: bool = True):
    """Apply `func` to the leaves that stand at the same place in all `structures`.

    Args:
        func: callable that takes one leaf of each structure.
        *structures: one or more structures of the same shape.
        none_is_leaf: whether `func` is called on None; if not, None stays.

    Raises:
        TypeError: if `func` is not callable.
        ValueError: if there is no structure, or the structures differ.

    Example:
        >>> kerata.tree.map_structure(lambda x, y: x + y, [1, 2], [10, 20])
        [11, 22]
    """
    if not callable(func):
        raise TypeError(f"`func` must be callable. Received: func={func!r}")
    if not structures:
        raise ValueError("map_structure() needs at least one structure.")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    if not none_is_leaf:
        inner = func

        def func(*leaves):
            return None if all(leaf is None for leaf in leaves) else inner(*leaves)

    return map_structure_up_to(structures[0], func, *structures)


def map_structure_up_to(shallow_structure, func, *structures):
    """Apply `func` where `shallow_structure` has leaves; `structures` may go on below them.

    Raises:
        ValueError: if a structure lacks what the shallow one has.
    """
    if not structures:
        raise ValueError("map_structure_up_to() needs at least one structure.")
    if not is_nested(shallow_structure):
        return func(*structures)
    for structure in structures:
        _assert_same_level(shallow_structure, structure)
    inside = [dict(_children(structure)) for structure in structures]
    results = [
        map_structure_up_to(child, func, *(children[key] for children in inside))
        for key, child in _children(shallow_structure)
    ]
    return _rebuild(shallow_structure, results)


def _kind(structure) -> type:
    """The type that has to agree: all plain mappings count as one."""
    return dict if isinstance(structure, Mapping) else type(structure)


def _assert_same_level(a, b) -> None:
    if is_nested(a) != is_nested(b) or (is_nested(a) and _kind(a) is not _kind(b)):
        raise ValueError(f"The structures differ.\nReceived: {a!r}\nand: {b!r}")
    if isinstance(a, Mapping) and set(a) != set(b):
        raise ValueError(f"The keys differ.\nReceived: {list(a)}\nand: {list(b)}")
    if is_nested(a) and len(a) != len(b):
        raise ValueError(f"The lengths differ.\nReceived: {len(a)} elements\nand: {len(b)}")


def assert_same_structure(a, b, check_types=None) -> None:
    """Check that `a` and `b` nest in the same way.

    Args:
        a: a structure.
        b: another.
        check_types: accepted for compatibility; container types always have to agree.

    Raises:
        ValueError: if they do not.
    """
    _assert_same_level(a, b)
    if is_nested(a):
        there = dict(_children(b))
        for key, child in _children(a):
            assert_same_structure(child, there[key])


def assert_same_paths(a, b) -> None:
    """Check that `a` and `b` have leaves at the same paths; container types may differ.

    Raises:
        ValueError: if they do not.
    """
    here = {path for path, _ in flatten_with_path(a)}
    there = {path for path, _ in flatten_with_path(b)}
    if here != there:
        raise ValueError(
            "The structures have leaves at different paths.\n"
            f"Received: only in the first {sorted(here - there, key=str)}, "
            f"only in the second {sorted(there - here, key=str)}"
        )


def pack_sequence_as(structure, flat_sequence):
    """Return a structure like `structure` with the leaves in `flat_sequence`.

    Raises:
        TypeError: if `flat_sequence` is not a sequence.
        ValueError: if the number of leaves differs.

    Example:
        >>> kerata.tree.pack_sequence_as({"a": 0, "b": [0, 0]}, [1, 2, 3])
        {'a': 1, 'b': [2, 3]}
    """
    if isinstance(flat_sequence, (str, Mapping)) or not hasattr(flat_sequence, "__iter__"):
        raise TypeError(f"`flat_sequence` must be a sequence. Received: {flat_sequence!r}")
    leaves = list(flat_sequence)
    needed = len(flatten(structure))
    if needed != len(leaves):
        raise ValueError(f"The structure has {needed} leaves. Received: {len(leaves)} values.")
    return _pack(structure, iter(leaves))


def _pack(structure, leaves):
    if not is_nested(structure):
        return next(leaves)
    return _rebuild(structure, [_pack(child, leaves) for _, child in _children(structure)])


def lists_to_tuples(structure):
    """Return `structure` with a tuple in place of each list.

    Example:
        >>> kerata.tree.lists_to_tuples([1, {"a": [2]}])
        (1, {'a': (2,)})
    """
    if not is_nested(structure):
        return structure
    children = [lists_to_tuples(child) for _, child in _children(structure)]
    return tuple(children) if isinstance(structure, list) else _rebuild(structure, children)


def traverse(func, structure, top_down: bool = True):
    """Apply `func` to every node of `structure`, inner ones too.

    Args:
        func: callable on a node. It returns None to leave the node as it is (and, top-down, go on
            inside), `MAP_TO_NONE` to put None there, or what to put in the node's place.
        structure: any structure.
        top_down: whether a container is visited before its children.

    Returns:
        The structure with the replacements.
    """
    if not callable(func):
        raise TypeError(f"`func` must be callable. Received: func={func!r}")

    def replaced(node):
        found = func(node)
        return (False, node) if found is None else (True, None if found is MAP_TO_NONE else found)

    def visit(node):
        if top_down:
            done, node = replaced(node)
            if done or not is_nested(node):
                return node
            return _rebuild(node, [visit(child) for _, child in _children(node)])
        if is_nested(node):
            node = _rebuild(node, [visit(child) for _, child in _children(node)])
        return replaced(node)[1]

    return visit(structure)


def is_shape(x) -> bool:
    """Return whether `x` is a shape: a tuple or list of integers and None."""
    return isinstance(x, (list, tuple)) and all(d is None or is_int(d) for d in x)


def map_shape_structure(func, structure):
    """Apply `func` to every shape (tuple or list of integers and None) in `structure`.

    What is neither a shape nor a container is given to `func` as it is.

    Example:
        >>> kerata.tree.map_shape_structure(len, {"a": (None, 3), "b": [(1,), (2, 2, 2)]})
        {'a': 2, 'b': [1, 3]}
    """
    if is_shape(structure) or not is_nested(structure):
        return func(structure)
    return _rebuild(structure, [map_shape_structure(func, c) for _, c in _children(structure)])
