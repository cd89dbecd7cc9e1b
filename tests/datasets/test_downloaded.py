"""The data sets that are downloaded: small copies of their files, from a server on this machine."""

import ast
import gzip
import hashlib
import importlib
import inspect
import io
import json
import os
import pathlib
import pickle
import struct
import tarfile

import keras
import numpy as np
import pytest

import kerata
from kerata.datasets import files
from tests.utils.server import Server

RANDOM = np.random.default_rng(0)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def ragged(count):
    lists = [RANDOM.integers(1, 90, size=n).tolist() for n in RANDOM.integers(1, 9, size=count)]
    array = np.empty(count, object)
    array[:] = lists
    return array


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def pixels(*shape):
    return RANDOM.integers(0, 256, size=shape, dtype="uint8")


def pickled(batch):
    """Return a batch as Python 2 pickled it: the keys are strings without an encoding."""
    if not isinstance(batch, dict):
        return pickle.dumps(batch, protocol=3)
    items = [
        b"U" + bytes([len(key)]) + key.encode() + pickle.dumps(value, protocol=3)[2:-1]
        for key, value in batch.items()
    ]
    return b"\x80\x02}(" + b"".join(items) + b"u."


def cifar(folder, batches):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, batch in batches.items():
            data = pickled(batch)
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def batch(count, **kinds):
    labels = {name: RANDOM.integers(0, n, size=count).tolist() for name, n in kinds.items()}
    return {"data": pixels(count, 3072), "filenames": ["a.png"] * count, **labels}


IMDB = {f"x_{p}": ragged(12) for p in ("train", "test")}
IMDB |= {f"y_{p}": RANDOM.integers(0, 2, size=12) for p in ("train", "test")}
CIFAR100 = {n: batch(c, fine_labels=100, coarse_labels=20) for n, c in (("train", 6), ("test", 3))}
CIFAR10 = {f"data_batch_{i}": batch(4, labels=10) for i in range(1, 6)}
CIFAR10["test_batch"] = batch(3, labels=10)
FILES = {
    "mnist.npz": npz(
        x_train=pixels(5, 28, 28), y_train=pixels(5), x_test=pixels(2, 28, 28), y_test=pixels(2)
    ),
    "boston_housing.npz": npz(x=RANDOM.normal(size=(30, 13)), y=RANDOM.normal(size=30)),
    "california_housing.npz": npz(
        x=RANDOM.normal(size=(700, 8)).astype("float32"), y=np.arange(700, dtype="float32")
    ),
    "imdb.npz": npz(**IMDB),
    "reuters.npz": npz(x=ragged(30), y=RANDOM.integers(0, 46, size=30)),
    "imdb_word_index.json": json.dumps({"film": 1, "naïve": 2}).encode(),
    "reuters_word_index.json": json.dumps({"oil": 1}).encode(),
    "cifar-10-batches-py-target": cifar("cifar-10-batches-py", CIFAR10),
    "cifar-100-python-target": cifar("cifar-100-python", CIFAR100),
    "train-images-idx3-ubyte.gz": idx(pixels(6, 28, 28)),
    "train-labels-idx1-ubyte.gz": idx(pixels(6)),
    "t10k-images-idx3-ubyte.gz": idx(pixels(2, 28, 28)),
    "t10k-labels-idx1-ubyte.gz": idx(pixels(2)),
}


@pytest.fixture(scope="module")
def server():
    server = Server(**FILES)
    yield server
    server.close()


