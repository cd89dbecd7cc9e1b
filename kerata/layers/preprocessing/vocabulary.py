"""Vocabularies: how they are learned, kept in files, and used, whatever the tokens are."""

import os
from collections import Counter
from itertools import chain
from types import NoneType

import numpy as np

from kerata.engine import reading, settings
from kerata.engine.errors import (
    UnsafeModelError,
    argument_error,
    non_negative_int,
    one_of,
    positive_int,
    short,
    warn,
)
from kerata.layers.preprocessing import hashes, host
from kerata.layers.preprocessing.host import NOTHING, HostLayer

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}
FILE = "vocabulary.txt"


class Lookup(HostLayer):
    """Base of `StringLookup` and `IntegerLookup`, which say what a token is."""

    vocabulary_dtype = "string"

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token=None,
        vocabulary=None,
        idf_weights=None,
        invert=False,
        output_mode="int",
        sparse=False,
        pad_to_max_tokens=False,
        oov_method="floormod",
        salt=None,
        vocabulary_size=None,
        has_input_vocabulary=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if max_tokens is not None:
            max_tokens = positive_int("max_tokens", max_tokens, self)
            if max_tokens == 1:
                raise argument_error("max_tokens", "be greater than 1, or None", max_tokens, self)
        if pad_to_max_tokens and max_tokens is None:
            raise argument_error("max_tokens", "be given to be padded to", max_tokens, self)
        self.output_mode = one_of(
            "output_mode", _OLD_MODES.get(output_mode, output_mode), MODES, self
        )
        if invert and self.output_mode != "int":
            raise argument_error("output_mode", 'be "int" with invert=True', output_mode, self)
        if idf_weights is not None and self.output_mode != "tf_idf":
            must = 'be None unless output_mode="tf_idf"'
            raise argument_error("idf_weights", must, idf_weights, self)
        if self.output_mode == "tf_idf" and vocabulary is not None and idf_weights is None:
            raise argument_error("idf_weights", "be given with `vocabulary`", idf_weights, self)
        self.max_tokens = max_tokens
        self.num_oov_indices = non_negative_int("num_oov_indices", num_oov_indices, self)
        reading.charge(f"the vocabulary of {self.name!r}", (self.num_oov_indices,))
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = bool(invert)
        self.sparse = host.check_sparse(sparse, output_mode, self)
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        self.oov_method = one_of("oov_method", oov_method, ("floormod", "farmhash"), self)
        if salt is not None and self.vocabulary_dtype != "string" and oov_method != "farmhash":
            raise argument_error("oov_method", 'be "farmhash" with `salt`', oov_method, self)
        self.salt = hashes.as_salt(salt, self)
        # A vocabulary out of a file is kept with the model's assets, not in the config.
        from_file = isinstance(vocabulary, (str, os.PathLike))
        self.input_vocabulary = self.vocabulary = None if from_file else vocabulary
        self.input_idf_weights = idf_weights
        self.idf_weights: np.ndarray | None = None
        self._fixed = bool(has_input_vocabulary or vocabulary is not None)
        self._frozen_vocab_size = vocabulary_size
        self._tokens: list = []
        self._forget_counts()
        self._number_tokens()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # The vocabulary.

    def _special_tokens(self) -> list:
        masks = [self.mask_token] if self._oov_start() else []
        return masks + [self.oov_token] * self.num_oov_indices

    def _oov_start(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    def _token_start(self) -> int:
        return self._oov_start() + self.num_oov_indices

    def get_vocabulary(self, include_special_tokens=True) -> list:
        """Return the tokens, in the order of their numbers.

        Args:
            include_special_tokens: whether to include the mask token and the one that stands for
                unknown tokens; then a token's place is its number.
        """
        return (self._special_tokens() if include_special_tokens else []) + self._tokens

    def vocabulary_size(self) -> int:
        """Return the number of tokens, the special ones included."""
        return self._token_start() + len(self._tokens)

    def set_vocabulary(self, vocabulary, idf_weights=None) -> None:
        """Set the tokens.

        Args:
            vocabulary: list or array of tokens, or the path of a text file with one on each line;
                the special tokens may stand at the beginning.
            idf_weights: weights of the tokens, in the mode "tf_idf" only.

        Raises:
            ValueError: if a token comes twice, there are more than `max_tokens`, or the weights do
                not belong to them.
            FileNotFoundError: if there is no such file.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            must = 'be given if, and only if, output_mode="tf_idf"'
            raise argument_error("idf_weights", must, idf_weights, self)
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = self._read(os.fspath(vocabulary))
            while vocabulary and not vocabulary[-1]:  # a text ends with a line break, or more
                vocabulary.pop()
        tokens = host.array_of(vocabulary).ravel().tolist()
        if not tokens:
            raise argument_error("vocabulary", "hold at least one token", vocabulary, self)
        tokens = [self._plain_token(t) for t in tokens]
        start, special = self._token_start(), self._special_tokens()
        has_special = tokens[:start] == special
        self._check_tokens(tokens[start:] if has_special else tokens)
        weights = None
        if idf_weights is not None:
            weights = self._front_filled(idf_weights, len(tokens), 0 if has_special else start)
        self._take(tokens[start:] if has_special else tokens, weights)

    def _read(self, path: str) -> list:
        if not os.path.exists(path):
            raise ValueError(f"{self._title()}: there is no such file.\nReceived: {path!r}")
        with open(path, encoding="utf-8", newline="\n") as file:
            return _lines(file.read())

    def _check_tokens(self, tokens) -> None:
        repeated = [t for t, n in Counter(tokens).items() if n > 1]
        if repeated:
            raise ValueError(
                f"{self._title()}: a token may be in the vocabulary only once.\n"
                f"Received: {repeated[:5]} several times"
            )
        reserved = [self.mask_token] + ([self.oov_token] if self.invert else [])
        for token in reserved:
            if token is not None and token in tokens:
                raise ValueError(
                    f"{self._title()}: special tokens stand at the beginning of the vocabulary, "
                    f"all of them: {self._special_tokens()}, or are left out.\n"
                    f"Received: {token!r} at place {tokens.index(token)}"
                )
        size = self._token_start() + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{self._title()}: the vocabulary must have at most max_tokens={self.max_tokens} "
                f"tokens.\nReceived: {size}, the special ones included"
            )

    def _front_filled(self, weights, count: int, missing: int) -> np.ndarray:
        """Return weights for all tokens; those of the special ones are the others' mean."""
        weights = np.asarray(weights, settings.floatx())
        if weights.shape != (count,):
            raise ValueError(
                f"{self._title()}: `idf_weights` must hold a number for each of the {count} "
                f"tokens of the vocabulary.\nReceived: shape {weights.shape}"
            )
        reading.charge(f"the weights of {self.name!r}", (missing + count,))
        reading.charge(f"the weights of {self.name!r}", (self._padding(missing + count),))
        front = np.full(missing, weights.mean(), weights.dtype)
        back = np.zeros(self._padding(missing + count), weights.dtype)
        return np.concatenate([front, weights, back])

    def _padding(self, size: int) -> int:
        return self.max_tokens - size if self.pad_to_max_tokens else 0

    def _take(self, tokens: list, weights) -> None:
        size = self._token_start() + len(tokens)
        depends = self.output_mode != "int" and not self.pad_to_max_tokens
        if depends and self._inbound_nodes and self._frozen_vocab_size not in (None, size):
            raise RuntimeError(
                f"{self._title()} is part of a model in which its outputs have "
                f"{self._frozen_vocab_size} columns: its vocabulary must stay of that size.\n"
                f"Received: {size} tokens\nMake another layer, or set pad_to_max_tokens=True."
            )
        self._tokens = tokens
        if weights is not None:
            self.idf_weights = weights
        self._frozen_vocab_size = size
        self._number_tokens()

    def _number_tokens(self) -> None:
        """Make the table from tokens to numbers."""
        start = self._token_start()
        index = {t: i for i, t in enumerate(self._tokens, start)}
        if self.mask_token is not None:
            index[self.mask_token] = 0 if self.output_mode == "int" else NOTHING
        unknown = self._oov_start() if self.num_oov_indices == 1 else -1
        self._table = _Table(index, unknown)
        # Texts are cut into words as bytes; and other libraries give bytes.
        encoded = {t.encode(): i for t, i in index.items() if isinstance(t, str)}
        self._bytes_table = _Table(encoded, unknown)
        if self.invert:
            kind = object if self.vocabulary_dtype == "string" else None
            self._inverse = np.array([*self.get_vocabulary(), self.oov_token], kind)

    # Learning it.

    def adapt(self, data, steps=None) -> None:
        """Learn the vocabulary from data: the most frequent tokens, up to `max_tokens`.

        Tokens that are equally frequent are sorted, the last one first. What was learned before
        is forgotten.

        Args:
            data: list or array of tokens; or an iterable of batches of them.
            steps: how many batches to read; all if None.

        Raises:
            ValueError: if the layer was given a vocabulary.
        """
        self.reset_state()
        for batch in host.batches(data, self, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data) -> None:
        """Count the tokens of a batch: `(samples, tokens)`, or a single sample `(tokens,)`."""
        array = host.array_of(data)
        rows = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
        self.count_rows([self._token_list(row) for row in rows])

    def count_rows(self, rows: list) -> None:
        """Count the tokens of samples, each a list of tokens."""
        if self._fixed:
            raise ValueError(
                f"{self._title()} was given its vocabulary: there is nothing to learn.\n"
                "Make a layer without `vocabulary`, or call set_vocabulary()."
            )
        self._counts.update(chain.from_iterable(rows))
        if self.output_mode == "tf_idf":
            self._documents += len(rows)
            self._document_counts.update(chain.from_iterable(map(set, rows)))

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        if self._fixed or not self._counts:
            return
        counts, documents = _joined(self._counts), _joined(self._document_counts)
        for token in (self.mask_token, self.oov_token):
            counts.pop(token, None)
        ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        tokens = [token for token, _ in ordered]
        if self.max_tokens:
            tokens = tokens[: self.max_tokens - self._token_start()]
        weights = None
        if self.output_mode == "tf_idf":
            found = np.array([documents[t] for t in tokens])
            learned = np.log(1 + self._documents / (1 + found))
            weights = self._front_filled(learned, len(tokens), self._token_start())
        self._take(tokens, weights)
        self._forget_counts()

    def reset_state(self) -> None:
        """Forget what was counted."""
        if not self._fixed:
            self._forget_counts()

    def _forget_counts(self) -> None:
        self._counts: Counter = Counter()
        self._document_counts: Counter = Counter()
        self._documents = 0

    # Looking up.

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        if self.invert and self.vocabulary_dtype == "string":
            return "string"
        return super().output_dtype

    def _depth(self):
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_vocab_size

    def _known_depth(self) -> int:
        depth, weighs = self._depth(), self.output_mode == "tf_idf"
        if depth is None or (weighs and self.idf_weights is None):
            other = "" if weighs else ", or give pad_to_max_tokens=True"
            raise RuntimeError(
                f"{self._title()} needs a vocabulary before it is called with "
                f"output_mode={self.output_mode!r}: its outputs follow from that.\n"
                f"Call adapt() or set_vocabulary(){other}."
            )
        return depth

    def compute(self, inputs) -> np.ndarray:
        array = host.array_of(inputs)
        if self.invert:
            unknown = len(self._inverse) - 1
            known = (array >= 0) & (array < unknown)
            return self._inverse[np.where(known, array, unknown).astype("int64")]
        tokens = self._token_list(array)
        is_bytes = any(issubclass(kind, bytes) for kind in set(map(type, tokens)))
        tokens = self._as_bytes(tokens) if is_bytes else tokens
        return self.encoded(self.numbers(tokens, len(tokens), is_bytes).reshape(array.shape))

    def encoded(self, numbers: np.ndarray) -> np.ndarray:
        """Return tokens' numbers in the layer's output mode."""
        if self.output_mode == "int":
            return numbers
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return self.weighted(host.encode(numbers, mode, self._known_depth()))

    def weighted(self, counts: np.ndarray) -> np.ndarray:
        """Return counts times the tokens' weights, in the mode "tf_idf"."""
        return counts * self.idf_weights if self.output_mode == "tf_idf" else counts

    def numbers(self, tokens, count: int, is_bytes: bool = False) -> np.ndarray:
        """Return the numbers of `count` tokens in an iterable; `is_bytes`, if they are in UTF-8."""
        if self._frozen_vocab_size is None and count and self.output_mode == "int":
            warn(
                f"{self._title()} has no vocabulary yet: all that it looks up is unknown to it.\n"
                "Call adapt(data) first, or give `vocabulary`.",
            )
        table = self._bytes_table if is_bytes else self._table
        if self.num_oov_indices != 1:
            tokens = list(tokens)
        found = np.fromiter(map(table.__getitem__, tokens), "int32", count)
        if self.num_oov_indices == 1 or not (missing := np.flatnonzero(found == -1)).size:
            return found
        strangers = [tokens[i] for i in missing]
        if not self.num_oov_indices:
            raise ValueError(
                f"{self._title()} has num_oov_indices=0: all tokens must be in the vocabulary.\n"
                f"Received: {strangers[:5]}\nGive num_oov_indices=1 to allow others."
            )
        found[missing] = self._oov_start() + self._scattered(strangers)
        return found

    def _scattered(self, tokens: list) -> np.ndarray:
        """Return a number in [0, num_oov_indices) for each unknown token."""
        return hashes.buckets(self._as_bytes(tokens), self.num_oov_indices, self.salt)

    # Of the kind of token.

    def _plain_token(self, token):
        raise NotImplementedError(f"{self._title()} must say what a token is.")

    def _token_list(self, array: np.ndarray) -> list:
        raise NotImplementedError(f"{self._title()} must say what a token is.")

    def _as_bytes(self, tokens: list) -> list[bytes]:
        raise NotImplementedError(f"{self._title()} must say what a token is.")

    # Saving.

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("has_input_vocabulary", None)
        plain = [host.array_of(x).tolist() if x is not None else None for x in self._given()]
        config["vocabulary"], config["idf_weights"] = plain
        config["vocabulary_size"] = self._frozen_vocab_size
        return config

    def _given(self) -> tuple:
        return self.input_vocabulary, self.input_idf_weights

    @classmethod
    def from_config(cls, config):
        """Make a layer from what `get_config` returned."""
        refuse_path(cls, config)
        return super().from_config(config)

    def save_own_variables(self, store) -> None:
        if self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store) -> None:
        if "idf_weights" in store.keys():
            self.idf_weights = np.asarray(store["idf_weights"])

    def save_assets(self, dir_path) -> None:
        """Write the vocabulary into a folder, unless it is in the config."""
        if self.input_vocabulary is None:
            for token in self._tokens:
                if isinstance(token, str) and ("\n" in token or "\r" in token):
                    raise ValueError(
                        f"{self._title()}: a token with a line break cannot be saved, since the "
                        f"vocabulary is written line by line.\nReceived: {token!r}"
                    )
            path = os.path.join(dir_path, FILE)
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(map(str, self.get_vocabulary())))

    def load_assets(self, dir_path) -> None:
        """Read what `save_assets` wrote."""
        path = os.path.join(dir_path, FILE)
        if os.path.exists(path):
            with open(path, "rb") as file:
                self.take_assets({FILE: file.read()})

    def take_assets(self, found: dict[str, bytes]) -> None:
        """Set the vocabulary from the files that `save_assets` wrote, by their names."""
        if self.input_vocabulary is not None or FILE not in found:
            return
        lines = _lines(found[FILE].decode("utf-8"))[self._token_start() :]
        if lines:
            weights = self.idf_weights
            tokens = [self._plain_token(line) for line in lines]
            self._check_tokens(tokens)
            self._take(tokens, weights)


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n")] if text else []


class _Table(dict):
    """A table from tokens to numbers, with a number for all others."""

    def __init__(self, numbers: dict, unknown: int):
        super().__init__(numbers)
        self.unknown = unknown

    def __missing__(self, token):
        return self.unknown


def _joined(counts: Counter) -> dict:
    """Return counts of text in which str and bytes are the same."""
    joined: dict = {}
    for token, n in counts.items():
        token = token.decode("utf-8", "replace") if isinstance(token, bytes) else token
        joined[token] = joined.get(token, 0) + n
    return joined


def refuse_path(cls: type, config: dict) -> None:
    """Raise if a config names a file to read: a model has its vocabulary in its own file."""
    vocabulary = config.get("vocabulary")
    if not isinstance(vocabulary, (list, tuple, dict, np.ndarray, NoneType)) or (
        isinstance(vocabulary, dict) and vocabulary.get("class_name") == "__bytes__"
    ):
        raise UnsafeModelError(
            f"A config of {cls.__name__} may not name a file to read a vocabulary from.\n"
            f"Received: vocabulary={short(vocabulary)}\n"
            "Make the layer from your program, with the path, if you trust it."
        )
