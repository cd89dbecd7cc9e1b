import jax
import numpy as np
import pytest
from keras import layers as theirs

import kerata
from kerata import layers

FILM = (2, 3, 4, 5, 2)
ROWS = [
    ("ConvLSTM1D", (3, 2), (2, 3, 5, 2), {"strides": 2, "padding": "same"}),
    ("ConvLSTM2D", (3, (3, 2)), FILM, {"data_format": "channels_first", "go_backwards": True}),
    (
        "ConvLSTM2D",
        (3, 2),
        FILM,
        {"dilation_rate": 2, "return_sequences": True, "use_bias": False, "activation": "relu"},
    ),
]


@pytest.mark.parametrize("name, args, shape, kwargs", ROWS)
def test_same_as_keras(same_as_keras, data, name, args, shape, kwargs):
    same_as_keras(name, *args, inputs=data(*shape), seed=1, **kwargs)


def test_masked_steps_are_left_out(data, quick_weights):
    x = data(2, 3, 5, 2)
    layer = layers.ConvLSTM1D(3, 2, return_sequences=True)
    found = layer(x, mask=np.array([[True, False, True], [False, True, True]]))
    np.testing.assert_allclose(found[0, [0, 2]], layer(x[:1, [0, 2]])[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1, 1:], layer(x[1:, 1:])[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[0, 1], found[0, 0])
    np.testing.assert_array_equal(found[1, 0], np.zeros((4, 3)))


def test_states_in_and_out(data, quick_weights):
    x, states = data(2, 3, 5, 2), [data(2, 4, 3, seed=i) for i in range(2)]
    found = []
    for module in (layers, theirs):
        layer = module.ConvLSTM1D(3, 2, return_state=True)
        layer.build(x.shape)
        layer.set_weights([data(*v.shape, seed=i) for i, v in enumerate(layer.weights)])
        found.append(layer(x, initial_state=[jax.numpy.asarray(s) for s in states]))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_stateful_layers_go_on(data):
    layer = layers.ConvLSTM1D(3, 2, stateful=True)
    x = data(2, 4, 5, 2)
    whole = layers.ConvLSTM1D(3, 2)
    whole.build(x.shape)
    layer.build((2, 2, 5, 2))
    layer.set_weights(whole.get_weights())
    layer(x[:, :2])
    np.testing.assert_allclose(layer(x[:, 2:]), whole(x), rtol=1e-5, atol=1e-6)
    layer.reset_state()
    np.testing.assert_array_equal(layer.states[0], np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="size of axis"):
        layers.ConvLSTM1D(3, 2, stateful=True).build((2, 2, None, 2))


def test_dropout_is_the_same_at_all_time_steps():
    layer = layers.ConvLSTM1D(
        2, 1, dropout=0.5, recurrent_dropout=0.5, seed=1, activation=None,
        recurrent_activation=None, return_sequences=True, bias_initializer="ones",
    )  # fmt: skip
    x = np.ones((1, 3, 6, 4))
    layer(x)
    kept = np.asarray(layer.cell.drop_factors("inputs", jax.numpy.ones((1, 1, 6, 4)), True))
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert not np.array_equal(layer(x, training=True), layer(x))
    np.testing.assert_array_equal(layer(x), layer(x, training=False))


def test_forgets_little_at_first():
    layer = layers.ConvLSTM2D(2, 2)
    layer.build(FILM)
    np.testing.assert_array_equal(layer.cell.bias, [0, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "kwargs", [{"strides": 2, "dilation_rate": 2}, {"padding": "causal"}, {"kernel_size": (2, 2)},
               {"filters": 0}, {"dropout": 2}],
)  # fmt: skip
def test_mistakes(kwargs):
    with pytest.raises(ValueError, match="Received"):
        layers.ConvLSTM1D(**{"filters": 2, "kernel_size": 2, **kwargs})


def test_in_a_model_with_unknown_time():
    inputs = kerata.Input((None, 4, 4, 1))
    x = layers.ConvLSTM2D(2, 2, padding="same", return_sequences=True)(inputs)
    outputs = layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)
    assert outputs.shape == (None, None, 2)
    assert kerata.Model(inputs, outputs)(np.ones((1, 2, 4, 4, 1))).shape == (1, 2, 2)
