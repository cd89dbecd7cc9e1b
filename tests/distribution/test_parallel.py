"""Several devices need a process of their own: one, for all that is checked on them."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, sys
import numpy as np
import kerata
from kerata import distribution as D, layers

x = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
y = x[:, :2]
found = {"devices": D.list_devices()}

def trained():
    kerata.utils.set_random_seed(1)
    model = kerata.Sequential([
        kerata.Input((6,)), layers.Dense(8, activation="relu", name="first"),
        layers.BatchNormalization(), layers.Dropout(0.1), layers.Dense(2, name="last")])
    model.compile("adam", "mse")
    # The last batch cannot be divided by the devices.
    history = model.fit(x, y, epochs=2, batch_size=12, validation_split=0.25, verbose=0).history
    return model, [*history["loss"], *history["val_loss"], *model.predict(x[:3], verbose=0).ravel()]

def spec(variable):
    return list(variable.value.sharding.spec)

_, plain = trained()
with D.DataParallel().scope():
    model, data = trained()
    found["data"] = np.abs(np.subtract(data, plain)).max().item()
    found["replicated"] = [v.value.sharding.is_fully_replicated for v in model.variables]
    found["on"] = len(model.weights[0].value.sharding.device_set)

mesh = D.DeviceMesh((2, 2), ["batch", "model"])
layouts = D.LayoutMap(mesh)
layouts["first/kernel"] = (None, "model")
layouts["first/bias"] = ("model",)
layouts["first/output"] = ("batch", "model")
D.set_distribution(D.ModelParallel(layout_map=layouts))
model, divided = trained()
found["model"] = np.abs(np.subtract(divided, plain)).max().item()
kernel, bias = model.weights[:2]
slots = [v for v in model.optimizer.variables if "first_kernel" in v.path]
found["specs"] = [spec(v) for v in (kernel, bias, *slots, model.weights[-1])]
kernel.assign(kernel.value + 1)
found["assigned"] = spec(kernel)
twin = kerata.models.clone_model(model)
twin.set_weights(model.get_weights())
found["twin"] = spec(twin.weights[0])
found["output"] = list(model.layers[0](x).sharding.spec)
held = kernel.value  # stays, though the program that trains gives its memory away
before = np.asarray(held).copy()
model.train_on_batch(x, y)
found["held"] = bool((np.asarray(held) == before).all())
model.save(sys.argv[1] + "/model.keras")
found["loaded"] = spec(kerata.saving.load_model(sys.argv[1] + "/model.keras").weights[0])
try:
    layouts["odd/kernel"] = (None, "model")
    layers.Dense(3, name="odd").build((2, 6))
except ValueError as error:
    found["odd"] = str(error)
D.set_distribution(None)
alone = kerata.saving.load_model(sys.argv[1] + "/model.keras")
found["alone"] = len(alone.weights[0].value.sharding.device_set)
found["same"] = np.abs(alone.predict(x, verbose=0) - model.predict(x, verbose=0)).max().item()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    flags = "--xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path_factory.mktemp("distribution"))],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_training_over_devices_is_training_on_one(found):
    assert found["devices"] == ["cpu:0", "cpu:1", "cpu:2", "cpu:3"]
    assert found["data"] < 1e-4 and found["model"] < 1e-4


def test_data_parallel_copies_the_model(found):
    assert all(found["replicated"]) and found["on"] == 4


def test_model_parallel_divides_variables_and_stays_so(found):
    # Kernel, bias, the optimizer's two slots of the kernel, and a bias that has no layout.
    *divided, rest = found["specs"]
    assert divided == [[None, "model"], ["model"], [None, "model"], [None, "model"]]
    assert [axis for axis in rest if axis] == []
    assert found["assigned"] == found["twin"] == [None, "model"]


def test_outputs_of_layers_get_their_layout(found):
    assert found["output"] == ["batch", "model"]


def test_a_layout_that_does_not_fit_names_the_variable(found):
    assert "'odd/kernel'" in found["odd"] and "(6, 3)" in found["odd"]


def test_arrays_that_somebody_holds_stay(found):
    assert found["held"]


def test_files_know_nothing_of_devices(found):
    assert found["loaded"] == [None, "model"] and found["alone"] == 1
    assert found["same"] < 1e-5
