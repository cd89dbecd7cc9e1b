"""The text classification example: its data, its split, and a small run."""

import numpy as np
import pytest

from kerata.cli.guard import BadInput
from kerata.examples import docstrings, text_classification as example


def test_docstrings_are_found_with_the_names_blanked_out(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").write_text('def f():\n    "1 2 3 4 5 6 7 8"')
    (tmp_path / "wrong.py").write_text("def")
    (tmp_path / "right.py").write_text(
        '"""The module says much, but it is not asked for here."""\n'
        "def short():\n    '''Too short.'''\n"
        "class B:\n    '''Makes a numpy.ndarray of\n\n    NumPy's, or np.uint8, or SciPy's.'''\n"
    )
    assert docstrings.docstrings({"x": tmp_path}, 5) == [
        ("x", "Makes a _.ndarray of _'s, or _.uint8, or _'s.", "x/right.py")
    ]
    (tmp_path / "again.py").write_text((tmp_path / "right.py").read_text())
    assert len(docstrings.docstrings({"x": tmp_path}, 5)) == 1


def test_the_libraries_are_there():
    assert all(any(folder.glob("*.py")) for folder in docstrings.libraries().values())
    assert len(docstrings.libraries()) == 6


def test_no_text_and_no_source_is_in_two_parts():
    rows = [(f"class {n % 2}", f"text {n % 500}", f"file {n % 90}") for n in range(1000)]
    names, *parts = example.parts(rows, most=200)
    assert names == ["class 0", "class 1"]
    texts = [set(x) for x, _ in parts]
    assert sum(map(len, texts)) == len(set.union(*texts)) == sum(len(x) for x, _ in parts) == 400
    assert 240 < len(texts[0]) < 320 and 20 < len(texts[1]) < 70 and 40 < len(texts[2]) < 120
    for x, y in parts:
        assert all(int(text.split()[1]) % 2 == label for text, label in zip(x, y, strict=True))
    files = [{source for _, text, source in rows if text in part} for part in texts]
    by_file = [(name, f"{source} of {name}", source) for name, _, source in rows]
    _, *parts = example.parts(by_file, most=1000)
    files = [{" ".join(text.split()[:2]) for text in x} for x, _ in parts]
    assert len(set.union(*files)) == sum(map(len, files)) == 90


def test_a_small_run(tmp_path, monkeypatch, quick):
    random = np.random.default_rng(0)
    words = {"animal": ["cat", "dog", "cow"], "plant": ["oak", "rose", "fern"]}
    lines = [
        f"{name}\ta {random.choice(own)} and a {random.choice(own)}, number {n}"
        for n in range(60)
        for name, own in words.items()
    ]
    (tmp_path / "texts.tsv").write_text("\n".join(lines))
    monkeypatch.setattr(example, "WORDS", 8)
    said = []
    scores = example.main(tmp_path, epochs=3, data=tmp_path / "texts.tsv", say=said.append)
    assert set(scores) == {
        "bigrams", "recurrent", "transformer", "logistic regression", "most frequent class",
    }  # fmt: skip
    assert scores["logistic regression"] == 1
    assert scores[next(iter(scores))] > 0.8
    assert "in a fresh process: the same predictions, bit for bit" in "\n".join(said)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in [*scores, "texts.tsv", "Taken for"]:
        assert text in page


@pytest.mark.parametrize(
    "content, message",
    [
        ("good\tA text.\nno tab here\n", "line 2: a class, a tab and a text are needed"),
        ("good\tOne text.\ngood\tAnother.", "too little text to split: 2 different texts, 1 class"),
    ],
)
def test_what_cannot_be_learned_from(tmp_path, content, message):
    (tmp_path / "texts.tsv").write_text(content)
    with pytest.raises(BadInput, match=message):
        example.main(tmp_path, data=tmp_path / "texts.tsv")
