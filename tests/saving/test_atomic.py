"""A crash or a full disk while a file is written leaves the old file whole."""

import contextlib
import os
import resource
import stat
import tempfile
import threading

import h5py
import numpy as np
import pytest

import kerata
from kerata.saving import DamagedFileError, atomic, load_model, save_model, weights
from kerata.saving.api import read_model
from tests.saving import models


class Crash(BaseException):
    """Not an Exception: nobody may swallow it."""


def fail_at(monkeypatch, owner, name, error, after=0):
    """Make a function raise `error` at its call number `after`."""
    real, calls = getattr(owner, name), []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) > after:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)


FAULTS = [
    ("fsync", lambda m: fail_at(m, os, "fsync", OSError(28, "No space left on device"))),
    ("replace", lambda m: fail_at(m, os, "replace", OSError(5, "Input/output error"))),
    ("chmod", lambda m: fail_at(m, os, "chmod", Crash())),
    ("first weights", lambda m: fail_at(m, weights.hdf5.Writer, "__setitem__", Crash())),
    (
        "later weights",
        lambda m: fail_at(m, weights.hdf5.Writer, "__setitem__", OSError(28, "full"), after=3),
    ),
    ("close of the weights", lambda m: fail_at(m, h5py.File, "close", OSError(28, "full"))),
]


@pytest.mark.parametrize("kind", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f[0])
def test_faults_leave_the_old_file(fault, kind, tmp_path, monkeypatch):
    if kind == ".h5" and "weights" in fault[0] and "close" not in fault[0]:
        pytest.skip("older files are not written through the Writer")
    path = tmp_path / f"model{kind}"
    model = models.mlp(kerata)
    save = model.save_weights if kind == ".weights.h5" else model.save
    save(path)
    old = path.read_bytes()
    for v in model.weights:
        v.assign(v.value + 1)
    with monkeypatch.context() as m:
        fault[1](m)
        with pytest.raises((OSError, Crash)):
            save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [path.name]
    save(path)
    assert path.read_bytes() != old


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_full_disk(size, tmp_path, monkeypatch):
    """Writing fails for good after `size` bytes, as on a full disk."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write():
        with atomic.replacing(path) as file:
            file.write(b"x" * size)
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="disk is full"):
        write()
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_permissions_and_links_stay(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with atomic.replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink() and path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    fresh = tmp_path / "fresh"
    mask = os.umask(0o027)
    try:
        with atomic.replacing(fresh) as file:
            file.write(b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o640


def test_the_new_file_is_complete_when_it_appears(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    real = os.replace

    def checking(source, target):
        if target == str(path):
            with open(source, "rb") as file:
                twin = read_model(file)
            np.testing.assert_array_equal(twin(np.ones((1, 4))), model(np.ones((1, 4))))
        real(source, target)

    model = models.mlp(kerata)
    monkeypatch.setattr(os, "replace", checking)
    model.save(path)


@contextlib.contextmanager
def disk_of(size):
    """No file can grow beyond `size` bytes meanwhile, whoever writes it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


KINDS = [".keras", ".h5", ".weights.h5"]


@pytest.fixture(scope="module")
def model():
    return models.mlp(kerata)


def saver(model, kind):
    return model.save_weights if kind == ".weights.h5" else model.save


@pytest.mark.parametrize("size", [0, 700])
def test_the_disk_is_full(size, model, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    with disk_of(size), pytest.raises(OSError):
        model.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_cannot_be_written_to(kind, model, tmp_path, monkeypatch):
    path = tmp_path / f"model{kind}"
    path.write_bytes(b"old")
    fail_at(monkeypatch, tempfile, "mkstemp", PermissionError(13, "Permission denied"))
    with pytest.raises(PermissionError):
        saver(model, kind)(path)
    assert path.read_bytes() == b"old"


def test_two_writers(tmp_path, monkeypatch):
    """Both are done with writing before either renames: the file is that of one of them."""
    path, barrier = tmp_path / "x.weights.h5", threading.Barrier(2, timeout=20)
    both = [models.mlp(kerata), models.mlp(kerata)]
    real = os.replace

    def together(source, target):
        barrier.wait()
        real(source, target)

    with monkeypatch.context() as m:
        m.setattr(os, "replace", together)
        threads = [threading.Thread(target=x.save_weights, args=(path,)) for x in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert os.listdir(tmp_path) == [path.name]
    reader = models.mlp(kerata)
    reader.load_weights(path)
    values = [[v.tobytes() for v in models.values(x.weights)] for x in (reader, *both)]
    assert values[0] in values[1:]


@pytest.mark.parametrize("after", range(3))
def test_shards_of_two_saves_are_not_mixed(after, model, tmp_path, monkeypatch):
    """A crash between the renaming of the parts is noticed when they are read."""
    path = tmp_path / "x.weights.json"
    model.save_weights(path, max_shard_size=50 / 2**30)
    assert len(os.listdir(tmp_path)) == 3
    with monkeypatch.context() as m:
        fail_at(m, os, "replace", Crash(), after=after)
        with pytest.raises(Crash):
            model.save_weights(path, max_shard_size=50 / 2**30)
    assert len(os.listdir(tmp_path)) == 3
    if after:
        with pytest.raises(DamagedFileError, match="another save"):
            model.load_weights(path)
    else:
        model.load_weights(path)
    model.save_weights(path, max_shard_size=50 / 2**30)
    model.load_weights(path)


def test_a_folder_of_the_model(tmp_path, monkeypatch):
    """A crash while the files of a folder are written leaves a model that loads."""
    place, model = tmp_path / "model", models.mlp(kerata)
    save_model(model, place, zipped=False)
    for after in range(3):
        with monkeypatch.context() as m:
            fail_at(m, os, "replace", Crash(), after=after)
            with pytest.raises(Crash):
                save_model(model, place, zipped=False)
        twin = load_model(place)
        for a, b in zip(models.values(twin.weights), models.values(model.weights), strict=True):
            np.testing.assert_array_equal(a, b)
