"""Data sets that are read from the beginning on: Grain's `IterDataset`, extended.

Each transformation is a generator function of a `Run`, a "body". A body keeps what it has to
remember between two elements in `run.memory` (plain numbers), and nothing else; or it calls
`run.mark()` where it has nothing to remember, and what came since is made again when a state is
restored. So every state is a small structure of numbers and text, and exact.
"""

import atexit
import concurrent.futures
import itertools
import os
import re
from collections import deque
from collections.abc import Callable, Iterator

import grain
import jax
import numpy as np

from kerata.data.elements import frozen, map_leaves, rows
from kerata.data.nodes import Reordered

END = object()


def open_iterator(pipeline) -> grain.DatasetIterator:
    """Return an iterator over a `MapDataset` or `IterDataset` of Grain's."""
    if isinstance(pipeline, grain.MapDataset):
        threads = getattr(pipeline, "threads", 0)
        ahead = max(2 * threads, getattr(pipeline, "ahead", 0)) if threads else 0
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
        pipeline = pipeline.to_iter_dataset(options)
    # As the parent of another: Grain changes the classes of the last ones in a pipeline.
    pipeline.has_child = True
    return iter(pipeline)


class Stream(grain.IterDataset):
    """A data set made by a body.

    Args:
        body: generator function of a `Run` and `arguments`.
        *arguments: further arguments of the body.
        open_children: function of the memory that returns the iterators to read from.
        **memory: what the body remembers at the start.
    """

    def __init__(self, body: Callable, *arguments, open_children: Callable, **memory):
        super().__init__()
        self.body = lambda run: body(run, *arguments)
        self.open_children = open_children
        self.memory = memory

    def __iter__(self):
        return Run(self.body, self.open_children, self.memory)


class Run(grain.DatasetIterator):
    """An iterator over a `Stream`.

    Attributes:
        memory: what the body remembers.
        children: the iterators that it reads from.
    """

    def __init__(self, body: Callable, open_children: Callable, memory: dict):
        super().__init__()
        self._body = body
        self._open_children = open_children
        self.memory = dict(memory)
        self.children: list = []
        self._begin()

    def _begin(self, states=()) -> None:
        self.reopen()
        for child, state in zip(self.children, states):
            child.set_state(state)
        self._marked: dict | None = None
        self._since = 0
        self._running = self._body(self)

    def reopen(self) -> None:
        """Open the iterators to read from anew, as the memory says."""
        for child in self.children:
            child.close()
        self.children = self._open_children(self.memory)

    def __next__(self):
        element = next(self._running)
        self._since += 1
        return element

    def _now(self) -> dict:
        states = [child.get_state() for child in self.children]
        return {"children": states, "memory": dict(self.memory)}

    def mark(self, states: list | None = None) -> None:
        """Note that all that follows can be made again from here.

        Args:
            states: the states of the children to go on from; the present ones if None.
        """
        self._marked = self._now() if states is None else {
            "children": states, "memory": dict(self.memory)
        }  # fmt: skip
        self._since = 0

    def get_state(self) -> dict:
        """Return the place: nested dicts and lists of numbers and text."""
        if self._marked is None:
            return {**self._now(), "since": 0}
        return {**self._marked, "since": self._since}

    def set_state(self, state: dict) -> None:
        """Go to the place that `get_state` returned."""
        if "next_index" in state:  # of the same elements, made without other processes
            state = {"children": [], "memory": {"index": state["next_index"]}, "since": 0}
        self._running.close()
        self.memory = dict(state["memory"])
        self._begin(state["children"])
        for _ in range(state["since"]):
            next(self)

    def close(self) -> None:
        """Stop the threads that read for it."""
        if "_running" in vars(self):
            self._running.close()
            for child in self.children:
                child.close()


# Bodies. Those with one child take its elements from `run.children[0]`.


def mapped(run: Run, function: Callable):
    """Yield `function(element, index)`."""
    for element in run.children[0]:
        index = run.memory["index"]
        run.memory["index"] += 1
        yield function(element, index)


