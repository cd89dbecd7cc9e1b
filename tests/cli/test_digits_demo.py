"""The digits demo, run as people run it."""

import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata.cli.demos import augmentation, digits

FILES = ["confusion.png", "curves.png", "mistakes.png", "model.keras", "report.html"]


def command(*arguments):
    return [sys.executable, "-m", "kerata", "demo", "digits", *map(str, arguments)]


@pytest.mark.timeout(300)
def test_it_reads_digits_better_than_the_baselines(tmp_path):
    out = tmp_path / "new" / "folder"
    done = subprocess.run(command("--out", out), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    score = dict(re.findall(r"^  (.+?)  +(\d+\.\d\d)%", done.stdout, flags=re.MULTILINE))
    assert float(score["this model"]) >= 98.5
    assert 90 < float(score["logistic regression"]) < float(score["this model"])
    assert 9 < float(score["majority class"]) < 12
    assert "the same predictions, bit for bit" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == FILES
    for name in FILES[:3]:
        with Image.open(out / name) as picture:
            picture.verify()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"{float(score['this model']):.1f}%" in page
    model = kerata.models.load_model(out / "model.keras")
    assert model.output_shape == (None, 10)


def small():
    layers = kerata.layers
    return kerata.Sequential(
        [
            kerata.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def test_same_seed_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "convnet", small)
    monkeypatch.setattr(digits, "predictions_elsewhere", lambda path, images: 0.0)
    for name in ("curves", "confusion", "mistakes"):
        monkeypatch.setattr(digits.pictures, name, lambda *arguments: None)
    monkeypatch.setattr(digits.report, "write", lambda *arguments: None)

    def weights(seed):
        digits.run(tmp_path, epochs=1, seed=seed, say=lambda line: None)
        model = kerata.models.load_model(tmp_path / "model.keras", compile=False)
        return model.get_weights()

    first, again, other = weights(5), weights(5), weights(6)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.timeout(300)
def test_interruption_while_it_trains(tmp_path):
    process = subprocess.Popen(
        command("--out", tmp_path, "--epochs", 1000),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "Epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 130
    assert errors.strip() == "kerata: stopped"
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_reloaded_is_reported(tmp_path):
    broken = tmp_path / "model.keras"
    broken.write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match=r"could not be used again(.|\n)*model\.keras"):
        digits.predictions_elsewhere(broken, np.zeros((1, 8, 8, 1), "float32"))


def images():
    return np.random.default_rng(0).uniform(size=(3, 8, 8, 1)).astype("float32")


def test_views_keep_the_originals_and_their_range():
    given = images()
    seen = augmentation.moved(given, 4, np.random.default_rng(1))
    assert seen.shape == (4 * 3, 8, 8, 1) and seen.dtype == "float32"
    np.testing.assert_array_equal(seen[:3], given)
    assert seen.min() >= 0 and seen.max() <= 1
    assert all(np.abs(seen[i : i + 3] - given).max() > 0.1 for i in range(3, len(seen), 3))


def test_views_without_movement_are_the_originals():
    given = images()
    seen = augmentation.moved(given, 4, np.random.default_rng(1), degrees=0, zoom=0, shift=0)
    np.testing.assert_allclose(seen, np.tile(given, (4, 1, 1, 1)), atol=1e-6)


def test_views_move_by_the_shift():
    class Down:
        """A generator that always draws the upper bound."""

        def uniform(self, low, high, shape):
            return np.full(shape, high)

    given = images()
    seen = augmentation.moved(given, 4, Down(), degrees=0, zoom=0, shift=1.0)
    np.testing.assert_allclose(seen[3:6, :-1, :-1], given[:, 1:, 1:], atol=1e-6)
    np.testing.assert_allclose(seen[3:6, -1], 0, atol=1e-6)
