"""Every metric against Keras: two weighted batches, reset, stateless, configs, messages."""

import inspect

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
import kerata.metrics as M
from kerata.engine import masks, transforms

# Keras's own, on JAX without 64-bit types.
pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")

rng = np.random.default_rng(3)


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def uniform(*shape):
    return rng.uniform(0.02, 0.98, size=shape).astype("float32")


def bits(*shape):
    return rng.integers(2, size=shape)


def labels(classes, *shape):
    return rng.integers(classes, size=shape)


def one_hot(*shape):
    return np.eye(shape[-1], dtype="float32")[labels(shape[-1], *shape[:-1])]


def distribution(*shape):
    x = uniform(*shape)
    return x / x.sum(-1, keepdims=True)


# class, arguments, make targets, make predictions (for a batch of 6)
NUMBERS = (lambda: normal(6, 3), lambda: normal(6, 3))
POSITIVE = (lambda: uniform(6, 3), lambda: uniform(6, 3))
BINARY = (lambda: bits(6, 3), lambda: uniform(6, 3))
VECTOR = (lambda: bits(6), lambda: uniform(6))
CLASSES = (lambda: one_hot(6, 3), lambda: distribution(6, 3))
SPARSE = (lambda: labels(3, 6), lambda: distribution(6, 3))
SPARSE_COLUMN = (lambda: labels(3, 6, 1), lambda: distribution(6, 3))
REGIONS = (lambda: labels(3, 6, 2), lambda: labels(3, 6, 2))
CASES = [
    ("Accuracy", {}, lambda: labels(3, 6, 1), lambda: labels(3, 6, 1)),
    ("BinaryAccuracy", {}, *BINARY),
    ("BinaryAccuracy", {"threshold": 0.8}, lambda: bits(6), lambda: uniform(6, 1)),
    ("CategoricalAccuracy", {}, *CLASSES),
    ("SparseCategoricalAccuracy", {}, *SPARSE),
    ("SparseCategoricalAccuracy", {}, *SPARSE_COLUMN),
    ("TopKCategoricalAccuracy", {"k": 2}, *CLASSES),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, *SPARSE),
    (
        "SparseTopKCategoricalAccuracy",
        {"k": 1, "from_sorted_ids": True},
        lambda: labels(3, 6),
        lambda: labels(3, 6, 2),
    ),
    ("MeanSquaredError", {}, *NUMBERS),
    ("MeanAbsoluteError", {}, *NUMBERS),
    ("MeanAbsolutePercentageError", {}, *NUMBERS),
    ("MeanSquaredLogarithmicError", {}, *POSITIVE),
    ("LogCoshError", {}, *NUMBERS),
    ("RootMeanSquaredError", {}, *NUMBERS),
    ("CosineSimilarity", {}, *NUMBERS),
    ("Hinge", {}, *BINARY),
    ("SquaredHinge", {}, *BINARY),
    ("CategoricalHinge", {}, *CLASSES),
    ("KLDivergence", {}, lambda: distribution(6, 3), lambda: distribution(6, 3)),
    ("Poisson", {}, *POSITIVE),
    ("BinaryCrossentropy", {}, *BINARY),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, *BINARY),
    ("CategoricalCrossentropy", {}, *CLASSES),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, *CLASSES),
    ("SparseCategoricalCrossentropy", {}, *SPARSE),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 9}, *SPARSE),
    ("PearsonCorrelation", {}, *NUMBERS),
    ("ConcordanceCorrelation", {}, *NUMBERS),
    ("R2Score", {}, *NUMBERS),
    ("R2Score", {"class_aggregation": None}, *NUMBERS),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, *NUMBERS),
    ("R2Score", {"num_regressors": 2}, *NUMBERS),
    ("FBetaScore", {"beta": 2.0}, *CLASSES),
    ("FBetaScore", {"threshold": 0.4, "average": "macro"}, *BINARY),
    ("F1Score", {"average": "micro"}, *CLASSES),
    ("F1Score", {"average": "weighted"}, *CLASSES),
    ("TruePositives", {}, *VECTOR),
    ("TruePositives", {"thresholds": [0.2, 0.7]}, *BINARY),
    ("FalsePositives", {}, *BINARY),
    ("TrueNegatives", {"thresholds": 0.3}, *BINARY),
    ("FalseNegatives", {"thresholds": [i / 12 for i in range(12)]}, *BINARY),
    ("Precision", {}, *BINARY),
    ("Precision", {"thresholds": [0.1, 0.5, 0.9]}, *BINARY),
    ("Precision", {"top_k": 2}, *BINARY),
    ("Precision", {"class_id": 1, "thresholds": 0.4}, *BINARY),
    ("Recall", {}, *VECTOR),
    ("Recall", {"top_k": 1, "class_id": 0}, *CLASSES),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, *VECTOR),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6}, *BINARY),
    ("PrecisionAtRecall", {"recall": 0.4}, *BINARY),
    ("PrecisionAtRecall", {"recall": 0.5, "num_thresholds": 1}, *BINARY),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 20, "class_id": 2}, *BINARY),
    ("AUC", {}, *VECTOR),
    ("AUC", {"curve": "PR"}, *BINARY),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, *BINARY),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 9}, *BINARY),
    ("AUC", {"summation_method": "majoring", "num_thresholds": 5}, *BINARY),
    ("AUC", {"thresholds": [0.4, 0.1]}, *BINARY),
    ("AUC", {"multi_label": True}, *BINARY),
    ("AUC", {"multi_label": True, "num_labels": 3, "curve": "PR"}, *BINARY),
    ("AUC", {"from_logits": True, "num_thresholds": 30}, lambda: bits(6), lambda: normal(6)),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 2]}, *REGIONS),
    ("IoU", {"num_classes": 3, "target_class_ids": [1], "ignore_class": 0}, *REGIONS),
    ("BinaryIoU", {"threshold": 0.3}, lambda: bits(6, 2), lambda: uniform(6, 2)),
    ("MeanIoU", {"num_classes": 3, "dtype": "float32"}, *REGIONS),
    ("MeanIoU", {"num_classes": 3, "sparse_y_pred": False}, *SPARSE),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [0]}, *CLASSES),
    ("OneHotMeanIoU", {"num_classes": 3}, *CLASSES),
]


