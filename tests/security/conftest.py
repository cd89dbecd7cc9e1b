"""What every attack is held against: it is refused by type, and leaves nothing behind."""

import contextlib
import os
import random
import socket
import sys

import numpy as np
import pytest

import kerata
from kerata.engine import policies, registry, rng, settings
from kerata.saving import UnsafeModelError
from tests.saving import models
from tests.security.canaries import Canary

# Memory that reading a file of a few kilobytes may take.
MEMORY = 256 * 2**20

# What no reading of a file does: Python reports these events to its audit hooks.
_FORBIDDEN = {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec",
              "os.symlink", "os.link", "pickle.find_class", "urllib.Request"}  # fmt: skip
# Where compiled programs are kept.
_CACHE = os.environ.get("JAX_COMPILATION_CACHE_DIR", "/dev")
_events: list | None = None


def _listen(event, arguments):
    if _events is None:
        return
    if event in _FORBIDDEN:
        _events.append((event, arguments))
    elif event == "open" and isinstance(arguments[0], str):
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR) if isinstance(flags, int) else "r" != mode
        ours = path.startswith((_CACHE, "/proc")) or "__pycache__" in path
        if "canary" in path or (writes and not ours):
            _events.append((event, arguments))


sys.addaudithook(_listen)


@pytest.fixture(scope="session")
def listener():
    """A server on this machine, which nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def canary(tmp_path, listener):
    """What an attack would touch, read or call."""
    secret = tmp_path / "canary.txt"
    secret.write_bytes(b"secret\n" * 100)
    port = listener.getsockname()[1]
    return Canary(tmp_path / "marker", secret, f"http://127.0.0.1:{port}/canary.txt")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Good files of one small model, to be read only."""
    folder = tmp_path_factory.mktemp("good")
    model = models.mlp(kerata)
    model.compile("adam", "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    model.save(folder / "good.keras")
    model.save(folder / "good.h5")
    model.save_weights(folder / "good.weights.h5")
    plain = kerata.Sequential([kerata.Input((4,)), kerata.layers.Activation("relu")])
    plain.save(folder / "plain.keras")
    inputs = kerata.Input((4,))
    outputs = kerata.layers.Dense(3)(inputs)
    kerata.Model(inputs, kerata.ops.sum(outputs, axis=1)).save(folder / "graph.keras")
    return folder


@pytest.fixture
def good(folder):
    return folder / "good.keras"


def world() -> dict:
    """All that reading a file must leave as it is."""
    return {
        "generator": rng.global_seed_generator().state.numpy().tolist(),
        "settings": settings.snapshot(),
        "policy": policies.dtype_policy().name,
        "registered": dict(registry.get_custom_objects()),
        "scopes": dict(registry._overlay()),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "seed": rng.global_seed(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }


def _memory(key: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


@contextlib.contextmanager
def _small():
    """Check that the block takes no more than `MEMORY` at any time, where the system counts it."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak is measured from here on
    except OSError:
        yield
        return
    start = _memory("VmRSS")
    yield
    assert _memory("VmHWM") - start < MEMORY


@pytest.fixture
def untouched(tmp_path, canary):
    """A context manager: what runs in it leaves the world as it was."""

    @contextlib.contextmanager
    def check():
        global _events
        folders = (tmp_path, tmp_path.parent)
        before = world(), [sorted(os.listdir(f)) for f in folders]
        _events = []
        try:
            with _small():
                yield
        finally:
            events, _events = _events, None
        assert not events
        assert not canary.marker.exists()
        after = world(), [sorted(os.listdir(f)) for f in folders]
        assert after[1] == before[1]
        assert {k: v for k, v in after[0].items() if v != before[0][k]} == {}

    return check


@pytest.fixture
def refused(untouched):
    """A function: check that `read()` raises the error, and leaves the world as it was."""

    def check(read, match=None, kind=UnsafeModelError):
        with untouched(), pytest.raises(kind, match=match) as caught:
            read()
        assert len(str(caught.value)) < 2000

    return check
