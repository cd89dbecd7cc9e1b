"""Sequential models, subclassed models, clones and summaries."""

import copy
import json

import numpy as np
import pytest

import kerata
from kerata import layers


def ones(*shape):
    return np.ones(shape, "float32")


class Mlp(kerata.Model):
    """A subclassed model."""

    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(width, activation="relu")
        self.heads = [layers.Dense(1), layers.Dense(2)]

    def call(self, x, training=None):
        x = self.hidden(x)
        return [head(x) for head in self.heads]


def test_built_at_once_with_an_input():
    model = kerata.Sequential([kerata.Input((3,)), layers.Dense(4), layers.Dense(2)])
    assert model.built and model.output_shape == (None, 2)
    assert [v.path for v in model.weights][0] == "sequential/dense/kernel"
    assert [x.name for x in model.layers] == ["dense", "dense_1"]
    assert model(ones(5, 3)).shape == (5, 2)


def test_built_by_data_for_any_batch():
    model = kerata.Sequential([layers.Dense(4), layers.Dense(2)])
    assert not model.built
    with pytest.raises(AttributeError, match="no `inputs`"):
        _ = model.inputs
    model(ones(5, 3))
    assert model.input_shape == (None, 3) and model(ones(2, 3)).shape == (2, 2)


def test_built_by_a_shape():
    model = kerata.Sequential([layers.Dense(4)])
    model.build((None, 3))
    assert model.output_shape == (None, 4)


def test_layers_come_and_go():
    model = kerata.Sequential([kerata.Input((3,)), layers.Dense(4)])
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    model.pop()
    assert model.output_shape == (None, 4) and len(model.weights) == 2
    assert model(ones(1, 3)).shape == (1, 4)


def test_layers_that_come_and_go_count_at_once():
    model = kerata.Sequential([kerata.Input((3,)), layers.Dense(4), layers.Dense(2)])
    assert model.predict(ones(5, 3), verbose=0).shape == (5, 2)
    model.pop()
    assert model.predict(ones(5, 3), verbose=0).shape == (5, 4)
    model.add(layers.Dense(7))
    assert model.predict(ones(5, 3), verbose=0).shape == (5, 7)


def test_deep_models_can_be_copied():
    model = kerata.Sequential([kerata.Input((1,)), *(layers.Identity() for _ in range(150))])
    twin = copy.deepcopy(model)
    assert len(twin.layers) == 150 and twin(ones(1, 1)) == 1


def test_its_layers_tensors_can_start_another_model():
    model = kerata.Sequential([kerata.Input((3,)), layers.Dense(4), layers.Dense(2)])
    features = kerata.Model(model.inputs, model.layers[0].output)
    np.testing.assert_allclose(features(ones(1, 3)), model.layers[0](ones(1, 3)))


def test_models_inside_models():
    inner = kerata.Sequential([layers.Dense(4), layers.Dense(3)])
    model = kerata.Sequential([kerata.Input((2,)), inner, layers.Dense(1)])
    assert model(ones(1, 2)).shape == (1, 1) and len(model.weights) == 6


