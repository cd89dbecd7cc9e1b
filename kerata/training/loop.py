"""The loop of `fit`, `evaluate` and `predict`: batches through a step, between callbacks."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from kerata.engine import placement
from kerata.training.feeding import Stream

# Steps that may be under way on the device while the host goes on. Enough to hide the host's work;
# few enough that batches which wait for the device do not fill its memory.
IN_FLIGHT = 8


class Mode(NamedTuple):
    """What the loop does: the name in its callbacks' methods, and what stops it."""

    name: str
    stop: str


TRAIN = Mode("train", "stop_training")
TEST = Mode("test", "stop_evaluating")
PREDICT = Mode("predict", "stop_predicting")


def run(
    trainer,
    mode: Mode,
    function: Callable,
    stream: Stream,
    callbacks,
    limit: int | None = None,
    after_step: Callable[[int, Any], None] | None = None,
    size: int = 1,
) -> tuple[Any, int]:
    """Send batches through a step function: an epoch, or `limit` batches of it.

    Nothing here waits for the device, but for a step that is `IN_FLIGHT` steps old.

    Args:
        trainer: the model; its attribute `mode.stop` ends the loop.
        mode: TRAIN, TEST or PREDICT.
        function: the step function, of one batch, or of a tuple of `size` batches.
        stream: where the batches come from.
        callbacks: the `CallbackList`.
        limit: the largest number of batches.
        after_step: called with the number of batches of a step, and what it returned.
        size: batches of a step.

    Returns:
        (what the last step returned, still on the device; the number of batches).
    """
    begin = getattr(callbacks, f"on_{mode.name}_batch_begin")
    end = getattr(callbacks, f"on_{mode.name}_batch_end")
    wraps = mode is PREDICT
    if limit is not None:  # executions are whole
        limit = -(-limit // trainer.steps_per_execution) * trainer.steps_per_execution
    pending: deque = deque()
    result: Any = {}
    done = 0
    for step, (count, batches) in zip(itertools.count(0, size), _chunks(stream, limit, size)):
        begin(step)
        result = function(placement.put_batch(batches))
        done += count
        if after_step is not None:
            after_step(count, result)
        # Executions of `compile(steps_per_execution=...)` count as whole, as in Keras.
        last = step + size if size == trainer.steps_per_execution else done
        end(last - 1, {"outputs": result} if wraps else result)
        pending.append(_any_array(result))
        if len(pending) > IN_FLIGHT:
            jax.block_until_ready(pending.popleft())
        if getattr(trainer, mode.stop):
            break
    return result, done


def _chunks(stream: Stream, limit: int | None, size: int) -> Iterator[tuple[int, Any]]:
    """Yield (number of batches, batches) for each step."""
    if size == 1:
        for batch in stream.take(limit):
            yield 1, batch
        return
    batches = stream.take(limit)
    while chunk := tuple(itertools.islice(batches, size)):
        yield len(chunk), chunk


def _any_array(result):
    """Return one array of what a step returned: all of them are ready when it is."""
    leaves = result.values() if type(result) is dict else jax.tree_util.tree_leaves(result)
    return next((x for x in leaves if isinstance(x, jax.Array)), None)
