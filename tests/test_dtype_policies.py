"""Dtype policies of quantized layers, beside Keras's."""

import copy
import pickle

import keras
import pytest

import kerata
from kerata import dtype_policies as policies

NAMES = [
    "int8_from_float32",
    "int8_from_mixed_bfloat16",
    "int4_from_float32",
    "int4/64_from_bfloat16",
    "int4/-1_from_float32",
    "float8_from_mixed_float16",
    "gptq/4/128_from_float32",
    "gptq/8/-1_from_float32",
    "awq/4/32_from_mixed_bfloat16",
]


@pytest.mark.parametrize("name", NAMES)
def test_same_as_keras(name):
    mine, theirs = policies.get(name), keras.dtype_policies.get(name)
    for attribute in ("name", "compute_dtype", "variable_dtype", "quantization_mode"):
        assert getattr(mine, attribute) == getattr(theirs, attribute)
    for attribute in ("block_size", "group_size", "weight_bits", "amax_history_length"):
        assert getattr(mine, attribute, None) == getattr(theirs, attribute, None)
    assert repr(mine) == repr(theirs)
    config = policies.serialize(mine)
    assert config == keras.dtype_policies.serialize(theirs)
    for again in (
        policies.deserialize(config),
        copy.deepcopy(mine),
        pickle.loads(pickle.dumps(mine)),
    ):
        assert again == mine and hash(again) == hash(mine)
    assert mine != policies.get("float32")


@pytest.mark.parametrize(
    "name",
    """int8_abc int8_from_ int8_from_float31 int8_from_float16 int4/0_from_float32
    int4/x_from_float32 gptq/5/8_from_float32 gptq/4_from_float32 gptq/4/0_from_float32
    awq/8/8_from_float32 awq/4/-2_from_float32""".split(),
)
def test_names_that_keras_refuses_too(name):
    with pytest.raises(ValueError):
        policies.get(name)
    with pytest.raises(ValueError):
        keras.dtype_policies.get(name)


def test_classes_refuse():
    with pytest.raises(ValueError, match="`mode` must be one of"):
        policies.QuantizedDTypePolicy("int7")
    with pytest.raises(TypeError, match="must be a string"):
        policies.QuantizedDTypePolicy("int8", 123)
    with pytest.raises(TypeError, match="be an integer"):
        policies.QuantizedFloat8DTypePolicy("float8", "float32", 1.5)
    with pytest.raises(ValueError, match="be a dtype policy"):
        kerata.config.set_dtype_policy(None)


def test_plain_dtypes_are_no_quantization():
    assert policies.get("int8").quantization_mode is None
    assert policies.get("float8_e4m3fn").compute_dtype == "float8_e4m3fn"


def test_the_default_is_the_source():
    kerata.mixed_precision.set_global_policy("mixed_bfloat16")
    assert policies.DTypePolicy().name == "mixed_bfloat16"
    assert policies.QuantizedDTypePolicy("int8").name == "int8_from_mixed_bfloat16"
    assert kerata.mixed_precision.global_policy().name == "mixed_bfloat16"


class TestMap:
    def test_looks_up(self):
        found = policies.DTypePolicyMap("bfloat16", {"a/b": policies.get("float16")})
        found["a/.*"] = "int8_from_float32"
        assert found["a/b"].name == "float16"
        assert found["a/c"].name == "int8_from_float32"
        assert found["a"] is found.default_policy
        assert (found.compute_dtype, found.variable_dtype) == ("bfloat16", "bfloat16")
        assert found.quantization_mode is None and found.name == "map_bfloat16"
        assert list(found) == ["a/b", "a/.*"] and len(found) == 2 and "a/c" not in found
        del found["a/b"]
        assert found["a/b"].name == "int8_from_float32"
        assert "mapping=[('a/.*', 'int8_from_float32')]" in repr(found)

    def test_takes_names_and_leaves_the_dict_alone(self):
        given = {"a": "bfloat16"}
        found = policies.DTypePolicyMap("float32", given)
        found["b"] = "float16"
        assert found["a"].quantization_mode is None and "('a', 'bfloat16')" in repr(found)
        assert given == {"a": "bfloat16"}

    def test_refuses(self):
        found = policies.DTypePolicyMap("bfloat16")
        found["a/.*"] = found[".*/b"] = "float16"
        with pytest.raises(ValueError, match="must match one key"):
            found["a/b"]
        with pytest.raises(ValueError, match="has a policy for 'a/"):
            found["a/.*"] = "float16"
        with pytest.raises(ValueError):
            found["c"] = 123
        with pytest.raises(KeyError):
            del found["a"]
        with pytest.raises(TypeError, match="be a dict"):
            policies.DTypePolicyMap(policy_map=123)
        with pytest.raises(ValueError, match="not be a map"):
            policies.DTypePolicyMap(found)

    def test_is_saved_as_keras_saves_it(self):
        mine, theirs = (m.dtype_policies.DTypePolicyMap("mixed_bfloat16") for m in (kerata, keras))
        for found in (mine, theirs):
            found["a"] = "int8_from_float32"
        config = policies.serialize(mine)
        assert config == keras.dtype_policies.serialize(theirs)
        assert policies.deserialize(config) == mine

    def test_follows_the_default_where_it_is_loaded(self):
        found = policies.DTypePolicyMap()
        found["a"] = "int8_from_float32"
        config = policies.serialize(found)
        kerata.config.set_dtype_policy("bfloat16")
        again = policies.deserialize(config)
        assert again["a"].name == "int8_from_bfloat16" and again["b"].name == "bfloat16"
        assert found["a"].name == "int8_from_float32"