def case_id(case):
    return case[0] + "".join(f"-{key}" for key in case[1])


def batches(case):
    name, arguments, targets, predictions = case
    out = []
    for k in range(2):
        y_true, y_pred = targets(), predictions()
        shape = y_true.shape if name in ("MeanIoU", "IoU", "BinaryIoU") else (6,)
        shape = (6,) if name.startswith("OneHot") else shape
        kind = "int32" if "IoU" in name else "float32"
        weights = None if k == 0 else rng.integers(1, 4, size=shape).astype(kind)
        out.append((y_true, y_pred, weights))
    return out


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_equals_keras(case):
    name, arguments = case[:2]
    ours, theirs = getattr(M, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    assert ours.dtype == theirs.dtype
    for y_true, y_pred, weights in batches(case):
        ours.update_state(y_true, y_pred, sample_weight=weights)
        theirs.update_state(y_true, y_pred, sample_weight=weights)
        np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-5, atol=2e-6)
    assert len(ours.variables) == len(theirs.variables)
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        assert (a.name, a.shape, a.dtype) == (b.name, tuple(b.shape), b.dtype)
        np.testing.assert_allclose(a.numpy(), b.value, rtol=1e-5, atol=1e-6)
    ours.reset_state()
    assert all((v.numpy() == 0).all() for v in ours.variables)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_stateless_and_jit_equal_stateful(case):
    name, arguments = case[:2]
    make = lambda: getattr(M, name)(**arguments)  # noqa: E731
    stateful, stateless, compiled = make(), make(), make()
    (y_true, y_pred, _), second = batches(case)
    stateful.update_state(y_true, y_pred)
    stateless.update_state(y_true, y_pred)
    step = transforms.jit(compiled.update_state)
    step(y_true, y_pred)
    before = [v.numpy() for v in stateless.variables]
    values = stateless.stateless_update_state(before, *second)
    for old, v in zip(before, stateless.variables, strict=True):
        np.testing.assert_array_equal(old, v.numpy())
    stateful.update_state(*second)
    step(*second)
    np.testing.assert_allclose(stateless.stateless_result(values), stateful.result(), rtol=1e-6)
    np.testing.assert_allclose(compiled.result(), stateful.result(), rtol=1e-5)
    assert all((v == 0).all() for v in stateless.stateless_reset_state())
    with pytest.raises(ValueError, match="value for each"):
        stateless.stateless_result(values[1:])


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_config_round_trip(case):
    name, arguments = case[:2]
    metric = getattr(M, name)(name="mine", **arguments)
    config = M.serialize(metric)
    assert (config["module"], config["class_name"]) == ("keras.metrics", name)
    twin = M.deserialize(config)
    assert type(twin) is type(metric) and twin.get_config() == metric.get_config()
    y_true, y_pred, _ = batches(case)[0]
    theirs = keras.metrics.deserialize(config)
    np.testing.assert_array_equal(metric(y_true, y_pred), twin(y_true, y_pred))
    np.testing.assert_allclose(theirs(y_true, y_pred), metric.result(), rtol=1e-5, atol=2e-6)
    back = M.deserialize(keras.metrics.serialize(theirs))
    np.testing.assert_array_equal(back(y_true, y_pred), metric.result())


