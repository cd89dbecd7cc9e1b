"""Dtype policies: which dtype a layer computes in, and which its variables have."""

import re
from collections.abc import Iterator, MutableMapping

import jax

from kerata.engine import dtypes, settings
from kerata.engine.configurable import Configurable, deserialize, publish_as, serialize
from kerata.engine.errors import argument_error, one_of, unknown_name
from kerata.engine.sparse import is_sparse
from kerata.engine.symbolic import KerasTensor

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")

_default: "DTypePolicy | None" = None


class DTypePolicy(Configurable):
    """The dtypes of a layer's computation and of its variables.

    Args:
        name: a dtype for both ("float32", "bfloat16"), or "mixed_float16" / "mixed_bfloat16" to
            compute in 16 bits with variables in float32. That of the default policy if None.

    Raises:
        TypeError: if `name` is not a string.
        ValueError: if there is no such policy.

    Example:
        >>> policy = kerata.DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, name=None):
        name = dtype_policy().name if name is None else name
        self._name = name
        self._compute_dtype, self._variable_dtype = self._parse_name(name)

    def _parse_name(self, name: str) -> tuple[str, str]:
        if not isinstance(name, str):
            raise TypeError(f"The name of a dtype policy must be a string.\nReceived: {name!r}")
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
            cast = self._should_cast(x, autocast, dtype)
            return KerasTensor(x.shape, dtype, x.sparse) if cast else x
        if hasattr(x, "dtype") and dtypes.standardize_dtype(x.dtype) == "string":
            return x
        if not isinstance(x, jax.Array) and not is_sparse(x):
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
        return f'<{type(self).__name__} "{self.name}">'


FloatDTypePolicy = DTypePolicy


class QuantizedDTypePolicy(DTypePolicy):
    """The policy of a layer whose weights are quantized.

    Args:
        mode: "int8", "int4", "float8", "gptq" or "awq".
        source_name: name of the policy that the layer had before, by which it computes; that of
            the default policy if None.

    Raises:
        ValueError: if there is no such mode, or it does not go with the source policy.

    Example:
        >>> policy = kerata.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16")
        >>> policy.name, policy.compute_dtype
        ('int8_from_mixed_bfloat16', 'bfloat16')
    """

    def __init__(self, mode, source_name=None):
        source_name = dtype_policy().name if source_name is None else source_name
        super().__init__(source_name)
        self._quantization_mode, self._numbers = self._parse_mode(mode)
        if self._quantization_mode == "int8" and self._compute_dtype == "float16":
            must = 'not compute in float16 with mode="int8": use "mixed_bfloat16"'
            raise argument_error("source_name", must, source_name, type(self))
        self._mode, self._source_name = mode, source_name
        self._name = f"{mode}_from_{source_name}"

    def _parse_mode(self, mode) -> tuple[str, list[int]]:
        """Return the kind of quantization, and the numbers that follow it."""
        return one_of("mode", mode, QUANTIZATION_MODES, type(self)), []

    @property
    def quantization_mode(self):
        """The kind of quantization."""
        return self._quantization_mode

    def get_config(self) -> dict:
        return {"mode": self._mode, "source_name": self._source_name}


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """The policy of a layer that computes in float8.

    Args:
        mode: "float8".
        source_name: see `QuantizedDTypePolicy`.
        amax_history_length: from how many steps of training the scales are taken.

    Raises:
        TypeError: if `amax_history_length` is not an integer.
    """

    default_amax_history_length = 1024

    def __init__(self, mode, source_name=None, amax_history_length=1024):
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise argument_error(
                "amax_history_length", "be an integer", amax_history_length, type(self), TypeError
            )
        self.amax_history_length = amax_history_length

    def get_config(self) -> dict:
        return {**super().get_config(), "amax_history_length": self.amax_history_length}

    def __eq__(self, other):
        return super().__eq__(other) and self.amax_history_length == other.amax_history_length

    __hash__ = QuantizedDTypePolicy.__hash__


class _NumberedPolicy(QuantizedDTypePolicy):
    """Base of policies whose mode has numbers in it: "int4/128"."""

    form = ""  # of which the mode must be
    mode = ""

    def _parse_mode(self, mode) -> tuple[str, list[int]]:
        found = re.fullmatch(self.form, mode) if isinstance(mode, str) else None
        if not found:
            must = f"match {self.form!r}: a size is positive, or -1 for no groups"
            raise argument_error("mode", must, mode, type(self))
        return self.mode, [int(n) for n in found.groups()]


class Int4DTypePolicy(_NumberedPolicy):
    """The policy of a layer whose weights have 4 bits.

    Args:
        mode: "int4/BLOCK_SIZE": how many weights share a scale; -1 for all of an output.
        source_name: see `QuantizedDTypePolicy`.

    Raises:
        ValueError: if `mode` is of another form.

    Example:
        >>> kerata.dtype_policies.get("int4/128_from_float32").block_size
        128
    """

    mode = "int4"
    form = r"int4/(-1|[1-9]\d*)"

    @property
    def block_size(self) -> int:
        """How many weights share a scale; -1 for all of an output."""
        return self._numbers[0]


class _GroupedPolicy(_NumberedPolicy):
    """Base of the policies of methods that calibrate."""

    @property
    def weight_bits(self) -> int:
        """The number of bits of a weight."""
        return self._numbers[0]

    @property
    def group_size(self) -> int:
        """How many weights share a scale; -1 for all of an output."""
        return self._numbers[1]


class GPTQDTypePolicy(_GroupedPolicy):
    """The policy of a layer that GPTQ quantized.

    Args:
        mode: "gptq/BITS/GROUP_SIZE": 2, 3, 4 or 8 bits; how many weights share a scale, or -1.
        source_name: see `QuantizedDTypePolicy`.

    Raises:
        ValueError: if `mode` is of another form.
    """

    mode = "gptq"
    form = r"gptq/([2348])/(-1|[1-9]\d*)"


class AWQDTypePolicy(_GroupedPolicy):
    """The policy of a layer that AWQ quantized.

    Args:
        mode: "awq/4/GROUP_SIZE": how many weights share a scale, or -1.
        source_name: see `QuantizedDTypePolicy`.

    Raises:
        ValueError: if `mode` is of another form.
    """

    mode = "awq"
    form = r"awq/(4)/(-1|[1-9]\d*)"


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """Policies for the layers inside a layer, by path.

    A key is the path of a layer, or a regular expression that matches whole paths.

    Args:
        default_policy: policy of layers that no key matches; the default policy if None.
        policy_map: dict from keys to policies.

    Raises:
        TypeError: if `policy_map` is not a dict.
        ValueError: if `default_policy` is a map.

    Example:
        >>> policies = kerata.dtype_policies.DTypePolicyMap("float32")
        >>> policies["encoder/.*"] = "bfloat16"
        >>> policies["encoder/dense"].name, policies["decoder/dense"].name
        ('bfloat16', 'float32')
    """

    def __init__(self, default_policy=None, policy_map=None):
        if isinstance(default_policy, DTypePolicyMap):
            raise argument_error("default_policy", "not be a map", default_policy, type(self))
        if policy_map is not None and not isinstance(policy_map, dict):
            raise argument_error("policy_map", "be a dict", policy_map, type(self), TypeError)
        self._given_default = default_policy
        self._default_policy = get(default_policy)
        self._policies = {key: get(policy) for key, policy in (policy_map or {}).items()}

    @property
    def name(self) -> str:
        """The policy's name."""
        return f"map_{self._default_policy.name}"

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of layers that no key matches."""
        return self._default_policy

    @property
    def compute_dtype(self) -> str:
        """The compute dtype of the default policy."""
        return self._default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The variable dtype of the default policy."""
        return self._default_policy.variable_dtype

    @property
    def quantization_mode(self):
        """The kind of quantization of the default policy."""
        return self._default_policy.quantization_mode

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._policies:
            return self._policies[key]
        matching = [pattern for pattern in self._policies if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(
                f"The path {key!r} must match one key of the DTypePolicyMap at most.\n"
                f"Received: a map in which it matches {matching}"
            )
        return self._policies[matching[0]] if matching else self._default_policy

    def __setitem__(self, key: str, policy) -> None:
        if key in self._policies:
            raise ValueError(
                f"The DTypePolicyMap has a policy for {key!r} already: {self._policies[key]}.\n"
                f"Received: {policy!r}\nDelete that one first."
            )
        self._policies[key] = get(policy)

    def __delitem__(self, key: str) -> None:
        del self._policies[key]

    def __contains__(self, key) -> bool:
        return key in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __eq__(self, other):
        return (
            isinstance(other, DTypePolicyMap)
            and self._default_policy == other._default_policy
            and self._policies == other._policies
        )

    __hash__ = DTypePolicy.__hash__

    def __repr__(self):
        mapping = [(key, policy.name) for key, policy in self._policies.items()]
        return f"<DTypePolicyMap default_policy={self._default_policy.name}, mapping={mapping}>"

    def get_config(self) -> dict:
        policies = serialize(self._policies)
        if self._given_default is None:
            # Where the map is loaded, all of them follow what is the default policy there.
            for entry in policies.values():
                key = "source_name" if "source_name" in entry["config"] else "name"
                entry["config"][key] = None
        return {"default_policy": serialize(self._given_default), "policy_map": policies}


publish_as("keras", "DTypePolicy", DTypePolicy, canonical=True)
publish_as("keras", "FloatDTypePolicy", DTypePolicy)
for _class in (
    QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy,
    Int4DTypePolicy,
    GPTQDTypePolicy,
    AWQDTypePolicy,
    DTypePolicyMap,
):
    publish_as("keras.dtype_policies", _class.__name__, _class, canonical=True)


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
        return _named(identifier)
    try:
        return DTypePolicy(dtypes.standardize_dtype(identifier))
    except (ValueError, TypeError):
        raise ValueError(
            f"Not a dtype policy, its name, its config or a dtype.\nReceived: {identifier!r}"
        ) from None


def _named(name: str) -> DTypePolicy:
    if not name.startswith(QUANTIZATION_MODES) or name in dtypes.ALLOWED:
        return DTypePolicy(name)
    mode, joint, source = name.partition("_from_")
    if not joint:
        must = "be like 'int8_from_float32' for a quantized policy"
        raise argument_error("dtype", must, name)
    numbered = {"int4/": Int4DTypePolicy, "gptq": GPTQDTypePolicy, "awq": AWQDTypePolicy}
    for start, cls in {**numbered, "float8": QuantizedFloat8DTypePolicy}.items():
        if mode.startswith(start):
            return cls(mode, source)
    return QuantizedDTypePolicy(mode, source)


def dtype_policy() -> DTypePolicy:
    """Return the policy of layers that are given none."""
    return _default if _default is not None else DTypePolicy(settings.floatx())


def set_dtype_policy(policy) -> None:
    """Set the policy of layers that are given none.

    Args:
        policy: a policy or its name.

    Raises:
        ValueError: if it is neither.
    """
    global _default
    if not isinstance(policy, (DTypePolicy, str)):
        raise argument_error(
            "policy", "be a dtype policy or its name", policy, "set_dtype_policy()"
        )
    _default = get(policy)


def reset_dtype_policy() -> None:
    """Let layers that are given no policy follow `floatx()` again."""
    global _default
    _default = None
