"""`fit`, `evaluate` and `predict` on a `kerata.data.Dataset`."""

import itertools

import numpy as np
import pytest

import kerata
from kerata.data import Dataset
from kerata.training.feeding import DatasetFeed, Stream, make_feed
from kerata.training.state import resume_from

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def make_model():
    kerata.utils.set_random_seed(0)
    model = kerata.Sequential([kerata.Input((3,)), kerata.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def batches():
    return Dataset.from_tensor_slices((X, Y)).shuffle(24, seed=4).batch(8)


def test_fit_evaluate_and_predict():
    model = make_model()
    dataset = batches().prefetch(2)
    history = model.fit(dataset, epochs=2, validation_data=dataset, verbose=0)
    assert set(history.history) == {"loss", "val_loss"} and history.params["steps"] == 3
    whole = make_model()
    whole.set_weights(model.get_weights())
    plain = Dataset.from_tensor_slices((X, Y)).batch(8)
    expected = whole.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(model.evaluate(plain, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(plain, verbose=0), whole.predict(X, verbose=0), rtol=1e-5
    )


def test_training_goes_on_exactly_where_it_was_stopped():
    def dataset():
        return batches().map(lambda x, y: (x, y), num_parallel_calls=2).repeat()

    def fit(model, epochs, **kwargs):
        model.fit(dataset(), epochs=epochs, steps_per_epoch=2, verbose=0, **kwargs)
        return model.training_state.snapshot()

    whole = make_model()
    fit(whole, 4)
    first = make_model()
    snapshot = fit(first, 2)
    rest = make_model()
    resume_from(rest, snapshot)
    fit(rest, 4)
    for a, b in zip(whole.get_weights(), rest.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_feed_goes_to_any_place():
    feed = make_feed(batches(), class_weight={0: 1.0})
    assert isinstance(feed, DatasetFeed) and feed.num_batches == 3
    whole = [np.asarray(x) for x, _, _ in feed.batches(1)]
    (rest,) = feed.batches(1, start=2)
    np.testing.assert_array_equal(rest[0], whole[2])
    other = [np.asarray(x) for x, _, _ in feed.batches(0)]
    assert not np.array_equal(other[0], whole[0])
    stream = Stream(make_feed(batches()))
    assert len(list(stream.take())) == 3 and len(list(stream.take(2))) == 2


def test_each_fit_has_orders_of_its_own():
    dataset = batches()
    orders = []
    for _ in range(2):
        feed = make_feed(dataset)
        orders.append(np.concatenate([np.asarray(y) for _, y in feed.batches(0)]).tolist())
    assert orders[0] != orders[1]


def test_data_without_end():
    model = make_model()
    endless = batches().repeat()
    assert len(model.fit(endless, epochs=2, steps_per_epoch=2, verbose=0).history["loss"]) == 2
    for act in (
        lambda: model.fit(endless, epochs=2, verbose=0),
        lambda: model.fit(endless, verbose=0),
        lambda: model.fit(X, Y, validation_data=endless, verbose=0),
        lambda: model.evaluate(endless, verbose=0),
        lambda: model.predict(endless.map(lambda x, y: x), verbose=0),
    ):
        with pytest.raises(ValueError, match="needs `.*steps.*` for data without end"):
            act()

    class Foreign:  # as TensorFlow's data sets are
        def __iter__(self):
            return itertools.repeat((X, Y))

        def cardinality(self):
            return np.int64(-1)

        def __len__(self):
            raise TypeError("infinite")

    assert make_feed(Foreign()).infinite


def test_mistakes_in_the_data():
    model = make_model()
    with pytest.raises(ValueError, match="at least one batch.*\n.*Dataset"):
        model.fit(Dataset.range(0), verbose=0)
    with pytest.warns(UserWarning, match="ran out: there were 3 batches, where 5"):
        model.fit(batches(), steps_per_epoch=5, verbose=0)
    with pytest.raises(ValueError, match="yields none"):
        model.fit(batches().filter(lambda x, y: False), verbose=0)

    def fails(x, y):
        raise OSError("no such disk")

    with pytest.raises(OSError, match="no such disk") as caught:
        model.fit(batches().map(fails), verbose=0)
    assert caught.traceback[-1].name == "fails"
    with pytest.raises(ValueError, match=r"use a tuple: \(x, y\)"):
        model.fit(Dataset.from_generator(lambda: iter([[X, Y]])), verbose=0)


def test_from_folders_of_text_to_a_model_that_takes_raw_strings(tmp_path):
    for name, words in (("bad", "awful boring"), ("good", "great fun")):
        (tmp_path / name).mkdir()
        for number in range(6):
            (tmp_path / name / f"{number}.txt").write_text(f"it was {words} {number}")
    data = kerata.utils.text_dataset_from_directory(
        tmp_path, label_mode="binary", batch_size=4, seed=0, verbose=False
    )
    layer = kerata.layers.TextVectorization(output_mode="multi_hot")
    layer.adapt(data.map(lambda text, label: text))
    model = kerata.Sequential([layer, kerata.layers.Dense(1, activation="sigmoid")])
    model.compile(kerata.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(data, epochs=8, verbose=0)
    assert history.history["accuracy"][-1] == 1
    numbers = data.map(lambda text, label: (layer(text), label), num_parallel_calls=2)
    head = kerata.Sequential([model.layers[-1]])
    head.compile(loss="binary_crossentropy")
    expected = model.evaluate(data, verbose=0)[0]
    assert head.evaluate(numbers, verbose=0) == pytest.approx(expected, rel=1e-4)


def test_a_table_feeds_a_feature_space(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("age,city,paid\n31,Athens,1\n40,Rome,0\n52,Rome,1\n28,Athens,0\n")
    data = Dataset.from_csv(path, label="paid")
    space = kerata.utils.FeatureSpace(
        {"age": "float_normalized", "city": "string_categorical"}, output_mode="concat"
    )
    space.adapt(data.map(lambda features, _: features))
    encoded = data.batch(2).map(lambda features, label: (space(features), label))
    x, y = next(iter(encoded))
    assert x.shape[0] == 2 and x.dtype == "float32" and y.tolist() == [1, 0]
    model = kerata.Sequential([kerata.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(encoded, verbose=0)
