"""Input: the place where data enters a functional model."""

import numpy as np

from kerata.engine import dtypes, tree
from kerata.engine.errors import argument_error, is_int, warn
from kerata.engine.input_spec import InputSpec
from kerata.engine.symbolic import KerasTensor, Node
from kerata.layers.layer import Layer


class InputLayer(Layer):
    """Stands for an input of a model. `Input()` makes one and returns its tensor.

    Args:
        shape: shape of one sample, a tuple of integers and None, without the batch axis.
        batch_size: number of samples in a batch, or None for any.
        dtype: dtype of the data; `floatx()` if None.
        sparse: whether the data may be sparse tensors (`jax.experimental.sparse.BCOO`).
        ragged: kept for compatibility; no tensor is ragged.
        batch_shape: shape with the batch axis, in place of `shape` and `batch_size`.
        input_tensor: symbolic tensor to use.
        optional: whether None may be passed.
        name: name of the layer, and of the input.
    """

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name)
        if "input_shape" in kwargs:
            warn("`input_shape` is the old name of `shape`.")
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs:
            batch_shape = kwargs.pop("batch_input_shape")
        kwargs.pop("trainable", None)
        if kwargs:
            self._refuse_keywords(kwargs)
        if shape is not None:
            shape = _as_shape("shape", shape, self)
        if batch_shape is not None:
            for other, value in (("shape", shape), ("batch_size", batch_size)):
                if value is not None:
                    raise ValueError(
                        f"{self._title()} takes `batch_shape`, or `shape` and `batch_size`.\n"
                        f"Received: batch_shape={batch_shape} and {other}={value}"
                    )
            batch_shape = _as_shape("batch_shape", batch_shape, self)
        elif shape is not None:
            batch_shape = (batch_size, *shape)
        if input_tensor is not None:
            self._check_tensor(input_tensor, batch_shape, batch_size, dtype, sparse, ragged)
            batch_shape, dtype = input_tensor.shape, input_tensor.dtype
        elif batch_shape is None:
            raise ValueError(f"{self._title()} needs a `shape`.\nReceived: shape=None")
        if ragged:
            raise argument_error("ragged", "be False: there are no ragged tensors", ragged, self)
        self.batch_shape = batch_shape
        self._dtype = dtypes.standardize_dtype(dtype)
        self.sparse = bool(sparse)
        self.ragged = False
        self.optional = bool(optional)
        if input_tensor is None:
            input_tensor = KerasTensor(batch_shape, self._dtype, self.sparse, name=self.name)
        self._input_tensor = input_tensor
        Node(self, outputs=input_tensor)
        self.input_spec = InputSpec(
            shape=self.batch_shape, dtype=self._dtype, name=self.name, optional=self.optional
        )
        self.built = True

    def _check_tensor(self, tensor, batch_shape, batch_size, dtype, sparse, ragged):
        """Check that what is said of a given tensor is true of it."""
        if not isinstance(tensor, KerasTensor):
            raise argument_error("input_tensor", "be a symbolic tensor", tensor, self)
        said = {
            "shape": (batch_shape and batch_shape[1:], tensor.shape[1:]),
            "batch_size": (
                batch_size or (batch_shape and batch_shape[0]),
                (*tensor.shape, None)[0],
            ),
            "dtype": (dtype and dtypes.standardize_dtype(dtype), tensor.dtype),
            "sparse": (sparse, tensor.sparse),
            "ragged": (ragged, tensor.ragged),
        }
        for name, (value, true) in said.items():
            if value is not None and value != true:
                raise ValueError(
                    f"{self._title()}: `{name}` must be that of `input_tensor`, {true}.\n"
                    f"Received: {name}={value}"
                )

    def call(self):
        return None

    def symbolic_call(self, *args, **kwargs):
        raise ValueError(f"{self._title()} takes no inputs: it is one.")

    @property
    def dtype(self) -> str:
        """The dtype of the data."""
        return self._dtype

    @property
    def output(self):
        """The symbolic tensor that stands for the data."""
        return self._input_tensor

    def get_config(self) -> dict:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }

    def get_build_config(self):
        return None


def _as_shape(name, shape, owner) -> tuple:
    shape = (shape,) if is_int(shape) else shape
    if isinstance(shape, (list, tuple)):
        shape = tuple(int(d) if isinstance(d, np.integer) else d for d in shape)
    if not tree.is_shape(shape) or any(d is not None and d < 0 for d in shape):
        raise argument_error(name, "be a tuple of integers and None", shape, owner)
    return tuple(shape)


def Input(
    shape=None,
    batch_size=None,
    dtype=None,
    sparse=None,
    ragged=None,
    batch_shape=None,
    name=None,
    tensor=None,
    optional=False,
) -> KerasTensor:
    """Return a symbolic tensor that stands for the data that a model is called on.

    Args:
        shape: shape of one sample, a tuple of integers and None (any size).
        batch_size: number of samples in a batch, or None for any.
        dtype: dtype of the data; `floatx()` if None.
        sparse: whether the data may be sparse tensors (`jax.experimental.sparse.BCOO`). What is
            computed from it is sparse where the layers and ops keep it so.
        ragged: kept for compatibility; no tensor is ragged.
        batch_shape: shape with the batch axis, in place of `shape` and `batch_size`.
        name: name of the input, e.g. the key in a dict of inputs.
        tensor: symbolic tensor to use.
        optional: whether None may be passed.

    Raises:
        ValueError: if there is no shape, or two.

    Example:
        >>> kerata.Input((28, 28, 1)).shape
        (None, 28, 28, 1)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
