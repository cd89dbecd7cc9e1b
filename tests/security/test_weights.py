"""HDF5 files that point elsewhere, or declare what is not there, wherever weights are read."""

import json
import shutil
import struct

import h5py
import keras
import numpy as np
import pytest

import kerata
from kerata.saving import (
    DamagedFileError,
    KerasFileEditor,
    UnsafeModelError,
    hdf5,
    load_model,
)
from tests.saving import models
from tests.security.canaries import archive, members_of, with_weights

KERNEL = "layers/dense/vars/0"
SHAPE = (4, 3)


def put(file, path, **kwargs):
    """Put another dataset in the place of one."""
    del file[path]
    return file.create_dataset(path, **kwargs)


def link(target):
    def edit(file, kernel, canary):
        del file[kernel]
        file[kernel] = target(canary)

    return edit


def external_group(file, kernel, canary):
    top = kernel.split("/")[0]
    del file[top]
    file[top] = h5py.ExternalLink(str(canary.secret), "/layers")


def external_in_between(file, kernel, canary):
    parent = kernel.rpartition("/")[0]
    del file[parent]
    file[parent] = h5py.ExternalLink(str(canary.secret), "/vars")


def soft_in_between(file, kernel, canary):
    parent = kernel.rpartition("/")[0]
    file.move(parent, "elsewhere")
    file[parent] = h5py.SoftLink("/elsewhere")


def soft_group(file, kernel, canary):
    top = kernel.split("/")[0]
    file.move(top, "elsewhere")
    file[top] = h5py.SoftLink("/elsewhere")


def external_storage(file, kernel, canary):
    external = [(str(canary.secret), 0, 48)]
    put(file, kernel, shape=SHAPE, dtype="float32", external=external)


def virtual(file, kernel, canary):
    del file[kernel]
    layout = h5py.VirtualLayout(SHAPE, "float32")
    layout[:] = h5py.VirtualSource(str(canary.secret), "x", SHAPE)
    file.create_virtual_dataset(kernel, layout)


def vast(file, kernel, canary):
    shape, chunks = (2**25, 2**25), (1024, 1024)
    put(file, kernel, shape=shape, dtype="float32", chunks=chunks, compression="gzip")


def vast_beside(file, kernel, canary):
    file.create_dataset("other", (2**40,), "float32", chunks=(1024,), compression="gzip")


def vast_contiguous(file, kernel, canary):
    put(file, kernel, shape=(2**25, 2**25), dtype="float32")


def vast_chunk(file, kernel, canary):
    options = {"maxshape": (None, 3), "chunks": (2**26, 3), "compression": "gzip"}
    put(file, kernel, shape=SHAPE, dtype="float32", **options)


def of_objects(file, kernel, canary):
    put(file, kernel, data=[["text"] * 3] * 4)


def of_bytes(file, kernel, canary):
    put(file, kernel, data=np.array([["x"] * 3] * 4, "S1"))


def of_records(file, kernel, canary):
    put(file, kernel, data=np.zeros(SHAPE, [("a", "f4"), ("b", "f4")]))


def of_references(file, kernel, canary):
    put(file, kernel, shape=SHAPE, dtype=h5py.ref_dtype)


def a_named_type(file, kernel, canary):
    del file[kernel]
    file[kernel] = np.dtype("float32")


def no_shape(file, kernel, canary):
    put(file, kernel, dtype="float32", data=h5py.Empty("float32"))


def unknown_dtype(file, kernel, canary):
    put(file, kernel, data=np.zeros(SHAPE, "V2")).attrs["dtype"] = "object"


def two_names(file, kernel, canary):
    file["other"] = file[kernel]


def a_circle(file, kernel, canary):
    file["layers/again"] = file["/"]


def a_tower(file, kernel, canary):
    """Groups that each hold the next one twice: 2^40 paths."""
    group = file.create_group("tower")
    for _ in range(40):
        child = group.create_group("a")
        group["b"] = child
        group = child


def deep(file, kernel, canary):
    file.create_group("/".join("x" * 60))


