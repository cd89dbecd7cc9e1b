"""The transfer example at a reduced size, and its mistakes."""

import numpy as np
import pytest

import kerata
from kerata import layers
from kerata.cli import pictures
from kerata.cli.guard import BadInput
from kerata.examples import image_classification, scenes, transfer_learning as example


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder of images, and files of a backbone and of what is none."""
    folder = tmp_path_factory.mktemp("given")
    image_classification.write_tiles(folder / "images", ["page", "coffee"], per_class=12)
    image = kerata.Input((16, 16, 3))
    small = layers.AveragePooling2D(4)(layers.Rescaling(1 / 255)(image))
    kerata.Model(image, layers.Dense(4)(layers.Flatten()(small))).save(folder / "backbone.keras")
    kerata.Model(image, layers.Rescaling(2.0)(image)).save(folder / "images.keras")
    return folder


def test_it_learns_on_top_of_a_saved_backbone(tmp_path, monkeypatch, given, quick):
    for picture in ("confusion", "mistakes"):  # tested by themselves, and slow
        monkeypatch.setattr(pictures, picture, lambda *_, **options: pictures.new(1, 1)[0])
    scores = example.main(
        tmp_path, epochs=2, few=3, runs=1, data=given / "images",
        backbone=given / "backbone.keras", say=lambda text: None,
    )  # fmt: skip
    assert list(scores) == ["fine-tuned", "frozen", "from nothing", "pixels", "gain"]
    assert all(0 <= share <= 1 for share in list(scores.values())[:4])
    assert scores["gain"] == pytest.approx(scores["fine-tuned"] - scores["from nothing"])
    assert quick == ["training", "curves", "confusion", "mistakes"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{scores['fine-tuned']:.1%}" in page and "bit for bit" in page
    model = kerata.models.load_model(tmp_path / "model.keras")
    assert model.input_shape == (None, 16, 16, 3) and model.output_shape == (None, 2)
    assert (tmp_path / "classes.txt").read_text().split() == ["coffee", "page"]


def test_training_images_are_not_test_images():
    labels = np.repeat([0, 1, 2], [9, 7, 5])
    train, test = example.few_of_each(labels, 4, seed=0)
    assert labels[train].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert sorted([*train, *test]) == list(range(21))
    assert set(train) != set(example.few_of_each(labels, 4, seed=1)[0])


def test_letters_are_drawn_like_digits():
    signs, which = scenes.letters(300, np.random.default_rng(0))
    assert signs.shape == (300, 8, 8) and 0 <= signs.min() and 14 < signs.max() <= 16
    assert set(which) == set(range(26))
    means = [signs[which == letter].mean(axis=0) for letter in (8, 12)]  # i is thinner than m
    assert means[0].sum() < means[1].sum()
    pictures = scenes.in_white(signs[:5], "test", 20, np.random.default_rng(0))
    assert pictures.shape == (5, 20, 20, 1) and 200 < pictures.max() <= 255


def test_the_own_backbone_makes_vectors_of_grey_pictures():
    assert example.convnet().input_shape == (None, 20, 20, 1)
    assert example.convnet().output_shape == (None, 128)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"backbone": "none.keras"}, "--backbone: There is no such file"),
        ({"backbone": "images.keras"}, r"--backbone must make vectors .* \(None, 16, 16, 3\)"),
        ({"backbone": None}, "--data needs --backbone"),
        ({"few": 12}, "--few must be less than 12, the images of the rarest class"),
        ({"data": "nowhere"}, "--data: There is no folder"),
    ],
)
def test_mistakes_get_one_line(tmp_path, given, options, words):
    options = {"backbone": "backbone.keras", "data": "images"} | options
    options = {k: given / v if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(BadInput, match=words) as caught:
        example.main(tmp_path, say=lambda text: None, **options)
    assert "\n" not in str(caught.value)