def mapped_in_threads(run: Run, function: Callable, threads: int):
    """Yield `function(element, index)` in order, several being made at the same time."""
    source = run.children[0]
    pool = concurrent.futures.ThreadPoolExecutor(threads, "kerata-data")
    waiting: deque = deque()
    index, ended = run.memory["index"], False
    run.mark()
    try:
        while True:
            while not ended and len(waiting) < 2 * threads:
                element = next(source, END)
                ended = element is END
                if not ended:
                    future = pool.submit(function, element, index)
                    index += 1
                    waiting.append((source.get_state(), index, future))
            if not waiting:
                return
            state, position, future = waiting.popleft()
            yield future.result()
            run.memory["index"] = position
            run.mark([state])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def ahead(run: Run, size: int):
    """Yield the same elements; up to `size` are fetched by a thread before they are asked for."""
    source = run.children[0]
    pool = concurrent.futures.ThreadPoolExecutor(1, "kerata-data")
    waiting: deque = deque()
    run.mark()

    def fetch():
        return next(source, END), source.get_state()

    try:
        while True:
            while len(waiting) <= size:
                waiting.append(pool.submit(fetch))
            element, state = waiting.popleft().result()
            if element is END:
                return
            yield element
            run.mark([state])
    finally:
        pool.shutdown(cancel_futures=True)


def in_processes(run: Run, node: grain.MapDataset, workers: int, size: int):
    """Yield the elements of `node`, made by other processes: new ones, for JAX bears no fork."""
    from absl import flags  # where Grain looks for its options

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    rest = Reordered(node, np.arange(run.memory["index"], len(node)))
    options = grain.MultiprocessingOptions(workers, size)
    found = iter(rest.to_iter_dataset().mp_prefetch(options, _begin_process))
    try:
        for element in found:
            run.memory["index"] += 1
            # What lies in memory shared with a process is gone with it.
            element = map_leaves(lambda x: np.array(x) if isinstance(x, np.ndarray) else x, element)
            yield element
    except RuntimeError as error:
        if "terminated unexpectedly" not in str(error):
            raise
        code = "".join(re.findall(r"exit code (-?\d+)", str(error)))
        raise RuntimeError(
            "A process that makes elements for Dataset.prefetch(workers=...) ended too early.\n"
            f"Received: its exit code {0 if code == str(_ENDED) else code}\n"
            "If it is 0: a function left it. If it is 1: in a file, start it under `if __name__ == "
            '"__main__":`. If it is -9, it was killed, mostly for lack of memory.'
        ) from None
    finally:
        found.close()


# With what a process ends that would end with 0. Grain (0.2) takes only other codes for a failure,
# and waits for ever for the elements of a process that ended with 0 before it had made them: by
# `sys.exit()` or `os._exit()` in a user's function, which leave nothing behind that could tell. So
# all ways out of such a process are given another code.
_ENDED = 70


def _begin_process(number: int, count: int) -> None:
    """Let JAX in a process that only makes elements leave the accelerator to the program."""
    jax.config.update("jax_platforms", "cpu")
    leave = os._exit
    os._exit = lambda status: leave(status or _ENDED)  # type: ignore[assignment]
    atexit.register(os._exit, 0)


def filtered(run: Run, function: Callable):
    """Yield the elements of which `function(element, index)` is true."""
    for element in run.children[0]:
        index = run.memory["index"]
        run.memory["index"] += 1
        if function(element, index):
            yield element


def taken(run: Run, count: int):
    """Yield the first `count` elements."""
    while run.memory["index"] < count:
        element = next(run.children[0], END)
        if element is END:
            return
        run.memory["index"] += 1
        yield element


def skipped(run: Run, count: int):
    """Yield all elements but the first `count`."""
    while run.memory["index"] < count:
        run.memory["index"] += 1
        if next(run.children[0], END) is END:
            return
    yield from run.children[0]