@pytest.fixture
def load(server, monkeypatch, tmp_path):
    """Return a function that loads a data set with kerata, from the server."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(
        files,
        "SOURCES",
        {n: (f"{server.url}/{n}", hashlib.sha256(d).hexdigest()) for n, d in FILES.items()},
    )
    return lambda name, *args, **kwargs: getattr(kerata.datasets, name).load_data(*args, **kwargs)


@pytest.fixture
def load_keras(load, monkeypatch):
    """Return a function that loads a data set with Keras, from the same files."""

    def get_file(fname, origin, extract=False, **options):
        name = fname if fname in FILES else os.path.basename(origin)
        options = {k: v for k, v in options.items() if k == "cache_subdir"}
        return files.fetch(name, extract=extract, **options)

    def load_keras(name, *args, **kwargs):
        module = importlib.import_module(f"keras.src.datasets.{name}")
        monkeypatch.setattr(module, "get_file", get_file)
        return module.load_data(*args, **kwargs)

    return load_keras


ROWS = [
    ("mnist", {}),
    ("fashion_mnist", {}),
    ("cifar100", {}),
    ("cifar100", {"label_mode": "coarse"}),
    ("boston_housing", {}),
    ("boston_housing", {"test_split": 0.5, "seed": 3}),
    ("boston_housing", {"test_split": 0}),
    ("california_housing", {}),
    ("california_housing", {"version": "small", "test_split": 0.1}),
    ("imdb", {}),
    ("imdb", {"num_words": 40, "skip_top": 5}),
    ("imdb", {"num_words": 40, "oov_char": None}),
    ("imdb", {"maxlen": 6, "seed": 1}),
    ("imdb", {"start_char": None, "index_from": 2}),
    ("imdb", {"start_char": None, "index_from": 0}),
    ("reuters", {}),
    ("reuters", {"num_words": 40, "test_split": 0.4}),
    ("reuters", {"num_words": 40, "oov_char": None, "maxlen": 5}),
    ("reuters", {"start_char": None, "index_from": 0}),
]


@pytest.mark.parametrize("name, options", ROWS, ids=str)
def test_same_as_keras(load, load_keras, name, options):
    found, expected = load(name, **options), load_keras(name, **options)
    for mine, theirs in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
        assert mine.dtype == theirs.dtype and len(mine) == len(theirs)
        assert mine.tolist() == theirs.tolist()


def test_cifar10(load):
    (x_train, y_train), (x_test, y_test) = load("cifar10")
    expected = np.concatenate([CIFAR10[f"data_batch_{i}"]["data"] for i in range(1, 6)])
    np.testing.assert_array_equal(x_train.transpose(0, 3, 1, 2).reshape(20, -1), expected)
    assert x_train.dtype == x_test.dtype == y_train.dtype == y_test.dtype == "uint8"
    assert y_train[:4, 0].tolist() == CIFAR10["data_batch_1"]["labels"]
    assert y_test[:, 0].tolist() == CIFAR10["test_batch"]["labels"]
    kerata.config.set_image_data_format("channels_first")
    assert load("cifar10")[1][0].shape == (3, 3, 32, 32)


def test_words_and_labels(load):
    assert kerata.datasets.imdb.get_word_index() == {"film": 1, "naïve": 2}
    assert kerata.datasets.reuters.get_word_index() == {"oil": 1}
    names = kerata.datasets.reuters.get_label_names()
    assert names == keras.datasets.reuters.get_label_names()


def test_signatures_and_sources_are_those_of_keras():
    text = ""
    for name in "boston_housing california_housing cifar10 cifar100 imdb mnist reuters".split():
        theirs = importlib.import_module(f"keras.src.datasets.{name}")
        mine = getattr(kerata.datasets, name)
        assert inspect.signature(mine.load_data) == inspect.signature(theirs.load_data)
        tree = ast.parse(pathlib.Path(theirs.__file__).read_text())
        text += " ".join(
            str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)
        )
    for name, (origin, file_hash) in files.SOURCES.items():
        if file_hash:
            assert file_hash in text, name
            assert os.path.basename(origin) in text and os.path.dirname(origin) in text, name


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("boston_housing", {"test_split": 1}, r"must lie in \[0, 1\)"),
        ("reuters", {"test_split": -0.1}, r"must lie in \[0, 1\)"),
        ("california_housing", {"version": "medium"}, "`version` must be one of"),
        ("cifar100", {"label_mode": "rough"}, "`label_mode` must be one of"),
        ("imdb", {"maxlen": 1}, "`maxlen` must be above"),
        ("reuters", {"maxlen": 1}, "`maxlen` must be above"),
    ],
)
def test_mistakes(load, name, options, message):
    with pytest.raises(ValueError, match=message):
        load(name, **options)


def test_older_and_unknown_arguments(load):
    old, new = load("imdb", nb_words=40), load("imdb", num_words=40)
    assert old[0][0].tolist() == new[0][0].tolist()
    with pytest.raises(TypeError, match="no such arguments"):
        load("imdb", words=3)


def spoiled(server, monkeypatch, name, data):
    monkeypatch.setitem(server.files, f"/{name}", data)
    monkeypatch.setitem(files.SOURCES, name, (f"{server.url}/{name}", None))


@pytest.mark.parametrize(
    "name, data",
    [
        ("train-images-idx3-ubyte.gz", b"no gzip"),
        ("train-images-idx3-ubyte.gz", idx(pixels(3, 28, 28))[:-9]),
        ("train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">HBBI", 0, 8, 1, 2**31))),
        ("train-images-idx3-ubyte.gz", idx(pixels(3))),
        ("train-labels-idx1-ubyte.gz", idx(pixels(5))),
        ("cifar-100-python-target", cifar("cifar-100-python", {"train": {"data": [1]}})),
        ("cifar-100-python-target", cifar("cifar-100-python", {"train": [1, 2]})),
    ],
    ids=[
        *("not gzip", "cut", "a size of 2 GiB", "one axis for pictures", "too few labels"),
        *("labels missing", "not a dictionary"),
    ],
)
def test_damaged_files(load, server, monkeypatch, name, data):
    spoiled(server, monkeypatch, name, data)
    with pytest.raises(ValueError, match="\nReceived: "):
        load("cifar100" if "cifar" in name else "fashion_mnist")


class Attack:
    def __reduce__(self):
        return (os.putenv, ("ATTACKED", "yes"))


def test_nothing_in_a_file_is_run(load, server, monkeypatch):
    monkeypatch.delenv("ATTACKED", raising=False)
    array = np.empty(1, object)
    array[0] = Attack()
    spoiled(server, monkeypatch, "imdb.npz", npz(x_train=array))
    with pytest.raises(ValueError, match="asks for 'posix.putenv'"):
        load("imdb")
    spoiled(
        server,
        monkeypatch,
        "cifar-100-python-target",
        cifar("cifar-100-python", {"train": Attack()}),
    )
    with pytest.raises(ValueError, match="asks for 'posix.putenv'"):
        load("cifar100")
