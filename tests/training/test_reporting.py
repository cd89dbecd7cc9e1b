"""Callbacks that report elsewhere: Orbax's checkpoints, a server, TensorBoard's files."""

import builtins
import copy
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import jax
import numpy as np
import pytest

import kerata
from kerata import callbacks, layers, models
from kerata.training.callbacks import events, tensorboard

X, Y = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3), np.ones((8, 1), "float32")


@pytest.fixture(scope="module")
def model():
    """One model for all tests, so that its step is compiled once."""
    inputs = kerata.Input((3,), name="numbers")
    outputs = layers.Dense(1, name="last")(layers.Dense(2, name="first")(inputs))
    model = kerata.Model(inputs, outputs, name="small")
    model.compile("adam", "mse")
    model.fit(X, Y, batch_size=4, epochs=1, verbose=0)
    return model


def fit(model, *given, epochs=2, **options):
    model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(given), **options)


# Orbax


@pytest.fixture
def orbax():
    return pytest.importorskip("orbax.checkpoint")


@pytest.mark.filterwarnings("ignore")  # Orbax's own
@pytest.mark.parametrize("background", [False, True])
def test_orbax_saves_the_whole_state(model, orbax, tmp_path, background):
    save = callbacks.OrbaxCheckpoint(tmp_path, save_on_background=background, max_to_keep=2)
    fit(model, save, epochs=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]
    twin = kerata.saving.load_model(tmp_path)
    for mine, theirs in zip(
        [*model.variables, *model.optimizer.variables],
        [*twin.variables, *twin.optimizer.variables],
    ):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert twin.compiled and twin.name == "small"
    fit(model, save, epochs=1)  # in the same folder: the step is written anew
    np.testing.assert_array_equal(
        kerata.saving.load_model(tmp_path).get_weights()[0], twin.get_weights()[0]
    )


@pytest.mark.filterwarnings("ignore")
def test_orbax_weights_by_batches(model, orbax, tmp_path):
    save = callbacks.OrbaxCheckpoint(
        tmp_path, save_freq=2, save_weights_only=True, max_to_keep=None, save_on_background=False
    )
    start = int(model.optimizer.iterations)
    fit(model, save)
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == [start + 2, start + 4]
    twin = models.clone_model(model)
    twin.load_weights(tmp_path)
    for mine, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(ValueError, match="only weights"):
        kerata.saving.load_model(tmp_path)
    other = kerata.Sequential([kerata.Input((3,)), layers.Dense(5, name="first")])
    with pytest.raises(ValueError, match="does not fit"):
        other.load_weights(tmp_path)


def test_orbax_saves_only_the_best(orbax, tmp_path, monkeypatch):
    steps = []

    class Checkpointer:
        def save_checkpointables(self, step, data, **options):
            steps.append(step)

    monkeypatch.setattr("kerata.saving.orbax.contents", lambda model, weights_only: {})
    save = callbacks.OrbaxCheckpoint(
        tmp_path, "loss", save_best_only=True, mode="min", save_on_background=False,
        initial_value_threshold=3.5,
    )  # fmt: skip
    save._checkpointer = Checkpointer()
    for epoch, loss in enumerate([4.0, 3.0, 5.0, 2.0]):
        save.on_epoch_end(epoch, {"loss": loss})
    assert steps == [1, 3]
    with pytest.warns(UserWarning, match="not available"):
        save.on_epoch_end(4, {})
    assert steps == [1, 3]


def test_orbax_arguments(orbax, tmp_path):
    with pytest.raises(ValueError, match="save_freq"):
        callbacks.OrbaxCheckpoint(tmp_path, save_freq="batch")
    save = copy.deepcopy(callbacks.OrbaxCheckpoint(tmp_path))
    assert save.is_primary_host() and not save.is_multihost_enabled()


@pytest.mark.parametrize(
    "make, package",
    [
        (lambda: callbacks.OrbaxCheckpoint("x"), "orbax"),
        (lambda: callbacks.RemoteMonitor().on_epoch_end(0, {}), "requests"),
    ],
)
def test_missing_packages_say_which_extra_installs_them(monkeypatch, make, package):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith(package):
            raise ModuleNotFoundError(name)
        return original(name, *args, **kwargs)

    def find(name, *args):
        return without(name)

    monkeypatch.setattr("importlib.import_module", find)
    with pytest.raises(ImportError, match=r"pip install 'kerata\[\w+\]'"):
        make()


