"""The demo's pieces: the augmentation, the pictures and the report."""

import re

import numpy as np
import pytest
from PIL import Image

from kerata.cli.demos import pictures, report

RESULTS = {
    "scores": {"this model": 0.95, "logistic regression": 0.9, "majority class": 0.1},
    "test_images": 20,
    "train_images": 72,
    "validation_images": 8,
    "views": 8,
    "epochs": 1,
    "seed": 3,
    "parameters": 1234,
    "reload_difference": 0.0,
    "seconds": 12.3,
    "versions": "kerata <0>",
}


@pytest.fixture
def folder(tmp_path):
    """A folder with the three pictures of a made-up result."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 20)
    probabilities = generator.dirichlet(np.ones(10), 20)
    history = {key: [1.0, 0.5] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    pictures.curves(history, tmp_path / "curves.png")
    pictures.confusion(labels, probabilities.argmax(axis=1), tmp_path / "confusion.png")
    images = generator.uniform(size=(20, 8, 8, 1))
    pictures.mistakes(images, labels, probabilities, tmp_path / "mistakes.png")
    return tmp_path


def test_pictures_are_pictures(folder):
    for name in ("curves", "confusion", "mistakes"):
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 500
            assert len(picture.convert("RGB").getcolors(2**24)) > 50


def test_report_needs_nothing_from_elsewhere(folder):
    report.write(folder, RESULTS)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    sources = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]{5})""", page)
    assert set(sources) == {"data:"}
    assert "http" not in page and "@import" not in page and "url(" not in page


def test_report_says_what_was_found(folder):
    report.write(folder, RESULTS)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("95.0%", "1 mistake.", "2 mistakes", "18 mistakes", "1,234", "bit for bit"):
        assert words in page
    assert "kerata demo digits --epochs 1 --seed 3" in page
    assert "kerata &lt;0&gt;" in page and "$" not in page
    assert not list(folder.glob("*.part"))


def test_report_admits_a_difference():
    assert "differ by at most 2.0e-06" in report.sameness(2e-6)


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
