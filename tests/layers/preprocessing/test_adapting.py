"""What `adapt` says of data that it cannot learn from."""

import numpy as np
import pytest

from kerata import layers
from kerata.data import Dataset

TEXTS = np.array(["a b", "c"], object)
PAIRS = Dataset.from_tensor_slices((TEXTS, np.array([0, 1])))
DICTS = Dataset.from_tensor_slices({"age": np.ones((4, 2)), "fee": np.ones(4)})
KINDS = [
    layers.TextVectorization, layers.StringLookup, layers.Normalization,
    lambda: layers.Discretization(num_bins=2),
]  # fmt: skip
IDS = ["TextVectorization", "StringLookup", "Normalization", "Discretization"]


@pytest.mark.parametrize("make", KINDS[:2], ids=IDS[:2])
def test_targets_beside_text(make):
    for data in (PAIRS, PAIRS.batch(2), iter(zip(["a", "b"], [0, 1]))):
        with pytest.raises(TypeError, match=r"(?s)a tuple of.*dataset\.map\(lambda x, y: x\)"):
            make().adapt(data)
    with pytest.raises(TypeError, match=r"alone: adapt\(x\)"):
        make().adapt((TEXTS, np.array([0, 1])))


@pytest.mark.parametrize("make", KINDS, ids=IDS)
def test_dicts(make):
    layer = make()
    with pytest.raises(TypeError, match=r"keys \['age', 'fee'\].*\n.*map\(lambda x: x\['age'\]\)"):
        layer.adapt(DICTS.batch(2))
    with pytest.raises(TypeError, match=r"adapt\(x\['age'\]\)"):
        layer.adapt({"age": TEXTS})
    with pytest.raises(TypeError, match=r"map\(lambda x, y: x\['age'\]\)"):
        layer.adapt(DICTS.map(lambda x: (x, 1)).batch(2))


@pytest.mark.parametrize("make", KINDS, ids=IDS)
def test_no_samples(make):
    for data in (None, "texts.txt"):
        with pytest.raises(TypeError, match="(?s)many samples.*Received.*a file must be read"):
            make().adapt(data)


@pytest.mark.parametrize("make", KINDS[2:], ids=IDS[2:])
def test_text_in_place_of_numbers(make):
    with pytest.raises(TypeError, match=r"from numbers.*\n.*\n.*StringLookup"):
        make().adapt(TEXTS)


def test_tuples_of_text_are_batches():
    layer = layers.StringLookup()
    layer.adapt(iter([("a", "b"), ("a", "c", "a")]))
    assert layer.get_vocabulary() == ["[UNK]", "a", "c", "b"]