@pytest.mark.parametrize("built", [True, False])
def test_config_comes_back(built):
    first = [kerata.Input((3,))] if built else []
    model = kerata.Sequential([*first, layers.Dense(4), layers.Dropout(0.5)], name="s")
    config = json.loads(json.dumps(model.get_config()))
    twin = kerata.Sequential.from_config(config)
    assert twin.built == built and twin.name == "s"
    assert json.loads(json.dumps(twin.get_config())) == config


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: kerata.Sequential([3]), "takes layers"),
        (lambda: kerata.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]),
         "different names"),
        (lambda: kerata.Sequential([layers.Dense(1), kerata.Input((2,))]), "only be the first"),
        (lambda: kerata.Sequential([]).build((None, 2)), "no layers"),
        (lambda: kerata.Sequential().pop(), "no layers to remove"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_wrong_shape_names_the_model_and_the_shapes():
    model = kerata.Sequential([kerata.Input((3,)), layers.Dense(4)], name="digits")
    with pytest.raises(ValueError, match=r"'digits' needs shape \(None, 3\)[\s\S]*\(5, 4\)"):
        model(ones(5, 4))


# Subclassed models


def test_a_subclass_finds_its_layers_in_lists():
    model = Mlp()
    out = model(ones(2, 3))
    assert [o.shape for o in out] == [(2, 1), (2, 2)] and len(model.weights) == 6
    assert [x.name for x in model.layers] == ["dense", "dense_1", "dense_2"]
    assert model.compute_output_shape((None, 3)) == [(None, 1), (None, 2)]


def test_a_subclass_builds_from_a_shape_and_writes_its_config():
    model = Mlp(width=7)
    model.build((None, 3))
    assert model.hidden.kernel.shape == (3, 7)
    assert Mlp.from_config(model.get_config()).get_config()["width"] == 7


def test_a_subclass_is_a_layer_of_a_functional_model():
    x = kerata.Input((3,))
    mlp = Mlp()
    model = kerata.Model(x, mlp(x))
    np.testing.assert_allclose(model(ones(1, 3))[1], mlp(ones(1, 3))[1], rtol=1e-6)


def test_a_model_without_call_says_so():
    with pytest.raises(NotImplementedError, match="must have a `call`"):
        kerata.Model()(ones(1, 2))


# Clones


def test_clones_have_the_shape_but_not_the_weights():
    x = kerata.Input((3,))
    dense = layers.Dense(3)
    for model in (
        kerata.Sequential([kerata.Input((3,)), layers.Dense(4)]),
        kerata.Model(x, dense(dense(x)) + x),
    ):
        clone = kerata.models.clone_model(model)
        assert clone.output_shape == model.output_shape
        assert len(clone.weights) == len(model.weights)
        assert not np.allclose(clone.weights[0].numpy(), model.weights[0].numpy())


def test_clone_functions_replace_layers_and_calls():
    x = kerata.Input((3,))
    model = kerata.Model(x, layers.Dense(4)(x))
    clone = kerata.models.clone_model(
        model,
        clone_function=lambda layer: layers.Dense(5),
        call_function=lambda layer, *args, **kwargs: layer(*args, **kwargs) * 2.0,
    )
    assert clone.output_shape == (None, 5) and len(clone.operations) == 3


def test_clones_of_what_cannot_be_taken_apart():
    with pytest.raises(ValueError, match="functional"):
        kerata.models.clone_model(Mlp(), clone_function=lambda layer: layer)
    assert isinstance(kerata.models.clone_model(Mlp(3)), Mlp)


# Summaries


def summary(model, **options):
    lines = []
    model.summary(print_fn=lines.append, line_length=90, **options)
    return "\n".join(lines)


def test_summary_of_a_chain():
    text = summary(kerata.Sequential([kerata.Input((3,)), layers.Dense(4), layers.Dense(2)]))
    assert "dense (Dense)" in text and "(None, 4)" in text and "16" in text
    assert "Total params: 26 (104.00 B)" in text and "Connected to" not in text


def test_summary_of_a_chain_that_grew():
    model = kerata.Sequential([kerata.Input((3,))])
    model.add(layers.Dense(4))
    model.add(layers.Dense(2))
    assert "Connected to" not in summary(model)
    shared, x = layers.Dense(3), kerata.Input((3,))
    assert "Connected to" in summary(kerata.Model(x, shared(shared(x))))


MISTAKES = {
    "no list": (lambda: kerata.Sequential(layers.Dense(3), layers.Dense(1)), TypeError, "list"),
    "one layer": (lambda: kerata.Sequential(layers.Dense(3)), TypeError, "list of layers"),
    "a name": (lambda: kerata.Sequential("mine"), TypeError, "list of layers"),
    "a class": (lambda: kerata.Sequential([layers.Dense]), ValueError, r"Make one: Dense\("),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case):
    call, kind, words = MISTAKES[case]
    with pytest.raises(kind, match=words):
        call()


def test_summary_of_a_graph_shows_connections():
    a, b = kerata.Input((3,), name="a"), kerata.Input((3,), name="b")
    text = summary(kerata.Model([a, b], layers.Add(name="sum")([a, b])))
    assert "a[0][0], b[0][0]" in text


def test_summary_lists_ops():
    x = kerata.Input((3,))
    text = summary(kerata.Model(x, kerata.ops.mean(x, axis=1)), show_trainable=True)
    assert "mean (mean)" in text and "(None,)" in text


def test_summary_before_and_after_building_a_subclass():
    model = Mlp()
    assert "0 (unbuilt)" in summary(model)
    model.build((None, 3))
    assert "(None, 2)" in summary(model) and "Total params: 31" in summary(model)


def test_summary_options():
    inner = kerata.Sequential([layers.Dense(4, name="deep")], name="inner")
    model = kerata.Sequential([kerata.Input((2,)), inner, layers.Dense(1, name="last")])
    inner.trainable = False
    text = summary(model, expand_nested=True, show_trainable=True)
    assert "deep" in text and "Trainable params: 5" in text and "Non-trainable params: 12" in text
    assert "deep" not in summary(model) and "inner" not in summary(model, layer_range=("last",) * 2)
    with pytest.raises(ValueError, match="Did you mean 'last'"):
        summary(model, layer_range=("lsat", "lsat"))


def test_sizes_that_only_the_first_batch_had_may_differ(tmp_path):
    model = kerata.Sequential([kerata.layers.GlobalMaxPooling1D(), kerata.layers.Dense(1)])
    model.compile("sgd", "mse")
    batches = [(np.ones((4, length, 2)), np.ones((4, 1))) for length in (5, 7, 3)]
    model.fit(iter(batches), verbose=0)
    assert model.input_shape == (None, None, 2)
    model.save(tmp_path / "model.keras")
    again = kerata.saving.load_model(tmp_path / "model.keras")
    assert again.predict(np.ones((1, 9, 2)), verbose=0).shape == (1, 1)
    with pytest.raises(ValueError, match="Dense"):
        model.predict(np.ones((4, 5, 3)), verbose=0)


@pytest.mark.parametrize("missing", ["name", "layers"])
def test_a_config_must_have_a_name_and_layers(missing):
    config = kerata.Sequential([layers.Dense(1)]).get_config()
    del config[missing]
    with pytest.raises(ValueError, match="needs `name` and `layers`"):
        kerata.Sequential.from_config(config)
