"""Layers that bring categories and ranges of numbers into vectors, compiled."""

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import dtypes
from kerata.engine.errors import argument_error, one_of, positive_int
from kerata.engine.symbolic import KerasTensor
from kerata.layers.preprocessing.host import (
    as_numbers,
    check_learnable,
    check_sparse,
    encode_compiled,
    encoded_shape,
)
from kerata.layers.stateless import Stateless

_MODES = ("one_hot", "multi_hot", "count")


class CategoryEncoding(Stateless):
    """Turns integers in [0, num_tokens) into vectors.

    Args:
        num_tokens: how many different integers there are.
        output_mode: "one_hot", a vector for each integer (an axis of size 1 at the end gives way
            to it); or, for the integers along the last axis together, "multi_hot" (which are
            there) or "count" (how often, or how much).
        sparse: whether outputs are sparse tensors.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: integers `(batch,)` or `(batch, n)`.
        count_weights: what each counts for, in the mode "count".

    Example:
        >>> kerata.layers.CategoryEncoding(3, output_mode="count")([[0, 1], [2, 2]])
        Array([[1., 1., 0.],
               [0., 0., 2.]], dtype=float32)
    """

    def __init__(self, num_tokens=None, output_mode="multi_hot", sparse=False, **kwargs):
        super().__init__(**kwargs)
        self.num_tokens = positive_int("num_tokens", num_tokens, self)
        mode = "multi_hot" if output_mode == "binary" else output_mode
        self.output_mode = one_of("output_mode", mode, _MODES, self)
        self.sparse = sparse

    def call(self, inputs, count_weights=None):
        if count_weights is not None and self.output_mode != "count":
            must = 'be None unless output_mode="count"'
            raise argument_error("count_weights", must, count_weights, self)
        if not isinstance(inputs, jax.core.Tracer):
            self._check(np.asarray(inputs))
        if count_weights is not None:
            count_weights = jnp.asarray(count_weights, self.compute_dtype)
        indices = jnp.asarray(inputs).astype("int32")
        mode, depth = self.output_mode, self.num_tokens
        kind = {"weights": count_weights, "sparse": self.sparse}
        return encode_compiled(indices, mode, depth, self.compute_dtype, **kind)

    def _check(self, inputs):
        if inputs.size and not (0 <= inputs.min() and inputs.max() < self.num_tokens):
            raise ValueError(
                f"{self._title()} takes integers from 0 to {self.num_tokens - 1}, by "
                f"num_tokens={self.num_tokens}.\n"
                f"Received: values from {inputs.min()} to {inputs.max()}"
            )