def test_all_metrics_are_there():
    public = [n for n in dir(keras.metrics) if not n.startswith("_")]
    assert [n for n in public if not hasattr(M, n)] == []
    classes = {n for n in public if inspect.isclass(getattr(keras.metrics, n))}
    tested = {case[0] for case in CASES}
    assert classes - tested == {"Mean", "MeanMetricWrapper", "Metric", "Sum"}


@pytest.mark.parametrize("name", [n for n in dir(keras.metrics) if not n.startswith("_")])
def test_signatures(name):
    ours = inspect.signature(getattr(M, name)).parameters.values()
    theirs = inspect.signature(getattr(keras.metrics, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize(
    "weights",
    [None, 2.0, [1, 2], [[1], [2]], [[1, 2, 3]], [[1, 2, 3], [4, 5, 6]], [0, 0], [2]],
)
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_weights_of_means_and_sums(name, weights):
    ours, theirs = getattr(M, name)(), getattr(keras.metrics, name)()
    for values in (np.arange(6.0).reshape(2, 3), np.ones((2, 3))):
        ours.update_state(values, weights)
        theirs.update_state(values, weights)
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.value, rtol=1e-6)
    np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-6)
    assert getattr(M, name)().result() == 0.0


def test_mean_of_scalars_counts_their_weight():
    metric = M.Mean()
    metric.update_state(2.0, sample_weight=3)
    metric.update_state(4.0, sample_weight=1)
    assert metric.result() == 2.5


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match="sample_weight(.|\n)*Received.*\\(3,\\).*\\(2, 3\\)"):
        M.Mean().update_state(np.ones((2, 3)), [1, 2, 3])
    with pytest.raises(ValueError, match="sample_weight"):
        M.MeanSquaredError().update_state(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize("weights", [None, [1.0, 2.0]])
def test_masked_positions_do_not_count(weights):
    y_true, y_pred = labels(3, 2, 3), jnp.asarray(distribution(2, 3, 3))
    mask = np.array([[True, True, False], [True, False, False]])
    masks.set_mask(y_pred, mask)
    metric = M.SparseCategoricalAccuracy()
    metric.update_state(y_true, y_pred, weights)
    right = np.argmax(y_pred, -1) == y_true
    w = mask * np.array(weights or [1, 1])[:, None]
    np.testing.assert_allclose(metric.result(), (right * w).sum() / w.sum(), rtol=1e-6)
    masks.set_mask(y_pred, None)


@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.5, 2.0], "float32")])
def test_ignored_class(weights):
    y_true = np.array([0, 1, 2])
    y_pred = np.array([[0.8, 0.1, 0.1], [0.05, 0.95, 0], [0.1, 0.8, 0.1]], "float32")
    ours, theirs = (m.SparseCategoricalCrossentropy(ignore_class=0) for m in (M, keras.metrics))
    np.testing.assert_allclose(
        ours(y_true, y_pred, weights), theirs(y_true, y_pred, weights), rtol=1e-5
    )


