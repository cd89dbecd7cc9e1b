"""Models made from symbolic tensors."""

import json

import numpy as np
import pytest

import kerata
from kerata import layers, ops


def ones(*shape):
    return np.ones(shape, "float32")


def two_inputs():
    """A model with a dict of inputs, a shared layer, an op as a node, and two outputs."""
    a, b = kerata.Input((3,), name="a"), kerata.Input((3,), name="b")
    shared = layers.Dense(4, name="shared")
    x = shared(a) + 2.0 * shared(b)
    left = layers.Dense(1, name="left")(x)
    right = ops.mean(x, axis=-1, keepdims=True)
    return kerata.Model({"a": a, "b": b}, {"left": left, "right": right}, name="pair")


def test_runs_like_the_layers_by_hand():
    model = two_inputs()
    x = {"a": ones(2, 3), "b": 3 * ones(2, 3)}
    out = model(x)
    shared, left = model.get_layer("shared"), model.get_layer("left")
    hidden = shared(x["a"]) + 2.0 * shared(x["b"])
    np.testing.assert_allclose(out["left"], left(hidden), rtol=1e-6)
    np.testing.assert_allclose(out["right"], ops.mean(hidden, axis=-1, keepdims=True), rtol=1e-6)
    assert len(model.weights) == 4  # the shared layer counts once


def test_knows_its_shapes_and_names():
    model = two_inputs()
    assert model.input_shape == {"a": (None, 3), "b": (None, 3)}
    assert model.output_shape == {"left": (None, 1), "right": (None, 1)}
    assert model.input_names == ["a", "b"]
    assert [x.name for x in model.layers] == ["a", "b", "shared", "left"]
    assert len(model.operations) == len(model.layers) + 3  # times, plus, mean


def test_takes_data_in_several_structures():
    model = two_inputs()
    a, b = ones(2, 3), 2 * ones(2, 3)
    by_name = model({"a": a, "b": b})["left"]
    with pytest.warns(UserWarning, match="structure of `inputs`"):
        np.testing.assert_array_equal(model([a, b])["left"], by_name)


def test_data_that_is_not_needed_is_warned_of_once():
    model, x = two_inputs(), ones(2, 3)
    with pytest.warns(UserWarning, match="unused"):
        first = model({"b": x, "a": 2 * x, "unused": x})["left"]
    again = model({"b": x, "a": 2 * x, "unused": x})["left"]  # a warning would be an error
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, model({"a": 2 * x, "b": x})["left"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": ones(2, 3)}, "missing: \\['b'\\]"),
        ([ones(2, 3)], "takes 2 input"),
        ({"a": ones(2, 3), "b": ones(2, 4)}, r"needs shape \(None, 3\) for its input 'b'"),
        ({"a": ones(3), "b": ones(3)}, r"x\[None\]"),
    ],
)
def test_wrong_data_is_explained(data, words):
    with pytest.raises(ValueError, match=words):
        two_inputs()(data)


def test_a_last_axis_of_one_is_added_or_taken_away():
    x = kerata.Input((3, 1))
    model = kerata.Model(x, layers.Flatten()(x))
    assert model(ones(2, 3)).shape == (2, 3)
    y = kerata.Input((3,))
    assert kerata.Model(y, y * 2)(ones(2, 3, 1)).shape == (2, 3)


def test_config_comes_back_with_the_same_outputs():
    model = two_inputs()
    config = json.loads(json.dumps(model.get_config()))
    assert config["output_layers"].keys() == {"left", "right"}
    twin = kerata.Model.from_config(config)
    assert twin.get_config() == model.get_config()
    twin.set_weights(model.get_weights())
    x = {"a": ones(2, 3), "b": 3 * ones(2, 3)}
    np.testing.assert_allclose(twin(x)["left"], model(x)["left"], rtol=1e-6)


def test_json_comes_back():
    model = two_inputs()
    twin = kerata.models.model_from_json(model.to_json())
    assert twin.to_json() == model.to_json()


def test_models_nest_and_are_shared():
    inner_input = kerata.Input((3,))
    inner = kerata.Model(inner_input, layers.Dense(2)(inner_input), name="inner")
    a, b = kerata.Input((3,)), kerata.Input((3,))
    model = kerata.Model([a, b], layers.concatenate([inner(a), inner(b)]))
    assert model([ones(1, 3), ones(1, 3)]).shape == (1, 4)
    assert len(model.weights) == 2
    twin = kerata.Model.from_config(json.loads(json.dumps(model.get_config())))
    assert twin.output_shape == (None, 4) and len(twin.weights) == 2


def test_a_model_may_begin_in_the_middle_of_another():
    x = kerata.Input((3,))
    hidden = layers.Dense(4)(x)
    whole = kerata.Model(x, layers.Dense(2)(hidden))
    tail, head = kerata.Model(hidden, whole.output), kerata.Model(whole.input, hidden)
    data = ones(2, 3)
    np.testing.assert_allclose(tail(head(data)), whole(data), rtol=1e-6)
    assert tail.input_shape == (None, 4)


