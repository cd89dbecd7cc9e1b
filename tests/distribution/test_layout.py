import jax
import numpy as np
import pytest

import kerata
from kerata.distribution import (
    DataParallel,
    DeviceMesh,
    LayoutMap,
    ModelParallel,
    TensorLayout,
    distribute_tensor,
    distribution,
    get_device_count,
    initialize,
    list_devices,
    set_distribution,
)

EIGHT = [f"cpu:{i}" for i in range(8)]  # names are resolved only when something is placed


@pytest.fixture
def mesh():
    return DeviceMesh((4, 2), ["data", "model"], EIGHT)


def test_devices():
    assert list_devices() == list_devices("CPU") == ["cpu:0"]
    assert get_device_count() == 1
    with pytest.raises(ValueError, match="This machine has cpu"):
        list_devices("tpu")


def test_a_mesh_is_a_grid_of_devices(mesh):
    assert mesh.shape == mesh.devices.shape == (4, 2)
    assert mesh.devices[3, 1] == "cpu:7"
    with pytest.raises(ValueError, match="There is no device 'cpu:1'"):
        mesh.backend_mesh  # noqa: B018


@pytest.mark.parametrize(
    "shape, names", [((4,), []), ((4, 2), ["batch"]), ((), []), ((4, 1), ["a", "b"])]
)
def test_a_mesh_that_does_not_fit(shape, names):
    with pytest.raises(ValueError, match="Received: .*shape="):
        DeviceMesh(shape, names, EIGHT)


def test_layouts_know_the_axes_of_their_mesh(mesh):
    layout = TensorLayout(["data", None])
    with pytest.raises(ValueError, match="needs a mesh"):
        layout.backend_layout  # noqa: B018
    layout.device_mesh = mesh
    assert layout.axes == ("data", None) and layout.device_mesh is mesh
    with pytest.raises(ValueError, match="set already"):
        layout.device_mesh = DeviceMesh((8,), ["data"], EIGHT)
    with pytest.raises(ValueError, match="axes of the mesh"):
        TensorLayout(["rows"], mesh)


def test_layout_map_finds_names_before_patterns(mesh):
    layouts = LayoutMap(mesh)
    exact, pattern = TensorLayout((None, "model")), TensorLayout((None, None))
    layouts["dense/kernel"] = exact
    layouts[".*kernel"] = pattern
    layouts["bias"] = ["model"]
    assert layouts["dense/kernel"] is exact and exact.device_mesh is mesh
    assert layouts["dense_1/kernel"] is pattern
    assert layouts["conv/bias"].axes == ("model",)
    assert layouts["conv/gamma"] is None
    assert list(layouts) == ["dense/kernel", ".*kernel", "bias"] and len(layouts) == 3
    layouts["dense.*bias"] = ("model",)
    with pytest.raises(ValueError, match="Several entries of the LayoutMap match 'dense/bias'"):
        layouts["dense/bias"]
    with pytest.raises(ValueError, match="already"):
        layouts["bias"] = ("model",)
    with pytest.raises(ValueError, match="TensorLayout"):
        layouts["gamma"] = "model"
    assert layouts.pop("bias").axes == ("model",)
    with pytest.raises(KeyError):
        layouts.pop("bias")


def test_distributions_say_where_things_lie(mesh):
    flat = DeviceMesh((8,), ["data"], EIGHT)
    parallel = DataParallel(flat)
    variable = kerata.Variable(np.ones((4, 2)), name="kernel")
    assert parallel.batch_dim_name == "data" and parallel.num_model_replicas == 8
    assert parallel.get_data_layout((4, 2, 2)).axes == ("data", None, None)
    assert parallel.get_variable_layout(variable).axes == (None, None)
    assert parallel.get_tensor_layout("dense/output") is None
    assert DataParallel(devices=EIGHT).device_mesh.axis_names == ["batch"]
    layouts = LayoutMap(mesh)
    layouts["kernel"] = (None, "model")
    layouts["dense/output"] = ("data", None)
    parallel = ModelParallel(layout_map=layouts, batch_dim_name="data")
    assert parallel.num_model_replicas == 4 and parallel.data_shard_id == 0
    assert parallel.get_variable_layout(variable).axes == (None, "model")
    assert parallel.get_variable_layout(kerata.Variable([1.0], name="bias")).axes == (None,)
    assert parallel.get_tensor_layout("dense/output").axes == ("data", None)
    with pytest.warns(UserWarning, match="first axis"):
        assert DataParallel(mesh).num_model_replicas == 4
    variable._layout = TensorLayout(["data", None], mesh)
    assert parallel.get_variable_layout(variable) is variable._layout


def test_mistakes(mesh):
    for make in (
        lambda: DataParallel("mesh"),
        lambda: ModelParallel(layout_map={}),
        lambda: ModelParallel(layout_map=LayoutMap(mesh), batch_dim_name="rows"),
        lambda: set_distribution("data"),
    ):
        with pytest.raises(ValueError, match="Received"):
            make()


def test_scopes_nest():
    first, second = (DataParallel(devices=["cpu:0"]) for _ in range(2))
    assert distribution() is None
    with first.scope():
        with second.scope():
            assert distribution() is second
        assert distribution() is first
    assert distribution() is None


def test_data_of_several_processes(mesh):
    parallel = ModelParallel(layout_map=LayoutMap(mesh))
    data = [1, 2, 3]
    assert parallel.distribute_dataset(data) is data
    parallel._num_processes, parallel._is_multi_process = 8, True
    found = []
    for parallel._process_id in range(8):
        found.append(parallel.data_shard_id)
    assert found == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(ValueError, match="shard"):
        parallel.distribute_dataset(data)

    class Sharded:
        def shard(self, count, index):
            return count, index

    assert parallel.distribute_dataset(Sharded()) == (4, 3)


@pytest.mark.parametrize("source", ["arguments", "environment"])
def test_initialize(monkeypatch, source):
    called = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *args: called.append(args))
    names = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    values = ("10.0.0.1:80,10.0.0.2:80", "2", "1")
    if source == "environment":
        for name, value in zip(names, values, strict=True):
            monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)
        initialize()
    else:
        initialize(values[0], process_id=1)
    assert called == [("10.0.0.1:80", 2, 1)]
    with pytest.raises(ValueError, match="one address"):
        initialize(values[0], 3, 0)


def test_initialize_without_arguments(monkeypatch):
    called = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *args: called.append(args))
    initialize()
    assert called == [(None, None, None)]


def test_one_device_is_a_mesh_too():
    mesh = DeviceMesh((1,), ["batch"])
    layout = TensorLayout(["batch"], mesh)
    x = distribute_tensor(np.arange(4.0), layout)
    assert x.sharding == layout.backend_layout == distribute_tensor(x, x.sharding).sharding
    assert jax.jit(lambda x: distribute_tensor(x, layout))(x).sharding.num_devices == 1
    assert kerata.Variable([1.0, 2.0], layout=layout).value.sharding == layout.backend_layout
