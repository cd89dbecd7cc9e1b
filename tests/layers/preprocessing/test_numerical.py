import keras
import numpy as np
import pytest

from kerata import layers
from kerata.engine import settings

RNG = np.random.default_rng(0)
DATA = RNG.normal(3, 2, size=(20, 4, 3)).astype("float32")


@pytest.mark.parametrize(
    "args, dtype",
    [((0.5,), "float32"), ((1 / 255, -1.0), "uint8"), (([1, 2], [0, 1]), "int32")],
)
def test_rescaling(args, dtype):
    x = np.array([[0, 255], [3, 4]], dtype)
    mine, theirs = layers.Rescaling(*args)(x), keras.layers.Rescaling(*args)(x)
    assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_rescaling_of_channels_first():
    x = np.ones((2, 3, 4, 4))
    settings.set_image_data_format("channels_first")
    y = layers.Rescaling([1.0, 2.0, 3.0])(x)
    assert y[0, :, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2)])
def test_adapted_like_keras(axis, invert):
    mine, theirs = (m.Normalization(axis=axis, invert=invert) for m in (layers, keras.layers))
    for layer in (mine, theirs):
        layer.adapt(DATA)
    np.testing.assert_allclose(mine(DATA[:2]), theirs(DATA[:2]), 1e-4, 1e-5)
    assert [(v.name, v.shape) for v in mine.weights] == [(v.name, v.shape) for v in theirs.weights]
    np.testing.assert_allclose(mine.mean, theirs.mean, rtol=1e-5)
    np.testing.assert_allclose(mine.variance, theirs.variance, rtol=1e-4)


def test_batches_make_the_statistics_of_the_whole():
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(DATA)
    parts.adapt(DATA[i : i + 7] for i in range(0, 20, 7))
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert int(parts.count.value) == 80


def test_adapting_again_forgets():
    layer = layers.Normalization()
    layer.adapt(DATA)
    layer.adapt(DATA + 100)
    np.testing.assert_allclose(layer.mean, (DATA + 100).mean((0, 1), keepdims=True), rtol=1e-6)
    layer.reset_state()
    assert layer.mean.tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize("mean, variance", [(1.0, 4.0), ([1.0, 2.0], [1.0, 4.0])])
def test_given_statistics(mean, variance):
    x = np.array([[1.0, 4.0]], "float32")
    mine, theirs = (m.Normalization(mean=mean, variance=variance) for m in (layers, keras.layers))
    np.testing.assert_allclose(mine(x), theirs(x), rtol=1e-6)
    assert not mine.weights
    config = mine.get_config()
    assert (config["mean"], config["axis"]) == (mean, (-1,))
    np.testing.assert_allclose(layers.Normalization.from_config(config)(x), mine(x))


def test_a_constant_feature_stays_finite():
    layer = layers.Normalization()
    layer.adapt(np.ones((5, 2)))
    assert layer(np.ones((1, 2))).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.Normalization(mean=1), "both `mean` and `variance`"),
        (lambda: layers.Normalization(mean=[1, 2], variance=3.0), "both `mean` and `variance`"),
        (lambda: layers.Normalization(mean=[[1.0]], variance=[[2.0]]), "at most as many axes"),
        (lambda: layers.Normalization(axis=5)(np.ones((3, 2))), "`axis` must be from -2 to 1"),
        (lambda: layers.Normalization().adapt(np.ones((0, 2))), "at least one sample"),
        (lambda: layers.Normalization(mean=0, variance=1).adapt(DATA), "nothing to learn"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        make()
