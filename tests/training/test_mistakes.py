"""Mistakes get help: each is a message that says what must hold, what came, and what to do."""

import itertools
import re

import numpy as np
import pytest

import kerata
from kerata import layers

X = np.ones((6, 4), "float32")
Y = np.ones((6, 1), "float32")
CLASSES = np.array([0, 1, 2, 0, 1, 2])


def model_for(units=1, activation=None, **arguments):
    model = kerata.Sequential(
        [kerata.Input((4,)), kerata.layers.Dense(units, activation=activation)]
    )
    model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    return model


def says(*words):
    """A pattern that holds if all words occur, in this order."""
    return "(?s)" + ".*".join(words)


def fails(call, kind, *words):
    with pytest.raises(kind, match=says(*words)) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) <= 4, message


DATA = {
    "no last axis": (X[:, 0], Y, ValueError, ["shape", "Received", r"\(6,\)", "axis"]),
    "wrong width": (X[:, :3], Y, ValueError, ["4", "Received", "3"]),
    "text": (np.array([["a"] * 4] * 6), Y, ValueError, ["`x`", "text", "Received", "Text"]),
    "objects": (
        np.array([[None] * 4] * 6), Y, ValueError, ["`x`", "objects", "Received", "dtype=object"],
    ),
    "text labels": (X, np.array(["a"] * 6), ValueError, ["`y`", "text", "Received"]),
    "dates": (X, np.zeros(6, "datetime64[s]"), ValueError, ["`y`", "dates", "seconds"]),
    "lengths": (X, Y[:3], ValueError, ["same number of samples", "x has 6", "y has 3"]),
    "no samples": (X[:0], Y[:0], ValueError, ["at least one sample", "Received", r"\(0, 4\)"]),
    "no array": (None, None, ValueError, ["no data", "x=None"]),
    "a scalar": (X, np.float32(1), ValueError, ["`y`", "first axis", "Received"]),
    "a number": (X, 1.0, ValueError, ["`y`", "array", "Received: 1.0"]),
    "lists": (
        [[1.0, 2.0]] * 6, [1.0] * 6, ValueError, [r"`x\[0\]\[0\]`", "array", r"np\.array\(x\)"],
    ),
    "a list of targets": (X, [1.0] * 6, ValueError, [r"`y\[0\]`", "array", r"np\.array\(y\)"]),
    "a list of samples": (
        list(X), Y, ValueError,
        [r"x\[0\] has 4.*x\[3\] has 4, …\n", "list of 6", r"np\.stack\(x\)"],
    ),
    "lists of samples": (
        list(X), list(X), ValueError, ["1 input", r"6.* \(4,\), …\n", r"np\.stack\(x\)"],
    ),
    "a list of target arrays": (X, list(Y), ValueError, ["list of 6", r"np\.stack\(y\)"]),
    "two arrays for one input": ([X, X], Y, ValueError, ["1 input", "2 tensor"]),
    "an object": (object(), None, ValueError, ["`x`", "iterable", "Received", "object"]),
    "all NaN": (X * np.nan, Y, ValueError, ["`x`", r"fit\(\)", "NaN"]),
    "labels all NaN": (X, Y * np.nan, ValueError, ["`y`", "NaN"]),
    "no batches": (iter([]), None, ValueError, ["at least one batch", "list_iterator"]),
    "a list for a batch": (
        iter([[X, Y]]), None, ValueError, ["tuple", "a list of 2", "x, y"],
    ),
    "four parts": (iter([(X, Y, Y, Y)]), None, ValueError, ["sample_weight", "Received", "4"]),
    "targets beside batches": (
        iter([(X, Y)]), Y, ValueError, ["`y`", "yields batches", "Received"],
    ),
    "no targets": (X, None, ValueError, ["mse", "needs targets", "y=None"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_data(case):
    x, y, kind, words = DATA[case]
    fails(lambda: model_for().fit(x, y, verbose=0), kind, *words)


def test_half_nan_is_no_mistake_of_form():
    x = X.copy()
    x[0, 0] = np.nan
    with pytest.warns(UserWarning, match="NaN or infinite"):
        model_for().fit(x, Y, verbose=0)


LABELS = {
    "too large": ("sparse_categorical_crossentropy", CLASSES + 2, ["between 0 and 2", "4 in"]),
    "from one": ("sparse_categorical_crossentropy", CLASSES + 1, ["counted from 1"]),
    "negative": ("sparse_categorical_crossentropy", CLASSES - 1, ["between 0 and 2", "-1"]),
    "one-hot": (
        "sparse_categorical_crossentropy", np.eye(3)[CLASSES], ["sparse", "Received"],
    ),
    "numbers": ("categorical_crossentropy", CLASSES, ["categorical", "Received", "sparse"]),
    "fractions": ("sparse_categorical_crossentropy", CLASSES + 0.5, ["class numbers", "0.5"]),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
@pytest.mark.parametrize("as_object", [False, True])
def test_labels(case, as_object):
    loss, y, words = LABELS[case]
    if as_object:
        loss = getattr(kerata.losses, "".join(p.capitalize() for p in loss.split("_")))()
    model = model_for(3, "softmax", loss=loss)
    before = model.get_weights()[0]
    for method in (model.fit, model.evaluate):
        fails(lambda m=method: m(X, y, verbose=0), ValueError, *words)
    fails(lambda: model.train_on_batch(X, y), ValueError, *words)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_a_label_in_a_later_batch():
    y = np.array([0] * 5 + [3])
    model = model_for(3, "softmax", loss="sparse_categorical_crossentropy")
    fails(lambda: model.fit(X, y, batch_size=2, shuffle=False, verbose=0), ValueError, "3 in")


def test_labels_of_a_named_output():
    inputs = kerata.Input((4,))
    outputs = {
        "digit": kerata.layers.Dense(3, activation="softmax")(inputs),
        "size": kerata.layers.Dense(1)(inputs),
    }
    model = kerata.Model(inputs, outputs)
    model.compile("sgd", {"digit": "sparse_categorical_crossentropy", "size": "mse"})
    fails(lambda: model.fit(X, {"digit": CLASSES + 5, "size": Y}, verbose=0), ValueError, "digit")


COMPILE = {
    "loss": ({"loss": "mean_square_error"}, ["loss", "mean_square_error", "mean_squared_error"]),
    "optimizer": ({"optimizer": "adm"}, ["optimizer", "adm", "adam"]),
    "metric": ({"metrics": ["acuracy"]}, ["metric", "acuracy"]),
    "weighted metric": ({"weighted_metrics": ["mean_abs_error"]}, ["mean_absolute_error"]),
    "a metric as a string": ({"metrics": "acuracy"}, ["metric", "acuracy", "accuracy"]),
    "metrics as a string": ({"metrics": "mae"}, ["`metrics`", "list", r"metrics=\['mae'\]"]),
    "steps": ({"steps_per_execution": 0}, ["steps_per_execution", "positive"]),
}


@pytest.mark.parametrize("case", COMPILE)
def test_compile(case):
    arguments, words = COMPILE[case]
    fails(lambda: model_for(**arguments), ValueError, *words)


def two_outputs(**arguments):
    inputs = kerata.Input((4,))
    a = kerata.layers.Dense(1, name="first")(inputs)
    b = kerata.layers.Dense(1, name="second")(inputs)
    model = kerata.Model(inputs, [a, b])
    model.compile("sgd", **{"loss": "mse", **arguments})
    return lambda: model.fit(X, [Y, Y], verbose=0)


OUTPUTS = {
    "too many losses": ({"loss": ["mse"] * 3}, ["`loss`", "2 entries", "3 entries", "first"]),
    "unknown loss key": (
        {"loss": {"first": "mse", "secnd": "mse"}}, ["`loss`", "first", "secnd", "'second'"],
    ),
    "missing loss key": ({"loss": {"first": "mse"}}, ["`loss`", "each output", "'second': None"]),
    "weights": ({"loss_weights": [1.0]}, ["`loss_weights`", "2", "Received"]),
    "one weight": ({"loss_weights": 0.5}, ["`loss_weights`", "2 outputs", "0.5"]),
    "weight key": ({"loss_weights": {"third": 1.0}}, ["`loss_weights`", "third"]),
    "metrics": ({"metrics": ["mae", "mse", "mape"]}, ["`metrics`", "2 entries", "3 entries"]),
    "metric key": ({"metrics": {"firs": "mae"}}, ["`metrics`", "firs", "'first'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTPUTS)
def test_several_outputs(case):
    arguments, words = OUTPUTS[case]
    # As in Keras, a name of no output is a KeyError.
    kind = KeyError if "key" in case and "missing" not in case else ValueError
    fails(two_outputs(**arguments), kind, *words)


def test_targets_of_several_outputs():
    inputs = kerata.Input((4,))
    model = kerata.Model(inputs, [kerata.layers.Dense(1, name=n)(inputs) for n in "ab"])
    model.compile("sgd", "mse")
    fails(lambda: model.fit(X, Y, verbose=0), ValueError, "`y`", "2 entries", "a")
    fails(lambda: model.fit(X, [Y] * 3, verbose=0), ValueError, "`y`", "2 entries", "3 entries")
    fails(lambda: model.fit(X, {"a": Y, "c": Y}, verbose=0), ValueError, "`y`", "'a', 'b'", "'c'")
    fails(lambda: model.fit(X, {"a": Y}, verbose=0), ValueError, "output 'b'", "needs targets")
    fails(
        lambda: model.fit(X, [Y, Y], class_weight={0: 1.0}, verbose=0),
        ValueError, "class_weight", "2 arrays", "sample_weight",
    )  # fmt: skip


def fresh():
    return kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(1)])


CALLS = {
    "fit before compile": (lambda: fresh().fit(X, Y), ["compile", "fit"]),
    "evaluate before compile": (lambda: fresh().evaluate(X, Y), ["compile", "evaluate"]),
    "batch before compile": (lambda: fresh().train_on_batch(X, Y), ["compile"]),
    "no loss": (
        lambda: model_for(loss=None).fit(X, Y, verbose=0), ["nothing to minimize", "loss=None"],
    ),
    "no optimizer": (
        lambda: model_for(optimizer=None).fit(X, Y, verbose=0), ["optimizer", "Received"],
    ),
    "empty split": (
        lambda: model_for().fit(X, Y, validation_split=0.95),
        ["validation_split=0.95", "6 samples, 0"],
    ),
    "split out of range": (
        lambda: model_for().fit(X, Y, validation_split=3), ["`validation_split`", "0 and 1"],
    ),
    "split of batches": (
        lambda: model_for().fit(iter([(X, Y)]), validation_split=0.5),
        ["`validation_split`", "arrays only", "validation_data"],
    ),
    "two kinds of weights": (
        lambda: model_for().fit(X, Y, sample_weight=Y[:, 0], class_weight={1: 2.0}, verbose=0),
        ["class_weight", "sample_weight", "both"],
    ),
    "weights of another length": (
        lambda: model_for().fit(X, Y, sample_weight=np.ones(5)), ["same number", "has 5"],
    ),
    "batch size": (lambda: model_for().fit(X, Y, batch_size=2.5), ["batch_size", "positive"]),
    "no batch size": (lambda: model_for().fit(X, Y, batch_size=0), ["batch_size", "positive"]),
    "no validation batch size": (
        lambda: model_for().fit(X, Y, validation_data=(X, Y), validation_batch_size=0),
        ["validation_batch_size", "positive"],
    ),
    "no steps": (lambda: model_for().fit(X, Y, steps_per_epoch=0), ["steps_per_epoch=0"]),
    "no validation steps": (
        lambda: model_for().fit(X, Y, validation_steps=0), ["validation_steps=0"],
    ),
    "no steps to evaluate": (lambda: model_for().evaluate(X, Y, steps=0), ["evaluate", "steps=0"]),
    "no steps to predict": (lambda: model_for().predict(X, steps=0), ["predict", "steps=0"]),
    "epochs": (lambda: model_for().fit(X, Y, epochs=-1), ["epochs", "at least 0"]),
    "validation_freq": (
        lambda: model_for().fit(X, Y, validation_data=(X, Y), validation_freq=0, verbose=0),
        ["validation_freq"],
    ),
    "data without end": (
        lambda: model_for().fit(itertools.cycle([(X, Y)]), epochs=2),
        ["steps_per_epoch", "without end"],
    ),
    "validation without end": (
        lambda: model_for().fit(X, Y, validation_data=itertools.cycle([(X, Y)])),
        ["validation_steps", "without end"],
    ),
    "unknown argument of evaluate": (
        lambda: model_for().evaluate(X, Y, batchsize=3), ["evaluate", "batchsize"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_calls(case):
    call, words = CALLS[case]
    fails(call, ValueError, *words)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: model_for().fit(X, Y, batchsize=3), ["fit", "unexpected", "batchsize"]),
        (lambda: model_for(learning_rate=0.1), ["compile", "unexpected", "learning_rate"]),
        (lambda: model_for().fit(X, Y, class_weight=[1, 2]), ["class_weight", "dict"]),
        (lambda: model_for(loss=3), ["loss", "Received: 3"]),
    ],
)
def test_type_errors(call, words):
    fails(call, TypeError, *words)


VALIDATION = {
    "shape": ((X[:, :3], Y), "4.*3"),
    "targets": ((X, np.ones((6, 5, 2))), "shape"),
    "lengths": ((X, Y[:3]), "same number"),
    "no targets": (X, "needs targets"),
    "lists": ((X.tolist(), Y), r"np\.array\(x\)"),
}


@pytest.mark.parametrize("case", VALIDATION)
def test_validation_data(case):
    data, words = VALIDATION[case]
    model = model_for()
    with pytest.raises(ValueError, match=says(words)) as caught:
        model.fit(X, Y, validation_data=data, verbose=0)
    assert "`validation_data`" in caught.value.__notes__[-1]
    assert model.optimizer.iterations.numpy() == 0  # said before training, not after an epoch


def test_swapped_inputs_and_targets():
    for call in (model_for().fit, model_for().evaluate, model_for().train_on_batch):
        with pytest.raises(ValueError) as caught:
            call(Y, X)
        assert "are x and y swapped?" in caught.value.__notes__[-1]


def test_no_epochs():
    with pytest.warns(UserWarning, match=says("nothing", "epochs=0", "initial_epoch=0")):
        assert model_for().fit(X, Y, epochs=0, verbose=0).history == {}


def test_steps_that_return_something_else():
    class Net(kerata.Model):
        def call(self, x):
            return x

        def train_step(self, data):
            return 1.0

    model = Net()
    model.compile()
    fails(lambda: model.fit(X, verbose=0), TypeError, "train_step", "dict", "float", "return")


def test_steps_whose_logs_are_text():
    class Net(kerata.Sequential):
        def train_step(self, data):
            return {"loss": "low"}

    model = Net([kerata.layers.Dense(1)])
    model.compile("sgd", "mse")
    fails(lambda: model.fit(X, Y, verbose=0), TypeError, "train_step", "numbers", "loss='low'")


def test_a_loss_without_outputs():
    class Net(kerata.Sequential):
        def train_step(self, data):
            return {"loss": self.compute_loss(*data)}

    model = Net([kerata.layers.Dense(1)])
    model.compile("sgd", "mse")
    fails(lambda: model.fit(X, Y, verbose=0), ValueError, "compute_loss", "y_pred=None", "self\\(x")


def test_a_call_without_return():
    class Net(kerata.Model):
        def call(self, x):
            self.seen = x.shape

    model = Net()
    model.compile("sgd", "mse")
    fails(lambda: model.fit(X, Y, verbose=0), ValueError, "`call` of Net", "None", "return")


def test_losses_that_are_no_scalar():
    class Net(kerata.Model):
        def call(self, x):
            return x

        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return y_pred

    model = Net()
    model.compile()
    fails(lambda: model.evaluate(X, verbose=0), ValueError, "compute_loss", "scalar", r"\(6, 4\)")
    model = model_for(loss=kerata.losses.MeanSquaredError(reduction=None))
    fails(lambda: model.fit(X, Y, verbose=0), ValueError, "one number", r"\(6,\)", "reduction")


def test_generators_run_dry():
    model = model_for()
    with pytest.warns(UserWarning, match=says("ran out", "1 of 3 epochs", "only once")):
        history = model.fit(iter([(X, Y)] * 2), epochs=3, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match=says("ran out", "2 batches", "3 steps")):
        model.fit(iter([(X, Y)] * 2), steps_per_epoch=3, verbose=0)
    fails(lambda: model.fit((b for b in ()), verbose=0), ValueError, "batch", "generator")


class Two(kerata.Model):
    def __init__(self, *layers):
        super().__init__()
        self.stack = list(layers)

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x


@pytest.mark.parametrize("make", [lambda *layers: kerata.Sequential(layers), Two])
def test_wrong_data_leaves_an_unbuilt_model_unbuilt(make):
    model = make(kerata.layers.Dense(3), kerata.layers.Conv1D(2, 1))
    model.compile("sgd", "mse", metrics=["accuracy"])
    with pytest.raises(ValueError, match="3"):
        model.fit(np.ones((4, 5)), np.ones((4, 2)), verbose=0)
    assert not any(layer.built for layer in model._flatten_layers())
    assert model.variables == []
    x = np.ones((4, 5, 6), "float32")
    history = model.fit(x, np.ones((4, 5, 2)), verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    assert model.layers[0].kernel.shape == (6, 3) and len(model.weights) == 4


def test_metrics_are_matched_anew_after_wrong_targets():
    model = kerata.Sequential([kerata.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(ValueError):
        model.fit(X, np.eye(3)[np.arange(len(X)) % 3], verbose=0)
    logs = model.evaluate(X, np.argmax(model(X), axis=-1), verbose=0, return_dict=True)
    assert logs["accuracy"] == 1.0


def test_an_own_step_names_why_the_model_was_not_built():
    class Net(Two):
        def train_step(self, state, data):
            return {"loss": 0 * self.stack[0].kernel[0, 0]}, state

    model = Net(kerata.layers.Conv1D(2, 1))
    model.compile("sgd", "mse")
    with pytest.raises(AttributeError) as caught:
        model.fit(np.ones((4, 5)), np.ones((4, 2)), verbose=0)
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_own_step_without_an_optimizer():
    class Net(kerata.Sequential):
        def train_step(self, data):
            return {"seen": kerata.ops.sum(data[0])}

    model = Net([kerata.layers.Dense(2)])
    model.compile(optimizer=None)
    assert model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0).history == {"seen": [6.0]}


def test_an_own_function_that_trains():
    class Net(kerata.Sequential):
        def make_train_function(self, force=False):
            return lambda data: {"loss": 1.0}

    model = Net([kerata.layers.Dense(2)])
    model.compile("sgd", "mse")
    assert model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0).history == {"loss": [1.0]}


def test_a_subclass_without_call():
    class Net(kerata.Model):
        pass

    model = Net()
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match="call"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    "layer, x, expected",
    [
        (layers.Dense, np.array([[1.0], [np.nan]], "float32"), "1 of 2 numbers in x"),
        (lambda n: layers.Embedding(3, n), np.array([[1], [7]]), "7 in x.*input_dim=3"),
    ],
    ids=["a hole in the data", "unknown token"],
)
def test_a_loss_that_is_not_finite_is_explained(layer, x, expected):
    model = kerata.Sequential([layer(2), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match=f"(?s)NaN or infinite.*Received: {expected}"):
        model.fit(x, np.zeros((2, 1)), verbose=0)


def test_labels_of_a_data_set_are_checked():
    data = kerata.data.Dataset.from_tensor_slices((np.ones((4, 2), "float32"), [0, 1, 2, 1]))
    model = kerata.Sequential([layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="class numbers must be between 0 and 1"):
        model.fit(data.batch(4), verbose=0)


def noted(call, kind, *words):
    """Check an error's words together with its notes."""
    with pytest.raises(kind) as caught:
        call()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.search(says(*words), text), text


def word_model():
    text = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=2)
    return kerata.Sequential([kerata.Input((), dtype="string"), text])


RAGGED = [[1.0, 2.0], [3.0]]
ONES = kerata.data.Dataset.from_tensor_slices((X, Y))
SHAPES = {
    "a text": (lambda: word_model().predict("a b"), ["`x`", "Received: 'a b'", r"list, \[x\]"]),
    "a text in a call": (lambda: word_model()("a b"), [r"shape \(\)", r"list: \[text\]"]),
    "ragged lists": (lambda: model_for().fit(RAGGED, Y[:2]), ["lengths", r"pad_sequences\(x\)"]),
    "ragged lists in a call": (
        lambda: layers.Dense(1)(RAGGED), ["equal lengths", "Received", "pad_sequences", "'dense"],
    ),
    "ragged tensor": (lambda: kerata.ops.convert_to_tensor(RAGGED), ["equal lengths", "pad_seq"]),
    "ragged rows": (
        lambda: kerata.data.Dataset.from_tensor_slices(RAGGED), ["equal shapes", "pad_sequences"],
    ),
    "no batches": (lambda: model_for().fit(ONES, verbose=0), [r"shape \(4,\)", r"\.batch\(32\)"]),
    "x only": (
        lambda: model_for().fit(iter([X]), verbose=0), ["needs targets", r"\(x, y\) in each batch"],
    ),
    "validation on x only": (
        lambda: model_for().fit(X, Y, validation_data=X, verbose=0),
        ["needs targets", "validation_data", "happened with `validation_data`"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
def test_shapes(case):
    call, words = SHAPES[case]
    noted(call, ValueError, *words)


def test_layers_are_no_tensors():
    x, dense = kerata.Input((4,)), layers.Dense(1)
    fails(lambda: kerata.Model(x, dense), TypeError, "Received", r"Dense\(1\)\(inputs\)")
    fails(lambda: kerata.Model([dense]), TypeError, "Received", "kerata.Sequential")


def as_float(y_true, y_pred):
    return float(kerata.ops.mean(y_true - y_pred))


def with_numpy(y_true, y_pred):
    return np.mean(np.array(y_true) - np.array(y_pred))


class Worded(kerata.metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return f"{self.dtype}"


TRACED = {
    "metric": ({"metrics": [as_float]}, Exception, ["float", "run_eagerly", "metric 'as_float'"]),
    "metric of NumPy": (
        {"metrics": [with_numpy]}, Exception, ["scikit-learn", "kerata.ops", "metric 'with_numpy'"],
    ),
    "loss": ({"loss": with_numpy}, Exception, ["NumPy", "kerata.ops", "loss 'with_numpy'"]),
    "metric of text": ({"metrics": [Worded()]}, TypeError, ["numbers", "worded='float32'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TRACED)
def test_values_that_are_not_there_yet(case):
    arguments, kind, words = TRACED[case]
    noted(lambda: model_for(**arguments).fit(X, Y, verbose=0), kind, *words)


def test_the_same_metrics_run_eagerly():
    model = model_for(metrics=[as_float, with_numpy], run_eagerly=True)
    assert set(model.fit(X, Y, verbose=0).history) == {"loss", "as_float", "with_numpy"}


def test_callbacks_without_what_they_watch(tmp_path):
    def fit(callback, **arguments):
        return lambda: model_for().fit(X, Y, verbose=0, callbacks=[callback], **arguments)

    callbacks = kerata.callbacks
    fails(
        fit(callbacks.EarlyStopping("val_los"), validation_data=(X, Y)), ValueError,
        "val_los", "Received", "Did you mean 'val_loss'",
    )  # fmt: skip
    with pytest.warns(UserWarning, match=says("val_loss", "Received", "Give fit.. validation")):
        fit(callbacks.EarlyStopping())()
    fails(
        fit(callbacks.EarlyStopping("acuracy")), ValueError,
        "not available", "Received: monitor='acuracy'", "are: loss",
    )  # fmt: skip
    path = str(tmp_path / "{epoch}-{val_loss:.2f}.keras")
    fails(
        fit(callbacks.ModelCheckpoint(path)), KeyError,
        "Received: 'val_loss'", "'loss'", "validation data",
    )  # fmt: skip


def test_a_record_shows_its_last_numbers():
    history = kerata.callbacks.History()
    history.on_epoch_end(0, {"loss": 0.5})
    assert repr(history) == "<History of 1 epochs, at the end loss=0.5>"


@pytest.mark.parametrize(
    "activation, loss, hint",
    [
        (None, "sparse_categorical_crossentropy", "activation='softmax'"),
        (None, "binary_crossentropy", "activation='sigmoid'"),
        (
            "softmax",
            kerata.losses.SparseCategoricalCrossentropy(from_logits=True),
            "Leave out that layer's activation='softmax'",
        ),
    ],
    ids=["no softmax", "no sigmoid", "softmax for logits"],
)
def test_last_activation_that_the_loss_does_not_take(activation, loss, hint):
    units = 1 if loss == "binary_crossentropy" else 3
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(units, activation=activation)])
    model.compile("sgd", loss)
    x, y = np.ones((4, 2), "float32"), np.zeros((4, 1), "int32")
    with pytest.warns(UserWarning, match=f"will hardly learn.*\n.*{hint}") as caught:
        model.fit(x, y, verbose=0)
    assert caught[0].filename == __file__


def test_text_as_targets_of_a_data_set():
    data = kerata.data.Dataset.from_tensor_slices((np.ones((4, 2)), np.array(list("abca"))))
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="`y` must hold numbers, not text.*\n.*\n.*StringLookup"):
        model.fit(data.batch(2), verbose=0)


def test_the_numbers_that_are_missing_are_found_wherever_they_are():
    x = np.ones((8, 2), "float32")
    x[7, 1] = np.nan
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="Received: 1 of 16 numbers in x are NaN or infinite\n"):
        model.fit(x, x[:, :1], batch_size=2, shuffle=False, verbose=0)
