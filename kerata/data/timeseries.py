"""Windows of a time series."""

import numpy as np

from kerata.data import nodes
from kerata.data.dataset import Dataset
from kerata.data.steps import AUTOTUNE
from kerata.engine.errors import argument_error, one_of, positive_int


class Windows(nodes.Node):
    """Pieces of an array: those that begin at `starts`, with the rows `offsets` from there on."""

    def __init__(self, array: np.ndarray, starts: np.ndarray, offsets: np.ndarray):
        super().__init__()
        self.array = array
        self.starts = starts
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index):
        return self.array[self.starts[index] + self.offsets]

    def gather(self, indices):
        return self.array[self.starts[indices][:, None] + self.offsets]


def timeseries_dataset_from_array(
    data, targets, sequence_length, sequence_stride=1, sampling_rate=1, batch_size=128,
    shuffle=False, seed=None, start_index=None, end_index=None, format="tf",
):  # fmt: skip
    """Return a `Dataset` of windows that slide over a time series.

    Args:
        data: array `(time, ...)`.
        targets: array with, for each time, the target of the window that begins there; or None.
        sequence_length: rows in a window.
        sequence_stride: rows from the beginning of a window to that of the next.
        sampling_rate: rows from one to the next in a window.
        batch_size: windows in a batch; None for single windows.
        shuffle: whether to shuffle the windows, anew in each pass.
        seed: integer that the order follows from.
        start_index: first row to use; 0 if None.
        end_index: row before which to end; all are used if None.
        format: "tf"; or "grain": then the order is the same in each pass.

    Returns:
        A `Dataset` of windows `(batch, sequence_length, ...)`, or of pairs of these and targets.

    Raises:
        ValueError: if an argument does not fit the data, or no window does.

    Example:
        >>> series = np.arange(6)
        >>> windows = kerata.utils.timeseries_dataset_from_array(series, series[3:], 3)
        >>> for x, y in windows:
        ...     print(x.tolist(), y)
        [[0, 1, 2], [1, 2, 3], [2, 3, 4]] [3 4 5]
    """
    owner = "timeseries_dataset_from_array()"
    data = np.asarray(data)
    one_of("format", format, ("tf", "grain"), owner)
    for name, value in (("sequence_length", sequence_length), ("sampling_rate", sampling_rate),
                        ("sequence_stride", sequence_stride)):  # fmt: skip
        positive_int(name, value, owner)
        if value >= len(data) and name != "sequence_length":
            raise argument_error(name, f"be lower than the {len(data)} rows", value, owner)
    start = start_index or 0
    end = len(data) if end_index is None else end_index
    if not 0 <= start < len(data):
        raise argument_error("start_index", f"lie in [0, {len(data)})", start_index, owner)
    if not start < end <= len(data):
        must = f"lie between `start_index` and the {len(data)} rows"
        raise argument_error("end_index", must, end_index, owner)
    data = data[start:end]
    count = len(data) - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = np.asarray(targets)[start:]
        count = min(count, len(targets))
    if count <= 0:
        raise ValueError(
            f"{owner}: no window fits into the data.\nReceived: {len(data)} rows"
            + ("" if targets is None else f", {len(targets)} targets")
            + f", for windows of {(sequence_length - 1) * sampling_rate + 1} rows"
        )
    starts = np.arange(0, count, sequence_stride)
    offsets = np.arange(sequence_length) * sampling_rate
    dataset = Dataset(lambda epoch: Windows(data, starts, offsets), len(starts))
    if targets is not None:
        dataset = Dataset.zip(dataset, Dataset.from_tensor_slices(targets[starts]))
    if shuffle:
        dataset = dataset.shuffle(len(starts), seed, reshuffle_each_iteration=format == "tf")
    if batch_size is not None:
        dataset = dataset.batch(batch_size)
    return dataset.prefetch(AUTOTUNE)
