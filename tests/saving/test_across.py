"""What crosses from kerata to Keras and from Keras to kerata besides outputs of whole models."""

import keras
import numpy as np
import pytest

import kerata
from tests.saving import models

# Keras's own: of its variables on recent NumPy, and of its older files.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]
BOTH_WAYS = pytest.mark.parametrize(
    "first, second", [(kerata, keras), (keras, kerata)], ids=["to Keras", "to kerata"]
)
X = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")
Y = np.random.default_rng(2).normal(size=(8, 2)).astype("float32")

OPTIMIZERS = {
    "adam": lambda k: k.optimizers.Adam(0.05),
    "momentum": lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
}


@BOTH_WAYS
@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_goes_on_in_the_other(optimizer, kind, first, second, tmp_path):
    def losses(model, steps=3):
        return [float(model.train_on_batch(X, Y)) for _ in range(steps)]

    model = models.mlp(first)
    model.compile(optimizer(first), "mean_squared_error")
    losses(model)
    path = tmp_path / f"model{kind}"
    if kind == ".keras":
        model.save(path)
        other = second.saving.load_model(path)
    else:
        model.save_weights(path)
        other = models.mlp(second)
        other.compile(optimizer(second), "mean_squared_error")
        other.optimizer.build(other.trainable_variables)
        other.load_weights(path)
    assert int(other.optimizer.iterations.numpy()) == 3
    expected = losses(model)
    assert expected[0] > expected[-1]
    np.testing.assert_allclose(losses(other), expected, rtol=1e-5)


@BOTH_WAYS
def test_losses_and_metrics_cross(first, second, tmp_path):
    model = first.Sequential([first.Input((4,)), first.layers.Dense(3, activation="softmax")])
    model.compile(
        first.optimizers.SGD(0.1),
        first.losses.CategoricalCrossentropy(label_smoothing=0.2),
        metrics=["accuracy", first.metrics.TopKCategoricalAccuracy(k=2, name="top")],
        weighted_metrics=[first.metrics.Precision(thresholds=0.3, name="precision")],
    )
    y = np.eye(3, dtype="float32")[[0, 1, 2, 0, 2, 1, 1, 0]]
    share = np.linspace(0.5, 1.5, 8, dtype="float32")
    model.train_on_batch(X, y)
    model.save(tmp_path / "x.keras")
    other = second.saving.load_model(tmp_path / "x.keras")
    expected, found = (
        m.evaluate(X, y, sample_weight=share, verbose=0, return_dict=True) for m in (model, other)
    )
    assert set(found) == set(expected) == {"loss", "accuracy", "top", "precision"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


@BOTH_WAYS
def test_architectures_cross_as_text(first, second):
    model = models.two_inputs(first)
    other = second.models.model_from_json(model.to_json())
    other.set_weights(model.get_weights())
    x = [X, X[::-1].copy()]
    np.testing.assert_allclose(np.asarray(other(x)), np.asarray(model(x)), rtol=1e-5, atol=1e-6)


def test_clones_are_alike(tmp_path):
    model = models.convnet(keras)
    model.save(tmp_path / "x.keras")
    ours = kerata.models.clone_model(kerata.saving.load_model(tmp_path / "x.keras"))
    theirs = keras.models.clone_model(model)
    assert [type(a).__name__ for a in ours.layers] == [type(b).__name__ for b in theirs.layers]
    assert [a.name for a in ours.layers] == [b.name for b in theirs.layers]
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    np.testing.assert_allclose(np.asarray(ours(x)), np.asarray(theirs(x)), rtol=1e-5, atol=1e-6)


def named(k, **units):
    """Return a model of layers with these names and units."""
    layers = [k.layers.Dense(n, name=name) for name, n in units.items()]
    return k.Sequential([k.Input((4,)), *layers])


@pytest.mark.parametrize("writer", [kerata, keras])
@pytest.mark.parametrize(
    "kind, options, units",
    [
        (".weights.h5", {}, {"a": 4, "b": 3}),
        (".h5", {"by_name": True}, {"b": 4, "c": 4, "a": 5}),
    ],
    ids=["by place", "by name"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_does_not_fit_is_left_as_it_is_in_both(kind, options, units, writer, tmp_path):
    path = tmp_path / f"x{kind}"
    source = named(writer, a=4, b=4)
    source.save_weights(path) if kind != ".h5" else source.save(path)
    changed = {}
    for reader in (kerata, keras):
        model = named(reader, **units)
        for v in model.weights:
            v.assign(np.full(v.shape, 7.0))
        model.load_weights(path, skip_mismatch=True, **options)
        changed[reader] = [np.asarray(v.value) for v in model.weights]
    for ours, theirs in zip(*changed.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    still = [bool((value == 7.0).all()) for value in changed[kerata]]
    assert any(still) and not all(still)


@BOTH_WAYS
def test_weights_in_several_files(first, second, tmp_path):
    path, model = tmp_path / "x.weights.json", models.convnet(first)
    model.save_weights(path, max_shard_size=500 / 2**30)
    assert len(list(tmp_path.glob("x_*.weights.h5"))) > 1
    other = models.convnet(second)
    other.load_weights(path)
    for a, b in zip(models.values(model.weights), models.values(other.weights), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_edited_file_is_read_by_both(tmp_path):
    """Each package's editor opens the other's file, and both read what comes out."""
    source = named(keras, a=4, b=3)
    source.save_weights(tmp_path / "x.weights.h5")
    edited = {}
    for k in (kerata, keras):
        editor = k.saving.KerasFileEditor(str(tmp_path / "x.weights.h5"))
        editor.delete_object("layers/dense_1")
        editor.add_object("layers/dense_1", weights={"0": np.ones((4, 2)), "1": np.zeros(2)})
        editor.save(tmp_path / f"{k.__name__}.weights.h5")
        edited[k] = editor.weights_dict
    assert set(edited[kerata]["layers"]) == set(edited[keras]["layers"])
    for name in edited:
        for reader in (kerata, keras):
            model = named(reader, a=4, b=2)
            model.load_weights(tmp_path / f"{name.__name__}.weights.h5")
            np.testing.assert_array_equal(np.asarray(model.layers[1].kernel), np.ones((4, 2)))
            np.testing.assert_array_equal(
                np.asarray(model.layers[0].kernel), np.asarray(source.layers[0].kernel)
            )
