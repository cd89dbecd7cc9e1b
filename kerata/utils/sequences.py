"""Sequences of different lengths."""

import numpy as np

from kerata.engine.errors import argument_error, non_negative_int, one_of, short


def pad_sequences(
    sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0
) -> np.ndarray:
    """Return sequences as one array, padded and cut to one length.

    Args:
        sequences: list of sequences, each `(time, ...)`.
        maxlen: the length; that of the longest if None.
        dtype: dtype of the array; `object` for strings of any length.
        padding: "pre" or "post": where to pad.
        truncating: "pre" or "post": where to cut.
        value: what to pad with.

    Returns:
        Array `(sequences, maxlen, ...)`.

    Raises:
        ValueError: if an element is no sequence, or their shapes differ.

    Example:
        >>> kerata.utils.pad_sequences([[1], [2, 3]])
        array([[0, 1],
               [2, 3]], dtype=int32)
    """
    one_of("padding", padding, ("pre", "post"), "pad_sequences()")
    one_of("truncating", truncating, ("pre", "post"), "pad_sequences()")
    if not hasattr(sequences, "__len__") or not all(hasattr(s, "__len__") for s in sequences):
        raise argument_error("sequences", "be a list of sequences", sequences, "pad_sequences()")
    kind = np.dtype(dtype).kind
    texts = [s for s in sequences if _is_text(s) or (len(s) and _is_text(s[0]))]
    if texts and kind not in "OSU":
        raise ValueError(
            "pad_sequences() pads sequences of numbers.\n"
            f"Received: {short(texts[0])} in `sequences`, with dtype={dtype!r}\n"
            "Turn text into numbers with kerata.layers.TextVectorization, which pads, too; "
            "dtype=object pads strings."
        )
    if isinstance(value, str) and kind not in "OSU":
        raise argument_error(
            "dtype", "be object where `value` is a string", dtype, "pad_sequences()"
        )
    longest = max(map(len, sequences), default=0)
    maxlen = longest if maxlen is None else non_negative_int("maxlen", maxlen, "pad_sequences()")
    shape = next((np.shape(s)[1:] for s in sequences if len(s)), ())
    padded = np.full((len(sequences), maxlen, *shape), value, dtype=dtype)
    for row, (sequence, target) in enumerate(zip(sequences, padded)):
        cut = max(len(sequence) - maxlen, 0)
        kept = sequence[cut:] if truncating == "pre" else sequence[: len(sequence) - cut]
        array = np.asarray(kept, dtype=dtype)
        if not len(array):
            continue
        if array.shape[1:] != shape:
            raise ValueError(
                "pad_sequences() needs elements of one shape in all sequences.\n"
                f"Received: {shape} in the first, {array.shape[1:]} in sequence {row}"
            )
        if padding == "post":
            target[: len(array)] = array
        else:
            target[-len(array) :] = array
    return padded


def _is_text(x) -> bool:
    return x is None or isinstance(x, (str, bytes))
