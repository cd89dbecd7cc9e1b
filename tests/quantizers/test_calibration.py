"""GPTQ and AWQ: rounding that looks at data."""

import copy

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import layers, quantizers
from kerata.quantizers import adapter, awq, calibration, gptq

# Keras's variables warn when they become NumPy arrays.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("quick_weights"),
]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def correlated(samples=64, width=12):
    """Return inputs of which some are large, and all depend on each other."""
    mix = numbers(width, width, seed=1) + np.eye(width)
    return (numbers(samples, width) @ mix * np.linspace(0.1, 5, width)).astype("float32")


def loss_of(method, config, x, kernel):
    """Return the mean square error of a layer's outputs after calibration."""
    layer = layers.Dense(kernel.shape[1], use_bias=False)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel])
    exact = layer(x)
    layer.quantize(config=config)
    np.testing.assert_array_equal(layer(x), exact)  # until it is calibrated
    weight = adapter.weights_of(layer)[0]
    if method is None:  # plain rounding
        found = adapter.codes.encode(weight, jnp.asarray(kernel), config)
    else:
        statistics = method.Statistics(len(kernel))
        statistics.update(jnp.asarray(x))
        found = method.calibrate(weight, jnp.asarray(kernel), statistics, config)
    adapter.finish_calibration(layer, found)
    assert "_kernel" not in vars(layer)
    return float(np.mean((layer(x) - exact) ** 2)), layer


GPTQ = [
    {},
    {"activation_order": True},
    {"group_size": 4},
    {"group_size": 5, "activation_order": True},
    {"symmetric": True},
    {"weight_bits": 3},
    {"weight_bits": 2, "group_size": 4},
    {"per_channel": False},
]


@pytest.mark.parametrize("options", GPTQ, ids=str)
def test_gptq_loses_less_than_rounding(options):
    config = quantizers.GPTQConfig(None, None, **{"group_size": -1, **options})
    x, kernel = correlated(), numbers(12, 7, seed=2)
    plain, _ = loss_of(None, config, x, kernel)
    loss, layer = loss_of(gptq, config, x, kernel)
    assert 0 < loss < plain
    bits = options.get("weight_bits", 4)
    assert int(np.max(layer.kernel)) <= 2**bits - 1


def test_gptq_beside_keras():
    from keras.src.quantizers.gptq import GPTQ as Theirs  # there is no public way

    x, kernel = correlated(), numbers(12, 7, seed=2)
    config = quantizers.GPTQConfig(None, None, group_size=-1)
    loss, mine = loss_of(gptq, config, x, kernel)
    config = keras.quantizers.GPTQConfig(None, None, group_size=-1)
    layer = keras.layers.Dense(7, use_bias=False)
    layer.build((None, 12))
    layer.set_weights([kernel])
    layer.quantize(config=config)
    theirs = Theirs(layer, config)
    theirs.update_hessian_with_batch(x)
    theirs.quantize_and_correct_layer()
    for name in ("kernel_zero", "kernel_scale"):
        np.testing.assert_allclose(getattr(mine, name), getattr(layer, name), 1e-5)
    # Keras takes the inverse of all inputs' Hessian throughout, not that of those to come.
    assert loss <= np.mean((layer(x) - x @ kernel) ** 2)


def test_gptq_in_blocks_is_gptq_at_once(monkeypatch):
    config = quantizers.GPTQConfig(None, None, group_size=-1)
    x, kernel = correlated(), numbers(12, 7, seed=2)
    _, whole = loss_of(gptq, config, x, kernel)
    monkeypatch.setattr(gptq, "_BLOCK", 5)
    gptq._rounded.clear_cache()
    _, parts = loss_of(gptq, config, x, kernel)
    gptq._rounded.clear_cache()
    np.testing.assert_array_equal(parts.kernel, whole.kernel)


@pytest.mark.parametrize("group_size", [-1, 4])
def test_awq_loses_less_than_rounding(group_size):
    config = quantizers.AWQConfig(None, None, group_size=group_size)
    x, kernel = correlated(), numbers(12, 7, seed=2)
    plain, _ = loss_of(None, config, x, kernel)
    loss, layer = loss_of(awq, config, x, kernel)
    assert 0 < loss < plain
    assert layer.awq_scales.shape == (12,) and len(set(np.asarray(layer.awq_scales))) > 1


def test_awq_like_keras():
    from keras.src.quantizers.awq import AWQ as Theirs  # there is no public way

    x, kernel = correlated(), numbers(12, 7, seed=2)
    _, mine = loss_of(awq, quantizers.AWQConfig(None, None, group_size=-1), x, kernel)
    config = keras.quantizers.AWQConfig(None, None, group_size=-1)
    layer = keras.layers.Dense(7, use_bias=False)
    layer.build((None, 12))
    layer.set_weights([kernel])
    layer.quantize(config=config)
    theirs = Theirs(layer, config)
    theirs.update_activation_magnitudes(x)
    theirs.quantize_layer()
    np.testing.assert_allclose(mine.awq_scales, layer.awq_scales, 1e-4)
    np.testing.assert_allclose(mine(x), layer(x), 1e-3, 1e-3)


class Tokenizer:
    @staticmethod
    def tokenize(text):
        return [ord(c) % 20 for c in text]


