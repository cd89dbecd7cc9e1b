"""A file holds all of a model, or is not written: what cannot be in it is named."""

import functools
import types

import numpy as np
import pytest

import kerata
from kerata.saving import load_model, register_keras_serializable
from tests.saving import models

layers = kerata.layers


class Plain:
    """An object that is no layer."""

    def __init__(self, **kwargs):
        vars(self).update(kwargs)


def closure(inner):
    return lambda x: inner(x)


def method(inner):
    return Plain(inner=inner, apply=lambda x: x)


HIDDEN = {
    "an object": lambda inner: Plain(inner=inner),
    "an object in a list": lambda inner: [Plain(inner=inner)],
    "an object in an object": lambda inner: Plain(one=Plain(two=[inner])),
    "a namespace": lambda inner: Plain(space=types.SimpleNamespace(inner=inner)),
    "a closure": closure,
    "a closure in a dict": lambda inner: {"f": closure(inner)},
    "a partial": lambda inner: functools.partial(print, inner),
    "a method": lambda inner: types.MethodType(print, Plain(inner=inner)),
    "a frozen set": lambda inner: frozenset([inner]),
    "a mapping that is no dict": lambda inner: types.MappingProxyType({"a": inner}),
}
REACHED = {
    "an attribute": lambda inner: inner,
    "a list": lambda inner: [inner],
    "a tuple": lambda inner: (inner,),
    "a dict": lambda inner: {"a": inner},
    "a set": lambda inner: {inner},
    "nested": lambda inner: [{"a": ({"b": [inner]},)}],
    "an object without variables": lambda inner: [inner, Plain(x=np.ones(3), y=closure(3))],
}


def holder(inner, hide):
    @register_keras_serializable()
    class Holder(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.kept = hide(inner)

        def call(self, x):
            return inner(x)

    model = kerata.Sequential([kerata.Input((2,)), Holder(name="holder")])
    model.layers[0].build((None, 2))
    return model


@pytest.fixture
def inner():
    layer = layers.Dense(1, name="hidden")
    layer.build((None, 2))
    return layer


@pytest.mark.parametrize("hide", HIDDEN.values(), ids=HIDDEN)
def test_hidden_variables_are_named(hide, inner, tmp_path):
    model = holder(inner, hide)
    (tmp_path / "x.keras").write_bytes(b"old")
    for save, name in (
        (model.save, "x.keras"),
        (model.save, "x.h5"),
        (model.save_weights, "x.weights.h5"),
        (functools.partial(model.save_weights, max_shard_size=1), "x.weights.json"),
    ):
        with pytest.raises(ValueError, match=r"(?s)lack.*hidden/kernel.*objects_to_skip"):
            save(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["x.keras"]
    assert (tmp_path / "x.keras").read_bytes() == b"old"


def test_hidden_variables_may_be_left_out_on_purpose(inner, tmp_path):
    model = holder(inner, HIDDEN["an object"])
    model.save_weights(tmp_path / "x.weights.h5", objects_to_skip=[inner])


@pytest.mark.parametrize("hide", REACHED.values(), ids=REACHED)
def test_what_is_reached_is_saved(hide, inner, tmp_path):
    model = holder(inner, hide)
    path = tmp_path / "x.weights.h5"
    model.save_weights(path)
    before = inner.kernel.numpy()
    inner.kernel.assign(before + 1)
    model.load_weights(path)
    np.testing.assert_array_equal(inner.kernel, before)


def test_a_variable_in_an_object(tmp_path):
    model = models.mlp(kerata)
    model.layers[0].note = Plain(scale=kerata.Variable(2.0, name="scale"))
    with pytest.raises(ValueError, match=r"scale \(in `note` of 'dense"):
        model.save(tmp_path / "x.keras")


def test_what_belongs_to_training_is_not_of_the_model(tmp_path, inner):
    """Losses, callbacks and metrics may hold other networks."""

    @register_keras_serializable()
    def loss(y, p):
        return kerata.ops.mean((inner(p) - y) ** 2, axis=-1)

    class Count(kerata.metrics.Mean):
        pass

    model = models.mlp(kerata)
    model.compile("sgd", loss, metrics=[Count()])
    model.layers[0].seen = Count()
    model.save(tmp_path / "x.keras")
    load_model(tmp_path / "x.keras", {"Count": Count})
