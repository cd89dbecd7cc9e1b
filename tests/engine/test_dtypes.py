"""Names of dtypes, promotion, and dtype policies."""

import itertools

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata.engine import dtypes, policies, settings
from kerata.engine.configurable import serialize

TYPES = [
    "bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "bfloat16",
    "float32", "float64", int, float, bool, None,
]  # fmt: skip


@pytest.mark.parametrize("one", TYPES, ids=str)
def test_promotion_is_keras(one):
    for other in TYPES:
        ours = kerata.backend.result_type(one, other)
        assert ours == keras.backend.result_type(one, other), (one, other)


def test_promotion_of_three_is_that_of_the_last_pair():
    for a, b, c in itertools.islice(itertools.product(TYPES[3:], repeat=3), 0, None, 97):
        assert dtypes.result_type(a, b, c) == keras.backend.result_type(a, b, c), (a, b, c)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "float32"), (float, "float32"), (int, "int32"), (bool, "bool"), (str, "string"),
        (np.float16, "float16"), (jnp.bfloat16, "bfloat16"), (np.dtype("uint8"), "uint8"),
        ("float64", "float64"), (np.dtype("<U3"), "string"), (np.bool_, "bool"),
    ],
)  # fmt: skip
def test_names(given, name):
    assert dtypes.standardize_dtype(given) == name


def test_an_unknown_dtype_is_refused():
    with pytest.raises(ValueError, match="no dtype named 'float31'.*\n.*'float32'"):
        dtypes.standardize_dtype("float31")


def test_floatx_is_the_default():
    settings.set_floatx("float16")
    assert kerata.Variable(1.0).dtype == "float16"
    assert dtypes.as_float([1, 2]).dtype == "float16" and dtypes.as_array([1.5]).dtype == "float16"
    assert dtypes.result_type("int32", float) == "float16"
    assert kerata.layers.Dense(1).dtype == "float16"


@pytest.mark.parametrize(
    ("name", "compute", "variable"),
    [
        ("float32", "float32", "float32"), ("bfloat16", "bfloat16", "bfloat16"),
        ("mixed_bfloat16", "bfloat16", "float32"), ("mixed_float16", "float16", "float32"),
    ],
)  # fmt: skip
def test_policies(name, compute, variable):
    policy = kerata.DTypePolicy(name)
    assert (policy.compute_dtype, policy.variable_dtype) == (compute, variable)
    layer = kerata.layers.Dense(2, dtype=name)
    out = layer(np.ones((1, 3), "float32"))
    assert out.dtype == compute and layer.kernel.dtype == variable
    assert policies.get(policy.name) == policy == policies.get(serialize(policy))


def test_integers_are_not_cast():
    policy = kerata.DTypePolicy("mixed_bfloat16")
    assert policy.convert_input(np.arange(3), True, "bfloat16").dtype == "int32"
    assert policy.convert_input(np.ones(3), False, "bfloat16").dtype == "float32"


def test_the_default_policy_can_be_set():
    kerata.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert kerata.layers.Dense(1).compute_dtype == "bfloat16"
    finally:
        kerata.config.set_dtype_policy("float32")
    assert kerata.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(("name", "error"), [("mixed_float61", ValueError), (3, TypeError)])
def test_unknown_policies(name, error):
    with pytest.raises(error, match="policy"):
        kerata.DTypePolicy(name)