def batched(run: Run, size: int, drop_remainder: bool, join: Callable):
    """Yield `join` of `size` elements each."""
    while elements := list(itertools.islice(run.children[0], size)):
        if len(elements) == size or not drop_remainder:
            yield join(elements)


def unbatched(run: Run):
    """Yield the rows of batches."""
    while True:
        run.mark()
        batch = next(run.children[0], END)
        if batch is END:
            return
        yield from rows(batch)


def shuffled(run: Run, size: int, seed: tuple):
    """Yield the elements of each window of `size` elements in random order."""
    while True:
        run.mark()
        window = list(itertools.islice(run.children[0], size))
        if not window:
            return
        order = np.random.default_rng([*seed, run.memory["window"]]).permutation(len(window))
        run.memory["window"] += 1
        for i in order:
            yield window[i]


def windows(run: Run, size: int, shift: int, stride: int, drop_remainder: bool, pack: Callable):
    """Yield `pack` of lists of `size` elements, `stride` apart, a new one every `shift`."""
    source = run.children[0]
    span = (size - 1) * stride + 1
    held: deque = deque()  # (state of the source before the element, element)
    while True:
        while len(held) < span:
            state = source.get_state()
            element = next(source, END)
            if element is END:
                break
            held.append((state, element))
        if not held or (len(held) < span and drop_remainder):
            return
        run.mark([held[0][0]])
        yield pack([element for _, element in itertools.islice(held, 0, span, stride)])
        for _ in range(shift):
            if held:
                held.popleft()
            elif next(source, END) is END:
                return


def interleaved(run: Run, function: Callable, cycle: int, block: int):
    """Yield `block` elements of each of `cycle` data sets in turn: `function(element, index)`."""
    source = run.children[0]
    slots: list[Iterator | None] = [None] * cycle
    at = taken_here = 0
    ended = False
    run.mark()
    while not ended or any(slot is not None for slot in slots):
        slot = slots[at]
        if slot is None and not ended:
            if cycle == 1:
                run.mark()
            element = next(source, END)
            ended = element is END
            if not ended:
                slots[at] = function(element, run.memory["index"])
                run.memory["index"] += 1
            continue
        value = END if slot is None else next(slot, END)
        if value is END:
            slots[at] = None
        else:
            yield value
            taken_here += 1
        if value is END or taken_here == block:
            at, taken_here = (at + 1) % cycle, 0


def zipped(run: Run, structure):
    """Yield the elements of several data sets in `structure`, whose leaves are numbers."""
    for elements in zip(*run.children):
        yield map_leaves(lambda which: elements[which], structure)  # noqa: B023 (used at once)


def joined(run: Run, count: int):
    """Yield the elements of `count` data sets, one after another."""
    while True:
        yield from run.children[0]
        if run.memory["which"] + 1 == count:
            return
        run.memory["which"] += 1
        run.reopen()


def repeated(run: Run, count: int | None):
    """Yield the elements of a data set again and again; `count` times if it is not None."""
    while count is None or run.memory["which"] < count:
        for element in run.children[0]:
            run.memory["found"] = 1
            yield element
        if not run.memory["found"] and count is None:
            return
        run.memory["which"] += 1
        run.memory["found"] = 0
        if run.memory["which"] != count:
            run.reopen()


def generated(run: Run, make: Callable, convert: Callable):
    """Yield what a generator yields; to go to a place, it is made anew and read up to there."""
    for element in itertools.islice(make(), run.memory["index"], None):
        run.memory["index"] += 1
        yield convert(element)


def kept(run: Run, store):
    """Yield elements and keep them; once all of them are kept, yield those."""
    memory = run.memory
    while store.length is None or memory["index"] < store.length:
        index = memory["index"]
        element = store.get(index) if store.length is not None else None
        if element is None:
            for _ in range(memory["read"], index):
                next(run.children[0], END)
            element = next(run.children[0], END)
            memory["read"] = index + 1
            if element is END:
                store.finish(index)
                return
            store.put(index, element)
        memory["index"] = index + 1
        yield frozen(element)
