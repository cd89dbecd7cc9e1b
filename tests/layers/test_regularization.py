import keras
import numpy as np
import pytest

import kerata
from kerata import KerasTensor, layers

ONES = np.ones((200, 50), "float32")


def test_dropout_drops_and_scales():
    layer = layers.Dropout(0.25, seed=1)
    y = np.asarray(layer(ONES, training=True))
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert abs(y.mean() - 1) < 0.02


def test_dropout_draws_anew_each_time_and_alike_for_a_seed():
    first, second = (layers.Dropout(0.5, seed=3) for _ in range(2))
    a, b = first(ONES, training=True), first(ONES, training=True)
    assert (a != b).any()
    np.testing.assert_array_equal(a, second(ONES, training=True))
    compiled = kerata.jit(lambda x: second(x, training=True))
    np.testing.assert_array_equal(b, compiled(ONES))
    assert (compiled(ONES) != b).any()


def test_a_config_without_a_seed_draws_another(data):
    layer = layers.Dropout(0.5)
    assert layer.get_config()["seed"] is None
    again = layers.Dropout.from_config(layer.get_config())
    assert (layer(ONES, training=True) != again(ONES, training=True)).any()


@pytest.mark.parametrize("shape", [(None, 1, None), (4, 1, 3), (1, None)])
def test_noise_shape(shape):
    y = np.asarray(
        layers.Dropout(0.5, noise_shape=shape, seed=1)(np.ones((4, 5, 3)), training=True)
    )
    axis = {3: 1, 2: 1}[len(shape)]
    assert (y == y.take([0], axis)).all()
    assert set(np.unique(y)) == {0, 2}


@pytest.mark.parametrize("rate, value", [(0, 1), (0.0, 1), (1, 0), (1.0, 0)])
def test_extreme_rates(rate, value):
    assert (layers.Dropout(rate)(ONES, training=True) == value).all()


@pytest.mark.parametrize(
    "rank, kwargs, axes",
    [
        (1, {}, (1,)),
        (2, {}, (1, 2)),
        (3, {}, (1, 2, 3)),
        (2, {"data_format": "channels_first"}, (2, 3)),
    ],
)
def test_spatial_dropout(rank, kwargs, axes):
    x = np.ones((4, *[4] * rank, 4), "float32")
    y = np.asarray(
        getattr(layers, f"SpatialDropout{rank}D")(0.5, seed=2, **kwargs)(x, training=True)
    )
    assert (y.min(axes) == y.max(axes)).all()
    assert set(np.unique(y)) == {0, 2}


def test_gaussian_layers_have_their_moments():
    y = np.asarray(layers.GaussianDropout(0.2, seed=1)(2 * ONES, training=True))
    assert abs(y.mean() - 2) < 0.05 and abs(y.std() - 2 * np.sqrt(0.2 / 0.8)) < 0.05
    y = np.asarray(layers.GaussianNoise(0.5, seed=1)(2 * ONES, training=True))
    assert abs(y.mean() - 2) < 0.05 and abs(y.std() - 0.5) < 0.05


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(400, 100)).astype("float32")
    y = np.asarray(layers.AlphaDropout(0.3, seed=1)(x, training=True))
    assert abs(y.mean()) < 0.03 and abs(y.std() - 1) < 0.03
    theirs = np.asarray(keras.layers.AlphaDropout(0.3, seed=1)(ONES, training=True))
    mine = np.asarray(layers.AlphaDropout(0.3, seed=1)(ONES, training=True))
    np.testing.assert_allclose(np.unique(mine), np.unique(theirs), rtol=1e-5)
    assert (layers.AlphaDropout(1.0)(ONES, training=True) == 0).all()


NOISE = [
    ("Dropout", (0.5,)),
    ("SpatialDropout1D", (0.5,)),
    ("GaussianDropout", (0.5,)),
    ("GaussianNoise", (0.5,)),
    ("AlphaDropout", (0.5,)),
]


@pytest.mark.parametrize("name, args", NOISE)
def test_nothing_happens_outside_of_training(name, args, data):
    x = data(2, 3, 4)
    layer = getattr(layers, name)(*args)
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer(x, training=False), x)
    assert (layer(x, training=True) != x).any()


@pytest.mark.parametrize("name, args", NOISE)
def test_config_like_keras(name, args):
    mine, theirs = (
        getattr(m, name)(*args, seed=3, name="x").get_config() for m in (layers, keras.layers)
    )
    assert {k: v for k, v in mine.items() if k != "dtype"} == {
        k: v for k, v in theirs.items() if k != "dtype"
    }


@pytest.mark.parametrize("name, args", NOISE)
@pytest.mark.parametrize("value", [-0.1, 1.5, "a", None, True])
def test_refuses_rates(name, args, value):
    with pytest.raises(ValueError, match=f"{name}.*must be a number between 0 and 1"):
        getattr(layers, name)(value)


@pytest.mark.parametrize("shape", [3, (0, 1), (2.5,), "ab"])
def test_refuses_noise_shapes(shape):
    with pytest.raises(ValueError, match="`noise_shape` must be a tuple of positive integers"):
        layers.Dropout(0.5, noise_shape=shape)


def test_refuses_noise_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="must be 1, None, or the size"):
        layers.Dropout(0.5, noise_shape=(None, 2))(np.ones((2, 3)), training=True)
    with pytest.raises(ValueError, match="rank 4"):
        layers.SpatialDropout2D(0.5)(KerasTensor((3, 4, 5)))


def test_activity_regularization(data):
    x = data(2, 3)
    layer = layers.ActivityRegularization(0.1, 0.2)
    np.testing.assert_array_equal(layer(x), x)
    theirs = keras.layers.ActivityRegularization(0.1, 0.2)
    theirs(x)
    np.testing.assert_allclose(layer.losses, theirs.losses, rtol=1e-6)
    assert layer.get_config()["l2"] == 0.2
    assert "activity_regularizer" not in layers.ActivityRegularization().get_config()
    with pytest.raises(ValueError, match="`l1` must be a finite number of at least 0"):
        layers.ActivityRegularization(-1)
