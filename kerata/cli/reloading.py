"""Proof that a saved model can be used again: what it says in a fresh process."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_CHILD = """
import importlib, json, sys, numpy, kerata
path, given, answer, module, method, options = sys.argv[1:]
importlib.import_module(module)
model = kerata.models.load_model(path)
inputs = dict(numpy.load(given))
inputs = inputs.pop("") if "" in inputs else inputs
inputs = inputs.item() if getattr(inputs, "shape", None) == () else inputs
numpy.save(answer, getattr(model, method)(inputs, **json.loads(options)))
"""


def elsewhere(path, inputs, method="predict", module="kerata", **options):
    """Return what the model file at `path` says to `inputs` in a fresh Python process.

    Args:
        path: a model of one output.
        inputs: array, string, list of strings, or dict of arrays for a model with named inputs.
        method: name of the method to call.
        module: module to import first: the one that registers the model's class.
        **options: for the method.

    Returns:
        An array, of strings where the method returns strings.

    Raises:
        RuntimeError: if the file cannot be loaded or used there; with that process's own words.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "inputs.npz"), Path(folder, "answer.npy")
        named = inputs if isinstance(inputs, dict) else {"": inputs}
        np.savez(given, **{name: _plain(value) for name, value in named.items()})
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, path, given, answer, module, method,
             json.dumps(options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        if child.returncode:
            raise RuntimeError(f"The saved model could not be used again:\n{child.stderr}")
        return np.load(answer)


def sameness(first, again):
    """Say how far what the reloaded model says is from what the first one said."""
    first, again = np.asarray(first), np.asarray(again)
    if np.array_equal(first, again):
        return "the same predictions, bit for bit"
    if again.dtype.kind == "U":
        return "OTHER predictions"
    return f"predictions that differ by at most {np.abs(first - again).max():.1e}"


def _plain(value):
    """Return the value as an array that is saved without pickling: strings as such."""
    value = np.asarray(value)
    return value.astype(str) if value.dtype.kind == "O" else value
