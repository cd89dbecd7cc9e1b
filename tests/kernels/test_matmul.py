import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import dot, matmul, using


def normal(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.randn(*shape), dtype)


@pytest.fixture(autouse=True)
def _few_rows_are_many(monkeypatch):
    monkeypatch.setattr(matmul, "_MANY_ROWS", 6)


@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (2, 2, 2, 3), (5, 3), (3,)])
def test_as_matmul(agree, shape):
    x, w = normal(*shape), normal(3, 4)
    y = agree(dot, x, w)
    np.testing.assert_allclose(y, x @ w, rtol=1e-5, atol=1e-6)


def test_barrier_for_many_rows_on_a_cpu_only():
    def program(mode, rows):
        with using(mode):
            gradient = jax.grad(lambda w: dot(jnp.ones((rows, 3)), w).sum())
            return str(jax.make_jaxpr(lambda w: gradient(w))(jnp.ones((3, 4))))

    assert "optimization_barrier" in program("cpu", 6)
    assert "optimization_barrier" not in program("cpu", 5)
    assert "optimization_barrier" not in program("lax", 6)


def test_second_order(agree_twice):
    agree_twice(dot, normal(7, 3), normal(3, 2))


def test_forward_mode():
    x, w, u, v = normal(7, 3), normal(3, 2), normal(7, 3), normal(3, 2)
    with using("cpu"):
        y, change = jax.jvp(dot, (x, w), (u, v))
        _, from_w = jax.jvp(lambda w: dot(x, w), (w,), (v,))
        _, from_x = jax.jvp(lambda x: dot(x, w), (x,), (u,))
    np.testing.assert_allclose(y, x @ w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(change, u @ w + x @ v, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(from_w, x @ v, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(from_x, u @ w, rtol=1e-5, atol=1e-6)


def test_no_product_for_what_is_not_differentiated():
    x, w = normal(7, 3), normal(3, 2)
    with using("cpu"):
        program = jax.make_jaxpr(jax.grad(lambda w: dot(x, w).sum()))(w)
    assert str(program).count("dot_general") == 2  # forward, and to w


def test_types(agree):
    assert agree(dot, normal(7, 3, dtype="bfloat16"), normal(3, 2)).dtype == jnp.float32
    half = agree(dot, normal(7, 3, dtype="bfloat16"), normal(3, 2, dtype="bfloat16"), rtol=2e-2)
    assert half.dtype == jnp.bfloat16


def test_vmap(agree):
    agree(jax.vmap(dot, (0, None)), normal(2, 7, 3), normal(3, 2))


def test_no_columns():
    with using("cpu"):
        assert dot(jnp.ones((8, 0)), jnp.ones((0, 2))).tolist() == [[0.0, 0.0]] * 8
