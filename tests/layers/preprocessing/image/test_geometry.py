"""Layers that move pixels or change sizes: against Keras, and boxes against pixels."""

import jax
import keras
import numpy as np
import pytest

from kerata import layers

SHAPE = (2, 6, 8, 3)
MOVES = [
    ("RandomRotation", {"factor": 0.3, "fill_mode": "constant", "fill_value": 5.0}),
    ("RandomShear", {"x_factor": 0.4, "y_factor": 0.2}),
    ("RandomTranslation", {"height_factor": 0.4, "width_factor": 0.3, "fill_mode": "wrap"}),
    ("RandomZoom", {"height_factor": 0.4, "width_factor": 0.2, "fill_mode": "nearest"}),
    ("RandomPerspective", {"factor": (1.0, 1.0), "scale": 0.5}),
    ("RandomFlip", {"mode": "vertical"}),
]


def images(data_format="channels_last"):
    x = np.random.default_rng(0).uniform(0, 255, SHAPE).astype("float32")
    return x if data_format == "channels_last" else np.moveaxis(x, -1, 1)


def drawn(theirs, x):
    return {**theirs.get_random_transformation(x, training=True), "input_shape": x.shape}


@pytest.mark.parametrize(
    "name, data_format",
    [*((name, "channels_last") for name, _ in MOVES), ("RandomRotation", "channels_first")],
)
def test_images_and_masks_as_in_keras(name, data_format):
    options = {**dict(MOVES)[name], "data_format": data_format}
    mine, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(seed=1, **options)
    x = images(data_format)
    by = drawn(theirs, x)
    masks = x.astype("int32")

    @jax.jit
    def results():
        steps = (("images", x), ("segmentation_masks", masks))
        return [
            [getattr(layer, f"transform_{step}")(value, by, training=True) for step, value in steps]
            for layer in (mine, theirs)
        ]

    (found_images, found), (expected_images, expected) = results()
    np.testing.assert_allclose(found_images, expected_images, 1e-3, 1e-2)
    assert found.dtype == "int32"
    assert np.mean(np.asarray(found) != np.asarray(expected)) < 0.02  # ties may round either way


@pytest.mark.parametrize(
    "name", ["RandomRotation", "RandomZoom", "RandomTranslation", "RandomFlip"]
)
def test_boxes_as_in_keras(name):
    options = {**dict(MOVES)[name], "bounding_box_format": "xyxy"}
    mine, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(seed=3, **options)
    by = drawn(theirs, images())
    boxes = {
        "boxes": np.array([[[1.0, 2, 4, 4]], [[5.0, 1, 8, 5]]]),
        "labels": np.array([[3], [4]]),
    }
    found = mine.transform_bounding_boxes(dict(boxes), by)
    expected = theirs.transform_bounding_boxes(dict(boxes), by, training=True)
    np.testing.assert_allclose(found["boxes"], expected["boxes"], 1e-3, 1e-3)
    np.testing.assert_array_equal(found["labels"], expected["labels"])


def around(mask):
    """Return the corners of the box around what is not 0."""
    rows, columns = np.nonzero(np.asarray(mask)[..., 0])
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], "float32")


