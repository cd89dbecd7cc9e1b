"""compile(): which losses and metrics which outputs get, and what the logs call them."""

import keras
import numpy as np
import pytest

import kerata

# Of Keras's variables, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.linspace(-1, 1, 24).reshape(6, 4).astype("float32")
Y1 = np.arange(6.0)[:, None].astype("float32")
Y2 = np.linspace(0, 1, 18).reshape(6, 3).astype("float32")
CLASSES = np.array([0, 2, 1, 1, 0, 2], "int32")
ONE_HOT = np.eye(3)[CLASSES]
BINARY = (Y1 > 2).astype("float32")
WEIGHTS = np.array([1.0, 0, 2, 1, 1, 3])


def functional(lib, arrange):
    inputs = lib.Input((4,))
    a = lib.layers.Dense(1, name="a", activation="sigmoid")(inputs)
    b = lib.layers.Dense(3, name="b", activation="softmax")(inputs)
    return lib.Model(inputs, arrange(a, b))


def subclassed(lib, arrange):
    class Net(lib.Model):
        def __init__(self):
            super().__init__()
            self.a = lib.layers.Dense(1, activation="sigmoid")
            self.b = lib.layers.Dense(3, activation="softmax")

        def call(self, x):
            return arrange(self.a(x), self.b(x))

    model = Net()
    model(X)
    return model


def single(a, b):
    return a


def second(a, b):
    return b


def both(a, b):
    return [a, b]


def pair(a, b):
    return (a, b)


def named(a, b):
    return {"v": b, "u": a}


def nested(a, b):
    return {"u": [a, b], "v": b}


def deep(a, b):
    return [[a, b], b]


def fn(y_true, y_pred):
    return (y_true - y_pred) ** 2


