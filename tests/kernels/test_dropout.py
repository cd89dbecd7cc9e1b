import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from kerata.kernels import dropout, dropout_mask
from kerata.kernels.dropout import random_bits

# Thresholds are five standard deviations: about one draw in 2 million lies beyond by chance.
KEYS = [(0, 0), (0, 1), (1, 0), (2**31, 0), (0xDEADBEEF, 0xCAFEF00D)]
N = 2**16


def bits(key, *shape):
    return np.asarray(random_bits(jnp.array(key, jnp.uint32), shape or (N,)))


def as_signs(words):
    """Return each of the 32 bits of all words as -1 or 1: shape (32, words)."""
    return (words.ravel()[None] >> np.arange(32, dtype=np.uint32)[:, None] & 1) * 2.0 - 1


@pytest.mark.parametrize("key", KEYS)
def test_bytes_are_uniform(key):
    for octet in bits(key).view(np.uint8).reshape(-1, 4).T:
        assert stats.chisquare(np.bincount(octet, minlength=256)).pvalue > 1e-4


@pytest.mark.parametrize("key", KEYS)
def test_bits_are_balanced_and_independent_of_each_other(key):
    signs = as_signs(bits(key))
    correlation = signs @ signs.T / N
    noise = 5 / np.sqrt(N)
    assert np.abs(signs.mean(1)).max() < noise
    assert np.abs(correlation - np.eye(32)).max() < noise


@pytest.mark.parametrize("key", KEYS)
def test_no_correlation_between_neighbours_and_distant_elements(key):
    signs = as_signs(bits(key))
    for lag in [1, 2, 3, 7, 16, 64, 256, 1000, 4096, 2**15]:
        correlation = (signs[:, lag:] * signs[:, :-lag]).mean(1)
        assert np.abs(correlation).max() < 5 / np.sqrt(N - lag), lag


def test_no_correlation_between_related_keys():
    """Keys that differ in one bit, or are next to each other, as counters would make them."""
    keys = [(5, 9)] + [(5 ^ 1 << i, 9) for i in range(0, 32, 3)]
    keys += [(5, 9 ^ 1 << i) for i in range(0, 32, 3)] + [(5, 9 + i) for i in (2, 3)] + [(9, 5)]
    top = np.stack([as_signs(bits(k))[31] for k in keys])
    correlation = top @ top.T / N
    assert np.abs(correlation - np.eye(len(keys))).max() < 5 / np.sqrt(N)


def test_masks_of_neighbouring_keys_are_not_shifted_copies():
    a, b = bits((3, 0)), bits((3, 1))
    assert np.intersect1d(a, b).size < 10  # of N, N²/2³² = 1 is expected by chance


def test_words_rarely_repeat():
    words = np.concatenate([bits(k) for k in KEYS])
    expected = words.size**2 / 2**33
    assert words.size - np.unique(words).size < expected + 5 * np.sqrt(expected)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.999])
def test_rate(rate):
    mask = np.asarray(dropout_mask(jnp.array([1, 2], jnp.uint32), rate, (256, 1024)))
    assert mask.dtype == bool
    error = abs(mask.mean() - (1 - rate))
    assert error < 5 * np.sqrt(rate * (1 - rate) / mask.size)
    rows, columns = mask.mean(1), mask.mean(0)
    assert np.abs(rows - (1 - rate)).max() < 6 * np.sqrt(rate * (1 - rate) / 1024)
    assert np.abs(columns - (1 - rate)).max() < 6 * np.sqrt(rate * (1 - rate) / 256)


def test_all_or_nothing():
    key = jnp.array([1, 2], jnp.uint32)
    assert dropout_mask(key, 0.0, (100,)).all()
    assert not dropout_mask(key, 1.0, (100,)).any()
    assert dropout_mask(key, 0.5, ()).shape == ()
    assert dropout_mask(key, 0.5, (3, 0)).shape == (3, 0)


def test_same_for_the_same_key_in_any_form():
    words = jnp.array([1, 2], jnp.uint32)
    typed = jax.random.wrap_key_data(words)
    eager = dropout_mask(words, 0.5, (3, 5))
    np.testing.assert_array_equal(eager, dropout_mask(typed, 0.5, (3, 5)))
    np.testing.assert_array_equal(eager, jax.jit(lambda k: dropout_mask(k, 0.5, (3, 5)))(words))
    assert random_bits(words, (3, 2)).tolist() == PINNED


# Masks must not change from one version to the next, or resumed trainings would differ.
PINNED = [[3800441229, 991664777], [2003072985, 1882924255], [616772751, 1220665156]]


def test_more_elements_than_an_index_counts(monkeypatch):
    """Parts of the array that lie further apart than an index counts are not repetitions."""
    monkeypatch.setattr(dropout, "_WORD", 2**10)
    words = bits((1, 2), 4, 64, 16, 8)
    assert np.unique(words).size > words.size - 3
    signs = as_signs(words.reshape(-1, 2**7))[31].reshape(-1, 2**7)
    correlation = np.abs(signs @ signs.T / 2**7 - np.eye(len(signs)))
    assert correlation.max() < 6 / np.sqrt(2**7)
    monkeypatch.setattr(dropout, "_WORD", 2**32)
    key = jax.ShapeDtypeStruct((2,), jnp.uint32)
    assert jax.eval_shape(lambda k: random_bits(k, (2**20, 2**16)), key).shape == (2**20, 2**16)