def test_top_k_of_ties_and_strange_labels():
    fn, keras_fn = (m.sparse_top_k_categorical_accuracy for m in (M, keras.metrics))
    for targets, scores, k in [
        ([2, 1], [[0.5, 0.5, 0.5], [np.nan, np.nan, 0]], 1),
        ([7, -1], [[0.5, 0.5, 0.5], [0.1, 0.2, 0]], 1),
        ([0, 1], [[0.5, 0.5, 0.5], [0.1, 0.2, 0]], 9),
    ]:
        np.testing.assert_array_equal(fn(targets, scores, k=k), keras_fn(targets, scores, k=k))


def test_wrapper_keeps_function_and_arguments():
    metric = M.MeanMetricWrapper(kerata.losses.huber, name="h", delta=2.0)
    config = M.serialize(metric)
    assert config["config"]["fn"]["config"] == "huber"
    twin = M.deserialize(config)
    y_true, y_pred = normal(4, 2), 3 * normal(4, 2)
    np.testing.assert_array_equal(metric(y_true, y_pred), twin(y_true, y_pred))
    np.testing.assert_allclose(
        keras.metrics.deserialize(config)(y_true, y_pred), metric.result(), rtol=1e-6
    )


def test_names():
    assert isinstance(M.get("mse"), M.MeanSquaredError)
    assert isinstance(M.get("AUC"), M.AUC) and isinstance(M.get("auc"), M.AUC)
    assert M.get(None) is None and M.get(kerata.losses.huber) is kerata.losses.huber
    for name in keras.src.metrics.ALL_OBJECTS_DICT:
        assert name in M._NAMES, name
    with pytest.raises(ValueError, match="no metric named 'precison'(.|\n)*'precision'"):
        M.get("precison")
    assert M.Mean().name == "mean" and M.AUC().name.startswith("auc")


def test_own_metric_with_metrics_in_it():
    class Both(M.Metric):
        def __init__(self, name="both"):
            super().__init__(name=name)
            self.parts = [M.Mean(name="m"), M.Sum(name="s")]
            self.calls = self.add_weight(name="calls")

        def update_state(self, x):
            self.calls.assign_add(1)
            for part in self.parts:
                part.update_state(x)

        def result(self):
            return {part.name: part.result() for part in self.parts}

    metric = Both()
    assert metric([1.0, 3.0]) == {"m": 2.0, "s": 4.0}
    assert [v.path for v in metric.variables] == ["both/calls", "m/total", "m/count", "s/total"]
    metric.reset_state()
    assert [float(v.value) for v in metric.variables] == [0.0] * 4

    class Forgetful(M.Metric):
        def __init__(self):
            self.x = 1

    with pytest.raises(RuntimeError, match="super"):
        Forgetful().variables  # noqa: B018
    with pytest.raises(NotImplementedError, match="update_state"):
        M.Metric()(1.0)
    with pytest.raises(NotImplementedError, match="result"):
        M.Metric().result()