# A server


@pytest.fixture
def server():
    """A server on this machine that keeps what it is sent."""
    pytest.importorskip("requests")
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["X-Key"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("as_json", [True, False])
def test_remote_monitor(server, as_json):
    from urllib.parse import parse_qs

    root, received = server
    monitor = callbacks.RemoteMonitor(
        root, "/epoch", "logs", headers={"X-Key": "7"}, send_as_json=as_json
    )
    logs = {"loss": jax.numpy.float32(0.5), "one": np.arange(1), "many": np.array([1, np.nan])}
    monitor.on_epoch_end(3, logs)
    ((path, key, body),) = received
    assert (path, key) == ("/epoch", "7")
    found = json.loads(body if as_json else parse_qs(body)["logs"][0])
    assert found == {"epoch": 3, "loss": 0.5, "one": 0, "many": [1.0, None]}


def test_remote_monitor_does_not_wait_for_ever(server, monkeypatch):
    given = []
    monkeypatch.setattr("requests.post", lambda *args, **options: given.append(options["timeout"]))
    for as_json in (True, False):
        callbacks.RemoteMonitor(send_as_json=as_json).on_epoch_end(0, {})
    assert given == [10, 10]


def test_remote_monitor_without_a_server(server):
    monitor = callbacks.RemoteMonitor("http://127.0.0.1:9")
    with pytest.warns(UserWarning, match=r"http://127\.0\.0\.1:9"):
        monitor.on_epoch_end(0, {"loss": 0.5})


# TensorBoard


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def parse(data):
    """Return the fields of a protocol buffer, number -> list of values."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:
            if key & 7 == 2:
                size, at = read_varint(data, at)
            else:
                size = {1: 8, 5: 4}[key & 7]
            value, at = data[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def read(folder):
    """Return the events of the only event file in a folder."""
    (path,) = folder.glob("events.out.tfevents.*")
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == events.checksum(data[at : at + 8])
        event = data[at + 12 : at + 12 + size]
        assert struct.unpack_from("<I", data, at + 12 + size)[0] == events.checksum(event)
        found.append(parse(event))
        at += 16 + size
    return found


def scalars(folder):
    """Return (tag, step) -> number."""
    found = {}
    for event in read(folder):
        for value in parse(event[5][0])[1] if 5 in event else ():
            value = parse(value)
            if 2 in value:
                found[value[1][0].decode(), event[2][0]] = struct.unpack("<f", value[2][0])[0]
    return found


def tags(folder):
    summaries = [parse(event[5][0])[1] for event in read(folder) if 5 in event]
    return {parse(value)[1][0].decode() for summary in summaries for value in summary}


def test_bytes_are_those_that_tensorboards_own_writer_makes():
    """The constants were made with the package `tensorboard`, version 2.21."""
    assert events.checksum(b"abc") == 569464686
    summary = events.text(5, events.scalar("loss", 0.5))
    assert (events.integer(2, 300) + summary).hex() == "10ac022a0d0a0b0a046c6f7373150000003f"
    graph = events.graph([("a", "Dense", ["x", "y"])])
    assert graph.hex() == "0a100a0161120544656e73651a01781a0179"
    written = events.histogram("w/histogram", [0.0, 0.5, 0.75, 1.0, np.nan], bins=2)
    expected = (
        "0a5f0a0b772f686973746f6772616d423e080212081202080212020803223000000000000000000000000000"
        "00e03f000000000000f03f000000000000e03f000000000000f03f0000000000000840"
        "4a100a0c0a0a686973746f6772616d732002"
    )
    assert written.hex() == expected


def test_tensorboard_scalars(model, tmp_path):
    board = callbacks.TensorBoard(tmp_path, update_freq=1, write_steps_per_second=True)
    start = int(model.optimizer.iterations)
    for _ in range(2):  # a second fit goes on in further files
        fit(model, board, validation_data=(X, Y))
        for path in tmp_path.rglob("events*"):
            path.rename(path.with_name(f"{len(list(path.parent.iterdir()))}_{path.name}"))
    first, second = sorted((tmp_path / "train").glob("[12]_*"))
    first.rename(tmp_path / "train" / "events.out.tfevents.first")
    found = scalars(tmp_path / "train")
    assert {tag for tag, _ in found} == {
        "epoch_loss", "epoch_learning_rate", "epoch_steps_per_second", "batch_loss",
        "batch_steps_per_second",
    }  # fmt: skip
    assert [step for tag, step in found if tag == "batch_loss"] == [1, 2, 3, 4]
    assert [step for tag, step in found if tag == "epoch_loss"] == [0, 1]
    assert found["epoch_learning_rate", 1] == pytest.approx(1e-3)
    first, second = sorted((tmp_path / "validation").glob("[12]_*"))
    first.rename(tmp_path / "validation" / "events.out.tfevents.first")
    found = scalars(tmp_path / "validation")
    assert [tag for tag, _ in found] == ["evaluation_loss_vs_iterations", "epoch_loss"] * 2
    assert found["epoch_loss", 1] == found["evaluation_loss_vs_iterations", start + 4]
    assert model.history.history["val_loss"][0] < found["epoch_loss", 1]


def test_tensorboard_weights_graph_and_embeddings(tmp_path):
    model = kerata.Sequential(
        [kerata.Input((2,), dtype="int32"), layers.Embedding(4, 3, name="words"), layers.Flatten(),
         layers.Dense(1, name="last")]
    )  # fmt: skip
    model.compile("sgd", "mse")
    board = callbacks.TensorBoard(
        tmp_path, histogram_freq=2, write_images=True, embeddings_freq=1,
        embeddings_metadata={"words": "words.txt"},
    )  # fmt: skip
    board.set_model(model)
    board.on_train_begin()
    board.on_epoch_end(0, {"loss": 1.0})
    board.on_epoch_end(1, {"loss": 1.0})
    (graph,) = (event[4][0] for event in read(tmp_path / "train") if 4 in event)
    nodes = [parse(node) for node in parse(graph)[1]]
    assert [n[1][0] for n in nodes][-2:] == [b"flatten", b"last"] and nodes[-1][3] == [b"flatten"]
    names = ["words/embeddings", "last/kernel", "last/bias"]
    expected = {f"{n}/{kind}" for n in names for kind in ("histogram", "image")} - {
        "last/bias/image"
    }
    assert tags(tmp_path / "train") - {"epoch_loss", "epoch_learning_rate"} == expected
    table = np.loadtxt(tmp_path / "words.tsv")
    np.testing.assert_allclose(table, model.get_weights()[0], rtol=1e-5)
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert '  tensor_path: "words.tsv"\n  metadata_path: "words.txt"\n' in config
    board.on_train_end()
    with pytest.raises(ValueError, match="Embedding layers"):
        board.embeddings_metadata = {"letters": "x"}
        board.on_train_begin()


def test_pictures_of_weights(tmp_path):
    from PIL import Image

    pixels = np.linspace(0, 1, 24).reshape(2, 3, 4, 1)
    (value,) = parse(events.image("w", pixels))[1]
    width, height, *pictures = parse(parse(value)[8][0])[8]
    assert (width, height, len(pictures)) == (b"4", b"3", 2)
    (tmp_path / "x.png").write_bytes(pictures[1])
    shown = np.asarray(Image.open(tmp_path / "x.png"))
    np.testing.assert_array_equal(shown, np.round(255 * pixels[1, ..., 0]))


def test_weights_have_few_pictures():
    assert tensorboard._pixels(np.ones((3, 2, 8, 16))).shape == (3, 3, 2, 1)
    assert tensorboard._pixels(np.ones((3, 2))).shape == (1, 3, 2, 1)


def test_tensorboard_profile(model, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder: calls.append(folder))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: calls.append("stop"))
    fit(model, callbacks.TensorBoard(tmp_path, profile_batch=(2, 3), write_graph=False))
    assert calls == [str(tmp_path / "train"), "stop"]
    fit(model, callbacks.TensorBoard(tmp_path, profile_batch=(4, 9)))
    assert calls[2:] == calls[:2]


@pytest.mark.parametrize(
    "arguments", [{"update_freq": 0}, {"profile_batch": (3, 2)}, {"profile_batch": "all"}]
)
def test_tensorboard_arguments(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        callbacks.TensorBoard("logs", **arguments)


def test_tensorboard_of_an_evaluation(model, tmp_path):
    board = callbacks.TensorBoard(tmp_path)
    loss = model.evaluate(X, Y, verbose=0, callbacks=[board])
    step = int(model.optimizer.iterations)
    assert scalars(tmp_path / "validation") == {
        ("evaluation_loss_vs_iterations", step): pytest.approx(loss)
    }
