"""What those meet who are new to kerata: mistakes that everyone makes, and what is said of them."""

import pathlib
import traceback

import numpy as np
import pandas
import pytest

import kerata
from kerata import layers

X, Y = np.ones((4, 2), "float32"), np.zeros((4, 1), "float32")


def _linear():
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def _early_stopping():
    _linear().fit(X, Y, callbacks=[kerata.callbacks.EarlyStopping()], verbose=0)


def _one_softmax():
    kerata.Sequential([kerata.Input((2,)), layers.Dense(1, activation="softmax")])


def _frozen():
    model = _linear()
    model.trainable = False
    model.fit(X, Y, verbose=0)


def _not_adapted():
    layers.StringLookup()(["a"])


def _not_adapted_in_a_model():
    kerata.Sequential([kerata.Input((1,), dtype="string"), layers.TextVectorization()]).predict(
        np.array(["a b"], object), verbose=0
    )


def _batches_of_batches():
    kerata.data.Dataset.range(4).batch(2).batch(2)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (_early_stopping, "EarlyStopping conditioned on metric `val_loss`"),
        (_one_softmax, "softmax.. over one element"),
        (_frozen, "no trainable weights"),
        (_not_adapted, "has no vocabulary yet"),
        (_not_adapted_in_a_model, "has no vocabulary yet"),
        (_batches_of_batches, "batch of batches"),
    ],
)
def test_warnings_show_the_users_line(mistake, words):
    with pytest.warns(UserWarning, match=words) as caught:
        mistake()
    assert {w.filename for w in caught} == {__file__}


def _frames(call, kind=Exception):
    """Return the functions in the traceback of what a call raises, and what it raises."""
    kerata.config.enable_traceback_filtering()
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][2:]


def _wrong(x):
    return x.nothing


NUMBERS = kerata.data.Dataset.range(4)
TRACEBACKS = {
    "map": (lambda: list(NUMBERS.map(_wrong)), ["_wrong"]),
    "threads": (lambda: list(NUMBERS.map(_wrong, 2).batch(2).prefetch(2)), ["_wrong"]),
    "filter": (lambda: list(NUMBERS.filter(_wrong)), ["_wrong"]),
    "numpy": (lambda: list(NUMBERS.map(_wrong).as_numpy_iterator()), ["_wrong"]),
    "spec": (lambda: NUMBERS.map(_wrong).element_spec, ["_wrong"]),
    "loader": (lambda: kerata.utils.image_dataset_from_directory("no folder"), ["_index"]),
    "table": (lambda: kerata.data.Dataset.from_csv(__file__), ["read_csv"]),
    "download": (
        lambda: kerata.utils.get_file(origin="file:///nowhere/at/all", cache_dir="cache"),
        ["_fetch"],
    ),
    "Lambda": (
        lambda: kerata.Sequential([kerata.Input((1,)), layers.Lambda(lambda x: x)]).save("m.keras"),
        ["_config_value"],
    ),
}


