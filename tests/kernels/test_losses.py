import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import sparse_softmax_cross_entropy


def reference(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)[..., 0]


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (4,)])
@pytest.mark.parametrize("size", [1, 100, 1e5])
def test_as_log_softmax(shape, size):
    logits = jnp.asarray(np.random.randn(*shape) * size, jnp.float32)
    labels = jnp.asarray(np.random.randint(0, shape[-1], shape[:-1]))
    for transform in (lambda f: f, lambda f: jax.grad(lambda *a: f(*a).sum())):
        ours, theirs = (transform(f) for f in (sparse_softmax_cross_entropy, reference))
        np.testing.assert_allclose(ours(logits, labels), theirs(logits, labels), 1e-5, 1e-6)


def test_out_of_range():
    logits = jnp.zeros((4, 3))
    loss = sparse_softmax_cross_entropy(logits, jnp.array([-1, 0, 3, 2]))
    assert jnp.isnan(loss).tolist() == [True, False, True, False]


def test_infinite_logits_of_other_classes():
    logits = jnp.array([[0.0, -jnp.inf, 0.0]])
    loss, gradient = jax.value_and_grad(
        lambda x: sparse_softmax_cross_entropy(x, jnp.array([2]))[0]
    )(logits)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[0.5, 0, -0.5]], atol=1e-6)
