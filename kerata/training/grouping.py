"""Several short steps in one call, where nobody watches single batches.

Calling a compiled program costs the host time, more with each variable: most of what the step of a
small model takes. So where a run is long, the model small, and no
callback looks at single batches, `fit` compiles a loop over the batches of a group in place of a
step. It computes what single steps would, in the same order, and is compiled once: how many
batches a group holds is an argument.

Whether steps are grouped follows from the model, the data and the callbacks alone, never from a
clock: equal runs stay equal. Convolutions run very slowly inside loops on CPUs, so there a model
that has some is not grouped.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import placement
from kerata.engine.transforms import jit, lift
from kerata.kernels import platform
from kerata.layers.recurrent import RNN
from kerata.training.batches import batch_size, form
from kerata.training.feeding import ArrayFeed, Feed

# Batches in a group.
GROUP = 16
# Below this many batches in all, tracing the loop costs more than it saves.
_LONG = 1000
# Above this many products of a weight and a sample in a step, it takes so long that the call's
# share is small.
_SMALL = {"cpu": 2**22, "lax": 2**26}
# A group's batches are copied together: at most so many bytes.
_MOST_BYTES = 2**23


def group_size(trainer, feed: Feed, callbacks, steps: int, first) -> int:
    """Return how many steps of `fit` to run in one call.

    Args:
        trainer: the model, built.
        feed: where the batches come from.
        callbacks: the `CallbackList`.
        steps: how many there will be in all.
        first: the first batch.
    """
    if (
        trainer.steps_per_execution > 1
        or not trainer.compiles_steps
        or not isinstance(feed, ArrayFeed)
        or feed.prepare is not None
        or placement.current.distribution is not None
        or callbacks.watches_batches("train")
        or steps < _LONG
    ):
        return trainer.steps_per_execution
    weights = sum(v.size for v in trainer.trainable_variables)
    if weights * (batch_size(first) or 0) > _SMALL[platform()] or _takes_long(trainer):
        return 1
    size = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(first))
    return max(1, min(GROUP, feed.num_batches or 1, _MOST_BYTES // max(size, 1)))


def _takes_long(trainer) -> bool:
    """Return whether a layer takes longer than its weights let expect, or is slow in a loop."""
    return any(
        isinstance(layer, RNN) or (platform() == "cpu" and hasattr(layer, "kernel_size"))
        for layer in trainer._flatten_layers()
    )


class _CannotLoop(Exception):
    """The step holds what is slow inside a loop."""


class Grouped:
    """A function of a tuple of batches that runs one step after the other, in one call.

    Args:
        step: the step of one batch, to be traced.
        single: the same, compiled: for a batch of another shape than the first of its group, and
            where no loop can be made.
        size: the largest number of batches.
        likely: see `kerata.jit`.

    Attributes:
        loop: the compiled loop, or None where none can be made.
    """

    def __init__(self, step: Callable, single: Callable, size: int, likely: Callable):
        def train_group(stacked, count):
            return _looped(step, stacked, count)

        self.single = single
        self.size = size
        self.loop: Any = jit(train_group, likely=likely)

    def __call__(self, batches):
        results: Any = None
        if self.loop is not None and len(batches) > 1:
            first = form(batches[0])
            alike = list(itertools.takewhile(lambda batch: form(batch) == first, batches))
            try:
                results = self.loop(_stacked(alike, self.size), np.int32(len(alike)))
                batches = batches[len(alike) :]
            except _CannotLoop:
                self.loop = None
        for batch in batches:
            results = self.single(batch)
        return results


def _stacked(batches: list, size: int):
    """Return `size` batches as one, with an axis in front; the last one stands for missing ones."""
    batches = batches + batches[-1:] * (size - len(batches))
    return jax.tree_util.tree_map(
        lambda *parts: (jnp if isinstance(parts[0], jax.Array) else np).stack(parts), *batches
    )


def _looped(step: Callable, stacked, count):
    """Run `step` on the first `count` batches; return what it returned for the last of them."""

    def batch(i):
        return jax.tree_util.tree_map(lambda a: a[i], stacked)

    pure, state = lift(step, batch(0))
    start = state.values()
    program, shapes = jax.make_jaxpr(pure, return_shape=True)(start, batch(0))
    if platform() == "cpu" and _holds_convolutions(program.jaxpr):
        raise _CannotLoop
    structure = jax.tree_util.tree_structure(shapes)

    def body(i, carry):
        values, _ = carry
        leaves = jax.tree_util.tree_leaves((values, batch(i)))
        found = jax.core.eval_jaxpr(program.jaxpr, program.consts, *leaves)
        results, values = structure.unflatten(found)
        return values, results

    nothing = jax.tree_util.tree_map(lambda x: jnp.zeros(x.shape, x.dtype), shapes[0])
    values, results = jax.lax.fori_loop(0, count, body, (start, nothing))
    state.assign(values)
    return results


def _holds_convolutions(jaxpr) -> bool:
    # (A function of jax.extend walks like this. Importing it while tracing makes JAX trace every
    # program anew; importing it before takes long.)
    return any(
        equation.primitive.name == "conv_general_dilated"
        or any(map(_holds_convolutions, _jaxprs_in(equation.params)))
        for equation in jaxpr.eqns
    )


def _jaxprs_in(params) -> Iterator:
    for leaf in jax.tree_util.tree_leaves(params):
        jaxpr = getattr(leaf, "jaxpr", leaf)
        if hasattr(jaxpr, "eqns"):
            yield jaxpr
