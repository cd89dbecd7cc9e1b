"""Files of Keras 2, written here as it wrote them: configs without modules, names with ":0"."""

import json

import h5py
import numpy as np
import pytest

import kerata

INPUT = {
    "class_name": "InputLayer",
    "config": {
        "batch_input_shape": [None, 4],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "i",
    },
}
DENSE = {
    "class_name": "Dense",
    "config": {
        "name": "d",
        "trainable": True,
        "dtype": "float32",
        "units": 2,
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        "bias_constraint": None,
    },
}
SEQUENTIAL = {"class_name": "Sequential", "config": {"name": "s", "layers": [INPUT, DENSE]}}
FUNCTIONAL = {
    "class_name": "Functional",
    "config": {
        "name": "f",
        "trainable": True,
        "layers": [
            {**INPUT, "name": "i", "inbound_nodes": []},
            {**DENSE, "name": "d", "inbound_nodes": [[["i", 0, 0, {}]]]},
            {
                "class_name": "Add",
                "config": {"name": "a", "trainable": True, "dtype": "float32"},
                "name": "a",
                "inbound_nodes": [[["d", 0, 0, {}], ["d", 0, 0, {}]]],
            },
        ],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["a", 0, 0]],
    },
}
TRAINING = {
    "loss": "mean_squared_error",
    "metrics": [
        [
            {
                "class_name": "MeanMetricWrapper",
                "config": {"name": "mae", "dtype": "float32", "fn": "mean_absolute_error"},
            }
        ]
    ],
    "weighted_metrics": None,
    "loss_weights": None,
    "optimizer_config": {
        "class_name": "SGD",
        "config": {
            "name": "SGD",
            "learning_rate": 0.25,
            "decay": 0.0,
            "momentum": 0.0,
            "nesterov": False,
        },
    },
}
KERNEL = np.arange(8, dtype="float32").reshape(4, 2)
BIAS = np.array([1.0, -100.0], "float32")


def write(path, config, training=None):
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.11.0"
        file.attrs["model_config"] = json.dumps(config)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        group = file.create_group("model_weights")
        names = [entry["config"]["name"] for entry in config["config"]["layers"]]
        group.attrs["layer_names"] = np.array([n.encode() for n in names])
        for name in names:
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"] if name == "d" else []
        group["d/d/kernel:0"] = KERNEL
        group["d/d/bias:0"] = BIAS


@pytest.mark.parametrize("config, factor", [(SEQUENTIAL, 1), (FUNCTIONAL, 2)])
def test_models_of_keras_2(config, factor, tmp_path):
    path = tmp_path / "old.h5"
    write(path, config)
    model = kerata.saving.load_model(path)
    dense = model.get_layer("d")
    assert (dense.kernel_regularizer.l2, dense.kernel_constraint.max_value) == (0.5, 2)
    x = np.ones((1, 4), "float32")
    np.testing.assert_allclose(model(x), factor * np.maximum(x @ KERNEL + BIAS, 0))
    assert not model.compiled


def test_compiled_models_of_keras_2(tmp_path):
    path = tmp_path / "old.h5"
    write(path, SEQUENTIAL, TRAINING)
    model = kerata.saving.load_model(path)
    assert float(model.optimizer.learning_rate.value) == 0.25
    result = model.evaluate(np.ones((2, 4)), np.zeros((2, 2)), verbose=0, return_dict=True)
    assert set(result) == {"loss", "mae"}
    assert not kerata.saving.load_model(path, compile=False).compiled


def test_compile_arguments_that_are_unknown(tmp_path):
    path = tmp_path / "old.h5"
    write(path, SEQUENTIAL, TRAINING | {"loss": "secret_loss"})
    with pytest.warns(UserWarning, match="not compiled(.|\n)*secret_loss"):
        model = kerata.saving.load_model(path)
    assert not model.compiled


def test_damaged_files(tmp_path):
    path = tmp_path / "old.h5"
    write(path, SEQUENTIAL)
    with h5py.File(path, "r+") as file:
        del file["model_weights/d/d/bias:0"]
    with pytest.raises(ValueError, match="damaged(.|\n)*d/bias:0"):
        kerata.saving.load_model(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "{"
    with pytest.raises(ValueError, match="damaged"):
        kerata.saving.load_model(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "[1]"
    with pytest.raises(ValueError, match="JSON object"):
        kerata.saving.load_model(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "[" * 100_000
    with pytest.raises(ValueError, match="nested"):
        kerata.saving.load_model(path)


def test_many_names(tmp_path):
    """More names than one attribute of HDF5 can hold."""
    path = tmp_path / "many.h5"
    names = [f"layer_with_quite_a_long_name_to_fill_the_attribute_{i:04}" for i in range(1300)]
    with h5py.File(path, "w") as file:
        from kerata.saving import legacy

        legacy._set_names(file, "layer_names", names)
        assert legacy._get_names(file, "layer_names") == names
        assert "layer_names0" in file.attrs and "layer_names" not in file.attrs
