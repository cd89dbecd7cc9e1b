"""Constraints against Keras."""

import inspect

import keras
import numpy as np
import pytest

from kerata import constraints as C

W = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
W[:, 0] = 0

CASES = [
    ("MaxNorm", {"max_value": 1.5}),
    ("MaxNorm", {"max_value": 0.5, "axis": 1}),
    ("MaxNorm", {"axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": (0, 1)}),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0}),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.3, "axis": 1}),
]


@pytest.mark.parametrize("name, arguments", CASES)
def test_equals_keras(name, arguments):
    ours, theirs = getattr(C, name)(**arguments), getattr(keras.constraints, name)(**arguments)
    np.testing.assert_allclose(ours(W), theirs(W), rtol=1e-5, atol=1e-7)
    config = C.serialize(ours)
    assert config == keras.constraints.serialize(theirs)
    twin = C.deserialize(config)
    assert type(twin) is type(ours) and twin.get_config() == ours.get_config()


@pytest.mark.parametrize("name", [n for n in dir(keras.constraints) if not n.startswith("_")])
def test_signatures(name):
    ours = inspect.signature(getattr(C, name)).parameters.values()
    theirs = inspect.signature(getattr(keras.constraints, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_names():
    assert isinstance(C.get("max_norm"), C.MaxNorm) and isinstance(C.get(C.NonNeg), C.NonNeg)
    assert C.get(None) is None and C.get(abs) is abs
    with pytest.raises(ValueError, match="no constraint named 'nonneg'(.|\n)*(NonNeg|non_neg)"):
        C.get("nonneg")
    assert C.Constraint()(W) is W
