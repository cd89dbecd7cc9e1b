"""A last batch that is filled up gives what it gives as it is, from the same program."""

import numpy as np
import pytest

import kerata
from kerata import layers
from kerata.training import padding


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def classes(below, *shape):
    return np.random.default_rng(1).integers(0, below, shape)


def normalized():
    inputs = kerata.Input((4, 4, 2))
    x = layers.BatchNormalization()(layers.Conv2D(3, 2)(inputs))
    x = layers.add([x, layers.Activation("relu")(x)])
    x = layers.Flatten()(x + kerata.ops.relu(x) * 2.0)
    return kerata.Model(inputs, layers.Dense(3, activation="softmax")(x))


def nested():
    inside = kerata.Sequential([kerata.Input((3,)), layers.Dense(3), layers.BatchNormalization()])
    return kerata.Sequential([kerata.Input((3,)), inside, layers.Dropout(0.5), layers.Dense(2)])


def of_tokens():
    return kerata.Sequential([
        kerata.Input((5,), dtype="int32"),
        layers.Embedding(7, 4, mask_zero=True),
        layers.Bidirectional(layers.GRU(3, return_sequences=True)),
        layers.Dense(7, activation="softmax"),
    ])  # fmt: skip


def with_two_outputs():
    inputs = kerata.Input((3,))
    x = layers.Dense(4, activation="tanh")(inputs)
    return kerata.Model(inputs, {"a": layers.Dense(1)(x), "b": layers.Dense(2)(x)})


SPARSE = "sparse_categorical_crossentropy"
CASES = {
    "normalized": (normalized, numbers(11, 4, 4, 2), classes(3, 11), SPARSE, ["accuracy"], {}),
    "nested, dropout": (nested, numbers(11, 3), numbers(11, 2), "mse", ["mae"], {}),
    "weights": (
        nested, numbers(11, 3), numbers(11, 2), "mse", ["mae"], {"sample_weight": np.arange(11.0)},
    ),
    "class weights": (
        normalized, numbers(11, 4, 4, 2), classes(3, 11), SPARSE, ["accuracy"],
        {"class_weight": {0: 2.0, 2: 0.5}},
    ),
    "masks": (of_tokens, classes(7, 11, 5), classes(7, 11, 5), SPARSE, ["accuracy"], {}),
    "two outputs": (
        with_two_outputs, numbers(11, 3), {"a": numbers(11, 1), "b": numbers(11, 2)},
        {"a": "mse", "b": "huber"}, {"a": ["mae", "mse"], "b": ["cosine_similarity"]}, {},
    ),
}  # fmt: skip


def always_normalizing():
    inputs = kerata.Input((3,))
    x = layers.BatchNormalization()(inputs, training=True)
    return kerata.Model(inputs, layers.Dense(1)(x))


CASES["moments in inference"] = (always_normalizing, numbers(11, 3), numbers(11, 1), "mse", [], {})


def trained(case, **compiling):
    make, x, y, loss, metrics, options = case
    kerata.utils.set_random_seed(0)
    model = make()
    model.compile("sgd", loss, metrics=metrics, weighted_metrics=None, **compiling)
    history = model.fit(
        x, y, batch_size=4, epochs=2, verbose=0, validation_data=(x, y), **options
    ).history
    return model, history


@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers_from_one_program(monkeypatch, name):
    x = CASES[name][1]
    model, history = trained(CASES[name])
    assert model.train_function.compilations == model.test_function.compilations == 1
    with monkeypatch.context() as patched:
        patched.setattr(padding, "can_fill", lambda *args: False)
        plain, expected = trained(CASES[name])
    assert plain.train_function.compilations == 2
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=2e-5, atol=1e-6, err_msg=key)
    for a, b in zip(model.variables, plain.variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6, err_msg=a.path)

    predicted = model.predict(x, batch_size=4, verbose=0)
    assert model.predict_function.compilations == 1
    monkeypatch.setattr(padding, "can_fill", lambda *args: False)
    again = plain.predict(x, batch_size=4, verbose=0)
    for a, b in zip(kerata.tree.flatten(predicted), kerata.tree.flatten(again), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_several_steps_in_one_call():
    _, expected = trained(CASES["normalized"])
    model, history = trained(CASES["normalized"], steps_per_execution=3)
    assert model.train_function.compilations == 1
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=2e-5)
    assert len(model.predict(CASES["normalized"][1], batch_size=4, verbose=0)) == 11