@pytest.mark.parametrize(
    "name, options",
    [
        ("RandomRotation", {"factor": (0.1, 0.1)}),
        ("RandomShear", {"x_factor": (0.3, 0.3), "y_factor": (0.2, 0.2)}),
        ("RandomZoom", {"height_factor": (0.4, 0.4), "width_factor": (-0.3, -0.3)}),
        ("CenterCrop", {"height": 60, "width": 50}),
        ("RandomCrop", {"height": 25, "width": 30}),
        ("Resizing", {"height": 60, "width": 40, "crop_to_aspect_ratio": True}),
        ("Resizing", {"height": 60, "width": 40, "pad_to_aspect_ratio": True}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_boxes_follow_the_pixels(name, options):
    mask = np.zeros((1, 40, 50, 1), "int32")
    mask[:, 14:24, 18:34] = 1
    if (
        "fill_mode" not in options
        and name.startswith("Random")
        and name[6:] not in ("Flip", "Crop")
    ):
        options = {**options, "fill_mode": "constant"}
    layer = getattr(layers, name)(**options, bounding_box_format="xyxy")
    boxes = {"boxes": around(mask[0])[None, None], "labels": [[1]]}
    y = layer(
        {"images": np.zeros((1, 40, 50, 1)), "segmentation_masks": mask, "bounding_boxes": boxes}
    )
    found = y["bounding_boxes"]["boxes"][0, 0]
    np.testing.assert_allclose(found, around(y["segmentation_masks"][0]), atol=1.6)


def test_flips_go_both_ways_independently():
    x = np.arange(4.0).reshape(1, 2, 2, 1).repeat(64, axis=0)
    y = layers.RandomFlip(seed=1)(x)[..., 0]
    assert {tuple(row.ravel().tolist()) for row in np.asarray(y)} == {
        (0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0),
    }  # fmt: skip


def test_boxes_that_leave_are_marked():
    layer = layers.RandomTranslation(0.0, (0.5, 0.5), bounding_box_format="rel_xyxy")
    boxes = {"boxes": [[0.0, 0.0, 0.25, 0.5], [0.6, 0.0, 0.9, 1.0]], "labels": [1, 2]}
    y = layer({"images": np.zeros((4, 8, 1)), "bounding_boxes": boxes})["bounding_boxes"]
    np.testing.assert_allclose(y["boxes"][0], [0.5, 0, 0.75, 0.5], atol=1e-6)
    assert y["labels"].tolist() == [1, -1]


def test_boxes_of_one_image_serve_all():
    layer = layers.RandomFlip("horizontal", seed=1, bounding_box_format="xyxy")
    boxes = {"boxes": [[1.0, 2, 2, 3]], "labels": [5]}
    y = layer({"images": np.zeros((3, 4, 6, 1)), "bounding_boxes": boxes})["bounding_boxes"]
    assert y["boxes"].shape == (3, 1, 4) and y["labels"].tolist() == [[5]] * 3
    zoom = layers.RandomZoom(0.5, bounding_box_format="xyxy")
    by = zoom.get_random_transformation(np.zeros((1, 4, 6, 1)))
    for labels, shape in [([5], (1, 4)), ([[5]], (1, 1, 4))]:
        moved = zoom.transform_bounding_boxes({**boxes, "labels": np.array(labels)}, by)
        assert moved["boxes"].shape == shape


def test_shear_reads_keras_configs():
    config = keras.layers.RandomShear(0.2, 0.1).get_config()
    assert layers.RandomShear.from_config(config).x_factor == (0, 0.2)


def test_ranges_are_kept():
    """What is drawn lies in the ranges that the arguments mean."""
    shape = (300, 10, 20, 1)
    x = np.zeros(shape, "uint8")
    draw = lambda layer: layer.get_random_transformation(x)  # noqa: E731
    angle = draw(layers.RandomRotation(0.25))["angle"]
    assert -90 <= angle.min() < -80 and 80 < angle.max() <= 90
    moves = draw(layers.RandomTranslation((0.1, 0.3), 0.5))["translations"]
    assert np.abs(moves[:, 0]).max() <= 10 and moves[:, 1].min() >= 1 and moves[:, 1].max() <= 3
    zoom = draw(layers.RandomZoom(0.2))
    assert 0.8 <= zoom["height_zoom"].min() and zoom["height_zoom"].max() <= 1.2
    np.testing.assert_array_equal(zoom["height_zoom"], zoom["width_zoom"])
    shear = np.abs(draw(layers.RandomShear((0.1, 0.2)))["shear_factor"])
    assert 0.1 <= shear[:, 0].min() and shear[:, 0].max() <= 0.2 and shear[:, 1].max() == 0
    perspective = draw(layers.RandomPerspective((0.5, 0.5), scale=0.4))
    assert 0.3 < perspective["apply_perspective"].mean() < 0.7
    ratio = perspective["end_points"][:, 3] / perspective["start_points"][:, 3]
    assert 0.8 <= ratio.min() and ratio.max() <= 1.2


def test_elastic_transform_moves_images_and_masks_alike():
    columns = np.broadcast_to(np.arange(0, 48.0)[:, None], (1, 48, 48, 1))
    layer = layers.RandomElasticTransform((1.0, 1.0), scale=(0.5, 0.5), seed=1)
    y = layer({"images": columns, "segmentation_masks": columns.astype("int32")})
    moved = np.abs(y["images"] - columns)
    assert 0.3 < moved.mean() < 4
    inside = (slice(None), slice(8, -8), slice(8, -8))
    assert np.abs(y["images"] - y["segmentation_masks"])[inside].max() <= 0.51


def test_random_crop_in_inference_is_the_middle():
    x = np.arange(36.0).reshape(1, 6, 6, 1)
    layer = layers.RandomCrop(2, 4)
    np.testing.assert_array_equal(layer(x, training=False), x[:, 2:4, 1:5])
    assert layer(x[:, :1]).shape == (1, 2, 4, 1)


@pytest.mark.parametrize(
    "options", [{}, {"crop_to_aspect_ratio": True}, {"interpolation": "nearest"}]
)
def test_resizing_as_in_keras(options):
    x = images()
    np.testing.assert_allclose(
        layers.Resizing(9, 5, **options)(x), keras.layers.Resizing(9, 5, **options)(x), 1e-4, 1e-3
    )


def test_resizing_extreme_proportions():
    layer = layers.Resizing(15, 100, crop_to_aspect_ratio=True)
    assert layer(np.ones((1, 1, 4, 4))).shape == (1, 15, 100, 4)


def test_max_num_bounding_boxes_cuts_and_pads_also_in_inference():
    boxes = {"boxes": np.ones((2, 3, 4)), "labels": np.ones((2, 3), "int32")}
    layer = layers.MaxNumBoundingBoxes(2, fill_value=-7)
    y = layer({"images": images(), "bounding_boxes": boxes}, training=False)["bounding_boxes"]
    assert y["boxes"].shape == (2, 2, 4) and y["labels"].tolist() == [[1, 1]] * 2
    layer = layers.MaxNumBoundingBoxes(4, fill_value=-7)
    y = layer({"images": images(), "bounding_boxes": boxes})["bounding_boxes"]
    assert y["labels"].tolist() == [[1, 1, 1, -7]] * 2 and y["boxes"][0, 3].tolist() == [-7] * 4
