"""Boxes, classes of pixels, and galleries."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import visualization as theirs

from kerata import visualization

BLACK = np.zeros((2, 40, 50, 3), "uint8")
BOXES = {"boxes": np.array([[[10, 5, 30, 25]], [[0, 0, 1, 1]]]), "labels": np.array([[0], [-1]])}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_boxes_are_drawn_where_they_are():
    drawn = visualization.draw_bounding_boxes(BLACK, BOXES, "xyxy", color=(255, 0, 9))
    assert drawn.shape == BLACK.shape and drawn.dtype == "uint8"
    assert not drawn[1].any(), "a box with label -1 is not there"
    rows, columns = np.nonzero(drawn[0, :, :, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 25, 10, 30)
    assert drawn[0, 5, 10].tolist() == [255, 0, 9]
    assert not drawn[0, 12:18, 15:25].any(), "boxes are not filled"
    assert not BLACK.any(), "the images stay as they were"


@pytest.mark.parametrize("channels", [1, 4])
def test_boxes_take_any_channels_and_layout(channels):
    images = np.zeros((2, 40, 50, channels), "float32")
    drawn = visualization.draw_bounding_boxes(images, BOXES, "xyxy", color=(9, 8, 7))
    assert drawn[0, 5, 10, 0] == 9
    first = visualization.draw_bounding_boxes(
        np.moveaxis(images, -1, 1), BOXES, "xyxy", color=(9, 8, 7), data_format="channels_first"
    )
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), drawn)


def test_formats_of_boxes_and_values():
    relative = {**BOXES, "boxes": BOXES["boxes"] / [50, 40, 50, 40]}
    images = np.full(BLACK.shape, 0.5, "float32")
    drawn = visualization.draw_bounding_boxes(images, relative, "rel_xyxy", color=(1, 2, 3))
    again = visualization.draw_bounding_boxes(images * 255, BOXES, "xyxy", color=(1, 2, 3))
    np.testing.assert_array_equal(drawn, again)
    assert drawn[0, 0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize("confidences", [None, [[0.5], [0.5]]])
def test_labels_are_written(confidences):
    boxes = BOXES if confidences is None else {**BOXES, "confidences": np.array(confidences)}
    plain = visualization.draw_bounding_boxes(BLACK, boxes, "xyxy")
    named = visualization.draw_bounding_boxes(BLACK, boxes, "xyxy", {0: "cat"}, font_scale=0.5)
    assert (named[0] != plain[0]).any()
    np.testing.assert_array_equal(named[1], plain[1])


def test_wrong_boxes():
    with pytest.raises(TypeError, match="`bounding_boxes` must be a dict"):
        visualization.draw_bounding_boxes(BLACK, [1], "xyxy")
    with pytest.raises(ValueError, match='"boxes" and "labels"'):
        visualization.draw_bounding_boxes(BLACK, {"boxes": []}, "xyxy")
    with pytest.raises(ValueError, match="batch of images"):
        visualization.draw_bounding_boxes(BLACK[0], BOXES, "xyxy")


@pytest.mark.parametrize(
    "options",
    [{"num_classes": 4}, {"num_classes": 4, "alpha": 0.3, "ignore_index": 2}],
    ids=["plain", "ignored"],
)
def test_masks_as_keras_colors_them(options):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 5, 6, 3)).astype("uint8")
    classes = rng.integers(0, 4, (2, 5, 6, 1)).astype("int32")
    expected = theirs.draw_segmentation_masks(images, classes, **options)
    found = visualization.draw_segmentation_masks(images, classes, **options)
    assert np.abs(found.astype(int) - np.asarray(expected).astype(int)).max() <= 1
    flat = visualization.draw_segmentation_masks(images, classes[..., 0], **options)
    np.testing.assert_array_equal(flat, found)


def test_masks_with_colors_of_ones_own():
    classes = np.array([[[0, 1], [2, 1]]])
    images = np.full((1, 2, 2, 3), 10, "uint8")
    drawn = visualization.draw_segmentation_masks(
        images, classes, color_mapping={1: (1, 2, 3), 2: (4, 5, 6)}, blend=False
    )
    assert drawn[0].tolist() == [[[10] * 3, [1, 2, 3]], [[4, 5, 6], [1, 2, 3]]]
    with pytest.raises(TypeError, match="`segmentation_masks` must be integers"):
        visualization.draw_segmentation_masks(images, classes * 1.0)


def axes_with_images():
    return [axis for axis in plt.gcf().axes if axis.images]


@pytest.mark.parametrize("count, shape", [(1, (1, 1)), (4, (2, 2)), (5, (3, 2)), (7, (3, 3))])
def test_a_gallery_shows_every_image(count, shape):
    visualization.plot_image_gallery(np.zeros((count, 4, 4, 3)), show=False)
    assert len(axes_with_images()) == count
    assert len(plt.gcf().axes) == shape[0] * shape[1]


def test_a_gallery_has_labels_and_scaled_values(tmp_path):
    images = np.array([-1.0, 1.0]).reshape(2, 1, 1, 1) * np.ones((2, 3, 3, 1))
    visualization.plot_image_gallery(
        images, [0, 1], [1, 7], {0: "no", 1: "yes"}, rows=1, value_range=(-1, 1), show=False
    )
    first, second = axes_with_images()
    assert first.get_title() == "Label: no  Pred: yes"
    assert second.get_title() == "Label: yes  Pred: Unknown"
    assert np.all(first.images[0].get_array() == 0) and np.all(second.images[0].get_array() == 255)
    visualization.plot_image_gallery(images, path=tmp_path / "gallery.png", value_range=(-1, 1))
    assert plt.imread(tmp_path / "gallery.png").size > 0


def test_wrong_galleries(monkeypatch):
    images = np.zeros((1, 2, 2, 3))
    with pytest.raises(ValueError, match="`label_map` must be given"):
        visualization.plot_image_gallery(images, y_true=[0])
    with pytest.raises(ValueError, match="`show` must not be True with a `path`"):
        visualization.plot_image_gallery(images, show=True, path="x.png")
    with pytest.raises(ValueError, match="`legend` must be False"):
        visualization.plot_bounding_box_gallery(images, "xyxy", legend=True, legend_handles=[1])
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'kerata\[plots\]'"):
        visualization.plot_image_gallery(images)


def test_a_gallery_of_boxes():
    visualization.plot_bounding_box_gallery(
        BLACK / 255.0, "xyxy", BOXES, BOXES, value_range=(0, 1), legend=True, show=False
    )
    shown = axes_with_images()[0].images[0].get_array()
    assert shown[5, 10].tolist() == [255, 235, 59]
    labels = [text.get_text() for text in plt.gcf().legends[0].get_texts()]
    assert labels == ["Ground Truth", "Prediction"]


def test_a_gallery_of_classes_of_pixels():
    images, classes = np.full((2, 4, 4, 3), 200.0), np.ones((2, 4, 4), int)
    visualization.plot_segmentation_mask_gallery(images, 2, y_true=classes, show=False)
    shown = [np.asarray(axis.images[0].get_array()).mean() for axis in axes_with_images()]
    assert len(shown) == 4 and shown[0] == shown[2] != shown[1] == shown[3]
    assert matplotlib.get_backend() == "agg"
