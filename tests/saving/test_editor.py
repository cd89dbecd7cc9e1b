"""KerasFileEditor: what is in a file, how it differs from a model, and how it is edited."""

import numpy as np
import pytest

import kerata
from tests.saving import models


def two(*units):
    layers = [kerata.layers.Dense(n) for n in units]
    return kerata.Sequential([kerata.Input((4,)), *layers])


@pytest.fixture
def path(tmp_path):
    two(3, 2).save(tmp_path / "x.keras")
    return tmp_path / "x.keras"


def test_compare_and_edit(path, tmp_path, capsys):
    editor = kerata.saving.KerasFileEditor(path)
    assert editor.compare(two(3, 2))["status"] == "success"
    target = two(3, 2, 1)
    assert editor.compare(target)["error_count"] == 1
    editor.add_object("layers/new", weights={"0": np.ones((2, 1))})
    assert editor.compare(target)["error_count"] == 2
    editor.rename_object("new", "dense_2")
    assert editor.compare(target) == {"status": "error", "error_count": 1, "match_count": 5}
    editor.add_weights("layers/dense_2", {"1": np.zeros(7)})
    assert "dense_2/1: (7,) in the file, (1,) in the model" in capsys.readouterr().out or (
        editor.compare(target)["error_count"] == 1
    )
    editor.delete_weight("dense_2", "1")
    editor.add_weights("dense_2", {"1": np.full(1, 5.0)})
    assert editor.compare(target)["status"] == "success"
    editor.save(tmp_path / "y.weights.h5")
    target.load_weights(tmp_path / "y.weights.h5")
    np.testing.assert_array_equal(target.layers[2].bias.numpy(), [5.0])
    again = kerata.saving.KerasFileEditor(tmp_path / "y.weights.h5")
    again.delete_object("dense_2")
    assert again.compare(two(3, 2))["status"] == "success"
    assert again.weights_dict["layers"]["dense_1"]["1"].shape == (2,)
    again.resave_weights(tmp_path / "z.weights.h5")


def test_optimizer_and_half_precision(tmp_path):
    model, _, _ = models.trained(kerata, models.mlp)
    model.save(tmp_path / "x.keras")
    editor = kerata.saving.KerasFileEditor(tmp_path / "x.keras")
    assert editor.config["class_name"] == "Sequential" and "date_saved" in editor.metadata
    assert editor.compare(models.mlp(kerata))["status"] == "success"
    editor.save(tmp_path / "y.weights.h5")
    half = kerata.Sequential([kerata.Input((2,)), kerata.layers.Dense(1, dtype="bfloat16")])
    half.save_weights(tmp_path / "h.weights.h5")
    editor = kerata.saving.KerasFileEditor(tmp_path / "h.weights.h5")
    assert editor.weights_dict["layers"]["dense"]["0"].dtype.name == "bfloat16"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda e: e.rename_object("dens", "x"), "no object in the file named 'dens'"),
        (lambda e: e.rename_object("dense", "a/b"), "without '/'"),
        (lambda e: e.rename_object("dense", "dense_1"), "already"),
        (lambda e: e.add_object("layers/dense", {}), "already"),
        (lambda e: e.delete_weight("dense", "7"), "no weight"),
        (lambda e: e.save("x.keras"), "must end"),
    ],
)
def test_errors(call, words, path):
    with pytest.raises(ValueError, match=words):
        call(kerata.saving.KerasFileEditor(path))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        kerata.saving.KerasFileEditor(tmp_path / "x.keras")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(ValueError, match="must end"):
        kerata.saving.KerasFileEditor(tmp_path / "x.txt")
