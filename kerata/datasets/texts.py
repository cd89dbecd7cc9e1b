"""What the data sets of texts share: words as numbers, and which of them are kept."""

import numpy as np


def begin(sequences, start_char, index_from) -> list[list[int]]:
    """Return texts with each rank raised by `index_from`, behind `start_char` if it is not None."""
    first = [] if start_char is None else [start_char]
    shift = index_from or 0
    return [first + [rank + shift for rank in ranks] for ranks in sequences]


def replace(texts: list[list[int]], num_words, skip_top, oov_char) -> np.ndarray:
    """Return texts without the rare and the most frequent words, as an array of lists.

    Args:
        texts: the numbers of the words of each text.
        num_words: words of this number and beyond are rare; the largest one of all if None.
        skip_top: words before this number are too frequent.
        oov_char: number that is put in place of such words; if None they are left out.
    """
    if not num_words:
        num_words = max((max(text, default=0) for text in texts), default=0)
    if oov_char is None:
        texts = [[w for w in text if skip_top <= w < num_words] for text in texts]
    else:
        texts = [[w if skip_top <= w < num_words else oov_char for w in text] for text in texts]
    return np.fromiter(texts, object, len(texts))


def keep_short(texts: list, labels, maxlen: int | None) -> tuple[list, np.ndarray]:
    """Return the texts of less than `maxlen` words, and their labels; all if it is None."""
    if not maxlen:
        return texts, np.asarray(labels)
    kept = [i for i, text in enumerate(texts) if len(text) < maxlen]
    if not kept:
        raise ValueError(
            "`maxlen` must be above the length of the shortest text, so that there is one left.\n"
            f"Received: maxlen={maxlen}"
        )
    return [texts[i] for i in kept], np.asarray(labels)[kept]
