"""The text generation example: drawing, the cache, the baselines, and a small run."""

import numpy as np
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import text_generation as example
from kerata.examples.gpt import GPT, draw
from kerata.examples.subwords import SPECIAL

SHARES = [0.1, 0.4, 0.2, 0.3]  # of choices 0 to 3; the best is 1, then 3, 2, 0


@pytest.mark.parametrize(
    "how, chances, chosen",
    [
        ({}, [0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, 0.999], [1, 1, 3, 3, 2, 2, 0, 0]),
        ({"top_k": 2}, [0, 0.57, 0.58, 0.999], [1, 1, 3, 3]),  # 0.4 of 0.7
        ({"top_k": 1}, [0, 0.999], [1, 1]),
        ({"top_p": 0.3}, [0, 0.999], [1, 1]),  # the best one always counts
        ({"top_p": 0.8}, [0.44, 0.45, 0.77, 0.78, 0.999], [1, 3, 3, 2, 2]),  # of 0.9
        ({"top_k": 3, "top_p": 0.6}, [0.57, 0.58, 0.999], [1, 3, 3]),  # 4/9 < 0.6 <= 7/9
        # Squared, and normalized: 16, 9, 4 and 1 of 30.
        ({"temperature": 0.5}, [0.53, 0.54, 0.83, 0.84, 0.96, 0.97], [1, 3, 3, 2, 2, 0]),
    ],
)
def test_draw(how, chances, chosen):
    scores = np.log(np.tile(SHARES, (len(chances), 1))).astype("float32")
    drawn = draw(scores, np.array(chances, "float32"), **{"top_k": 4, **how})
    assert np.asarray(drawn).tolist() == chosen


def test_draws_are_as_frequent_as_their_probability():
    scores = np.log(np.tile(SHARES, (20_000, 1))).astype("float32")
    chances = np.random.default_rng(0).random(20_000, "float32")
    shares = np.bincount(np.asarray(draw(scores, chances)), minlength=4) / 20_000
    np.testing.assert_allclose(shares, SHARES, atol=0.015)


@pytest.fixture(scope="module")
def small():
    kerata.utils.set_random_seed(1)
    model = GPT([*SPECIAL, *"abcdef "], length=12, width=8, heads=2, depth=2)
    model(np.zeros((1, 12), "int32"))
    for variable in model.trainable_variables:  # clearer preferences than those at the beginning
        variable.assign(variable.value * 3)
    return model


def test_the_cache_changes_nothing(small):
    for seed in range(3):
        assert small.write("abc", 7, seed=seed) == small.write(
            "abc", 7, seed=seed, with_cache=False
        )
    texts = {small.write("abc", 7, temperature=9.0, seed=seed) for seed in range(9)}
    assert len(texts) > 1  # of an untrained model, which writes many bytes that are no letters
    assert small.write("abc", 7, seed=1).startswith("abc")


def test_the_likeliest_are_those_of_the_whole_model(small):
    line = np.zeros((1, 12), "int32")  # what comes later is not seen
    line[0, :4] = small.subwords.encode("fade")
    for place in range(4, 10):
        line[0, place] = np.argmax(small(line)[0, place - 1])
    assert small.write("fade", 6, temperature=0) == small.subwords.decode(line[0, :10])


def test_the_model_sees_only_the_past(small):
    tokens = np.arange(12)[None] % 7 + 4
    first, changed = small(tokens), small(np.where(np.arange(12) == 3, 4, tokens))
    np.testing.assert_allclose(first[:, :3], changed[:, :3], atol=1e-5)
    assert np.abs(first - changed)[:, 3:].max() > 1e-2


def test_long_texts_and_none(small):
    longest = small.write("abcdef" * 4, 5)
    assert longest.startswith("bcdefabcdef")  # the end of what was given, and one more
    assert len(longest) <= 12
    with pytest.raises(ValueError, match="needs a text to go on from"):
        small.write("", 3)


def test_baselines(monkeypatch):
    monkeypatch.setattr(example, "VOCABULARY", 4)
    tokens = np.array([0, 1, 2, 3] * 100)
    watched = tokens[:40], tokens[1:41]
    unigram, bigram = example.baselines(tokens, watched, tokens[:-1], tokens[1:])
    assert unigram == pytest.approx(4, abs=0.01)
    assert 1 < bigram < 1.02  # each token follows from the one before


def test_parts_share_no_paragraph():
    paragraphs = [f"{n} " * 400 for n in range(100)]
    found = example.parts("\n\n".join(paragraphs * 2))
    assert "\n\n".join(found) == "\n\n".join(paragraphs)
    sizes = np.array([len(part) for part in found]) / sum(map(len, found))
    np.testing.assert_allclose(sizes, [0.8, 0.1, 0.1], atol=0.02)


def test_a_small_run(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(example, "LENGTH", 16)
    monkeypatch.setattr(example, "VOCABULARY", 60)
    monkeypatch.setattr(
        example, "GPT", lambda words, length: GPT(words, length, width=8, heads=2, depth=1)
    )
    random = np.random.default_rng(0)
    words = ["the cat", "a dog", "sees", "and", "hears", "the man", "it"]
    text = "\n\n".join(" ".join(random.choice(words, 12)) for _ in range(150))
    (tmp_path / "story.txt").write_text(text)
    lines = []
    scores = example.main(
        tmp_path, epochs=1, prompt="the cat", data=tmp_path / "story.txt", say=lines.append
    )
    assert list(scores) == ["this model", "bigrams", "unigrams", "times faster"]
    assert 1 < scores["bigrams"] < scores["unigrams"] < 60
    assert 1 < scores["this model"] < 100
    assert "in a fresh process: the same predictions" in "\n".join(lines)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{scores['this model']:.1f}" in page
    assert "held-out text" in page and "story.txt" in page
    assert quick == ["curves"]


def test_what_cannot_be_learned_from(tmp_path):
    (tmp_path / "short.txt").write_text("Too little.\n\nAnd too little." * 20)
    with pytest.raises(BadInput, match="the text is too short: 52 characters"):
        example.main(tmp_path, data=tmp_path / "short.txt")
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    with pytest.raises(BadInput, match="must be a text file in UTF-8, and is not: .*picture"):
        example.main(tmp_path, data=tmp_path / "picture")
