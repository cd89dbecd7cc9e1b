"""LoRA beside Keras's, in layers of all kinds, quantized or not."""

import keras
import numpy as np
import pytest

import kerata
from kerata import layers

# Keras's variables warn when they become NumPy arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
LAYERS = {
    "dense": ("Dense", (5,), {}, (None, 6)),
    "einsum": ("EinsumDense", ("btd,dnh->btnh", (None, 2, 3)), {"bias_axes": "h"}, (None, 4, 6)),
    "table": ("Embedding", (7, 6), {}, (None,)),
    "conv": ("Conv2D", (4, 2), {}, (None, 5, 5, 3)),
}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(module, what, **more):
    name, args, kwargs, shape = LAYERS[what]
    layer = getattr(module.layers, name)(*args, **kwargs, **more, name="layer")
    layer.build(shape)
    return layer


def adapted(module, what, **more):
    layer = made(module, what, lora_rank=2, lora_alpha=2, **more)
    layer.set_weights([0.5 * numbers(*v.shape, seed=i) for i, v in enumerate(layer.weights)])
    return layer


def inputs_of(what):
    shape = LAYERS[what][3]
    return np.arange(7) if shape == (None,) else numbers(3, *shape[1:], seed=9)


def described(layer):
    return [(v.name, tuple(v.shape), v.trainable) for v in layer.weights]


@pytest.mark.parametrize("what", LAYERS)
def test_same_as_keras(what):
    mine, theirs = adapted(kerata, what), adapted(keras, what)
    assert described(mine) == described(theirs)
    x = inputs_of(what)
    np.testing.assert_allclose(mine(x), theirs(x), 1e-5, 1e-5)
    name = mine.adapted
    np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), 1e-5, 1e-5)
    stores = {}, {}
    for layer, store in zip((mine, theirs), stores, strict=True):
        layer.save_own_variables(store)
    assert list(stores[0]) == list(stores[1])
    for key, value in stores[1].items():
        np.testing.assert_allclose(stores[0][key], value, 1e-5, 1e-5)
    # What was trained is in the file: a plain layer takes it.
    plain = made(kerata, what)
    plain.load_own_variables({k: np.asarray(v) for k, v in stores[0].items()})
    np.testing.assert_allclose(plain(x), mine(x), 1e-4, 1e-4)
    mine.load_own_variables({k: np.asarray(v) for k, v in stores[0].items()})
    np.testing.assert_allclose(mine(x), plain(x), 1e-5, 1e-5)
    assert np.any(getattr(mine, f"lora_{name}_a"))  # so that training can go on
    again = layers.deserialize(layers.serialize(mine))
    assert described(again) == described(mine) and again.lora_alpha == 2


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("what", ["dense", "einsum", "table"])
def test_quantized_like_keras(what, mode):
    results = []
    for module in (kerata, keras):
        layer = adapted(module, what)
        layer.quantize(mode)
        x, store = inputs_of(what), {}
        layer.save_own_variables(store)
        results.append([layer(x), *store.values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(np.asarray(a, "float32"), np.asarray(b, "float32"), 1e-4, 1e-4)


@pytest.mark.parametrize("mode", [None, "int8", "int4", "float8"])
def test_only_the_adapters_are_trained(mode, tmp_path):
    model = kerata.Sequential([kerata.Input((6,)), layers.Dense(4, use_bias=False)])
    layer = model.layers[0]
    layer.enable_lora(2)
    if mode:
        layer.quantize(mode)
    model.compile("sgd", "mse")
    before = {v.name: np.asarray(v) for v in layer.weights if "amax" not in v.name}
    x = numbers(8, 6)
    model.fit(x, numbers(8, 4), epochs=2, verbose=0)
    changed = [v.name for v in layer.weights if v.name in before]
    changed = [n for n in changed if not np.array_equal(before[n], getattr(layer, _attribute(n)))]
    assert set(changed) - {"inputs_scale", "kernel_scale", "outputs_grad_scale"} == {
        "lora_kernel_a",
        "lora_kernel_b",
    }
    model.save(tmp_path / "model.keras")
    again = kerata.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].lora_enabled
    tolerance = {None: 1e-5, "float8": 0.3, "int8": 0.05, "int4": 0.7}[mode]
    np.testing.assert_allclose(again(x), model(x), atol=tolerance)


def _attribute(name):
    return "_kernel" if name == "kernel" else name


def test_files_of_keras(tmp_path):
    theirs = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, lora_rank=2)])
    theirs.set_weights([numbers(*v.shape, seed=i) for i, v in enumerate(theirs.weights)])
    theirs.save(tmp_path / "theirs.keras")
    mine = kerata.saving.load_model(tmp_path / "theirs.keras")
    x = numbers(3, 6)
    np.testing.assert_allclose(mine(x), theirs(x), 1e-5, 1e-5)
    mine.save(tmp_path / "mine.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "mine.keras")(x), mine(x), 1e-5)


def test_the_weight_stays_frozen():
    layer = adapted(kerata, "dense")
    layer.trainable = False
    layer.trainable = True
    names = [v.name for v in layer.trainable_weights]
    assert names == ["bias", "lora_kernel_a", "lora_kernel_b"]


def test_tied_weights_stay_tied():
    layer = layers.ReversibleEmbedding(7, 6, lora_rank=2)
    layer.build()
    layer.set_weights([numbers(*v.shape, seed=i) for i, v in enumerate(layer.weights)])
    x = numbers(3, 6)
    table = layer(np.arange(7))
    np.testing.assert_allclose(layer(x, reverse=True), x @ table.T, 1e-4, 1e-4)
    layer.quantize(config=kerata.quantizers.Int8QuantizationConfig(activation_quantizer=None))
    table = layer(np.arange(7))
    np.testing.assert_allclose(layer(x, reverse=True), x @ table.T, 1e-4, 1e-4)


def test_paths():
    class Mine(kerata.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = layers.Dense(4, name="dense")

        def call(self, x):
            return self.dense(x)

    model = Mine()
    model(numbers(2, 3))
    model.dense.enable_lora(1)
    assert model.dense.lora_kernel_a.path == "mine/dense/lora_kernel_a"


def test_refuses():
    with pytest.raises(ValueError, match="`kernel_constraint` must be None"):
        layers.Dense(2, kernel_constraint="max_norm").enable_lora(2)
    with pytest.raises(ValueError, match="must be built"):
        layers.Conv1D(2, 1).enable_lora(2)
    layer = adapted(kerata, "dense")
    with pytest.raises(ValueError, match="LoRA already, of rank 2"):
        layer.enable_lora(2)
    with pytest.raises(ValueError, match="`rank` must be a positive integer"):
        made(kerata, "dense").enable_lora(0)
    layer = made(kerata, "dense")
    layer.quantize(config=kerata.quantizers.AWQConfig(None, None))
    with pytest.raises(NotImplementedError, match="does not go with LoRA"):
        layer.enable_lora(2)
    with pytest.raises(AttributeError, match="no `kernel` yet"):
        _ = layers.Dense(2).kernel
