"""What reports are made of: the page, its pictures, and the proof that a model can be reloaded."""

import re

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata.cli import pictures, reloading, report


@pytest.fixture(scope="module")
def sample():
    """Labels, probabilities and images of 20 made-up samples of ten classes."""
    generator = np.random.default_rng(0)
    return (
        generator.integers(0, 10, 20),
        generator.dirichlet(np.ones(10), 20),
        generator.uniform(size=(20, 8, 8, 1)),
    )


HISTORY = {key: [1.0, 0.5] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}


@pytest.mark.parametrize(
    "draw",
    [
        lambda labels, probabilities, images: pictures.curves(HISTORY),
        lambda labels, probabilities, images: pictures.curves(
            HISTORY, {"accuracy": "Classified right %"}
        ),
        lambda labels, probabilities, images: pictures.confusion(
            labels, probabilities.argmax(axis=1), range(10)
        ),
        lambda labels, probabilities, images: pictures.mistakes(
            images, labels, probabilities, range(10)
        ),
        lambda labels, probabilities, images: pictures.grid(images, [str(k) for k in labels]),
    ],
    ids=["curves", "one curve", "confusion", "mistakes", "grid"],
)
def test_pictures_are_pictures(sample, draw, tmp_path):
    draw(*sample).savefig(tmp_path / "it.png")
    with Image.open(tmp_path / "it.png") as picture:
        assert min(picture.size) > 500
        assert len(picture.convert("RGB").getcolors(2**24)) > 50


def test_mistakes_name_the_classes_and_keep_the_form_of_pictures(sample):
    labels, probabilities, images = sample
    labels, probabilities = labels % 3, probabilities[:, :3]
    sides = np.full(20, 2.0)
    names = ["brick", "cat", "a rather long name"]
    figure = pictures.mistakes(images[:, :4], labels, probabilities, names, sides=sides)
    above, below = figure.axes[:2]
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["brick", "cat", "a rather lo…"]
    assert above.get_aspect() * 4 / 8 == 2  # pixels are drawn so high that the whole is 2:1
    assert pictures.grid(images, sides=sides).axes[0].get_aspect() == 2


def test_a_mosaic_has_every_image_in_its_place():
    images = np.arange(5 * 2 * 3).reshape(5, 2, 3, 1)
    shown = np.ma.filled(pictures.mosaic(images, columns=3).axes[0].images[0].get_array(), -1.0)
    assert shown.shape == (2 * 3 - 1, 3 * 4 - 1)
    np.testing.assert_array_equal(shown[3:5, 4:7], images[4, ..., 0])
    assert (shown[2] == -1).all() and (shown[:, 3] == -1).all() and (shown[3:, 8:] == -1).all()


def test_a_loss_has_numbers_beside_it():
    for history in ({"loss": [1.0, 0.6]}, {"loss": [5.0, 0.02], "val_loss": [4.0, 0.1]}):
        figure = pictures.curves(history, unit="Step")
        figure.draw_without_rendering()
        axes = figure.axes[0]
        low, high = axes.get_ylim()
        assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2
        assert axes.get_xlabel() == "Step"
        assert (axes.get_legend() is None) == ("val_loss" not in history)


def full_page(folder):
    page = report.Page(folder, "Digits <8×8>", "A small network & its report.")
    page.headline("95.0%", "of 20 images")
    page.scores("Scores", "Beside a guess.", {"this model": 0.95, "guess": 0.1}, details={
        "this model": report.counted(1, "mistake"), "guess": report.counted(18, "mistake"),
    })  # fmt: skip
    page.picture("Training", "", pictures.curves(HISTORY), "curves")
    page.table("Samples", "", ["text", "length", "share"], [["a < b", 1234, "0.5"]])
    page.text("Passages", "", ["one\n  two"])
    page.write({"Samples": "20 & no more"})
    return (folder / "report.html").read_text(encoding="utf-8")


