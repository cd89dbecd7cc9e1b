"""Weights in HDF5: Keras's layout, and what happens where they do not fit."""

import warnings

import h5py
import keras
import numpy as np
import pytest

import kerata
from kerata.saving.hdf5 import Reader
from tests.saving import models

# Keras's own, of its variables on recent NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


def groups(path):
    """Return (name, shape) of everything in a file, and the names in it."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, x: found.update(
                {name: (getattr(x, "shape", None), str(getattr(x, "dtype", "")), dict(x.attrs))}
            )
        )
    for value in found.values():
        value[2].pop("name", None)
    return found


def plus_bfloat16(k):
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, dtype="bfloat16")])


def recurrent(k):
    return k.Sequential(
        [k.Input((3, 2)), k.layers.Bidirectional(k.layers.LSTM(2)), k.layers.Dense(1)]
    )


@pytest.mark.parametrize(
    "make",
    [models.mlp, models.convnet, models.two_inputs, models.tricky, plus_bfloat16, recurrent],
)
def test_layout_is_that_of_keras(make, tmp_path):
    saved = {}
    for k in (kerata, keras):
        model = make(k)
        if make is models.tricky:
            model(np.ones((1, 2), "float32"))
        path = tmp_path / f"{k.__name__}.weights.h5"
        model.save_weights(path)
        saved[k] = groups(path)
    assert saved[kerata] == saved[keras]


@pytest.mark.parametrize("make", [models.convnet, models.tricky, plus_bfloat16])
def test_weights_of_keras_and_back(make, tmp_path):
    path = tmp_path / "x.weights.h5"
    x = np.ones((2, 2), "float32") if make is models.tricky else None
    theirs, ours, back = make(keras), make(kerata), make(keras)
    if x is not None:
        for model in (theirs, ours, back):
            model(x)
    theirs.save_weights(path)
    ours.load_weights(path)
    ours.save_weights(path)
    back.load_weights(path)
    for a, b in zip(theirs.weights, back.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a.value), np.asarray(b.value))
    if x is not None:
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [".keras", ".h5", ".weights.h5"])
def test_weights_from_any_file(kind, tmp_path):
    path = tmp_path / f"x{kind}"
    model, x, _ = models.trained(kerata, models.convnet)
    model.save_weights(path) if kind == ".weights.h5" else model.save(path)
    twin = models.convnet(kerata)
    twin.load_weights(path)
    np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))


def other(*units):
    dense = [kerata.layers.Dense(n) for n in units]
    return kerata.Sequential([kerata.Input((4,)), *dense], name="other")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "x.weights.h5"
    other(3, 2).save_weights(path)
    return path


MISFITS = [
    ((3, 5), "layer 'dense.*layers/dense_1(.|\n)*kernel has shape \\(3, 5\\).*\\(3, 2\\)"),
    ((3, 2, 1), "1 of 4 parts differ(.|\n)*layers/dense_2(.|\n)*the file has none"),
    ((6, 6), "2 of 3 parts(.|\n)*Likewise 'layers/dense_1'"),
]


@pytest.mark.parametrize("units, words", MISFITS)
def test_misfits_are_named_and_change_nothing(units, words, saved):
    model = other(*units)
    before = models.values(model.weights)
    with pytest.raises(ValueError, match=words) as caught:
        model.load_weights(saved)
    assert "model 'other'" in str(caught.value) and "skip_mismatch=True" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
    for a, b in zip(before, models.values(model.weights), strict=True):
        np.testing.assert_array_equal(a, b)


def test_skipping_misfits(saved):
    model, source = other(3, 5), other(3, 2)
    source.load_weights(saved)
    before = models.values(model.layers[1].weights)
    with pytest.warns(UserWarning, match="Skipped layer 'dense"):
        model.load_weights(saved, skip_mismatch=True)
    for a, b in zip(before, models.values(model.layers[1].weights), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(*[m.layers[0].kernel.numpy() for m in (model, source)])


def test_weights_of_more_layers_are_mentioned(saved):
    with pytest.warns(UserWarning, match="also holds weights for 'layers/dense_1'"):
        other(3).load_weights(saved)


def test_weights_of_another_model(tmp_path, saved):
    model = kerata.Sequential([kerata.Input((4, 2)), kerata.layers.Conv1D(1, 2)])
    with pytest.raises(ValueError, match="weights of another model: 'layers/dense'"):
        model.load_weights(saved)


def test_weights_by_name(tmp_path):
    def make(*names):
        layers = [kerata.layers.Dense(4, name=name) for name in names]
        return kerata.Sequential([kerata.Input((4,)), *layers])

    path = tmp_path / "x.h5"
    source = make("a", "b", "c")
    source.save(path)
    model = make("c", "x", "a")
    before = model.layers[1].kernel.numpy()
    model.load_weights(path, by_name=True)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), source.layers[2].kernel.numpy())
    np.testing.assert_array_equal(model.layers[2].kernel.numpy(), source.layers[0].kernel.numpy())
    np.testing.assert_array_equal(model.layers[1].kernel.numpy(), before)
    with pytest.raises(ValueError, match="2 layers with weights(.|\n)*3 layers(.|\n)*by_name"):
        make("a", "b").load_weights(path)
    wide = kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(5, name="a")])
    with pytest.raises(ValueError, match="layer 'a'(.|\n)*\\(4, 5\\)(.|\n)*\\(4, 4\\)"):
        wide.load_weights(path, by_name=True)
    with pytest.warns(UserWarning, match="Skipped: layer 'a'"):
        wide.load_weights(path, by_name=True, skip_mismatch=True)


def test_errors_of_paths(tmp_path, saved):
    model = other(3, 2)
    with pytest.raises(ValueError, match="must end in `.weights.h5`"):
        model.save_weights(tmp_path / "x.h5")
    with pytest.raises(FileNotFoundError, match="os.makedirs"):
        model.save_weights(tmp_path / "no" / "x.weights.h5")
    with pytest.raises(FileNotFoundError, match="no such file(.|\n)*'x.weights.h5'"):
        model.load_weights(tmp_path / "y.weights.h5")
    with pytest.raises(ValueError, match="Weights are read from"):
        model.load_weights(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="by_name"):
        model.load_weights(saved, by_name=True)
    with pytest.raises(ValueError, match="objects_to_skip"):
        model.load_weights(tmp_path / "x.keras", objects_to_skip=[])
    with pytest.raises(ValueError, match="Unknown arguments"):
        model.load_weights(saved, colour=1)
    (tmp_path / "text.weights.h5").write_text("no weights")
    with pytest.raises(ValueError, match="no HDF5 file"):
        model.load_weights(tmp_path / "text.weights.h5")
    unbuilt = kerata.Sequential([kerata.layers.Dense(2)])
    with pytest.raises(ValueError, match="not built"):
        unbuilt.save_weights(tmp_path / "z.weights.h5")
    with pytest.raises(ValueError, match="not built"):
        unbuilt.load_weights(saved)


def test_fitting_weights_need_no_warning(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other(3, 2).load_weights(saved)


def test_weights_in_several_files(tmp_path):
    path, model = tmp_path / "x.weights.json", models.convnet(kerata)
    model.save_weights(path, max_shard_size=500 / 2**30)
    shards = sorted(tmp_path.glob("x_*.weights.h5"))
    assert len(shards) > 1
    for package in (kerata, keras):
        twin = models.convnet(package)
        twin.load_weights(path)
        for a, b in zip(models.values(model.weights), models.values(twin.weights), strict=True):
            np.testing.assert_array_equal(a, b)
    models.convnet(keras).save_weights(path, max_shard_size=500 / 2**30)
    models.convnet(kerata).load_weights(path)
    with pytest.raises(ValueError, match="largest variable"):
        model.save_weights(tmp_path / "y.weights.json", max_shard_size=100 / 2**30)
    assert not list(tmp_path.glob("y*"))
    with pytest.raises(ValueError, match="weights.json"):
        model.save_weights(tmp_path / "y.weights.h5", max_shard_size=1)
    with pytest.raises(ValueError, match="do not fit"):
        other(3).load_weights(path)
    shards[1].unlink()
    with pytest.raises(ValueError, match="part of the weights(.|\n)*copied together"):
        model.load_weights(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="where the weights are"):
        model.load_weights(path)
    path.write_text('{"weight_map": {"/vars": ["../x.weights.h5"]}}')
    with pytest.raises(kerata.engine.errors.UnsafeModelError, match="beside"):
        model.load_weights(path)


def test_layers_left_out(tmp_path):
    path, model, twin = tmp_path / "x.weights.h5", other(3, 2), other(3, 2)
    kerata.saving.save_weights(model, path, objects_to_skip=[model.layers[0]])
    before = twin.layers[0].kernel.numpy()
    twin.load_weights(path, objects_to_skip=[twin.layers[0]])
    np.testing.assert_array_equal(twin.layers[0].kernel.numpy(), before)
    np.testing.assert_array_equal(*[m.layers[1].kernel.numpy() for m in (model, twin)])


def test_a_layer_with_two_names(tmp_path):
    class Plain(kerata.Model):
        def __init__(self):
            super().__init__()
            self.dense = kerata.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    class Renamed(kerata.Model):
        def __init__(self):
            super().__init__()
            self.a_dense = kerata.layers.Dense(3)

        @property
        def dense(self):
            return self.a_dense

        def call(self, x):
            return self.dense(x)

    path, x = tmp_path / "x.weights.h5", np.ones((1, 2))
    plain, renamed = Plain(), Renamed()
    plain(x), renamed(x)
    plain.save_weights(path)
    renamed.load_weights(path)
    np.testing.assert_array_equal(plain(x), renamed(x))


def test_a_list_that_holds_itself(tmp_path):
    class Circular(kerata.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [kerata.layers.Dense(2)]
            self.blocks.append(self.blocks)

        def call(self, x):
            return self.blocks[0](x)

    path, x = tmp_path / "x.weights.h5", np.ones((1, 2))
    model, twin = Circular(), Circular()
    model(x), twin(x)
    model.save_weights(path)
    twin.load_weights(path)
    np.testing.assert_array_equal(model(x), twin(x))


def test_a_group_among_the_arrays_is_no_array(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["vars/0"] = np.ones((2, 3))
        file.create_group("vars/1")
        reader = Reader(file["vars"])
        assert list(reader) == ["0"] and len(reader) == 1
        assert reader.shapes() == {"0": (2, 3)}
        with pytest.raises(KeyError):
            reader["1"]
