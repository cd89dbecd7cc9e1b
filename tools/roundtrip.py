"""Send models from kerata to Keras and back, and from Keras to kerata and back, and print a table.

    python -m tools.roundtrip [--only WORDS] [--formats .keras,.h5] [--applications]

Each row is a model, each column a kind of file. A cell has the largest difference of what the
three models compute (of the losses and metrics of further steps, if the model is compiled; beside
the largest value, where that is above 1). FAILS is a fault of ours. Where Keras does not read its
own files of this kind either, a cell says "kerata" if kerata reads its own, else "-"; the reasons
are below the table. Empty: such files have no state of an optimizer, or no LoRA of its own.

Outputs may differ by 1e-5 in float32; rows of other dtypes state their tolerance. Stochastic layers
are compared in inference, and by the states of their generators: a file carries these, but some
layers draw other numbers from the same state than Keras's do. Stateful recurrent layers begin
anew: no file, of either package, has the states of their sequences.

Layers of text need a Keras beside TensorFlow: their rows are printed by the interpreter
`--tensorflow`, and left out where there is none.
"""

import argparse
import contextlib
import gc
import logging
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import keras
import numpy as np

import kerata
from tools import roundtrip_keras_2, roundtrip_layers as layers, roundtrip_models as models
from tools.roundtrip_precision import PRECISION
from tools.roundtrip_training import TRAINED

STEPS = 3
ROWS = [
    *layers.LAYERS, *layers.ATTENTION, *layers.STATES, *layers.RANDOM, *models.OPS_ROWS,
    *models.MODELS, *models.CUSTOM, *PRECISION, *TRAINED,
]  # fmt: skip


def same_names(k) -> None:
    """Begin the automatic names anew, so that both packages give the same ones."""
    k.utils.clear_session(free_memory=False)


def made(k, row):
    """Return the model of a row, with initial weights."""
    same_names(k)
    return row.make(k)


def ready(k, row):
    """Return the model of a row, with weights; trained a little if it is compiled."""
    model = made(k, row)
    row.fill(model)
    if row.after is not None:
        row.after(k, model)
    if row.targets is not None:
        for _ in range(STEPS):
            model.train_on_batch(row.inputs, row.targets)
    return model


def outcome(row, model) -> list[np.ndarray]:
    """Return what is compared: outputs, or losses and metrics of further steps and of a test."""
    if row.targets is None:
        outputs = flat(row.call(model, row.inputs))
        draws = [v.value for v in model.variables if "seed" in v.path and row.group == "random"]
        return [np.asarray(y, "float32") for y in (*outputs, *draws)]
    logs = [model.train_on_batch(row.inputs, row.targets, return_dict=True) for _ in range(STEPS)]
    model.reset_metrics()
    options = {"verbose": 0, "batch_size": 4, "return_dict": True}
    logs.append(model.evaluate(row.inputs, row.targets, **options))
    return [np.asarray([float(log[key]) for key in sorted(log)], "float32") for log in logs]


def flat(y) -> list:
    """Return the tensors in a structure."""
    if isinstance(y, dict):
        return [t for key in sorted(y) for t in flat(y[key])]
    return [t for x in y for t in flat(x)] if isinstance(y, (list, tuple)) else [y]


# One crossing for each format: (row, model, package to read with, folder) -> model.


def archive(row, model, k, folder):
    """Cross as a `.keras` file."""
    model.save(f"{folder}/x.keras")
    return k.saving.load_model(f"{folder}/x.keras")


def older(row, model, k, folder):
    """Cross as an `.h5` file."""
    model.save(f"{folder}/x.h5")
    return k.saving.load_model(f"{folder}/x.h5")


def twin(row, k):
    """Return the model that weights are read into."""
    model = made(k, row)
    if row.after is not None:
        row.after(k, model)
    return model


def weights(row, model, k, folder):
    """Cross as a `.weights.h5` file."""
    model.save_weights(f"{folder}/x.weights.h5")
    other = twin(row, k)
    other.load_weights(f"{folder}/x.weights.h5")
    return other


def shards(row, model, k, folder):
    """Cross as weights in several files, which are as small as they can be."""
    largest = [np.asarray(v.value).nbytes for v in model.variables]
    if getattr(model, "optimizer", None) is not None:
        largest += [np.asarray(v.value).nbytes for v in model.optimizer.variables]
    path = f"{folder}/x.weights.json"
    model.save_weights(path, max_shard_size=(max(largest, default=1) + 1) / 2**30)
    other = twin(row, k)
    other.load_weights(path)
    return other


def config(row, model, k, folder):
    """Cross as the text of the config, and a `.weights.h5` file."""
    other = k.models.model_from_json(model.to_json())
    if not other.built:
        other.build(np.shape(flat(row.inputs)[0]))
    if row.targets is not None:
        other.optimizer.build(other.trainable_variables)
    model.save_weights(f"{folder}/x.weights.h5")
    other.load_weights(f"{folder}/x.weights.h5")
    return other


def keras_2(row, model, k, folder):
    """Cross as an `.h5` file as Keras 2 wrote it."""
    model.save(f"{folder}/x.h5", include_optimizer=False)
    roundtrip_keras_2.rewrite(f"{folder}/x.h5")
    return k.saving.load_model(f"{folder}/x.h5")


