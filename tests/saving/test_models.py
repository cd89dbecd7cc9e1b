"""Whole models in files: of kerata for kerata, for Keras, and of Keras for kerata."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

import kerata
from tests.saving import models

MAKERS = [models.mlp, models.convnet, models.two_inputs]
# Keras's own: of its variables on recent NumPy, and of its older files.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]


@pytest.mark.parametrize("writer, reader", [(kerata, kerata), (kerata, keras), (keras, kerata)])
@pytest.mark.parametrize("make", MAKERS)
def test_round_trip(make, writer, reader, tmp_path):
    path = tmp_path / "model.keras"
    model, x, y = models.trained(writer, make)
    model.save(path)
    twin = reader.saving.load_model(path)
    np.testing.assert_allclose(
        twin.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )
    ours, theirs = (models.values(m.optimizer.variables) for m in (model, twin))
    assert len(ours) == len(theirs) > 4
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(
        twin.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize("writer", [kerata, keras])
def test_training_goes_on_where_it_stood(writer, tmp_path):
    path = tmp_path / "model.keras"
    model, x, y = models.trained.__wrapped__(writer, models.mlp)
    model.save(path)
    twin = kerata.saving.load_model(path)
    model.fit(x, y, verbose=0, shuffle=False)
    twin.fit(x, y, verbose=0, shuffle=False)
    for a, b in zip(models.values(model.weights), models.values(twin.weights), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("writer, reader", [(kerata, kerata), (kerata, keras), (keras, kerata)])
@pytest.mark.parametrize("make", MAKERS)
def test_older_files(make, writer, reader, tmp_path):
    if make is models.two_inputs and reader is keras:
        pytest.skip("Keras does not read its own older files with ops")
    path = tmp_path / "model.h5"
    model, x, y = models.trained(writer, make)
    if writer is keras:
        model.optimizer.build(model.trainable_variables)
    model.save(path)
    twin = reader.saving.load_model(path)
    np.testing.assert_allclose(
        twin.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )
    if reader is kerata:
        for a, b in zip(
            models.values(model.optimizer.variables),
            models.values(twin.optimizer.variables),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
        assert twin.compiled


def test_what_is_in_an_archive(tmp_path):
    path = tmp_path / "model.keras"
    models.trained(kerata, models.mlp)[0].save(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert json.loads(archive.read("metadata.json"))["keras_version"] == "3.15.1"
        config = json.loads(archive.read("config.json"))
    assert (config["module"], config["class_name"]) == ("keras", "Sequential")
    assert config["compile_config"]["loss"] == "mean_squared_error"


def test_without_compiling(tmp_path):
    path = tmp_path / "model.keras"
    model, x, _ = models.trained(kerata, models.mlp)
    model.save(path)
    twin = kerata.saving.load_model(path, compile=False)
    assert not twin.compiled and getattr(twin, "optimizer", None) is None
    np.testing.assert_array_equal(twin(x), model(x))


def test_older_file_without_optimizer(tmp_path):
    path = tmp_path / "model.h5"
    model, x, _ = models.trained(kerata, models.mlp)
    model.save(path, include_optimizer=False)
    twin = kerata.saving.load_model(path)
    assert not twin.compiled
    np.testing.assert_array_equal(twin(x), model(x))


def test_folder(tmp_path):
    path = tmp_path / "model"
    model, x, _ = models.trained(kerata, models.mlp)
    model.save(path, zipped=False)
    assert sorted(p.name for p in path.iterdir()) == [
        "config.json",
        "metadata.json",
        "model.weights.h5",
    ]
    for package in (kerata, keras):
        twin = package.saving.load_model(path)
        np.testing.assert_allclose(twin(x), model(x), rtol=1e-5)
    with pytest.raises(ValueError, match="zip archive"):
        model.save(tmp_path / "x.keras", zipped=False)


def test_unbuilt_model(tmp_path):
    path = tmp_path / "model.keras"
    with pytest.warns(UserWarning, match="not built"):
        kerata.Sequential([kerata.layers.Dense(2)]).save(path)
    twin = kerata.saving.load_model(path)
    assert not twin.built
    assert twin(np.ones((1, 3))).shape == (1, 2)


@kerata.saving.register_keras_serializable(package="tests")
class Scale(kerata.layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.shift = self.add_weight(name="shift", shape=input_shape[-1:])

    def call(self, x):
        return x * self.factor + self.shift


@kerata.saving.register_keras_serializable(package="tests")
def half_loss(y_true, y_pred):
    return kerata.ops.mean(abs(y_true - y_pred), axis=-1) / 2


class Unknown(kerata.layers.Layer):
    def call(self, x):
        return x


def test_registered_objects(tmp_path):
    path = tmp_path / "model.keras"
    model = kerata.Sequential([kerata.Input((3,)), Scale(2.0), kerata.layers.Dense(1)])
    model.compile("sgd", half_loss)
    model.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0)
    model.save(path)
    twin = kerata.saving.load_model(path)
    assert isinstance(twin.layers[0], Scale) and twin.layers[0].factor == 2.0
    np.testing.assert_array_equal(twin(np.ones((1, 3))), model(np.ones((1, 3))))
    assert twin.loss is half_loss


def test_custom_objects(tmp_path):
    path = tmp_path / "model.keras"
    kerata.Sequential([kerata.Input((3,)), Unknown()]).save(path)
    with pytest.raises(ValueError, match="no class named 'Unknown'(.|\n)*custom_objects"):
        kerata.saving.load_model(path)
    twin = kerata.saving.load_model(path, custom_objects={"Unknown": Unknown})
    assert isinstance(twin.layers[0], Unknown)
    assert "Unknown" not in kerata.saving.get_custom_objects()
    with kerata.saving.custom_object_scope({"Unknown": Unknown}):
        kerata.saving.load_model(path)


def test_subclassed_model(tmp_path):
    @kerata.saving.register_keras_serializable(package="tests")
    class Pair(kerata.Model):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.first = kerata.layers.Dense(units)
            self.second = kerata.layers.Dense(1)

        def call(self, x):
            return self.second(self.first(x))

    path = tmp_path / "model.keras"
    model, x = Pair(3), np.ones((2, 4), "float32")
    model.compile("adam", "mse")
    model.fit(x, np.ones((2, 1)), verbose=0)
    model.save(path)
    twin = kerata.saving.load_model(path)
    np.testing.assert_array_equal(twin(x), model(x))
    assert int(twin.optimizer.iterations.value) == 1


@keras.saving.register_keras_serializable(package="tests", name="Twice")
class KerasTwice(keras.layers.Layer):
    def __init__(self, first, second, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = first, second

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name))
                 for name in ("first", "second")}  # fmt: skip
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config):
        for name in ("first", "second"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


KerasTwice.__name__ = "Twice"  # as files call it


@kerata.saving.register_keras_serializable(package="tests")
class Twice(kerata.layers.Layer):
    def __init__(self, first, second, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = first, second

    def call(self, x):
        return self.second(self.first(x))


@pytest.mark.parametrize("writer, reader", [(kerata, kerata), (kerata, keras), (keras, kerata)])
def test_a_layer_that_is_at_two_places(writer, reader, tmp_path):
    path, x = tmp_path / "model.keras", np.ones((1, 3), "float32")
    twice = {kerata: Twice, keras: KerasTwice}
    shared = writer.layers.Dense(3)
    model = writer.Sequential([writer.Input((3,)), twice[writer](shared, shared)])
    model.save(path)
    twin = reader.saving.load_model(path)
    layer = twin.layers[0]
    assert layer.first is layer.second and len(twin.weights) == 2
    np.testing.assert_allclose(twin(x), model(x), rtol=1e-5)


def test_assets(tmp_path):
    @kerata.saving.register_keras_serializable(package="tests")
    class Words(kerata.layers.Layer):
        words = ()

        def call(self, x):
            return x

        def save_assets(self, folder):
            with open(f"{folder}/words.txt", "w") as file:
                file.write("\n".join(self.words))

        def load_assets(self, folder):
            with open(f"{folder}/words.txt") as file:
                self.words = tuple(file.read().split("\n"))

    model = kerata.Sequential([kerata.Input((2,)), Words(), Words()])
    model.layers[0].words, model.layers[1].words = ("a", "b"), ("c",)
    for path, options in ((tmp_path / "m.keras", {}), (tmp_path / "m", {"zipped": False})):
        model.save(path, **options)
        twin = kerata.saving.load_model(path)
        assert [layer.words for layer in twin.layers] == [("a", "b"), ("c",)]
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert "assets/layers/words_1/words.txt" in archive.namelist()


def test_errors_of_paths(tmp_path):
    model = models.mlp(kerata)
    with pytest.raises(FileNotFoundError, match="folder(.|\n)*os.makedirs"):
        model.save(tmp_path / "no" / "such" / "model.keras")
    with pytest.raises(ValueError, match="must end in `.keras`"):
        model.save(tmp_path / "model.kears")
    with pytest.raises(ValueError, match="Unknown arguments(.|\n)*'colour'"):
        model.save(tmp_path / "model.keras", colour=1)
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        model.save(tmp_path / "folder.keras")
    with pytest.raises(ValueError, match="holds no model"):
        kerata.saving.load_model(tmp_path / "folder.keras")
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="no such file(.|\n)*There is 'model.keras'"):
        kerata.saving.load_model(tmp_path / "modell.keras")
    with pytest.raises(ValueError, match="no folder"):
        kerata.saving.load_model(tmp_path / "nowhere" / "model.keras")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "model.keras", overwrite=False)
    (tmp_path / "text.keras").write_text("not a model")
    with pytest.raises(ValueError, match="zip archive(.|\n)*'.*text.keras'"):
        kerata.saving.load_model(tmp_path / "text.keras")
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["x"] = [1.0]
    with pytest.raises(ValueError, match="holds no model"):
        kerata.saving.load_model(tmp_path / "some.h5")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as file:
        file.writestr("x", "y")
    with pytest.raises(ValueError, match="no config.json"):
        kerata.saving.load_model(tmp_path / "other.keras")


def test_a_model_that_cannot_be_written_down(tmp_path):
    class Closed(kerata.layers.Layer):
        def __init__(self, thing):
            super().__init__()
            self.thing = thing

        def call(self, x):
            return x

    model = kerata.Sequential([kerata.Input((2,)), Closed(object())])
    with pytest.raises(NotImplementedError, match="thing(.|\n)*save_weights"):
        model.save(tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


def test_truncated_files(tmp_path):
    path = tmp_path / "model.keras"
    models.mlp(kerata).save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError):
            kerata.saving.load_model(path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF  # within the weights
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged"):
        kerata.saving.load_model(path)


def test_a_single_output_in_a_list(tmp_path):
    """Keras's functional models return the tensor itself, also after they were saved."""
    path, x = tmp_path / "model.keras", np.ones((2, 4), "float32")
    a = keras.Input((4,))
    theirs = keras.Model(a, [keras.layers.Dense(2)(a)])
    theirs.save(path)
    ours = kerata.saving.load_model(path)
    assert ours(x).shape == ours.predict(x, verbose=0).shape == theirs(x).shape == (2, 2)
    assert isinstance(ours.output, list)


