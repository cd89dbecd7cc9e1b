"""The translation example: its data, its decoding, and a small run."""

import numpy as np
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import translation as example
from kerata.examples.subwords import END, PAD, SPECIAL, START
from kerata.examples.translator import Translator


def test_numbers():
    pairs = example.numbers("en", "fr", 1500)
    assert pairs[21] == ("twenty-one", "vingt et un")
    assert len(set(pairs)) == 1500
    assert pairs == example.numbers("en", "fr", 1500)


@pytest.mark.parametrize("source, target", [("en", "xx"), ("english", "fr")])
def test_unknown_languages(source, target):
    with pytest.raises(BadInput, match="num2words has no language '(xx|english)'; it has am, ar"):
        example.numbers(source, target, 10)


def test_the_memory_answers_with_the_most_similar():
    known = [("a red cat", "1"), ("a blue dog", "2"), ("the sun", "3")]
    assert example.memory(known, ["two blue dogs", "sunny", "a red hat"]) == ["2", "3", "1"]


@pytest.fixture(scope="module")
def small():
    kerata.utils.set_random_seed(2)
    model = Translator([*SPECIAL, *"abc"], [*SPECIAL, *"xyz"], 7, width=8, heads=2, depth=1)
    model(model.arrays([("a", "x")])[0])
    for variable in model.trainable_variables:  # clearer preferences than those at the beginning
        variable.assign(variable.value * 3)
    return model


def test_arrays(small):
    inputs, targets, weights = small.arrays([("ab", "xyz"), ("c", "")])
    assert inputs["source"].tolist() == [
        [START, 4, 5, END, *[PAD] * 3],
        [START, 6, END, *[PAD] * 4],
    ]
    assert inputs["target"].tolist() == [
        [START, 4, 5, 6, END, PAD, PAD],
        [START, END, *[PAD] * 5],
    ]
    assert targets.tolist() == [[4, 5, 6, END, *[PAD] * 3], [END, *[PAD] * 6]]
    np.testing.assert_array_equal(weights, targets != PAD)


def test_translations_are_the_likeliest_steps(small):
    sentences = ["abc", "c", "bb"]
    written = small.translate(sentences)
    for sentence, text in zip(sentences, written, strict=True):
        target = np.full((1, 7), START)  # what comes later is not seen
        inputs = {"source": small.numbers(small.read, [sentence]), "target": target}
        for place in range(1, 7):
            target[0, place] = np.argmax(small(inputs)[0, place - 1])
        assert text == small.written.decode(target[0, 1:]).split(SPECIAL[END])[0]
    assert small.translate(sentences * 50) == written * 50  # in more than one batch


def test_what_is_masked_does_not_count(small):
    inputs, _, _ = small.arrays([("ab", "xyz")])
    first = small(inputs)
    # Neither what comes later in the target, nor how much padding the source has.
    later = {**inputs, "target": inputs["target"].copy()}
    later["target"][0, 3] = 4
    np.testing.assert_allclose(small(later)[0, :3], first[0, :3], atol=1e-5)
    assert np.abs(small(later)[0, 3] - first[0, 3]).max() > 1e-3
    shorter = {**inputs, "source": inputs["source"][:, :4]}
    np.testing.assert_allclose(small(shorter), first, atol=1e-5)


def test_a_small_run(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(
        example,
        "Translator",
        lambda *words, length: Translator(*words, length, width=16, heads=2, depth=1),
    )
    words = {"red": "rouge", "blue": "bleu", "green": "vert", "cat": "chat", "dog": "chien"}
    random = np.random.default_rng(0)
    lines = {
        " ".join(chosen): " ".join(map(words.get, chosen))
        for chosen in (random.choice(list(words), 4).tolist() for _ in range(200))
    }
    file = tmp_path / "pairs.tsv"
    file.write_text("\n".join(f"{a}\t{b}\tremark" for a, b in lines.items()))
    said = []
    scores = example.main(tmp_path, epochs=2, data=file, say=said.append)
    assert list(scores) == ["this model", "most similar known"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert sum(line.startswith("    ") and " -> " in line for line in said) == 6  # 3, twice
    assert "in a fresh process: the same predictions" in "\n".join(said)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "pairs.tsv" in page and f"{scores['this model']:.1%}" in page and "Should be" in page
    assert quick == ["curves", "attention"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("one\tun\ntwo deux\n", "line 2: a sentence, a tab and its translation are needed"),
        ("one\tun\none\tune\n", "1 different sentences in .*pairs.tsv are too few"),
    ],
)
def test_what_cannot_be_learned_from(tmp_path, content, message):
    (tmp_path / "pairs.tsv").write_text(content)
    with pytest.raises(BadInput, match=message):
        example.main(tmp_path, data=tmp_path / "pairs.tsv")
