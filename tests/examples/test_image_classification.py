"""The image example at a reduced size, and its parts."""

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata import layers
from kerata.cli.guard import BadInput
from kerata.examples import image_classification as example

FILES = [
    "backbone.keras", "classes.txt", "confusion.png", "curves.png", "grad-cam.png", "images",
    "mistakes.png", "model.keras", "report.html",
]  # fmt: skip


def small(classes, size=example.SIZE):
    """A model with the layers that the example asks for by name."""
    inputs = kerata.Input((size, size, 3))
    x = layers.Conv2D(4, 5, strides=8, name="features")(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return kerata.Model(inputs, layers.Softmax()(layers.Dense(classes, name="scores")(x)))


def test_it_learns_from_a_folder_and_reports(tmp_path, monkeypatch, capsys):
    subjects = dict(list(example.SUBJECTS.items())[:3])
    monkeypatch.setattr(example, "SUBJECTS", subjects)
    monkeypatch.setattr(example, "convnet", small)
    monkeypatch.setattr(example.reloading, "predictions_elsewhere", lambda path, x: 0.0)
    for picture in ("confusion", "mistakes"):  # tested by themselves, and slow
        monkeypatch.setattr(example.pictures, picture, lambda *_: example.pictures.new(1, 1)[0])
    scores = example.main(tmp_path, epochs=1, say=lambda text: None)
    assert list(scores) == ["this model", "colours alone", "majority class"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert (tmp_path / "classes.txt").read_text().split() == sorted(subjects)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{scores['this model']:.1%}" in page and "Where it looked" in page
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
        example.write_tiles(tmp_path / folder, {"coins": "coins.png"}, per_class=30)
    paths = sorted((tmp_path / "a" / "coins").iterdir())
    tiles = [np.asarray(Image.open(path)) for path in paths]
    assert len(tiles) == 30
    assert all(tile.shape == (48, 48) and tile.std() > 3 for tile in tiles)
    assert len({tile.tobytes() for tile in tiles}) == 30
    for path in paths:
        assert path.read_bytes() == (tmp_path / "b" / "coins" / path.name).read_bytes()


def test_parts_of_a_folder_share_no_image(tmp_path):
    for name, place in (("low", 0), ("high", 120)):
        (tmp_path / name).mkdir()
        for number in range(50):
            pixels = np.full((48, 48), place + number, "uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    parts = [example.arrays(part) for part in example.load(tmp_path)]
    values = [set(images[:, 0, 0, 0].astype(int)) for images, _ in parts]
    assert [len(part) for part in values] == [60, 32, 8]
    assert len(set.union(*values)) == 100
    test = example.load(tmp_path)[2]
    again = [np.asarray(Image.open(path))[0, 0] for path in test.file_paths]
    assert again == [int(image[0, 0, 0]) for image in parts[2][0]]


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


def test_what_is_no_folder_of_images_is_said_in_one_line(tmp_path):
    with pytest.raises(BadInput, match="--data: There is no folder") as caught:
        example.main(tmp_path, data=tmp_path / "missing")
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="--data: There are no image files"):
        example.main(tmp_path, data=tmp_path)
