"""What tests of layers share: data, and the comparison with Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from kerata import layers


def numbers(*shape, seed=0, dtype="float32"):
    """Return random numbers of a shape, away from zero where that matters little."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def made(module, name, args, kwargs):
    """Make a layer of kerata or of keras; layers among the arguments are given as (name, args)."""
    args = [made(module, a[0], a[1:], {}) if _is_layer(a) else a for a in args]
    return getattr(module, name)(*args, **kwargs)


def _is_layer(argument):
    return isinstance(argument, tuple) and bool(argument) and isinstance(argument[0], str)


def shapes_of(inputs):
    if isinstance(inputs, list):
        return [x.shape for x in inputs]
    return inputs.shape


def run(layer, inputs, call):
    """Return outputs, new state, and the gradients of a scalar for weights and inputs."""
    floats = jax.tree_util.tree_map(lambda x: jnp.issubdtype(x.dtype, jnp.floating), inputs)
    differentiable = all(jax.tree_util.tree_leaves(floats))

    def scalar(weights, inputs):
        rest = [v.value for v in layer.non_trainable_variables]
        outputs, state = layer.stateless_call(weights, rest, inputs, **call)
        wave = jnp.sin(outputs.astype("float32") + jnp.arange(outputs.size).reshape(outputs.shape))
        return jnp.sum(wave), (outputs, state)

    weights = [v.value for v in layer.trainable_variables]
    grad = jax.jit(jax.grad(scalar, argnums=(0, 1) if differentiable else 0, has_aux=True))
    gradients, (outputs, state) = grad(weights, inputs)
    return outputs, state, gradients


@pytest.fixture
def same_as_keras(quick_weights):
    """Return a function that compares a layer with Keras's, with equal weights.

    Compared are outputs, their dtype, gradients for weights and inputs, and new state.
    """

    def compare(name, *args, inputs, call=None, tolerance=1e-5, **kwargs):
        call = call or {}
        mine = made(layers, name, args, kwargs)
        theirs = made(keras.layers, name, args, kwargs)
        for layer in (mine, theirs):
            if not layer.built:
                layer.build(shapes_of(inputs))
        assert [(v.name, tuple(v.shape), v.trainable) for v in mine.weights] == [
            (v.name, tuple(v.shape), v.trainable) for v in theirs.weights
        ]
        values = [
            np.abs(numbers(*v.shape, seed=i)) + 0.1
            if "variance" in v.name or "stddev" in v.name
            else numbers(*v.shape, seed=i)
            for i, v in enumerate(mine.weights)
        ]
        mine.set_weights(values)
        theirs.set_weights(values)
        inputs = jax.tree_util.tree_map(jnp.asarray, inputs)
        found, expected = run(mine, inputs, call), run(theirs, inputs, call)
        assert found[0].dtype == expected[0].dtype
        leaves, wanted = (jax.tree_util.tree_leaves(x) for x in (found, expected))
        assert len(leaves) == len(wanted)
        for a, b in zip(leaves, wanted, strict=True):
            np.testing.assert_allclose(
                np.asarray(a, "float32"), np.asarray(b, "float32"), tolerance, tolerance
            )
        return mine

    return compare


@pytest.fixture
def data():
    """Return `numbers`."""
    return numbers
