"""What layers that work on text and tables share: they run on the host, on NumPy arrays.

Compiled programs know no text. A functional model runs these layers before its compiled step, on
each batch (`kerata.models.host`); on numbers they may also be called in the middle of a compiled
function, which then calls back.
"""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from kerata import ops
from kerata.engine import dtypes, settings, sparse as sparse_tensors, tree
from kerata.engine.errors import argument_error, described, short
from kerata.engine.symbolic import KerasTensor
from kerata.engine.variable import Variable
from kerata.layers.stateless import Stateless

# An index that stands for nothing: it is in no bin of an encoding.
NOTHING = -2


class HostLayer(Stateless):
    """Base of layers whose work Python and NumPy do.

    Subclasses write `compute(inputs)`, which takes what the user gave and returns a NumPy array,
    and `compute_output_shape`.
    """

    convert_inputs = False
    runs_on_host = True
    output_mode = "int"
    sparse = False

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        return dtypes.canonical("int64") if self.output_mode == "int" else settings.floatx()

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, (list, tuple, str, bytes)):
            inputs = self._gathered(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def _gathered(self, inputs):
        """Return a list of plain values as an array: one leaf in place of many."""
        plain = isinstance(_first(inputs), (str, bytes, int, float))
        return array_of(inputs) if plain else inputs

    def compute(self, inputs) -> np.ndarray:
        """Compute the outputs on the host."""
        raise NotImplementedError(f"{self._title()} must have a `compute` method.")

    def call(self, inputs):
        leaves = tree.flatten(inputs)
        if any(isinstance(x, jax.core.Tracer) for x in leaves):
            return self._called_back(inputs)
        return self._finished(self.compute(inputs))

    def _finished(self, outputs):
        if self.output_dtype == "string":
            return outputs
        dtype = dtypes.canonical(self.output_dtype)
        return sparse_tensors.padded(outputs, dtype) if self.sparse else jnp.asarray(outputs, dtype)

    def _called_back(self, inputs):
        spec = self.compute_output_spec(inputs)
        if spec.dtype == "string":
            raise TypeError(
                f"{self._title()} returns text, which a compiled function cannot hold.\n"
                "Let it return numbers, and call the layer on these."
            )
        result = jax.ShapeDtypeStruct(spec.shape, dtypes.canonical(spec.dtype))

        def compute(*leaves):
            given = tree.pack_sequence_as(inputs, [np.asarray(x) for x in leaves])
            return np.asarray(self.compute(given), result.dtype)

        leaves = tree.flatten(inputs)
        outputs = jax.pure_callback(compute, result, *leaves, vmap_method="sequential")
        return sparse_tensors.of_array(outputs, leaves[0].size) if self.sparse else outputs

    def compute_output_spec(self, inputs, **kwargs):
        """Return the symbolic outputs for inputs that have shapes."""
        shape = self.compute_output_shape(tree.map_structure(lambda x: tuple(x.shape), inputs))
        return KerasTensor(tuple(shape), self.output_dtype, self.sparse)

    def compute_output_shape(self, input_shape):
        """Return the shape of the outputs for inputs of a shape."""
        return encoded_shape(input_shape, self.output_mode, self._depth())

    def _depth(self):
        """Return the length of an encoded vector."""
        return None


def array_of(x) -> np.ndarray:
    """Return what a user gives as an array: numbers, or an object array of str or bytes."""
    if isinstance(x, Variable):
        x = x.value
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, (list, tuple)):
        return np.array(x, object if isinstance(_first(x), (str, bytes)) else None)
    if isinstance(x, (str, bytes)):
        return np.array(x, object)
    return np.asarray(x.numpy() if hasattr(x, "numpy") and not hasattr(x, "__array__") else x)


