"""Preprocessing and decoding, against Keras."""

import hashlib
import json

import keras
import numpy as np
import pytest

import kerata
from kerata.applications import imagenet_utils
from tests.utils.server import Server

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3))


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
@pytest.mark.parametrize("form", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int32"])
@pytest.mark.parametrize("single", [False, True])
def test_preprocess_input(mode, form, dtype, single):
    images = IMAGES[0] if single else IMAGES
    if form == "channels_first":
        images = np.moveaxis(images, -1, -3)
    images = images.astype(dtype)
    mine, theirs = images.copy(), images.copy()
    found = imagenet_utils.preprocess_input(mine, form, mode)
    expected = keras.applications.imagenet_utils.preprocess_input(theirs, form, mode)
    assert isinstance(found, np.ndarray) and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)  # floats change in place
    array = imagenet_utils.preprocess_input(kerata.ops.array(images), form, mode)
    np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
def test_preprocess_input_in_a_model(mode):
    inputs = kerata.Input((4, 5, 3))
    model = kerata.Model(inputs, imagenet_utils.preprocess_input(inputs, mode=mode))
    expected = imagenet_utils.preprocess_input(IMAGES.copy(), mode=mode)
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-4, atol=1e-4)


FAMILIES = """convnext densenet efficientnet efficientnet_v2 inception_resnet_v2 inception_v3
    mobilenet mobilenet_v2 mobilenet_v3 nasnet resnet resnet50 resnet_v2 vgg16 vgg19
    xception""".split()


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_has_its_range(name):
    mine, theirs = (getattr(k.applications, name) for k in (kerata, keras))
    found, expected = (f.preprocess_input(IMAGES.copy()) for f in (mine, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert mine.preprocess_input.__module__ == f"kerata.applications.{name}" or name in (
        "resnet50",
        "vgg19",
    )


@pytest.mark.parametrize(
    "options, message",
    [({"mode": "keras"}, "`mode` must be one of"), ({"data_format": "NHWC"}, "`data_format` must")],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        imagenet_utils.preprocess_input(IMAGES, **options)


def test_decode_predictions(monkeypatch, tmp_path):
    classes = {str(i): [f"n{i:08}", f"thing_{i}"] for i in range(1000)}
    data = json.dumps(classes).encode()
    server = Server(**{"index.json": data})
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    origin = (f"{server.url}/index.json", hashlib.md5(data).hexdigest())
    monkeypatch.setattr(imagenet_utils, "CLASSES", origin)
    scores = np.zeros((2, 1000), "float32")
    scores[0, [3, 7]] = 0.25, 0.75
    scores[1, 999] = 1.0
    first, second = kerata.applications.resnet.decode_predictions(kerata.ops.array(scores), top=2)
    assert first == [("n00000007", "thing_7", 0.75), ("n00000003", "thing_3", 0.25)]
    assert len(second) == 2 and second[0] == ("n00000999", "thing_999", 1.0)
    server.close()


@pytest.mark.parametrize("shape", [(1000,), (2, 10)])
def test_scores_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"shape \(batch, 1000\).*\nReceived: shape"):
        imagenet_utils.decode_predictions(np.zeros(shape))