class Block(layers.Layer):
    """Attention and two dense layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 4)
        self.hidden = layers.Dense(8, activation="relu", name="hidden")
        self.out = layers.Dense(8, name="out")

    def call(self, x):
        x = x + self.attention(x, x)
        return x + self.out(self.hidden(x))


def network(config_class, **options):
    inputs = kerata.Input((5,), dtype="int32")
    table, blocks = layers.Embedding(20, 8), [Block(name="first"), Block(name="second")]
    x = table(inputs)
    for block in blocks:
        x = block(x)
    model = kerata.Model(inputs, layers.Dense(3, name="head")(x))
    model.set_weights([numbers(*v.shape, seed=i) / 3 for i, v in enumerate(model.weights)])
    structure = {"pre_block_layers": [table], "sequential_blocks": blocks}
    config = config_class(
        ["some text to calibrate with, and some more"],
        Tokenizer,
        num_samples=20,
        sequence_length=5,
        group_size=4,
        quantization_layer_structure=structure,
        **options,
    )
    return model, config


@pytest.mark.parametrize("kind", ["GPTQConfig", "AWQConfig"])
def test_a_model_block_by_block(kind, tmp_path):
    model, config = network(getattr(quantizers, kind))
    x = np.arange(10).reshape(2, 5)
    exact = np.asarray(model(x))
    model.quantize(config=config, filters="^(query|key|value|attention_output|hidden)$")
    modes = {v.name: v.quantization_mode for v in model._flatten_layers() if not v._sublayers}
    assert modes["hidden"] == modes["query"] == config.mode
    assert modes["out"] is modes["head"] is None
    assert 0 < np.abs(np.asarray(model(x)) - exact).mean() < 0.25 * np.abs(exact).mean()
    hidden = model.layers[2].hidden
    store = {}
    hidden.save_own_variables(store)
    again = layers.deserialize(layers.serialize(hidden))
    again.load_own_variables({k: np.asarray(v) for k, v in store.items()})
    values = numbers(2, 3, 8)
    np.testing.assert_allclose(again(values), hidden(values), 1e-6)
    model.save_weights(tmp_path / "model.weights.h5")
    twin, config = network(getattr(quantizers, kind))
    twin.quantize(config=config, filters="^(query|key|value|attention_output|hidden)$")
    twin.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(twin(x), model(x))


def test_lora_becomes_part_of_what_is_calibrated():
    model, config = network(quantizers.GPTQConfig, weight_bits=8)
    layer = model.layers[2].hidden
    layer.enable_lora(2, b_initializer="ones")
    x = np.arange(10).reshape(2, 5)
    exact = model(x)
    model.quantize(config=config)
    assert not layer.lora_enabled and not hasattr(layer, "lora_kernel_a")
    np.testing.assert_allclose(model(x), exact, atol=0.1)


def test_what_is_not_calibrated_is_not_saved():
    layer = layers.Dense(3)
    layer.build((None, 4))
    layer.quantize(config=quantizers.GPTQConfig(None, None))
    with pytest.raises(ValueError, match="has not calibrated it yet"):
        layer.save_own_variables({})


def test_sequences():
    def config(dataset, samples=3, length=4):
        return quantizers.GPTQConfig(
            dataset, Tokenizer, num_samples=samples, sequence_length=length
        )

    found = calibration.sequences(config([np.arange(9), np.arange(9, 20)]))
    assert found.shape == (3, 4) and found.dtype == "int32"
    assert (np.diff(found, axis=1) == 1).all() and len({*found[:, 0].tolist()}) == 3
    assert calibration.sequences(config(["ab"], 2, 5))[0].tolist() == [17, 18, 17, 18, 17]
    with pytest.raises(TypeError, match="`dataset` must be an iterable"):
        calibration.sequences(config("text"))
    with pytest.raises(ValueError, match="hold tokens"):
        calibration.sequences(config([]))


def test_refuses():
    model, config = network(quantizers.GPTQConfig)
    with pytest.raises(ValueError, match='needs a structure for mode="gptq"|needs a structure'):
        model.quantize(config=quantizers.GPTQConfig(["a"], Tokenizer))
    config.dataset = None
    with pytest.raises(ValueError, match="`dataset` must not be None"):
        model.quantize(config=config)
    layer = layers.EinsumDense("abcde,bcdef->af", 2)
    layer.build((None, 2, 2, 2, 2))
    with pytest.raises(ValueError, match="kernels of two or three axes"):
        layer.quantize(config=quantizers.AWQConfig(None, None))


def test_layers_do_not_keep_the_data():
    model, config = network(quantizers.GPTQConfig)
    config.dataset = (text for text in config.dataset)  # which cannot be copied
    model.quantize(config=config, filters="hidden")
    x = np.arange(10).reshape(2, 5)
    np.testing.assert_array_equal(copy.deepcopy(model)(x), model(x))
    assert config.dataset is not None


def test_all_layers_or_none():
    model, config = network(quantizers.GPTQConfig)
    layer = layers.EinsumDense("abcde,bcdef->af", 2)
    layer.build((None, 2, 2, 2, 2))
    config.quantization_layer_structure["sequential_blocks"].append(layer)
    x = np.arange(10).reshape(2, 5)
    exact = model(x)
    with pytest.raises(ValueError, match="kernels of two or three axes"):
        model.quantize(config=config)
    assert not any(layer.quantization_mode for layer in model._flatten_layers())
    np.testing.assert_array_equal(model(x), exact)
