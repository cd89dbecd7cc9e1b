"""Zip and tar archives with members that lead elsewhere, lie upon each other or never end."""

import base64
import io
import os
import pickle
import stat
import tarfile
import zipfile

import numpy as np
import pytest

import kerata
from kerata.datasets import pickles
from kerata.datasets.files import read_npz
from kerata.saving import (
    DamagedFileError,
    KerasFileEditor,
    archive as zipped,
    load_model,
)
from kerata.utils import archives, get_file
from tests.saving import models
from tests.security.canaries import archive, members_of


def named(name, data=b"x"):
    """Return an edit that adds a member, whatever its name."""

    def edit(members, canary):
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = name
        return [*members.items(), (info, data)]

    return edit


def linked(target):
    def edit(members, canary):
        info = zipfile.ZipInfo("assets/vocabulary.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        return [*members.items(), (info, str(canary.secret).encode())]

    return edit


def repeated(name):
    return lambda members, canary: [*members.items(), (name, members[name])]


NAMES = ["../marker", "/tmp/marker", "assets/../../marker", "..\\marker", "C:\\marker",
         "C:marker", "\\\\host\\marker", "assets//marker", "./marker", "assets/./x"]  # fmt: skip
ATTACKS = {
    **{f"name {name}": named(name) for name in NAMES},
    "name with NUL": named("assets/x\0.txt"),
    "duplicate config.json": repeated("config.json"),
    "duplicate weights": repeated("model.weights.h5"),
    "symbolic link": linked("canary"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("edit", ATTACKS.values(), ids=ATTACKS)
def test_members(edit, good, tmp_path, canary, refused):
    bad = archive(tmp_path / "bad.keras", edit(members_of(good), canary))
    refused(lambda: load_model(bad))
    refused(lambda: KerasFileEditor(bad))


def test_good_twins(good, tmp_path, untouched):
    """More members, folders, and other ways to pack are no attack."""
    members = {**members_of(good), "assets/": b"", "assets/marker": b"x", "read me.txt": b"x"}
    paths = [archive(tmp_path / "a.keras", members)]
    paths.append(archive(tmp_path / "b.keras", members, zipfile.ZIP_DEFLATED))
    x = np.ones((1, 4), "float32")
    expected = load_model(good)(x)
    with untouched():
        outputs = [load_model(path)(x) for path in paths]
    for output in outputs:
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/x"])
def test_bombs_of_one_member(name, good, tmp_path, monkeypatch, refused):
    """Eight times as much as a bound allows that is lowered here, to be quick."""
    monkeypatch.setattr(zipped, "_SLACK", 2**20)
    bad = tmp_path / "bad.keras"
    with zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for member, data in members_of(good).items():
            if member != name:
                file.writestr(member, data)
        with file.open(name, "w") as member:
            for _ in range(8):
                member.write(bytes(2**20))
    refused(lambda: load_model(bad), match="unpacks")


def test_bombs_of_many_members(good, tmp_path, monkeypatch, refused):
    """Each member is within bounds; all of them are not."""
    members = {**members_of(good), **{f"assets/{n}": bytes(2**17) for n in range(8)}}
    path = archive(tmp_path / "bad.keras", members, zipfile.ZIP_DEFLATED)
    load_model(path)
    monkeypatch.setattr(zipped, "_SLACK", 2**18)
    refused(lambda: load_model(path), match="unpacks")
    monkeypatch.setattr(zipped, "_MEMBERS", 10)
    refused(lambda: load_model(path), match="11 members")


def directory(data: bytearray, name: bytes) -> int:
    """Return where the entry of a member stands in the central directory."""
    return data.rindex(name) - 46


def test_overlapping_members(good, tmp_path, refused):
    data = bytearray(good.read_bytes())
    place = directory(data, b"model.weights.h5")
    data[place + 42 : place + 46] = bytes(4)
    bad = tmp_path / "bad.keras"
    bad.write_bytes(data)
    refused(lambda: load_model(bad), match="overlap")


@pytest.mark.parametrize("what, offset, value", [("encrypted", 8, 1), ("unusual way", 10, 14)])
def test_packed_in_other_ways(what, offset, value, good, tmp_path, refused):
    data = bytearray(good.read_bytes())
    place = directory(data, b"config.json")
    data[place + offset] = value
    bad = tmp_path / "bad.keras"
    bad.write_bytes(data)
    refused(lambda: load_model(bad), match=what)


# Assets.


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A good file of a model with a vocabulary among its assets."""
    model = kerata.Sequential([kerata.Input((1,), dtype="string"), kerata.layers.StringLookup()])
    model.layers[0].adapt(["a", "b", "b"])
    path = tmp_path_factory.mktemp("texts") / "good.keras"
    model.save(path)
    return path


def test_assets_come_from_memory(texts, untouched):
    """Not even a vocabulary is written anywhere while a file is read."""
    with untouched():
        model = load_model(texts)
    assert model.layers[0].get_vocabulary() == ["[UNK]", "b", "a"]


@pytest.mark.parametrize("name", ["..", "../marker", "a/b", "/marker", "a\\b", "C:x", "x\0", ""])
def test_asset_keys(name, texts, tmp_path, canary, refused):
    """Keys of a checkpoint that are no names of files."""
    from kerata.saving.api import _load_assets

    model = load_model(texts)
    refused(lambda: _load_assets(model, lambda path: {name: b"x"} if path else {}))


class Notes(kerata.layers.Layer):
    """A user's layer with assets in files."""

    def call(self, inputs):
        return inputs

    def save_assets(self, dir_path):
        with open(os.path.join(dir_path, "note.txt"), "w") as file:
            file.write("hello")

    def load_assets(self, dir_path):
        with open(os.path.join(dir_path, "note.txt")) as file:
            self.note = file.read()


def test_assets_of_a_layer_of_the_users(tmp_path):
    path = tmp_path / "x.keras"
    kerata.Sequential([kerata.Input((2,)), Notes()]).save(path)
    assert load_model(path, {"Notes": Notes}).layers[0].note == "hello"


@pytest.mark.parametrize("name", ["a/b", "../x", "a\\b", "C:x"])
def test_CVE_2026_12479_no_name_becomes_a_path(name, tmp_path):
    """What a layer is called says nothing of where its assets are written."""
    try:
        layer = kerata.layers.StringLookup(name=name)
    except ValueError:
        return
    layer.adapt(["a"])
    model = kerata.Sequential([kerata.Input((1,), dtype="string"), layer])
    place = tmp_path / "model"
    kerata.saving.save_model(model, place, zipped=False)
    assert os.listdir(tmp_path) == ["model"]
    found = [os.path.join(top, n) for top, _, names in os.walk(place) for n in names]
    assert str(place / "assets" / "layers" / "string_lookup" / "vocabulary.txt") in found


# The file that was looked at is the one that is read.


def test_a_file_that_is_swapped_meanwhile(good, tmp_path, monkeypatch, canary):
    path, other = tmp_path / "x.keras", tmp_path / "other.keras"
    path.write_bytes(good.read_bytes())
    models.convnet(kerata).save(other)
    real = zipped.Archive._check_places

    def swapping(self, members):
        real(self, members)
        if other.exists():
            os.replace(other, path)

    monkeypatch.setattr(zipped.Archive, "_check_places", swapping)
    assert len(load_model(path).layers) == 2
    assert len(load_model(path).layers) == 6


# Folders.


def test_a_folder_is_no_other_kind_of_file(tmp_path, canary, refused):
    """A folder that holds no model is not handed to whatever might know it."""
    place = tmp_path / "saved.keras"
    place.mkdir()
    (place / "saved_model.pb").write_bytes(b"x")
    refused(lambda: load_model(place), kind=ValueError)
    (place / "config.json").write_text('{"module": "os", "class_name": "system", "config": {}}')
    (place / "model.weights.h5").write_bytes(b"x")
    refused(lambda: load_model(place), kind=DamagedFileError)


# Downloads: more of them in tests/utils/test_download.py.


def tar(path, *members):
    with tarfile.open(path, "w") as file:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = 1 if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(b"x"))
    return path


FILE, SYMLINK, HARDLINK = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
TARS = {
    "CVE-2024-55459": [("../../marker", FILE, "")],
    "CVE-2024-55459 absolute": [("/tmp/marker", FILE, "")],
    "CVE-2025-12060": [("link", SYMLINK, "../.."), ("link/marker", FILE, "")],
    "CVE-2025-12638": [
        ("a", SYMLINK, "."), ("a/b", SYMLINK, ".."), ("a/b/../marker", FILE, ""),
    ],
    "link/../x": [("link", SYMLINK, "."), ("link/../x", FILE, "")],
    "hard link with a name that escapes": [("x", FILE, ""), ("../marker", HARDLINK, "x")],
    "hard link to a file elsewhere": [("marker", HARDLINK, "/etc/hostname")],
    "GHSA-hqp4-2352-xf5r": [("good", FILE, ""), ("sub/../../marker", FILE, "")],
}  # fmt: skip


@pytest.mark.parametrize("members", TARS.values(), ids=TARS)
def test_tar(members, tmp_path, canary):
    cache = tmp_path / "cache"
    bad = tar(tmp_path / "bad.tar", *members)
    with pytest.raises(ValueError, match="outside|a link to|damaged"):
        archives.extract_archive(bad, cache)
    assert sorted(os.listdir(tmp_path)) == ["bad.tar", "canary.txt"]
    fine = tar(tmp_path / "good.tar", ("good/x", FILE, ""), ("good/y", SYMLINK, "x"))
    archives.extract_archive(fine, cache)
    assert sorted(os.listdir(cache / "good")) == ["x", "y"]


@pytest.mark.parametrize("name", ["..", "a/..", "..\\", "a\\.."])
def test_names_of_downloads(name, tmp_path, canary):
    """What a file is called in the cache is not for its address to say."""
    with pytest.raises(ValueError, match="name"):
        get_file(origin=f"{canary.url}/{name}", cache_dir=str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["canary.txt"]


# Arrays of data sets.


def npz(path, header: dict, data: bytes):
    memory = io.BytesIO()
    np.lib.format.write_array_header_1_0(memory, header)
    return archive(path, {"x.npy": memory.getvalue() + data}, zipfile.ZIP_DEFLATED)


def test_header_bomb_in_npz(tmp_path, refused):
    header = {"descr": "<f4", "fortran_order": False, "shape": (2,)}
    fine = npz(tmp_path / "good.npz", header, np.ones(2, "f4").tobytes())
    np.testing.assert_array_equal(read_npz(fine)["x"], [1, 1])
    bad = npz(tmp_path / "bad.npz", {**header, "shape": (10**12,)}, bytes(8))
    refused(lambda: read_npz(bad), kind=ValueError, match="declare")


def test_pickle_in_npz(tmp_path, canary, refused):
    """A pickle whose reading would make the marker; and one of plain data."""
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    bad = npz(tmp_path / "bad.npz", header, base64.b64decode(canary.pickle))
    refused(lambda: read_npz(bad), kind=ValueError)
    np.savez(tmp_path / "good.npz", x=np.array([[1], [2, 3]], object))
    assert read_npz(tmp_path / "good.npz")["x"].tolist() == [[1], [2, 3]]


def test_pickled_caches(canary, refused, tmp_path):
    refused(lambda: pickles.read(base64.b64decode(canary.pickle), "x"), kind=ValueError)
    assert pickles.read(pickle.dumps({"a": [1]}), "x") == {"a": [1]}
