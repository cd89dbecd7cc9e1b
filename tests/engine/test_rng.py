"""Seeds."""

import jax
import numpy as np
import pytest

import kerata
from kerata.engine import rng


@pytest.fixture(autouse=True)
def _fresh():
    rng.reset()
    yield
    rng.reset()


def test_a_seed_fixes_everything():
    def draw():
        kerata.utils.set_random_seed(11)
        layer = kerata.layers.Dense(3)
        layer.build((None, 2))
        dropped = kerata.layers.Dropout(0.5)(np.ones((4, 4)), training=True)
        return layer.kernel.numpy(), np.asarray(dropped), np.random.rand(), rng.draw_seed(None)

    for a, b in zip(draw(), draw()):
        np.testing.assert_array_equal(a, b)


def test_generators_advance_and_integers_do_not():
    seeds = rng.SeedGenerator(5)
    assert [rng.draw_seed(seeds).tolist() for _ in range(2)] == [[5, 0], [5, 1]]
    assert rng.draw_seed(5).tolist() == rng.draw_seed(5).tolist() == [5, 0]


def test_unseeded_generators_differ():
    assert rng.SeedGenerator().seed != rng.SeedGenerator().seed


def test_an_array_is_a_key():
    key = jax.numpy.array([1, 2], "uint32")
    assert rng.draw_seed(key).tolist() == [1, 2]


@pytest.mark.parametrize("seed", ["a", 1.5, True, [1, 2, 3]])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        rng.draw_seed(seed)
    with pytest.raises(ValueError, match="seed"):
        rng.SeedGenerator(seed)


@pytest.mark.parametrize("seed", [-1, 2**32, "a"])
def test_set_random_seed_checks_its_range(seed):
    with pytest.raises(ValueError, match="between 0"):
        kerata.utils.set_random_seed(seed)


def test_a_generator_has_a_config():
    assert rng.SeedGenerator.from_config(rng.SeedGenerator(9).get_config()).seed == 9
