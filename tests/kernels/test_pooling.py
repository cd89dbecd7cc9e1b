import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerata.kernels import avg_pool, max_pool, using
from kerata.kernels.pooling import _MOST_TAPS

POOLS = [max_pool, avg_pool]

# spatial shape, window, strides, padding
GEOMETRIES = [
    ((7,), 3, 2, "same"),
    ((9,), 3, 5, "same"),
    ((5, 6), (2, 3), (2, 1), "same"),
    ((5, 6), (2, 3), (3, 2), "valid"),
    ((6, 4), 2, None, "valid"),
    ((5, 5), 3, 1, "same"),
    ((2, 2), 5, 2, "same"),
    ((5, 5), 1, 3, "valid"),
    ((6, 5), 3, 2, ((0, 2), (1, 0))),
    ((4, 5, 3), 2, 1, "valid"),
    ((3, 4, 5), (2, 3, 3), 2, "same"),
]


def with_ties(*shape):
    """Small integers, so that windows have several maxima."""
    return jnp.asarray(np.random.randint(0, 3, shape), jnp.float32)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("shape, window, strides, padding", GEOMETRIES)
def test_as_lax(agree, pool, shape, window, strides, padding):
    agree(lambda x: pool(x, window, strides, padding), with_ties(2, *shape, 3))


@pytest.mark.parametrize("pool", POOLS)
def test_channels_first(agree, pool):
    x = with_ties(2, 3, 5, 6)
    y = agree(lambda x: pool(x, (2, 3), 2, "same", "channels_first"), x)
    other = pool(jnp.moveaxis(x, 1, -1), (2, 3), 2, "same")
    np.testing.assert_allclose(y, jnp.moveaxis(other, -1, 1), rtol=1e-6)


@pytest.mark.parametrize("pool", POOLS)
def test_second_order(agree_twice, pool):
    x = jnp.asarray(np.random.randn(2, 5, 4, 2), jnp.float32)
    agree_twice(lambda x: pool(x, 3, 2, "same") ** 2, x)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(agree, pool, dtype):
    agree(lambda x: pool(x, 3, 2, "same"), with_ties(2, 5, 5, 2).astype(dtype), rtol=2e-2)


@pytest.mark.parametrize("pool", POOLS)
def test_vmap_and_eval_shape(agree, pool):
    agree(jax.vmap(lambda x: pool(x, 2, 1, "same")), with_ties(2, 2, 3, 3, 1))
    with using("cpu"):
        shape = jax.eval_shape(
            lambda x: pool(x, 3, 2, "same"), jax.ShapeDtypeStruct((9, 5, 4, 2), jnp.float32)
        )
    assert shape.shape == (9, 3, 2, 2)


@pytest.mark.parametrize("pool", POOLS)
def test_formulated_on_a_cpu_only(pool):
    def program(mode, window):
        with using(mode):
            return str(jax.make_jaxpr(lambda x: pool(x, window, 2))(jnp.ones((1, 40, 40, 1))))

    assert "reduce_window" not in program("cpu", 3)
    assert "reduce_window" in program("lax", 3)
    assert "reduce_window" in program("cpu", _MOST_TAPS + 1)


def test_windows_apart_are_formulated_for_the_gradient_alone():
    x = jnp.ones((1, 4, 4, 1))
    with using("cpu"):
        forward = str(jax.make_jaxpr(lambda x: max_pool(x, 2))(x))
        backward = str(jax.make_jaxpr(jax.grad(lambda x: max_pool(x, 2).sum()))(x))
    assert "reduce_window" in forward
    assert "reduce_window" not in backward and "select_and_scatter" not in backward


def test_first_of_equal_maxima_gets_the_gradient():
    with using("cpu"):
        gradient = jax.grad(lambda x: max_pool(x, 2).sum())(jnp.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(gradient.ravel(), [1, 0, 0, 0])


def test_integers_and_nan():
    with using("cpu"):
        x = jnp.array([[-5, -3, -4]], jnp.int32)[..., None]
        assert max_pool(x, 2, 1, "same").ravel().tolist() == [-3, -3, -4]
        y = max_pool(jnp.array([[1.0, jnp.nan, 2.0]])[..., None], 2, 1)
        assert jnp.isnan(y).all()


def test_no_windows():
    for mode in ("cpu", "lax"):
        with using(mode):
            assert max_pool(jnp.ones((2, 3, 1)), 4).shape == (2, 0, 1)
            assert avg_pool(jnp.ones((0, 4, 1)), 2).shape == (0, 2, 1)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_against_loops(height, width, window, stride, same):
    """Compare with a window written out by hand, where padding is simply left out."""
    padding = "same" if same else "valid"
    x = np.random.randint(0, 5, (height, width)).astype("float32")
    with using("cpu"):
        image = jnp.asarray(x)[None, ..., None]
        largest, mean = (np.asarray(p(image, window, stride, padding))[0, ..., 0] for p in POOLS)
    outs = [-(-n // stride) if same else max(0, (n - window) // stride + 1) for n in x.shape]
    assert largest.shape == mean.shape == tuple(outs)
    before = [max(0, (o - 1) * stride + window - n) // 2 if same else 0
              for o, n in zip(outs, x.shape)]  # fmt: skip
    for i, j in itertools.product(*map(range, outs)):
        top, left = i * stride - before[0], j * stride - before[1]
        seen = x[max(0, top) : top + window, max(0, left) : left + window]
        assert largest[i, j] == seen.max()
        np.testing.assert_allclose(mean[i, j], seen.mean(), rtol=1e-6)


@pytest.mark.parametrize("mode", ["cpu", "lax"])
@pytest.mark.parametrize("strides", [1, 2])
def test_maximum_of_truth_values(mode, strides):
    x = jnp.array([True, False, False, False]).reshape(1, 4, 1)
    with using(mode):
        found = max_pool(x, 2, strides)
    assert found.dtype == bool
    assert found.ravel().tolist() == [True, False, False][::strides]
