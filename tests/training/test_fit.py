"""fit, evaluate and predict: the same numbers as Keras's, on every kind of data."""

import copy
import pickle

import jax
import keras
import numpy as np
import pandas
import pytest

import kerata
from kerata.training import loop
from kerata.training.callbacks import Logs

# Of Keras's variables, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

generator = np.random.default_rng(0)
X = generator.normal(size=(10, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True) + 0.5
LABELS = (Y[:, 0] > 0.5).astype("int32")
WEIGHTS = np.linspace(0, 2, 10).astype("float32")


def dense(lib, units=1, seed=0, **kwargs):
    model = lib.Sequential([lib.Input((3,)), lib.layers.Dense(units, **kwargs)])
    values = np.random.default_rng(seed)
    model.set_weights([values.normal(size=w.shape) for w in model.get_weights()])
    return model


def custom_loss(y_true, y_pred):
    return abs(y_true - y_pred)


FITS = {
    "plain": ({}, {}),
    "several epochs": ({}, {"epochs": 3, "initial_epoch": 1}),
    "validation data": ({}, {"validation_data": (X[:4], Y[:4])}),
    "weighted validation": ({}, {"validation_data": (X[:4], Y[:4], WEIGHTS[:4])}),
    "validation split": ({}, {"validation_split": 0.25, "epochs": 2}),
    "validation now and then": (
        {},
        {"validation_split": 0.2, "epochs": 4, "validation_freq": 2, "validation_batch_size": 1},
    ),
    "validation in some epochs": (
        {},
        {"validation_split": 0.2, "epochs": 4, "validation_freq": [1, 4], "validation_steps": 1},
    ),
    "sample weights": ({"weighted_metrics": ["mae"]}, {"sample_weight": WEIGHTS}),
    "class weights": ({}, {"y": LABELS, "class_weight": {0: 0.5, 1: 3.0}}),
    "class weights, one omitted": ({}, {"y": LABELS, "class_weight": {1: 3.0}}),
    "regularized": ({"regularized": True}, {}),
    "own loss": ({"loss": custom_loss}, {}),
    "several steps at once": ({"steps_per_execution": 2}, {"epochs": 2}),
    "steps": ({}, {"steps_per_epoch": 2, "epochs": 3}),
    "eager": ({"run_eagerly": True}, {}),
    "not compiled": ({"jit_compile": False}, {}),
    "momentum": ({"optimizer": ("SGD", {"learning_rate": 0.1, "momentum": 0.9})}, {"epochs": 2}),
    "accumulation": (
        {"optimizer": ("SGD", {"learning_rate": 0.1, "gradient_accumulation_steps": 2})},
        {"epochs": 2},
    ),
    "averaged weights": (
        {"optimizer": ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.5})},
        {"epochs": 2},
    ),
    "clipped": ({"optimizer": ("Adam", {"learning_rate": 0.1, "global_clipnorm": 0.1})}, {}),
}


def fitted(lib, arguments, further):
    arguments = {"loss": "mse", "metrics": ["mae"], **arguments}
    kwargs = {"kernel_regularizer": "l2"} if arguments.pop("regularized", None) else {}
    model = dense(lib, **kwargs)
    name, options = arguments.pop("optimizer", ("SGD", {"learning_rate": 0.1}))
    model.compile(getattr(lib.optimizers, name)(**options), **arguments)
    given = {"x": X, "y": Y, "batch_size": 4, "verbose": 0, "shuffle": False, **further}
    history = model.fit(**given)
    return model, history


@pytest.mark.parametrize("case", FITS)
@pytest.mark.filterwarnings("ignore:Your input ran out of data", "ignore:The data ran out")
def test_fit_is_that_of_keras(case):
    model, history = fitted(kerata, *FITS[case])
    expected, expected_history = fitted(keras, *FITS[case])
    assert history.epoch == expected_history.epoch
    assert history.history.keys() == expected_history.history.keys()
    for name, values in expected_history.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=2e-5, err_msg=name)
    for value, wanted in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)