B2 = np.array([[0, 1], [1, 1]])
P2 = np.array([[0.2, 0.7], [0.9, 0.1]])


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: M.Precision(thresholds=1.5), "between 0 and 1"),
        (lambda: M.Precision(thresholds=[0.5, None]), "between 0 and 1"),
        (lambda: M.Precision(top_k=0), "top_k"),
        (lambda: M.Precision(top_k=5)(B2, P2), "at most the number of classes, 2"),
        (lambda: M.Precision(class_id=7)(B2, P2), "class_id=7"),
        (lambda: M.Recall(class_id=0)(B2[0], P2[0]), "batch, classes"),
        (lambda: M.Recall()(B2, P2[:1]), "same shape"),
        (lambda: M.BinaryAccuracy(threshold=2), "threshold"),
        (lambda: M.TopKCategoricalAccuracy(k=0), "`k`"),
        (lambda: M.CategoricalAccuracy()([0, 1], P2), "sparse_categorical_accuracy"),
        (lambda: M.SparseCategoricalAccuracy()(B2, P2), "class numbers"),
        (lambda: M.AUC(num_thresholds=1), "above 1"),
        (lambda: M.AUC(curve="x"), "curve"),
        (lambda: M.AUC(summation_method="x"), "summation_method"),
        (lambda: M.AUC(num_labels=3), "multi_label=True"),
        (lambda: M.AUC(thresholds=[-1.0]), "between 0 and 1"),
        (lambda: M.AUC(multi_label=True)(B2[0], P2[0]), "batch, labels"),
        (lambda: M.AUC(multi_label=True, num_labels=3)(B2, P2), "\\(batch, 3\\)"),
        (lambda: M.AUC(multi_label=True, label_weights=[1.0, -1.0]), "at least 0"),
        (lambda: M.AUC(multi_label=True, label_weights=[1.0])(B2, P2), "one weight for each"),
        (lambda: M.AUC(multi_label=True).result(), "before the first"),
        (lambda: M.PrecisionAtRecall(1.5), "recall"),
        (lambda: M.PrecisionAtRecall(0.5, num_thresholds=0), "num_thresholds"),
        (lambda: M.FBetaScore(average="x"), "average"),
        (lambda: M.FBetaScore(beta=-1.0), "beta"),
        (lambda: M.FBetaScore(beta=1), "beta"),
        (lambda: M.FBetaScore(threshold=2.0), "threshold"),
        (lambda: M.FBetaScore()(B2[0], P2[0]), "batch, outputs"),
        (lambda: M.FBetaScore().result(), "before the first"),
        (lambda: M.R2Score(class_aggregation="x"), "class_aggregation"),
        (lambda: M.R2Score(num_regressors=-1), "num_regressors"),
        (lambda: M.R2Score()(B2[0], P2[0]), "batch, outputs"),
        (lambda: M.IoU(3, [3]), "target_class_ids"),
        (lambda: M.MeanIoU(0), "num_classes"),
        (lambda: M.MeanIoU(2)([0, 1], [0, 1, 1]), "same shape"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_outputs_may_not_change_in_number():
    metric = M.F1Score()
    metric.update_state(B2, P2)
    with pytest.raises(ValueError, match="number of outputs"):
        metric.update_state(np.ones((2, 3)), np.ones((2, 3)))


def test_fractions_of_weights_of_a_count():
    with pytest.warns(UserWarning, match="dtype='float32'"):
        M.MeanIoU(2)([0, 1], [0, 1], sample_weight=[0.5, 0.5])
    assert M.MeanIoU(2, dtype="float32")([0, 1], [0, 1], sample_weight=[0.5, 0.5]) == 1.0


def test_label_weights():
    metric = M.AUC(multi_label=True, label_weights=[0.2, 0.8], num_thresholds=9)
    y_true, y_pred = bits(8, 2), uniform(8, 2)
    parts = [M.AUC(num_thresholds=9)(y_true[:, i], y_pred[:, i]) for i in range(2)]
    np.testing.assert_allclose(metric(y_true, y_pred), 0.2 * parts[0] + 0.8 * parts[1], rtol=1e-5)
