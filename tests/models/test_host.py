"""Models that take text: what comes before the compiled step runs on the host."""

import warnings

import numpy as np
import pytest

import kerata
from kerata import layers, ops

TEXTS = ["the cat sat", "a dog ran off", "cat and dog", "the the the"]
TARGETS = np.arange(4.0)


def vectorizer(**options):
    return layers.TextVectorization(
        vocabulary=["the", "cat", "dog"], output_sequence_length=4, **options
    )


def functional(shape=()):
    inputs = kerata.Input(shape, dtype="string")
    x = layers.Embedding(5, 3)(vectorizer()(inputs))
    return kerata.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))


def sequential(*first):
    return kerata.Sequential(
        [*first, vectorizer(), layers.Embedding(5, 3), layers.Flatten(), layers.Dense(1)]
    )


def nested_first():
    """A model that knows only by its first layer's first layer that it takes text."""
    words = kerata.Sequential([vectorizer(), layers.Embedding(5, 3)])
    return kerata.Sequential([words, layers.Flatten(), layers.Dense(1)])


MODELS = {
    "functional": functional,
    "of rank 2": lambda: functional((1,)),
    "sequential": lambda: sequential(kerata.Input((1,), dtype="string")),
    "unbuilt": sequential,
    "unbuilt in unbuilt": nested_first,
    "functional in sequential": lambda: kerata.Sequential([functional(), layers.Dense(1)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_trains_predicts_and_is_saved(name, tmp_path):
    model = MODELS[name]()
    model.compile(kerata.optimizers.SGD(0.1), "mse")
    losses = model.fit(TEXTS, TARGETS, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0]
    assert model.layers[-1].built and len(model.trainable_variables) >= 3
    predicted = model.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(model(TEXTS), predicted, 1e-5, 1e-6)
    for form in (np.array(TEXTS), np.array(TEXTS, object)[:, None], [[t] for t in TEXTS]):
        np.testing.assert_allclose(model.predict(form, verbose=0), predicted, 1e-6)
    np.testing.assert_allclose(model.predict_on_batch(TEXTS), predicted, 1e-6)
    loss = np.mean((predicted[:, 0] - TARGETS) ** 2)
    assert model.evaluate(TEXTS, TARGETS, verbose=0) == pytest.approx(loss, rel=1e-4)
    path = tmp_path / "model.keras"
    model.save(path)
    twin = kerata.saving.load_model(path)
    np.testing.assert_allclose(twin.predict(TEXTS, verbose=0), predicted, 1e-6)
    assert twin.train_on_batch(TEXTS, TARGETS) == pytest.approx(loss, rel=1e-4)


def test_batches_and_held_out_texts():
    model = functional()
    model.compile("sgd", "mse")
    history = model.fit(
        ((np.array(TEXTS[i : i + 2]), TARGETS[i : i + 2]) for i in (0, 2)),
        validation_data=(TEXTS, TARGETS),
        verbose=0,
    )
    assert set(history.history) == {"loss", "val_loss"}
    model.fit(TEXTS, TARGETS, validation_split=0.5, verbose=0)


@pytest.fixture
def nested():
    """A model inside a model, texts and numbers mixed, and text that comes out."""

    def inputs(end):
        return [
            kerata.Input((), dtype="string", name=f"text{end}"),
            kerata.Input((2,), name=f"number{end}"),
        ]

    text, number = inputs("")
    x = layers.Flatten()(layers.Embedding(5, 2)(vectorizer()(text)))
    inner = kerata.Model([text, number], layers.Dense(3)(layers.Concatenate()([x, number])))
    outer = inputs("s")
    scores = inner(outer)
    names = layers.StringLookup(vocabulary=["X", "Y"], invert=True)
    return kerata.Model(outer, [scores, names(ops.argmax(scores, -1))]), inner, outer


DATA = [["cat dog", "the"], np.ones((2, 2))]


def test_numbers_become_text_at_the_end(nested):
    model, *_ = nested
    scores, names = model.predict(DATA, verbose=0)
    assert names.tolist() == [["[UNK]", "X", "Y"][i] for i in scores.argmax(-1)]
    direct = model(DATA)
    np.testing.assert_allclose(direct[0], scores, 1e-6)
    assert direct[1].tolist() == names.tolist()
    assert [x.shape for x in model.predict_on_batch(DATA)] == [(2, 3), (2,)]


def test_a_model_inside_is_trained(nested):
    _, inner, outer = nested
    model = kerata.Model(outer, inner(outer))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit({"texts": DATA[0], "numbers": DATA[1]}, np.ones((2, 3)), verbose=0)
    changed = [not np.allclose(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [True] * 3


def test_arguments_of_a_model_inside_count():
    text, number = kerata.Input((1,), dtype="string"), kerata.Input((3, 2))
    x = layers.Dropout(0.9)(layers.Embedding(5, 50)(vectorizer()(text)))
    y = layers.GlobalAveragePooling1D()(layers.Activation("linear")(number))
    inner = kerata.Model([text, number], [x, y])
    inner.supports_masking = True
    outer = [kerata.Input((1,), dtype="string"), kerata.Input((3, 2)), kerata.Input((3,))]
    model = kerata.Model(outer, inner(outer[:2], mask=[None, outer[2] > 0], training=False))
    model.compile("sgd", "mse")
    data = [np.array([["a"]]), np.arange(6.0).reshape(1, 3, 2), np.array([[1, 0, 1.0]])]
    dense, mean = model.predict(data, verbose=0)
    assert mean.tolist() == [[2, 3]]
    assert model.train_on_batch(data, [dense, mean])[0] < 1e-9


class Doubles(kerata.Model):
    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


def test_a_model_inside_with_a_call_of_its_own():
    x = kerata.Input((1,), dtype="int64")
    inner = Doubles(x, layers.IntegerLookup(vocabulary=[7])(x))
    model = kerata.Model(x, inner(x))
    assert model.predict(np.array([[7]]), verbose=0).tolist() == [[2]]


def test_penalties_of_a_model_inside_count():
    x = kerata.Input((1,), dtype="int64")
    table = layers.Embedding(2, 1, embeddings_initializer="ones")
    hot = table(layers.IntegerLookup(vocabulary=[7])(x))
    inner = kerata.Model(x, hot, activity_regularizer=kerata.regularizers.L1(0.5))
    model = kerata.Model(x, inner(x))
    model.compile("sgd", "mse")
    assert model.evaluate(np.array([[7]]), np.ones((1, 1, 1)), verbose=0) == pytest.approx(0.5)


def test_numbers_that_host_layers_take():
    inputs = kerata.Input((2,), dtype="int64")
    hot = layers.IntegerLookup(vocabulary=[2**40, 7], output_mode="multi_hot")(inputs)
    model = kerata.Model(inputs, hot)
    assert model.predict(np.array([[2**40, 7], [1, 1]]), verbose=0).tolist() == [
        [0, 1, 1],
        [1, 0, 0],
    ]


@pytest.mark.parametrize("depth", [0, 1])
def test_integers_keep_64_bits(depth):
    inputs = kerata.Input((1,), dtype="int64")
    model = kerata.Model(inputs, layers.IntegerLookup(vocabulary=[5_000_000_000, 7])(inputs))
    for _ in range(depth):
        inputs = kerata.Input((1,), dtype="int64")
        model = kerata.Model(inputs, model(inputs))
    data = np.array([[5_000_000_000], [7], [705_032_704]])
    expected = [[1], [2], [0]]
    assert model.predict(data, verbose=0).tolist() == expected
    batches = kerata.data.Dataset.from_tensor_slices(data).batch(3)
    assert model.predict(batches, verbose=0).tolist() == expected
    assert model(data).tolist() == expected


def test_after_what_is_trained_it_calls_back():
    x = kerata.Input((2,))
    bins = layers.Hashing(4)(ops.cast(layers.Dense(3)(x) * 10, "int32"))
    model = kerata.Model(x, bins)
    data = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_array_equal(model.predict(data, verbose=0), model(data))


def test_many_lengths_get_a_warning():
    x = kerata.Input((), dtype="string")
    rows = layers.Embedding(3, 1)(layers.TextVectorization(vocabulary=["a"])(x))
    model = kerata.Model(x, layers.GlobalAveragePooling1D()(rows))
    with pytest.warns(UserWarning, match="output_sequence_length"):
        model.predict((np.array(["a " * n]) for n in range(1, 14)), verbose=0)


class Reads(kerata.Model):
    def __init__(self):
        super().__init__()
        self.words = vectorizer()
        self.table = layers.Embedding(5, 2)

    def compute_output_spec(self, inputs):
        return kerata.KerasTensor((None, 4, 2))

    def call(self, inputs):
        return self.table(self.words(inputs))


def test_weights_that_stay_on_the_host_get_a_warning():
    reads, x = Reads(), kerata.Input((), dtype="string")
    reads(TEXTS)
    model = kerata.Model(x, reads(x))
    with pytest.warns(UserWarning, match="will stay as they are"):
        assert model.predict(TEXTS, verbose=0).shape == (4, 4, 2)


class Subclass(kerata.Model):
    def __init__(self):
        super().__init__()
        self.inside = Reads()

    def call(self, x):
        return ops.mean(self.inside(x), (1, 2))


def test_other_models_take_text_uncompiled():
    model = Subclass()
    assert model(TEXTS).shape == (4,)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.array(TEXTS), TARGETS, verbose=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="(?s)must hold numbers.*TextVectorization"):
        model.fit(np.array(TEXTS), TARGETS, verbose=0)


@pytest.mark.parametrize("data", [TEXTS, np.array(TEXTS)])
def test_text_for_a_model_of_numbers(data):
    model = kerata.Sequential([kerata.Input((1,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="(?s)must hold numbers, not text.*StringLookup"):
        model.predict(data, verbose=0)
    with pytest.raises(TypeError, match="TextVectorization"):
        layers.Dense(1)(np.array(data))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("data", [["a", None], [None, "a"]])
def test_missing_text_is_named(name, data):
    with pytest.raises(TypeError, match="(?s)takes text.*None.*Missing values"):
        MODELS[name]().predict(data, verbose=0)


@pytest.mark.parametrize(
    "use",
    [
        layers.Reshape((1, 1)),
        layers.Lambda(lambda x: x),
        layers.Identity(),
        lambda x: ops.squeeze(x, -1),
    ],
)
def test_other_layers_take_no_symbolic_text(use):
    with pytest.raises(TypeError, match="Only layers for text.*StringLookup"):
        use(kerata.Input((1,), dtype="string"))


def test_text_that_no_layer_made_cannot_come_out():
    x = kerata.Input((1,), dtype="string")
    model = kerata.Model(x, [x, layers.Hashing(3)(x)])
    with pytest.raises(ValueError, match="invert=True"):
        model.predict(TEXTS, verbose=0)


def test_nothing_else_is_cut():
    model = kerata.Sequential([kerata.Input((1,)), layers.Dense(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(np.ones((2, 1)), verbose=0)
    assert model._function_graph.cut is None