def test_a_page_needs_nothing_from_elsewhere(tmp_path):
    page = full_page(tmp_path)
    assert page.count("data:image/png;base64,") == 1
    sources = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]{5})""", page)
    assert set(sources) == {"data:"}
    assert "http" not in page and "@import" not in page and "url(" not in page


def test_a_page_says_what_it_was_given(tmp_path):
    page = full_page(tmp_path)
    for words in (
        *(
            "95.0%",
            "1 mistake<",
            "18 mistakes<",
            ">1,234<",
            '<th scope="col" class="number">share',
            "one\n  two",
        ),
        *("Digits &lt;8×8&gt;", "&amp; its report", "a &lt; b", "20 &amp; no more"),
        'class="own"><th scope="row">this model',
    ):
        assert words in page
    assert "$" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "report.html"]


@pytest.mark.parametrize(
    # Values of Wilson's formula as published tables give them.
    "share, count, low, high",
    [(0.5, 10, 0.2366, 0.7634), (1.0, 10, 0.7225, 1.0), (0.0, 10, 0.0, 0.2775)],
)
def test_wilson_interval(share, count, low, high):
    assert report.wilson_interval(share, count) == pytest.approx((low, high), abs=2e-4)


@pytest.mark.parametrize(
    "wrong, words",
    [
        (0, "No mistakes; the closest calls"),
        (1, "The one mistake, then the closest calls"),
        (2, "Both mistakes, then the closest calls"),
        (3, "All 3 mistakes, then the closest calls"),
        (12, "All 12 mistakes"),
        (13, "The 12 worst of 13 mistakes"),
    ],
)
def test_title_counts_the_mistakes(wrong, words):
    assert pictures._how_many(wrong, 12) == words


def test_predictions_in_a_fresh_process(tmp_path):
    inputs = {"a": kerata.Input((2,), name="a"), "b": kerata.Input((2,), name="b")}
    model = kerata.Model(inputs, inputs["a"] + 2 * inputs["b"])
    model.save(tmp_path / "model.keras")
    a, b = np.ones((3, 2), "float32"), np.full((3, 2), 2, "float32")
    again = reloading.elsewhere(tmp_path / "model.keras", {"a": a, "b": b})
    np.testing.assert_array_equal(again, np.full((3, 2), 5))


def test_a_model_that_cannot_be_reloaded_is_reported(tmp_path):
    broken = tmp_path / "model.keras"
    broken.write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match=r"could not be used again(.|\n)*model\.keras"):
        reloading.elsewhere(broken, np.zeros((1, 8, 8, 1), "float32"))


def test_sameness_admits_a_difference():
    assert reloading.sameness([1.0], [1.0]) == "the same predictions, bit for bit"
    assert "differ by at most 2.0e-06" in reloading.sameness([0.0], [2e-6])
    assert reloading.sameness(["a", "b"], ["a", "b"]) == "the same predictions, bit for bit"
    assert reloading.sameness("a", "b") == "OTHER predictions"


def test_what_a_page_is_told_is_said(tmp_path, sample, monkeypatch):
    said, drawn = [], []
    monkeypatch.setattr(report.Page, "picture", lambda *given, **_: drawn.append(given[-1]))
    page = report.Page(tmp_path, "Digits", say=said.append)
    page.accuracy({"this model": 0.95, "guess": 0.1}, 20, "test images")
    assert said == [
        "\nRight on 20 test images",
        "  this model     95.0%   1 mistake",
        "  guess          10.0%   18 mistakes",
    ]
    page.training(HISTORY)
    labels, probabilities, images = sample
    page.mistakes(images, labels, probabilities, range(10))
    texts = [f"text {i} {'long ' * 99}" for i in range(20)]
    page.mistakes(texts, labels, probabilities, list("abcdefghij"), shown=3)
    assert drawn == ["curves", "confusion", "mistakes", "confusion"]
    page.write({"Seen": "nothing"})
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    worst = pictures.worst_first(labels, probabilities)[:4]
    assert [f"<td>text {i} long" in written for i in worst] == [True] * 3 + [False]
    # Wilson's interval of 19 in 20.
    assert "between 76.4% and 99.1%" in written and "95.0%</div>" in written
    assert said[-1].startswith(f"\nSee {tmp_path / 'report.html'} (")


def test_the_worst_mistakes_are_first():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    # The third is most wrong, then the fourth; the second is right, but nearly was not.
    assert pictures.worst_first(np.array([0, 0, 0, 0]), probabilities).tolist() == [2, 3, 1, 0]


def test_a_page_reloads_a_model_with_its_own_words(tmp_path):
    said = []
    page = report.Page(tmp_path, "Halves", say=said.append)
    model = kerata.Sequential([kerata.Input((2,)), kerata.layers.Rescaling(0.5)])
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(page.reload(model, np.ones((1, 2))), [[0.5, 0.5]])
    assert said == ["\nmodel.keras, loaded in a fresh process: the same predictions, bit for bit"]
    assert page.facts["Model"] == "model.keras, 0 parameters"


@pytest.mark.parametrize(
    "program, command",
    [
        ("/usr/bin/kerata", "kerata demo digits --prompt 'a b'"),
        ("/lib/kerata/__main__.py", "kerata demo digits --prompt 'a b'"),
        ("examples/digits.py", "python examples/digits.py demo digits --prompt 'a b'"),
    ],
)
def test_the_command_can_be_typed_again(monkeypatch, program, command):
    monkeypatch.setattr("sys.argv", [program, "demo", "digits", "--prompt", "a b"])
    assert report.command_line() == command


@pytest.mark.parametrize(
    "own, other, words",
    [
        ([1, 1, 1, 1], [2, 3, 2, 3], "1.5 smaller than those of trees.* better"),
        ([2, 3, 2, 3], [1, 1, 1, 1], "1.5 larger .* worse"),
        ([1, 2, 3, 4], [4, 3, 2, 1], "neither better nor worse"),
    ],
)
def test_the_verdict_knows_chance(own, other, words):
    verdict = report.compared(np.array(own, float), np.array(other, float), "trees")
    assert re.search(words, verdict)
