import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import using
from kerata.kernels.attention import attention, attention_weights

BATCH, TARGETS, SOURCES, WIDTH = 2, 3, 4, 5


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def naive(query, key, value, bias=None, mask=None, scale=None, is_causal=False, soft_cap=None):
    """The definition, in float64 and one head at a time."""
    query, key, value = (np.asarray(x, "float64") for x in (query, key, value))
    heads, share = query.shape[2], query.shape[2] // key.shape[2]
    shape = (query.shape[0], heads, query.shape[1], key.shape[1])
    seen = np.ones(shape, bool) if mask is None else np.broadcast_to(mask, shape)
    if is_causal:
        seen = seen & np.tri(*shape[2:], dtype=bool)
    found = np.zeros((*query.shape[:3], value.shape[-1]))
    weights = np.zeros(shape)
    for n, h in np.ndindex(shape[:2]):
        scores = query[n, :, h] @ key[n, :, h // share].T
        scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
        if soft_cap is not None:
            scores = soft_cap * np.tanh(scores / soft_cap)
        if bias is not None:
            scores = scores + np.broadcast_to(bias, shape)[n, h]
        scores = np.where(seen[n, h], scores, -1e30)
        weights[n, h] = np.exp(scores - scores.max(1, keepdims=True))
        weights[n, h] /= weights[n, h].sum(1, keepdims=True)
        found[n, :, h] = weights[n, h] @ value[n, :, h // share]
    return found, weights


MASK = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
ROWS = {
    "plain": {},
    "causal": {"is_causal": True},
    "mask": {"mask": MASK[None, None]},
    "mask of keys, causal": {"mask": np.array([[1, 1, 0, 1], [1, 1, 0, 0]], bool)[:, None, None],
                             "is_causal": True},
    "bias, scale": {"bias": numbers(1, 2, TARGETS, 1, seed=4), "scale": 0.3},
    "bias of scores": {"bias": numbers(TARGETS, SOURCES, seed=4)},
    "cap": {"soft_cap": 0.5},
}  # fmt: skip


def operands(groups=2, width=WIDTH, dtype="float32"):
    query = numbers(BATCH, TARGETS, 2, WIDTH)
    key, value = (
        numbers(BATCH, SOURCES, groups, WIDTH, seed=1),
        numbers(BATCH, SOURCES, groups, width),
    )
    return tuple(jnp.asarray(x, dtype) for x in (query, key, value))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("row", ROWS)
def test_definition(row, groups):
    arguments, options = operands(groups, width=3), ROWS[row]
    expected, weights = naive(*arguments, **options)
    with using("cpu"):
        np.testing.assert_allclose(attention(*arguments, **options), expected, 1e-5, 1e-6)
    if "soft_cap" not in options:
        found = attention_weights(*operands()[:2], **options)
        np.testing.assert_allclose(found, naive(*operands(), **options)[1], 1e-5, 1e-6)


@pytest.mark.parametrize("groups, seed", [(1, 7), (2, None)])
@pytest.mark.parametrize("row", ROWS)
def test_gradient_is_that_of_the_plain_formulation(row, groups, seed):
    options = dict(ROWS[row])
    bias = options.pop("bias", None)
    if seed is not None:
        options |= {"rate": 0.5, "seed": jnp.array([seed, 0], "uint32")}

    def scalar(query, key, value, bias):
        return jnp.sum(jnp.sin(attention(query, key, value, bias, **options)))

    arguments = (*operands(groups), bias)
    chosen = (0, 1, 2) if bias is None else (0, 1, 2, 3)
    with using("cpu"):
        found = jax.jit(jax.value_and_grad(scalar, chosen))(*arguments)
    with using("lax"):
        expected = jax.jit(jax.value_and_grad(scalar, chosen))(*arguments)
    for a, e in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=2e-6)


def test_dropout_keeps_the_mean():
    ones = jnp.ones((1, 8, 2, 4))
    found = [
        attention(ones, ones, ones, rate=0.25, seed=jnp.array([i, 0], "uint32")) for i in range(20)
    ]
    assert np.std(found) > 0.05
    np.testing.assert_allclose(np.mean(found), 1, atol=0.1)
    np.testing.assert_allclose(attention(ones, ones, ones, rate=0.25), ones, rtol=1e-6)


def test_narrow_numbers():
    arguments = operands(dtype="bfloat16")
    found = attention(*arguments, is_causal=True)
    assert found.dtype == "bfloat16"
    expected, _ = naive(*(np.asarray(x, "float32") for x in arguments), is_causal=True)
    np.testing.assert_allclose(np.asarray(found, "float32"), expected, rtol=0.02, atol=0.02)
