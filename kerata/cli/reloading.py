"""Proof that a saved model can be used again: what it predicts in a fresh process."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_CHILD = """
import sys, numpy, kerata
model = kerata.models.load_model(sys.argv[1])
inputs = dict(numpy.load(sys.argv[2]))
outputs = model.predict(inputs.pop("", None) if "" in inputs else inputs, verbose=0)
numpy.save(sys.argv[3], outputs)
"""


def predictions_elsewhere(path, inputs):
    """Return what the model file at `path` predicts for `inputs` in a fresh Python process.

    Args:
        path: a model of one output.
        inputs: array, list of strings, or dict of those for a model with named inputs.

    Raises:
        RuntimeError: if the file cannot be loaded or used there; with that process's own words.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "inputs.npz"), Path(folder, "predictions.npy")
        named = inputs if isinstance(inputs, dict) else {"": inputs}
        np.savez(given, **{name: np.asarray(value) for name, value in named.items()})
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, path, given, answer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if child.returncode:
            raise RuntimeError(f"The saved model could not be used again:\n{child.stderr}")
        return np.load(answer)


def sameness(first, again):
    """Say how far the reloaded model's predictions are from the first ones."""
    difference = float(np.abs(np.asarray(first) - again).max())
    if difference == 0:
        return "the same predictions, bit for bit"
    return f"predictions that differ by at most {difference:.1e}"
