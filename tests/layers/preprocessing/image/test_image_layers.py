"""What holds for every layer that preprocesses or augments images."""

import json

import jax
import keras
import numpy as np
import pytest

import kerata
from kerata import layers

LAYERS = {
    "AugMix": {"num_chains": 1, "chain_depth": 1},
    "AutoContrast": {},
    "CenterCrop": {"height": 4, "width": 4},
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 2)},
    "CutMix": {},
    "Equalization": {},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "MixUp": {},
    "RandAugment": {"num_ops": 1},
    "RandomBrightness": {"factor": 0.5},
    "RandomColorDegeneration": {"factor": 0.5},
    "RandomColorJitter": {"brightness_factor": 0.2, "contrast_factor": 0.3},
    "RandomContrast": {"factor": (0.2, 0.6)},
    "RandomCrop": {"height": 3, "width": 4, "seed": 1},
    "RandomElasticTransform": {"factor": (1.0, 1.0)},
    "RandomErasing": {"factor": (1.0, 1.0)},
    "RandomFlip": {},
    "RandomGaussianBlur": {"factor": (1.0, 1.0)},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.5},
    "RandomInvert": {},
    "RandomPerspective": {},
    "RandomPosterization": {"factor": (1, 4)},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {"factor": 0.7},
    "RandomSharpness": {"factor": 0.3},
    "RandomShear": {"x_factor": (0.1, 0.3), "y_factor": (0.0, 0.1)},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": (-0.1, 0.3)},
    "RandomZoom": {"height_factor": (-0.2, 0.3)},
    "Resizing": {"height": 4, "width": 3},
    "Solarization": {"threshold_factor": 0.5},
}
SIZED = {"CenterCrop": (4, 4), "RandomCrop": (3, 4), "Resizing": (4, 3)}
ALWAYS = {
    *SIZED, "AutoContrast", "Equalization", "ContrastLimitedAdaptiveHistogramEqualization",
    "MaxNumBoundingBoxes",
}  # fmt: skip
KEEP_INTEGERS = {"Resizing", "MaxNumBoundingBoxes"}
every = pytest.mark.parametrize("name", LAYERS)


def make(kind, **options):
    return getattr(layers, kind)(**{**LAYERS[kind], **options})


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape or (2, 6, 8, 3)).astype("uint8")


def data():
    """Return a dict with everything that can be in it."""
    return {
        "images": images(),
        "labels": np.eye(3, dtype="float32")[:2],
        "segmentation_masks": images(2, 6, 8, 1),
        "bounding_boxes": {
            "boxes": np.array([[[1.0, 2, 4, 5]], [[0, 0, 8, 6]]], "float32"),
            "labels": np.array([[3], [4]]),
        },
        "file": ["a.png", "b.png"],
    }


@every
def test_config_comes_back_and_keras_reads_it(name):
    layer = make(name, data_format="channels_first", name="mine")
    config = json.loads(json.dumps(layer.get_config()))
    assert config["data_format"] == "channels_first"
    again = type(layer).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.data_format == "channels_first"
    theirs = getattr(keras.layers, name).from_config(layer.get_config())
    assert type(layer).from_config(theirs.get_config()).data_format == "channels_first"


@every
def test_inference_changes_nothing_but_what_is_always_on(name):
    x = images()
    y = make(name)(x, training=False)
    assert y.shape == (2, *SIZED.get(name, (6, 8)), 3)
    assert y.dtype == ("uint8" if name in KEEP_INTEGERS else "float32")
    if name not in ALWAYS:
        np.testing.assert_array_equal(y, x)


QUICK = "RandomFlip CenterCrop AutoContrast RandomCrop".split()


@pytest.mark.parametrize("name", QUICK)
def test_single_images_are_as_batches_of_one(name):
    first, second, x = make(name), make(name), images(1, 6, 8, 3)
    for layer in (first, second):
        if hasattr(layer, "generator"):
            layer.generator.state.assign(np.array([5, 0], "uint32"))
    np.testing.assert_allclose(first(x[0]), second(x)[0], 1e-6)


@pytest.mark.parametrize("name", ["RandomFlip", "RandomCrop", "RandomRotation", "RandAugment"])
def test_compiled_is_eager(name):
    eager, compiled, x = make(name, seed=3), make(name, seed=3), images()
    run = kerata.jit(lambda x: compiled(x, training=True))
    for _ in range(2):
        np.testing.assert_allclose(run(x), eager(x), 1e-3, 1e-3)


@pytest.mark.parametrize("name", ["RandomBrightness", "RandomRotation"])
def test_seeds_fix_what_is_drawn(name):
    x = images(1, 6, 8, 3).repeat(2, axis=0)
    first, second = make(name, seed=1), make(name, seed=1)
    a, b = first(x), second(x)
    np.testing.assert_array_equal(a, b)
    assert np.abs(a[0] - a[1]).max() > 0, "each image has parameters of its own"
    assert np.abs(first(x) - a).max() > 0, "each call has its own"


