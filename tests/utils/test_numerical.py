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


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: utils.to_categorical(["a"]), "class numbers.*'a'.*StringLookup"),
        (lambda: utils.to_categorical([0.0, np.nan]), "class numbers.*nan"),
        (lambda: utils.to_categorical([]), "num_classes"),
        (lambda: utils.to_categorical([1], "3"), "num_classes.*'3'"),
        (lambda: utils.pad_sequences(["text"]), "numbers.*'text'.*TextVectorization"),
        (lambda: utils.pad_sequences([["a", "b"], ["c"]]), "numbers.*'a', 'b'"),
        (lambda: utils.pad_sequences([[1]], maxlen="3"), "maxlen.*'3'"),
    ],
)
def test_text_and_holes_are_no_numbers(call, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        call()
