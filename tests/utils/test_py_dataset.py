"""PyDataset, and how its workers read it."""

import numpy as np
import pytest

import kerata
from kerata.utils.py_dataset import read_in_order


class Squares(kerata.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 9:
            raise KeyError("no batch 9")
        return np.array([index**2])


def test_public_names():
    assert kerata.utils.Sequence is kerata.utils.PyDataset


def test_defaults():
    dataset = Squares()
    assert (dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size) == (1, False, 10)
    assert dataset.num_batches == 4
    dataset.workers = 2
    dataset.max_queue_size = 3
    dataset.use_multiprocessing = True
    assert (dataset.workers, dataset.max_queue_size, dataset.use_multiprocessing) == (2, 3, True)


def test_iteration():
    assert [int(b[0]) for b in Squares()] == [0, 1, 4, 9]

    class Endless(kerata.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return index

    assert [b for b, _ in zip(Endless(), range(20), strict=False)] == list(range(20))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_order_does_not_depend_on_workers(workers):
    dataset = Squares(workers=workers, max_queue_size=1)
    assert [int(b[0]) for b in read_in_order(dataset, [3, 1, 2, 0])] == [9, 1, 4, 0]


def test_processes():
    dataset = Squares(workers=1, use_multiprocessing=True)
    assert [int(b[0]) for b in read_in_order(dataset, [2, 1])] == [4, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_exceptions_reach_the_reader(workers):
    reader = read_in_order(Squares(workers=workers), [1, 9])
    with pytest.raises(KeyError, match="no batch 9"):
        list(reader)


def test_missing_methods():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        kerata.utils.PyDataset()[0]
    with pytest.raises(NotImplementedError, match="__len__"):
        _ = kerata.utils.PyDataset().num_batches


def test_a_subclass_that_forgets_super():
    class Forgetful(Squares):
        def __init__(self):
            pass

    with pytest.warns(UserWarning, match="super"):
        assert Forgetful().workers == 1


def test_bad_arguments():
    with pytest.raises(ValueError, match="workers"):
        Squares(workers=-1)
    with pytest.raises(ValueError, match="max_queue_size"):
        Squares(max_queue_size=1.5)
