"""Going through a data set."""

from kerata.data import elements, streams
from kerata.engine.errors import reworded


class DatasetIterator:
    """An iterator over a `Dataset`, whose place can be saved and restored.

    Example:
        >>> numbers = iter(kerata.data.Dataset.range(5).shuffle(5, seed=1))
        >>> first = next(numbers)
        >>> place = numbers.get_state()
        >>> rest = [int(n) for n in numbers]
        >>> numbers.set_state(place)
        >>> [int(n) for n in numbers] == rest
        True
    """

    def __init__(self, dataset, number: int):
        self._dataset = dataset
        self._open(number)

    def _open(self, number: int) -> None:
        self._number = number
        self._inner = streams.open_iterator(self._dataset._make((number,)))

    def __iter__(self):
        return self

    @reworded
    def __next__(self):
        return elements.shown(next(self._inner))

    def get_state(self) -> dict:
        """Return the place, as dicts and lists of numbers and text, which JSON can hold."""
        return {"pass": self._number, "place": self._inner.get_state()}

    def set_state(self, state: dict) -> None:
        """Go to a place that `get_state` returned, in this process or another.

        Args:
            state: from an iterator over a data set that was made alike, with the same seeds; the
                number of workers of a last `prefetch` may be another.
        """
        self.close()
        self._open(state["pass"])
        place = state["place"]
        if not isinstance(self._inner, streams.Run) and "memory" in place:
            place = {"next_index": place["memory"]["index"]}  # of elements made by processes
        self._inner.set_state(place)

    def close(self) -> None:
        """Stop the threads that read ahead."""
        self._inner.close()

    def __del__(self):
        if "_inner" in vars(self):
            self.close()
