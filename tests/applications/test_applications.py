"""The architectures: layer for layer those of Keras, whose weights they load."""

import ast
import hashlib
import inspect
import json
import sys

import h5py
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import kerata
from kerata import applications
from kerata.applications import frame
from tests.utils.server import Server

# How Keras reads its own variables when it saves them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = sorted(n for n in dir(keras.applications) if n[0].isupper())
MODULES = sorted(n for n in dir(keras.applications) if n[0].islower() and n != "keras")


@pytest.fixture
def quick_weights(monkeypatch):
    """Begin with zeros: compiling a draw for each shape would take most of the time."""

    def draw(self, shape, dtype=None, **options):
        return jnp.asarray(np.zeros(shape, "float32"))

    for module in (kerata.initializers, keras.initializers):
        for name in ("VarianceScaling", "RandomUniform"):
            monkeypatch.setattr(getattr(module, name), "__call__", draw)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    mine, theirs = getattr(applications, name), getattr(keras.applications, name)
    assert inspect.signature(mine) == inspect.signature(theirs)
    assert mine.__name__ == name and mine.__doc__.startswith(f"Return {name}, ")
    for parameter in inspect.signature(mine).parameters:
        assert f"    {parameter}: " in mine.__doc__


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    mine, theirs = getattr(applications, name), getattr(keras.applications, name)
    public = {n for n in dir(theirs) if not n.startswith("_")}
    assert public <= set(dir(mine))
    for function in public & {"preprocess_input", "decode_predictions"}:
        parameters = inspect.signature(getattr(mine, function)).parameters
        assert list(parameters) == list(inspect.signature(getattr(theirs, function)).parameters)


CONFIG = (
    "filters kernel_size strides padding use_bias activation epsilon momentum scale offset rate "
    "noise_shape units max_value groups depth_multiplier pool_size cropping target_shape keepdims"
).split()


def table(model):
    """Return what stands in the layers of a model, as plain data."""
    rows = []
    for layer in model.layers:
        config = layer.get_config()
        came_from = layer._inbound_nodes[0].input_tensors
        rows.append(
            (
                layer.name,
                type(layer).__name__,
                list(layer.output.shape),
                [x._keras_history.operation.name for x in came_from],
                [(v.path.split("/")[-1], list(v.shape), v.trainable) for v in layer.weights],
                {k: config[k] for k in CONFIG if k in config},
            )
        )
    return json.loads(json.dumps(rows))


# Those that are not here are compared by their outputs, below.
STRUCTURES = [
    ("VGG16", {"include_top": False}),
    ("ResNet50", {"include_top": False, "pooling": "max", "input_shape": (None, None, 1)}),
    ("ResNet50V2", {"include_top": False}),
    ("DenseNet121", {"include_top": False, "pooling": "avg"}),
    ("EfficientNetB0", {"input_shape": (63, 64, 3), "include_top": False, "pooling": "avg"}),
    ("EfficientNetV2B0", {"input_shape": (64, 64, 3), "classes": 3}),
    ("MobileNet", {"alpha": 0.5, "depth_multiplier": 2, "input_shape": (160, 160, 3)}),
    ("MobileNetV3Small", {"alpha": 1.5, "minimalistic": True, "include_preprocessing": False}),
    ("Xception", {"include_top": False}),
    ("InceptionV3", {"input_shape": (75, 75, 3), "classes": 2}),
    ("ConvNeXtTiny", {"include_top": False, "pooling": "avg", "name": "mine"}),
]


@pytest.mark.parametrize("name, options", STRUCTURES, ids=lambda x: x if isinstance(x, str) else "")
def test_same_layers_as_keras(quick_weights, name, options):
    keras.utils.clear_session(free_memory=False)
    mine = getattr(applications, name)(weights=None, **options)
    theirs = getattr(keras.applications, name)(weights=None, **options)
    assert mine.name == theirs.name
    for found, expected in zip(table(mine), table(theirs), strict=True):
        assert found == expected


def outputs(model, images):
    """Run a model compiled, with as little optimization as there is: compiling is what costs."""
    compiled = jax.jit(lambda x: model(x, training=False)).lower(images)
    return compiled.compile(compiler_options={"xla_backend_optimization_level": 0})(images)


def with_other_statistics(model):
    """Return a Keras model whose weights are all different from one another."""
    random = np.random.default_rng(1)
    for variable in model.weights:
        value = random.normal(0, 0.3, size=variable.shape)
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)
    return model


