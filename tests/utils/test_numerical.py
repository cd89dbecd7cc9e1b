"""Small array helpers: what comes out is of the kind of what goes in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata import utils


@pytest.mark.parametrize("call", [lambda x: utils.to_categorical(x, 3), utils.normalize])
def test_arrays_of_jax_and_of_numpy(call):
    numbers = np.array([[0, 2], [1, 0]])
    ours, theirs = call(numbers), call(jnp.asarray(numbers))
    assert isinstance(ours, np.ndarray) and isinstance(theirs, jax.Array)
    np.testing.assert_allclose(ours, theirs, 1e-6)
