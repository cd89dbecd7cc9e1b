"""Hashing and HashedCrossing: from values to numbers of bins, without a vocabulary."""

import functools

import numpy as np

from kerata.engine import settings
from kerata.engine.errors import argument_error, one_of, positive_int
from kerata.layers.preprocessing import hashes, host

# What crosses start from: any constant would do, but all have to use the same.
_CROSS_START = np.uint64(0xDECAFCAFFE)


class _Hashed(host.HostLayer):
    """What the two layers share."""

    def __init__(self, num_bins, output_mode, modes, sparse, dtype, **kwargs):
        output_mode = one_of("output_mode", output_mode, modes, type(self).__name__)
        default = "int64" if output_mode == "int" else settings.floatx()
        super().__init__(dtype=default if dtype is None else dtype, **kwargs)
        if output_mode == "int" and self.compute_dtype not in ("int32", "int64"):
            raise argument_error("dtype", 'be "int32" or "int64" for numbers', dtype, self)
        self.num_bins = positive_int("num_bins", num_bins, self)
        self.output_mode = output_mode
        self.sparse = host.check_sparse(sparse, output_mode, self)

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        return self.compute_dtype

    def _depth(self):
        return self.num_bins


class Hashing(_Hashed):
    """Puts each value into one of a number of bins, by its hash.

    Args:
        num_bins: how many bins there are (with `mask_value`, one of them is for that).
        mask_value: value whose bin is 0; no other gets it then.
        salt: an integer or a pair, for SipHash (Aumasson and Bernstein, 2012) in place of
            FarmHash.
        output_mode: "int", the bin's number; "one_hot", a vector for each value; or, for the
            values along the last axis together, "multi_hot" (which bins are hit) or "count".
        sparse: whether outputs are sparse tensors; not with "int".
        **kwargs: `dtype` ("int64" for numbers, else `floatx()`, if None), `name`, `trainable`.

    Inputs are text or integers; floating numbers are cut to integers.

    Example:
        >>> kerata.layers.Hashing(num_bins=3)([["A"], ["B"], ["C"]])
        Array([[1],
               [0],
               [1]], dtype=int32)
    """

    def __init__(
        self, num_bins, mask_value=None, salt=None, output_mode="int", sparse=False, **kwargs
    ):
        modes = ("int", "one_hot", "multi_hot", "count")
        dtype = kwargs.pop("dtype", None)
        super().__init__(num_bins, output_mode, modes, sparse, dtype, **kwargs)
        self.mask_value = mask_value
        self.salt = hashes.as_salt(salt, self)

    def compute(self, inputs) -> np.ndarray:
        array = host.array_of(inputs)
        values = _as_bytes(array, self)
        if self.mask_value is None or self.num_bins == 1:
            bins = hashes.buckets(values, self.num_bins, self.salt)
        else:
            bins = 1 + hashes.buckets(values, self.num_bins - 1, self.salt)
            mask = _as_bytes(np.array([self.mask_value]), self)[0]
            bins[[v == mask for v in values]] = 0
        return host.encode(bins.reshape(array.shape), self.output_mode, self.num_bins)


class HashedCrossing(_Hashed):
    """Puts each combination of values of several features into one of a number of bins.

    Args:
        num_bins: how many bins there are.
        output_mode: "int", the bin's number; or "one_hot".
        sparse: whether outputs are sparse tensors; not with "int".
        name: name of the layer.
        dtype: dtype of the outputs; "int64" for numbers, else `floatx()`, if None.
        **kwargs: `trainable`.

    Inputs are a tuple of text or integers, all of one shape: `()`, `(batch,)` or `(batch, 1)`.

    Example:
        >>> layer = kerata.layers.HashedCrossing(num_bins=5)
        >>> layer((["A", "B", "A"], [101, 101, 102]))
        Array([1, 4, 3], dtype=int32)
    """

    def __init__(
        self, num_bins, output_mode="int", sparse=False, name=None, dtype=None, **kwargs
    ):  # fmt: skip
        super().__init__(
            num_bins, output_mode, ("int", "one_hot"), sparse, dtype, name=name, **kwargs
        )

    def __call__(self, inputs, *args, **kwargs):
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(
                f"{self._title()} crosses at least two inputs, in a list or tuple.\n"
                f"Received: {inputs!r}"
            )
        return super().__call__(inputs, *args, **kwargs)

    def _gathered(self, inputs):
        return [x if hasattr(x, "shape") else host.array_of(x) for x in inputs]

    def compute(self, inputs) -> np.ndarray:
        arrays = [host.array_of(x) for x in inputs]
        shape = arrays[0].shape
        if any(a.shape != shape for a in arrays) or len(shape) > 2 or (*shape, 1)[1:2] > (1,):
            raise ValueError(
                f"{self._title()}: all inputs must be of one shape: (), (batch,) or (batch, 1).\n"
                f"Received: shapes {[a.shape for a in arrays]}"
            )
        if any(a.dtype.kind not in "iubOUST" for a in arrays):
            raise ValueError(
                f"{self._title()} crosses text or integers.\n"
                f"Received: dtypes {[str(a.dtype) for a in arrays]}"
            )
        start = np.full(arrays[0].size, _CROSS_START)
        crossed = functools.reduce(hashes.combine, map(self._fingerprints, arrays), start)
        bins = (crossed % np.uint64(self.num_bins)).astype("int64").reshape(shape)
        return host.encode(bins, self.output_mode, self.num_bins)

    def _fingerprints(self, array):
        if array.dtype.kind in "iub":
            return array.ravel().astype("int64").view("uint64")
        return hashes.hashes(_as_bytes(array, self))

    def compute_output_shape(self, input_shape):
        """Return the shape of the outputs for a list of equal shapes."""
        shapes = [tuple(s) for s in input_shape]
        if len(shapes) < 2 or any(s != shapes[0] for s in shapes):
            raise ValueError(
                f"{self._title()} crosses at least two inputs of one shape.\nReceived: {shapes}"
            )
        return super().compute_output_shape(shapes[0])


def _as_bytes(array: np.ndarray, owner) -> list[bytes]:
    """Return what is hashed: text in UTF-8, numbers as their decimal digits."""
    if array.dtype.kind in "OUST":
        return host.as_bytes(host.text_list(array, owner))
    return [b"%d" % v for v in array.ravel().astype("int64").tolist()]
