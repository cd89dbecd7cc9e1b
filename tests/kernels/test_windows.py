import numpy as np
from hypothesis import given, settings, strategies as st

from kerata.kernels.windows import sliding

GEOMETRY = {
    "size": st.integers(1, 12),
    "taps": st.integers(1, 5),
    "stride": st.integers(1, 4),
    "gap": st.integers(1, 3),
}


@settings(max_examples=200, deadline=None)
@given(**GEOMETRY)
def test_same_has_a_window_for_each_stride(size, taps, stride, gap):
    (axis,) = sliding((1, size, 1), 1, (taps,), stride, "same", gap)
    assert axis.out == -(-size // stride)
    assert 0 <= axis.high - axis.low <= 1
    starts = np.arange(axis.out) * stride - axis.low
    covered = (starts[:, None] + np.arange(taps) * gap).ravel()
    assert covered.max() < size + axis.high and covered.min() == -axis.low
    # no more padding than the last window needs
    assert axis.low + axis.high == 0 or starts[-1] + axis.span == size + axis.high


@settings(max_examples=200, deadline=None)
@given(**GEOMETRY)
def test_valid_has_the_windows_that_fit(size, taps, stride, gap):
    (axis,) = sliding((1, size, 1), 1, (taps,), stride, "valid", gap)
    fitting = [s for s in range(0, size, stride) if s + (taps - 1) * gap < size]
    assert (axis.low, axis.high, axis.out) == (0, 0, len(fitting))


@settings(max_examples=100, deadline=None)
@given(**GEOMETRY)
def test_causal_looks_back_only(size, taps, stride, gap):
    (axis,) = sliding((1, size, 1), 1, (taps,), stride, "causal", gap)
    assert (axis.low, axis.high) == ((taps - 1) * gap, 0)
    assert axis.out == -(-size // stride)


def test_pairs_and_one_value_for_each_axis():
    axes = sliding((2, 5, 6, 1), 1, (2, 3), (1, 2), ((1, 0), (0, -1)), 1)
    assert [(a.number, a.low, a.high, a.out) for a in axes] == [(1, 1, 0, 5), (2, 0, -1, 2)]
