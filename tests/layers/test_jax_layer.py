"""Layers around functions of JAX and modules of Flax."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata import layers


@kerata.saving.register_keras_serializable("tests")
def init(rng, inputs):
    return {"w": jax.random.normal(rng, (inputs.shape[-1], 2)), "b": jnp.zeros(2)}


@kerata.saving.register_keras_serializable("tests")
def dense(params, inputs):
    return inputs @ params["w"] + params["b"]


def counting(params, state, rng, inputs, training):
    noise = jax.random.normal(rng, inputs.shape) if training else 0.0
    return inputs * params + noise, {"calls": state["calls"] + 1}


X = np.arange(6, dtype="float32").reshape(2, 3)


def test_weights_are_made_and_trained():
    model = kerata.Sequential([kerata.Input((3,)), layers.JaxLayer(dense, init, seed=1)])
    layer = model.layers[0]
    assert [(v.name, v.shape) for v in layer.trainable_weights] == [("b", (2,)), ("w", (3, 2))]
    assert model.output_shape == (None, 2)
    np.testing.assert_allclose(model(X), X @ layer.params["w"].numpy(), 1e-6)
    model.compile("sgd", "mse")
    before = layer.params["w"].numpy()
    model.fit(X, np.zeros((2, 2)), verbose=0)
    assert not np.allclose(before, layer.params["w"].numpy())


def test_saved_and_loaded(tmp_path):
    with kerata.saving.custom_object_scope({"tests>init": init, "tests>dense": dense}):
        model = kerata.Sequential([kerata.Input((3,)), layers.JaxLayer(dense, init)])
        model.save(tmp_path / "model.keras")
        again = kerata.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(X), model(X))


def test_state_and_random_numbers():
    layer = layers.JaxLayer(counting, params=2.0, state={"calls": np.int32(0)}, seed=0)
    np.testing.assert_array_equal(layer(X), 2 * X)
    assert not np.array_equal(layer(X, training=True), layer(X, training=True))
    assert layer.state["calls"].value == 3
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [1, 1]
    kerata.jit(lambda: layer(X))()
    assert layer.state["calls"].value == 4


def test_the_seed_decides_about_the_first_weights():
    first, second, third = (layers.JaxLayer(dense, init, seed=seed) for seed in (1, 1, 2))
    for layer in (first, second, third):
        layer.build((None, 3))
    np.testing.assert_array_equal(first.params["w"].numpy(), second.params["w"].numpy())
    assert not np.array_equal(first.params["w"].numpy(), third.params["w"].numpy())


def test_structures_and_dtypes_of_inputs():
    seen = []

    def start(inputs):
        seen.append(jax.tree_util.tree_map(lambda x: (x.shape, str(x.dtype)), inputs))
        return ()

    layer = layers.JaxLayer(lambda params, inputs: inputs["a"][inputs["b"]], start)
    y = layer({"a": X, "b": np.array([1, 0])})
    assert seen == [{"a": ((2, 3), "float32"), "b": ((2,), "int32")}]
    np.testing.assert_array_equal(y, X[::-1])


def test_leaves_that_are_no_numbers_stay():
    layer = layers.JaxLayer(
        lambda params, state, inputs: (inputs, state), state={"a": None, "b": "c", "d": 1.0}
    )
    assert layer.state["a"] is None and layer.state["b"] == "c"
    assert [v.name for v in layer.variables] == ["d"]


def test_mixed_precision():
    layer = layers.JaxLayer(dense, init, dtype="mixed_bfloat16")
    assert layer(X).dtype == "bfloat16"
    assert layer.params["w"].dtype == "float32"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((lambda params, rng: 0, init), "`call_fn` .* must have an argument `inputs`"),
        ((dense, lambda inputs, mode: 0), "the arguments `inputs`, `mode`"),
        ((dense,), "`init_fn` must be given"),
        ((3,), "`call_fn` must be a function"),
    ],
)
def test_wrong_functions(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.JaxLayer(*arguments)


def test_a_state_of_another_structure():
    layer = layers.JaxLayer(lambda state, inputs: (inputs, [1.0]), state={"a": 0.0})
    with pytest.raises(ValueError, match="must return a state structured like the one before"):
        layer(X)


class Module:
    """What FlaxLayer uses of a `flax.linen.Module`."""

    def init(self, rngs, inputs, method=None, training=None):
        del method, training
        assert set(rngs) == {"params", "dropout"}
        return {"params": {"w": jnp.ones(inputs.shape[-1:])}, "stats": {"seen": jnp.zeros(())}}

    def apply(self, variables, inputs, rngs, method, mutable, training=False):
        assert mutable == ["stats"] and method in (None, "__call__")
        seen = variables["stats"]["seen"] + (1.0 if training else 0.0)
        return inputs * variables["params"]["w"], {"stats": {"seen": seen}}

    def __call__(self, inputs, training): ...

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_a_module_of_flax():
    layer = layers.FlaxLayer(Module())
    np.testing.assert_array_equal(layer(X), X)
    layer(X, training=True)
    assert layer.state["stats"]["seen"].value == 1
    assert [v.name for v in layer.weights] == ["params_w", "stats_seen"]
    values = jax.tree_util.tree_map(np.asarray, {**layer.params, **layer.state})
    values["params"]["w"] = 2 * values["params"]["w"]
    np.testing.assert_array_equal(layers.FlaxLayer(Module(), variables=values)(X), 2 * X)
    with kerata.saving.custom_object_scope({"Module": Module}):
        config = layers.serialize(layers.FlaxLayer(Module(), method=Module().__call__))
        assert layers.deserialize(config).method == "__call__"
    with pytest.raises(TypeError, match="`module` must be a flax.linen.Module"):
        layers.FlaxLayer(types.SimpleNamespace())


def test_a_real_module_of_flax():
    linen = pytest.importorskip("flax.linen")

    class Net(linen.Module):
        @linen.compact
        def __call__(self, inputs, training=False):
            x = linen.BatchNorm(use_running_average=not training)(linen.Dense(4)(inputs))
            return linen.Dropout(0.5, deterministic=not training)(x)

    model = kerata.Sequential([kerata.Input((3,)), layers.FlaxLayer(Net())])
    layer = model.layers[0]
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [4, 2]
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.fit(X, np.ones((2, 4)), verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(before[-2:], layer.get_weights()[-2:]))
    assert model.predict(X, verbose=0).shape == (2, 4)


@pytest.mark.parametrize(
    "name, argument, instead",
    [
        ("TorchModuleWrapper", object(), "JaxLayer"),
        ("TFSMLayer", "path", r"kerata.saving.load_model\(\)"),
    ],
)
def test_other_frameworks_are_refused_with_a_way_out(name, argument, instead):
    with pytest.raises(NotImplementedError, match=instead):
        getattr(layers, name)(argument)
