"""Photographs and backbones, and the two examples that use them."""

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import backbones, deep_dream, photographs, style_transfer

QUIET = {"say": lambda line: None}


def small():
    """Two layers in place of the small convnet, under its names."""
    images = kerata.Input((None, None, 3))
    x = images / 255
    for block in range(1, 5):
        x = kerata.layers.Conv2D(4, 3, padding="same", activation="elu", name=f"block{block}")(x)
    return kerata.Model(images, x)


@pytest.fixture
def untrained(monkeypatch, quick):
    def trained(epochs, seed, say):
        kerata.utils.set_random_seed(seed)
        return small(), 0.5, 0.1

    monkeypatch.setattr(backbones, "trained_on_the_spot", trained)
    monkeypatch.setattr(backbones, "small_convnet", small)


@pytest.mark.parametrize("name", ["china", "coffee", "brick", "motorcycle"])
def test_photographs(name):
    image = photographs.photograph(name, 96)
    assert image.dtype == np.uint8 and max(image.shape[:2]) == 96 and image.shape[2] == 3
    assert 0 <= image.min() < 128 < image.max() <= 255


def test_an_image_file_in_grey(tmp_path):
    Image.new("L", (40, 20), 77).save(tmp_path / "grey.png")
    image = photographs.photograph(str(tmp_path / "grey.png"), 30)
    assert image.shape == (15, 30, 3)
    np.testing.assert_allclose(image, 77, atol=1e-3)


def test_an_image_that_cannot_be_read(tmp_path):
    with pytest.raises(BadInput, match="no photograph 'chinaa'; give an image file, or one of ast"):
        photographs.photograph("chinaa", 96)
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(BadInput, match="no image that can be read: .*a.png"):
        photographs.photograph(str(tmp_path / "a.png"), 96)


def test_pieces_are_cut_from_the_image():
    image = np.arange(50 * 60, dtype="float32").reshape(50, 60, 1)
    pieces = backbones.cut(image, 20, np.random.default_rng(0))
    assert pieces.shape == (20, 48, 48, 1)
    rows, columns = np.divmod(pieces[:, 0, 0, 0], 60)
    assert set(rows) == {0, 1, 2} and columns.max() <= 12
    np.testing.assert_array_equal(pieces[0], image[int(rows[0]) :, int(columns[0]) :][:48, :48])


def test_training_on_the_spot_never_sees_the_right_quarter(monkeypatch):
    def photograph(name, longest):
        image = np.zeros((48, 400, 3), "float32")
        image[:, :300] = 200 if name == "china" else 50
        image[:, 300:] = 201 if name == "china" else 51
        return image

    seen = []

    def cut(part, count, generator):
        seen.append(set(np.unique(part)))
        return part[None, :, :48].repeat(count, axis=0)

    monkeypatch.setattr(backbones, "photograph", photograph)
    monkeypatch.setattr(backbones, "SEEN", ["china", "flower"])
    monkeypatch.setattr(backbones, "cut", cut)
    monkeypatch.setattr(backbones, "small_convnet", small)
    model, accuracy, chance = backbones.trained_on_the_spot(1, 0, QUIET["say"], pieces=64)
    assert seen == [{200}, {50}, {201}, {51}]
    assert chance == 0.5 and accuracy >= 0.5 and model.output_shape == (None, None, None, 4)


def test_weights_from_a_file(tmp_path, monkeypatch):
    path = tmp_path / "notop.weights.h5"
    path.write_bytes(b"")

    def vgg16(include_top, weights, input_tensor):
        if weights != str(path):
            raise ValueError("another\nmodel")
        assert not include_top
        return kerata.Model(kerata.utils.get_source_inputs(input_tensor), input_tensor)

    monkeypatch.setattr(kerata.applications.vgg16, "VGG16", vgg16)
    model, names, about = backbones.backbone(path, "vgg16", 1, 0, QUIET["say"])
    assert about == "VGG16 with the weights of notop.weights.h5"
    image = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype("float32")
    prepared = kerata.applications.vgg16.preprocess_input(image.copy())
    np.testing.assert_allclose(model(image), prepared, rtol=1e-5, atol=1e-4)
    other = tmp_path / "other.h5"
    other.write_bytes(b"")
    for arguments, message in (
        ((other, "vgg16"), r"other.h5 holds no weights of vgg16 without its classifier \(another"),
        ((path, "resnet"), "--architecture must be one of vgg16, vgg19, inception_v3"),
        ((tmp_path / "none.h5", "vgg16"), "no file of weights: .*none.h5"),
    ):
        with pytest.raises(BadInput, match=message) as raised:
            backbones.backbone(*arguments, 1, 0, QUIET["say"])
        assert "\n" not in str(raised.value)


def test_a_small_dream(tmp_path, untrained, monkeypatch):
    monkeypatch.setattr(deep_dream, "OCTAVES", 2)
    gains = deep_dream.main(tmp_path, longest=64, steps=3, **QUIET)
    assert list(gains) == ["block1", "block2", "block3", "block4"]
    assert all(gain["dream"] > max(1, gain["noise"]) for gain in gains.values())
    with Image.open(tmp_path / "dream_block4.png") as image:
        assert image.size == (64, 43)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ["trained on the spot", "Dream against noise", "bit for bit"]:
        assert text in page


def test_a_small_style_transfer(tmp_path, untrained):
    options = {"content": "coffee", "style": "grass", "longest": 64, "steps": 20}
    scores = style_transfer.main(tmp_path, **options, **QUIET)
    assert list(scores) == ["this picture", "colours alone", "the photograph", "the style"]
    assert scores["the style"]["texture"] == scores["the style"]["colour"] == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ["trained on the spot", "bit for bit", "colours alone"]:
        assert text in page
    assert scores["the photograph"]["likeness"] == pytest.approx(1)
    assert scores["colours alone"]["colour"] < scores["the photograph"]["colour"]


def test_gram_matrices():
    maps = np.array([[[[1.0, 2.0], [3.0, 4.0]]]], "float32")
    np.testing.assert_allclose(style_transfer.gram(maps), [[5, 7], [7, 10]])


def test_colours_of_another_picture():
    random = np.random.default_rng(0)
    image = random.uniform(50, 150, (60, 60, 3)) @ np.array([[1, 0.3, 0], [0, 1, 0.2], [0, 0, 1]])
    style = random.normal([100, 140, 120], [10, 20, 15], (50, 70, 3))
    moved = style_transfer.recoloured(image, style).reshape(-1, 3)
    np.testing.assert_allclose(moved.mean(axis=0), style.mean(axis=(0, 1)), rtol=0.01)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(style.reshape(-1, 3).T), atol=3)


def test_textures_and_colours_are_told_apart():
    stripes = np.tile(np.arange(64) % 4 // 2 * 100.0, (64, 1))[..., None] * np.ones(3)
    darker, noise = stripes / 2, np.random.default_rng(0).uniform(0, 100, (64, 64, 3))
    assert style_transfer.texture_distance(stripes, darker) < 0.05
    assert style_transfer.texture_distance(stripes, noise) > 0.3
    assert style_transfer.colour_distance(stripes, darker) == pytest.approx(25, abs=1)
    assert style_transfer.colour_distance(stripes, stripes[::-1, ::-1]) == 0
    assert style_transfer.similarity(stripes, stripes) == pytest.approx(1)
    assert style_transfer.similarity(stripes, noise) < 0.1
