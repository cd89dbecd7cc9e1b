"""Teachers and students, beside Keras's."""

import json

import keras
import numpy as np
import pytest

import kerata
from kerata import distillation
from kerata.distillation import Distiller, FeatureDistillation, LogitsDistillation

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(8, 4)).astype("float32"), rng.integers(0, 3, 8).astype("int32")


def network(library, units, name):
    model = library.Sequential(
        [
            library.Input((4,)),
            library.layers.Dense(units, activation="tanh", name="hidden"),
            library.layers.Dense(3, name="last"),
        ],
        name=name,
    )
    draw = np.random.default_rng(sum(name.encode()))
    model.set_weights([0.5 * draw.normal(size=v.shape) for v in model.weights])
    return model


def distiller(library, losses, **options):
    made = [getattr(library.distillation, name)(*args) for name, args in losses]
    model = library.distillation.Distiller(
        network(library, 5, "teacher"), network(library, 5, "student"), made, **options
    )
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(library.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model


LOGITS = ("LogitsDistillation", (2.0,))
FEATURES = ("FeatureDistillation", ("mse", "hidden", "hidden"))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


@pytest.mark.parametrize("loss", ["kl_divergence", "mse", "categorical_crossentropy"])
def test_losses(loss):
    a, b = rng.normal(size=(2, 4, 3)).astype("float32")
    ours, theirs = (
        library.distillation.FeatureDistillation(loss).compute_loss(a, b)
        for library in (kerata, keras)
    )
    np.testing.assert_allclose(ours, theirs, 1e-5)
    # Keras compares the divided logits themselves, whose divergence means nothing.
    expected = 4 * keras.losses.get(loss)(softmax(a / 2), softmax(b / 2)).mean()
    np.testing.assert_allclose(LogitsDistillation(2.0, loss).compute_loss(a, b), expected, 1e-5)


def test_a_loss_from_logits_gets_logits():
    a, b = rng.normal(size=(2, 4, 3)).astype("float32")
    losses = ("categorical_crossentropy", kerata.losses.CategoricalCrossentropy(from_logits=True))
    found = [LogitsDistillation(2.0, loss).compute_loss(a, b) for loss in losses]
    np.testing.assert_allclose(found[0], found[1], 1e-5)


@pytest.mark.parametrize(
    "losses, options",
    [
        (
            [FEATURES, ("FeatureDistillation", ("mae",))],
            {"distillation_loss_weights": [2.0, 0.5], "student_loss_weight": 0.3},
        ),
        ([FEATURES], {"student_loss_weight": 0.0}),
    ],
    ids=["both", "features"],
)
def test_training_is_that_of_keras(losses, options):
    ours, theirs = (distiller(library, losses, **options) for library in (kerata, keras))
    found, expected = (
        m.fit(X, Y, batch_size=8, epochs=2, verbose=0).history for m in (ours, theirs)
    )
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, 1e-4, err_msg=name)
    for mine, other in zip(ours.student.weights, theirs.student.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), np.asarray(other.value), 1e-4, 1e-5)
    for mine, other in zip(ours.teacher.weights, theirs.teacher.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), np.asarray(other.value))


def test_only_the_student_is_trained_and_answers():
    model = distiller(kerata, [LOGITS])
    assert not model.teacher.trainable and model.student.trainable
    assert [v.path for v in model.trainable_variables] == [
        v.path for v in model.student.trainable_variables
    ]
    np.testing.assert_allclose(model.predict(X, verbose=0), model.student(X), 1e-5, 1e-6)
    results = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert {"total_loss", "student_loss", "distillation_loss", "accuracy"} <= set(results)


def test_features_of_a_layer_with_dropout_are_those_of_the_outputs():
    """The student runs once in a step: its features belong to the very same pass."""
    seen = []

    class Spy(distillation.DistillationLoss):
        teacher_layer_name = student_layer_name = "drop"

        def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
            seen.append(student_outputs)
            return kerata.ops.mean(student_outputs)

    def model():
        inputs = kerata.Input((4,))
        return kerata.Model(inputs, kerata.layers.Dropout(0.5, name="drop")(inputs))

    both = Distiller(model(), model(), Spy())
    both.compile(loss="mse", run_eagerly=True)
    y_pred = both(X, training=True)
    both.compute_loss(X, X, y_pred)
    np.testing.assert_array_equal(seen[0], y_pred)


def test_saved_and_loaded(tmp_path):
    model = distiller(kerata, [LOGITS, FEATURES], student_loss_weight=0.7)
    config = model.get_config()
    json.dumps(config)
    again = Distiller.from_config(config)
    assert again.student_loss_weight == 0.7
    assert [type(loss) for loss in again.distillation_losses] == [
        LogitsDistillation, FeatureDistillation,
    ]  # fmt: skip
    assert again.distillation_losses[1].student_layer_name == "hidden"
    model.save(tmp_path / "model.keras")
    loaded = kerata.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(X), model(X), 1e-6)
    np.testing.assert_allclose(loaded.teacher(X), model.teacher(X), 1e-6)
    assert loaded.fit(X, Y, verbose=0).history["total_loss"][0] > 0


def test_several_outputs_and_losses_left_out():
    a, b = np.ones((2, 3), "float32"), np.zeros((2, 3), "float32")
    loss = FeatureDistillation(loss=["mse", None])
    assert float(loss.compute_loss([a, a], [b, b])) == 1.0
    assert FeatureDistillation.from_config(loss.get_config()).loss[1] is None
    assert float(FeatureDistillation().compute_loss([a, a], [b, b])) == 2.0
    with pytest.raises(ValueError, match="the same structure"):
        loss.validate_outputs([a, a], {"x": b})
    with pytest.raises(ValueError, match="one for each of the 1 outputs"):
        loss.validate_outputs([a], [b])
    with pytest.raises(ValueError, match="`loss` must have a loss"):
        FeatureDistillation(loss=[None])


def test_what_does_not_go_together():
    teacher, student = network(kerata, 5, "teacher"), network(kerata, 2, "student")
    with pytest.raises(ValueError, match="`teacher` must be a model"):
        Distiller("teacher", student, LogitsDistillation())
    with pytest.raises(ValueError, match="`distillation_losses` must be a DistillationLoss"):
        Distiller(teacher, student, "kl_divergence")
    with pytest.raises(ValueError, match="a factor for each of the 1 losses"):
        Distiller(teacher, student, LogitsDistillation(), [1.0, 2.0])
    with pytest.raises(ValueError, match="no layer named 'hiden'"):
        Distiller(teacher, student, FeatureDistillation("mse", "hiden", "hidden"))
    with pytest.raises(ValueError, match="`student_loss_weight` must be a number between 0 and 1"):
        Distiller(teacher, student, LogitsDistillation(), student_loss_weight=2.0)
    with pytest.raises(ValueError, match="`loss` must be given"):
        Distiller(teacher, student, LogitsDistillation()).compile("sgd")
    teacher.trainable = True
    with pytest.raises(ValueError, match="`temperature` must be a positive number"):
        LogitsDistillation(temperature=0)
    other = kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(7)])
    with pytest.raises(ValueError, match="The outputs of teacher .* must have the same shapes"):
        Distiller(teacher, other, LogitsDistillation())
    assert teacher.trainable, "nothing is frozen where something is wrong"


def test_outputs_may_outlive_the_module(monkeypatch):
    model = distiller(kerata, [FEATURES])
    outputs = model(X)
    monkeypatch.setattr("kerata.distillation.distiller._features", None)  # as at exit
    del outputs  # what is raised in this is a warning, and so an error