@pytest.mark.parametrize("case", TRACEBACKS)
def test_tracebacks_have_the_users_lines_and_the_last_one(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, last = TRACEBACKS[case]
    assert _frames(call) == last


def test_pictures_that_cannot_be_read_are_named_shortly(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "broken.png").write_text("no picture")
    data = kerata.utils.image_dataset_from_directory(tmp_path, verbose=False, image_size=(4, 4))
    assert _frames(lambda: list(data), OSError) == ["load_img"]


def _compiled(last, loss):
    model = kerata.Sequential([kerata.Input((8, 8, 1)), *last])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_places_that_are_left_before_the_last_layer(loss):
    x, y = np.ones((2, 8, 8, 1)), np.array([0, 1])
    model = _compiled([layers.Conv2D(2, 3), layers.Dense(3, activation="softmax")], loss)
    with pytest.raises(ValueError, match=r"\nFor one target a sample: put .*Pooling2D"):
        model.fit(x, y, verbose=0)
    recurrent = [layers.Reshape((8, 8)), layers.LSTM(2, return_sequences=True), layers.Dense(1)]
    with pytest.raises(ValueError, match=r"GlobalAveragePooling1D.*return_sequences=True"):
        _compiled(recurrent, "mse").fit(x, y, verbose=0)
    # Targets for each place, of another number of features: nothing is to be flattened.
    with pytest.raises(ValueError, match="Check the units"):
        _compiled(recurrent, "mse").fit(x, np.ones((2, 8, 3)), verbose=0)


COMPILE = {
    "metric as loss": (("sgd", "sparse_categorical_accuracy"), r"is a metric.*\n.*\n.*metrics="),
    "accuracy": (("sgd", "accuracy"), "'accuracy' is a metric"),
    "metric object": (("sgd", [kerata.metrics.AUC]), "AUC is a metric"),
    "metric function": (("sgd", kerata.metrics.binary_accuracy), "binary_accuracy is a metric"),
    "optimizer as loss": (
        ("mse", "sgd"),
        r"an optimizer.*\n.*\n.*compile\(optimizer, loss",
    ),
    "metrics third": (("sgd", "mse", ["accuracy"]), r"the third argument.*\n.*\n.*metrics=\["),
    "metric objects third": (("sgd", "mse", kerata.metrics.AUC), "the third argument"),
    "loss as metric": (("sgd", "mse", None, ["huber"]), r"a loss.*\n.*\n.*kerata\.losses\.huber"),
}


@pytest.mark.parametrize("case", COMPILE)
def test_what_is_given_in_the_place_of_another(case):
    arguments, words = COMPILE[case]
    with pytest.raises(ValueError, match=words):
        kerata.Sequential([layers.Dense(1)]).compile(*arguments)


def test_errors_are_losses_and_metrics():
    for loss in ("mse", kerata.metrics.MeanSquaredError, kerata.losses.mean_squared_error):
        kerata.Sequential([layers.Dense(1)]).compile("sgd", loss)


def test_a_layer_that_is_made_in_call():
    class Net(kerata.Model):
        def call(self, inputs):
            return layers.Dense(1)(inputs)

    with pytest.raises(kerata.engine.errors.StateError, match="in `call` belongs in `__init__`"):
        Net().predict(X, verbose=0)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("GradientTape", "kerata.value_and_grad"),
        ("function", "kerata.jit"),
        ("Tensor", "jax.Array"),
        ("placeholder", "kerata.Input"),
        ("Dense", "kerata.layers.Dense"),
        ("reduce_mean", "kerata.ops.mean"),
        ("float32", "a string: 'float32'"),
        ("layer", "'Layer'"),
    ],
)
def test_names_of_tensorflow_and_of_other_rooms(name, instead):
    with pytest.raises(AttributeError, match=instead):
        getattr(kerata, name)


def test_a_batch_size_beside_batches():
    data = kerata.data.Dataset.from_tensor_slices((X, Y)).batch(2)
    for call in (_linear().fit, _linear().evaluate, _linear().predict):
        with pytest.warns(UserWarning, match=r"no effect.*a Dataset.*\n.*=8\n.*rebatch") as caught:
            call(data, batch_size=8, verbose=0)
        assert [w.filename for w in caught] == [__file__]
    _linear().fit(X, Y, batch_size=2, validation_data=data, verbose=0)  # it is for `x`


def _classifier(units, loss):
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(units, activation="softmax")])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, ["cat", "dog"] * 2, r"np\.unique\(y, return_inverse=True\)"),
        (X, np.array(["cat", "dog"] * 2), r"np\.unique\(y, return_inverse=True\)"),
        (list(X), list(Y[:, 0]), r"for one array: np\.array\(y\)"),
        (X.astype(object), Y, r"x\.astype\('float32'\)"),
        (X, np.array([[1], [1, 2]] * 2, object), "different lengths"),
        (pathlib.Path("data.csv"), Y, "`x` must be an array"),
    ],
    ids=["list of names", "array of names", "numbers", "objects", "lists", "path"],
)
def test_data_that_is_not_ready(x, y, words):
    with pytest.raises(ValueError, match=words):
        _linear().fit(x, y, verbose=0)


def test_units_and_losses_that_do_not_go_together():
    labels = np.array([0, 1, 0, 1])
    for loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        with pytest.warns(UserWarning, match="softmax"):
            model = _classifier(1, loss)
        with pytest.raises(ValueError, match="one unit: the loss binary_crossentropy"):
            with pytest.warns(UserWarning, match="softmax"):
                model.fit(X, labels, verbose=0)
    with pytest.raises(ValueError, match="last layer 1 unit, not 3; for class numbers.*sparse"):
        _classifier(3, "mse").fit(X, labels, verbose=0)


def test_tables_of_pandas():
    numbers = {"a": pandas.array([1, None, 2, 3], "Int64"), "b": [True, False] * 2}
    frame = pandas.DataFrame(numbers).fillna(0)
    assert _linear().predict(frame, verbose=0).shape == (4, 1)
    frame["b"] = ["x", "y"] * 2
    with pytest.raises(ValueError, match=r"columns \['b'\] do not.*\n.*'x'\n.*FeatureSpace"):
        _linear().predict(frame, verbose=0)


