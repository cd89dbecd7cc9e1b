"""Writes tensorflow_values.json: what Keras on TensorFlow makes of texts in many languages.

Run it where TensorFlow and Keras 3.15 are installed: `python make_tensorflow_values.py`.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf

CORPUS = [
    "The quick brown fox; the LAZY dog!",
    "Der schnelle Fuchs, ÄÖÜ äöü ß",
    "Le renard\u00a0rapide - l'été, c'est bon",
    "Быстрая лисица и ленивая собака.",
    "素早い狐　と 怠け者の犬",
    "الثعلب السريع، والكلب",
    "γρήγορη αλεπού ΑΛΕΠΟΎ",
    "fox\tfox\nfox  \x0bdog\x0c \u2003thin",
    "",
    "  !?  ",
    "émigré café caf\u0065\u0301 🦊🐶 fox🦊",
]
TEXT = {
    "default": {},
    "lower": {"standardize": "lower"},
    "strip": {"standardize": "strip_punctuation"},
    "none": {"standardize": None},
    "characters": {"split": "character"},
    "whole": {"split": None},
    "bigrams": {"ngrams": 2},
    "unigrams_and_trigrams": {"ngrams": (1, 3)},
    "cut": {"output_sequence_length": 3, "max_tokens": 12},
    "padded": {"output_sequence_length": 12},
    "multi_hot": {"output_mode": "multi_hot", "max_tokens": 40, "pad_to_max_tokens": True},
    "count": {"output_mode": "count", "ngrams": 2},
    "tf_idf": {"output_mode": "tf_idf"},
}
LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 1000]


def text_values():
    for name, options in TEXT.items():
        layer = keras.layers.TextVectorization(**options)
        layer.adapt(np.array(CORPUS)[:, None])
        outputs = np.asarray(layer(np.array(CORPUS)[:, None]))
        yield (
            name,
            {
                "options": options,
                "vocabulary": layer.get_vocabulary(),
                "outputs": outputs.round(5).tolist(),
            },
        )


def main():
    strings = [bytes((37 * i + n) % 251 for i in range(n)) for n in LENGTHS]
    bins = 2**62
    words = ["", "a", "ß", "狐", "a longer string of words, over sixteen bytes"]
    numbers = [0, -1, 7, 2**31 - 1]
    crossing = keras.layers.HashedCrossing(1000)
    unknown = keras.layers.StringLookup(vocabulary=["a"], num_oov_indices=50)
    values = {
        "corpus": CORPUS,
        "text": dict(text_values()),
        "lengths": LENGTHS,
        "farmhash": tf.strings.to_hash_bucket_fast(strings, bins).numpy().tolist(),
        "siphash": tf.strings.to_hash_bucket_strong(strings, bins, [133, -7]).numpy().tolist(),
        "words": words,
        "numbers": numbers,
        "hashed words": keras.layers.Hashing(1000)(np.array(words)).numpy().tolist(),
        "masked words": keras.layers.Hashing(9, mask_value="a")(np.array(words)).numpy().tolist(),
        "hashed numbers": keras.layers.Hashing(1000)(np.array(numbers)).numpy().tolist(),
        "crossed": crossing((np.array(words[1:]), np.array(numbers))).numpy().tolist(),
        "unknown words": unknown(np.array(words)).numpy().tolist(),
    }
    path = Path(__file__).with_name("tensorflow_values.json")
    path.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