def test_what_is_set_on_the_model_counts():
    model = dense()
    model.compile("sgd", "mse")
    model.build((None, 3))
    feed = model._feed(numbers(7, 3), numbers(7, 2), batch_size=4)
    model.evaluate(numbers(4, 3), numbers(4, 2), verbose=0)
    assert padding.can_fill(model, feed, "train_step")
    model.compute_loss = lambda x, y, y_pred, sample_weight: kerata.ops.max(y_pred)
    assert not padding.can_fill(model, feed, "train_step")


METRICS = [
    name
    for name in sorted(dir(kerata.metrics))
    if isinstance(metric := getattr(kerata.metrics, name), type)
    and issubclass(metric, kerata.Metric)
    and not issubclass(metric, padding._METRICS)
    and name not in ("Metric", "Mean", "Sum", "MeanMetricWrapper")
]
ARGUMENTS = {
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": 2},
    "BinaryIoU": {"target_class_ids": [1]},
    "MeanRelativeError": {"normalizer": [1.0, 2.0]},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_leaves_out_what_does_not_count(name):
    """Weights of zero take rows out of every metric that a model with filled batches may have."""
    y_pred = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1]], "float32")
    y_true = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], "float32")
    if name.startswith("Sparse"):
        y_true = y_true.argmax(-1)[:, None]
    if name in ("IoU", "MeanIoU"):
        y_pred, y_true = y_pred.argmax(-1), y_true.argmax(-1)
    metric = getattr(kerata.metrics, name)(**ARGUMENTS.get(name, {}))
    metric.update_state(y_true[:3], y_pred[:3])
    expected = metric.result()
    metric.reset_state()
    metric.update_state(y_true, y_pred, sample_weight=np.array([1, 1, 1, 0]))
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-5)


class Own(layers.Layer):
    def call(self, x):
        return x - kerata.ops.mean(x, axis=0)


def dense(*inside):
    return kerata.Sequential([kerata.Input((3,)), *inside, layers.Dense(2)])


def over_samples(x):
    return x - kerata.ops.mean(x, axis=0)


def op_across_samples():
    inputs = kerata.Input((3,))
    return kerata.Model(inputs, layers.Dense(2)(over_samples(inputs)))


NOT_FILLED = {
    "own layer": (lambda: dense(Own()), {}),
    "lambda": (lambda: dense(layers.Lambda(over_samples)), {}),
    "op across samples": (op_across_samples, {}),
    "penalty on activations": (lambda: dense(layers.Dense(3, activity_regularizer="l2")), {}),
    "own loss": (dense, {"loss": lambda y, p: kerata.ops.mean((y - p) ** 2)}),
    "loss of the batch": (dense, {"loss": "dice"}),
    "own metric": (dense, {"metrics": [lambda y, p: kerata.ops.max(p)]}),
    "eager": (dense, {"run_eagerly": True}),
    "own activation": (lambda: dense(layers.Dense(3, activation=over_samples)), {}),
    "loss as a metric": (dense, {"metrics": [kerata.losses.Huber()]}),
    "metric of the batch": (dense, {"metrics": [kerata.losses.dice]}),
    "metric that counts rows": (dense, {"metrics": ["r2_score"]}),
    "loss along another axis": (dense, {"loss": kerata.losses.CosineSimilarity(axis=-2)}),
    "axis -2": (lambda: dense(layers.UnitNormalization(axis=-2)), {}),
    "axis 0": (lambda: dense(layers.Softmax(axis=0)), {}),
}


@pytest.mark.parametrize("name", [None, *NOT_FILLED])
def test_not_where_something_may_look_across_the_batch(name):
    make, compiling = NOT_FILLED.get(name, (dense, {}))
    model = make()
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compiling})
    x, y = numbers(7, 3), numbers(7, 2)
    model.evaluate(x, y, batch_size=7, verbose=0)
    feed = model._feed(x, y, batch_size=4)
    assert padding.can_fill(model, feed, "train_step") is (name is None)