ATTACKS = {
    "CVE-2026-1669 external storage": external_storage,
    "CVE-2026-1669 external link": link(lambda c: h5py.ExternalLink(str(c.secret), "/x")),
    "CVE-2026-1669 external link to a group": external_group,
    "CVE-2026-1669 external link in between": external_in_between,
    "soft link": link(lambda c: h5py.SoftLink("/other")),
    "soft link to a group": soft_group,
    "soft link in between": soft_in_between,
    "virtual dataset": virtual,
    "CVE-2026-0897": vast,
    "CVE-2026-12570 beside the weights": vast_beside,
    "CVE-2026-12570 contiguous": vast_contiguous,
    "vast chunk": vast_chunk,
    "texts": of_objects,
    "bytes": of_bytes,
    "records": of_records,
    "references": of_references,
    "named type": a_named_type,
    "no shape": no_shape,
    "unknown dtype": unknown_dtype,
    "two names for one array": two_names,
    "circle": a_circle,
    "tower of hard links": a_tower,
    "groups without end": deep,
}


@pytest.fixture(scope="module")
def model():
    return models.mlp(kerata)


@pytest.mark.parametrize("edit", ATTACKS.values(), ids=ATTACKS)
def test_weights(edit, folder, model, tmp_path, canary, refused):
    """In a model file, in a file of weights, and in the editor."""
    good = folder / "good.keras"
    bad = with_weights(good, tmp_path / "bad.keras", lambda f: edit(f, KERNEL, canary))
    alone = tmp_path / "bad.weights.h5"
    shutil.copy(folder / "good.weights.h5", alone)
    with h5py.File(alone, "r+") as file:
        edit(file, KERNEL, canary)
    before = models.values(model.weights)
    refused(lambda: load_model(bad))
    refused(lambda: model.load_weights(bad))
    refused(lambda: model.load_weights(alone))
    refused(lambda: model.load_weights(alone, skip_mismatch=True))
    refused(lambda: KerasFileEditor(alone))
    for a, b in zip(before, models.values(model.weights), strict=True):
        np.testing.assert_array_equal(a, b)


OLDER = [name for name in ATTACKS if name not in ("circle", "unknown dtype")]


@pytest.mark.parametrize("name", OLDER)
def test_older_files(name, folder, model, tmp_path, canary, refused):
    bad = tmp_path / "bad.h5"
    shutil.copy(folder / "good.h5", bad)
    with h5py.File(bad, "r+") as file:
        group = file["model_weights/dense"]
        kernel = f"model_weights/dense/{group.attrs['weight_names'][0].decode()}"
        ATTACKS[name](file, kernel, canary)
    refused(lambda: load_model(bad))
    refused(lambda: model.load_weights(bad))


def test_the_good_files_load(folder, model, untouched):
    with untouched():
        load_model(folder / "good.h5")
        KerasFileEditor(folder / "good.weights.h5")
    model.load_weights(folder / "good.weights.h5")
    model.load_weights(folder / "good.keras")
    model.load_weights(folder / "good.h5")


@pytest.mark.parametrize("common", [{}, {"trainable": True}], ids=["short", "of a layer"])
def test_CVE_2025_9905(common, folder, tmp_path, canary, refused):
    """The code of a lambda in an older file, whatever the safe mode."""
    bad = tmp_path / "bad.h5"
    shutil.copy(folder / "good.h5", bad)
    with h5py.File(bad, "r+") as file:
        text = file.attrs["model_config"]
        config = {"name": "dense", "function": [canary.code, None, None], "function_type": "lambda"}
        config |= common
        old = {"class_name": "Lambda", "config": config}
        whole = json.loads(text)
        whole["config"]["layers"][1] = old
        file.attrs["model_config"] = json.dumps(whole)
    for safe_mode in (True, False):
        refused(lambda: load_model(bad, safe_mode=safe_mode), "lambda")  # noqa: B023 (called at once)


