"""One step of a data set after another: in any order where that is possible, else in sequence."""

import os

import grain
import numpy as np

from kerata.data import nodes, streams
from kerata.engine.errors import positive_int

AUTOTUNE = -1


def streamed(parent, body, *arguments, **memory) -> streams.Stream:
    """Return what `body` makes of the elements in sequence."""
    return streams.Stream(
        body, *arguments, open_children=lambda memory: [streams.open_iterator(parent)], **memory
    )


def mapped(parent, function, threads: int = 0):
    """Return `function(element, index)` of each element, several at the same time if so asked."""
    if isinstance(parent, grain.MapDataset):
        return nodes.Mapped(parent, function, threads)
    if threads:
        return streamed(parent, streams.mapped_in_threads, function, threads, index=0)
    return streamed(parent, streams.mapped, function, index=0)


def ahead(parent, size: int):
    """Return the same elements, up to `size` of which are made before they are asked for."""
    if isinstance(parent, grain.MapDataset):
        return nodes.Ahead(parent, size)
    return streamed(parent, streams.ahead, size)


def part(parent, chosen: slice, body, argument):
    """Return the elements in a slice, or what `body` takes of those that come in sequence."""
    if isinstance(parent, grain.MapDataset):
        return nodes.Reordered(parent, np.arange(len(parent))[chosen])
    return streamed(parent, body, argument, index=0)


def threads_of(given: int | None, method: str) -> int:
    """Return the number of threads that `num_parallel_calls` of a method means."""
    if given is None or given == 0:
        return 0
    if given == AUTOTUNE:
        return processors()
    return positive_int("num_parallel_calls", given, f"{method}()")


def processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