@every
def test_everything_in_a_dict_goes_through(name):
    given = data()
    if name in ("CutMix", "RandomElasticTransform"):
        boxes = given.pop("bounding_boxes")
        with pytest.raises(NotImplementedError, match="bounding boxes"):
            make(name)({**given, "bounding_boxes": boxes})
    before = jax.tree_util.tree_map(np.copy, {k: v for k, v in given.items() if k != "file"})
    y = make(name, bounding_box_format="xyxy")(given)
    assert set(y) == set(given)
    assert y["file"] == ["a.png", "b.png"]
    size = SIZED.get(name, (6, 8))
    assert y["images"].shape == (2, *size, 3)
    assert y["images"].dtype == ("uint8" if name in KEEP_INTEGERS else "float32")
    assert np.isfinite(y["images"]).all()
    assert np.min(y["images"]) >= 0 and np.max(y["images"]) <= 255
    assert y["segmentation_masks"].shape == (2, *size, 1)
    assert y["labels"].shape == (2, 3)
    if "bounding_boxes" in y:
        count = {"MixUp": 2, "MaxNumBoundingBoxes": 3}.get(name, 1)
        assert y["bounding_boxes"]["boxes"].shape == (2, count, 4)
        assert y["bounding_boxes"]["labels"].shape == (2, count)
    for k, v in before.items():
        jax.tree_util.tree_map(np.testing.assert_array_equal, v, given[k])


def test_single_dicts_and_masks_without_channels():
    one = {"images": images(6, 8, 3), "segmentation_masks": images(6, 8)}
    y = layers.CenterCrop(4, 4)(one)
    assert y["images"].shape == (4, 4, 3)
    np.testing.assert_array_equal(y["segmentation_masks"], one["segmentation_masks"][1:5, 2:6])


def test_integer_compute_dtypes_round():
    layer = layers.RandomBrightness((0.5, 0.5), value_range=(0, 200), dtype="uint8")
    y = layer(np.array([[[10], [180]]], "uint8"))
    assert y.dtype == "uint8" and y.ravel().tolist() == [110, 200]


def test_in_a_model_the_training_flag_decides():
    model = kerata.Sequential([kerata.Input((None, None, 1)), layers.RandomInvert((1.0, 1.0))])
    assert model.output.shape == (None, None, None, 1)
    x = np.full((1, 2, 2, 1), 255.0)
    assert model(x, training=True).max() == 0
    assert model.predict(x, verbose=0).min() == 255


def test_subclasses_override_steps():
    class Marked(layers.RandomFlip):
        def get_random_transformation(self, data, training=True, seed=None):
            found = super().get_random_transformation(data, training, seed)
            return {**found, "offset": 7.0} if training else None

        def transform_images(self, images, transformation, training=True):
            return images + transformation["offset"]

        def transform_labels(self, labels, transformation, training=True):
            return -labels

    y = Marked("horizontal")({"images": images().astype("float32"), "labels": np.ones(2)})
    np.testing.assert_array_equal(y["images"], images() + np.float32(7))
    np.testing.assert_array_equal(y["labels"], -np.ones(2))


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: layers.RandomBrightness(1.5), "factor"),
        (lambda: layers.RandomBrightness((0.1,)), "factor"),
        (lambda: layers.RandomBrightness("0.1"), "factor"),
        (lambda: layers.RandomHue(-0.1), "factor"),
        (lambda: layers.RandomPosterization(9), "factor"),
        (lambda: layers.RandomGrayscale(1.1), "factor"),
        (lambda: layers.RandomTranslation({"a": 1}, 0.1), "height_factor"),
        (lambda: layers.Solarization(value_range=(1, 0)), "value_range"),
        (lambda: layers.Solarization(value_range="ab"), "value_range"),
        (lambda: layers.RandomRotation(0.1, fill_mode="mirrored"), "mirror"),
        (lambda: layers.RandomRotation(0.1, interpolation="cubic"), "interpolation"),
        (lambda: layers.RandomFlip("sideways"), "mode"),
        (lambda: layers.RandomFlip(bounding_box_format="xxyy"), "bounding_box_format"),
        (lambda: layers.RandomFlip(data_format="first"), "data_format"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "odd"),
        (lambda: layers.MixUp(alpha=0), "alpha"),
        (lambda: layers.AugMix(alpha=-1), "alpha"),
        (lambda: layers.Resizing(0, 4), "height"),
        (
            lambda: layers.Resizing(4, 4, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
            "both",
        ),
        (lambda: layers.Pipeline(layers.AutoContrast()), "list of layers"),
        (lambda: layers.Pipeline.from_config({"name": "a"}), "list of layers"),
        (lambda: layers.RandomFlip()(np.ones((4, 4))), "rank 3"),
        (lambda: layers.RandomFlip()({"labels": np.ones(2)}), '"images"'),
        (lambda: layers.RandomFlip()(data()), "bounding_box_format"),
    ],
)
def test_mistakes_are_explained(make, error):
    with pytest.raises(ValueError, match=error):
        make()


def test_pipeline_passes_flags_and_masks_on():
    seen = []

    class Witness(layers.Layer):
        def call(self, x, training=False, mask=None):
            seen.append((training, mask is not None))
            return x

        def compute_mask(self, x, mask):
            return mask

    pipeline = layers.Pipeline([Witness(), Witness()])
    pipeline(np.zeros(1), training=True, mask=np.zeros(1))
    assert seen == [(True, True)] * 2


def test_pipeline_comes_back():
    pipeline = layers.Pipeline([layers.AutoContrast(), layers.CenterCrop(4, 4)])
    config = pipeline.get_config()
    again = layers.Pipeline.from_config(config)
    assert [type(x) for x in again.layers] == [layers.AutoContrast, layers.CenterCrop]
    assert isinstance(config["layers"][0], dict), "the config stays as it was"
    assert again(images()).shape == (2, 4, 4, 3)
    assert keras.layers.Pipeline.from_config(config).layers[1].height == 4
