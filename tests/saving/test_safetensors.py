"""Safetensors: names, numbers, and what a malformed file is refused for."""

import io
import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

import kerata
from kerata.engine.errors import DamagedFileError, UnsafeModelError
from kerata.saving import safetensors
from tests.saving import models


def make(bias=0.0):
    layers = kerata.layers
    return kerata.Sequential(
        [
            kerata.Input((4,)),
            layers.Dense(3, name="fc", bias_initializer=kerata.initializers.Constant(bias)),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(2, dtype="bfloat16"),
        ],
        name="net",
    )


NAMES = [
    *(f"layers/batch_normalization/{n}" for n in ("beta", "gamma", "moving_mean")),
    "layers/batch_normalization/moving_variance",
    *(f"layers/{layer}/{n}" for layer in ("dense", "dense_1") for n in ("bias", "kernel")),
]


def test_files_are_those_of_the_reference(tmp_path):
    path, model, twin = tmp_path / "x.safetensors", make(bias=2.0), make()
    model.save_weights(path)
    found = load_file(path)
    assert sorted(found) == NAMES
    assert found["layers/dense_1/kernel"].dtype == "bfloat16"
    np.testing.assert_array_equal(found["layers/dense/kernel"], model.layers[0].kernel)
    assert path.read_bytes() == save(found, metadata={"format": "np"})
    twin.load_weights(path)
    for a, b in zip(models.values(model.weights), models.values(twin.weights), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names_of_another_framework(tmp_path):
    """Weights as PyTorch names them, and lays them out."""
    path, model, twin = tmp_path / "x.safetensors", models.mlp(kerata), models.mlp(kerata)
    first, second = model.layers
    theirs = {
        "net.0.weight": np.ascontiguousarray(first.kernel.numpy().T),
        "net.0.bias": first.bias.numpy() + 1,
        "net.2.weight": np.ascontiguousarray(second.kernel.numpy().T),
        "net.2.bias": second.bias.numpy(),
        "net.steps": np.array(7),
    }
    save_file(theirs, path)

    def name(theirs):
        if theirs == "net.steps":
            return None
        layer = "dense" if "0" in theirs else "dense_1"
        if theirs.endswith("weight"):
            return f"layers/{layer}/kernel", np.transpose
        return f"layers/{layer}/bias"

    listed = {key: name(key) for key in theirs}
    # A weight may be called by its variable's path, too.
    listed["net.0.bias"] = twin.layers[0].bias.path
    for names in (name, listed):
        for v in twin.weights:
            v.assign(v * 0)
        twin.load_weights(path, names=names)
        np.testing.assert_array_equal(twin.layers[0].kernel, first.kernel)
        np.testing.assert_array_equal(twin.layers[0].bias, first.bias + 1)
    back = {first.kernel.path: ("net.0.weight", np.transpose), "layers/dense/bias": "net.0.bias"}
    back |= {"layers/dense_1/kernel": None}
    model.save_weights(path, names=back)
    found = load_file(path)
    assert sorted(found) == ["layers/dense_1/bias", "net.0.bias", "net.0.weight"]
    np.testing.assert_array_equal(found["net.0.weight"], theirs["net.0.weight"])


def test_what_does_not_fit(tmp_path):
    path, model = tmp_path / "x.safetensors", make()
    save_file({"layers/dense/kernel": np.ones((4, 5), "float32"), "more": np.ones(2)}, path)
    before = models.values(model.weights)
    with pytest.raises(ValueError, match="dense(.|\n)*kernel \\(4, 3\\), bias \\(3,\\)"):
        model.load_weights(path)
    save_file(
        {
            "layers/dense/kernel": np.ones((4, 3), "float32"),
            "layers/dense/bias": np.ones(5, "float32"),
            "more": np.ones(2),
        },
        path,
    )
    with pytest.raises(ValueError, match="3 of 5 parts differ(.|\n)*bias has shape \\(3,\\)"):
        model.load_weights(path)
    for a, b in zip(before, models.values(model.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning) as caught:
        model.load_weights(path, skip_mismatch=True, names={"layers/dense/bias": None})
    assert "also holds weights for 'more'" in " ".join(str(w.message) for w in caught)
    with pytest.raises(ValueError, match="named 'net/fc/kernal'.*\n.*kernel"):
        model.load_weights(path, names={"layers/dense/kernel": "net/fc/kernal"})
    with pytest.raises(ValueError, match="each weight once"):
        model.load_weights(path, names=lambda _: "fc/kernel")
    with pytest.raises(TypeError, match="a name, a pair"):
        model.load_weights(path, names=lambda _: 3)
    with pytest.raises(ValueError, match="one name"):
        model.save_weights(path, names=lambda _: "same")
    with pytest.raises(ValueError, match="Unknown arguments.*\n.*names"):
        kerata.saving.save_weights(model, tmp_path / "x.weights.h5", names={})


def test_layers_that_save_in_a_way_of_their_own(tmp_path):
    class Own(kerata.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight((2,), name="w")

        def call(self, x):
            return x + self.w

        def save_own_variables(self, store):
            store["doubled"] = self.w.numpy() * 2

        def load_own_variables(self, store):
            self.w.assign(store["doubled"] / 2)

    path = tmp_path / "x.safetensors"
    model = kerata.Sequential([kerata.Input((2,)), Own()])
    model.layers[0].w.assign([1.0, 2.0])
    model.save_weights(path)
    assert list(load_file(path)) == ["layers/own/doubled"]
    model.layers[0].w.assign([0.0, 0.0])
    model.load_weights(path)
    np.testing.assert_array_equal(model.layers[0].w, [1.0, 2.0])


def packed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


BAD = [
    (b"", DamagedFileError, "cut short"),
    (packed({"a": entry()}), DamagedFileError, "within its arrays"),
    ((2**62).to_bytes(8, "little") + b"{", UnsafeModelError, "header of"),
    (packed(b"[1]"), UnsafeModelError, "no JSON object"),
    (packed(b"{1]"), DamagedFileError, "no JSON"),
    (packed(b'{"a":1,"a":1}'), UnsafeModelError, "twice"),
    (packed({"__metadata__": {"a": 1}}), UnsafeModelError, "__metadata__"),
    (packed({"a": [1]}), UnsafeModelError, "data_offsets"),
    (packed({"a": {**entry(), "url": "x"}}, b"12345678"), UnsafeModelError, "data_offsets"),
    (packed({"a": entry("F33")}, b"12345678"), UnsafeModelError, "unknown dtype"),
    (packed({"a": entry(shape=(-2,))}, b"12345678"), UnsafeModelError, "no sizes"),
    (packed({"a": entry(shape=(True, 2))}, b"12345678"), UnsafeModelError, "no sizes"),
    (packed({"a": entry(offsets=(0, 8.0))}, b"12345678"), UnsafeModelError, "no sizes"),
    (packed({"a": entry(shape=(2**40, 2**40))}, b"12345678"), UnsafeModelError, "space"),
    (packed({"a": entry(offsets=(8, 0))}, b"12345678"), UnsafeModelError, "space"),
    (
        packed({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
        UnsafeModelError,
        "overlap",
    ),
    (packed({"a": entry(offsets=(4, 12))}, bytes(12)), UnsafeModelError, "overlap"),
    (packed({"a": entry()}, bytes(12)), UnsafeModelError, "behind"),
]


@pytest.fixture(scope="module")
def model():
    return kerata.Sequential([kerata.Input((2,)), kerata.layers.Rescaling(1.0)])


@pytest.mark.parametrize(
    "data, error, words", BAD, ids=[w + str(i) for i, (*_, w) in enumerate(BAD)]
)
def test_malformed_files(data, error, words, model, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(error, match=words):
        model.load_weights(path)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=60)
def test_any_file_is_read_or_refused(data):
    whole = bytearray(packed({"a": entry(), "b": entry("BF16", (2, 1), (8, 12))}, bytes(12)))
    assert {k: e.read().shape for k, e in safetensors.entries(io.BytesIO(whole), "x").items()} == {
        "a": (2,),
        "b": (2, 1),
    }
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=3)
    ):
        whole[place] = value
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = safetensors.entries(io.BytesIO(bytes(whole[:cut])), "x")
    except (UnsafeModelError, DamagedFileError):
        return
    for array in found.values():
        assert array.read().shape == array.shape
