"""Files that were cut short or changed on their way are reported, and never loaded as garbage."""

import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import kerata
from kerata.saving import DamagedFileError, KerasFileEditor, UnsafeModelError, load_model
from tests.saving import models

KINDS = ["good.keras", "good.h5", "good.weights.h5"]


@pytest.fixture(scope="module")
def model():
    return models.mlp(kerata)


def reads(path, model):
    """Return the weights that are read from a file."""
    if path.name.endswith(".weights.h5"):
        model.load_weights(path)
        return models.values(model.weights)
    return models.values(load_model(path).weights)


@pytest.fixture(scope="module")
def expected(folder, model):
    return reads(folder / "good.weights.h5", model)


@settings(max_examples=12, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit(kind, folder, model, expected, tmp_path_factory, place, bit):
    data = bytearray((folder / kind).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    bad = tmp_path_factory.mktemp("flipped") / kind
    bad.write_bytes(data)
    try:
        found = reads(bad, model)
    except ValueError as error:
        # A flip in the sizes or the flags of an archive may look like an attack.
        assert isinstance(error, (DamagedFileError, UnsafeModelError))
    else:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_short(kind, part, folder, model, tmp_path):
    data = (folder / kind).read_bytes()
    bad = tmp_path / kind
    bad.write_bytes(data[: int(part * len(data))])
    with pytest.raises(DamagedFileError, match="damaged"):
        reads(bad, model)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_the_damaged_member_is_named(member, good, tmp_path):
    with zipfile.ZipFile(good) as archive:
        place = archive.getinfo(member).header_offset + 600
    data = bytearray(good.read_bytes())
    data[place] ^= 1
    bad = tmp_path / "bad.keras"
    bad.write_bytes(data)
    with pytest.raises(DamagedFileError, match=f"{member} cannot be read"):
        load_model(bad)


@pytest.mark.parametrize("kind", ["good.h5", "good.weights.h5"])
def test_one_number_of_the_weights(kind, folder, model, tmp_path):
    """A change that HDF5 itself does not notice."""
    bad = tmp_path / kind
    data = bytearray((folder / kind).read_bytes())
    number = models.values(load_model(folder / "good.keras").weights)[0].tobytes()[:8]
    data[data.index(number)] ^= 1
    bad.write_bytes(data)
    with pytest.raises(DamagedFileError, match="checksum"):
        reads(bad, model)
    if kind == "good.weights.h5":
        with pytest.raises(DamagedFileError, match="checksum"):
            KerasFileEditor(bad)


def test_the_checksum_hinders_nobody(folder, tmp_path):
    """Keras and h5py read the files; who writes into one with h5py takes the checksum away."""
    path = tmp_path / "x.weights.h5"
    shutil.copy(folder / "good.weights.h5", path)
    theirs, ours = models.mlp(keras), models.mlp(kerata)
    theirs.load_weights(path)
    ours.load_weights(path)
    for a, b in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a, b.value)
    with h5py.File(path, "r+") as file:
        file["layers/dense/vars/0"][0, 0] = 7
    ours.load_weights(path)
    assert ours.layers[0].kernel[0, 0] == 7


@pytest.mark.parametrize("kind", KINDS)
def test_no_such_kind_of_file(kind, model, tmp_path):
    bad = tmp_path / kind
    bad.write_bytes(b"This is a text. " * 100)
    with pytest.raises(DamagedFileError):
        reads(bad, model)


@pytest.mark.parametrize("kind", ["x.h5", "x.weights.h5"])
def test_what_cannot_be_read_to_its_end_changes_nothing(kind, tmp_path):
    """The last array of a file without a checksum, as Keras and others write them, is damaged."""
    path, source = tmp_path / kind, models.mlp(kerata)
    source.save_weights(path) if "weights" in kind else source.save(path)
    names: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
        value = file[names[-1]][()]
        del file[names[-1]]
        packed = file.create_dataset(names[-1], data=value, chunks=True, fletcher32=True)
        start = packed.id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[start] ^= 1
    path.write_bytes(data)
    model = models.mlp(kerata)
    before = models.values(model.weights)
    with pytest.raises(DamagedFileError):
        model.load_weights(path)
    for a, b in zip(before, models.values(model.weights), strict=True):
        np.testing.assert_array_equal(a, b)