def safetensors(row, model, k, folder):
    """Cross as safetensors; on Keras's side with their own package, by the variables' paths."""
    from safetensors.numpy import load_file, save_file

    path, other = f"{folder}/x.safetensors", twin(row, k)
    if isinstance(model, kerata.Model):
        model.save_weights(path, names={v.path: v.path for v in model.weights})
    else:
        save_file({v.path: np.asarray(v.value) for v in model.weights}, path)
    if isinstance(other, kerata.Model):
        other.load_weights(path)
    else:
        arrays = load_file(path)
        for v in other.weights:
            v.assign(arrays[v.path])
    return other


FORMATS = {
    ".keras": archive,
    ".weights.h5": weights,
    ".weights.json": shards,
    ".h5": older,
    "Keras 2 .h5": keras_2,
    "JSON": config,
    ".safetensors": safetensors,
}
WEIGHTS_ONLY = ("Keras 2 .h5", ".safetensors")


def trip(row, first, second, format) -> float:
    """Return the largest difference between a model, its twin in the other package, and theirs.

    Args:
        row: what model.
        first: package that makes the model.
        second: package that reads it, and writes it again for `first`.
        format: name of a format.
    """
    cross = FORMATS[format]
    with tempfile.TemporaryDirectory() as there, tempfile.TemporaryDirectory() as back:
        origin = ready(first, row)
        abroad = cross(row, origin, second, there)
        home = cross(row, abroad, first, back)
        expected, *others = (outcome(row, model) for model in (origin, abroad, home))
    worst = 0.0
    for other in others:
        for a, b in zip(expected, other, strict=True):
            if a.shape != b.shape:
                raise ValueError(f"shapes {a.shape} and {b.shape}")
            scale = max(1.0, float(np.abs(a).max(initial=0.0)))
            worst = max(worst, float(np.abs(a - b).max(initial=0.0)) / scale)
    return worst


def cell(row, first, second, format) -> str:
    """Return what the table says of one trip."""
    merged = "LoRA" in row.name and format == ".safetensors"
    if merged or (row.targets is not None and format in WEIGHTS_ONLY):
        return "ok (not in such files)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
                worst = trip(row, first, second, format)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {' '.join(lines)[:200]} [{where(error)}]"
    finally:
        gc.collect()  # models are cycles of objects, of up to 1.4 GB here
    return f"{worst:.0e}" if worst > row.tolerance else "ok" if worst == 0 else f"ok {worst:.0e}"


def where(error: Exception) -> str:
    """Return the places in the two packages that an error came from, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "/ker" in f.filename]
    return " < ".join(places[:-4:-1])


def alone(k, row, format) -> bool:
    """Return whether a package reads what it wrote itself of this model, with equal outcomes."""
    return cell(row, k, k, format).startswith("ok")


def elsewhere(python: str, *arguments: str) -> bool:
    """Print the rows of text by an interpreter with TensorFlow; return whether none fails."""
    if not os.path.isfile(python):
        print(f"\ntext: left out, as there is no TensorFlow here and no {python}")
        return True
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, "-m", "tools.roundtrip", "--text", *arguments]
    return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL).returncode == 0


def main() -> int:
    """Print the table, and the reasons of what failed below it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="words that a row's group or name has")
    parser.add_argument("--formats", default=",".join(FORMATS), help="formats, between commas")
    parser.add_argument("--applications", action="store_true", help="all of them, not a sample")
    parser.add_argument("--tensorflow", default=".venv-bench/bin/python", metavar="PYTHON")
    parser.add_argument("--text", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    formats = options.formats.split(",")
    if options.text:
        formats = [f for f in formats if f not in WEIGHTS_ONLY]
        rows = layers.TEXT
    else:
        names = architectures() if options.applications else models.APPLICATIONS
        rows = [*ROWS, *map(models.application, names)]
    wanted = [row for row in rows if options.only.lower() in f"{row.group} {row.name}".lower()]
    logging.disable(logging.ERROR)
    for k in (kerata, keras):
        models.classes(k)  # registered before any file is read
    well = table(wanted, formats)
    if not options.text:
        arguments = ["--only", options.only, "--formats", options.formats]
        well &= elsewhere(options.tensorflow, *arguments)
    return 0 if well else 1


def architectures() -> list[str]:
    """Return the names of all applications."""
    return [name for name in dir(kerata.applications) if name[0].isupper()]


def table(rows, formats) -> bool:
    """Print the table of some rows, and return whether no cell fails."""
    failures: list[tuple] = []
    if not rows:
        return True
    for title, first, second in (
        ("kerata -> Keras -> kerata", kerata, keras),
        ("Keras -> kerata -> Keras", keras, kerata),
    ):
        print(f"\n{title}\n{'':<46}" + "".join(f"{f:>15}" for f in formats))
        group = None
        for row in rows:
            if row.group != group:
                group = row.group
                print(group)
            print(f"  {row.name:<44}", end="", flush=True)
            for format in formats:
                found = cell(row, first, second, format)
                if not found.startswith("ok"):
                    mark = "FAILS"
                    if not alone(keras, row, format):
                        # Keras does not read its own: does kerata?
                        mark = "kerata" if alone(kerata, row, format) else "-"
                    failures.append((mark, title, row.name, format, found))
                    found = f"{mark} [{len(failures)}]"
                elif found.endswith(")"):
                    found = ""
                print(f"{found:>15}", end="", flush=True)
            if row.group == "applications":
                jax.clear_caches()
            print()
    print()
    for number, (_, title, name, format, found) in enumerate(failures, 1):
        print(f"[{number}] {title}, {name}, {format}: {found}")
    return not any(mark == "FAILS" for mark, *_ in failures)


if __name__ == "__main__":
    sys.exit(main())
