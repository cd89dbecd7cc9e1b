"""Matching what a user gives for the outputs of a model with those outputs.

Losses, weights, metrics, targets and sample weights may each be given as one thing for all
outputs, as a list, as a dict by name, or in the outputs' own nesting. `OutputMap` brings all of
them into one form: a list with an entry for each output, in the order of the flat outputs.
"""

import itertools
from collections.abc import Callable

from kerata.engine import tree
from kerata.engine.errors import UnknownKeyError, nearest

_MISSING = object()


class OutputMap:
    """The places and names of a model's outputs.

    Args:
        outputs: the outputs, any structure of tensors.
        names: names of flat outputs in order, as a functional model knows them, or None.

    Attributes:
        count: number of outputs.
        paths: path of each, as `tree.flatten_with_path` gives it.
        labels: name of each, for people, or None where it has none.
    """

    def __init__(self, outputs, names=None):
        counter = itertools.count()
        # The outputs' structure, with the number of each in its place.
        self.places = tree.map_structure(lambda _: next(counter), outputs)
        self._structure = tree.map_structure(lambda _: None, outputs)
        self.paths = [path for path, _ in tree.flatten_with_path(outputs)]
        self.count = len(self.paths)
        # Names are for a flat list only: keys of a dict, where there is one, are the names.
        flat = isinstance(outputs, (list, tuple)) and all(len(p) == 1 for p in self.paths)
        single = not tree.is_nested(outputs)
        self._names = (
            list(names) if names and len(names) == self.count and (flat or single) else None
        )
        self._all_names = list(names) if names and len(names) == self.count else None
        self.labels = self._names or [_label(path) for path in self.paths]
        self.prefixes = self._prefixes(outputs, bool(names))

    def _prefixes(self, outputs, named: bool) -> list[str]:
        """What stands before the names of an output's metrics in the logs."""
        if self.count == 1 and (named or not isinstance(outputs, dict)):
            return [""]
        if any(len(path) != 1 for path in self.paths):
            return [""] * self.count
        return [f"{label}_" if label else "" for label in self.labels]

    def loss_prefix(self, index: int) -> tuple[str, bool]:
        """Return (what stands before "loss" in the logs, whether the loss's name does as well)."""
        if self._names:
            return f"{self._names[index]}_", False
        path = self.paths[index]
        if path and isinstance(path[-1], str):
            return "/".join(map(str, path)) + "_", False
        if self._all_names and path:
            return "".join(f"{key}/" for key in path[:-1]) + f"{self._all_names[index]}_", False
        return "".join(f"{key}/" for key in path[:-1]), True

    def part_prefix(self, path: tuple) -> str:
        """Return what stands before "loss" in the logs for a loss of all outputs at `path`."""
        if path:
            return "/".join(map(str, path)) + "_"
        names = self.places if isinstance(self.places, dict) else self._all_names
        return "".join(f"{name}_" for name in names or ())

    def spread(
        self,
        value,
        argument: str,
        *,
        is_leaf: Callable = lambda x: not tree.is_nested(x),
        broadcast: bool = False,
        partial: bool = True,
    ) -> list:
        """Return `value` as a list with an entry for each output; None where it says nothing.

        Args:
            value: what the user gave.
            argument: name of the argument, for messages.
            is_leaf: whether something stands for a single output.
            broadcast: whether a single leaf goes to all outputs.
            partial: whether a dict by name may leave outputs out.

        Raises:
            ValueError: if `value` does not match the outputs.
        """
        if value is None:
            return [None] * self.count
        structure = self._structure
        if is_leaf(value) and (self.count == 1 or not tree.is_nested(value)):
            if self.count == 1 or broadcast:
                return [value] * self.count
            raise self._mismatch(argument, value, f"{self.count} entries, one for each output")
        if self.count == 1 and not tree.is_nested(structure):
            # Some write the only output's value as a list of one, or under its name.
            return [self._only(value, argument, is_leaf)]
        if isinstance(value, dict) and isinstance(structure, (list, tuple)):
            if self._names is None:
                raise ValueError(
                    f"`{argument}` must be a list with {self.count} entries: the model returns a "
                    f"{type(structure).__name__}, whose elements have no names.\n"
                    f"Received: {argument} with keys {list(value)}"
                )
            value = self._by_name(value, argument, partial)
        return self._match(structure, value, argument, is_leaf, broadcast)

    def _only(self, value, argument, is_leaf):
        inside = list(value.values()) if isinstance(value, dict) else list(value)
        if isinstance(value, dict) and self._names:
            inside = self._by_name(value, argument, partial=True)
        only = _unwrapped(inside[0], is_leaf) if len(inside) == 1 else inside
        if only is not None and not is_leaf(only):
            raise self._mismatch(argument, value, "one entry: the model has one output")
        return only

    def _by_name(self, value: dict, argument: str, partial: bool) -> list:
        assert self._names is not None
        self._check_keys(value, self._names, argument, partial)
        return [value.get(name) for name in self._names]

    @staticmethod
    def _check_keys(value, names, argument, partial):
        unknown = [key for key in value if key not in names]
        if unknown:
            close = nearest(unknown[0], [n for n in names if isinstance(n, str)], n=1)
            hint = f"\nDid you mean {close[0]!r}?" if close else ""
            raise UnknownKeyError(
                f"The keys of `{argument}` must be names of outputs: {list(names)}.\n"
                f"Received: {argument} with keys {list(value)}{hint}"
            )
        missing = [name for name in names if name not in value]
        if missing and not partial:
            raise ValueError(
                f"`{argument}` must have an entry for each output: {list(names)}.\n"
                f"Received: {argument} with keys {list(value)}\n"
                f"Give None for an output that needs none: {missing[0]!r}: None."
            )

    def _match(self, structure, value, argument, is_leaf, broadcast) -> list:
        """Return the entries of `value` for the leaves of `structure`."""
        if not tree.is_nested(structure):
            if value is _MISSING or value is None:
                return [None]
            value = _unwrapped(value, is_leaf)
            if is_leaf(value):
                return [value]
            raise self._mismatch(argument, value, "the structure of the model's outputs")
        size = len(tree.flatten(structure))
        if value is _MISSING or value is None:
            return [None] * size
        keys = sorted(structure) if isinstance(structure, dict) else list(range(len(structure)))
        if isinstance(structure, dict) and isinstance(value, dict):
            self._check_keys(value, list(structure), argument, partial=True)
            parts = [value.get(key, _MISSING) for key in keys]
        elif isinstance(value, (list, tuple)) and len(value) == len(keys):
            parts = list(value)
        elif isinstance(value, (list, tuple)) and len(value) == size and all(map(is_leaf, value)):
            return list(value)  # flat, although the outputs are nested
        elif broadcast and is_leaf(value) and not isinstance(value, (list, tuple)):
            return [value] * size
        else:
            raise self._mismatch(argument, value, f"{len(keys)} entries, one for each output")
        found = []
        for key, part in zip(keys, parts, strict=True):
            found += self._match(structure[key], part, argument, is_leaf, broadcast)
        return found

    def _mismatch(self, argument, value, must) -> ValueError:
        got = (
            f"with keys {list(value)}"
            if isinstance(value, dict)
            else f"with {len(value)} entries"
            if isinstance(value, (list, tuple))
            else f"of type {type(value).__name__}"
        )
        names = [label for label in self.labels if label]
        hint = f"\nThe outputs are: {names}" if names else ""
        return ValueError(f"`{argument}` must have {must}.\nReceived: {argument} {got}{hint}")


def _unwrapped(value, is_leaf):
    """Return what stands in a list of one, as some write what belongs to a single output."""
    while not is_leaf(value) and isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return value


def _label(path: tuple) -> str | None:
    """The name of the output at `path`: its key, if it stands in a dict."""
    return "/".join(map(str, path)) if path and isinstance(path[-1], str) else None
