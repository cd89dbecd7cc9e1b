"""The base class of layers: building, calling, state, masks, losses, dtypes, configs."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata import layers, ops
from kerata.layers.layer import get_mask, set_mask


class Scale(layers.Layer):
    """Multiplies by a learned factor for each feature."""

    def __init__(self, start="ones", **kwargs):
        super().__init__(**kwargs)
        self.factor_initializer = kerata.initializers.get(start)

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(input_shape[-1],))

    def call(self, inputs, training=None):
        return inputs * self.factor * (2.0 if training else 1.0)


class Stack(layers.Layer):
    """Two layers, one in a list and one in a dict."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = [layers.Dense(2)]
        self.rest = {"b": layers.Dense(3)}

    def call(self, inputs, training=None):
        return self.rest["b"](self.first[0](inputs))


def ones(*shape):
    return np.ones(shape, "float32")


# Building


def test_built_by_the_first_call_for_its_shape():
    layer = Scale()
    assert not layer.built and layer.weights == []
    assert layer(ones(2, 3)).shape == (2, 3)
    assert layer.built and layer.factor.shape == (3,) and layer.factor.path == "scale/factor"


def test_a_shape_can_be_asked_for_without_building():
    layer = Stack()
    assert layer.compute_output_shape((None, 4)) == (None, 3)
    assert not layer.built and layer.weights == []


def test_layers_inside_are_built_by_evaluating_call():
    layer = Stack(name="stack")
    layer.build((None, 4))
    assert [v.path for v in layer.weights] == [
        "stack/dense/kernel", "stack/dense/bias", "stack/dense_1/kernel", "stack/dense_1/bias",
    ]  # fmt: skip
    assert layer.count_params() == 4 * 2 + 2 + 2 * 3 + 3


def test_build_config_round_trip():
    layer = Scale()
    layer.build((None, 3))
    assert layer.get_build_config() == {"input_shape": (None, 3)}
    twin = Scale.from_config(layer.get_config())
    twin.build_from_config({"input_shape": [None, 3]})
    assert twin.factor.shape == (3,)


def test_shapes_of_several_arguments():
    class Mix(layers.Layer):
        def build(self, left_shape, right_shape):
            self.shapes = (left_shape, right_shape)

        def call(self, left, right):
            return left + right

    layer = Mix()
    layer(ones(2, 3), right=ones(2, 1))
    assert layer.shapes == ((2, 3), (2, 1))
    assert layer.get_build_config() == {
        "shapes_dict": {"left_shape": (2, 3), "right_shape": (2, 1)}
    }


def test_a_layer_that_cannot_be_built_from_a_shape_says_so():
    class Odd(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(1)

        def call(self, inputs):
            raise RuntimeError("boom")

    with pytest.raises(ValueError, match=r"Odd 'odd' cannot be built[\s\S]*boom"):
        Odd().build((None, 2))


def test_a_failed_build_leaves_nothing_behind():
    class Picky(layers.Layer):
        def build(shape_owner, input_shape):  # any name for the layer will do
            shape_owner.kernel = shape_owner.add_weight(name="kernel", shape=(input_shape[-1],))
            if input_shape[-1] == 4:
                raise ValueError("not four")

        def call(self, inputs):
            return inputs * self.kernel

    layer = Picky()
    with pytest.raises(ValueError, match="not four"):
        layer(ones(1, 4))
    layer(ones(1, 3))
    assert [v.shape for v in layer.weights] == [(3,)]


@pytest.mark.parametrize("shape", ["abc", 3, (None, "3"), (1.5,)])
def test_a_built_in_layer_is_built_for_a_shape(shape):
    layer = kerata.layers.Dense(2)
    with pytest.raises(ValueError, match="tuple of integers and None"):
        layer.build(shape)
    assert not layer.built


def test_state_cannot_be_added_after_building():
    layer = Scale()
    layer(ones(1, 2))
    with pytest.raises(ValueError, match="is built: no variable or layer"):
        layer.extra = layers.Dense(1)
    layer.note = "anything else can"


def test_super_init_must_be_called():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.inner = layers.Dense(1)

    with pytest.raises(RuntimeError, match=r"super\(\).__init__\(\)"):
        Forgetful()(ones(1, 2))


# Calling


def test_training_is_passed_down_and_explicit_wins():
    class Outer(layers.Layer):
        def __init__(self, inner_training=None):
            super().__init__()
            self.inner, self.forced = Scale(), inner_training

        def call(self, inputs):
            return self.inner(inputs, training=self.forced)

    x = ones(1, 2)
    assert Outer()(x)[0, 0] == 1 and Outer()(x, training=True)[0, 0] == 2
    assert Outer(inner_training=False)(x, training=True)[0, 0] == 1
    with pytest.raises(ValueError, match="training=True"):
        Scale()(x, True)


def test_inputs_are_cast_and_variables_read_in_the_compute_dtype():
    layer = Scale(dtype="mixed_float16")
    assert layer(ones(1, 2)).dtype == "float16" and layer.factor.dtype == "float32"
    assert layer(kerata.KerasTensor((None, 2))).dtype == "float16"
    fixed = Scale(dtype="float32", autocast=False)
    assert fixed(ones(1, 2).astype("float16")).dtype == "float32"


def test_lists_of_numbers_will_do_but_text_will_not():
    assert Scale()([[1.0, 2.0]]).tolist() == [[1.0, 2.0]]
    with pytest.raises(TypeError, match="takes numbers"):
        Scale()(np.array([["a", "b"]]))


def test_the_layer_and_the_shapes_are_noted_on_errors():
    layer = layers.Dense(2, name="head")
    layer(ones(1, 3))
    with pytest.raises(ValueError) as caught:
        layer(ones(1, 4))
    assert "'head'" in str(caught.value) and "3" in str(caught.value)
    assert any("float32[1, 4]" in note for note in caught.value.__notes__)


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match="Scale 'scale.*\n.*missing a required argument"):
        Scale()()


