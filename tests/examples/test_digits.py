"""The digits example, run as people run it."""

import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata.examples import digits

PICTURES = ["confusion.png", "curves.png", "digit.png", "mistakes.png"]
FILES = [*PICTURES, "model.keras", "report.html"]


def command(*arguments):
    return [sys.executable, "-m", "kerata", "demo", "digits", *map(str, arguments)]


@pytest.mark.timeout(300)
def test_it_reads_digits_better_than_the_baselines(tmp_path):
    out = tmp_path / "new" / "folder"
    done = subprocess.run(command("--epochs", 4, "--out", out), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    score = dict(re.findall(r"^  (.+?)  +(\d+\.\d)%", done.stdout, flags=re.MULTILINE))
    assert float(score["this model"]) >= 97.5
    assert 90 < float(score["logistic regression"]) < float(score["this model"])
    assert 9 < float(score["majority class"]) < 12
    assert "the same predictions, bit for bit" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == FILES
    for name in PICTURES:
        with Image.open(out / name) as picture:
            picture.verify()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert (
        f"{float(score['this model']):.1f}%" in page
        and "kerata demo digits --epochs 4 --out" in page
    )
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


def test_same_seed_same_result(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(digits, "convnet", small)

    def weights(seed):
        digits.main(tmp_path, epochs=1, seed=seed, say=lambda line: None)
        model = kerata.models.load_model(tmp_path / "model.keras", compile=False)
        return model.get_weights()

    first, again, other = weights(5), weights(5), weights(6)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.timeout(300)
def test_interruption_while_it_trains(tmp_path):
    # What is started in the background may ignore Ctrl-C, and so would the process it starts.
    code = (
        "import signal, sys; from kerata.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(['demo', 'digits', '--epochs', '1000', '--out', sys.argv[1]]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
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
