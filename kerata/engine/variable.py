"""Variable: a named, mutable array."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import dtypes, naming, placement, reading, scopes
from kerata.engine.arrays import owned
from kerata.engine.errors import StateError, argument_error, one_of

# What finds an object by its name: `kerata.initializers`, above, puts its `get` here.
lookups: dict[str, Callable] = {}

AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")
SYNCHRONIZATIONS = (None, "none", "on_read", "on_write", "auto")


def _setting(name: str, must: str, kind: type[Exception], doc: str) -> Any:
    """Return a property that takes a bool, or else a function or None, as `must` says."""

    def put(self, value):
        fits = isinstance(value, bool) if kind is TypeError else value is None or callable(value)
        if not fits:
            raise argument_error(name, must, value, self, kind)
        setattr(self, f"_{name}", value)

    return property(lambda self: getattr(self, f"_{name}"), put, doc=doc)


class Variable:
    """A named array that can be assigned to.

    Inside `kerata.jit` (and `grad`, `ops.cond` …) reads and assignments are traced: they become
    inputs and outputs of the compiled function.

    Args:
        initializer: initial value (array, number, list), a callable `(shape, dtype=...)`, or the
            name of an initializer.
        shape: tuple of integers; needed where `initializer` is a callable.
        dtype: name of the dtype; that of the initial value, or `floatx()`, if None.
        trainable: whether training changes it.
        autocast: whether a layer with mixed precision may read it in its compute dtype.
        aggregation: how values of several replicas are joined; kept, not used.
        synchronization: when replicas are synchronized; kept, not used.
        name: last part of its path; numbered ("variable_1") if None.
        layout: how the value lies on devices: a `kerata.distribution.TensorLayout` or a sharding
            of JAX; what the distribution in force says if None.

    Raises:
        ValueError: if the name holds "/", or the shape is missing or not fully known.
        StateError: if the initial value is a traced value.

    Example:
        >>> v = kerata.Variable([1.0, 2.0], name="scale")
        >>> _ = v.assign_add([1.0, 1.0])
        >>> v.value
        Array([2., 3.], dtype=float32)
    """

    def __init__(
        self,
        initializer,
        shape=None,
        dtype=None,
        trainable=True,
        autocast=True,
        aggregation="none",
        synchronization="auto",
        name=None,
        layout=None,
    ):
        self.name = naming.auto_name("variable") if name is None else name
        if not isinstance(self.name, str) or "/" in self.name:
            raise ValueError(f"`name` must be a string without '/'.\nReceived: name={name!r}")
        parent = scopes.current_path()
        self.path = f"{parent}/{self.name}" if parent else self.name
        self.trainable = self.made_trainable = bool(trainable)
        self.autocast = bool(autocast)
        self.aggregation = one_of("aggregation", aggregation, AGGREGATIONS, owner=self)
        self.synchronization = one_of(
            "synchronization", synchronization, SYNCHRONIZATIONS, owner=self
        )
        self.regularizer = None
        self.constraint = None
        self.overwrite_with_gradient = False
        self._layout = placement.sharding(layout)
        # True when somebody outside may hold the very array that is stored here: it is then
        # copied, not donated, when a compiled function replaces it.
        self._lent = False
        with scopes.outside():
            self._array = self._initial_value(initializer, shape, dtype)
            self._shape = tuple(self._array.shape)
            if self._layout is None:
                self._layout = placement.layout_of(self)
            self._array = placement.put(self._array, self._layout)
        self._dtype = dtypes.standardize_dtype(self._array.dtype)

    def _initial_value(self, initializer, shape, dtype):
        dtype = None if dtype is None else dtypes.canonical(dtype)
        if isinstance(initializer, str):
            initializer = lookups["initializer"](initializer)
        if callable(initializer) and not hasattr(initializer, "__jax_array__"):
            if shape is None:
                raise ValueError(
                    f"Variable {self.name!r} needs a `shape`, since its initializer is a function."
                    f"\nReceived: initializer={initializer!r}, shape=None"
                )
            shape = _known_shape(shape, self.name)
            if self._layout is None:
                item = jnp.dtype(dtype or dtypes.standardize_dtype(None)).itemsize
                reading.charge(f"variable {self.path!r}", shape, item)
            value = initializer(shape, dtype=dtype or dtypes.standardize_dtype(None))
            if tuple(jnp.shape(value)) != shape:
                raise ValueError(
                    f"The initializer of variable {self.name!r} must return shape {shape}.\n"
                    f"Received: shape {tuple(jnp.shape(value))}"
                )
        else:
            value = initializer
        if isinstance(value, jax.core.Tracer):
            raise StateError(
                f"Variable {self.name!r} cannot start from a value that is being traced: the value "
                "exists only inside the compiled function.\nGive it a NumPy array or an "
                "initializer, and assign() the value to it."
            )
        self._lent = isinstance(value, (jax.Array, Variable))
        if isinstance(value, Variable):
            value = value.value
        if dtype is None and not hasattr(value, "dtype"):
            value = dtypes.as_array(value)
        # An explicit dtype: a weak one would change with the first assignment.
        return owned(value, dtype or jnp.result_type(value))

    # The value.

    @property
    def value(self) -> jax.Array:
        """The current value: an array, or a traced value inside a transformation."""
        scope = scopes.current_scope()
        if scope is None:
            value = self._stored()
        else:
            value = scope.read(self)
        wanted = scopes.compute_dtype()
        if wanted is not None and self.autocast and dtypes.is_float(self._dtype):
            return value.astype(wanted)
        return value

    def _stored(self) -> jax.Array:
        """Return the array itself; whoever reads it may keep it."""
        if self._array.is_deleted():
            raise StateError(
                f"The value of variable {self.path!r} is lost: a compiled function that was to "
                "replace it failed while it ran.\nAssign a value, or load one from a file."
            )
        self._lent = True
        return self._array

    def _array_to_donate(self) -> jax.Array:
        """Return the array for a program that may overwrite it: nobody else holds it."""
        return self._array.copy() if self._lent else self._array

    def _set(self, value) -> None:
        """Set the value, already checked, in the innermost scope or for good."""
        scope = scopes.current_scope()
        if scope is not None:
            scope.write(self, value)
        elif isinstance(value, jax.core.Tracer):
            raise StateError(
                f"Variable {self.path!r} was assigned a traced value inside a JAX transformation "
                "that does not know of variables.\nUse kerata.jit, kerata.grad or "
                "kerata.value_and_grad in place of JAX's, or the layer's `stateless_call`."
            )
        else:
            self._array = value
            self._lent = True

    def _checked(self, value):
        """Return `value` as an array of this variable's shape and dtype."""
        if isinstance(value, Variable):
            value = value.value
        value = owned(value, self._dtype)
        if value.shape != self._shape:
            raise ValueError(
                f"A value assigned to variable {self.path!r} must have shape {self._shape}.\n"
                f"Received: shape {tuple(value.shape)}"
            )
        return value

    def assign(self, value):
        """Set the value, and return it.

        Args:
            value: array-like of this variable's shape; it is cast to the variable's dtype.

        Raises:
            ValueError: if the shape differs.
        """
        value = self._checked(value)
        if not isinstance(value, jax.core.Tracer):
            value = placement.put(value, self._layout)
        self._set(value)
        return value

    def assign_add(self, value):
        """Add to the value, and return the sum."""
        return self.assign(self._uncast() + jnp.asarray(_plain(value), self._dtype))

    def assign_sub(self, value):
        """Subtract from the value, and return the difference."""
        return self.assign(self._uncast() - jnp.asarray(_plain(value), self._dtype))

    def _uncast(self):
        with scopes.AutocastScope(None):
            return self.value

    def numpy(self) -> np.ndarray:
        """Return the value as a NumPy array."""
        return np.asarray(self._uncast())

    # What it is.

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, a tuple of integers."""
        return self._shape

    @property
    def dtype(self) -> str:
        """The dtype's name, as the value is read at the moment."""
        wanted = scopes.compute_dtype()
        if wanted is not None and self.autocast and dtypes.is_float(self._dtype):
            return wanted
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self._shape, dtype=np.int64))

    constraint = _setting(
        "constraint", "be callable or None", ValueError,
        "What is applied to the value after each update by an optimizer, or None.",
    )  # fmt: skip
    regularizer = _setting(
        "regularizer", "be callable or None", ValueError,
        "What maps the value to a penalty that is added to the loss, or None.",
    )  # fmt: skip
    overwrite_with_gradient = _setting(
        "overwrite_with_gradient", "be a bool", TypeError,
        "Whether an optimizer puts the gradient in the value's place.",
    )  # fmt: skip

    # Conversions. Operators come from kerata.ops, whose promotion rules they follow.

    def __jax_array__(self):
        return self.value

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype=dtype)

    def __len__(self):
        return self._shape[0] if self._shape else len(self.value)

    def __iter__(self):
        return iter(self.value)

    def __bool__(self):
        if math.prod(self._shape) != 1:
            raise TypeError(
                "A Variable of several elements is neither true nor false.\n"
                f"Received: {self.path!r} of shape {self._shape}\n"
                "Ask about one: bool(kerata.ops.any(variable)), or all; or `is not None`."
            )
        return bool(self.value)

    def __float__(self):
        return float(self.value)

    def __int__(self):
        return int(self.value)

    def __index__(self):
        return self.value.__index__()

    def __repr__(self):
        scope = scopes.current_scope()
        shown = "" if scope is not None else f", value={np.asarray(self._array)}"
        return f"<Variable path={self.path}, shape={self._shape}, dtype={self._dtype}{shown}>"

    def __deepcopy__(self, memo):
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(self.__dict__)
        twin._array = self._array.copy()
        twin._lent = False
        return twin

    def __getstate__(self):
        # Devices may differ where it is read: the layout stays behind.
        return {**self.__dict__, "_array": np.array(self._array), "_layout": None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._array = jnp.array(state["_array"])


def _plain(value):
    return value.value if isinstance(value, Variable) else value


def _known_shape(shape, name) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    for d in shape:
        if not isinstance(d, (int, np.integer)) or isinstance(d, bool) or d < 0:
            raise ValueError(
                f"The shape of variable {name!r} must be known: integers of at least 0.\n"
                f"Received: shape={shape}"
            )
    return tuple(int(d) for d in shape)
