"""The segmentation example at a reduced size, and its parts."""

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata import layers
from kerata.cli.guard import BadInput
from kerata.examples import scenes, segmentation as example


def small(classes):
    inputs = kerata.Input((None, None, 3))
    outputs = layers.Conv2D(classes, 3, padding="same", activation="softmax")(inputs)
    return kerata.Model(inputs, outputs)


@pytest.fixture
def untrained(monkeypatch, quick):
    monkeypatch.setattr(example, "unet", small)
    monkeypatch.setattr(example, "pixel_by_pixel", lambda x, y, x_test: np.ones(x_test.shape[:3]))
    return quick


def test_it_marks_things_and_reports(tmp_path, untrained):
    scores = example.main(tmp_path, epochs=1, scenes=32, say=lambda text: None)
    assert list(scores) == ["this model", "pixel by pixel", "all background"]
    assert 0.15 < scores["all background"] < 0.25
    assert untrained == ["curves", "the_worst_six", "six_others"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{scores['this model']:.1%}" in page and "triangle" in page


def test_it_takes_pictures_and_masks_of_ones_own(tmp_path, untrained):
    draw = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(20):
        mask = (np.arange(40 * 30).reshape(40, 30) > 100 * number).astype("uint8")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
        noise = draw.integers(0, 255, (40, 30, 3), "uint8")
        Image.fromarray(noise).save(tmp_path / "images" / f"{number}.jpg")
    out = tmp_path / "out"
    out.mkdir()
    assert "this model" in example.main(out, epochs=1, data=tmp_path, say=lambda text: None)
    assert sorted(path.name for path in out.iterdir()) == ["model.keras", "report.html"]
    (tmp_path / "images" / "3.jpg").unlink()
    with pytest.raises(BadInput, match="no picture for .*3.png"):
        example.main(out, data=tmp_path)
    with pytest.raises(BadInput, match="20 .png files or more"):
        example.main(out, data=tmp_path / "nowhere")


def test_the_unet_takes_any_size():
    assert example.unet(5).output_shape == (None, None, None, 5)


def test_iou_of_each_class():
    truth, predicted = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 2]])
    np.testing.assert_allclose(example.ious(truth, predicted, 4), [1 / 2, 1 / 3, 0, 0])


@pytest.mark.parametrize("kind, share", [(2, np.pi / 4), (3, 3 * 3**0.5 / 16)])
def test_shapes_cover_what_they_should(kind, share):
    cover = scenes.shape(kind, 32, np.random.default_rng(0))
    assert cover.shape == (32, 32) and cover.min() == 0 and cover.max() == 1
    assert cover.mean() == pytest.approx(share, abs=0.02)


def test_a_scene_is_its_photograph_but_for_the_things_on_it():
    background = np.full((48, 48, 3), 0.2)
    ink = np.full((1, 8, 8), 16.0)
    picture, mask = scenes.scene(background, ink, np.random.default_rng(3))
    assert (background == 0.2).all()
    assert picture.shape == (48, 48, 3) and mask.shape == (48, 48)
    assert set(np.unique(mask)) - {0}
    ground = np.abs(picture - 0.2).max(axis=-1) < 0.01
    assert ground[mask == 0].mean() > 0.8  # all but soft edges
    assert not ground[mask > 0].any()


def test_scenes_are_of_different_photographs_and_always_the_same():
    files = [set(part) for part in scenes.PHOTOGRAPHS.values()]
    assert len(set.union(*files)) == sum(map(len, files))
    first, again = scenes.make_sets([3, 2, 1], 48), scenes.make_sets([3, 2, 1], 48)
    for (x, y), (x_again, y_again) in zip(first, again):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)
