"""kerata.random: the numbers of Keras for integer seeds, the right distributions, streams."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import random
from kerata.random import SeedGenerator

LOGITS = np.log([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]]).astype("float32")

SAME = [
    # name, arguments, keywords
    ("normal", ((2, 3), 1.0, 2.0), {}),
    ("normal", ((2, 3),), {"dtype": "bfloat16"}),
    ("truncated_normal", ((2, 3), 0.0, 0.5), {}),
    ("uniform", ((2, 3), -1.0, 3.0), {}),
    ("randint", ((4,), -5, 100), {}),
    ("randint", ((4,), 0, 100), {"dtype": "uint8"}),
    ("categorical", (LOGITS, 5), {}),
    ("shuffle", (np.arange(6),), {}),
    ("gamma", ((3,), 2.0), {}),
    ("beta", ((3,), 2.0, 0.5), {}),
    ("binomial", ((3,), 20.0, 0.3), {}),
]


@pytest.mark.parametrize("name, args, kwargs", SAME, ids=[s[0] for s in SAME])
def test_integer_seeds_give_the_numbers_of_keras(name, args, kwargs):
    ours = getattr(random, name)(*args, seed=42, **kwargs)
    theirs = getattr(keras.random, name)(*args, seed=42, **kwargs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_seed_generators_go_on_as_those_of_keras():
    ours, theirs = SeedGenerator(7), keras.random.SeedGenerator(7)
    for _ in range(3):
        a, b = random.normal((2,), seed=ours), keras.random.normal((2,), seed=theirs)
        np.testing.assert_array_equal(a, b)


def test_seed_generators_advance_in_compiled_functions():
    seeds = SeedGenerator(7)
    draw = kerata.jit(lambda: random.uniform((3,), seed=seeds))
    first, second = draw(), draw()
    assert np.abs(first - second).max() > 0
    again = SeedGenerator(7)
    np.testing.assert_array_equal(first, random.uniform((3,), seed=again))
    np.testing.assert_array_equal(second, random.uniform((3,), seed=again))


def test_no_seed_is_the_global_one():
    kerata.utils.set_random_seed(3)
    first = random.normal((3,))
    assert np.abs(first - random.normal((3,))).max() > 0
    kerata.utils.set_random_seed(3)
    np.testing.assert_array_equal(first, random.normal((3,)))


def test_dropout_keeps_the_expectation():
    x = jnp.full((100, 100), 2.0)
    y = random.dropout(x, 0.25, seed=1)
    assert set(np.unique(y)) == {0.0, np.float32(2 / 0.75)}
    assert abs(float((y == 0).mean()) - 0.25) < 0.02
    np.testing.assert_array_equal(y, random.dropout(x, 0.25, seed=1))
    assert np.abs(y - random.dropout(x, 0.25, seed=2)).max() > 0
    np.testing.assert_array_equal(random.dropout(x, 0.0, seed=1), x)
    assert not random.dropout(x, 1.0, seed=1).any()
    assert random.dropout(x.astype("bfloat16"), 0.5, seed=1).dtype == "bfloat16"


def test_noise_shape_lets_elements_share_their_fate():
    y = np.asarray(random.dropout(jnp.ones((50, 4)), 0.5, noise_shape=(None, 1), seed=1))
    assert (y == y[:, :1]).all() and 0 < (y == 0).mean() < 1


@pytest.mark.parametrize(
    "name, args, mean, variance",
    [
        ("normal", ((20000,), 1.0, 2.0), 1.0, 4.0),
        ("truncated_normal", ((20000,),), 0.0, 0.7737),
        ("uniform", ((20000,), 0.0, 3.0), 1.5, 0.75),
        ("randint", ((20000,), 0, 11), 5.0, 10.0),
        ("gamma", ((20000,), 3.0), 3.0, 3.0),
        ("beta", ((20000,), 2.0, 2.0), 0.5, 0.05),
        ("binomial", ((20000,), 10.0, 0.3), 3.0, 2.1),
    ],
)
def test_moments(name, args, mean, variance):
    x = np.asarray(getattr(random, name)(*args, seed=5), "float64")
    assert abs(x.mean() - mean) < 5 * (variance / x.size) ** 0.5
    assert abs(x.var() / variance - 1) < 0.06


def test_categorical_follows_its_probabilities():
    drawn = np.asarray(random.categorical(LOGITS, 5000, seed=1))
    shares = np.stack([(drawn == c).mean(1) for c in range(3)], axis=1)
    np.testing.assert_allclose(shares, np.exp(LOGITS), atol=0.03)


def test_shuffle_permutes():
    x = np.arange(12).reshape(6, 2)
    y = np.asarray(random.shuffle(x, seed=3))
    assert sorted(map(tuple, y)) == sorted(map(tuple, x)) and (y != x).any()


def test_symbolic():
    x = kerata.KerasTensor((None, 3))
    assert random.dropout(x, 0.5).shape == (None, 3)
    assert random.categorical(x, 4).shape == (None, 4)
    assert random.categorical(x, 4).dtype == "int32"
    assert random.shuffle(x, axis=1, seed=1).shape == (None, 3)


def test_gradient_of_dropout_is_its_mask():
    x = jnp.ones(50)
    gradient = jax.grad(lambda x: random.dropout(x, 0.5, seed=1).sum())(x)
    np.testing.assert_array_equal(gradient, random.dropout(x, 0.5, seed=1))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: random.normal((2,), dtype="int32"), "floating"),
        (lambda: random.uniform((2,), dtype="int32"), "floating"),
        (lambda: random.randint((2,), 0, 5, dtype="float32"), "integer"),
        (lambda: random.categorical([0.0, 1.0], 2), "batch, classes"),
        (lambda: random.categorical([[0.0, 1.0]], 0), "num_samples"),
        (lambda: random.dropout([1.0], 1.5), "rate"),
        (lambda: random.shuffle([1.0], axis=1), "axis"),
        (lambda: random.normal((2,), seed=1.5), "seed"),
        (lambda: random.normal((2,), seed="a"), "seed"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
