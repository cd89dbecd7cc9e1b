import keras
import numpy as np
import pytest

from kerata import KerasTensor, layers

ROWS = [
    ("Activation", ("relu",), {}),
    ("Activation", ("softmax",), {}),
    ("Activation", (None,), {}),
    ("ReLU", (), {}),
    ("ReLU", (1.0, 0.1, 0.5), {}),
    ("ReLU", (), {"max_value": 0.5}),
    ("LeakyReLU", (), {}),
    ("LeakyReLU", (0.1,), {}),
    ("PReLU", (), {}),
    ("PReLU", (), {"shared_axes": [1]}),
    ("PReLU", (), {"shared_axes": [1, 2]}),
    ("ELU", (), {}),
    ("ELU", (0.5,), {}),
    ("Softmax", (), {}),
    ("Softmax", (1,), {}),
    ("Softmax", ((1, 2),), {}),
]


@pytest.mark.parametrize("name, args, kwargs", ROWS)
def test_same_as_keras(same_as_keras, data, name, args, kwargs):
    same_as_keras(name, *args, inputs=data(2, 3, 4), **kwargs)


@pytest.mark.parametrize("axis", [-1, (1, 2)])
def test_softmax_with_mask(same_as_keras, data, axis):
    mask = np.array([[[1, 1, 0], [0, 0, 0]], [[1, 0, 1], [1, 1, 1]]], bool)
    layer = same_as_keras("Softmax", axis, inputs=data(2, 2, 3), call={"mask": mask})
    assert float(layer(data(2, 2, 3), mask=mask)[~mask].max()) == 0


def test_softmax_with_the_mask_of_a_sequence(data):
    mask = np.array([[True, False, True], [True, True, False]])
    y = layers.Softmax()(data(2, 3, 4), mask=mask)
    np.testing.assert_allclose(y.sum(-1), mask, rtol=1e-6)


def test_integers():
    x = np.array([[-1, 2]])
    for name in ("ReLU", "Softmax", "Activation"):
        args = ("relu",) if name == "Activation" else ()
        mine, theirs = getattr(layers, name)(*args)(x), getattr(keras.layers, name)(*args)(x)
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.ReLU(max_value=-1), "`max_value` must be a number of at least 0"),
        (lambda: layers.ReLU(negative_slope=None), "`negative_slope` must be a number"),
        (lambda: layers.ReLU(threshold=-1), "`threshold` must be a number"),
        (lambda: layers.LeakyReLU(None), "`negative_slope` must be a number"),
        (lambda: layers.LeakyReLU(-1.0), "`negative_slope` must be a number"),
        (lambda: layers.PReLU(shared_axes=[3])(np.ones((2, 5))), "`shared_axes` must be from -2"),
        (lambda: layers.PReLU(shared_axes=[0])(np.ones((2, 5))), "not hold the batch axis"),
        (lambda: layers.PReLU()(KerasTensor((None, None, 4))), "size of axis 1"),
        (lambda: layers.Softmax(7)(np.ones((2, 5))), "`axis` must be from -2 to 1"),
        (lambda: layers.Activation("rellu"), "relu"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_leaky_relu_takes_its_old_argument():
    layer = layers.LeakyReLU(alpha=0.1)
    assert layer.negative_slope == 0.1
    assert layers.LeakyReLU.from_config(layer.get_config()).negative_slope == 0.1