def test_unknown_keywords_get_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'units'"):
        layers.Dense(unit=3, units=2)


def test_an_array_cannot_be_kept_in_an_attribute_while_tracing():
    class Keeper(layers.Layer):
        def call(self, inputs):
            self.seen = inputs
            return inputs

    layer = Keeper()
    layer(ones(1, 2))  # real arrays may be kept
    with pytest.raises(ValueError, match=r"attribute 'seen'[\s\S]*add_weight"):
        kerata.jit(layer)(ones(1, 2))


def test_layers_run_inside_plain_jax():
    layer = Scale()
    layer(ones(1, 2))
    assert jax.jit(layer)(ones(1, 2)).tolist() == [[1.0, 1.0]]


# State


def test_weights_in_order_and_flags():
    norm = layers.BatchNormalization()
    norm(ones(2, 3))
    assert [v.name for v in norm.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [v.name for v in norm.trainable_weights] == ["gamma", "beta"]
    norm.trainable = False
    assert norm.trainable_weights == [] and len(norm.non_trainable_weights) == 4
    norm.trainable = True
    assert [v.name for v in norm.trainable_weights] == ["gamma", "beta"]


def test_seeds_are_variables_but_not_weights():
    layer = layers.Dropout(0.5)
    assert layer.weights == [] and len(layer.variables) == 1
    assert layer.non_trainable_variables == [layer.seed_generator.state]


def test_set_weights_checks_everything_first():
    layer = Stack()
    layer(ones(1, 4))
    before = layer.get_weights()
    wrong = [*before[:3], np.ones(7)]
    with pytest.raises(ValueError, match=r"bias' has shape \(3,\)"):
        layer.set_weights([w + 1 for w in wrong])
    for a, b in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="has 4 weights"):
        layer.set_weights([])
    layer.set_weights([w + 1 for w in before])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0] + 1)


def test_add_weight_takes_the_triplet_from_the_attributes():
    layer = layers.Dense(
        2, kernel_initializer="ones", kernel_regularizer="l2", kernel_constraint="non_neg"
    )
    layer(ones(1, 3))
    assert layer.kernel.numpy().sum() == 6
    assert layer.kernel.regularizer is layer.kernel_regularizer
    assert layer.kernel.constraint is layer.kernel_constraint
    assert layer.bias.regularizer is None
    assert layer.losses[0] == pytest.approx(0.01 * 6)


def test_add_weight_positional_forms():
    layer = layers.Layer(name="bag")
    assert layer.add_weight((2, 3), "zeros", name="a").path == "bag/a"
    assert layer.add_weight((2,), "ones", "float16").dtype == "float16"
    with pytest.raises(ValueError, match="`name` as a keyword"):
        layer.add_weight("b", (2,))
    assert layer.add_weight(shape=(1,), dtype="int32").numpy().tolist() == [0]
    assert len(layer.weights) == 3


