"""Layers that mix images of a batch, or rub parts out."""

import jax
import keras
import numpy as np
import pytest

from kerata import layers

X = np.random.default_rng(0).uniform(0, 255, (4, 6, 8, 3)).astype("float32")
LABELS = np.eye(4, dtype="float32")


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")  # Keras's own
def test_mix_up_as_in_keras():
    mine, theirs = layers.MixUp(), keras.layers.MixUp(seed=1)
    by = theirs.get_random_transformation(X)
    for step, value in (("images", X), ("labels", LABELS)):
        found = getattr(mine, f"transform_{step}")(value, by)
        expected = getattr(theirs, f"transform_{step}")(value, by, training=True)
        np.testing.assert_allclose(found, expected, 1e-5, 1e-4)
    masks = (X[..., :1] > 100).astype("int32")
    weight = np.asarray(by["mix_weight"])[:, None, None, None]
    others = masks[np.asarray(by["permutation_order"])]
    expected = weight * masks + (1 - weight) * others
    np.testing.assert_allclose(mine.transform_segmentation_masks(masks, by), expected, 1e-5, 1e-6)
    boxes = {"boxes": np.arange(32.0).reshape(4, 2, 4), "labels": np.arange(8).reshape(4, 2)}
    found = mine.transform_bounding_boxes(boxes, by)
    expected = theirs.transform_bounding_boxes(boxes, by, training=True)
    np.testing.assert_array_equal(found["boxes"], expected["boxes"])
    assert found["labels"].shape == (4, 4)


def test_cut_mix_as_in_keras():
    mine, theirs = layers.CutMix(), keras.layers.CutMix(seed=1)
    by = theirs.get_random_transformation(X)
    found, expected = jax.jit(
        lambda: [layer.transform_images(X, by, training=True) for layer in (mine, theirs)]
    )()
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(
        mine.transform_labels(LABELS, by), theirs.transform_labels(LABELS, by, training=True), 1e-6
    )


def test_cut_mix_labels_are_the_parts_of_the_area():
    x = np.broadcast_to(np.arange(4.0)[:, None, None, None], (4, 3, 5, 7))
    y = layers.CutMix(seed=1, data_format="channels_first")({"images": x, "labels": LABELS})
    for image, label in zip(np.asarray(y["images"]), np.asarray(y["labels"])):
        parts = [(image == i).mean() for i in range(4)]
        np.testing.assert_allclose(label, parts, atol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_erased_parts_have_the_size_that_was_asked_for(data_format):
    x = np.zeros((8, 20, 40, 3) if data_format == "channels_last" else (8, 3, 20, 40))
    layer = layers.RandomErasing((1.0, 1.0), (0.25, 0.25), fill_value=9.0, data_format=data_format)
    y = np.asarray(layer(x))
    assert set(np.unique(y)) == {0, 9}
    np.testing.assert_allclose((y == 9).mean(axis=(1, 2, 3)), 0.25)
    assert len({tuple(image.ravel()) for image in y}) > 1


def test_erased_parts_are_filled_with_noise_in_the_range():
    x = np.full((4, 10, 10, 3), 0.5)
    y = np.asarray(layers.RandomErasing((1.0, 1.0), (0.5, 0.5), value_range=(0, 1))(x))
    changed = y[y != 0.5]
    assert changed.min() >= 0 and changed.max() <= 1 and len(np.unique(changed)) > 20


def test_weights_follow_the_beta_distribution():
    x = np.zeros((2000, 1, 1, 1), "uint8")
    weights = layers.MixUp(alpha=2.0, seed=1).get_random_transformation(x)["mix_weight"]
    np.testing.assert_allclose([np.mean(weights), np.var(weights)], [0.5, 0.05], atol=0.02)
