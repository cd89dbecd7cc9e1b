import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from kerata import KerasTensor, layers
from kerata.layers.preprocessing import hashes

VALUES = json.loads(Path(__file__).with_name("tensorflow_values.json").read_text("utf-8"))
CORPUS = VALUES["corpus"]


@pytest.mark.parametrize("name", VALUES["text"])
def test_texts_in_many_languages_as_in_tensorflow(name):
    expected = VALUES["text"][name]
    layer = layers.TextVectorization(**expected["options"])
    layer.adapt(CORPUS)
    assert layer.get_vocabulary() == expected["vocabulary"]
    outputs = layer(np.array(CORPUS)[:, None])
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-4)
    symbolic = layer(KerasTensor((None, 1), "string"))
    assert str(outputs.dtype) == symbolic.dtype
    for known, size in zip(symbolic.shape, outputs.shape, strict=True):
        assert known in (None, size)


FORMS = {
    "list": ["the cat", "a dog dog"],
    "column": [["the cat"], ["a dog dog"]],
    "array": np.array(["the cat", "a dog dog"]),
    "objects": np.array(["the cat", "a dog dog"], object),
    "bytes": np.array([b"the cat", b"a dog dog"]),
    "a mixture": ["the cat", b"a dog dog"],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_text(form):
    layer = layers.TextVectorization(vocabulary=["cat", "dog"])
    assert layer(FORMS[form]).tolist() == [[1, 2, 0], [1, 3, 3]]


def test_a_single_text_is_a_row():
    layer = layers.TextVectorization(vocabulary=["cat"], output_sequence_length=3)
    assert layer("the cat").tolist() == [1, 2, 0]


def test_byte_strings_may_be_in_another_encoding():
    layer = layers.TextVectorization(vocabulary=["café"], encoding="latin-1")
    assert layer(["un café".encode("latin-1")]).tolist() == [[1, 2]]


def test_no_texts_and_zero_bytes():
    layer = layers.TextVectorization(vocabulary=["a", "b"])
    assert layer(np.zeros(0, object)).shape == (0, 0)
    assert layer(["a\0 b", "b"]).tolist() == [[1, 3], [3, 0]]


def test_one_hot_has_no_vector_for_padding():
    layer = layers.TextVectorization(vocabulary=["a"], output_mode="one_hot")
    assert layer(["a z", "a"]).tolist() == [[[0, 1], [1, 0]], [[0, 1], [0, 0]]]


def bars(texts):
    assert isinstance(texts, np.ndarray) and isinstance(texts[0], str)
    return [text.split("|") for text in texts]


def without_digits(texts):
    return np.char.replace(texts, "1", "")


def test_functions_of_the_users_own():
    layer = layers.TextVectorization(standardize=without_digits, split=bars)
    layer.adapt(["a1|b", "b"])
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a"]
    assert layer(["b|c|1a"]).tolist() == [[2, 1, 3]]


@pytest.mark.parametrize(
    "options",
    [
        {"split": "character"},
        {"split": lambda texts: [text.split() for text in texts]},
        {"standardize": lambda texts: texts},
    ],
)
def test_one_long_text_does_not_widen_the_others(options):
    layer = layers.TextVectorization(**options)
    texts = ["ab"] * 1000 + ["ab" * 5000]
    tracemalloc.start()
    layer.adapt(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000  # 1001 texts of 10,000 characters would take 40 MB


def test_learning_from_batches():
    whole, parts = (layers.TextVectorization(output_mode="tf_idf") for _ in range(2))
    whole.adapt(CORPUS)
    parts.adapt(np.array(CORPUS[i : i + 2]) for i in range(0, len(CORPUS), 2))
    assert parts.get_vocabulary() == whole.get_vocabulary()
    np.testing.assert_allclose(parts(CORPUS), whole(CORPUS), rtol=1e-6)
    parts.adapt(([text] for text in CORPUS), steps=1)
    assert parts.get_vocabulary(include_special_tokens=False)[0] == "the"


@pytest.mark.parametrize(
    "make, kind, words",
    [
        (lambda: layers.TextVectorization(standardize="upper"), ValueError, "standardize"),
        (lambda: layers.TextVectorization(split="commas"), ValueError, "split"),
        (lambda: layers.TextVectorization(ngrams="2"), ValueError, "ngrams"),
        (lambda: layers.TextVectorization(ngrams=0), ValueError, "ngrams"),
        (lambda: layers.TextVectorization(max_tokens="5"), ValueError, "max_tokens"),
        (
            lambda: layers.TextVectorization(output_sequence_length=-3),
            ValueError,
            "output_sequence_length.*positive",
        ),
        (lambda: layers.TextVectorization(ragged=True), ValueError, "ragged"),
        (
            lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3),
            ValueError,
            "output_sequence_length",
        ),
        (lambda: layers.TextVectorization()([["a", "b"]]), ValueError, r"\(batch, 1\)"),
        (lambda: layers.TextVectorization()([1, 2]), TypeError, "takes text.*IntegerLookup"),
        (
            lambda: layers.TextVectorization()(np.array(["a", np.nan], object)),
            TypeError,
            "element 1.*Missing values",
        ),
        (
            lambda: layers.TextVectorization.from_config({"vocabulary": "/etc/passwd"}),
            ValueError,
            "may not name a file",
        ),
    ],
)
def test_refuses(make, kind, words):
    with pytest.raises(kind, match=f"(?s){words}"):
        make()


@pytest.mark.parametrize("name, key", [("farmhash", None), ("siphash", (133, -7))])
def test_hashes_of_all_lengths(name, key):
    strings = [bytes((37 * i + n) % 251 for i in range(n)) for n in VALUES["lengths"]]
    assert hashes.buckets(strings, 2**62, key).tolist() == VALUES[name]


def test_published_siphash():
    """The vector in the appendix of Aumasson and Bernstein, 2012."""
    key = [int.from_bytes(bytes(range(i, i + 8)), "little") for i in (0, 8)]
    assert hashes.hashes([bytes(range(15))], key)[0] == 0xA129CA6149BE45E5


def test_hashed_as_in_tensorflow():
    words, numbers = VALUES["words"], VALUES["numbers"]
    assert layers.Hashing(1000)(words).tolist() == VALUES["hashed words"]
    assert layers.Hashing(9, mask_value="a")(words).tolist() == VALUES["masked words"]
    assert layers.Hashing(1000)(numbers).tolist() == VALUES["hashed numbers"]
    assert layers.Hashing(1000)(np.array(numbers) + 0.25).tolist()[2] == VALUES["hashed numbers"][2]
    crossing = layers.HashedCrossing(1000)
    assert crossing((words[1:], np.array(numbers))).tolist() == VALUES["crossed"]
    unknown = layers.StringLookup(vocabulary=["a"], num_oov_indices=50)
    assert unknown(words).tolist() == VALUES["unknown words"]
