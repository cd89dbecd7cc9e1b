import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import batch_moments, layer_norm, rms_norm, using


def normal(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.randn(*shape), dtype)


@pytest.mark.parametrize(
    "shape, axes", [((4, 3), (0,)), ((2, 3, 4), (0, 2)), ((2, 3, 2, 3), (0, 1, 2))]
)
def test_moments(agree, shape, axes):
    x = normal(*shape)
    for moment, numpy in [(0, np.mean), (1, np.var)]:
        y = agree(lambda x, i=moment: batch_moments(x, axes)[i], x)
        np.testing.assert_allclose(y, numpy(np.asarray(x), axes), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["cpu", "lax"])
@pytest.mark.parametrize("mean", [1e4, -3e5])
def test_moments_far_from_zero(mode, mean):
    x = (np.random.randn(64, 10, 3) + mean).astype("float32")
    with using(mode):
        m, v = batch_moments(jnp.asarray(x), (0, 1))
        guess = jnp.full(3, mean, jnp.float32)
        _, w = batch_moments(jnp.asarray(x), (0, 1), shift=guess)
    exact = x.astype("float64").var((0, 1))
    np.testing.assert_allclose(m, x.astype("float64").mean((0, 1)), rtol=1e-6)
    np.testing.assert_allclose(v, exact, rtol=1e-3)
    np.testing.assert_allclose(w, exact, rtol=1e-3)


def test_moments_of_equal_numbers():
    for mode in ("cpu", "lax"):
        with using(mode):
            m, v = batch_moments(jnp.full((5, 2), 0.1), (0,))
        assert v.tolist() == [0, 0]
        np.testing.assert_allclose(m, [0.1, 0.1], rtol=1e-6)


def test_moments_of_half_precision_are_wide(agree):
    assert agree(lambda x: batch_moments(x, (0,))[1], normal(8, 3, dtype="bfloat16"),
                 rtol=2e-2).dtype == jnp.float32  # fmt: skip


def test_moments_second_order(agree_twice):
    agree_twice(lambda x: jnp.stack(batch_moments(x, (0,))), normal(4, 3))


def test_moments_vmap(agree):
    agree(jax.vmap(lambda x: batch_moments(x, (0,))[1]), normal(2, 4, 3))


def by_definition(x, scale, offset, axes, epsilon, centered=True):
    x = np.asarray(x, "float64")
    others = [a for a in range(x.ndim) if a not in axes]
    d = x - x.mean(axes, keepdims=True) if centered else x
    y = d / np.sqrt((d**2).mean(axes, keepdims=True) + epsilon)
    y = y if scale is None else y * np.expand_dims(scale, others)
    return y if offset is None else y + np.expand_dims(offset, others)


@pytest.mark.parametrize(
    "shape, axes", [((5, 4), (1,)), ((2, 3, 4), (2,)), ((2, 3, 4), (1, 2)), ((2, 3, 4), (1,)),
                    ((2, 3, 4), (0, 2)), ((4,), (0,))],
)  # fmt: skip
def test_layer_norm(agree, shape, axes):
    inner = [shape[a] for a in axes]
    x, scale, offset = normal(*shape), normal(*inner), normal(*inner)
    y = agree(lambda *a: layer_norm(*a, axes, 1e-3), x, scale, offset)
    np.testing.assert_allclose(y, by_definition(x, scale, offset, axes, 1e-3), rtol=1e-4, atol=1e-5)
    y = agree(lambda *a: rms_norm(*a, axes, 1e-3), x, scale)
    expected = by_definition(x, scale, None, axes, 1e-3, centered=False)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_layer_norm_without_scale_and_offset(agree):
    x = normal(3, 4)
    y = agree(lambda x: layer_norm(x, None, None, (1,), 1e-3), x)
    np.testing.assert_allclose(y, by_definition(x, None, None, (1,), 1e-3), rtol=1e-4, atol=1e-5)
    agree(lambda x: rms_norm(x, None, (1,), 1e-3), x)


def test_layer_norm_far_from_zero(agree):
    x, scale, offset = normal(3, 8) + 1000, normal(8), normal(8)
    agree(lambda *a: layer_norm(*a, (1,), 1e-3), x, scale, offset, rtol=1e-3, atol=1e-3)


def test_layer_norm_second_order(agree_twice):
    agree_twice(lambda *a: layer_norm(*a, (1,), 1e-2), normal(3, 4), normal(4), normal(4))
    agree_twice(lambda *a: rms_norm(*a, (1,), 1e-2), normal(3, 4), normal(4))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_layer_norm_half_precision(agree, dtype):
    x = normal(3, 4, dtype=dtype)
    y = agree(lambda *a: layer_norm(*a, (1,), 1e-3), x, normal(4), normal(4), rtol=3e-2, atol=2e-2)
    assert y.dtype == dtype


def test_layer_norm_vmap_and_program(agree):
    agree(jax.vmap(lambda x, s: layer_norm(x, s, None, (1,), 1e-3), (0, None)), normal(2, 3, 4),
          normal(4))  # fmt: skip
    with using("cpu"):
        program = str(
            jax.make_jaxpr(lambda x: layer_norm(x, None, None, (1,), 1e-3))(jnp.ones((2, 3)))
        )
    assert "custom_vjp" in program
    with using("cpu"):
        assert layer_norm(jnp.ones((0, 3)), None, None, (1,), 1e-3).shape == (0, 3)