def test_what_is_taken_for_something_else():
    with pytest.raises(TypeError, match=r"history\.history\['loss'\]"):
        _linear().fit(X, Y, verbose=0)["loss"]
    with pytest.raises(TypeError, match="LambdaCallback"):
        _linear().fit(X, Y, callbacks=[print], verbose=0)
    assert _frames(lambda: _linear().fit(X, Y, class_weight="balanced", verbose=0)) == ["__init__"]


class _Typo(kerata.callbacks.Callback):
    def on_epoch_ends(self, epoch, logs=None):
        pass


def test_callbacks_that_nothing_would_call():
    with pytest.warns(UserWarning, match=r"_Typo.on_epoch_ends.*\n.*'on_epoch_end'") as caught:
        _linear().fit(X, Y, callbacks=[_Typo()], verbose=0)
    assert [w.filename for w in caught] == [__file__]
    with pytest.raises(ValueError, match="no method of a callback named 'on_epoch'"):
        kerata.callbacks.LambdaCallback(on_epoch=print)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: kerata.callbacks.EarlyStopping(3), "monitor"),
        (lambda: kerata.callbacks.LearningRateScheduler(0.1), "schedule"),
        (lambda: kerata.models.load_model("m.keras", custom_objects=[_Typo]), "custom_objects"),
    ],
    ids=["EarlyStopping", "LearningRateScheduler", "load_model"],
)
def test_arguments_of_another_type(make, argument):
    with pytest.raises(TypeError, match=f"`{argument}` must be"):
        make()


def test_a_model_that_is_saved_before_it_is_built(tmp_path):
    with pytest.warns(UserWarning, match="saved without weights: it is not built") as caught:
        kerata.Sequential([layers.Dense(1)]).save(tmp_path / "m.keras")
    assert [w.filename for w in caught] == [__file__]


def test_columns_of_a_table_in_a_plain_model():
    table = {"a": np.ones(4), "b": np.ones(4)}
    model = kerata.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="a dict of 2 columns.*FeatureSpace"):
        model.fit(kerata.data.Dataset.from_tensor_slices((table, Y)).batch(2), verbose=0)
    with pytest.raises(ValueError, match="a dict from columns to kinds"):
        kerata.utils.FeatureSpace(["a", "b"])


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda: _linear().fit_generator, "attribute 'fit_generator'.*place there is fit"),
        (lambda: _linear().predict_classes, "argmax"),
        (lambda: kerata.preprocessing.image.ImageDataGenerator, "image_dataset_from_directory"),
        (lambda: kerata.preprocessing.text, "TextVectorization"),
        (lambda: kerata.backend.mean, "kerata.ops.mean"),
        (lambda: kerata.backend.nothing, "no attribute 'nothing'$"),
    ],
    ids=["fit_generator", "predict_classes", "ImageDataGenerator", "text", "backend", "unknown"],
)
def test_names_of_older_versions_of_keras(read, words):
    with pytest.raises(AttributeError, match=words):
        read()


class _Nothing(kerata.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        pass


def test_returns_that_are_missing():
    with pytest.raises(ValueError, match=r"A batch must be.*\n.*None\n.*`return` missing"):
        _linear().fit(_Nothing(), verbose=0)
    with pytest.raises(ValueError, match=r"class .*_Nothing'>, .*\n.*x\(\)"):
        _linear().fit(_Nothing, verbose=0)

    def nothing(y_true, y_pred):
        pass

    for options in ({"loss": nothing}, {"loss": "mse", "metrics": [nothing]}):
        model = kerata.Sequential([kerata.Input((2,)), layers.Dense(1)])
        model.compile("sgd", **options)
        with pytest.raises(ValueError, match=r"'nothing' must return numbers(.*\n)*.*`return`"):
            model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"Write metrics=\['mae'\]"):
        model.compile("sgd", "mse", metrics={"mae"})


def test_what_is_right_is_not_taken_for_a_mistake(monkeypatch):
    class Squared(kerata.metrics.MeanSquaredError):
        pass

    class Own(kerata.callbacks.LambdaCallback):
        def on_mine(self):
            pass

    Own(on_mine=print)
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(1)])
    model.compile("sgd", Squared())
    # (names are compared where there is one that nothing calls)
    monkeypatch.setattr("difflib.get_close_matches", None)
    table = pandas.DataFrame({"a": [0.0, 1.0], "b": pandas.Series([1, 2], dtype=object)})
    model.fit(table, Y[:2], callbacks=[kerata.callbacks.Callback()], verbose=0)
