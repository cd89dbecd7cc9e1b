"""TextVectorization: from texts to the numbers of their words."""

import math
import string
from collections.abc import Iterator
from itertools import chain

import numpy as np

from kerata.engine import reading
from kerata.engine.errors import argument_error, is_int, one_of, positive_int
from kerata.layers.preprocessing import host
from kerata.layers.preprocessing.lookup import StringLookup
from kerata.layers.preprocessing.vocabulary import MODES, refuse_path

_STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLITS = ("whitespace", "character")
_FUNCTIONS = ("standardize", "split")
# As in TensorFlow, only the letters and the white space of ASCII count: bytes know no others.
_LOWER = bytes(range(256)).lower()
_PUNCTUATION = string.punctuation.encode()
# Stands between texts, so that a batch is standardized as one; within a text it is replaced.
_BETWEEN, _INSTEAD = b"\0", "\ufffd".encode()
# Characters that are given to a user's function at a time.
_ROOM = 2**18


class TextVectorization(host.HostLayer):
    """Turns each text into the numbers of its words, or into one vector.

    A text is standardized, split into tokens, these are joined to n-grams, and looked up in a
    vocabulary. In the mode "int" 0 is padding and 1 stands for unknown tokens.

    Args:
        max_tokens: largest size of the vocabulary, special tokens included; None for no limit.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation" (of ASCII), None,
            or a function that takes and returns a NumPy array of strings.
        split: "whitespace", "character", None (each string is a token), or a function that takes a
            NumPy array of texts and returns a list of tokens for each.
        ngrams: None; an integer n, for all sequences of 1 to n tokens; or a tuple of lengths.
        output_mode: "int", a row of numbers for each text; or a vector for each text:
            "multi_hot" (which tokens are there), "count" (how often) or "tf_idf" (counts times
            weights). "one_hot" makes a vector of each token.
        output_sequence_length: length that rows of numbers are cut or filled up to; that of the
            longest text if None. In a model, give it: each other length is compiled anew.
        pad_to_max_tokens: whether vectors have `max_tokens` elements, however many are used.
        vocabulary: list or array of tokens, or the path of a text file with one on each line.
            None to learn it with `adapt`.
        idf_weights: weights of the tokens, for the mode "tf_idf".
        sparse: whether outputs are sparse tensors; not with "int".
        ragged: must be False.
        encoding: how byte strings are encoded.
        **kwargs: `name`, `trainable`, `dtype`.

    Inputs are strings, a list of them, or an array of shape `(batch,)` or `(batch, 1)`.

    Example:
        >>> layer = kerata.layers.TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["The cat sat.", "The dog ran!"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'the', 'sat', 'ran', 'dog', 'cat']
        >>> layer(["The cat sang", "A dog"])
        Array([[2, 6, 1, 0],
               [1, 5, 0, 0]], dtype=int32)
    """

    _input_dtype_hint = "string"

    def __init__(
        self,
        max_tokens=None,
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        ngrams=None,
        output_mode="int",
        output_sequence_length=None,
        pad_to_max_tokens=False,
        vocabulary=None,
        idf_weights=None,
        sparse=False,
        ragged=False,
        encoding="utf-8",
        name=None,
        **kwargs,
    ):
        # What a saved config says about the vocabulary.
        saved = {k: kwargs.pop(k, None) for k in ("vocabulary_size", "has_input_vocabulary")}
        super().__init__(name=name, **kwargs)
        if ragged:
            raise argument_error("ragged", "be False: outputs are dense", ragged, self)
        if not callable(standardize):
            one_of("standardize", standardize, (*_STANDARDS, None), self)
        if not callable(split):
            one_of("split", split, (*_SPLITS, None), self)
        if is_int(ngrams):
            reading.charge("the sizes of n-grams", (max(0, ngrams),))
        sizes = tuple(range(1, ngrams + 1)) if is_int(ngrams) else ngrams
        if sizes is not None and not (
            isinstance(sizes, (tuple, list)) and sizes and all(is_int(n) and n > 0 for n in sizes)
        ):
            must = "be a positive integer or a tuple of them"
            raise argument_error("ngrams", must, ngrams, self)
        self._sizes = sizes if sizes is None else tuple(sizes)
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            sparse=sparse,
            encoding=encoding,
            **saved,
        )
        self._lookup_layer.name = self.name  # for what it says
        self.output_mode = one_of("output_mode", self._lookup_layer.output_mode, MODES, self)
        if output_sequence_length is not None:
            output_sequence_length = positive_int(
                "output_sequence_length", output_sequence_length, self
            )
            if self.output_mode != "int":
                must = 'be None unless output_mode="int"'
                raise argument_error("output_sequence_length", must, output_sequence_length, self)
        self.standardize = standardize
        self.split = split
        self.ngrams = tuple(ngrams) if isinstance(ngrams, list) else ngrams
        self.output_sequence_length = output_sequence_length
        self.encoding = encoding
        self.sparse = self._lookup_layer.sparse
        self.ragged = False

    # The vocabulary is the lookup's.

    def adapt(self, data, batch_size=None, steps=None) -> None:
        """Learn the vocabulary from texts: the most frequent tokens, up to `max_tokens`.

        Tokens that are equally frequent are sorted, the last one first. What was learned before
        is forgotten.

        Args:
            data: list or array of texts, or an iterable of batches of them.
            batch_size: not used.
            steps: how many batches to read; all if None.

        Raises:
            ValueError: if the layer was given a vocabulary.
        """
        del batch_size
        self.reset_state()
        for batch in host.batches(data, self, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data) -> None:
        """Count the tokens of a batch of texts."""
        rows, _ = self._tokens(host.array_of(data))
        self._lookup_layer.count_rows(rows)

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forget what was counted."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens=True) -> list[str]:
        """Return the tokens, in the order of their numbers.

        Args:
            include_special_tokens: whether to include "" (padding) and "[UNK]".
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Return the number of tokens, the special ones included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary, idf_weights=None) -> None:
        """Set the tokens; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    @property
    def _fixed(self) -> bool:
        return self._lookup_layer._fixed

    # From texts to tokens.

    def _tokens(self, array: np.ndarray) -> tuple[list, tuple]:
        """Return a list of tokens for each text, and the shape of the array of texts."""
        outer = array.shape
        if len(outer) > 1:
            if self.split is not None and outer[-1] != 1:
                raise ValueError(
                    f"{self._title()} takes texts of shape (batch,) or (batch, 1).\n"
                    f"Received: shape {outer}\nWith split=None each string is a token."
                )
            outer = outer[:-1]
        texts = self._standardized(array)
        rows: list
        if callable(self.split):
            found = self._applied(self.split, texts, (len(texts),))
            rows = [host.as_bytes(list(row), self.encoding) for part in found for row in part]
        elif self.split == "whitespace":
            rows = [text.split() for text in texts]
        elif self.split == "character":
            rows = [list(text.decode("utf-8", "replace")) for text in texts]
        else:
            width = array.shape[-1] if array.ndim > 1 else 1
            rows = [texts[i : i + width] for i in range(0, len(texts), width)]
        if self._sizes is not None:
            rows = [_joined(row, self._sizes) for row in rows]
        return rows, outer

    def _standardized(self, array: np.ndarray) -> list[bytes]:
        texts = host.text_list(array, self)
        if callable(self.standardize):
            texts = host.as_bytes(texts, self.encoding)
            parts = self._applied(self.standardize, texts, array.shape)
            texts = [t for part in parts for t in host.text_list(host.array_of(part), self)]
            return host.as_bytes(texts, self.encoding)
        texts = host.as_bytes(texts, self.encoding)
        if self.standardize is None or not texts:
            return texts
        batch = _BETWEEN.join(texts)
        if batch.count(_BETWEEN) >= len(texts):
            batch = _BETWEEN.join([t.replace(_BETWEEN, _INSTEAD) for t in texts])
        table = _LOWER if "lower" in self.standardize else None
        return batch.translate(
            table, _PUNCTUATION if "strip" in self.standardize else b""
        ).split(_BETWEEN)  # fmt: skip

    @staticmethod
    def _applied(function, texts: list[bytes], shape) -> Iterator:
        """Yield what a user's function makes of texts, as arrays of `str`, some rows at a time.

        In such an array each text takes the room of the longest.
        """
        decoded = [text.decode("utf-8", "replace") for text in texts]
        width = math.prod(shape[1:])
        rows = max(1, _ROOM // (width * max(map(len, decoded), default=1) or 1))
        for start in range(0, len(decoded) or 1, rows * width or 1):
            part = np.array(decoded[start : start + rows * width], "str")
            yield function(part.reshape((-1, *shape[1:]) if shape else ()))

    # From tokens to numbers.

    def compute(self, inputs) -> np.ndarray:
        array = host.array_of(inputs)
        rows, outer = self._tokens(array)
        lookup, number = self._lookup_layer, len(rows)
        lengths = np.fromiter(map(len, rows), "int64", number)
        is_bytes = self.split != "character"
        tokens = chain.from_iterable(rows)
        numbers = lookup.numbers(tokens, int(lengths.sum()), is_bytes)
        if self.output_mode in ("int", "one_hot"):
            width = self.output_sequence_length
            width = int(lengths.max(initial=0)) if width is None else width
            if (lengths > width).any():
                begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
                numbers = numbers[np.arange(len(numbers)) - begins < width]
            empty = 0 if self.output_mode == "int" else host.NOTHING
            table = np.full((number, width), empty, "int32")
            table[np.arange(width) < lengths[:, None]] = numbers
            if self.output_mode == "one_hot":
                hot = table[..., None] == np.arange(lookup._known_depth())
                return hot.reshape(*outer, *hot.shape[1:])
            one_each = self.split is None and self.output_sequence_length is None
            if one_each and array.ndim < 2 and self._sizes is None:
                return table.reshape(outer)
            return table.reshape(*outer, width)
        samples = np.repeat(np.arange(number), lengths)
        counts = host.count(samples, numbers, number, lookup._known_depth())
        if self.output_mode == "multi_hot":
            counts = counts > 0
        return lookup.weighted(counts).reshape(*outer, counts.shape[-1])

    def compute_output_shape(self, input_shape):
        """Return the shape of the outputs for texts of a shape."""
        shape = tuple(input_shape)
        outer = shape[:-1] if len(shape) > 1 else shape
        width = self.output_sequence_length
        if self.split is None and width is None and self._sizes is None:
            if self.output_mode == "int":
                return shape
            width = shape[-1] if len(shape) > 1 else 1
        depth = self._lookup_layer._depth()
        if self.output_mode == "int":
            return (*outer, width)
        return (*outer, width, depth) if self.output_mode == "one_hot" else (*outer, depth)

    # Saving.

    def get_config(self) -> dict:
        lookup = self._lookup_layer.get_config()
        own = ("ngrams", "output_mode", "output_sequence_length", "ragged", "encoding")
        shared = ("max_tokens", "pad_to_max_tokens", "sparse", "vocabulary", "idf_weights")
        return {
            **super().get_config(),
            **{name: self._config_value(name, getattr(self, name)) for name in _FUNCTIONS},
            **{name: getattr(self, name) for name in own},
            **{name: lookup[name] for name in (*shared, "vocabulary_size")},
        }

    @classmethod
    def from_config(cls, config):
        """Make a layer from what `get_config` returned."""
        refuse_path(cls, config)
        return super().from_config(config)

    def save_own_variables(self, store) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store) -> None:
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path) -> None:
        """Write the vocabulary into a folder, unless it is in the config."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path) -> None:
        """Read what `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)

    def take_assets(self, found: dict[str, bytes]) -> None:
        """Set the vocabulary from the files that `save_assets` wrote, by their names."""
        self._lookup_layer.take_assets(found)


def _joined(row: list, sizes: tuple) -> list:
    """Return the n-grams of tokens, of each size in turn."""
    space = b" " if row and isinstance(row[0], bytes) else " "
    return [g for n in sizes for g in map(space.join, zip(*(row[i:] for i in range(n))))]
