"""Batches of `predict` side by side, for models whose loops leave cores idle.

The cores of a CPU share the operations of one program. But those in a step of a recurrent layer
are too small to be shared, and the steps come one after the other: one core does nearly all. What
`predict` computes for a batch depends on no other batch, so several can be under way at once. JAX
runs in order what one thread starts, so the batches are started by several threads in turn.
"""

import contextlib
import contextvars
import itertools
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax

from kerata.engine import placement
from kerata.engine.scopes import ambient
from kerata.kernels import platform
from kerata.layers.recurrent import RNN
from kerata.training import steps
from kerata.training.batches import form

# More batches at once would take memory that a user did not count on.
_MOST = 4
# Products of a weight, a time step and a sample in a batch. Below the first number, changing the
# thread costs more than is gained; above the second, the operations are large enough to be shared.
_SHORT, _LONG = 2**24, 2**30


@contextlib.contextmanager
def overlapping(trainer, function: Callable, batches: int | None = None) -> Iterator[Callable]:
    """Give a step function of batches that depend on no other, which may run side by side.

    Args:
        trainer: the model, built.
        function: the compiled step function.
        batches: how many there will be, if it is known.
    """
    may = (
        batches != 1
        and _cores() > 1
        and platform() == "cpu"
        and placement.current.distribution is None
        and trainer.compiles_steps
        and steps.is_ours(function)
    )
    loops = [x for x in trainer._flatten_layers() if isinstance(x, RNN)] if may else []
    if not loops:
        yield function
        return
    with contextlib.ExitStack() as stack:
        weights = sum(v.size for layer in loops for v in layer.weights)
        yield steps.ours(_in_turn(function, weights, stack))


def _in_turn(function: Callable, weights: int, stack: contextlib.ExitStack) -> Callable:
    known: dict = {}

    def run(batch):
        key = form(batch)
        if key not in known:  # tracing belongs to the thread that called `predict`
            shape, _ = key[0]
            known[key] = _turns(weights * math.prod(shape[:2]), stack)
            return function(batch)
        thread = next(known[key])
        if thread is None:
            return function(batch)
        return thread.submit(contextvars.copy_context().run, function, batch).result()

    return run


def _turns(products: int, stack: contextlib.ExitStack) -> Iterator[ThreadPoolExecutor | None]:
    """Yield for each batch but the first the thread to start it, or None for this one."""
    others: list = []
    if _SHORT <= products <= _LONG:
        count = min(_MOST, _cores()) - 1
        others = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(count)]
        # Settings of this thread alone would not hold in the others.
        if others[0].submit(_settings).result() != _settings():
            others = []
    yield from itertools.cycle([*others, None])


def _settings() -> tuple:
    return ambient(), [getattr(jax.config, name, None) for name in jax.config.values]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
