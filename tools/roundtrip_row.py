"""What a row of the table of `tools/roundtrip.py` is, and what most rows are made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


def fill(model) -> None:
    """Give every weight of floats a value of its own, in (0.1, 0.6): none stays as it began."""
    rng = np.random.default_rng(7)
    for v in model.weights:
        if str(v.dtype).startswith(("float", "bfloat")):
            v.assign((0.1 + 0.5 * rng.random(tuple(v.shape))).astype("float32"))


def nudge(model) -> None:
    """Change weights a little, so that the outputs of a deep network stay finite.

    Not those of Normalization: Keras's uses what it had when it was built, adapted or loaded.
    """
    rng = np.random.default_rng(7)
    for v in [v for v in model.weights if not v.path.startswith("normalization/")]:
        v.assign(np.asarray(v.value) + (0.05 * rng.random(tuple(v.shape))).astype("float32"))


class Row(NamedTuple):
    """One model.

    Attributes:
        group: kind of model.
        name: name in the table.
        make: function from the package to the model.
        inputs: what to call the model on; for one that is compiled, what to train it on.
        targets: what to train it towards; None for a model that is only called.
        after: function `(package, model)` that changes the model once it has its weights.
        call: function of the model and the inputs that returns the outputs.
        tolerance: by how much outputs may differ; rows of another dtype than float32 say theirs.
        fill: gives the model its weights.
    """

    group: str
    name: str
    make: Callable[[Any], Any]
    inputs: Any
    targets: Any = None
    after: Callable[[Any, Any], Any] | None = None
    call: Callable[[Any, Any], Any] = lambda model, inputs: model(inputs)
    tolerance: float = 1e-5
    fill: Callable[[Any], None] = fill


def normal(*shape, dtype="float32"):
    """Return random numbers."""
    return np.random.default_rng(len(shape)).normal(size=shape).astype(dtype)


def integers(*shape, below=5):
    """Return random integers from 0 on."""
    return np.random.default_rng(len(shape)).integers(0, below, shape).astype("int32")


def graph(k, layer, inputs, **options):
    """Return a functional model of one layer that is called on inputs like `inputs`."""

    def placeholder(x):
        return k.Input(x.shape[1:], dtype=str(x.dtype) if x.dtype.kind != "U" else "string")

    x = [placeholder(x) for x in inputs] if isinstance(inputs, list) else placeholder(inputs)
    return k.Model(x, layer(x, **options))


def inner(name, *args, **kwargs):
    """Return a function that makes a layer, of the package that it is given."""
    return lambda k: getattr(k.layers, name)(*args, **kwargs)


SEQUENCE, IMAGE, VOLUME = normal(2, 6, 3), normal(2, 6, 5, 3), normal(1, 4, 5, 4, 2)
PAIR, TOKENS, FLAT = [normal(2, 6, 3), normal(2, 6, 3)], integers(2, 6), normal(2, 4)
FILMS = normal(1, 3, 4, 4, 2)
