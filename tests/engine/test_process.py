import os
import platform
import subprocess
import sys
import time
import zlib

import pytest

from kerata.engine import process

GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.setattr(process.os, "environ", {})


def test_tuned_where_the_allocator_is_glibcs():
    assert process.tune() == GLIBC


def test_cheap():
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        process.tune()
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.001


@pytest.mark.parametrize(
    "name, value",
    [("KERATA_MALLOC", "default"), ("MALLOC_ARENA_MAX", "2"),
     ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=1")],
)  # fmt: skip
def test_left_alone(monkeypatch, name, value):
    monkeypatch.setitem(process.os.environ, name, value)
    assert process.tune() is False


def test_other_systems(monkeypatch):
    monkeypatch.setattr(process.sys, "platform", "darwin")
    assert process.tune() is False


class _Library:
    """A C library whose mallopt notes its calls and refuses some."""

    def __init__(self, refuses=()):
        self.calls, self.refuses = [], refuses
        self.gnu_get_libc_version = None

    def mallopt(self, option, value):
        self.calls.append((option, value))
        return int((option, value) not in self.refuses)


def use_library(monkeypatch, load):
    monkeypatch.setattr(process.sys, "platform", "linux")
    monkeypatch.setattr(process.ctypes, "CDLL", load)


def test_old_glibc_refuses_the_threshold(monkeypatch):
    library = _Library(refuses=[(process._MMAP_THRESHOLD, process._LARGE)])
    use_library(monkeypatch, lambda name: library)
    assert process.tune() is True
    assert (process._MMAP_MAX, 0) in library.calls


def test_nothing_granted(monkeypatch):
    library = _Library(refuses=[(process._TRIM_THRESHOLD, process._LARGE)])
    use_library(monkeypatch, lambda name: library)
    assert process.tune() is False


def test_other_libraries(monkeypatch):
    def unreadable(name):
        raise OSError(name)

    use_library(monkeypatch, lambda name: object())  # as musl: no gnu_get_libc_version
    assert process.tune() is False
    use_library(monkeypatch, unreadable)
    assert process.tune() is False


class _Config:
    """JAX's config, as far as the cache of programs reads and sets it."""

    def __init__(self, folder=None, enabled=True):
        self.jax_compilation_cache_dir, self.jax_enable_compilation_cache = folder, enabled

    def update(self, name, value):
        setattr(self, name, value)


@pytest.fixture
def config(monkeypatch):
    config = _Config()
    monkeypatch.setattr(process.jax, "config", config)
    monkeypatch.setattr(process.atexit, "register", lambda *args: None)
    return config


def test_programs_are_cached_in_the_users_folder(config, monkeypatch, tmp_path):
    monkeypatch.setattr(process.sys, "platform", "linux")
    process.os.environ["XDG_CACHE_HOME"] = str(tmp_path)
    folder = process.cache_programs()
    assert folder.startswith(str(tmp_path / "kerata" / "programs"))
    assert config.jax_compilation_cache_dir == folder
    assert os.stat(folder).st_mode & 0o077 == 0
    assert process.cache_programs() is None  # JAX knows a folder already


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false"])
def test_no_cache_if_turned_off(config, value):
    process.os.environ["KERATA_COMPILE_CACHE"] = value
    assert process.cache_programs() is config.jax_compilation_cache_dir is None


def test_no_cache_where_jax_was_told_so(config, tmp_path):
    process.os.environ["KERATA_COMPILE_CACHE"] = str(tmp_path)
    config.jax_enable_compilation_cache = False
    assert process.cache_programs() is None


def test_no_cache_where_nothing_can_be_written(config, tmp_path):
    (tmp_path / "file").write_text("")
    process.os.environ["KERATA_COMPILE_CACHE"] = str(tmp_path / "file")
    assert process.cache_programs() is None


def test_no_cache_without_a_home(config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process.os.path, "expanduser", lambda path: path)
    assert process.cache_programs() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
@pytest.mark.parametrize("which", ["the folder", "one above it"])
def test_no_cache_where_others_could_put_programs(config, tmp_path, which):
    process.os.environ["KERATA_COMPILE_CACHE"] = str(tmp_path / "mine")
    folder = process.cache_programs()
    assert folder is not None
    os.chmod(folder if which == "the folder" else tmp_path / "mine", 0o777)
    config.jax_compilation_cache_dir = None
    assert process.cache_programs() is None


def test_pruning_deletes_what_a_killed_process_left(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_UNDER_WAY", -1)
    whole = zlib.compress(b"program")
    (tmp_path / "whole-cache").write_bytes(whole)
    (tmp_path / "half-cache").write_bytes(whole[:-2])
    (tmp_path / "empty-cache").write_bytes(b"")
    process.prune(str(tmp_path), 1000)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".checked", "whole-cache"]


def test_what_is_just_being_written_is_left_alone(tmp_path):
    (tmp_path / "half-cache").write_bytes(zlib.compress(b"program")[:-2])
    process.prune(str(tmp_path), 1000)
    assert (tmp_path / "half-cache").exists()


def test_pruning_deletes_what_was_not_used_for_longest(tmp_path):
    (tmp_path / ".checked").touch()  # nothing is read, which would count as a use
    for age, name in enumerate(("new", "older", "oldest")):
        (tmp_path / name).write_bytes(b"0" * 10)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    process.prune(str(tmp_path), 25)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".checked", "new", "older"]
    process.prune(str(tmp_path / "missing"), 25)


PROGRAM = """
import jax, kerata
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name.endswith("cache_hits")))
kerata.jit(lambda x: x + 1)(jax.numpy.ones(3))
print(sum(hits))
"""


def test_a_second_process_does_not_compile(tmp_path):
    environment = {"KERATA_COMPILE_CACHE": str(tmp_path), "JAX_PLATFORMS": "cpu",
                   "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
    hits = [
        int(subprocess.run([sys.executable, "-c", PROGRAM], env=environment, text=True,
                           check=True, capture_output=True).stdout)
        for _ in range(2)
    ]  # fmt: skip
    assert hits[0] == 0 < hits[1]