def test_evaluate_and_predict_are_those_of_keras():
    found = []
    for lib in (kerata, keras):
        model = dense(lib, 2)
        model.compile(loss="mse", metrics=["mae"], weighted_metrics=["mse"])
        y = np.concatenate([Y, Y], 1)
        values = model.evaluate(X, y, batch_size=4, sample_weight=WEIGHTS, verbose=0)
        assert isinstance(values, list) and all(isinstance(v, float) for v in values)
        some = model.evaluate(X, y, batch_size=4, steps=2, verbose=0, return_dict=True)
        predicted = model.predict(X, batch_size=4, verbose=0)
        assert predicted.flags.writeable and predicted.dtype == "float32"
        two = model.predict(X, batch_size=4, steps=2, verbose=0)
        found.append([values, list(some.values()), predicted, two, model.predict_on_batch(X)])
    for value, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5)


def test_batch_methods_are_those_of_keras():
    found = []
    for lib in (kerata, keras):
        model = dense(lib)
        model.compile(lib.optimizers.SGD(0.1), "mse", metrics=["mae"])
        found.append([
            model.train_on_batch(X, Y),
            model.train_on_batch(X, Y, sample_weight=WEIGHTS),
            model.train_on_batch(X, LABELS, class_weight={1: 0.3, 0: 0.2}),
            list(model.train_on_batch(X, Y, return_dict=True).values()),
            model.test_on_batch(X, Y),
            model.test_on_batch(X, Y, sample_weight=WEIGHTS),
            *model.get_weights(),
        ])  # fmt: skip
    for value, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5)
    model = dense(kerata)
    model.compile("sgd", "mse")
    assert isinstance(model.train_on_batch(X, Y), float)


class Batches(kerata.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]


class Loader:
    def __iter__(self):
        return (Batches()[i] for i in range(3))


def grain_dataset():
    import grain

    return grain.MapDataset.source(list(zip(X, Y, strict=True))).batch(4)


SOURCES = {
    "arrays": lambda: {"x": X.astype("float64"), "y": Y},
    "device arrays": lambda: {"x": kerata.ops.convert_to_tensor(X), "y": Y},
    "pandas": lambda: {"x": pandas.DataFrame(X), "y": pandas.Series(Y[:, 0])},
    "generator": lambda: {"x": ((x.astype("float64"), y) for x, y in Batches())},
    "PyDataset": lambda: {"x": Batches()},
    "PyDataset with workers": lambda: {"x": Batches(workers=2)},
    "iterable": lambda: {"x": Loader()},
    "grain": lambda: {"x": grain_dataset()},
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_kind_of_data(source):
    data = SOURCES[source]()
    model = dense(kerata)
    model.compile(kerata.optimizers.SGD(0.1), "mse")
    expected = dense(kerata)
    expected.compile(kerata.optimizers.SGD(0.1), "mse")
    history = model.fit(**data, batch_size=4, shuffle=False, verbose=0)
    wanted = expected.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx(wanted.history["loss"])
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], rtol=1e-6)
    data = SOURCES[source]()
    evaluated = model.evaluate(**data, batch_size=4, verbose=0)
    assert evaluated == pytest.approx(expected.evaluate(X, Y, verbose=0))
    data = SOURCES[source]()
    predicted = model.predict(data["x"], batch_size=4, verbose=0)
    np.testing.assert_allclose(predicted, expected.predict(X, verbose=0), rtol=1e-5)


def test_structures_in_and_out():
    class Net(kerata.Model):
        def call(self, inputs):
            return {"sum": inputs["a"] + inputs["b"][0], "pair": (inputs["a"], inputs["b"][0])}

    x = {"a": X, "b": [X + 1]}
    model = Net()
    found = model.predict(x, batch_size=4, verbose=0)
    np.testing.assert_allclose(found["sum"], 2 * X + 1, rtol=1e-6)
    assert isinstance(found["pair"], tuple) and found["pair"][1].shape == X.shape
    one = model.predict_on_batch({"a": X[:1], "b": [X[:1]]})
    np.testing.assert_allclose(one["sum"], 2 * X[:1], rtol=1e-6)


