"""Batches of `predict` side by side, for models whose loops leave cores idle.

The cores of a CPU share the operations of one program. But those in a step of a recurrent layer
are too small to be shared, and the steps come one after the other: one core does nearly all. What
`predict` computes for a batch depends on no other batch, so several can be under way at once. JAX
runs in order what one thread starts, so the batches are started by several threads in turn.
"""

import contextlib
import contextvars
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from kerata.engine.scopes import ambient
from kerata.kernels import platform
from kerata.layers.recurrent import RNN
from kerata.training import steps

# More batches at once would take memory that a user did not count on.
_MOST = 4


@contextlib.contextmanager
def overlapping(trainer, function: Callable) -> Iterator[Callable]:
    """Give a step function of batches that depend on no other, which may run side by side.

    Args:
        trainer: the model, built.
        function: the compiled step function.
    """
    threads = min(_MOST, _cores())
    if (
        threads == 1
        or platform() != "cpu"
        or not (trainer.compiles_steps and steps.is_ours(function))
        or not any(isinstance(layer, RNN) for layer in trainer._flatten_layers())
    ):
        yield function
        return
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(threads - 1)]
        # Settings of this thread alone would not hold in the others.
        alike = others[0].submit(_settings).result() == _settings()
        yield steps.ours(_in_turn(function, others)) if alike else function


def _in_turn(function: Callable, others: list[ThreadPoolExecutor]) -> Callable:
    turns = itertools.cycle([None, *others])
    known: list = []

    def run(batch):
        leaves = jax.tree_util.tree_leaves(batch)
        form = [(np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves]
        if form not in known:  # tracing belongs to the thread that called `predict`
            known.append(form)
            return function(batch)
        thread = next(turns)
        if thread is None:
            return function(batch)
        return thread.submit(contextvars.copy_context().run, function, batch).result()

    return run


def _settings() -> tuple:
    return ambient(), [getattr(jax.config, name, None) for name in jax.config.values]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
