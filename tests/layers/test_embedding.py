import numpy as np
import pytest

import kerata
from kerata import layers
from kerata.engine.masks import get_mask

IDS = np.array([[0, 2, 1], [4, 4, 0]])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_same_as_keras(same_as_keras, dtype):
    same_as_keras("Embedding", 5, 3, inputs=IDS, dtype=dtype)
    same_as_keras("Embedding", 5, 3, inputs=IDS.astype("float32")[0], dtype=dtype)


def test_large_numbers_are_not_rounded():
    layer = layers.Embedding(400, 1, dtype="mixed_bfloat16", weights=[np.arange(400.0)[:, None]])
    ids = np.array([257, 258, 259], "float32")
    assert layer.embeddings.numpy()[ids.astype(int)].ravel().tolist() == [257, 258, 259]
    np.testing.assert_array_equal(layer(ids), layer(ids.astype("int32")))


def test_mask():
    y = layers.Embedding(5, 3, mask_zero=True)(IDS)
    np.testing.assert_array_equal(get_mask(y), IDS != 0)
    assert get_mask(layers.Embedding(5, 3)(IDS)) is None


@pytest.mark.parametrize("weights", [np.eye(3), [np.eye(3)]])
def test_weights(weights):
    layer = layers.Embedding(3, 3, weights=weights)
    np.testing.assert_array_equal(layer(np.array([1])), [[0, 1, 0]])
    assert "weights" not in layer.get_config()


@pytest.mark.parametrize("ids, words", [([0, 5], "0 to 5"), ([-1, 3], "-1 to 3")])
def test_out_of_range(ids, words):
    with pytest.raises(ValueError, match=f"(?s)Embedding 'x' takes integers from 0 to 4.*{words}"):
        layers.Embedding(5, 3, name="x")(np.array(ids))


def test_out_of_range_when_compiled():
    layer = layers.Embedding(5, 3)
    layer.build()
    assert np.isnan(kerata.jit(lambda x: layer(x))(np.array([7]))).all()


def test_no_mask_on_the_way_back():
    layer = layers.ReversibleEmbedding(5, 3, mask_zero=True)
    y = layer(IDS)
    np.testing.assert_array_equal(get_mask(y), IDS != 0)
    assert get_mask(layer(np.zeros((2, 3)), reverse=True)) is None


@pytest.mark.parametrize(
    "args, name", [((0, 3), "input_dim"), ((3, -1), "output_dim"), ((4.0, 3), "input_dim")]
)
def test_refuses_sizes(args, name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer"):
        layers.Embedding(*args)


@pytest.mark.parametrize(
    "options",
    [{}, {"tie_weights": False}, {"logit_soft_cap": 2.0}, {"reverse_dtype": "bfloat16"}],
    ids=str,
)
def test_reversible(same_as_keras, data, options):
    same_as_keras("ReversibleEmbedding", 5, 3, inputs=IDS, **options)
    loose = 1e-2 if "reverse_dtype" in options else 1e-5
    x = data(2, 3)
    same_as_keras(
        "ReversibleEmbedding", 5, 3, inputs=x, call={"reverse": True}, tolerance=loose, **options
    )
