import jax
import jax.numpy as jnp
import numpy as np

from kerata.kernels import embedding_lookup


def test_rows_and_their_gradient():
    table = jnp.asarray(np.random.randn(4, 2), jnp.float32)
    ids = jnp.array([[0, 3], [3, 1]])
    np.testing.assert_array_equal(embedding_lookup(table, ids), np.asarray(table)[np.asarray(ids)])
    gradient = jax.grad(lambda t: embedding_lookup(t, ids).sum())(table)
    np.testing.assert_array_equal(gradient, np.array([1, 1, 0, 2])[:, None] * np.ones((1, 2)))


def test_out_of_range_is_not_silent():
    rows = embedding_lookup(jnp.ones((3, 2)), jnp.array([3, -1]))
    assert jnp.isnan(rows[0]).all() and not jnp.isnan(rows[1]).any()
