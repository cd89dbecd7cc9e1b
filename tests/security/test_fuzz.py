"""Anything may stand in a file: what comes of it is a model, or an error of a known kind."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import kerata
from kerata.saving import load_model
from tests.saving import models
from tests.security.canaries import archive, members_of

fuzz = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.sampled_from([10**12, -(10**30), 2**63]),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["relu", "os.system", "../x", "float32", "object", "Dense", "keras.layers"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["class_name", "config", "module", "name", "registered_name", "value"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Yield the path of each value in a config."""
    yield path
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for key, child in pairs:
        yield from places(child, (*path, key))


def put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def loads_or_says_why(path):
    try:
        model = load_model(path)
    except ValueError as error:
        assert str(error)
    else:
        assert isinstance(model, kerata.layers.Layer)


@fuzz
@given(data=st.data())
@pytest.mark.parametrize("name", ["good.keras", "graph.keras"])
@pytest.mark.filterwarnings("ignore")
def test_configs(name, folder, tmp_path_factory, data):
    members = members_of(folder / name)
    config = json.loads(members["config.json"])
    everywhere = [p for p in places(config) if p]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(everywhere))
        new = data.draw(VALUES)
        try:
            put(config, path, new)
        except (KeyError, IndexError, TypeError):  # the first edit took this place away
            continue
    members["config.json"] = json.dumps(config).encode()
    loads_or_says_why(archive(tmp_path_factory.mktemp("x") / "x.keras", members))


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 2**20, 2**40]), max_size=3).map(tuple)
DTYPES = st.sampled_from(["f4", "f8", "i1", "S3", "V2", "c8", "O", "?"])
NAMES = st.sampled_from(["0", "1", "vars", "dense", "layers", "optimizer", "..", "x y", "\u0435"])


@st.composite
def edits(draw):
    """Return a function that changes something in an HDF5 file."""
    kind = draw(st.sampled_from(["dataset", "group", "soft", "external", "hard", "drop", "name"]))
    where = draw(st.sampled_from(["/", "layers", "layers/dense", "layers/dense/vars"]))
    name, shape, dtype = draw(NAMES), draw(SHAPES), draw(DTYPES)

    def edit(file):
        group = file.require_group(where)
        if name in group and kind != "name":
            del group[name]
        if kind == "dataset":
            dtype_ = h5py.string_dtype() if dtype == "O" else dtype
            chunks = tuple(min(n, 64) for n in shape) if shape and 0 not in shape else None
            group.create_dataset(name, shape, dtype_, chunks=chunks)
        elif kind == "group":
            group.create_group(name)
        elif kind == "soft":
            group[name] = h5py.SoftLink("/layers")
        elif kind == "external":
            group[name] = h5py.ExternalLink("canary.h5", "/")
        elif kind == "hard":
            group[name] = file["layers"] if "layers" in file else file["/"]
        elif kind == "name":
            group.attrs["name"] = np.arange(3)

    return edit


@fuzz
@given(steps=st.lists(edits(), min_size=1, max_size=3))
@pytest.mark.filterwarnings("ignore")
def test_hdf5(folder, tmp_path_factory, steps):
    members = members_of(folder / "good.keras")
    memory = io.BytesIO(members["model.weights.h5"])
    with h5py.File(memory, "r+") as file:
        for step in steps:
            try:
                step(file)
            except (ValueError, KeyError, TypeError, OSError, RuntimeError):
                continue
    members["model.weights.h5"] = memory.getvalue()
    loads_or_says_why(archive(tmp_path_factory.mktemp("x") / "x.keras", members))


@fuzz
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_zip(folder, tmp_path_factory, data):
    """Bytes of the structure of an archive are others."""
    content = bytearray((folder / "good.keras").read_bytes())
    with zipfile.ZipFile(folder / "good.keras") as file:
        headers = [info.header_offset for info in file.infolist()]
        directory = file.start_dir
    spots = [h + i for h in headers for i in range(60)] + list(range(directory, len(content)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.sampled_from(spots))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("x") / "x.keras"
    path.write_bytes(content)
    loads_or_says_why(path)


@fuzz
@given(content=st.binary(max_size=300))
@pytest.mark.parametrize("name", ["x.keras", "x.h5", "x.weights.h5"])
def test_any_bytes(name, tmp_path_factory, content):
    path = tmp_path_factory.mktemp("x") / name
    path.write_bytes(content)
    with pytest.raises(ValueError):
        if name == "x.weights.h5":
            model().load_weights(path)
        else:
            load_model(path)


def model(made=[]):  # noqa: B006 (made once)
    made or made.append(models.mlp(kerata))
    return made[0]