def _first(x):
    """Return the first element of nested lists."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return x


def text_list(x: np.ndarray, owner) -> list:
    """Return the strings (str or bytes) in an array, flat.

    Raises:
        TypeError: if something else is among them; the message has the first one.
    """
    flat = x.ravel().tolist()
    if all(issubclass(kind, (str, bytes)) for kind in set(map(type, flat))):
        return flat
    place, wrong = next((i, v) for i, v in enumerate(flat) if not isinstance(v, (str, bytes)))
    hint = (
        'Missing values have to become text, such as "".'
        if wrong is None or wrong != wrong
        else "For numbers there are IntegerLookup, Discretization and Normalization."
    )
    raise TypeError(
        f"{owner._title()} takes text.\n"
        f"Received: {wrong!r} of type {type(wrong).__name__}, as element {place}\n{hint}"
    )


def as_bytes(values: list, encoding: str = "utf-8") -> list[bytes]:
    """Return strings in UTF-8. Byte strings are in `encoding`."""
    if encoding.lower().replace("-", "") != "utf8":
        values = [v.decode(encoding) if isinstance(v, bytes) else v for v in values]
    return [v if isinstance(v, bytes) else v.encode() for v in values]


def encoded_shape(input_shape, mode: str, depth, axis: int = -1) -> tuple:
    """Return the shape of indices of a shape when they are encoded; see `encode`."""
    shape = tuple(input_shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    if shape:
        axis = axis % len(shape) if len(shape) > 1 else 0
        shape = shape[:axis] + shape[axis + 1 :]
    return (*shape, depth)


def check_sparse(sparse, mode: str, owner) -> bool:
    """Return whether outputs are sparse, as a layer is told; numbers cannot be."""
    if sparse and mode == "int":
        raise argument_error("sparse", 'be False with output_mode="int"', sparse, owner)
    return bool(sparse)


def encode(indices: np.ndarray, mode: str, depth: int) -> np.ndarray:
    """Return indices as `mode` wants them, on the host.

    Args:
        indices: integers `(..., n)`; those that are negative count as nothing.
        mode: "int", as they are; "one_hot", a vector for each; "multi_hot" or "count", a vector
            for the `n` of a sample together.
        depth: length of the vectors.
    """
    if mode == "int":
        return indices
    if mode == "one_hot":
        if indices.ndim > 1 and indices.shape[-1] == 1:
            indices = indices[..., 0]
        return indices[..., None] == np.arange(depth)
    indices = indices.reshape(-1) if not indices.ndim else indices
    *outer, width = indices.shape
    samples = int(np.prod(outer))
    counts = count(np.repeat(np.arange(samples), width), indices.ravel(), samples, depth)
    counts = counts.reshape(*outer, depth)
    return counts > 0 if mode == "multi_hot" else counts


def count(samples: np.ndarray, indices: np.ndarray, number: int, depth: int) -> np.ndarray:
    """Return how often each index comes in each sample, an array `(number, depth)`.

    Args:
        samples: the sample that each index belongs to.
        indices: integers below `depth`; negative ones count as nothing.
        number: how many samples there are.
        depth: how many indices there are.
    """
    kept = indices >= 0
    places = samples[kept] * depth + indices[kept]
    return np.bincount(places, minlength=number * depth).reshape(number, depth)


def encode_compiled(
    indices, mode: str, depth: int, dtype, axis: int = -1, weights=None, sparse=False
):
    """Return what `encode` does, as part of a compiled program.

    Args:
        indices: integer tensor.
        mode: see `encode`.
        depth: length of the vectors.
        dtype: dtype of the vectors.
        axis: the axis of a sample's indices.
        weights: what each index counts for, in the mode "count".
        sparse: whether to return a sparse tensor.
    """
    if mode == "int":
        return indices
    if mode == "one_hot":
        if indices.ndim > 1 and indices.shape[-1] == 1:
            indices = indices[..., 0]
        return ops.one_hot(indices, depth, dtype=dtype, sparse=sparse)
    indices = indices.reshape(-1) if not indices.ndim else indices
    axis = axis % indices.ndim if indices.ndim > 1 else 0
    hot = ops.one_hot(indices, depth, dtype=dtype, sparse=sparse)
    if mode == "multi_hot":
        return sparse_tensors.any_of(hot, axis) if sparse else hot.max(axis)
    return ops.sum(hot if weights is None else ops.multiply(hot, weights[..., None]), axis)


def batches(data, owner, steps: int | None = None):
    """Yield the batches of what `adapt` was given.

    Args:
        data: an array, list or tuple: one batch, in which each element is a sample; or an
            iterable of batches.
        owner: the layer that learns.
        steps: the largest number of batches; all if None.
    """
    check_learnable(data, owner)
    if isinstance(data, (list, tuple, np.ndarray, jax.Array)) or hasattr(data, "to_numpy"):
        array = array_of(data)
        yield array[:, None] if array.ndim == 1 else array
        return
    if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        data = [data]
    for batch in itertools.islice(iter(data), steps):
        check_learnable(batch, owner, is_batch=True)
        yield array_of(batch)


def check_learnable(data, owner, is_batch: bool = False) -> None:
    """Check that what a layer is to learn from is one array, not several.

    Args:
        data: what `adapt` was given, or one of the batches in it.
        owner: the layer.
        is_batch: whether it is a batch.

    Raises:
        TypeError: if it is a dict, a tuple of inputs and targets, or no data.
    """
    if data is None or (isinstance(data, (str, bytes)) and not is_batch):
        raise TypeError(
            f"{owner._title()} learns from many samples: an array, a list or a data set.\n"
            f"Received: {described(data)}\nA single one goes into a list; a file must be read."
        )
    inputs, names, came = data, "x", _told(data)
    if isinstance(data, tuple) and len(data) in (2, 3) and _has_targets(data):
        inputs, names = data[0], ", ".join(("x", "y", "sample_weight")[: len(data)])
        came = f"a tuple of {' and '.join(map(_told, data))}"
    elif not isinstance(data, Mapping):
        return
    chosen = f"x[{next(iter(inputs), '')!r}]" if isinstance(inputs, Mapping) else "x"
    mend = f"dataset.map(lambda {names}: {chosen})" if is_batch else chosen
    raise TypeError(
        f"{owner._title()} learns from one array of inputs, without targets.\n"
        f"Received: {came}\nGive it that alone: adapt({mend})"
    )


def _told(x) -> str:
    return f"a dict with the keys {short(list(x))}" if isinstance(x, Mapping) else described(x)


def _has_targets(parts: tuple) -> bool:
    """Return whether a tuple is no list of samples: of text and numbers, or out of a data set."""
    kinds = {_is_text(part) for part in parts if part is not None}
    return len(kinds) > 1 or any(isinstance(x, Mapping) or hasattr(x, "numpy") for x in parts)


def _is_text(x) -> bool:
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    return kind in tuple("OSUT") if kind else isinstance(_first(x), (str, bytes))


def as_numbers(batch, owner) -> np.ndarray:
    """Return a batch that a layer learns from as numbers.

    Raises:
        TypeError: if it holds no numbers, or is no array.
    """
    check_learnable(batch, owner, is_batch=True)
    try:
        return np.asarray(batch, "float64")
    except (TypeError, ValueError):
        raise TypeError(
            f"{owner._title()} learns from numbers, in arrays of one shape.\n"
            f"Received: {described(batch)}\n"
            "For text there are StringLookup and TextVectorization."
        ) from None
