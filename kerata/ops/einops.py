"""Rearranging axes by a pattern of names."""

import math
import re

import jax.numpy as jnp

from kerata.engine.op import op
from kerata.ops.arguments import array


@op
def rearrange(tensor, pattern, **axes_lengths):
    """Reorder, split and join axes as a pattern says (Rogozhnikov, "Einops", 2022).

    Args:
        tensor: tensor.
        pattern: names of the axes before and after: "batch (height width) channels -> batch
            channels height width". Names in parentheses share one axis, 1 is an axis of size 1,
            and "..." stands for any further axes.
        **axes_lengths: sizes of named axes that do not follow from the shape.

    Example:
        >>> kerata.ops.rearrange(kerata.ops.ones((6, 5)), "(a b) c -> b (c a)", a=2).shape
        (3, 10)
    """
    x = array(tensor)
    before, after = _parse(pattern)
    before, after = (_spell_out(side, x.ndim, before) for side in (before, after))
    names = [name for group in before for name in group]
    if sorted(names) != sorted(name for group in after for name in group):
        raise _error("The same names must stand on both sides.", pattern, x)
    if len(set(names)) < len(names):
        raise _error("Each name must stand once on each side.", pattern, x)
    if len(before) != x.ndim:
        raise _error(f"The left side must have {x.ndim} axes.", pattern, x)
    sizes = _sizes(before, x, axes_lengths, pattern)
    x = x.reshape([sizes[name] for name in names])
    x = jnp.transpose(x, [names.index(name) for group in after for name in group])
    return x.reshape([math.prod(sizes[name] for name in group) for group in after])


def _error(rule, pattern, x):
    return ValueError(f"{rule}\nReceived: pattern={pattern!r} for a tensor of shape {x.shape}")


def _parse(pattern):
    """Return the two sides of a pattern: for each axis, the list of its names."""
    sides = pattern.split("->") if isinstance(pattern, str) else ()
    if len(sides) != 2:
        raise ValueError(
            f'`pattern` must have two sides, "before -> after".\nReceived: pattern={pattern!r}'
        )
    found = []
    for side in sides:
        tokens = re.findall(r"\([^()]*\)|\.\.\.|[A-Za-z_]\w*|1", side)
        if "".join(tokens).replace(" ", "") != side.replace(" ", ""):
            raise ValueError(
                f"`pattern` must hold names, 1, '...' and parentheses.\nReceived: {side.strip()!r}"
            )
        # Axes of size 1 have no name: an empty group.
        found.append([[n for n in t.strip("()").split() if n != "1"] for t in tokens])
    return found


def _spell_out(side, rank, before):
    """Replace "..." by names for the axes it stands for."""
    extra = [f"...{i}" for i in range(rank - len(before) + 1)]
    result = []
    for group in side:
        if group == ["..."] and ["..."] in before:
            result.extend([name] for name in extra)
        else:
            result.append([n for name in group for n in (extra if name == "..." else [name])])
    return result


def _sizes(before, x, given, pattern):
    """Return the size of every name."""
    sizes = dict(given)
    for group, size in zip(before, x.shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        known = math.prod(sizes[name] for name in group if name in sizes)
        if len(unknown) > 1:
            raise _error(f"The sizes of {', '.join(unknown)} are not known: pass them.", pattern, x)
        if size % known or (not unknown and known != size):
            raise _error(f"An axis of size {size} cannot be {group}, with {given}.", pattern, x)
        sizes.update(dict.fromkeys(unknown, size // known))
    return sizes
