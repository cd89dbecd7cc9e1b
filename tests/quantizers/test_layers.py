"""Quantized layers: numbers, variables and files beside Keras's."""

import copy
import gc
import warnings
import weakref

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import layers

# Keras's variables warn when they become NumPy arrays.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("quick_weights"),
]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


LAYERS = {
    "dense": ("Dense", (5,), {}, (None, 6)),
    "heads": ("EinsumDense", ("btd,ndh->btnh", (None, 2, 3)), {"bias_axes": "nh"}, (None, 4, 6)),
    "merge": ("EinsumDense", ("btnh,nhd->btd", (None, 5)), {}, (None, 4, 2, 3)),
    "table": ("Embedding", (7, 6), {}, (None,)),
    "tied": ("ReversibleEmbedding", (7, 6), {}, (None,)),
    "untied": ("ReversibleEmbedding", (7, 6), {"tie_weights": False}, (None,)),
}
CONFIGS = {
    "int8": lambda q: q.Int8QuantizationConfig(),
    "int8 weights": lambda q: q.Int8QuantizationConfig(activation_quantizer=None),
    "int4": lambda q: q.Int4QuantizationConfig(block_size=None),
    "int4 inputs": lambda q: q.Int4QuantizationConfig(None, q.AbsMaxQuantizer(), None),
    "int4 blocks": lambda q: q.Int4QuantizationConfig(),
    "float8": lambda q: q.Float8QuantizationConfig(),
    "gptq": lambda q: q.GPTQConfig(None, None, group_size=4),
    "awq": lambda q: q.AWQConfig(None, None, group_size=-1),
}
PAIRS = [
    (layer, config)
    for layer in LAYERS
    for config in CONFIGS
    if LAYERS[layer][0].endswith("Dense") or config.startswith("int")
]


def made(module, what, config=None):
    """Make, build and quantize a layer of kerata or of keras, with weights that are the same."""
    name, args, kwargs, shape = LAYERS[what]
    layer = getattr(module.layers, name)(*args, **kwargs, name="layer")
    layer.build(shape)
    values = [numbers(*v.shape, seed=i) for i, v in enumerate(layer.weights)]
    # With float8, Keras adds what is left of biases in bfloat16.
    layer.set_weights([values[0], *(x.astype(jnp.bfloat16).astype("float32") for x in values[1:])])
    if config is not None:
        layer.quantize(config=CONFIGS[config](module.quantizers))
    return layer


def inputs_of(what):
    shape = LAYERS[what][3]
    return np.arange(7) if shape == (None,) else numbers(3, *shape[1:], seed=9)


def described(layer):
    return [(v.name, tuple(v.shape), str(v.dtype), v.trainable) for v in layer.weights]


@pytest.mark.parametrize("what, config", PAIRS)
def test_same_as_keras(what, config):
    mine, theirs = (made(module, what, config) for module in (kerata, keras))
    assert mine.dtype_policy.name == theirs.dtype_policy.name
    expected = described(theirs)
    if what == "untied" and config == "int4 blocks":
        # Keras makes these zero points floats, unlike all others.
        expected[-1] = ("reverse_embeddings_zero", (1, 7), "int8", False)
    assert described(mine) == expected
    calls = [(inputs_of(what), {})]
    if "tied" in what:
        calls.append((numbers(3, 6), {"reverse": True}))
    for x, kwargs in calls:
        np.testing.assert_allclose(mine(x, **kwargs), theirs(x, **kwargs), 1e-4, 1e-4)
    if config in ("gptq", "awq"):
        return
    stores = {}, {}
    for layer, store in zip((mine, theirs), stores, strict=True):
        layer.save_own_variables(store)
    assert list(stores[0]) == list(stores[1])
    for key, value in stores[1].items():
        np.testing.assert_allclose(stores[0][key], value, 1e-5, 1e-5)


@pytest.mark.parametrize("config", ["int8", "int8 weights", "int4", "int4 inputs", "int4 blocks"])
@pytest.mark.parametrize("what", ["dense", "heads", "merge"])
def test_gradients_like_keras(what, config):
    x = inputs_of(what)

    def gradient(layer):
        trainable = [v.value for v in layer.trainable_variables]
        rest = [v.value for v in layer.non_trainable_variables]

        def total(trainable, x):
            y = layer.stateless_call(trainable, rest, x)[0]
            return jnp.sum(jnp.sin(y))

        return jax.tree_util.tree_leaves(jax.jit(jax.grad(total, (0, 1)))(trainable, x))

    found, expected = (gradient(made(module, what, config)) for module in (kerata, keras))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-3, 1e-3)


