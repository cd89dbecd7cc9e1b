"""The reader of pickles reads what data is made of, and nothing else."""

import datetime
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerata.datasets import pickles

# As Python 2 wrote a batch: strings without a mark, bytes as strings, long integers.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06M\x2c\x01J\xff\xff\xff\xff\x8a\x05\x00\x00\x00\x00\x01eU\x04dataq\x04"
    b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01bq\x07\x87Rq\x08"
    b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x09U\x02u1q\x0aK\x00K\x01\x87Rq\x0b(K\x03U\x01|q\x0cNNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x00\x7f\x80\xfftb"
    b"U\x05againq\x0dh\x08U\x04realq\x0eG?\xf0\x00\x00\x00\x00\x00\x00u."
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=40)
@given(plain, st.integers(3, 5))
def test_plain_data(value, protocol):
    assert pickles.read(pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="int32").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i2"),
        np.array([True, False]),
        np.array([[1, 2], [3]], dtype=object),
        np.array([[1], [2]], dtype=object),
        np.array([], dtype=object),
    ],
    ids=str,
)
def test_arrays(array, protocol):
    found = pickles.read(pickle.dumps({"x": array, "again": array}, protocol=protocol))
    for each in found.values():
        assert each.dtype == array.dtype and each.tolist() == array.tolist()


def test_what_python_2_wrote():
    found = pickles.read(PYTHON_2)
    assert found["labels"] == [6, 300, -1, 2**32]
    assert found["data"].tolist() == found["again"].tolist() == [[0, 127], [128, 255]]
    assert found["real"] == 1.0


def test_equal_lists_become_an_array_of_lists():
    array = np.empty(2, object)
    array[:] = [[1, 2], [3, 4]]
    assert pickles.read(pickle.dumps(array, protocol=3)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "value",
    [print, os.system, datetime.date(2020, 1, 1), {1, 2}, np.datetime64("2020"), 1j],
    ids=str,
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="no data needs"):
        pickles.read(pickle.dumps(value))


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(X\x02\x00\x00\x00lstR.",
        b"cnumpy\nndarray\n)R.",
        b"cnumpy\nndarray\n)\x81.",
        b"cnumpy.core.multiarray\n_reconstruct\n)RX\x01\x00\x00\x00a\x85R.",
        b"]}b.",
        b"cnumpy\ndtype\nX\x01\x00\x00\x00V\x85R.",
        b"cnumpy\ndtype\nX\x08\x00\x00\x00(1,,1)f4\x85R.",
        b"(i__builtin__\neval\n.",
        b"P1\n.",
        b"\x82\x01.",
    ],
)
def test_tricks_are_refused(data):
    with pytest.raises(ValueError, match="no data needs|damaged"):
        pickles.read(data)


@settings(max_examples=150)
@given(st.integers(0, len(PYTHON_2) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_damage_is_noticed_or_harmless(place, new, removed):
    data = PYTHON_2[:place] + new + PYTHON_2[place + removed :]
    try:
        pickles.read(data)
    except ValueError as error:
        assert "Received: the pickle" in str(error)
