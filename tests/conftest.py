"""What every test starts from, and is put back to."""

import os
import random

# Read by the peers when they are first imported. Keras is the tests' oracle, on the same engine.
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import numpy as np
import pytest

from kerata.engine import naming, policies, registry, rng, settings

# The first example of a test may compile: no time limit for a single one.
hypothesis.settings.register_profile("kerata", deadline=None)
hypothesis.settings.load_profile("kerata")


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
