"""Windows of time series, and data in two parts."""

import numpy as np
import pytest

import kerata
from kerata.data import Dataset
from kerata.utils import split_dataset, timeseries_dataset_from_array


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampling_rate": 2},
        {"sequence_stride": 3},
        {"start_index": 3, "end_index": 19, "sampling_rate": 3, "sequence_stride": 2},
    ],
    ids=str,
)
def test_windows(options):
    series = np.arange(40).reshape(20, 2)
    dataset = timeseries_dataset_from_array(series, series[:, 0], 4, batch_size=3, **options)
    rate, stride = options.get("sampling_rate", 1), options.get("sequence_stride", 1)
    start, end = options.get("start_index", 0), options.get("end_index", 20)
    expected = [
        series[first : first + 4 * rate : rate]
        for first in range(start, end - 3 * rate, stride)
    ]  # fmt: skip
    x = np.concatenate([x for x, _ in dataset])
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(np.concatenate([y for _, y in dataset]), x[:, 0, 0])


def test_windows_shuffled_and_single():
    dataset = timeseries_dataset_from_array(np.arange(30), None, 3, shuffle=True, seed=1)
    first, second = (np.concatenate(list(dataset)) for _ in range(2))
    assert first[:, 0].tolist() != second[:, 0].tolist()
    assert sorted(first[:, 0]) == list(range(28))
    fixed = timeseries_dataset_from_array(
        np.arange(30), None, 3, shuffle=True, seed=1, format="grain", batch_size=None
    )
    assert [x.tolist() for x in fixed] == [x.tolist() for x in fixed]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"start_index": -1}, "start_index"),
        ({"start_index": 10}, "start_index"),
        ({"end_index": 0}, "end_index"),
        ({"end_index": 11}, "end_index"),
        ({"start_index": 5, "end_index": 4}, "end_index"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"sampling_rate": 10}, "sampling_rate"),
        ({"sequence_stride": 0}, "sequence_stride"),
        ({"format": "other"}, "format"),
        ({"sampling_rate": 5}, "no window fits"),
    ],
)
def test_wrong_windows(options, message):
    with pytest.raises(ValueError, match=message):
        timeseries_dataset_from_array(np.arange(10), None, 3, **options)


class Samples:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return np.full(2, index), {"y": index}


@pytest.mark.parametrize(
    "data",
    [
        np.arange(10),
        (np.arange(10), np.ones((10, 2))),
        [np.arange(10), np.ones((10, 2))],
        Dataset.range(10),
        Samples(),
        [np.int64(n) for n in range(10)].__iter__(),
    ],
    ids=["array", "tuple", "list", "Dataset", "collection", "iterator"],
)
def test_split(data):
    left, right = split_dataset(data, left_size=0.8)
    assert len(left) == 8 and len(right) == 2
    firsts = [
        np.ravel(x[0] if isinstance(x, tuple) else x)[0] for part in (left, right) for x in part
    ]
    assert firsts == list(range(10))


def test_sizes_and_orders():
    sizes = [
        ({"left_size": 3}, (3, 7)),
        ({"right_size": 0.25}, (8, 2)),
        ({"left_size": 0.5, "right_size": 2}, (5, 2)),
    ]
    for arguments, expected in sizes:
        assert tuple(map(len, split_dataset(np.arange(10), **arguments))) == expected
    left, right = split_dataset(np.arange(10), 0.5, shuffle=True, seed=1)
    found = [int(x) for x in left] + [int(x) for x in right]
    assert sorted(found) == list(range(10)) != found
    left, right = split_dataset(Dataset.range(10).batch(2), 0.6)
    assert [x.tolist() for x in right] == [[6, 7], [8, 9]]


@pytest.mark.parametrize(
    "data, arguments, message",
    [
        (np.arange(4), {}, "neither"),
        (np.arange(4), {"left_size": 0}, "share"),
        (np.arange(4), {"left_size": 4}, "below 4"),
        (np.arange(4), {"left_size": 1.5}, "share"),
        (np.arange(4), {"left_size": "half"}, "share"),
        (np.arange(4), {"left_size": 0.01}, "samples for both"),
        (np.arange(4), {"left_size": 3, "right_size": 2}, "samples for both"),
        ([np.arange(4), [1, 2]], {"left_size": 1}, "arrays"),
        (5, {"left_size": 1}, "hold samples"),
        (iter([]), {"left_size": 1}, "at least one"),
        (Dataset.range(4).repeat(), {"left_size": 1}, "end"),
    ],
)
def test_wrong_splits(data, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        split_dataset(data, **arguments)


def test_public_places():
    for name in ("image_dataset_from_directory", "timeseries_dataset_from_array"):
        assert getattr(kerata.utils, name) is getattr(kerata.preprocessing, name)
        assert name in dir(kerata.utils)
    assert kerata.preprocessing.sequence.pad_sequences is kerata.utils.pad_sequences
    with pytest.raises(AttributeError, match="kerata.utils"):
        kerata.utils.nothing  # noqa: B018
