import platform
import sys
import time

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