def test_float8_learns_scales_like_keras():
    states = []
    for module in (kerata, keras):
        layer = made(module, "dense", "float8")
        values = [v.value for v in layer.trainable_variables]
        for step in range(3):
            x, change = numbers(4, 6, seed=step), numbers(4, 5, seed=step + 9)

            def total(values, x=x, change=change, layer=layer):
                return jnp.sum(layer.stateless_call(values, [], x, training=True)[0] * change)

            gradients = jax.grad(total)(values)
            values = [*values[:2], *gradients[2:]]
        states.append([np.asarray(x) for x in (*gradients[:1], *values[2:])])
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


def test_float8_stays_as_it_is_outside_of_training():
    layer = made(kerata, "dense", "float8")
    x = numbers(4, 6)
    variables = [layer.inputs_scale, layer.inputs_amax_history]

    def total():
        return kerata.ops.sum(layer(x))

    _, gradients = kerata.value_and_grad(total, variables)()
    for variable, gradient in zip(variables, gradients, strict=True):
        np.testing.assert_array_equal(gradient, variable.value)


@pytest.mark.parametrize("what, config", [p for p in PAIRS if p[1] not in ("gptq", "awq")])
def test_config_and_values_come_back(what, config):
    layer = made(kerata, what, config)
    again = layers.deserialize(layers.serialize(layer))  # built, as the layer was
    assert sorted(described(again)) == sorted(described(layer))
    store = {}
    layer.save_own_variables(store)
    again.load_own_variables(store)
    x = inputs_of(what)
    np.testing.assert_array_equal(again(x), layer(x))
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(twin(x), layer(x))


def model_of(module, config=None):
    inner = module.Sequential(
        [
            module.Input((4,), dtype="int32"),
            module.layers.Embedding(9, 6, name="table"),
            module.layers.Dense(5, activation="relu", name="dense"),
            module.layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", name="einsum"),
        ]
    )
    inner.set_weights([numbers(*v.shape, seed=i) for i, v in enumerate(inner.weights)])
    if config is not None:
        with warnings.catch_warnings():  # Keras warns of every layer without weights
            warnings.simplefilter("ignore" if module is keras else "error")
            inner.quantize(config=CONFIGS[config](module.quantizers))
    return inner


@pytest.mark.parametrize("config", ["int8", "int4 blocks", "int4"])
def test_files_of_keras_and_for_keras(config, tmp_path):
    x = np.arange(8).reshape(2, 4)
    mine, theirs = model_of(kerata, config), model_of(keras, config)
    mine.save(tmp_path / "mine.keras")
    theirs.save(tmp_path / "theirs.keras")
    expected = theirs(x)
    for model in (
        kerata.saving.load_model(tmp_path / "theirs.keras"),
        keras.saving.load_model(tmp_path / "mine.keras"),
    ):
        np.testing.assert_allclose(model(x), expected, 1e-4, 1e-4)
    mine.save_weights(tmp_path / "mine.weights.h5")
    theirs.load_weights(tmp_path / "mine.weights.h5")
    np.testing.assert_allclose(theirs(x), expected, 1e-4, 1e-4)


def test_the_model_trains_on():
    model = model_of(kerata, "int8")
    before = [np.asarray(v) for v in model.weights]
    model.compile("sgd", "mse")
    x = np.arange(8).reshape(2, 4)
    first = model.predict(x, verbose=0)
    model.fit(x, np.zeros((2, 4, 3)), verbose=0)
    for old, variable in zip(before, model.weights, strict=True):
        assert np.array_equal(old, variable) != ("bias" == variable.name)
    assert not np.allclose(model.predict(x, verbose=0), first)


def test_compiled_models_notice():
    model = model_of(kerata)
    model.compile("sgd", "mse")
    x = np.arange(8).reshape(2, 4)
    before = model.predict(x, verbose=0)
    model.layers[1].quantize("int4")
    after = model.predict(x, verbose=0)
    assert not np.array_equal(before, after)
    np.testing.assert_allclose(after, model(x), 1e-5, 1e-5)


@pytest.mark.parametrize(
    "filters, expected",
    [
        (None, ["table", "dense", "einsum"]),
        ("^den", ["dense"]),
        (["tab", "ein"], ["table", "einsum"]),
        (lambda layer: "n" in layer.name, ["dense", "einsum"]),
    ],
)
def test_filters(filters, expected):
    model = model_of(kerata)
    model.quantize("int8", filters=filters)
    assert [x.name for x in model.layers if x.quantization_mode == "int8"] == expected


def test_model_refuses():
    model = model_of(kerata)
    with pytest.raises(ValueError, match="regular expression"):
        model.quantize("int8", filters=3)
    with pytest.raises(ValueError, match="no argument 'speed'"):
        model.quantize("int8", speed=3)
    with pytest.raises(ValueError, match="must be built"):
        kerata.Sequential([layers.Dense(2)]).quantize("int8")
    with pytest.warns(UserWarning, match="Left as it is: Embedding"):
        model.quantize("float8")
    with pytest.raises(ValueError, match="(?s)quantized already.*Received: mode='int4'"):
        model.quantize("int4")
    assert model.layers[0].quantization_mode is None  # nothing happened to the others


