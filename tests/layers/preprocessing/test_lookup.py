import json

import jax
import numpy as np
import pytest

import kerata
from kerata import KerasTensor, layers

WORDS = ["a", "b", "c"]


def lookup(**options):
    return layers.StringLookup(**{"vocabulary": WORDS, **options})


def test_a_lookup_that_has_not_learned_says_so():
    with pytest.warns(UserWarning, match=r"(?s)no vocabulary yet.*adapt\(data\)"):
        assert layers.StringLookup()(["a"]).tolist() == [0]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [[1, 2, 0], [3, 3, 0]]),
        ({"mask_token": "z"}, [[2, 3, 0], [4, 4, 0]]),
        ({"output_mode": "one_hot"}, np.eye(4)[[[1, 2, 0], [3, 3, 0]]]),
        ({"output_mode": "multi_hot"}, [[1, 1, 1, 0], [1, 0, 0, 1]]),
        ({"output_mode": "count"}, [[1, 1, 1, 0], [1, 0, 0, 2]]),
        ({"output_mode": "count", "mask_token": "z"}, [[0, 1, 1, 0], [0, 0, 0, 2]]),
        (
            {"output_mode": "tf_idf", "idf_weights": [0.5, 1.0, 1.5]},
            [[1, 0.5, 1, 0], [1, 0, 0, 3]],
        ),
        (
            {"output_mode": "count", "max_tokens": 6, "pad_to_max_tokens": True},
            [[1, 1, 1, 0, 0, 0], [1, 0, 0, 2, 0, 0]],
        ),
    ],
)
def test_modes(options, expected):
    layer = lookup(**options)
    outputs = layer([["a", "b", "z"], ["c", "c", "z"]])
    np.testing.assert_allclose(outputs, expected)
    symbolic = layer(KerasTensor((None, 3), "string"))
    assert (symbolic.shape[1:], symbolic.dtype) == (outputs.shape[1:], str(outputs.dtype))
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    np.testing.assert_allclose(again([["a", "b", "z"], ["c", "c", "z"]]), expected)


def test_learning_sorts_by_frequency_then_backwards():
    layer = layers.StringLookup(max_tokens=4)
    layer.adapt(["x", "a", "b", "a", "[UNK]", "c"])
    assert layer.get_vocabulary() == ["[UNK]", "a", "x", "c"]
    layer.adapt([["q", b"q"], ["r", "s"]])
    assert layer.get_vocabulary() == ["[UNK]", "q", "s", "r"]


def test_learned_weights():
    layer = layers.StringLookup(output_mode="tf_idf")
    layer.adapt([["a", "a"], ["a", "b"], ["b", "c"]])
    rare, common = np.log(1 + 3 / 2), np.log(1 + 3 / 3)
    # Counts decide the order; c comes once, in one of three samples.
    assert layer.get_vocabulary() == ["[UNK]", "a", "b", "c"]
    np.testing.assert_allclose(layer([["a", "c"]]), [[0, common, 0, rare]], rtol=1e-6)


@pytest.mark.parametrize("invert", [False, True])
def test_there_and_back(invert):
    forth, back = lookup(), lookup(invert=True)
    assert back(forth([["a", "z"], ["c", "b"]])).tolist() == [["a", "[UNK]"], ["c", "b"]]
    numbers = layers.IntegerLookup(vocabulary=[7, 9])
    again = layers.IntegerLookup(vocabulary=numbers.get_vocabulary(), invert=True)
    assert again(numbers([9, 5, 7])).tolist() == [9, -1, 7]


def test_unknown_integers():
    data = [5, 100, 101, 102, -3]
    assert layers.IntegerLookup(vocabulary=[5], num_oov_indices=2)(data).tolist() == [2, 0, 1, 0, 1]
    hashed = layers.IntegerLookup(vocabulary=[5], num_oov_indices=2, oov_method="farmhash")
    assert set(hashed(data).tolist()) <= {0, 1, 2}
    with pytest.raises(ValueError, match="(?s)all tokens must be.*100"):
        layers.IntegerLookup(vocabulary=[5], num_oov_indices=0)(data)


def test_large_integers_keep_their_digits():
    layer = layers.IntegerLookup(vocabulary=[2**40, 2**40 + 1])
    assert layer(np.array([2**40 + 1])).tolist() == [2]


@pytest.mark.parametrize("layer", [
    layers.IntegerLookup(vocabulary=[3, 4]),
    layers.IntegerLookup(vocabulary=[3, 4], output_mode="multi_hot"),
    layers.Hashing(5),
])  # fmt: skip
def test_numbers_work_inside_compiled_functions(layer):
    x = np.array([[3, 7], [4, 4]], "int32")
    np.testing.assert_array_equal(kerata.jit(layer)(x), layer(x))
    np.testing.assert_array_equal(jax.jit(jax.vmap(layer))(x[:, None])[:, 0], layer(x))


