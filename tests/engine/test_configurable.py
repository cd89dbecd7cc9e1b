"""Recorded arguments, configs, the registry, and names in them."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kerata
from kerata.engine.configurable import (
    Configurable,
    custom_object_scope,
    deserialize,
    get_custom_objects,
    get_registered_name,
    register_keras_serializable,
    resolve,
    serialize,
)
from kerata.engine.errors import UnsafeModelError


@register_keras_serializable("tests")
class Brush(Configurable):
    def __init__(self, width, color="red", *, tip=None, **options):
        self.width = width


@register_keras_serializable("tests")
class Fine(Brush):
    def __init__(self, hardness=1, **kwargs):
        super().__init__(width=0.1, **kwargs)
        self.hardness = hardness

    def get_config(self):
        return {**super().get_config(), "hardness": self.hardness}


def test_arguments_are_recorded_with_defaults_and_keywords():
    assert Brush(3, tip="flat", speed=2).get_config() == {
        "width": 3, "color": "red", "tip": "flat", "speed": 2,
    }  # fmt: skip


def test_a_get_config_of_ones_own_adds_to_what_the_parent_recorded():
    assert Fine(5, color="blue").get_config() == {
        "width": 0.1, "color": "blue", "tip": None, "hardness": 5,
    }  # fmt: skip


def test_objects_inside_become_dicts_and_come_back():
    config = serialize(Brush(1, tip=Brush(2)))
    assert config["class_name"] == "Brush" and config["registered_name"] == "tests>Brush"
    assert config["config"]["tip"]["config"]["width"] == 2
    back = deserialize(json.loads(json.dumps(config)))
    assert isinstance(back, Brush) and back.get_config()["tip"]["config"]["width"] == 2


def test_an_argument_that_is_no_data_is_named():
    with pytest.raises(NotImplementedError, match="`tip` of Brush.*\n.*\n.*get_config"):
        Brush(1, tip=object()).get_config()


def test_a_builtin_layer_writes_keras_names():
    config = serialize(kerata.layers.Dense(3, activation="relu"))
    assert config["module"] == "keras.layers" and config["registered_name"] is None
    inner = config["config"]
    assert inner["units"] == 3 and inner["activation"] == "relu"
    assert inner["kernel_initializer"]["module"] == "keras.initializers"
    assert inner["dtype"] == {
        "module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
        "registered_name": None,
    }  # fmt: skip
    assert "name" in inner and "trainable" in inner and "activity_regularizer" not in inner


def test_a_changed_attribute_shows_in_a_builtin_layers_config():
    layer = kerata.layers.Dropout(0.5)
    layer.rate = 0.25
    assert layer.get_config()["rate"] == 0.25


def test_an_attribute_of_a_users_layer_does_not_stand_for_the_argument():
    class Twice(kerata.layers.Dense):
        def __init__(self, units, **kwargs):
            super().__init__(2 * units, **kwargs)

    again = Twice.from_config(Twice(3).get_config())
    assert again.units == 6 and again.get_config()["units"] == 3


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-100, 100), st.floats(-5, 5), st.text("ab")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("xyz"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
def test_plain_data_passes_through(data):
    assert deserialize(json.loads(json.dumps(serialize(data)))) == data


@pytest.mark.parametrize(
    "value", [b"ab", slice(1, 5, 2), ..., np.arange(3), jnp.ones((2,)), np.float32(2.5)]
)
def test_special_values_come_back(value):
    back = deserialize(json.loads(json.dumps(serialize(value))))
    if hasattr(value, "shape"):
        np.testing.assert_array_equal(back, value)
    else:
        assert back == value


def test_a_name_in_a_config_is_never_looked_up_elsewhere():
    for module, name in (
        ("os", "system"), ("builtins", "eval"), ("kerata.utils", "clear_session"),
        ("keras.utils", "clear_session"), ("keras.layers", "__class__"), ("numpy", "load"),
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            deserialize(
                {"module": module, "class_name": name, "config": {}, "registered_name": None}
            )


def test_code_in_a_config_is_refused_in_every_mode():
    config = {"class_name": "__lambda__", "config": {"code": "4wEAAAA", "defaults": None}}
    for safe_mode in (True, False):
        with pytest.raises(UnsafeModelError, match="never run"):
            deserialize(config, safe_mode=safe_mode)
    with pytest.raises(TypeError, match="register_keras_serializable"):
        serialize(lambda x: x)


def test_an_unknown_class_is_named_with_what_to_do():
    class Mine(Configurable):
        def __init__(self, a=1):
            pass

    config = serialize(Mine())
    with pytest.raises(ValueError, match=r"no class named 'Mine'[\s\S]*custom_objects="):
        deserialize(config)
    assert isinstance(deserialize(config, custom_objects={"Mine": Mine}), Mine)
    with custom_object_scope({"Mine": Mine}):
        assert isinstance(deserialize(config), Mine)


def test_registered_names():
    assert get_registered_name(Brush) == "tests>Brush"
    assert get_custom_objects()["tests>Brush"] is Brush
    with pytest.raises(ValueError, match="get_config"):
        register_keras_serializable()(type("Bare", (), {}))


def test_resolve_is_every_get():
    table = {"brush": Brush, "fine": Fine, "round": round}
    assert resolve(None, table, "brush") is None
    assert isinstance(resolve("fine", table, "brush"), Fine)
    assert resolve("round", table, "brush") is round
    assert resolve(len, table, "brush") is len
    with pytest.raises(ValueError, match="Did you mean 'brush'"):
        resolve("brusch", table, "brush")
    with pytest.raises(TypeError, match="Not a brush"):
        resolve(3, table, "brush")


def test_public_objects_show_their_public_names():
    assert repr(kerata.layers.Dense) == "<class 'kerata.layers.Dense'>"
    assert kerata.ops.matmul.__module__ == "kerata.ops"


def test_functions_that_have_no_weak_references_are_registered():
    register_keras_serializable("tests", "tanh of NumPy")(np.tanh)
    assert get_registered_name(np.tanh) == "tests>tanh of NumPy"