@pytest.mark.parametrize("several", [list, tuple])
def test_several_inputs_of_an_unbuilt_model(several):
    class Net(kerata.Model):
        def __init__(self):
            super().__init__()
            self.dense = kerata.layers.Dense(1)

        def call(self, inputs):
            a, b = inputs
            return self.dense(a + b)

    x = several([X, X])
    for method in ("predict", "predict_on_batch", "evaluate", "fit", "train_on_batch"):
        model = Net()
        model.compile("sgd", "mse")
        further = {} if method.startswith("predict") else {"y": Y}
        getattr(model, method)(x, **further, **({} if "batch" in method else {"verbose": 0}))
        assert model.built


@pytest.mark.parametrize("kwargs", [{}, {"run_eagerly": True}, {"steps_per_execution": 3}])
def test_predict_keeps_the_order_of_uneven_batches(kwargs):
    model = kerata.Sequential([kerata.Input((1,)), kerata.layers.Identity()])
    model.compile(**kwargs)
    sizes = np.split(np.arange(9.0)[:, None], [2, 5])
    found = model.predict((part for part in sizes), verbose=0)
    np.testing.assert_array_equal(found[:, 0], np.arange(9))


def test_an_unbuilt_model_is_built_from_the_first_batch():
    class Net(kerata.Model):
        def __init__(self):
            super().__init__()
            self.inner = kerata.Sequential([kerata.layers.Dense(2), kerata.layers.Dropout(0.5)])
            self.head = kerata.layers.Dense(1)

        def call(self, x, training=None):
            return self.head(self.inner(x))

    for method in ("fit", "evaluate", "predict", "train_on_batch"):
        model = Net()
        model.compile("sgd", "mse")
        further = {} if method.endswith("batch") else {"verbose": 0}
        getattr(model, method)(X, **({} if method == "predict" else {"y": Y}), **further)
        assert [w.shape for w in model.weights] == [(3, 2), (2,), (2, 1), (1,)]


def test_state_of_layers_is_carried():
    model = kerata.Sequential([
        kerata.Input((3,)), kerata.layers.BatchNormalization(momentum=0.5),
        kerata.layers.Dropout(0.5, seed=1), kerata.layers.Dense(1),
    ])  # fmt: skip
    model.compile("sgd", "mse")
    norm, dropout = model.layers[0], model.layers[1]
    seed = dropout.seed_generator.state.numpy()
    model.fit(X, Y, batch_size=10, verbose=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), X.mean(0) / 2, rtol=1e-4, atol=1e-6)
    assert (dropout.seed_generator.state.numpy() != seed).any()
    moving = norm.moving_mean.numpy()
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), moving)


def test_training_flag():
    class Flag(kerata.Model):
        def call(self, x, training=False):
            return x * (1.0 if training else 0.0)

    model = Flag()
    model.compile("sgd", "mse")
    ones, zeros = np.ones((4, 1)), np.zeros((4, 1))
    with pytest.warns(UserWarning, match="no trainable weights"):
        history = model.fit(ones, zeros, verbose=0)
    assert history.history["loss"] == [1.0]
    assert model.evaluate(ones, zeros, verbose=0) == 0.0
    np.testing.assert_array_equal(model.predict(ones, verbose=0), zeros)


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_freezing_counts_from_the_next_call(method):
    model = dense(kerata)
    model.compile("sgd", "mse")

    def train():
        getattr(model, method)(X, Y, **({"verbose": 0} if method == "fit" else {}))

    train()
    before = model.get_weights()[0]
    model.trainable = False
    with pytest.warns(UserWarning, match="no trainable weights"):
        train()
    np.testing.assert_array_equal(model.get_weights()[0], before)
    model.trainable = True
    train()
    assert not np.array_equal(model.get_weights()[0], before)


