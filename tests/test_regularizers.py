"""Regularizers against Keras."""

import inspect

import jax
import keras
import numpy as np
import pytest

from kerata import regularizers as R

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.5}),
    ("L2", {}),
    ("L2", {"l2": 0.5}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]


@pytest.mark.parametrize("name, arguments", CASES)
def test_equals_keras(name, arguments):
    ours, theirs = getattr(R, name)(**arguments), getattr(keras.regularizers, name)(**arguments)
    np.testing.assert_allclose(ours(X), theirs(jax.numpy.asarray(X)), rtol=1e-5)
    assert np.isfinite(jax.grad(ours)(X * 0)).all()
    config = R.serialize(ours)
    written = keras.regularizers.serialize(theirs)
    assert config | {"config": {}} == written | {"config": {}}
    assert config["config"] == pytest.approx(written["config"])
    twin = R.deserialize(config)
    assert type(twin) is type(ours) and twin(X) == ours(X)


@pytest.mark.parametrize("name", [n for n in dir(keras.regularizers) if not n.startswith("_")])
def test_signatures(name):
    ours = inspect.signature(getattr(R, name)).parameters.values()
    theirs = inspect.signature(getattr(keras.regularizers, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_names():
    assert isinstance(R.get("l1l2"), R.L1L2) and isinstance(R.get("L2"), R.L2)
    assert R.get(None) is None and R.get(abs) is abs
    with pytest.raises(ValueError, match="no regularizer named"):
        R.get("l3")


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "a", True, [1.0]])
def test_bad_factors(value):
    with pytest.raises(ValueError, match="finite number of at least 0(.|\n)*Received: l2="):
        R.L2(value)
    with pytest.raises(ValueError, match="`l1`"):
        R.L1L2(l1=value)


def test_orthogonal_takes_matrices():
    with pytest.raises(ValueError, match="matrices"):
        R.OrthogonalRegularizer()(X[0])
    with pytest.raises(ValueError, match="mode"):
        R.OrthogonalRegularizer(mode="diagonal")
    with pytest.raises(NotImplementedError):
        R.Regularizer()(X)
