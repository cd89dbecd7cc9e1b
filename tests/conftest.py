"""What every test starts from, and is put back to."""

import os
import pathlib
import random

# Read by the peers when they are first imported. Keras is the tests' oracle, on the same engine.
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# Compiling is nearly all that tests cost: their processes share what they compile.
os.environ.setdefault("KERATA_COMPILE_CACHE", str(pathlib.Path(__file__).parents[1] / "build"))

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata.engine import naming, policies, registry, rng, settings

# The first example of a test may compile: no time limit for a single one. The same examples each
# time, so that a change fails for its own faults; `--hypothesis-profile explore` looks for others.
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.register_profile("kerata", deadline=None, derandomize=True)
hypothesis.settings.load_profile("kerata")

# Programs of tests are small and run once: compiling them is nearly all that they cost.
jax.config.update("jax_disable_most_optimizations", True)
# A failing test shows all frames.
settings.disable_traceback_filtering()


@pytest.fixture
def quick_weights(monkeypatch):
    """Take initial weights from NumPy: compiling a draw for each shape would take most of the time.

    For tests to which the initial weights do not matter.
    """

    import keras

    def draw(self, shape, dtype=None, **options):
        values = 0.3 * np.random.default_rng(0).normal(size=shape)
        return jnp.asarray(values, dtype or "float32")

    for module in (kerata.initializers, keras.initializers):
        for name in ("VarianceScaling", "Orthogonal", "RandomUniform"):
            monkeypatch.setattr(getattr(module, name), "__call__", draw)


@pytest.fixture(autouse=True)
def _same_start_for_all():
    """Begin names and random numbers anew before each test; put global state back after it."""
    saved, policy = settings.snapshot(), policies.dtype_policy()
    custom_objects = registry.get_custom_objects()
    registered = dict(custom_objects)
    naming.reset()
    rng.reset()
    random.seed(0)
    np.random.seed(0)
    yield
    settings.restore(saved)
    if policy.name == settings.floatx():
        policies.reset_dtype_policy()
    else:
        policies.set_dtype_policy(policy)
    custom_objects.clear()
    custom_objects.update(registered)
