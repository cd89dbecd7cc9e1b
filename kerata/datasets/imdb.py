"""Reviews of films, each positive or negative, as numbers of words."""

import numpy as np

from kerata.datasets import files, texts


def load_data(
    path="imdb.npz",
    num_words=None,
    skip_top=0,
    maxlen=None,
    seed=113,
    start_char=1,
    oov_char=2,
    index_from=3,
    **kwargs,
):
    """Return the IMDB reviews: 25,000 for training and 25,000 for testing.

    Downloaded on first use (17 MB). A word's number is its rank in frequency (see
    `get_word_index`), plus `index_from`. So 0 is free for padding.

    Args:
        path: name of the file in the cache, or an absolute path.
        num_words: only words with smaller numbers are kept; if None, all but the largest one.
        skip_top: only words with at least this number are kept.
        maxlen: only reviews of less than this many words are kept; all if None.
        seed: integer that the order of the reviews depends on.
        start_char: number that each review begins with; None for none.
        oov_char: number that stands for words that are not kept; if None they are left out.
        index_from: what is added to each rank.
        **kwargs: `nb_words`, an older name of `num_words`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: reviews, arrays `(samples,)` of lists of
        integers; and labels, `(samples,)`, 1 for positive and 0 for negative.

    Raises:
        ValueError: if no review is shorter than `maxlen`.
        TypeError: if there are unknown arguments.

    Source: A. Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011.
    """
    num_words = kwargs.pop("nb_words", num_words)
    if kwargs:
        raise TypeError(f"imdb.load_data() has no such arguments.\nReceived: {kwargs}")
    arrays = files.read_npz(files.fetch("imdb.npz", path))
    generator = np.random.RandomState(seed)
    parts = []
    for part in ("train", "test"):
        x, y = files.shuffled([arrays[f"x_{part}"], arrays[f"y_{part}"]], generator)
        parts.append(texts.keep_short(texts.begin(x, start_char, index_from), y, maxlen))
    (x_train, y_train), (x_test, y_test) = parts
    x = texts.replace(x_train + x_test, num_words, skip_top, oov_char)
    return (x[: len(x_train)], y_train), (x[len(x_train) :], y_test)


def get_word_index(path="imdb_word_index.json"):
    """Return a dict from each word to its rank in frequency, from 1 on.

    Args:
        path: name of the file in the cache, or an absolute path.
    """
    return files.read_json(files.fetch("imdb_word_index.json", path))