UV = {"u": Y1, "v": Y2}
ROWS = [
    # model, outputs, targets, compile's arguments, fit's
    (functional, single, Y1, {"loss": "mse"}, {}),
    (functional, single, Y1, {"loss": "mse", "metrics": ["mae", "mse"]}, {}),
    (functional, single, [Y1], {"loss": ["mse"], "metrics": [["mae"]]}, {}),
    (functional, single, Y1, {"loss": {"a": "mse"}, "metrics": {"a": "mae"}}, {}),
    (functional, single, Y1, {"loss": "mse", "loss_weights": 0.5}, {}),
    (functional, single, Y1, {"loss": "mse", "loss_weights": [0.5]}, {}),
    (functional, single, Y1[:, 0], {"loss": fn}, {}),
    (functional, single, Y1, {"loss": fn, "metrics": [fn]}, {}),
    (functional, single, Y1, {"loss": "MSE", "metrics": ["MAE", "mean_squared_error"]}, {}),
    (functional, single, Y1, {"loss": "mean_squared_error", "metrics": ["mse", "mse"]}, {}),
    (functional, single, Y1, {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mae"]},
     {"sample_weight": WEIGHTS}),
    (functional, second, CLASSES,
     {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy", "acc"]}, {}),
    (functional, second, CLASSES[:, None],
     {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}, {}),
    (functional, second, ONE_HOT,
     {"loss": "categorical_crossentropy", "metrics": ["acc"], "weighted_metrics": ["acc"]}, {}),
    (functional, single, BINARY, {"loss": "binary_crossentropy", "metrics": ["accuracy"]}, {}),
    (functional, both, [Y1, Y2], {"loss": "mse"}, {}),
    (functional, both, [Y1, Y2], {"loss": ["mse", "mae"], "loss_weights": [0.2, 3]}, {}),
    (functional, both, [Y1, Y2],
     {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse", "mae"]]}, {}),
    (functional, both, [Y1, Y2], {"loss": "mse", "metrics": ["mae", "mse"]}, {}),
    (functional, both, [Y1, Y2],
     {"loss": {"a": "mse", "b": "mae"}, "metrics": {"b": ["mse"]},
      "loss_weights": {"a": 1, "b": 0.2}}, {}),
    (functional, both, {"a": Y1, "b": Y2}, {"loss": {"b": "mae", "a": "mse"}}, {}),
    (functional, both, [Y1, Y2], {"loss": ["mse", None], "metrics": [None, "mae"]}, {}),
    (functional, both, [Y1, Y2], {"loss": "mse"}, {"sample_weight": WEIGHTS}),
    (functional, both, [Y1, Y2], {"loss": "mse", "weighted_metrics": ["mae", "mae"]},
     {"sample_weight": [WEIGHTS, WEIGHTS[::-1]]}),
    (functional, named, UV, {"loss": "mse"}, {}),
    (functional, named, UV,
     {"loss": {"u": "mse", "v": "mae"}, "metrics": {"v": ["mse"]},
      "weighted_metrics": {"v": "mae"}}, {}),
    (subclassed, both, [Y1, Y2], {"loss": ["mse", "mae"]}, {}),
    (subclassed, pair, [Y1, Y2],
     {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse", "mae"]]}, {}),
    (subclassed, named, [Y1, Y2], {"loss": {"u": "mse", "v": "mae"}}, {}),
    (subclassed, named, UV, {"loss": "mse", "metrics": {"v": ["mae"]}},
     {"sample_weight": {"u": WEIGHTS, "v": WEIGHTS}}),
    (subclassed, named, UV, {"loss": {"u": "mse"}, "metrics": {"v": ["mae"]}}, {}),
    (subclassed, named, UV, {"loss": {"u": "mse", "v": None}}, {}),
    (subclassed, nested, {"u": [Y1, Y2], "v": Y2},
     {"loss": {"u": ["mse", "mae"], "v": "mae"}, "metrics": {"u": ["mse", "mae"], "v": "mae"}},
     {}),
    (subclassed, deep, [[Y1, Y2], Y2], {"loss": [["mse", "mae"], "mse"]}, {}),
]  # fmt: skip


def evaluated(lib, make, arrange, y, arguments, further):
    model = make(lib, arrange)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    model.compile("sgd", run_eagerly=True, **arguments)
    logs = model.evaluate(X, y, batch_size=4, verbose=0, return_dict=True, **further)
    return logs, model.metrics_names


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_logs_are_those_of_keras(row):
    logs, names = evaluated(kerata, *row)
    expected, expected_names = evaluated(keras, *row)
    assert logs.keys() == expected.keys()
    assert names == expected_names
    for name, value in expected.items():
        np.testing.assert_allclose(logs[name], value, rtol=2e-5, err_msg=name)


def one_output():
    return functional(kerata, single)


def test_equal_losses_without_names_get_numbers():
    # In Keras the second one hides the first.
    model = subclassed(kerata, both)
    model.compile("sgd", "mse", metrics=["mae", "mse"])
    logs = model.evaluate(X, [Y1, Y2], verbose=0, return_dict=True)
    assert list(logs) == sorted(["loss", "mae", "mse", "mse_loss", "mse_loss_1"])


@pytest.mark.parametrize(
    "y, arrange, kind",
    [
        (BINARY, single, "binary"),
        (ONE_HOT, second, "categorical"),
        (CLASSES, second, "sparse_categorical"),
    ],
)
def test_crossentropy_and_accuracy_follow_the_shapes(y, arrange, kind):
    model = functional(kerata, arrange)
    model.compile(
        "sgd",
        f"{kind}_crossentropy",
        metrics=["crossentropy", "ce", "accuracy", f"{kind}_accuracy"],
    )
    logs = model.evaluate(X, y, verbose=0, return_dict=True)
    assert logs["crossentropy"] == pytest.approx(logs["loss"], rel=1e-5)
    assert logs["ce"] == logs["crossentropy"]
    assert logs["accuracy"] == logs[f"{kind}_accuracy"]


def test_targets_may_be_given_for_the_outputs_with_a_loss_alone():
    model = functional(kerata, both)
    model.compile("sgd", [None, "mse"])
    alone = model.evaluate(X, Y2, verbose=0)
    assert alone == model.evaluate(X, [Y1, Y2], verbose=0)
    model.compile("sgd", ["mse", None])
    assert model.evaluate(X, Y1, verbose=0) == model.evaluate(X, [Y1, Y2], verbose=0) != alone


def test_vectors_beside_columns_do_not_broadcast():
    model = functional(kerata, single)
    model.compile("sgd", fn, metrics=[fn])
    expected = float(np.mean((Y1 - model.predict(X, verbose=0)) ** 2))
    assert model.evaluate(X, Y1[:, 0], verbose=0) == pytest.approx([expected, expected])


def test_metrics_of_all_forms():
    model = one_output()
    metric = kerata.metrics.MeanAbsoluteError(name="mine")
    model.compile(
        "sgd",
        kerata.losses.MeanSquaredError(),
        metrics=[metric, kerata.metrics.MeanSquaredError, fn, kerata.losses.mean_absolute_error],
    )
    logs = model.evaluate(X, Y1, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "mine", "mean_squared_error", "fn", "mean_absolute_error"}
    assert logs["fn"] == pytest.approx(logs["loss"])
    assert float(metric.result()) == pytest.approx(logs["mean_absolute_error"])


def test_evaluate_lists_metrics_in_order():
    def zero(y_true, y_pred):
        return 0.0

    def one(y_true, y_pred):
        return 1.0

    model = one_output()
    model.compile("sgd", "mse", metrics=[one, zero])
    assert model.evaluate(X, Y1, verbose=0)[1:] == [1.0, 0.0]
    model.compile("sgd", "mse", metrics=[zero, one])
    assert model.evaluate(X, Y1, verbose=0)[1:] == [0.0, 1.0]


def test_metrics_may_return_dicts():
    class Two(kerata.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_pred)

        def result(self):
            return {"low": super().result(), "high": super().result() + 1}

    model = one_output()
    model.compile("sgd", "mse", metrics=[Two()])
    logs = model.evaluate(X, Y1, verbose=0, return_dict=True)
    assert logs["high"] == pytest.approx(logs["low"] + 1)


def test_compile_sets_what_users_read():
    model = one_output()
    assert not model.compiled and model.optimizer is None and model.loss is None
    assert model.metrics == [] and model.jit_compile and not model.run_eagerly
    model.compile("adam", "mse", metrics=["mae"], steps_per_execution=2, jit_compile=False)
    assert model.compiled and model.loss == "mse" and model.steps_per_execution == 2
    assert isinstance(model.optimizer, kerata.optimizers.Adam)
    assert not model.jit_compile and not model.stop_training
    assert model.metrics_names == ["loss", "compile_metrics"]
    model.jit_compile, model.run_eagerly = True, True
    assert model.jit_compile and model.run_eagerly
    with pytest.warns(UserWarning, match="jit_compile"):
        model.compile(run_eagerly=True, jit_compile=True)


def test_a_failed_compile_changes_nothing():
    model = one_output()
    model.compile("adam", "mse")
    before = model.optimizer, model.get_compile_config()
    with pytest.raises(ValueError, match="loss"):
        model.compile("sgd", "msee")
    assert (model.optimizer, model.get_compile_config()) == before


def test_compile_config_round_trip():
    model = one_output()
    model.compile(
        kerata.optimizers.SGD(0.25, momentum=0.5),
        kerata.losses.Huber(delta=2.0),
        metrics=["mae", kerata.metrics.MeanSquaredError(name="m")],
        weighted_metrics=["mse"],
        steps_per_execution=3,
    )
    config = model.get_compile_config()
    assert config["loss"]["class_name"] == "Huber" and config["steps_per_execution"] == 3
    twin = one_output()
    twin.compile_from_config(config)
    assert twin.optimizer.built and twin.optimizer.get_config() == model.optimizer.get_config()
    assert twin.get_compile_config() == config
    logs = twin.evaluate(X, Y1, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "mae", "m", "mse"}
    assert one_output().get_compile_config() is None


def test_an_own_compile_is_not_repeated_by_chance():
    class Net(kerata.Model):
        def compile(self, other):
            super().compile("sgd", "mse")

    model = Net()
    with pytest.warns(UserWarning, match="get_compile_config"):
        model.compile_from_config({})


def test_mixed_float16_scales_the_loss():
    class Net(kerata.Model):
        def call(self, x):
            return x

    scaled = kerata.optimizers.LossScaleOptimizer
    for policy, auto, expected in [
        ("mixed_float16", True, True),
        ("mixed_float16", False, False),
        ("mixed_bfloat16", True, False),
    ]:
        model = Net(dtype=policy)
        model.compile("sgd", "mse", auto_scale_loss=auto)
        assert isinstance(model.optimizer, scaled) is expected


def test_compiled_models_inside_keep_their_metrics():
    inner = one_output()
    inner.compile("sgd", "mse", metrics=["mae"])
    inputs = kerata.Input((4,))
    outer = kerata.Model(inputs, inner(inputs))
    outer.compile("sgd", "mse", metrics=["mse"])
    assert outer.metrics_names == ["loss", "compile_metrics"]
    logs = outer.evaluate(X, Y1, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "mse"}


def test_a_loss_in_a_list_of_one_belongs_to_its_output():
    x = kerata.Input((2,))
    a, b = (kerata.layers.Dense(1, name=name)(x) for name in "ab")
    model = kerata.Model(x, {"a": a, "b": b})
    model.compile("sgd", loss={"a": "mse", "b": ["mae"]})
    data = np.ones((4, 2), "float32")
    target = np.ones((4, 1), "float32")
    history = model.fit(data, {"a": target, "b": target}, verbose=0).history
    assert set(history) == {"loss", "a_loss", "b_loss"}


@pytest.mark.parametrize(
    "outputs, loss, weights, expected",
    [
        ("ab", [["mse", "mae"], "mse"], None, {"a_loss": 12, "b_loss": 9, "loss": 21}),
        ("ab", {"a": ["mse", "mae"]}, None, {"loss": 12}),
        ("ab", [["mse"], ["mae"]], [2.0, 3.0], {"a_loss": 9, "b_loss": 3, "loss": 27}),
        ("ab", [["mse", "mae"], "mse"], [[1.0, 2.0], 3.0], {"loss": 42}),
        ("ab", [["mse", "mae"], "mse"], [2.0, 1.0], {"loss": 33}),
        ("a", ["mse", "mae"], [1.0, 10.0], {"loss": 39}),
        ("a", ["mse"], None, {"loss": 9}),
    ],
)
def test_an_output_may_have_several_losses(outputs, loss, weights, expected):
    inputs = kerata.Input((1,))
    made = [kerata.layers.Identity(name=name)(inputs) for name in outputs]
    model = kerata.Model(inputs, made if len(made) > 1 else made[0])
    loss = {**loss, **({} if "b" in loss else {"b": None})} if isinstance(loss, dict) else loss
    model.compile("sgd", loss, loss_weights=weights)
    x = np.full((2, 1), 3.0)
    y = [0 * x for _ in made] if len(made) > 1 else 0 * x
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert found | expected == found


def test_weights_of_several_losses_must_be_as_many():
    model = kerata.Sequential([kerata.Input((1,)), kerata.layers.Identity()])
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="each of the 2 losses"):
        model.evaluate(np.ones((2, 1)), np.ones((2, 1)), verbose=0)


def joint(y_true, y_pred):
    """A loss of a whole part of the outputs."""
    return sum(kerata.ops.mean(p) for p in kerata.tree.flatten(y_pred))


@pytest.mark.parametrize(
    "loss, weights, expected",
    [
        ({"a": [joint, ("mse", "mae")]}, None, {"a_loss": 6, "a/y_loss": 9, "a/z_loss": 3}),
        (
            {"a": [joint, (None, "mae")], "b": "mae"},
            None,
            {"a_loss": 6, "a/z_loss": 3, "b_loss": 3},
        ),
        ([joint, {"b": "mse"}], None, {"a_b_loss": 9, "b_loss": 9, "loss": 18}),
        ([joint, {"b": "mse"}], [10.0, {"b": 2.0}], {"a_b_loss": 9, "b_loss": 9, "loss": 108}),
        ({"a": joint}, None, {"loss": 6}),
        ({"a": "mse"}, None, {"a/y_loss": 9, "a/z_loss": 9, "loss": 18}),
    ],
)
def test_losses_of_several_outputs_together(loss, weights, expected):
    inputs = kerata.Input((1,))
    y, z, b = (kerata.layers.Identity(name=name)(inputs) for name in "yzb")
    model = kerata.Model(inputs, {"a": (y, z), "b": b})
    model.compile("sgd", loss, loss_weights=weights)
    x = np.full((2, 1), 3.0)
    targets = {"a": (0 * x, 0 * x), "b": 0 * x}
    found = model.evaluate(x, targets, verbose=0, return_dict=True)
    assert found | expected == found


@pytest.mark.parametrize("y, width", [([0, 1, 2], 3), (np.eye(3), 3), ([[0.0], [1.0], [1.0]], 1)])
def test_crossentropy_is_the_kind_that_fits(y, width):
    last = kerata.layers.Activation("softmax" if width > 1 else "sigmoid")
    model = kerata.Sequential([kerata.Input((width,)), last])
    model.compile("sgd", "crossentropy", metrics=["ce"])
    loss, metric = model.evaluate(np.ones((3, width)), np.array(y), verbose=0)
    expected = np.log(3) if width > 1 else np.log1p(np.exp(-1)) + 1 / 3
    np.testing.assert_allclose([loss, metric], expected, rtol=1e-5)


def test_compute_loss_may_make_several_outputs_of_one():
    class Twice(kerata.Sequential):
        def compute_loss(self, x, y, y_pred, sample_weight=None, **kwargs):
            return super().compute_loss(x, y, [y_pred, y_pred], sample_weight, **kwargs)

    model = Twice([kerata.Input((1,)), kerata.layers.Dense(1)])
    model.compile("sgd", ["mse", "mae"])
    logs = model.fit(X[:, :1], (Y1, Y1), verbose=0).history
    assert sorted(logs) == ["loss", "mae_loss", "mse_loss"]
    np.testing.assert_allclose(logs["loss"], np.add(logs["mae_loss"], logs["mse_loss"]), rtol=1e-5)
