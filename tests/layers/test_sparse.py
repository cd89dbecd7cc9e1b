"""Layers and models on sparse tensors: values as of dense ones; what stays sparse, as in Keras."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.experimental.sparse import BCOO

import kerata
from kerata import layers

X = np.float32([[0, 2, 0, 1], [3, 0, 0, 0]])
Y = np.float32([[1, 0, 0, 5], [0, 0, 4, 0]])
CUBE = np.float32([[[0, 1], [2, 0], [0, 3]], [[4, 0], [0, 0], [0, 5]]])


def sparse(x):
    if isinstance(x, list):
        return [sparse(v) for v in x]
    return BCOO.fromdense(x, n_batch=1 if x.ndim > 1 else 0)


# (layer, inputs, whether the output is sparse)
ROWS = [
    (layers.Dense(3), X, False),
    (layers.Identity(), X, True),
    (layers.Flatten(), CUBE, True),
    (layers.Flatten(data_format="channels_first"), CUBE, True),
    (layers.Reshape((2, -1)), X, True),
    (layers.Permute((2, 1)), CUBE, True),
    (layers.Add(), [X, Y], True),
    (layers.Subtract(), [X, Y], True),
    (layers.Multiply(), [X, Y], True),
    (layers.Average(), [X, Y], True),
    (layers.Maximum(), [X, Y], True),
    (layers.Minimum(), [X, Y], True),
    (layers.Concatenate(), [X, Y], True),
    (layers.Dot(1), [X, Y], True),
    (layers.Embedding(6, 2), X.astype("int32"), False),
    (layers.Lambda(lambda x: kerata.ops.square(x)), X, True),
    (layers.Conv1D(2, 1), CUBE, False),
    (layers.LayerNormalization(), X, False),
    (layers.Dense(3, dtype="mixed_float16"), X, False),
]


@pytest.mark.parametrize(("layer", "inputs", "stays"), ROWS, ids=lambda x: getattr(x, "name", None))
def test_layers(layer, inputs, stays):
    expected = np.asarray(layer(inputs))
    result = layer(sparse(inputs))
    assert isinstance(result, BCOO) == stays and result.dtype == expected.dtype
    result = kerata.ops.convert_to_numpy(result)
    np.testing.assert_allclose(np.float32(result), np.float32(expected), rtol=1e-3)
    many = inputs if isinstance(inputs, list) else [inputs]
    given = [kerata.Input(x.shape[1:], dtype=x.dtype.name, sparse=True) for x in many]
    output = layer(given if isinstance(inputs, list) else given[0])
    assert (output.shape, output.sparse) == ((None, *expected.shape[1:]), stays)


@pytest.mark.parametrize("layer", [layers.Add(), layers.Maximum(), layers.Concatenate()])
def test_merging_with_a_dense_tensor_is_dense(layer):
    for inputs in ([sparse(X), Y], [Y, sparse(X)]):
        assert not isinstance(layer(inputs), BCOO)


def test_layers_of_users_get_sparse_tensors_as_they_are():
    class Doubles(layers.Layer):
        def call(self, inputs):
            self.seen = type(inputs)
            return kerata.ops.add(inputs, inputs)

    layer = Doubles()
    assert isinstance(layer(sparse(X)), BCOO) and layer.seen is BCOO
    assert layer(kerata.Input((4,), sparse=True)).sparse


def make_model():
    x = kerata.Input((4,), sparse=True, name="x")
    y = kerata.Input((4,), name="y")
    outputs = layers.Dense(2)(layers.Concatenate()([kerata.ops.tanh(x), y]))
    return kerata.Model([x, y], outputs)


def test_functional_models(tmp_path):
    model = make_model()
    assert model.layers[2].input[0].sparse or model.inputs[0].sparse
    expected = model([X, Y])
    # An input that is not declared sparse is made dense.
    np.testing.assert_allclose(model([sparse(X), sparse(Y)]), expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = kerata.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded([sparse(X), Y]), expected, rtol=1e-5)
    for copy in (loaded, kerata.models.clone_model(model)):
        assert [x.sparse for x in copy.inputs] == [True, False]
    first = kerata.Sequential([kerata.Input((4,), sparse=True), layers.Dense(1)])
    assert kerata.models.clone_model(first).inputs[0].sparse
    assert layers.InputLayer((4,), sparse=True).output.sparse


def test_training_on_sparse_data():
    target = np.float32([[1], [2]])
    losses = []
    for x in (X, sparse(X), scipy.sparse.csr_matrix(X)):
        kerata.utils.set_random_seed(0)
        model = kerata.Sequential([kerata.Input((4,), sparse=True), layers.Dense(1)])
        model.compile("sgd", "mse")
        losses.append(model.fit(x, target, epochs=2, verbose=0).history["loss"])
        assert model.predict(x, verbose=0).shape == (2, 1)
    np.testing.assert_allclose(losses[1:], losses[:1] * 2, rtol=1e-5)


WORDS = np.array([["a", "c"], ["b", "a"], ["a", "a"]], object)
NUMBERS = np.array([[1, 2], [0, 3], [2, 2]])
# (class, arguments, inputs)
ENCODERS = [
    (layers.CategoryEncoding, {"num_tokens": 4, "output_mode": "count"}, NUMBERS),
    (layers.CategoryEncoding, {"num_tokens": 4, "output_mode": "multi_hot"}, NUMBERS),
    (layers.CategoryEncoding, {"num_tokens": 4, "output_mode": "one_hot"}, NUMBERS[:, 0]),
    (
        layers.Discretization,
        {"bin_boundaries": [0.5, 1.5, 2.5], "output_mode": "multi_hot"},
        NUMBERS.astype("float32"),
    ),
    (layers.Hashing, {"num_bins": 3, "output_mode": "count"}, WORDS),
    (layers.HashedCrossing, {"num_bins": 3, "output_mode": "one_hot"}, [WORDS[:, 0], WORDS[:, 1]]),
    (layers.StringLookup, {"vocabulary": ["a", "b"], "output_mode": "multi_hot"}, WORDS),
    (layers.IntegerLookup, {"vocabulary": [1, 2], "output_mode": "count"}, NUMBERS),
    (
        layers.StringLookup,
        {"vocabulary": ["a", "b"], "idf_weights": [0.5, 1.5], "output_mode": "tf_idf"},
        WORDS,
    ),
    (
        layers.TextVectorization,
        {"vocabulary": ["a", "b"], "output_mode": "count"},
        np.array(["a b a", "c"], object),
    ),
]


@pytest.mark.parametrize(("cls", "kwargs", "inputs"), ENCODERS)
def test_sparse_outputs_of_preprocessing(cls, kwargs, inputs):
    layer = cls(sparse=True, **kwargs)
    expected = cls(**kwargs)(inputs)
    result = layer(inputs)
    assert isinstance(result, BCOO) and result.dtype == expected.dtype
    np.testing.assert_allclose(result.todense(), expected)
    assert layer.get_config()["sparse"] is True
    assert cls.from_config(layer.get_config()).sparse is True


def test_weights_of_counts_go_into_sparse_outputs():
    layer = layers.CategoryEncoding(4, output_mode="count", sparse=True)
    weights = np.float32([[0.5, 1], [2, 3], [4, 5]])
    expected = layers.CategoryEncoding(4, output_mode="count")(NUMBERS, count_weights=weights)
    np.testing.assert_allclose(layer(NUMBERS, count_weights=weights).todense(), expected)


def test_text_to_sparse_vectors_inside_a_model():
    text = kerata.Input((2,), dtype="string")
    lookup = layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot", sparse=True)
    vectors = lookup(text)
    assert vectors.sparse and vectors.shape == (None, 3)
    model = kerata.Model(text, layers.Dense(1)(vectors))
    expected = jnp.asarray(lookup(WORDS).todense()) @ model.layers[-1].kernel.value
    np.testing.assert_allclose(model(WORDS), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(WORDS, verbose=0), expected, rtol=1e-5)
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(WORDS, np.ones((3, 1)), verbose=0).history["loss"]).all()


def test_numbers_to_sparse_vectors_in_compiled_code():
    layer = layers.IntegerLookup(vocabulary=[1, 2], output_mode="count", sparse=True)
    compiled = kerata.jit(lambda x: layer(x))
    np.testing.assert_allclose(compiled(NUMBERS).todense(), layer(NUMBERS).todense())


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (layers.Discretization, {"num_bins": 3}),
        (layers.Hashing, {"num_bins": 3}),
        (layers.HashedCrossing, {"num_bins": 3}),
        (layers.StringLookup, {}),
        (layers.TextVectorization, {}),
    ],
)
def test_numbers_cannot_be_sparse(cls, kwargs):
    with pytest.raises(ValueError, match="`sparse` must be False"):
        cls(output_mode="int", sparse=True, **kwargs)