def test_stateless_call_is_pure():
    norm = layers.BatchNormalization()
    x = np.arange(6.0, dtype="float32").reshape(3, 2)
    norm(x)
    before = [v.numpy() for v in norm.variables]
    values = [v.value for v in norm.trainable_variables]
    state = [v.value for v in norm.non_trainable_variables]
    out, new = jax.jit(lambda t, n, x: norm.stateless_call(t, n, x, training=True))(
        values, state, x
    )
    assert out.shape == x.shape and not np.allclose(new[0], state[0])
    for v, old in zip(norm.variables, before):
        np.testing.assert_array_equal(v.numpy(), old)
    with pytest.raises(ValueError, match="2 variables"):
        norm.stateless_call(values[:1], state, x)
    with pytest.raises(ValueError, match="must be built"):
        layers.BatchNormalization().stateless_call([], [], x)


def test_copies_are_apart_and_pickles_come_back():
    layer = Stack()
    x = ones(2, 4)
    out = layer(x)
    twin, thawed = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    layer.first[0].kernel.assign(np.zeros((4, 2)))
    np.testing.assert_array_equal(twin(x), out)
    np.testing.assert_array_equal(thawed(x), out)


# Masks


def test_masks_travel_through_layers_that_support_them():
    x = np.array([[1, 2, 0]])
    embedded = layers.Embedding(5, 2, mask_zero=True)(x)
    assert get_mask(embedded).tolist() == [[True, True, False]]
    assert get_mask(layers.Dropout(0.1)(embedded)).tolist() == [[True, True, False]]


def test_a_mask_reaches_the_argument_that_is_named_for_it():
    class Total(layers.Layer):
        def call(self, inputs, other=None, mask=None, other_mask=None):
            found = [None if m is None else m.tolist() for m in (mask, other_mask)]
            self.found = found
            return inputs

    x, y = jnp.ones((1, 2)), jnp.ones((1, 2))
    set_mask(x, jnp.array([[True, False]]))
    set_mask(y, jnp.array([[False, True]]))
    layer = Total()
    layer.supports_masking = True
    layer(x, other=y)
    assert layer.found == [[[True, False]], [[False, True]]]


def test_a_mask_that_is_lost_warns():
    class Plain(layers.Layer):
        def call(self, inputs):
            return inputs * 1

    x = jnp.ones((1, 2))
    set_mask(x, jnp.array([[True, False]]))
    with pytest.warns(UserWarning, match="does not support"):
        assert get_mask(Plain()(x)) is None


# Losses


class Penalty(layers.Layer):
    def call(self, inputs):
        self.add_loss(ops.sum(inputs))
        return inputs


def test_losses_are_those_of_the_latest_call():
    layer = Penalty()
    layer(ones(2))
    layer(ones(3))
    assert [float(x) for x in layer.losses] == [3.0]


def test_losses_inside_a_compiled_function_stay_there():
    layer = Penalty()

    @kerata.jit
    def step(x):
        layer(x)
        return sum(layer.losses)

    assert step(ones(4)) == 4 and layer.losses == []


def test_activity_regularizers_add_to_the_losses():
    layer = layers.Dense(2, kernel_initializer="ones", activity_regularizer="l1")
    layer(ones(1, 3))
    assert layer.losses[0] == pytest.approx(0.01 * 6)


def test_losses_of_layers_inside_are_found():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [Penalty(), Penalty()]

        def call(self, inputs):
            return self.parts[1](self.parts[0](inputs))

    outer = Outer()
    outer(ones(2))
    assert [float(x) for x in outer.losses] == [2.0, 2.0]


# Configs


def test_config_of_a_users_layer_writes_itself():
    layer = Scale("zeros", name="s", dtype="mixed_bfloat16", trainable=False)
    config = layer.get_config()
    assert config["start"] == "zeros" and config["name"] == "s" and config["trainable"] is False
    twin = Scale.from_config(config)
    assert twin.get_config() == config


def test_regularizer_of_the_activity_comes_back():
    layer = layers.Dense(2, activity_regularizer="l2")
    assert layers.Dense.from_config(layer.get_config()).activity_regularizer is not None
