"""Bounding boxes against Keras, and against published values."""

import itertools

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import given

from kerata.utils import bounding_boxes as mine

theirs = keras.utils.bounding_boxes
BOXES = np.array([[[10.0, 20, 30, 50], [60, 10, 90, 40]]], "float32")
SIZE = {"height": 80, "width": 100}
KERAS_FORMATS = [
    "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw",
    "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh",
]  # fmt: skip


@pytest.mark.parametrize("source, target", list(itertools.product(KERAS_FORMATS, repeat=2)))
def test_formats_as_in_keras(source, target):
    boxes = np.asarray(theirs.convert_format(BOXES, "xyxy", source, **SIZE))
    expected = theirs.convert_format(boxes, source, target, **SIZE)
    np.testing.assert_allclose(
        mine.convert_format(boxes, source, target, **SIZE), expected, 1e-5, 1e-5
    )


numbers = st.lists(st.floats(-50, 150, width=32), min_size=4, max_size=4)


@given(numbers, st.sampled_from(mine.FORMATS), st.sampled_from(mine.FORMATS))
def test_formats_come_back(box, source, target):
    there = mine.convert_format([box], source, target, **SIZE)
    back = mine.convert_format(there, target.upper(), source, **SIZE)
    np.testing.assert_allclose(back, [box], 1e-3, 1e-2)


def test_dicts_keep_what_else_is_in_them():
    found = mine.convert_format({"boxes": BOXES, "labels": "kept"}, "xyxy", "xywh", dtype="int32")
    assert found["labels"] == "kept" and found["boxes"].dtype == "int32"


@pytest.mark.parametrize(
    "options",
    [
        {"angle": 30.0},
        {"angle": 30.0, "center_x": 0.1, "center_y": 0.2},
        {"translate_x": 0.1, "translate_y": -0.2},
        {"scale": 0.5},
        {"shear_x": 30.0},
        {"angle": 30.0, "shear_y": 10.0, "scale": 0.8, "translate_x": 0.1, "translate_y": 0.2},
    ],
    ids=lambda o: "-".join(o),
)
def test_affine_transform_as_in_keras(options):
    plain = dict.fromkeys("angle translate_x translate_y shear_x shear_y".split(), 0.0)
    options = {**plain, "scale": 1.0, **options}
    batched = {k: v if "center" in k else np.array([v], "float32") for k, v in options.items()}
    expected = theirs.affine_transform(BOXES, **batched, **SIZE)
    np.testing.assert_allclose(
        mine.affine_transform(BOXES, **batched, **SIZE), expected, 1e-4, 1e-3
    )
    found = mine.affine_transform(BOXES[0], **options, **SIZE)
    np.testing.assert_allclose(found, expected[0], 1e-4, 1e-3)


def test_crop_pad_and_clip_as_in_keras():
    np.testing.assert_array_equal(
        mine.crop(BOXES, 5, 15, 40, 30), theirs.crop(BOXES, 5, 15, 40, 30)
    )
    np.testing.assert_array_equal(mine.pad(BOXES, 5, 15), theirs.pad(BOXES, 5, 15))
    np.testing.assert_array_equal(
        mine.pad([[1.0, 2, 3, 4]], 5, 15, bounding_box_format="xywh"), [[16, 7, 3, 4]]
    )
    given = {"boxes": BOXES, "labels": np.array([[1, 2]])}
    found, expected = (m.clip_to_image_size(given, 30, 50) for m in (mine, theirs))
    np.testing.assert_array_equal(found["boxes"], expected["boxes"])
    np.testing.assert_array_equal(found["labels"], expected["labels"])
    one_of_two = {"boxes": [[0.0, 0, 1, 1], [70, 0, 80, 1]], "labels": np.array([[1, 2]])}
    assert mine.clip_to_image_size(one_of_two, 30, 50)["labels"].tolist() == [[1, -1]]
    beyond = mine.clip_to_image_size({"boxes": [[-0.5, 0.5, 1.5, 2.0]]}, None, None, "REL_XYXY")
    np.testing.assert_array_equal(beyond["boxes"], [[0, 0.5, 1, 1]])


@pytest.mark.parametrize("encoding", ["center_xywh", "center_yxhw"])
@pytest.mark.parametrize("variance", [None, [0.1, 0.1, 0.2, 0.2]])
def test_deltas_as_in_keras_and_back(encoding, variance):
    boxes = BOXES + np.array([1.0, 2, 5, -3])
    args = (BOXES[0], boxes, "xyxy", "xyxy", encoding, variance)
    found = mine.encode_box_to_deltas(*args)
    np.testing.assert_allclose(found, theirs.encode_box_to_deltas(*args), 1e-4, 1e-5)
    back = mine.decode_deltas_to_boxes(BOXES[0], found, "xyxy", "xyxy", encoding, variance)
    np.testing.assert_allclose(back, boxes, 1e-4)


def test_deltas_of_levels_and_relative_boxes():
    anchors, deltas = {"p3": BOXES[0]}, {"p3": BOXES / 100}
    args = ("xyxy", "rel_yxyx", "center_yxhw", None, (80, 100, 3))
    found = mine.decode_deltas_to_boxes(anchors, deltas, *args)
    expected = theirs.decode_deltas_to_boxes(anchors, deltas, *args)
    np.testing.assert_allclose(found["p3"], expected["p3"], 1e-4)


@pytest.mark.parametrize(
    "first, second, options",
    [
        (BOXES, BOXES + 5, {}),
        (BOXES[0], BOXES + 5, {}),
        (BOXES, BOXES[0] + 5, {}),
        (BOXES, np.concatenate([BOXES, BOXES * 0 - 1], 1), {"use_masking": True, "mask_val": -7}),
        (BOXES * 0, BOXES * 0, {}),
        (BOXES / 100, BOXES / 100 + 0.05, {"image_shape": (80, 100, 3), "format": "rel_xyxy"}),
    ],
)
def test_iou_as_in_keras(first, second, options):
    name = options.pop("format", "xyxy") if "format" in options else "xyxy"
    options = {k: v for k, v in options.items() if k != "format"}
    found = mine.compute_iou(first, second, name, **options)
    expected = theirs.compute_iou(first, second, name, **options)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


def test_ciou_as_in_keras():
    for second in (BOXES, BOXES + 5, BOXES + np.array([1.0, 2, 3, 14]), BOXES + 200):
        expected = theirs.compute_ciou(BOXES, second, "xyxy")
        np.testing.assert_allclose(mine.compute_ciou(BOXES, second, "xyxy"), expected, 1e-4, 1e-5)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: mine.convert_format(BOXES, "xyxx", "xyxy"), "source"),
        (lambda: mine.convert_format(BOXES, "xyxy", 3), "target"),
        (lambda: mine.convert_format(BOXES, "xyxy", "rel_xyxy"), "height"),
        (lambda: mine.convert_format(BOXES[..., :3], "xyxy", "xywh"), "4 numbers"),
        (lambda: mine.clip_to_image_size({"boxes": BOXES}), "height"),
        (lambda: mine.compute_iou(BOXES[0, 0], BOXES, "xyxy"), "batch"),
        (lambda: mine.compute_iou(BOXES, BOXES, "rel_xyxy"), "height"),
        (lambda: mine.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", variance=[1]), "variance"),
        (
            lambda: mine.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", "xywh"),
            "encoding_format",
        ),
    ],
)
def test_mistakes_are_explained(call, error):
    with pytest.raises(ValueError, match=error):
        call()
