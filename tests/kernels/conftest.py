"""The comparison that every formulation must pass: the same values and gradients as lax's."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import using

# What is compared is the arithmetic, not how well LLVM optimizes it.
_QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def _value_and_gradients(function, arguments):
    """Return the value, and the gradient to each argument from a cotangent that varies."""

    @partial(jax.jit, compiler_options=_QUICK)
    def run(*arguments):
        y, back = jax.vjp(function, *arguments)
        cotangent = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
        return y, back(cotangent.astype(y.dtype))

    return run(*arguments)


@pytest.fixture
def agree():
    """Return a check that `function(*arguments)` is the same with "cpu" as with "lax"."""

    def check(function, *arguments, rtol=1e-5, atol=1e-5):
        results = {}
        for mode in ("cpu", "lax"):
            with using(mode):
                results[mode] = _value_and_gradients(lambda *a: function(*a), arguments)
        jax.tree.map(
            lambda fast, plain: (
                np.testing.assert_allclose(
                    np.asarray(fast, np.float32), np.asarray(plain, np.float32), rtol, atol
                ),
                np.testing.assert_equal(fast.dtype, plain.dtype),
            ),
            results["cpu"],
            results["lax"],
        )
        return results["cpu"][0]

    return check


@pytest.fixture
def agree_twice():
    """Return a check that the gradient of a function of the gradients is the same, too."""

    def check(function, *arguments, rtol=1e-4, atol=1e-4):
        def loss(*arguments):
            return jnp.sum(jnp.sin(function(*arguments)))

        every = tuple(range(len(arguments)))

        def second(*arguments):
            first = jax.grad(loss, every)(*arguments)
            return sum(jnp.sum(jnp.sin(g)) for g in first)

        results = {}
        for mode in ("cpu", "lax"):
            with using(mode):
                gradient = jax.grad(lambda *a: second(*a), every)
                gradient = jax.jit(gradient, compiler_options=_QUICK)
                results[mode] = gradient(*arguments)
        for fast, plain in zip(results["cpu"], results["lax"], strict=True):
            np.testing.assert_allclose(fast, plain, rtol, atol)

    return check