def test_freezing_a_layer_without_weights_to_train():
    norm = kerata.layers.BatchNormalization(center=False, scale=False)
    model = kerata.Sequential([kerata.Input((3,)), norm, kerata.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    before = norm.get_weights()[0]
    norm.trainable = False
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(norm.get_weights()[0], before)


def test_freezing_counts_in_evaluation():
    model = dense(kerata)
    model.layers[0].kernel.regularizer = kerata.regularizers.L2(1.0)
    model.compile("sgd", "mse")
    with_penalty = model.evaluate(X, Y, verbose=0)
    one = model.test_on_batch(X, Y)
    model.layers[0].trainable = False
    assert model.evaluate(X, Y, verbose=0) < with_penalty
    assert model.test_on_batch(X, Y) < one


def test_functions_can_be_forgotten():
    model = dense(kerata)
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    model.predict(X, verbose=0)
    model._forget_functions()
    assert model.predict_function is None and not model._batch_functions
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.train_on_batch(X, Y)


def test_pickles_go_on():
    model = dense(kerata)
    model.compile("adam", "mse", metrics=["mae", "accuracy"])
    model.fit(X, Y, verbose=0)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.predict(X, verbose=0), model.predict(X, verbose=0))
    expected = model.fit(X, Y, shuffle=False, verbose=0).history
    assert twin.fit(X, Y, shuffle=False, verbose=0).history == expected
    np.testing.assert_array_equal(twin.get_weights()[0], model.get_weights()[0])


def test_compiling_again():
    model = dense(kerata)
    model.compile("sgd", "mse", metrics=["mse"])
    assert set(model.fit(X, Y, verbose=0).history) == {"loss", "mse"}
    model.compile("sgd", "mse", metrics=["mae"])
    assert set(model.fit(X, Y, verbose=0).history) == {"loss", "mae"}
    assert set(model.evaluate(X, Y, verbose=0, return_dict=True)) == {"loss", "mae"}


def test_a_program_is_compiled_once_for_each_shape():
    model = dense(kerata)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=5, epochs=2, validation_split=0.5, verbose=0)
    model.fit(X, Y, batch_size=5, verbose=0)
    assert model.train_function.compilations == 1
    assert model.test_function.compilations == 1
    model.fit(X, Y, batch_size=4, verbose=0)  # batches of 4, 4 and 2: the last is filled up
    assert model.train_function.compilations == 2


def test_copies_train_on_their_own():
    model = dense(kerata)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    before = model.get_weights()[0]
    twin = copy.deepcopy(model)
    twin.fit(X, Y, verbose=0)
    assert twin.train_on_batch(X, Y) != model.test_on_batch(X, Y)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert not np.array_equal(twin.get_weights()[0], before)


def test_masks_reach_losses_and_metrics():
    x = np.array([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]])
    y = np.ones((2, 3, 1))
    model = kerata.Sequential([
        kerata.Input((3, 1)), kerata.layers.Masking(0.0),
        kerata.layers.Dense(1, use_bias=False, kernel_initializer="ones"),
    ])  # fmt: skip
    model.compile(kerata.optimizers.SGD(0.0), "mse", metrics=["mse"], weighted_metrics=["mae"])
    expected = {"loss": (0 + 1 + 4) / 3, "mse": (0 + 1 + 4) / 3, "mae": (0 + 1 + 2) / 3}
    history = model.fit(x, y, verbose=0).history
    evaluated = model.evaluate(x, y, verbose=0, return_dict=True)
    for name, value in expected.items():
        assert history[name] == [pytest.approx(value, rel=1e-4)], name
        assert evaluated[name] == pytest.approx(value, rel=1e-4), name