def test_a_layer_called_twice_in_a_row():
    x = kerata.Input((3,))
    twice = layers.Dense(3)
    model = kerata.Model(x, twice(twice(x)))
    np.testing.assert_allclose(model(ones(1, 3)), twice(twice(ones(1, 3))), rtol=1e-6)
    again = kerata.Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(ones(1, 3)), model(ones(1, 3)), rtol=1e-6)


def test_deep_models_do_not_overflow_the_stack():
    x = y = kerata.Input((1,))
    for _ in range(1500):
        y = y + 1.0
    assert kerata.Model(x, y)(np.zeros((1, 1), "float32"))[0, 0] == 1500


def test_training_reaches_the_layers():
    x = kerata.Input((50,))
    model = kerata.Model(x, layers.Dropout(0.5)(x))
    assert (model(ones(1, 50)) == 1).all()
    assert not (model(ones(1, 50), training=True) == 1).all()
    fixed = kerata.Model(x, layers.Dropout(0.5)(x, training=True))
    assert not (fixed(ones(1, 50)) == 1).all()


def test_masks_reach_the_layers():
    x = kerata.Input((3,), dtype="int32")
    model = kerata.Model(
        x, layers.GlobalAveragePooling1D()(layers.Embedding(4, 2, mask_zero=True)(x))
    )
    table = model.layers[1].embeddings.numpy()
    np.testing.assert_allclose(model(np.array([[1, 2, 0]]))[0], table[1:3].mean(0), rtol=1e-6)


def test_unknown_batch_sizes_stay_unknown_and_any_will_do():
    x = kerata.Input((None, 4))
    model = kerata.Model(x, layers.Dense(2)(x))
    assert model.output_shape == (None, None, 2)
    assert model(ones(2, 5, 4)).shape == (2, 5, 2) and model(ones(1, 7, 4)).shape == (1, 7, 2)


def test_a_functional_model_can_be_subclassed():
    class Regressor(kerata.Model):
        def __init__(self, width=4, **kwargs):
            x = kerata.Input((3,))
            super().__init__(inputs=x, outputs=layers.Dense(width)(x), **kwargs)
            self.width = width

    model = Regressor(width=5, name="r")
    assert model(ones(2, 3)).shape == (2, 5) and model.output_shape == (None, 5)
    assert model.get_config()["width"] == 5
    assert Regressor.from_config(model.get_config()).output_shape == (None, 5)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda x, y: kerata.Model(x, y), ValueError, "not among the inputs"),
        (lambda x, y: kerata.Model([x, x], x), ValueError, "only once"),
        (lambda x, y: kerata.Model(np.ones(2), x), ValueError, "symbolic tensors"),
        (lambda x, y: kerata.Model(x, outputs=3), ValueError, "symbolic tensors"),
        (lambda x, y: kerata.Input((2,), ragged=True), ValueError, "`ragged` must be False"),
        (
            lambda x, y: kerata.Model(x, layers.Dense(1, name="d")(layers.Dense(2, name="d")(x))),
            ValueError,
            "different names",
        ),
    ],
)
def test_impossible_models_are_explained(make, error, words):
    x, other = kerata.Input((2,)), kerata.Input((2,), name="other")
    with pytest.raises(error, match=words):
        make(x, other * 2)


def test_function_is_the_bare_graph():
    x = kerata.Input((2,))
    function = kerata.Function(x, [x + 1.0, x * 2.0])
    out = function(ones(1, 2))
    assert [o.tolist() for o in out] == [[[2.0, 2.0]], [[2.0, 2.0]]]
    assert function.compute_output_shape((None, 2)) == [(None, 2), (None, 2)]


def test_get_layer_helps():
    model = two_inputs()
    assert model.get_layer(index=2).name == "shared"
    with pytest.raises(ValueError, match="Did you mean 'shared'"):
        model.get_layer("sharde")
    with pytest.raises(ValueError, match="name or an index"):
        model.get_layer()
    with pytest.raises(ValueError, match="has 4 layers"):
        model.get_layer(index=9)


def test_state_tree_goes_out_and_in():
    model = two_inputs()
    tree = model.get_state_tree("numpy_array")
    assert set(tree["trainable_variables"]) == {"shared", "left"}
    changed = kerata.tree.map_structure(lambda v: v + 1, tree["trainable_variables"])
    model.set_state_tree({"trainable_variables": changed})
    np.testing.assert_array_equal(model.get_layer("left").kernel.numpy(), changed["left"]["kernel"])


def test_a_frozen_model_freezes_its_layers():
    inputs = kerata.Input((3,))
    model = kerata.Model(inputs, kerata.layers.Dense(2)(inputs), trainable=False)
    assert not model.layers[1].trainable and model.trainable_weights == []
    assert type(model).from_config(model.get_config()).get_config() == model.get_config()
