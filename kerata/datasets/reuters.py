"""Newswires with one of 46 topics, as numbers of words."""

import numpy as np

from kerata.datasets import files, texts

_LABELS = """cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade
    reserves ship cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold
    tin strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange
    pet-chem dlr gas silver wpi hog lead""".split()


def load_data(
    path="reuters.npz",
    num_words=None,
    skip_top=0,
    maxlen=None,
    test_split=0.2,
    seed=113,
    start_char=1,
    oov_char=2,
    index_from=3,
):
    """Return the Reuters newswires: 11,228 in all.

    Downloaded on first use (2 MB). A word's number is its rank in frequency (see
    `get_word_index`), plus `index_from`. So 0 is free for padding.

    Args:
        path: name of the file in the cache, or an absolute path.
        num_words: only words with smaller numbers are kept; if None, all but the largest one.
        skip_top: only words with at least this number are kept.
        maxlen: only texts of less than this many words are kept; all if None.
        test_split: share of the texts that is for testing, in [0, 1).
        seed: integer that the order of the texts depends on.
        start_char: number that each text begins with; None for none.
        oov_char: number that stands for words that are not kept; if None they are left out.
        index_from: what is added to each rank.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: texts, arrays `(samples,)` of lists of integers;
        and topics, `(samples,)`, integers from 0 to 45.

    Raises:
        ValueError: if no text is shorter than `maxlen`, or `test_split` is out of range.

    Source: D. Lewis, "Reuters-21578", 1997.
    """
    files.check_share(test_split)
    arrays = files.read_npz(files.fetch("reuters.npz", path))
    x, y = files.shuffled([arrays["x"], arrays["y"]], np.random.RandomState(seed))
    kept, y = texts.keep_short(texts.begin(x, start_char, index_from), y, maxlen)
    x = texts.replace(kept, num_words, skip_top, oov_char)
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def get_word_index(path="reuters_word_index.json"):
    """Return a dict from each word to its rank in frequency, from 1 on.

    Args:
        path: name of the file in the cache, or an absolute path.
    """
    return files.read_json(files.fetch("reuters_word_index.json", path))


def get_label_names():
    """Return the names of the 46 topics; a label is a place in it.

    Example:
        >>> kerata.datasets.reuters.get_label_names()[:3]
        ('cocoa', 'grain', 'veg-oil')
    """
    return tuple(_LABELS)