def test_models_and_layers_need_not_take_what_every_layer_has(tmp_path):
    class Scale(kerata.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

    class Scaled(kerata.Model):
        def __init__(self, units=4):
            super().__init__()
            self.dense = kerata.layers.Dense(units)

        def call(self, inputs):
            return self.dense(inputs)

    scale = Scale(3)
    twin = Scale.from_config(scale.get_config())
    assert (twin.name, twin.factor) == (scale.name, 3)
    frozen = Scale.from_config({**scale.get_config(), "trainable": False, "dtype": "bfloat16"})
    assert not frozen.trainable and frozen.compute_dtype == "bfloat16"
    model, x = Scaled(2), np.ones((1, 3), "float32")
    expected = model(x)
    model.save(tmp_path / "m.keras")
    loaded = kerata.models.load_model(tmp_path / "m.keras", custom_objects={"Scaled": Scaled})
    np.testing.assert_array_equal(loaded(x), expected)


@pytest.mark.parametrize("writer", [kerata, keras])
def test_dropout_of_a_loaded_model_drops_in_training_only(writer):
    """Keras's configs have `training=False` in calls where nobody gave it."""
    x = np.ones((1, 64), "float32")

    def through(**options):
        inputs = writer.Input((64,))
        layer = writer.layers.Dropout(0.5)
        return kerata.models.model_from_json(
            writer.Model(inputs, layer(inputs, **options)).to_json()
        )

    def drops(model, **options):
        return bool((np.asarray(model(x, **options)) == 0).any())

    assert not drops(through()) and drops(through(), training=True)
    assert drops(through(training=True), training=True)
    # What was given on purpose stays in kerata's own files.
    assert drops(through(training=False), training=True) == (writer is keras)


def test_augmentation_of_a_loaded_model_is_off_in_inference():
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.RandomBrightness(0.9, seed=1)(inputs))
    model = kerata.models.model_from_json(model.to_json())
    x = np.ones((2, 4, 4, 1), "float32")
    np.testing.assert_array_equal(model(x, training=False), x)
    assert not np.array_equal(model(x, training=True), x)


@kerata.saving.register_keras_serializable(package="tests")
class Twofold(kerata.layers.Layer):
    """Holds a layer, and leaves its config to be made a layer by nobody."""

    def __init__(self, inside, **kwargs):
        super().__init__(**kwargs)
        self.inside = inside

    def get_config(self):
        return super().get_config() | {"inside": self.inside}

    def call(self, x):
        return self.inside(self.inside(x))


@kerata.saving.register_keras_serializable(package="tests")
class Slope:
    """An activation that cannot be made from its config."""

    def get_config(self):
        return {}

    def __call__(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "layer, advice",
    [
        (lambda: Twofold(kerata.layers.ReLU()), "deserialize_keras_object"),
        (lambda: kerata.layers.Dense(1, activation=Slope()), "Slope.*no from_config"),
    ],
    ids=["a config within a config", "no from_config"],
)
def test_classes_that_do_not_take_their_configs(layer, advice, tmp_path):
    path = tmp_path / "model.keras"
    kerata.Sequential([kerata.Input((2,)), layer()]).save(path)
    with pytest.raises(TypeError, match=f"(?s)makes no model.*{advice}") as caught:
        kerata.saving.load_model(path)
    assert isinstance(caught.value, kerata.saving.DamagedFileError)
