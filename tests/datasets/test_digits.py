"""The digits: their split is stratified, disjoint and a function of the seed alone."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerata.datasets import digits


def test_parts_are_the_whole():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    images, labels = load_digits(return_X_y=True)
    together = np.concatenate([x_train, x_test]).reshape(-1, 64)
    order, expected = np.lexsort(together.T), np.lexsort(images.T)
    np.testing.assert_array_equal(together[order], images[expected])
    np.testing.assert_array_equal(
        np.sort(np.concatenate([y_train, y_test])), np.sort(labels.astype("uint8"))
    )
    assert x_train.dtype == y_train.dtype == "uint8"


def test_split_is_stratified():
    (_, y_train), (_, y_test) = digits.load_data(test_split=0.25)
    shares = np.bincount(y_test) / (np.bincount(y_train) + np.bincount(y_test))
    np.testing.assert_allclose(shares, 0.25, atol=0.005)


def test_split_depends_on_the_seed_alone():
    first, again, other = digits.load_data(), digits.load_data(), digits.load_data(seed=1)
    np.testing.assert_array_equal(first[1][0], again[1][0])
    assert not np.array_equal(first[1][0], other[1][0])


def test_no_test_part():
    (x_train, _), (x_test, _) = digits.load_data(test_split=0)
    assert len(x_train) == 1797 and len(x_test) == 0


@pytest.mark.parametrize("share", [-0.1, 1, 2])
def test_impossible_share(share):
    with pytest.raises(ValueError, match=r"`test_split` must lie in \[0, 1\)"):
        digits.load_data(test_split=share)


def test_missing_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'kerata\[datasets\]'"):
        digits.load_data()
