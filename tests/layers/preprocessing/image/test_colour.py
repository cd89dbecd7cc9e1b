"""Layers that change colours: against Keras, with what Keras drew."""

import jax
import keras
import numpy as np
import pytest

from kerata import layers

CLAHE = "ContrastLimitedAdaptiveHistogramEqualization"
ROWS = [
    ("RandomBrightness", {"factor": 0.5}),
    ("RandomContrast", {"factor": 0.5}),
    ("RandomColorDegeneration", {"factor": 0.9}),
    ("RandomGaussianBlur", {"factor": (1.0, 1.0), "kernel_size": (3, 5)}),
    ("RandomSharpness", {"factor": (0.0, 1.0)}),
    ("RandomHue", {"factor": 0.8}),
    ("RandomPosterization", {"factor": (2, 5)}),
    ("Solarization", {"addition_factor": 0.3, "threshold_factor": 0.7}),
    ("RandomErasing", {"factor": (1.0, 1.0)}),
]
LAST = [("AutoContrast", {}), (CLAHE, {"tile_grid_size": (2, 2)}), ("RandomGrayscale", {})]


def images(value_range=(0, 255), batch=2):
    return np.random.default_rng(0).uniform(*value_range, (batch, 6, 8, 3)).astype("float32")


def compare(name, options, x):
    mine, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    by = theirs.get_random_transformation(x, training=True)
    found = jax.jit(lambda: mine.transform_images(x, by))()
    expected = jax.jit(lambda: theirs.transform_images(x, by, training=True))()
    np.testing.assert_allclose(found, expected, 1e-3, 2e-3)


def named(v):
    return v if isinstance(v, str) else ""


@pytest.mark.parametrize("name, options", ROWS, ids=named)
def test_as_in_keras(name, options):
    x = np.moveaxis(images((20, 120)), -1, 1)
    compare(name, {"data_format": "channels_first", "value_range": (20, 120), **options}, x)


@pytest.mark.parametrize("name, options", LAST, ids=named)
def test_as_in_keras_with_channels_last(name, options):
    compare(name, options, images())


@pytest.mark.parametrize("name", ["AutoContrast", "Equalization", CLAHE, "RandomSaturation"])
def test_data_formats_agree(name):
    options = {"factor": (0.2, 0.2)} if name == "RandomSaturation" else {}
    x = images()
    last = getattr(layers, name)(**options)(x)
    first = getattr(layers, name)(**options, data_format="channels_first")(np.moveaxis(x, -1, 1))
    np.testing.assert_allclose(np.moveaxis(np.asarray(first), 1, -1), last, 1e-4, 1e-3)


def test_equalization_as_in_keras_image_by_image():
    x = np.floor(images())
    for image, found in zip(x[1:], layers.Equalization()(x)[1:]):
        expected = keras.layers.Equalization()(image)
        np.testing.assert_allclose(found, expected, atol=1)  # ties may round either way
    assert len(np.unique(layers.Equalization(bins=4)(x[:1, ..., :1]))) <= 4


def test_channels_of_one_value_stay():
    x = np.full((1, 4, 4, 3), 128.0)
    for layer in (layers.AutoContrast(), layers.Equalization()):
        np.testing.assert_array_equal(layer(x), x)
    assert np.isfinite(getattr(layers, CLAHE)()(x)).all()


@pytest.mark.parametrize("value_range", [(0, 1), (20, 120), (-1, 1)])
def test_values_stay_in_their_range(value_range):
    x = images(value_range)
    for layer in (
        layers.RandomSaturation((0.9, 0.9), value_range),
        layers.RandomSaturation(0.9, value_range),
        layers.RandomInvert((1.0, 1.0), value_range),
        layers.Solarization(0.5, 0.5, value_range),
    ):
        y = np.asarray(layer(x))
        assert y.min() >= value_range[0] - 1e-4 and y.max() <= value_range[1] + 1e-4
        assert np.abs(y - x).max() > 0


def test_factors_with_known_results():
    x = images((0, 1))
    unit = {"value_range": (0, 1)}
    same = [
        layers.RandomSaturation((0.5, 0.5), **unit),
        layers.RandomSharpness((0.5, 0.5), **unit),
        layers.RandomHue((0.0, 0.0), **unit),
        layers.RandomColorDegeneration((0.0, 0.0), **unit),
    ]
    for layer in same:
        np.testing.assert_allclose(layer(x), x, atol=1e-5)
    for layer in (layers.RandomSaturation((0.0, 0.0), **unit), layers.RandomGrayscale(1.0)):
        y = layer(x)
        np.testing.assert_allclose(y[..., 0], y[..., 2], atol=1e-6)
    full = layers.RandomSaturation((1.0, 1.0), **unit)(x)
    np.testing.assert_allclose(np.min(full, axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(layers.RandomInvert((1.0, 1.0), **unit)(x), 1 - x, atol=1e-6)
    turned = layers.RandomHue((2 / 3, 2 / 3), seed=1, **unit)(x)  # a third of the circle
    assert np.abs(np.sort(turned, axis=-1) - np.sort(x, axis=-1)).max() < 1e-4


def test_posterization_keeps_up_to_the_upper_number_of_bits():
    x = np.zeros((200, 1, 1, 1))
    shifts = layers.RandomPosterization((2, 4)).get_random_transformation(x)["shift_factor"]
    assert set(shifts.tolist()) == {4, 5, 6}


def test_color_jitter_is_its_layers_in_a_row():
    x = images()
    for argument, name in (
        ("brightness_factor", "RandomBrightness"),
        ("contrast_factor", "RandomContrast"),
        ("saturation_factor", "RandomSaturation"),
        ("hue_factor", "RandomHue"),
    ):
        jitter = layers.RandomColorJitter(**{argument: (0.3, 0.6)}, seed=5)
        alone = getattr(layers, name)((0.3, 0.6), seed=5)
        np.testing.assert_allclose(jitter(x), alone(x), 1e-5)
    both = layers.RandomColorJitter(brightness_factor=(0.1, 0.1), hue_factor=(0.0, 0.0))
    expected = layers.RandomBrightness((0.1, 0.1))(x)
    np.testing.assert_allclose(both(x), expected, 1e-3, 1e-2)


def test_rand_augment_without_layers_changes_nothing():
    np.testing.assert_array_equal(layers.RandAugment(num_ops=0)(images()), images())


def test_aug_mix_is_a_mean_of_variants():
    x = images(batch=1)
    y = layers.AugMix(num_chains=2, chain_depth=1, all_ops=False, seed=2)(x)
    assert np.abs(y - x).max() > 0
    assert np.min(y) >= 0 and np.max(y) <= 255
    black = np.zeros((1, 4, 4, 3))
    still = layers.AugMix(factor=(0.0, 0.0), num_chains=1, chain_depth=1, seed=1)
    weight = still.get_random_transformation(black)["steps"]["weights"]
    np.testing.assert_allclose(np.sum(weight), 1, 1e-6)


def test_what_users_write_may_use_numpy():
    class Inverted(layers.RandomInvert):
        def transform_images(self, images, transformation=None, training=True):
            return 255 - np.asarray(images)

    x = images()
    np.testing.assert_array_equal(Inverted()(x), 255 - x)


def test_a_changed_attribute_counts_and_nothing_else_compiles_again():
    layer, x = layers.Solarization(threshold_factor=0.0), images((0, 255))
    for _ in range(3):
        layer(x)
    assert [f.compilations for f in vars(layer)["_compiled_methods"].values()] == [1]
    before = np.asarray(layer(x))
    layer.threshold_factor = (1.0, 1.0)
    assert np.abs(before - layer(x)).max() > 0
