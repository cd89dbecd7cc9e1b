"""The image example at a reduced size, and its parts."""

import numpy as np
from PIL import Image

import kerata
from kerata import layers
from kerata.cli import pictures
from kerata.examples import image_classification as example

FILES = ["backbone.keras", "classes.txt", "images", "model.keras", "report.html"]


def small(classes, size=example.SIZE):
    """A model with the layers that the example asks for by name."""
    inputs = kerata.Input((size, size, 3))
    x = layers.Conv2D(4, 5, strides=8, name="features")(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return kerata.Model(inputs, layers.Softmax()(layers.Dense(classes, name="scores")(x)))


def test_it_learns_from_a_folder_and_reports(tmp_path, monkeypatch, capsys, quick):
    subjects = example.SUBJECTS[:3]
    monkeypatch.setattr(example, "SUBJECTS", subjects)
    monkeypatch.setattr(example, "convnet", small)
    for picture in ("confusion", "mistakes"):  # tested by themselves, and slow
        monkeypatch.setattr(pictures, picture, lambda *_, **options: pictures.new(1, 1)[0])
    scores = example.main(tmp_path, epochs=1, say=lambda text: None)
    assert list(scores) == ["this model", "colours alone", "majority class"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert (tmp_path / "classes.txt").read_text().split() == sorted(subjects)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{scores['this model']:.1%}" in page
    assert quick == ["curves", "confusion", "mistakes", "grad-cam"]
    # The saved model was used on three image files, as the command does.
    used = [line for line in capsys.readouterr().out.splitlines() if ".jpg  " in line]
    assert len(used) == 3 and all("%" in line for line in used)
    backbone = kerata.models.load_model(tmp_path / "backbone.keras")
    assert backbone.output_shape == (None, 4)


def test_the_convnet_has_the_layers_that_are_asked_for_by_name():
    model = example.convnet(7)
    assert model.output_shape == (None, 7)
    assert model.get_layer("features").output.shape[1:] == (6, 6, 128)
    assert model.get_layer("pooled").output.shape == (None, 128)


def test_tiles_do_not_overlap_and_show_something(tmp_path):
    for folder in ("a", "b"):
        example.write_tiles(tmp_path / folder, ["coins"], per_class=30)
    paths = sorted((tmp_path / "a" / "coins").iterdir())
    tiles = [np.asarray(Image.open(path)) for path in paths]
    assert len(tiles) == 30
    assert all(tile.shape == (48, 48) and tile.std() > 3 for tile in tiles)
    assert len({tile.tobytes() for tile in tiles}) == 30
    for path in paths:
        assert path.read_bytes() == (tmp_path / "b" / "coins" / path.name).read_bytes()


def test_grad_cam_shows_what_speaks_for_the_class():
    inputs = kerata.Input((4, 4, 2))
    x = layers.Activation("linear", name="features")(inputs)
    x = layers.Dense(2, name="scores", use_bias=False)(layers.GlobalAveragePooling2D()(x))
    model = kerata.Model(inputs, layers.Softmax()(x))
    model.set_weights([np.array([[1.0, -1.0], [0.0, 2.0]], "float32")])
    images = np.random.default_rng(0).uniform(0.1, 1, (2, 4, 4, 2)).astype("float32")
    heat = example.grad_cam(model, images, np.array([0, 1]))
    expected = np.maximum([images[0, ..., 0], 2 * images[1, ..., 1] - images[1, ..., 0]], 0)
    np.testing.assert_allclose(heat, expected / expected.max(axis=(1, 2), keepdims=True), rtol=1e-5)