def test_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("a\r\nß\n狐\n".encode())
    layer = layers.StringLookup(vocabulary=path, mask_token="")
    assert layer.get_config()["vocabulary"] is None
    assert layer.get_vocabulary() == ["", "[UNK]", "a", "ß", "狐"]
    layer = layers.StringLookup()
    layer.set_vocabulary(["ß", "\u2028 not a line's end", "狐"])
    layer.save_assets(tmp_path)
    twin = layers.StringLookup()
    twin.load_assets(tmp_path)
    assert twin.get_vocabulary() == layer.get_vocabulary()
    layer.set_vocabulary(["two\nlines"])
    with pytest.raises(ValueError, match="line break"):
        layer.save_assets(tmp_path)


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_an_empty_token_at_the_end_is_saved(mode, tmp_path):
    model = kerata.Sequential([kerata.Input((2,), dtype="string")])
    model.add(layers.StringLookup(output_mode=mode, name="lookup"))
    model.layers[0].adapt(["a", "a", ""])
    model.save(tmp_path / "model.keras")
    twin = kerata.saving.load_model(tmp_path / "model.keras")
    assert twin.layers[0].get_vocabulary() == ["[UNK]", "a", ""]
    np.testing.assert_array_equal(twin([["a", ""]]), model([["a", ""]]))


def test_a_vocabulary_of_nothing_is_saved(tmp_path):
    layer = layers.IntegerLookup(num_oov_indices=0)
    layer.save_assets(tmp_path)
    layer.load_assets(tmp_path)
    assert layer.get_vocabulary() == []


def test_inverse_table_follows_the_vocabulary():
    layer = layers.StringLookup(vocabulary=["a"], invert=True)
    assert layer([1]).dtype == object  # in strings of a fixed width the longest sets the size
    layer.set_vocabulary(["b", "a long one"])
    assert layer([1, 2, 3]).tolist() == ["b", "a long one", "[UNK]"]


def test_a_vocabulary_in_use_keeps_its_size():
    layer = layers.StringLookup(output_mode="multi_hot")
    layer.adapt(["a", "b"])
    layer.adapt(["a", "b", "c"])  # nobody uses it yet
    layer(KerasTensor((None, 2), "string"))
    with pytest.raises(RuntimeError, match="4 columns"):
        layer.adapt(["a"])
    assert layer.vocabulary_size() == 4


@pytest.mark.parametrize(
    "make, kind, words",
    [
        (lambda: lookup(vocabulary=["a", "a"]), ValueError, "only once.*'a'"),
        (lambda: lookup(mask_token="b"), ValueError, "special tokens.*place 1"),
        (lambda: lookup(max_tokens=2), ValueError, "at most max_tokens=2"),
        (lambda: lookup(max_tokens=1), ValueError, "greater than 1"),
        (lambda: lookup(output_mode="tf_idf"), ValueError, "idf_weights"),
        (lambda: lookup(idf_weights=[1]), ValueError, "idf_weights"),
        (lambda: lookup(output_mode="tf_idf", idf_weights=[1]), ValueError, "each of the 3"),
        (lambda: lookup(vocabulary=[]), ValueError, "at least one token"),
        (lambda: lookup(vocabulary="no/such/file.txt"), ValueError, "no such file"),
        (lambda: lookup(invert=True, output_mode="count"), ValueError, "invert=True"),
        (lambda: lookup(salt="x"), ValueError, "salt"),
        (lambda: lookup(pad_to_max_tokens=True), ValueError, "max_tokens"),
        (lambda: lookup().adapt(["a"]), ValueError, "nothing to learn"),
        (lambda: lookup()([1, 2]), TypeError, "takes text"),
        (lambda: layers.IntegerLookup(vocabulary=[1])(["a"]), TypeError, "StringLookup"),
        (
            lambda: layers.StringLookup(output_mode="count")(["a"]),
            RuntimeError,
            "needs a vocabulary",
        ),
        (
            lambda: layers.StringLookup(4, output_mode="tf_idf", pad_to_max_tokens=True)(["a"]),
            RuntimeError,
            r"needs a vocabulary.*adapt\(\)",
        ),
        (
            lambda: kerata.jit(lookup(invert=True))(np.array([1])),
            TypeError,
            "cannot hold",
        ),
        (lambda: layers.Hashing(0), ValueError, "num_bins"),
        (lambda: layers.Hashing(3, dtype="float32"), ValueError, "int32"),
        (lambda: layers.HashedCrossing(3)(["a"]), ValueError, "at least two"),
        (lambda: layers.HashedCrossing(3)((["a"], [1, 2])), ValueError, "one shape"),
        (lambda: layers.HashedCrossing(3)((["a"], [1.5])), ValueError, "text or integers"),
    ],
)
def test_refuses(make, kind, words):
    with pytest.raises(kind, match=f"(?s){words}"):
        make()


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("one_hot", np.eye(3)[[[1, 0], [0, 0]]]),
        ("multi_hot", [[1, 1, 0], [1, 0, 0]]),
        ("count", [[1, 1, 0], [2, 0, 0]]),
    ],
)
def test_encoded_bins(mode, expected):
    bins = np.array(layers.Hashing(3)(["A", "B"]))
    assert bins.tolist() == [1, 0]
    np.testing.assert_allclose(
        layers.Hashing(3, output_mode=mode)([["A", "B"], ["B", "B"]]), expected
    )


def test_crossed_one_hot():
    crossing = layers.HashedCrossing(5, output_mode="one_hot")
    outputs = crossing((np.array([["A"], ["B"]]), np.array([[101], [101]])))
    assert outputs.argmax(-1).tolist() == [1, 4]
    assert crossing([KerasTensor((None, 1), "string"), KerasTensor((None, 1), "int32")]).shape == (
        None,
        5,
    )
