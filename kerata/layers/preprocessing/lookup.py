"""Lookups: from tokens to their numbers in a vocabulary, and back."""

import numpy as np

from kerata.engine.errors import one_of
from kerata.layers.preprocessing import host
from kerata.layers.preprocessing.vocabulary import Lookup


class StringLookup(Lookup):
    """Turns strings into the numbers of a vocabulary.

    The number 0 stands for unknown strings (with a `mask_token`: 0 for that, 1 for unknown ones).

    Args:
        max_tokens: largest size of the vocabulary, special tokens included; None for no limit.
        num_oov_indices: how many numbers unknown strings share, by their hashes; with 0 they are
            an error.
        mask_token: string that gets the number 0 (and counts as nothing in the other modes).
        oov_token: string that stands for unknown ones in the vocabulary.
        vocabulary: list or array of strings, or the path of a text file with one on each line.
            None to learn it with `adapt`.
        idf_weights: weights of the strings, for the mode "tf_idf".
        invert: whether to turn numbers into strings.
        output_mode: "int"; "one_hot", a vector for each string; or, for the strings along the last
            axis together, "multi_hot" (which are there), "count" (how often) or "tf_idf" (counts
            times weights).
        pad_to_max_tokens: whether vectors have `max_tokens` elements, however many are used.
        sparse: whether outputs are sparse tensors; not with "int".
        encoding: how byte strings are encoded.
        salt: an integer or two, for SipHash in place of FarmHash.
        **kwargs: `name`, `trainable`, `dtype`.

    Returns:
        Integers of the inputs' shape, or vectors in `floatx()`; with `invert` a NumPy array of
        strings.

    Example:
        >>> layer = kerata.layers.StringLookup(vocabulary=["a", "b", "c"])
        >>> layer([["a", "c"], ["z", "b"]])
        Array([[1, 3],
               [0, 2]], dtype=int32)
    """

    _input_dtype_hint = "string"

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token="[UNK]",
        vocabulary=None,
        idf_weights=None,
        invert=False,
        output_mode="int",
        pad_to_max_tokens=False,
        sparse=False,
        encoding="utf-8",
        name=None,
        salt=None,
        **kwargs,
    ):
        self.encoding = encoding
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            salt=salt,
            name=name,
            **kwargs,
        )

    def _plain_token(self, token):
        return token.decode(self.encoding) if isinstance(token, bytes) else str(token)

    def _token_list(self, array):
        return host.text_list(array, self)

    def _as_bytes(self, tokens):
        return host.as_bytes(tokens, self.encoding)


class IntegerLookup(Lookup):
    """Turns integers into the numbers of a vocabulary.

    The number 0 stands for unknown integers (with a `mask_token`: 0 for that, 1 for unknown ones).

    Args:
        max_tokens: largest size of the vocabulary, special tokens included; None for no limit.
        num_oov_indices: how many numbers unknown integers share; with 0 they are an error.
        mask_token: integer that gets the number 0 (and counts as nothing in the other modes).
        oov_token: integer that stands for unknown ones in the vocabulary.
        vocabulary: list or array of integers, or the path of a text file with one on each line.
            None to learn it with `adapt`.
        vocabulary_dtype: must be "int64".
        idf_weights: weights of the integers, for the mode "tf_idf".
        invert: whether to turn numbers into the vocabulary's integers.
        output_mode: see `StringLookup`.
        sparse: whether outputs are sparse tensors; not with "int".
        pad_to_max_tokens: whether vectors have `max_tokens` elements, however many are used.
        oov_method: how unknown integers are spread: "floormod" (remainders) or "farmhash".
        salt: an integer or two, for SipHash in place of FarmHash.
        **kwargs: `name`, `trainable`, `dtype`.

    Example:
        >>> layer = kerata.layers.IntegerLookup(vocabulary=[12, 36, 1138])
        >>> layer([[12, 1138], [42, 36]])
        Array([[1, 3],
               [0, 2]], dtype=int32)
    """

    _input_dtype_hint = "int64"

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token=-1,
        vocabulary=None,
        vocabulary_dtype="int64",
        idf_weights=None,
        invert=False,
        output_mode="int",
        sparse=False,
        pad_to_max_tokens=False,
        oov_method="floormod",
        salt=None,
        name=None,
        **kwargs,
    ):
        self.vocabulary_dtype = one_of("vocabulary_dtype", vocabulary_dtype, ("int64",), "lookup")
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            oov_method,
            salt,
            name=name,
            **kwargs,
        )

    def _plain_token(self, token):
        return int(token)

    def _token_list(self, array):
        if array.dtype.kind not in "iubf":
            raise TypeError(
                f"{self._title()} takes integers.\nReceived: an array of dtype {array.dtype}\n"
                "For text there is StringLookup."
            )
        return array.ravel().astype("int64").tolist()

    def _as_bytes(self, tokens):
        return [b"%d" % t for t in tokens]

    def _scattered(self, tokens):
        if self.oov_method == "floormod":
            return np.array(tokens) % self.num_oov_indices
        return super()._scattered(tokens)
