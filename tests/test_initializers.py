"""Initializers against Keras: the same numbers from the same seeds."""

import inspect

import keras
import numpy as np
import pytest

import kerata
from kerata import initializers as I

CASES = [
    # class, arguments, shape
    ("Zeros", {}, (2, 3)),
    ("Ones", {}, (2, 3)),
    ("Constant", {"value": 3.5}, (2, 3)),
    ("Identity", {"gain": 2.0}, (2, 3)),
    ("RandomNormal", {"mean": 1.0, "stddev": 2.0, "seed": 1}, (2, 3)),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 2.0, "seed": 1}, (2, 3)),
    ("RandomUniform", {"minval": 1.0, "maxval": 2.0, "seed": 1}, (2, 3)),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_in", "seed": 1}, (4, 3)),
    ("VarianceScaling", {"mode": "fan_out", "distribution": "uniform", "seed": 1}, (2, 4, 3)),
    (
        "VarianceScaling",
        {"mode": "fan_avg", "distribution": "untruncated_normal", "seed": 1},
        (4,),
    ),
    ("VarianceScaling", {"seed": 1}, ()),
    ("VarianceScaling", {"seed": 1, "input_axes": (0, 1), "output_axes": (-1,)}, (2, 3, 4)),
    ("GlorotUniform", {"seed": 1}, (4, 3)),
    ("GlorotUniform", {"seed": 1, "input_axes": [0], "output_axes": [1]}, (4, 3, 2)),
    ("GlorotNormal", {"seed": 1}, (3, 3, 4, 2)),
    ("HeUniform", {"seed": 1}, (4, 3)),
    ("HeNormal", {"seed": 1}, (4, 3)),
    ("LecunUniform", {"seed": 1}, (4, 3)),
    ("LecunNormal", {"seed": 1}, (4, 3)),
    ("Orthogonal", {"gain": 2.0, "seed": 3}, (2, 3)),
    ("Orthogonal", {"seed": 3}, (2, 2, 3)),
    ("STFT", {}, (4, 1, 3)),
    ("STFT", {"side": "imag", "window": None, "scaling": None}, (4, 1, 3)),
    ("STFT", {"window": "hamming", "scaling": "spectrum", "periodic": True}, (5, 1, 4)),
    ("STFT", {"window": None, "scaling": "density"}, (4, 1, 3)),
]


@pytest.mark.parametrize("name, arguments, shape", CASES)
def test_equals_keras(name, arguments, shape):
    ours, theirs = getattr(I, name)(**arguments), getattr(keras.initializers, name)(**arguments)
    value = ours(shape)
    assert value.dtype == "float32" and value.shape == shape
    np.testing.assert_allclose(value, theirs(shape), rtol=1e-5, atol=1e-6)
    assert ours(shape, dtype="bfloat16").dtype == "bfloat16"
    np.testing.assert_array_equal(ours(shape), value)


@pytest.mark.parametrize("name, arguments, shape", CASES)
def test_config_round_trip(name, arguments, shape):
    ours = getattr(I, name)(**arguments)
    config = I.serialize(ours)
    assert (config["module"], config["class_name"]) == ("keras.initializers", name)
    for twin in (I.deserialize(config), ours.clone(), I.get(config)):
        assert type(twin) is type(ours) and twin.get_config() == ours.get_config()
        np.testing.assert_array_equal(twin(shape), ours(shape))
    theirs = keras.initializers.deserialize(config)
    np.testing.assert_allclose(theirs(shape), ours(shape), rtol=1e-5, atol=1e-6)
    back = I.deserialize(keras.initializers.serialize(theirs))
    if name != "Identity":  # Keras forgets the gain.
        np.testing.assert_array_equal(back(shape), ours(shape))


def public(module):
    return [n for n in dir(module) if not n.startswith("_")]


@pytest.mark.parametrize("name", public(keras.initializers))
def test_signatures(name):
    ours = inspect.signature(getattr(I, name)).parameters.values()
    theirs = inspect.signature(getattr(keras.initializers, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_names():
    for name, thing in keras.src.initializers.ALL_OBJECTS_DICT.items():
        if name not in ("initializer",):
            assert I._NAMES[name].__name__ == thing.__name__
    assert I.get(None) is None
    assert isinstance(I.get("he_normal"), I.HeNormal) and isinstance(I.get(I.Zeros), I.Zeros)
    function = lambda shape, dtype=None: None  # noqa: E731
    assert I.get(function) is function
    np.testing.assert_array_equal(I.get(np.eye(2))((2, 2)), np.eye(2))
    with pytest.raises(
        ValueError, match="no initializer named 'glorot_unifrom'(.|\n)*'glorot_uniform'"
    ):
        I.get("glorot_unifrom")


def test_seeds():
    alone = I.RandomNormal()
    np.testing.assert_array_equal(alone((3,)), alone((3,)))
    assert alone.get_config()["seed"] is None
    assert not np.array_equal(alone((3,)), alone.clone()((3,)))
    stream = I.RandomNormal(seed=kerata.random.SeedGenerator(1))
    assert not np.array_equal(stream((3,)), stream((3,)))
    twin = I.deserialize(I.serialize(stream))
    np.testing.assert_array_equal(twin((3,)), I.RandomNormal(seed=1)((3,)))


def test_kinds_of_dtype():
    assert I.Ones()((2,), dtype="bool").dtype == bool
    assert I.Constant(2)((2,), dtype="int32").tolist() == [2, 2]
    assert I.Constant([1, 2])((2, 2)).tolist() == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: I.VarianceScaling(scale=0), "scale.*positive"),
        (lambda: I.VarianceScaling(mode="fan"), "mode"),
        (lambda: I.VarianceScaling(distribution="gauss"), "distribution"),
        (lambda: I.RandomNormal(seed="a"), "seed"),
        (lambda: I.RandomUniform()((2,), dtype="int32"), "floating"),
        (lambda: I.Identity()((2, 2, 2)), "two axes"),
        (lambda: I.Orthogonal()((2,)), "two axes"),
        (lambda: I.Constant([1, 2])((3,)), "broadcast"),
        (lambda: I.STFT(side="x"), "side"),
        (lambda: I.STFT(scaling="x"), "scaling"),
        (lambda: I.STFT(window="x"), "window"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_base_class_needs_a_call():
    with pytest.raises(NotImplementedError, match="__call__"):
        I.Initializer()((2,))
