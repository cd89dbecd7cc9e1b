"""Quantizers and their helpers, beside Keras's."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerata import KerasTensor, quantizers
from kerata.quantizers.config import resolve


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def same(found, expected, tolerance=1e-6):
    for a, b in zip(found, expected, strict=True):
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(
            np.asarray(a, "float32"), np.asarray(b, "float32"), tolerance, tolerance
        )


@pytest.mark.parametrize("axis", [0, -1, (0, 2)])
@pytest.mark.parametrize("value_range", [(-127, 127), (-8, 7)])
def test_abs_max_like_keras(axis, value_range):
    x = numbers(3, 4, 5)
    expected = keras.quantizers.abs_max_quantize(x, axis, value_range)
    same(quantizers.abs_max_quantize(x, axis, value_range), expected)
    same(quantizers.abs_max_quantize(x, axis, value_range, to_numpy=True), expected)
    same(quantizers.AbsMaxQuantizer(axis, value_range)(x), expected)
    same(quantizers.AbsMaxQuantizer(value_range=value_range)(x, axis=axis), expected)


@pytest.mark.parametrize("block_size, rows", [(8, 16), (8, 21), (32, 20)])
def test_blocks_like_keras(block_size, rows):
    x = numbers(rows, 5)
    expected = keras.quantizers.abs_max_quantize_grouped_with_zero_point(
        x, block_size, to_numpy=True
    )
    for to_numpy in (False, True):
        same(
            quantizers.abs_max_quantize_grouped_with_zero_point(x, block_size, to_numpy=to_numpy),
            expected,
        )


def test_blocks_that_do_not_span_zero():
    x = np.array([[1.0, -3.0], [2.0, -3.0]], "float32")
    found, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(x, 2)
    again = (found.astype("float32") - zero) * scale
    np.testing.assert_allclose(again, x, atol=0.11)
    zeros = quantizers.abs_max_quantize_grouped_with_zero_point(np.zeros((4, 1), "float32"), 2)
    assert not (zeros[0] - jnp.repeat(zeros[2], 2, axis=0)).any()


@settings(max_examples=12)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.integers(-3, 2),
    st.booleans(),
    st.integers(0, 99),
)
def test_packing_is_undone(shape, axis, signed, seed):
    axis = axis % len(shape)
    dtype, low = ("int8", -8) if signed else ("uint8", 0)
    x = np.random.default_rng(seed).integers(low, low + 16, shape).astype(dtype)
    packed, packed_shape, length = quantizers.pack_int4(x, axis, dtype)
    assert packed.shape == packed_shape and length == shape[axis]
    assert packed.shape[axis] == -(-length // 2) and packed.dtype == dtype
    back = quantizers.unpack_int4(packed, length, axis - len(shape), dtype)
    assert back.dtype == dtype and np.array_equal(back, x)


def test_packing_like_keras():
    x = np.random.default_rng(0).integers(-8, 8, (5, 3)).astype("int8")
    for axis in (0, -1):
        expected = keras.quantizers.pack_int4(x, axis)
        found = quantizers.pack_int4(x, axis)
        assert np.array_equal(found[0], expected[0]) and found[1:] == expected[1:]


@pytest.mark.parametrize("function", [quantizers.pack_int4, quantizers.unpack_int4])
def test_packing_refuses(function):
    with pytest.raises(ValueError, match="`dtype` must be one of"):
        function(np.zeros(2, "int8"), 2, dtype="int32")
    with pytest.raises(TypeError, match="Received: dtype float32"):
        function(np.zeros(2, "float32"), 0)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize(
    "low, high, axis", [(-0.1, 63.4, None), (-3.0, 2.0, None), ([-1.0, -2.0], [2.0, 0.5], -1)]
)
def test_fake_quantization_like_keras(low, high, axis, narrow):
    x = 2 * numbers(4, 2)
    limits = [np.asarray(limit, "float32") for limit in (low, high)]

    def total(module):
        def function(x, low, high):
            y = module.quantizers.fake_quant_with_min_max_vars(x, low, high, 4, narrow, axis)
            return jnp.sum(y * jnp.arange(8.0).reshape(4, 2)), y

        return jax.grad(function, (0, 1, 2), has_aux=True)

    import kerata

    (gradients, y), (expected, y_expected) = (total(m)(x, *limits) for m in (kerata, keras))
    same([y, *gradients], [y_expected, *expected], 1e-5)


def test_fake_quantization_is_symbolic():
    y = quantizers.fake_quant_with_min_max_vars(KerasTensor((None, 3)), -1.0, 1.0, axis=-1)
    assert y.shape == (None, 3)


def test_float8_helpers_like_keras():
    x, history = numbers(3, 4), np.abs(numbers(6))
    theirs = keras.quantizers
    same(
        [quantizers.compute_float8_amax_history(x, history)],
        [theirs.compute_float8_amax_history(x, history)],
    )
    for amax in (3.0, 0.0, np.inf, np.nan):
        mine, expected = (
            module.compute_float8_scale(np.float32(amax), np.float32(4), 448.0)
            for module in (quantizers, theirs)
        )
        np.testing.assert_allclose(mine, expected, 1e-6)
    for dtype in ("float8_e4m3fn", "float8_e5m2"):
        same(
            [quantizers.quantize_and_dequantize(300 * x, 0.5, dtype, "float32")],
            [theirs.quantize_and_dequantize(300 * x, 0.5, dtype, "float32")],
        )


CONFIGS = [
    quantizers.AbsMaxQuantizer(axis=0, value_range=(-8, 7)),
    quantizers.Int8QuantizationConfig(activation_quantizer=None),
    quantizers.Int4QuantizationConfig(quantizers.AbsMaxQuantizer(-1, (-8, 7)), block_size=None),
    quantizers.Int4QuantizationConfig(block_size=64),
    quantizers.Float8QuantizationConfig(),
    quantizers.GPTQConfig(["a"], "t", weight_bits=8, group_size=-1, symmetric=True),
    quantizers.AWQConfig(["a"], "t", num_grid_points=5),
]


@pytest.mark.parametrize("thing", CONFIGS, ids=lambda c: type(c).__name__)
def test_configs_like_keras(thing):
    config = quantizers.serialize(thing)
    assert config["module"] == "keras.quantizers" and config["registered_name"] is None
    theirs = keras.saving.deserialize_keras_object(config)
    assert type(theirs).__name__ == type(thing).__name__
    assert keras.quantizers.serialize(theirs)["config"] == config["config"]
    again = quantizers.deserialize(config)
    assert type(again) is type(thing) and quantizers.serialize(again) == config


def test_older_configs_have_no_blocks():
    assert quantizers.Int4QuantizationConfig.from_config({}).block_size is None


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda q: q.AbsMaxQuantizer(value_range=(-256, 255)), "value_range"),
        (lambda q: q.Int8QuantizationConfig(q.AbsMaxQuantizer(output_dtype="int16")), "int8"),
        (lambda q: q.Int4QuantizationConfig(block_size=0), "block_size"),
        (lambda q: q.Int4QuantizationConfig(q.AbsMaxQuantizer(0, (-8, 7))), "block_size"),
        (lambda q: q.Int4QuantizationConfig(q.AbsMaxQuantizer(), block_size=-1), "value_range"),
        (lambda q: q.GPTQConfig(None, None, weight_bits=5), "weight_bits"),
        (lambda q: q.GPTQConfig(None, None, num_samples=0), "num_samples"),
        (lambda q: q.GPTQConfig(None, None, group_size=0), "group_size"),
        (lambda q: q.GPTQConfig(None, None, hessian_damping=2), "hessian_damping"),
        (lambda q: q.AWQConfig(None, None, weight_bits=8), "weight_bits"),
        (lambda q: q.AWQConfig(None, None, num_grid_points=0), "num_grid_points"),
        (lambda q: q.get("nothing"), "nothing"),
    ],
)
def test_configs_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make(quantizers)
    with pytest.raises(ValueError):
        make(keras.quantizers)


def test_get():
    assert quantizers.get(None) is None
    found = quantizers.get("abs_max_quantizer", axis=-1)
    assert isinstance(found, quantizers.AbsMaxQuantizer) and found.axis == (-1,)
    assert quantizers.get(found) is found
    assert quantizers.get(quantizers.serialize(found)).axis == (-1,)
    with pytest.raises(ValueError, match="Not a quantizer"):
        quantizers.get(3)


def test_mode_and_config_must_fit():
    assert resolve("int4", None).block_size == 128
    assert resolve(None, "float8").mode == "float8"
    for mode, config, words in [
        ("int7", None, "`mode` must be one of"),
        ("gptq", None, "be a GPTQConfig"),
        ("int8", {"mode": "int8"}, "be a QuantizationConfig"),
        ("int4", quantizers.Int8QuantizationConfig(), "that of the config"),
        (None, None, "`mode` must be one of"),
    ]:
        with pytest.raises(ValueError, match=words):
            resolve(mode, config)
    with pytest.raises(NotImplementedError, match="use a subclass"):
        resolve("gptq", quantizers.QuantizationConfig())
