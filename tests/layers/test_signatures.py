"""Every layer has Keras's parameters, in its order, with its defaults."""

import inspect

import keras
import pytest

from kerata import layers

SHARED = sorted(
    name for name in dir(layers) if not name.startswith("_") and hasattr(keras.layers, name)
)


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", [n for n in SHARED if n not in ("Layer", "InputSpec")])
def test_signature(name):
    assert parameters(getattr(layers, name)) == parameters(getattr(keras.layers, name))


@pytest.mark.parametrize("name", [n for n in SHARED if n[0].isupper() and n != "Layer"])
def test_alias(name):
    assert getattr(layers, name).__name__ == getattr(keras.layers, name).__name__


def test_classes_show_their_public_name():
    assert repr(layers.Conv2D) == "<class 'kerata.layers.Conv2D'>"
    assert layers.Convolution2D is layers.Conv2D