def test_nothing_to_quantize():
    model = kerata.Sequential([kerata.Input((2,)), layers.Flatten()])
    with pytest.warns(UserWarning, match="(?s)changed nothing.*'Flatten'"):
        model.quantize("int8")


def test_the_optimizer_forgets_what_was_quantized(tmp_path):
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(3)])
    model.compile(kerata.optimizers.Adam(use_ema=True), "mse")
    x = np.ones((4, 2), "float32")
    model.fit(x, np.ones((4, 3)), verbose=0)
    model.quantize("int8")
    shapes = [v.shape for v in model.optimizer.variables]
    assert shapes.count((3,)) == 3 and (2, 3) not in shapes
    model.save(tmp_path / "model.keras")
    again = kerata.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    model.fit(x, np.ones((4, 3)), verbose=0)


def test_attention_comes_back_quantized(tmp_path):
    x = kerata.Input((4, 6))
    model = kerata.Model(x, layers.MultiHeadAttention(2, 3)(x, x))
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    again = kerata.saving.load_model(tmp_path / "model.keras")
    assert str(again.layers[1].query_dense.kernel.dtype) == "int8"
    values = numbers(2, 4, 6)
    np.testing.assert_allclose(again(values), model(values), 1e-6)


def test_layers_refuse():
    with pytest.raises(ValueError, match="must be built before quantize"):
        layers.Dense(3).quantize("int8")
    layer = made(kerata, "dense")
    with pytest.raises(ValueError, match="cannot be quantized by its dtype policy"):
        layer.dtype_policy = "gptq/4/-1_from_float32"
    assert layer.dtype_policy.name == "float32"
    with pytest.raises(NotImplementedError, match="Conv1D 'x' cannot be quantized"):
        conv = layers.Conv1D(2, 1, name="x")
        conv.build((None, 3, 2))
        conv.quantize("int8")
    half = layers.Dense(3, dtype="float16")
    half.build((None, 2))
    with pytest.raises(ValueError, match="computes in float16"):
        half.quantize("int8")
    with pytest.raises(NotImplementedError, match="quantized_build"):
        layer.quantized_build((3, 2), "int8")

    class Mine(layers.Dense):
        pass

    mine = Mine(3)
    mine.build((None, 2))
    with pytest.raises(NotImplementedError, match="type_check=False"):
        mine.quantize("int8")
    mine.quantize("int8", type_check=False)
    assert mine.kernel.dtype == "int8"


def test_a_policy_quantizes_a_built_layer():
    layer = made(kerata, "dense")
    layer.dtype_policy = "int4/2_from_float32"
    assert layer.kernel_scale.shape == (3, 5)
    assert layer.quantization_config.block_size == 2
    built = layers.Dense(5, dtype="int8_from_mixed_bfloat16")
    assert built(numbers(2, 6)).dtype == "bfloat16" and built.kernel.dtype == "int8"


def test_policies_by_path():
    policies = kerata.dtype_policies.DTypePolicyMap("float32", {"outer/.*": "int8_from_float32"})
    policies = kerata.dtype_policies.DTypePolicyMap("float32")
    policies["outer/dense"] = "int8_from_float32"

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__(name="outer", dtype=policies)
            self.dense = layers.Dense(2, name="dense", dtype=policies)
            self.other = layers.Dense(2, name="other", dtype=policies)

        def call(self, x):
            return self.other(self.dense(x))

    layer = Outer()
    layer(numbers(3, 4))
    assert (layer.dense.quantization_mode, layer.other.quantization_mode) == ("int8", None)
    layer.other.quantize("int4")
    assert policies["outer/other"].name == "int4/128_from_float32"


@pytest.mark.parametrize("what", ["dense", "heads", "table"])
def test_four_bits_are_near(what):
    x = inputs_of(what)
    exact = made(kerata, what)(x)
    for config, most in (("int8", 0.05), ("int4", 0.6), ("int4 blocks", 0.6)):
        error = np.abs(np.asarray(made(kerata, what, config)(x) - exact)).mean()
        assert 0 < error < most


@pytest.mark.parametrize("steps", [1, 2])
def test_programs_notice_and_let_go(steps):
    model = kerata.Sequential([kerata.Input((4,)), layers.Dense(3)])
    model.compile("sgd", "mse", steps_per_execution=steps)
    x, y = np.linspace(-1, 1, 16, dtype="float32").reshape(4, 4), np.ones((4, 3))
    model.predict(x, batch_size=2, verbose=0)
    model.evaluate(x, y, batch_size=2, verbose=0)
    layer = model.layers[-1]
    layer.enable_lora(2, b_initializer="ones")
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), model(x), rtol=1e-5)
    kernel = weakref.ref(layer._kernel)
    layer.quantize("int4")
    gc.collect()
    assert kernel() is None
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), model(x), rtol=1e-5)