def test_losses_added_by_layers():
    class Net(kerata.Model):
        def __init__(self):
            super().__init__()
            self.scale = kerata.layers.Dense(1, use_bias=False, activity_regularizer="l2")

        def call(self, x):
            outputs = self.scale(x)
            self.add_loss(kerata.ops.mean((outputs - 1.0) ** 2))
            return outputs

    model = Net()
    model.compile(kerata.optimizers.SGD(0.1))
    history = model.fit(X, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    outputs = model.predict(X, verbose=0)
    expected = np.mean((outputs - 1) ** 2) + 0.01 * np.sum(outputs**2) / len(X)
    assert model.evaluate(X, verbose=0) == pytest.approx(expected, rel=1e-4)


class Recorder(kerata.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def note(self, what, *args):
        self.calls.append((what, *args))

    def on_epoch_begin(self, epoch, logs=None):
        self.note("epoch", epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self.note("begin", batch)

    def on_train_batch_end(self, batch, logs=None):
        self.note("end", batch)

    def on_test_batch_end(self, batch, logs=None):
        self.note("test", batch)

    def on_epoch_end(self, epoch, logs=None):
        self.note("epoch end", epoch, sorted(logs))

    def on_train_end(self, logs=None):
        self.note("over", sorted(logs))


def test_order_of_calls():
    model = dense(kerata)
    model.compile("sgd", "mse", steps_per_execution=2)
    recorder = Recorder()
    model.fit(X, Y, batch_size=4, validation_data=(X, Y), callbacks=[recorder], verbose=0)
    names = ["loss", "val_loss"]
    assert recorder.calls == [
        ("epoch", 0), ("begin", 0), ("end", 1), ("begin", 2), ("end", 3), ("test", 1),
        ("test", 3), ("epoch end", 0, names), ("over", names),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "batches, steps, epochs, expected",
    [
        (10, 10, 2, [10, 10]),
        (10, 5, 4, [5, 5, 5, 5]),
        (10, 9, 4, [9, 1, 9, 1]),
        (10, 11, 2, [10, 10]),
        (10, None, 2, [10, 10]),
    ],
)
@pytest.mark.filterwarnings("ignore:The data ran out")
def test_steps_per_epoch(batches, steps, epochs, expected):
    x = np.ones((batches, 3))
    model = dense(kerata)
    model.compile("sgd", "mse")
    recorder = Recorder()
    model.fit(
        x, x[:, :1], batch_size=1, steps_per_epoch=steps, epochs=epochs, callbacks=[recorder],
        verbose=0,
    )  # fmt: skip
    kinds = [what for what, *_ in recorder.calls]
    counts = [len(part.split("end")) - 1 for part in " ".join(
        {"epoch end": "|"}.get(k, k) for k in kinds).split("|")][:-1]  # fmt: skip
    assert counts == expected


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_callbacks_can_stop_the_loop(method):
    stop, hook = {
        "fit": ("stop_training", "on_train_batch_end"),
        "evaluate": ("stop_evaluating", "on_test_batch_end"),
        "predict": ("stop_predicting", "on_predict_batch_end"),
    }[method]

    def endless():
        while True:
            yield (X,) if method == "predict" else (X, Y)

    class Stop(kerata.callbacks.Callback):
        count = 0

    def end(self, batch, logs=None):
        Stop.count += 1
        if Stop.count == 3:
            setattr(self.model, stop, True)

    setattr(Stop, hook, end)
    model = dense(kerata)
    model.compile("sgd", "mse")
    getattr(model, method)(endless(), callbacks=[Stop()], verbose=0)
    assert Stop.count == 3


def test_callbacks_may_assign_variables_between_steps():
    class Halve(kerata.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.weights[0].assign(np.full((3, 1), batch))
            held.append(self.model.weights[0].value)

    held = []
    model = dense(kerata)
    model.compile(kerata.optimizers.SGD(0.0), "mse")
    model.fit(X, Y, batch_size=5, epochs=2, callbacks=[Halve()], verbose=0)
    assert [float(v[0, 0]) for v in held] == [0, 1, 0, 1]  # none was donated away


def test_the_host_waits_for_old_steps_only(monkeypatch):
    waits, fetches = [], []
    wait, fetch = jax.block_until_ready, Logs.fetch
    monkeypatch.setattr(jax, "block_until_ready", lambda x: (waits.append(1), wait(x))[1])
    monkeypatch.setattr(Logs, "fetch", lambda self: (fetches.append(1), fetch(self))[1])
    model = dense(kerata)
    model.compile("sgd", "mse")
    steps = loop.IN_FLIGHT + 5
    model.fit(np.ones((steps, 3)), np.ones((steps, 1)), batch_size=1, verbose=0)
    assert len(waits) == 5
    assert len(fetches) <= 2  # at the end of the epoch, not of each step


def test_limits_of_the_settings():
    model = dense(kerata)
    model.compile("sgd", "mse")
    recorder = Recorder()
    kerata.config.set_max_epochs(2)
    kerata.config.set_max_steps_per_epoch(3)
    try:
        model.fit(X, Y, batch_size=1, epochs=4, callbacks=[recorder], verbose=0)
    finally:
        kerata.config.set_max_epochs(None)
        kerata.config.set_max_steps_per_epoch(None)
    assert [c for c in recorder.calls if c[0] == "begin"] == [("begin", n) for n in (0, 1, 2)] * 2


def test_no_epochs():
    model = dense(kerata)
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="trains nothing"):
        assert model.fit(X, Y, epochs=2, initial_epoch=3, verbose=0).history == {}
