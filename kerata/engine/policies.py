"""Dtype policies: which dtype a layer computes in, and which its variables have."""

import jax

from kerata.engine import dtypes, settings
from kerata.engine.configurable import Configurable, deserialize, publish_as
from kerata.engine.errors import unknown_name
from kerata.engine.symbolic import KerasTensor

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}

_default: "DTypePolicy | None" = None


class DTypePolicy(Configurable):
    """The dtypes of a layer's computation and of its variables.

    Args:
        name: a dtype for both ("float32", "bfloat16"), or "mixed_float16" / "mixed_bfloat16" to
            compute in 16 bits with variables in float32. `floatx()` if None.

    Raises:
        TypeError: if `name` is not a string.
        ValueError: if there is no such policy.

    Example:
        >>> policy = kerata.DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, name=None):
        name = settings.floatx() if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"The name of a dtype policy must be a string.\nReceived: {name!r}")
        self._name = name
        self._compute_dtype, self._variable_dtype = self._parse_name(name)

    def _parse_name(self, name: str) -> tuple[str, str]:
        if name in _MIXED:
            return _MIXED[name], "float32"
        try:
            dtype = dtypes.standardize_dtype(name)
        except ValueError:
            raise unknown_name(
                "dtype policy", name, (*_MIXED, *dtypes.FLOATS, *dtypes.INTS)
            ) from None
        return dtype, dtype

    @property
    def name(self) -> str:
        """The policy's name."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype that inputs and variables are cast to when a layer is called."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of a layer's variables."""
        return self._variable_dtype

    @property
    def quantization_mode(self):
        """The kind of quantization, or None."""
        return None

    def convert_input(self, x, autocast, dtype):
        """Return input `x` of a layer as a tensor; floats as `dtype`, with `autocast`."""
        dtype = dtypes.standardize_dtype(dtype)
        if isinstance(x, KerasTensor):
            return KerasTensor(x.shape, dtype) if self._should_cast(x, autocast, dtype) else x
        if hasattr(x, "dtype") and dtypes.standardize_dtype(x.dtype) == "string":
            return x
        if not isinstance(x, jax.Array):
            x = dtypes.as_array(x)
        return x.astype(dtype) if self._should_cast(x, autocast, dtype) else x

    def _should_cast(self, x, autocast, dtype) -> bool:
        found = dtypes.standardize_dtype(x.dtype)
        return autocast and dtypes.is_float(found) and found != dtypes.canonical(dtype)

    def get_config(self) -> dict:
        return {"name": self.name}

    def __eq__(self, other):
        return type(self) is type(other) and self.name == other.name

    def __hash__(self):
        return hash((type(self), self.name))

    def __repr__(self):
        return f'<DTypePolicy "{self._name}">'


FloatDTypePolicy = DTypePolicy

publish_as("keras", "DTypePolicy", DTypePolicy, canonical=True)
publish_as("keras", "FloatDTypePolicy", DTypePolicy)


def get(identifier) -> DTypePolicy:
    """Return the policy that `identifier` means.

    Args:
        identifier: a policy, its name or config, a dtype, or None for the default policy.

    Raises:
        ValueError: if it means none.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy) or hasattr(identifier, "compute_dtype"):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    try:
        return DTypePolicy(dtypes.standardize_dtype(identifier))
    except (ValueError, TypeError):
        raise ValueError(
            f"Not a dtype policy, its name, its config or a dtype.\nReceived: {identifier!r}"
        ) from None


def dtype_policy() -> DTypePolicy:
    """Return the policy of layers that are given none."""
    return _default if _default is not None else DTypePolicy(settings.floatx())


def set_dtype_policy(policy) -> None:
    """Set the policy of layers that are given none: a policy, a name, or None for `floatx()`."""
    global _default
    _default = None if policy is None else get(policy)
