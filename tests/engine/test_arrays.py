"""Arrays made eagerly: the values are those of JAX, and few programs are compiled for them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerata.engine.arrays import filled, sample

KEY = np.array([7, 3], "uint32")
shapes = st.lists(st.integers(0, 40), max_size=3).map(tuple)
truncated = functools.partial(jax.random.truncated_normal, lower=-2.0, upper=2.0)


@settings(max_examples=8)
@given(shape=shapes)
def test_a_draw_has_the_values_of_jax_random(shape):
    ours = sample(jax.random.uniform, KEY, shape, "float32", minval=-0.5, maxval=2.0)
    np.testing.assert_array_equal(ours, jax.random.uniform(KEY, shape, "float32", -0.5, 2.0))


@pytest.mark.parametrize("distribution", [jax.random.normal, truncated], ids=["normal", "cut"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_scale_and_shift_keep_the_dtype(distribution, dtype):
    ours = sample(distribution, KEY, (3, 50), dtype, 0.25, 1)
    plain = distribution(KEY, shape=(3, 50), dtype=dtype)
    assert ours.dtype == plain.dtype
    np.testing.assert_array_equal(ours, plain * 0.25 + 1)


def test_traced_keys_work():
    draw = functools.partial(sample, jax.random.normal, shape=(5,), dtype="float32", scale=2.0)
    np.testing.assert_array_equal(jax.jit(draw)(KEY), draw(KEY))


def test_another_generator_of_jax_is_left_alone():
    with jax.default_prng_impl("rbg"):
        key = jax.random.key_data(jax.random.key(0))
        ours = sample(jax.random.normal, key, (3,), "float32")
        np.testing.assert_array_equal(ours, jax.random.normal(key, (3,)))


def test_new_shapes_compile_nothing_new(caplog):
    def make(shape):
        sample(jax.random.normal, KEY, shape, "float32", 0.1, 1.0)
        filled(shape, 0, "float32")

    make((2,))
    with jax.log_compiles():
        make((7, 13))
        assert not [r for r in caplog.records if "Compiling" in r.getMessage()]
        jax.random.normal(KEY, (7, 13, 1))
        assert [r for r in caplog.records if "Compiling" in r.getMessage()]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool"])
def test_filled(dtype):
    found = filled((2, 3), 1, dtype)
    assert found.dtype == jnp.dtype(dtype)
    np.testing.assert_array_equal(found, jnp.ones((2, 3), dtype))
    assert filled((), 4, "int32") == 4
