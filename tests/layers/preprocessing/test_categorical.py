import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerata import layers


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("x", [[0, 2], [[0, 2], [1, 1]], [[1], [2]]])
def test_category_encoding_like_keras(mode, x):
    mine, theirs = (
        m.CategoryEncoding(3, output_mode=mode)(np.array(x)) for m in (layers, keras.layers)
    )
    np.testing.assert_array_equal(mine, theirs)


def test_counts_with_weights():
    layer = layers.CategoryEncoding(3, output_mode="count")
    x, weights = np.array([[0, 1], [2, 2]]), np.array([[0.5, 2.0], [1.0, 0.25]])
    np.testing.assert_allclose(layer(x, count_weights=weights), [[0.5, 2, 0], [0, 0, 1.25]])


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 2), (2, 1)])
def test_given_boundaries_like_keras(mode, shape):
    x = np.random.default_rng(0).uniform(-1, 2, shape).astype("float32")
    mine, theirs = (
        m.Discretization([0.0, 0.5, 1.0], output_mode=mode)(x) for m in (layers, keras.layers)
    )
    assert mine.dtype == theirs.dtype
    np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=60),
    bins=st.integers(1, 12),
    cut=st.integers(0, 60),
)
def test_learned_boundaries_are_the_quantiles(values, bins, cut):
    """However few the numbers are, and however they come: no bin is lost."""
    layer = layers.Discretization(num_bins=bins)
    parts = [np.array(part) for part in (values[:cut], values[cut:]) if part]
    layer.adapt(parts)
    expected = np.quantile(values, np.arange(1, bins) / bins)
    assert len(layer.bin_boundaries) == bins - 1
    np.testing.assert_allclose(layer.bin_boundaries, expected, 1e-5, 1e-3)


def test_bins_of_large_data_hold_equally_many():
    rng = np.random.default_rng(0)
    data = rng.lognormal(size=(40, 1000))
    layer = layers.Discretization(num_bins=10, epsilon=0.01)
    layer.adapt(data[i : i + 1] for i in range(40))
    shares = np.bincount(np.array(layer(data)).ravel(), minlength=10) / data.size
    assert abs(shares - 0.1).max() < 0.01
    assert layer._values.size < 3000


def test_what_was_learned_is_in_the_config():
    layer = layers.Discretization(num_bins=3)
    layer.adapt([1.0, 2.0, 3.0, 4.0])
    config = json.loads(json.dumps(layer.get_config()))
    again = layers.Discretization.from_config(config)
    assert (again.num_bins, again.bin_boundaries) == (3, [2.0, 3.0])
    layer.adapt([10.0])
    assert layer.bin_boundaries == [10.0, 10.0]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.CategoryEncoding(), "num_tokens"),
        (lambda: layers.CategoryEncoding(3)([3]), "from 0 to 2.*to 3"),
        (lambda: layers.CategoryEncoding(3)([0], count_weights=[1.0]), "count_weights"),
        (lambda: layers.Discretization(), "either"),
        (lambda: layers.Discretization([1.0], num_bins=2), "either"),
        (lambda: layers.Discretization([2.0, 1.0]), "increasing"),
        (lambda: layers.Discretization([1.0]).adapt([1.0]), "nothing to learn"),
        (lambda: layers.Discretization(num_bins=2).adapt([np.nan]), "at least one number"),
        (lambda: layers.Discretization(num_bins=2)([1.0]), "no boundaries"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        make()


SOUND = np.random.default_rng(0).normal(size=(2, 1200)).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"power_to_db": False, "mag_exp": 1.0, "window": "hamming"},
        {"sequence_length": 200, "min_freq": 100.0, "max_freq": 3000, "ref_power": 2.0},
    ],
)
def test_mel_spectrogram_like_keras(options):
    options = {
        "num_mel_bins": 8, "fft_length": 256, "sequence_stride": 128, "sampling_rate": 8000,
        **options,
    }  # fmt: skip
    mine, theirs = (m.MelSpectrogram(**options)(SOUND) for m in (layers, keras.layers))
    np.testing.assert_allclose(mine, theirs, 1e-3, 1e-3)


@pytest.mark.parametrize(
    "mode", ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]
)  # fmt: skip
def test_stft_spectrogram_like_keras(mode):
    options = {"mode": mode, "frame_length": 60, "frame_step": 20}
    more = {"padding": "same", "expand_dims": True} if mode in ("psd", "stft") else {}
    x = SOUND.reshape(2, 600, 2)
    mine, theirs = (m.STFTSpectrogram(**options, **more) for m in (layers, keras.layers))
    a, b = np.array(mine(x)), np.array(theirs(x))
    assert mine.compute_output_shape(x.shape) == a.shape == b.shape
    if mode == "angle":  # it may jump by a turn, and is loose where there is no sound
        a, b = np.exp(1j * a), np.exp(1j * b)
    np.testing.assert_allclose(a, b, 1e-3, 5e-2 if mode == "angle" else 2e-3)
    assert [v.name for v in mine.weights] == [v.name for v in theirs.weights]


def test_channels_first():
    x = SOUND.reshape(2, 600, 2)
    last = layers.STFTSpectrogram("magnitude", frame_length=60)
    first = layers.STFTSpectrogram("magnitude", frame_length=60, data_format="channels_first")
    np.testing.assert_allclose(
        first(x.swapaxes(1, 2)).swapaxes(1, 2), last(x), 1e-4, 1e-4
    )  # fmt: skip


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.MelSpectrogram(256, sequence_length=300), "sequence_length"),
        (lambda: layers.STFTSpectrogram("loud"), "mode"),
        (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9), "frame_step"),
        (lambda: layers.STFTSpectrogram(frame_length=8, fft_length=4), "fft_length"),
        (lambda: layers.STFTSpectrogram(window="none"), "window"),
    ],
)
def test_sound_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_odd_lengths_get_a_warning():
    with pytest.warns(UserWarning, match="power of two"):
        layers.STFTSpectrogram(frame_length=8, fft_length=12)
