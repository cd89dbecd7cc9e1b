"""Symbolic tensors: what stands for a tensor that is not there yet."""

from typing import Any, NamedTuple

from kerata.engine import dtypes, naming, tree


class KerasHistory(NamedTuple):
    """Where a symbolic tensor comes from."""

    operation: Any
    node_index: int
    tensor_index: int


class KerasTensor:
    """A symbolic tensor: shape and dtype of a value that a model will have when it runs.

    Args:
        shape: tuple of integers and None (unknown).
        dtype: name of the dtype.
        sparse: whether it stands for a sparse tensor (a `jax.experimental.sparse.BCOO`).
        ragged: kept for compatibility; no tensor is ragged.
        record_history: accepted for compatibility.
        name: name; numbered if None.

    Example:
        >>> x = kerata.KerasTensor((None, 3))
        >>> kerata.ops.sum(x, axis=1).shape
        (None,)
    """

    _keras_mask: Any = None
    _keras_history: KerasHistory  # set by the Node that the tensor comes from

    def __init__(
        self, shape, dtype="float32", sparse=False, ragged=False, record_history=True, name=None,
        **kwargs,
    ):  # fmt: skip
        if not tree.is_shape(shape):
            raise ValueError(
                f"`shape` must be a tuple of integers and None.\nReceived: shape={shape!r}"
            )
        if sparse and ragged:
            raise ValueError("`sparse` and `ragged` cannot both be True.")
        self._shape = tuple(None if d is None else int(d) for d in shape)
        self._dtype = dtypes.standardize_dtype(dtype)
        self._sparse = bool(sparse)
        self._ragged = bool(ragged)
        self.ragged_rank = kwargs.pop("ragged_rank", None)
        self.row_splits_dtype = kwargs.pop("row_splits_dtype", None)
        self.name = name or naming.auto_name("keras_tensor")
        self.record_history = record_history

    @property
    def shape(self) -> tuple:
        """The shape: integers and None."""
        return self._shape

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @property
    def sparse(self) -> bool:
        """Whether the value will be sparse."""
        return self._sparse

    @property
    def ragged(self) -> bool:
        """Whether the value will be ragged."""
        return self._ragged

    def _has_no_value(self, *args, **kwargs):
        raise ValueError(
            f"{self!r} is symbolic: it has a shape and a dtype, but no value.\n"
            "It can be given to layers and to functions of kerata.ops, not to NumPy, to jax.numpy "
            "or to Python's own functions.\n"
            "For other code, write a Layer whose `call` does the work, and call that."
        )

    __array__ = __float__ = __int__ = __index__ = _has_no_value
    # A property: JAX looks whether the attribute is there, and then says something else.
    __jax_array__ = property(_has_no_value)

    def __bool__(self):
        raise TypeError(
            f"{self!r} is symbolic: whether it is true is not known before the model runs.\n"
            "Use kerata.ops.where() or kerata.ops.cond() in place of `if`."
        )

    def __iter__(self):
        raise NotImplementedError(
            f"{self!r} is symbolic and cannot be iterated over.\n"
            "Use kerata.ops.unstack(), or indices."
        )

    def __len__(self):
        if not self._shape or self._shape[0] is None:
            raise TypeError(f"The length of {self!r} is not known.")
        return self._shape[0]

    def __repr__(self):
        return (
            f"<KerasTensor shape={self._shape}, dtype={self._dtype}, sparse={self._sparse}, "
            f"ragged={self._ragged}, name={self.name}>"
        )

    def _serialize_as(self) -> dict:
        history = self._keras_history
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": self._shape,
                "dtype": self._dtype,
                "keras_history": [
                    history.operation.name, history.node_index, history.tensor_index,
                ],
            },
        }  # fmt: skip


def is_symbolic(*structures) -> bool:
    """Return whether there is a symbolic tensor in the structures."""
    for s in structures:
        if isinstance(s, KerasTensor):
            return True
        if isinstance(s, (list, tuple)):
            if is_symbolic(*s):
                return True
        elif isinstance(s, dict) and is_symbolic(*s.values()):
            return True
    return False


def symbolic_leaves(structure) -> list[KerasTensor]:
    """Return the symbolic tensors in a structure."""
    return [x for x in tree.flatten(structure) if isinstance(x, KerasTensor)]