def test_a_million_tiny_datasets(folder, model, tmp_path, monkeypatch, refused):
    """A thousand, where a hundred are allowed: the real limit takes long to reach."""
    bad = tmp_path / "bad.weights.h5"
    shutil.copy(folder / "good.weights.h5", bad)
    with h5py.File(bad, "r+") as file:
        for index in range(1000):
            file.create_group(f"many/{index}")
    model.load_weights(folder / "good.weights.h5")
    monkeypatch.setattr(hdf5, "_OBJECTS", 100)
    refused(lambda: model.load_weights(bad), match="more than 100")


def test_filter_plugins(folder, model, tmp_path, refused):
    """The number of a filter, as it stands in the file, is that of a plugin."""
    good, bad = tmp_path / "good.weights.h5", tmp_path / "bad.weights.h5"
    shutil.copy(folder / "good.weights.h5", good)
    with h5py.File(good, "r+") as file:
        value = file[KERNEL][()]
        put(file, KERNEL, data=value, chunks=SHAPE, shuffle=True)
    model.load_weights(good)
    data = good.read_bytes()
    # A filter's entry: number, length of the name, flags, how many values.
    place = data.index(struct.pack("<HHHH", 2, 8, 1, 1) + b"shuffle")
    bad.write_bytes(data[:place] + struct.pack("<H", 32015) + data[place + 2 :])
    refused(lambda: model.load_weights(bad), match="plugin")


@pytest.mark.parametrize("value", [np.zeros((3, 4), "f4"), np.zeros((4, 3, 1)), np.float32(1)])
def test_other_shapes(value, good, tmp_path, untouched):
    bad = with_weights(good, tmp_path / "bad.keras", lambda f: put(f, KERNEL, data=value))
    with untouched(), pytest.raises(ValueError, match=r"\(4, 3\)"):
        load_model(bad)


@pytest.mark.parametrize("dtype", ["float64", "int8", "bool", "float16", "complex64"])
def test_other_dtypes(dtype, good, tmp_path, untouched):
    """Numbers of another type are taken as numbers of the variable's; or refused."""
    path = with_weights(
        good, tmp_path / "x.keras", lambda f: put(f, KERNEL, data=np.ones(SHAPE, dtype))
    )
    with untouched():
        try:
            kernel = load_model(path).layers[0].kernel
        except ValueError:
            assert dtype == "complex64"
        else:
            np.testing.assert_array_equal(kernel.numpy(), np.ones(SHAPE, "float32"))
            assert kernel.dtype == "float32"


def test_no_weights(good, tmp_path):
    members = members_of(good)
    del members["model.weights.h5"]
    with pytest.raises(DamagedFileError, match="model.weights.h5"):
        load_model(archive(tmp_path / "bad.keras", members))


def test_shards_elsewhere(tmp_path, canary, model, refused):
    """The index names a file in another folder."""
    path = tmp_path / "x.weights.json"
    model.save_weights(path, max_shard_size=1e-6)
    model.load_weights(path)
    good = path.read_text()
    for name in ("../x.weights.h5", str(canary.secret), "..\\\\x.weights.h5"):
        path.write_text(good.replace("x_00000.weights.h5", name))
        refused(lambda: model.load_weights(path))


def test_a_shard_that_is_evil(tmp_path, canary, model, refused):
    path = tmp_path / "x.weights.json"
    model.save_weights(path, max_shard_size=1e-6)
    with h5py.File(tmp_path / "x_00000.weights.h5", "r+") as file:
        vast_beside(file, None, canary)
    refused(lambda: model.load_weights(path))


def test_folders(folder, tmp_path, canary, refused):
    """A folder is read by the same rules as a file."""
    model = load_model(folder / "good.keras")
    place = tmp_path / "model"
    kerata.saving.save_model(model, place, zipped=False)
    load_model(place)
    weights = place / "model.weights.h5"
    with h5py.File(weights, "r+") as file:
        external_storage(file, KERNEL, canary)
    refused(lambda: load_model(place))


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_a_file_of_keras(tmp_path, canary):
    """The files that attacks start from are like those that Keras itself writes."""
    path = tmp_path / "k.keras"
    models.mlp(keras).save(path)
    load_model(path)
    bad = with_weights(path, tmp_path / "bad.keras", lambda f: soft_group(f, KERNEL, canary))
    with pytest.raises(UnsafeModelError):
        load_model(bad)
