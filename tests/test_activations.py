"""kerata.activations: values of Keras, names, and configs."""

import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import activations

NAMES = [n for n in dir(keras.activations) if inspect.isfunction(getattr(keras.activations, n))]
NAMES = [n for n in NAMES if n not in ("get", "serialize", "deserialize")]
X = np.linspace(-3.1, 3.3, 8).reshape(2, 4).astype("float32")


@pytest.mark.parametrize("name", NAMES)
def test_equals_keras(name):
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
    args = (0.5, -1.0) if name == "threshold" else ()
    expected = theirs(X, *args)
    if name != "sparsemax":  # (Keras's is not the published one; see tests/ops.)
        np.testing.assert_allclose(ours(X, *args), expected, rtol=2e-5, atol=2e-6)
    symbol = ours(kerata.KerasTensor((None, 4)), *args)
    assert symbol.shape == (None, *expected.shape[1:])


@pytest.mark.parametrize("name", [n for n in NAMES if n != "threshold"])
def test_names_and_configs(name):
    function = activations.get(name)
    np.testing.assert_array_equal(function(X), getattr(activations, name)(X))
    config = activations.serialize(function)
    assert config == keras.activations.serialize(keras.activations.get(name))
    assert activations.deserialize(config) is function
    assert activations.get(function) is function


@pytest.mark.parametrize(
    "options",
    [
        {"negative_slope": 0.1},
        {"max_value": 2.0},
        {"threshold": 1.0},
        {"negative_slope": 0.3, "max_value": 1.5, "threshold": 0.5},
        {"max_value": 0.0},
    ],
)
def test_relu_options(options):
    ours = activations.relu(X, **options)
    np.testing.assert_allclose(ours, keras.activations.relu(X, **options), rtol=1e-6)
    assert np.isfinite(jax.grad(lambda x: activations.relu(x, **options).sum())(X)).all()


def test_get_takes_what_users_have():
    def own(x):
        return x + 1

    assert activations.get(None) is activations.linear
    assert activations.get(own) is own
    with kerata.saving.custom_object_scope({"own": own}):
        assert activations.get("own") is own
        assert activations.deserialize("own") is own
    assert activations.deserialize("own", {"own": own}) is own
    with pytest.raises(ValueError, match="(?s)'rellu'.*'relu'"):
        activations.get("rellu")
    with pytest.raises((TypeError, ValueError)):
        activations.get(3)


def test_linear_returns_its_argument():
    x = jnp.ones(3)
    assert activations.linear(x) is x
