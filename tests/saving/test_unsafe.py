"""Files that ask for what a file may not do are refused, each beside a good one that loads."""

import base64
import io
import json
import marshal
import os
import zipfile

import h5py
import keras
import numpy as np
import pytest

import kerata
from kerata.engine import settings
from kerata.engine.errors import UnsafeModelError
from kerata.saving import get_custom_objects
from tests.saving import models


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.keras"
    models.mlp(kerata).save(path)
    kerata.saving.load_model(path)
    return path


def rewrite(path, config=None, weights=None, **extra):
    """Write a variant of an archive: members passed through functions, further ones added."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if config is not None:
        value = json.loads(members["config.json"])
        config(value)
        members["config.json"] = json.dumps(value).encode()
    if weights is not None:
        memory = io.BytesIO(members["model.weights.h5"])
        with h5py.File(memory, "r+") as file:
            weights(file)
        members["model.weights.h5"] = memory.getvalue()
    bad = path.with_name("bad.keras")
    with zipfile.ZipFile(bad, "w") as archive:
        for name, data in {**members, **extra}.items():
            archive.writestr(name, data)
    return bad


@pytest.fixture(autouse=True)
def nothing_changes(tmp_path):
    before = dict(get_custom_objects()), settings.snapshot()
    outside = sorted(os.listdir(tmp_path.parent))
    yield
    assert (dict(get_custom_objects()), settings.snapshot()) == before
    assert sorted(os.listdir(tmp_path.parent)) == outside
    assert not (tmp_path / "marker").exists()


def dense_of(config):
    return config["config"]["layers"][1]


def code_that_makes(marker):
    code = compile(f"lambda x: open({str(marker)!r}, 'w') and x", "x", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


def test_code_of_a_lambda(good, tmp_path):
    code = [code_that_makes(tmp_path / "marker"), None, None]
    function = {"class_name": "__lambda__", "config": {"code": code[0], "defaults": None}}

    def edit(config):
        entry = {"name": "l", "trainable": True, "dtype": "float32", "function": function}
        dense_of(config).update(class_name="Lambda", config=entry)

    for safe_mode in (True, False):
        with pytest.raises(UnsafeModelError):
            kerata.saving.load_model(rewrite(good, edit), safe_mode=safe_mode)


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("keras.utils", "get_file"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("keras.saving", "load_model"),
        ("keras.src.utils.file_utils", "get_file"),
        ("kerata.saving.api", "load_model"),
        ("keras.layers", "dense"),
        ("keras.layers", "Den\u0455e"),
        ("subprocess", "Popen"),
    ],
)
def test_only_classes_of_the_library_are_found(module, name, good):
    def edit(config):
        dense_of(config).update(module=module, class_name=name)

    with pytest.raises((ValueError, TypeError)):
        kerata.saving.load_model(rewrite(good, edit))


def test_a_registered_name_on_a_built_in_class(good):
    def edit(config):
        dense_of(config)["registered_name"] = "os.system"

    with pytest.raises(UnsafeModelError, match="registered"):
        kerata.saving.load_model(rewrite(good, edit))


def test_functions_by_name(good):
    def edit(config):
        dense_of(config)["config"]["activation"] = {
            "module": "builtins",
            "class_name": "function",
            "config": "eval",
            "registered_name": "function",
        }

    with pytest.raises(ValueError, match="'eval'"):
        kerata.saving.load_model(rewrite(good, edit))


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: dense_of(c).update(config=[1, 2]),
        lambda c: dense_of(c).update(config="text"),
        lambda c: c.update(config=None),
        lambda c: c["config"].update(layers="text"),
        lambda c: c.pop("class_name"),
        lambda c: dense_of(c)["config"].update(units=float("nan")),
        lambda c: dense_of(c)["config"].update(units=-1),
    ],
)
def test_malformed_configs(edit, good):
    with pytest.raises((ValueError, TypeError)):
        kerata.saving.load_model(rewrite(good, edit))


def test_nesting_without_end(good):
    deep = "[" * 100_000 + "]" * 100_000
    bad = good.with_name("bad.keras")
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("config.json", '{"x": ' + deep + "}")
        archive.writestr("model.weights.h5", source.read("model.weights.h5"))
    with pytest.raises(UnsafeModelError, match="nested"):
        kerata.saving.load_model(bad)


KERNEL = "layers/dense/vars/0"


def soft_link(file):
    del file[KERNEL]
    file["other"] = np.zeros((4, 3), "float32")
    file[KERNEL] = h5py.SoftLink("/other")


def external_link(file):
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink("/etc/hostname", "/x")


def external_group(file):
    del file["layers"]
    file["layers"] = h5py.ExternalLink("elsewhere.h5", "/layers")


def linked_vars(file):
    file.move("layers/dense", "elsewhere")
    file["layers/dense"] = h5py.SoftLink("/elsewhere")


def external_storage(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (4, 3), "float32", external=[("/etc/hostname", 0, 48)])


def virtual(file):
    del file[KERNEL]
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (4, 3))
    file.create_virtual_dataset(KERNEL, layout)


def vast(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (2**25, 2**25), "float32", chunks=(1024, 1024), compression="gzip")


def of_strings(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, data=np.array([["x"] * 3] * 4, "S1"))


def of_text(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, data=[["text"] * 3] * 4)


def a_named_type(file):
    del file[KERNEL]
    file[KERNEL] = np.dtype("float32")


def unknown_dtype(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, data=np.zeros((4, 3), "V2")).attrs["dtype"] = "object"


EVIL = [
    soft_link,
    external_link,
    external_group,
    linked_vars,
    external_storage,
    virtual,
    vast,
    of_strings,
    of_text,
    a_named_type,
    unknown_dtype,
]


@pytest.mark.parametrize("edit", EVIL)
def test_weights_that_point_elsewhere_or_are_no_numbers(edit, good, tmp_path):
    with pytest.raises(UnsafeModelError):
        kerata.saving.load_model(rewrite(good, weights=edit))
    path = tmp_path / "x.weights.h5"
    model = models.mlp(kerata)
    model.save_weights(path)
    model.load_weights(path)
    with h5py.File(path, "r+") as file:
        edit(file)
    before = models.values(model.weights)
    for skip_mismatch in (False, True):
        with pytest.raises(UnsafeModelError):
            model.load_weights(path, skip_mismatch=skip_mismatch)
    with pytest.raises(UnsafeModelError):
        kerata.saving.KerasFileEditor(path)
    for a, b in zip(before, models.values(model.weights), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("edit", [external_link, external_storage, virtual, of_text])
def test_older_files(edit, tmp_path):
    path, model = tmp_path / "x.h5", models.mlp(kerata)
    model.save(path)
    kerata.saving.load_model(path)
    with h5py.File(path, "r+") as file:
        names = list(file["model_weights/dense"].attrs["weight_names"])
        kernel = "model_weights/dense/" + names[0].decode()
        file.create_dataset(KERNEL, data=np.zeros((4, 3), "float32"))
        edit(file)
        del file[kernel]
        file.move(KERNEL, kernel)
    with pytest.raises(UnsafeModelError):
        kerata.saving.load_model(path)
    with pytest.raises(UnsafeModelError):
        model.load_weights(path)


def test_two_members_of_one_name(good):
    bad = good.with_name("bad.keras")
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("config.json", source.read("config.json"))
    with pytest.raises(UnsafeModelError, match="one name"):
        kerata.saving.load_model(bad)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/x"])
def test_members_that_unpack_without_end(name, good):
    bad = good.with_name("bad.keras")
    with (
        zipfile.ZipFile(good) as source,
        zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member in source.namelist():
            if member != name:
                archive.writestr(member, source.read(member))
        with archive.open(name, "w") as file:
            for _ in range(100):
                file.write(bytes(2**20))
    with pytest.raises(UnsafeModelError, match="unpacks"):
        kerata.saving.load_model(bad)


def test_an_archive_that_was_packed_again_loads(good):
    packed = good.with_name("packed.keras")
    with (
        zipfile.ZipFile(good) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    x = np.ones((1, 4), "float32")
    first, second = kerata.saving.load_model(good), kerata.saving.load_model(packed)
    np.testing.assert_array_equal(first(x), second(x))


@pytest.mark.parametrize("name", ["../marker", "/tmp/../marker", "assets/../../marker"])
def test_members_are_not_extracted(name, good):
    kerata.saving.load_model(rewrite(good, **{name: b"x"}))


def test_overlapping_members(good):
    data = bytearray(good.read_bytes())
    # The central directory says that the last member begins where the first one does.
    place = data.rfind(b"PK\x01\x02")
    data[place + 42 : place + 46] = bytes(4)
    good.write_bytes(data)
    with pytest.raises((UnsafeModelError, ValueError)):
        kerata.saving.load_model(good)


def test_weights_of_wrong_shape_in_a_model_file(good):
    def edit(file):
        del file[KERNEL]
        file[KERNEL] = np.zeros((3, 4), "float32")

    with pytest.raises(ValueError, match="\\(4, 3\\)(.|\n)*\\(3, 4\\)"):
        kerata.saving.load_model(rewrite(good, weights=edit))


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_the_canaries_sing_in_the_good_file_of_keras(tmp_path):
    """The file that the attacks start from is one that Keras itself writes and reads."""
    path = tmp_path / "k.keras"
    models.mlp(keras).save(path)
    bad = rewrite(path, weights=soft_link)
    kerata.saving.load_model(path)
    with pytest.raises(UnsafeModelError):
        kerata.saving.load_model(bad)