class Discretization(Stateless):
    """Turns numbers into the indices of the ranges that they fall into.

    Give `bin_boundaries`, or `num_bins` and call `adapt(data)`: then all bins hold about equally
    many of the data.

    Args:
        bin_boundaries: increasing numbers; bin 0 is below the first, each other bin begins at one.
        num_bins: how many bins to learn.
        epsilon: tolerance of what is learned from large data, as a part of the data.
        output_mode: "int"; "one_hot", a vector for each number; or, for the numbers along the
            first axis after the batch together, "multi_hot" (which bins are hit) or "count".
        sparse: whether outputs are sparse tensors; not with "int".
        dtype: dtype or dtype policy.
        name: name of the layer.

    Example:
        >>> layer = kerata.layers.Discretization(num_bins=4)
        >>> layer.adapt(np.arange(1.0, 10.0))
        >>> layer.bin_boundaries
        [3.0, 5.0, 7.0]
        >>> layer(np.array([[0.0, 3.0, 6.9, 100.0]]))
        Array([[0, 1, 2, 3]], dtype=int32)
    """

    def __init__(
        self, bin_boundaries=None, num_bins=None, epsilon=0.01, output_mode="int", sparse=False,
        dtype=None, name=None,
    ):  # fmt: skip
        super().__init__(name=name, dtype=dtype, autocast=False)
        self.output_mode = one_of("output_mode", output_mode, ("int", *_MODES), self)
        if (num_bins is None) == (bin_boundaries is None):
            raise ValueError(
                f"{self._title()} takes either `num_bins` or `bin_boundaries`.\n"
                f"Received: num_bins={num_bins}, bin_boundaries={bin_boundaries}"
            )
        self.num_bins = None if num_bins is None else positive_int("num_bins", num_bins, self)
        self.bin_boundaries = self._checked(bin_boundaries)
        self.epsilon = epsilon
        self.sparse = check_sparse(sparse, output_mode, self)
        # What was seen: sorted values, and how many each stands for.
        self._values: np.ndarray = np.zeros(0)
        self._counts: np.ndarray = np.zeros(0)

    def _checked(self, boundaries) -> list[float] | None:
        if boundaries is None:
            return None
        numbers = np.asarray(boundaries, "float64")
        if numbers.ndim != 1 or (np.diff(numbers) < 0).any():
            raise argument_error("bin_boundaries", "be increasing numbers", boundaries, self)
        return numbers.tolist()

    def adapt(self, data, steps=None) -> None:
        """Learn the boundaries from data; what was learned before is forgotten.

        Args:
            data: an array, a list of numbers or of arrays, or an iterable of batches.
            steps: how many batches to read; all if None.

        Raises:
            ValueError: if the layer was given its boundaries, or there is no data.
        """
        if self.num_bins is None:
            raise ValueError(
                f"{self._title()} was given `bin_boundaries`: there is nothing to learn.\n"
                "Give `num_bins` instead."
            )
        check_learnable(data, self)
        self.reset_state()
        whole = hasattr(data, "shape") or hasattr(data, "to_numpy")
        for step, batch in enumerate([data] if whole else data):
            if steps is not None and step >= steps:
                break
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data) -> None:
        """Take a batch of data into account."""
        values = as_numbers(data, self).ravel()
        values, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        values = np.concatenate([self._values, values])
        counts = np.concatenate([self._counts, counts])
        order = np.argsort(values, kind="stable")
        self._values, self._counts = self._fewer(values[order], counts[order])

    def _fewer(self, values, counts) -> tuple:
        """Join neighbours to their mean, where there are many more than `epsilon` asks for."""
        most = int(10 / self.epsilon)
        if len(values) <= 2 * most:
            return values, counts
        middle = np.cumsum(counts) - counts / 2
        group = np.minimum(middle / counts.sum() * most, most - 1).astype("int64")
        joined = np.bincount(group, counts, most)
        sums = np.bincount(group, counts * values, most)
        kept = joined > 0
        return sums[kept] / joined[kept], joined[kept]

    def finalize_state(self) -> None:
        """Set the boundaries by what was seen: they are quantiles of it, `num_bins - 1` of them."""
        if self.num_bins is None:
            return
        if not len(self._values):
            raise ValueError(f"{self._title()} needs at least one number to learn from.")
        reached = np.cumsum(self._counts)
        place = (reached[-1] - 1) * np.arange(1, self.num_bins) / self.num_bins
        below, part = np.floor(place), place % 1
        last = len(reached) - 1
        low, high = (
            self._values[np.minimum(np.searchsorted(reached, p, "right"), last)]
            for p in (below, below + 1)
        )
        self.bin_boundaries = (low + part * (high - low)).astype("float32").tolist()

    def reset_state(self) -> None:
        """Forget the data that was seen."""
        self._values, self._counts = np.zeros(0), np.zeros(0)

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        return "int32" if self.output_mode == "int" else dtypes.canonical(self.compute_dtype)

    def call(self, inputs):
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self._title()} has no boundaries yet.\nCall adapt(data), or give "
                "`bin_boundaries`."
            )
        x = jnp.asarray(inputs)
        x = x.astype("float32") if not jnp.issubdtype(x.dtype, jnp.floating) else x
        boundaries = np.asarray(self.bin_boundaries, "float32")
        indices = jnp.searchsorted(boundaries, x.astype("float32"), side="right").astype("int32")
        depth = len(boundaries) + 1
        kind = {"axis": 1, "sparse": self.sparse}
        return encode_compiled(indices, self.output_mode, depth, self.output_dtype, **kind)

    def compute_output_shape(self, input_shape):
        """Return the shape of the outputs for inputs of a shape."""
        known = self.bin_boundaries
        depth = self.num_bins if known is None else len(known) + 1
        return encoded_shape(input_shape, self.output_mode, depth, axis=1)

    def compute_output_spec(self, inputs):
        """Return symbolic outputs, also before `adapt`."""
        shape = self.compute_output_shape(inputs.shape)
        return KerasTensor(shape, self.output_dtype, self.sparse)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["trainable"]
        config["dtype"] = self.dtype_policy.name
        names = ("bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse")
        return {**config, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        """Make a layer from what `get_config` returned: after `adapt` both are in it."""
        config = dict(config)
        learned = config.pop("bin_boundaries") if config.get("num_bins") is not None else None
        layer = super().from_config(config)
        layer.bin_boundaries = layer.bin_boundaries if learned is None else list(learned)
        return layer

    def load_own_variables(self, store) -> None:
        """Do nothing: the boundaries are in the config. Older files hold a summary of the data."""
