"""Configs in the form of Keras 2."""

import pytest

from kerata import layers, legacy, utils
from kerata.legacy.saving import deserialize_keras_object, serialize_keras_object


class Thing:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def double(x):
    return 2 * x


KNOWN = {"Thing": Thing, "double": double}


def test_objects_and_functions_there_and_back():
    config = serialize_keras_object(Thing(3))
    assert config == {"class_name": "Thing", "config": {"size": 3}}
    assert deserialize_keras_object(config, KNOWN).size == 3
    assert deserialize_keras_object(config, custom_objects=KNOWN).size == 3
    assert serialize_keras_object(double) == "double"
    assert deserialize_keras_object("double", KNOWN) is double
    assert isinstance(deserialize_keras_object("Thing", KNOWN), Thing)
    assert serialize_keras_object(None) is None and deserialize_keras_object(None) is None
    assert deserialize_keras_object(double) is double


def test_layers_are_read_too():
    config = serialize_keras_object(layers.Dense(4, activation="relu"))
    assert deserialize_keras_object(config, vars(layers)).get_config()["units"] == 4


def test_only_known_names_are_read():
    with pytest.raises(ValueError, match="There is no layer named 'Thin'"):
        deserialize_keras_object("Thin", KNOWN, printable_module_name="layer")
    with pytest.raises(ValueError, match='the keys "class_name" and "config"'):
        deserialize_keras_object({"class_name": "Thing"}, KNOWN)
    with pytest.raises(ValueError, match="can be written down"):
        serialize_keras_object(3)


def test_both_public_paths():
    assert utils.legacy.serialize_keras_object is legacy.saving.serialize_keras_object