def save_as_published(model, path):
    """Write weights in the layout of the published files."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


SMALL = {"weights": None, "input_shape": (32, 32, 3), "classes": 5}
LOADED = [
    ("MobileNet", {"alpha": 0.25}),
    ("MobileNetV2", {"alpha": 0.35}),
]


@pytest.mark.parametrize("name, options", LOADED, ids=lambda x: x if isinstance(x, str) else "")
def test_weights_of_keras_give_its_outputs(quick_weights, tmp_path, name, options):
    options = {**SMALL, **options}
    theirs = with_other_statistics(getattr(keras.applications, name)(**options))
    images = jnp.asarray(np.random.default_rng(2).uniform(0, 255, (2, 32, 32, 3)), "float32")
    expected = outputs(theirs, images)
    assert np.isfinite(expected).all() and np.ptp(expected) > 1e-3
    files = [tmp_path / "published.h5", tmp_path / "new.weights.h5"]
    save_as_published(theirs, files[0])
    theirs.save_weights(files[1])
    mine = getattr(applications, name)(**{**options, "weights": str(files[0])})
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs(mine, images) / scale, expected / scale, atol=1e-4)
    for file, how in [(files[0], {"by_name": True}), (files[1], {})]:
        mine.set_weights([np.zeros(v.shape) for v in mine.weights])
        mine.load_weights(str(file), **how)
        for found, wanted in zip(mine.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(found, wanted.value)


def test_a_transfer_to_other_classes_by_name(quick_weights, tmp_path):
    theirs = keras.applications.MobileNet(**{**SMALL, "alpha": 0.25})
    save_as_published(theirs, tmp_path / "w.h5")
    mine = applications.MobileNet(**{**SMALL, "alpha": 0.25, "classes": 7})
    with pytest.warns(UserWarning, match="Skipped: layer 'conv_preds'"):
        mine.load_weights(str(tmp_path / "w.h5"), by_name=True, skip_mismatch=True)
    np.testing.assert_array_equal(mine.weights[0], theirs.weights[0].value)


def test_published_weights_are_downloaded_and_checked(quick_weights, tmp_path, monkeypatch):
    options = {"include_top": False, "minimalistic": True}
    theirs = with_other_statistics(keras.applications.MobileNetV3Small(weights=None, **options))
    save_as_published(theirs, tmp_path / "w.h5")
    data = (tmp_path / "w.h5").read_bytes()
    server = Server(**{"weights.h5": data})
    key = "weights_mobilenet_v3_small_minimalistic_224_1.0_float"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(
        frame.WEIGHTS[key], "notop", [f"{server.url}/weights.h5", hashlib.md5(data).hexdigest()]
    )
    mine = applications.MobileNetV3Small(**options)
    for found, wanted in zip(mine.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(found, wanted.value)
    assert (tmp_path / "home" / "models" / "weights.h5").read_bytes() == data
    monkeypatch.setitem(frame.WEIGHTS[key], "notop", [f"{server.url}/weights.h5", "0" * 32])
    with pytest.raises(ValueError, match="incomplete or another one"):
        applications.MobileNetV3Small(**options)
    server.close()


def test_published_files_are_those_of_keras(quick_weights, monkeypatch):
    asked = []

    class Asked(Exception):
        pass

    def get_file(fname=None, origin=None, file_hash=None, **options):
        asked.append((fname or origin.rpartition("/")[2], origin, file_hash))
        raise Asked

    monkeypatch.setattr(frame, "get_file", get_file)
    monkeypatch.setattr(frame, "Model", lambda *args, **kwargs: None)
    source = " ".join(
        str(node.value)
        for name, module in sys.modules.items()
        if name.startswith("keras.src.applications.") and not name.endswith("_test")
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Constant)
    )
    for key, entry in frame.WEIGHTS.items():
        for origin, file_hash, *_ in entry.values():
            assert file_hash in source, key
            assert origin.rpartition("/")[0] + "/" in source, key
    with pytest.raises(Asked):
        applications.MobileNet(alpha=0.25)
    with pytest.raises(Asked):
        applications.MobileNetV2(alpha=0.35, include_top=False, input_shape=(96, 96, 3))
    base = "https://storage.googleapis.com/tensorflow/keras-applications/"
    assert [origin.removeprefix(base) for _, origin, _ in asked] == [
        "mobilenet/mobilenet_2_5_224_tf.h5",
        "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5",
    ]


def test_input_tensor_and_saving(quick_weights, tmp_path):
    inputs = kerata.Input((64, 64, 4), name="mine")
    x = kerata.layers.Conv2D(3, 2, strides=2)(inputs)
    model = applications.MobileNet(
        weights=None, include_top=False, alpha=0.25, input_tensor=x, pooling="avg"
    )
    assert model.input is inputs and model.output_shape == (None, 256)
    model.save(tmp_path / "m.keras")
    again = kerata.saving.load_model(tmp_path / "m.keras")
    assert [v.path for v in again.weights] == [v.path for v in model.weights]


def test_a_tensor_says_how_many_channels_there_are(quick_weights):
    images = kerata.Input((64, 64, 1))
    model = applications.ConvNeXtTiny(weights=None, include_top=False, input_tensor=images)
    assert model.output_shape == (None, 2, 2, 768)
    assert "convnext_tiny_prestem_normalization" not in [layer.name for layer in model.layers]


def test_layers_of_the_architectures_are_saved(tmp_path):
    for layer in (
        applications.convnext.LayerScale(0.1, 4),
        applications.inception_resnet_v2.CustomScaleLayer(0.5),
    ):
        config = kerata.saving.serialize_keras_object(layer)
        assert config["module"].startswith("keras.src.applications.")
        again = kerata.saving.deserialize_keras_object(config)
        assert again.get_config() == layer.get_config()
        kerata.Sequential([kerata.Input((2, 4)), layer]).save(tmp_path / "older.h5")
        (older,) = kerata.saving.load_model(tmp_path / "older.h5").layers
        assert older.get_config() == layer.get_config()
    scaled = applications.convnext.LayerScale(0.5, 2)(np.ones((1, 2)))
    np.testing.assert_allclose(scaled, [[0.5, 0.5]])


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("VGG16", {"weights": "imagnet"}, "`weights` must be 'imagenet', None"),
        ("ResNet50", {"classes": 10}, "`classes` must be 1000"),
        ("ResNet50", {"classifier_activation": "relu"}, "`classifier_activation` must be"),
        ("ResNet50", {"weights": None, "input_shape": (31, 32, 3)}, "at least 32 rows"),
        ("Xception", {"weights": None, "input_shape": (70, 71, 3)}, "at least 71 rows"),
        ("ResNet50", {"input_shape": (64, 64, 3)}, r"be \(224, 224, 3\)"),
        ("ResNet50", {"include_top": False, "input_shape": (64, 64, 1)}, "have 3 channels"),
        ("ResNet50", {"weights": None, "input_shape": (64, 64)}, "have three numbers"),
        (
            "ResNet50",
            {"weights": None, "input_tensor": kerata.Input((31, 32, 3))},
            "on `input_tensor`: .* at least 32 rows",
        ),
        ("ResNet50", {"weights": None, "input_shape": (None, None, 3)}, "known numbers of rows"),
        ("ResNet50", {"weights": None, "pooling": "mean"}, "`pooling` must be one of"),
        ("MobileNet", {"alpha": 0.3}, "`alpha` must be one of"),
        ("MobileNet", {"depth_multiplier": 2}, "`depth_multiplier` must be one of"),
        ("MobileNetV2", {"alpha": 0.3}, "`alpha` must be one of"),
        ("MobileNetV3Small", {"alpha": 0.75, "minimalistic": True}, "`alpha` must be one of"),
    ],
)
def test_mistakes_in_arguments(name, options, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*Received: "):
        getattr(applications, name)(**options)


def test_unknown_arguments():
    with pytest.raises(TypeError, match=r"ResNet50\(\) takes .*\nReceived: .*'depth'"):
        applications.ResNet50(depth=3)


def test_convnext_takes_channels_last():
    kerata.config.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match="channels of ConvNeXt come last"):
        applications.ConvNeXtTiny(weights=None)


def test_errors_name_the_architecture():
    with pytest.raises(ValueError, match="(?s)MobileNet: `weights`.*'imagnet'"):
        applications.MobileNet(weights="imagnet")
    with pytest.raises(ValueError, match="ResNet50: `pooling`"):
        applications.ResNet50(weights=None, pooling="mean")


def test_weights_that_cannot_be_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    arguments = {
        "name": "net", "include_top": False, "weights": "imagenet", "classes": 1000,
        "classifier_activation": None, "pooling": None, "input_shape": (32, 32, 3),
        "input_tensor": None,
    }  # fmt: skip
    beginning = frame.Frame(arguments, 32)
    missing = (tmp_path / "missing.h5").as_uri()
    with pytest.raises(OSError, match="(?s)put it at .*models.gone.h5.*of net: weights=PATH"):
        beginning.model(beginning.images, [missing, "0" * 32, "gone.h5"])
