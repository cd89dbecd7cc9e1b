"""Dtype policies (public namespace `kerata.dtype_policies`)."""

from kerata.engine.configurable import deserialize as _deserialize, serialize as _serialize
from kerata.engine.policies import (
    AWQDTypePolicy as AWQDTypePolicy,
    DTypePolicy as DTypePolicy,
    DTypePolicyMap as DTypePolicyMap,
    FloatDTypePolicy as FloatDTypePolicy,
    GPTQDTypePolicy as GPTQDTypePolicy,
    Int4DTypePolicy as Int4DTypePolicy,
    QuantizedDTypePolicy as QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy as QuantizedFloat8DTypePolicy,
    get as get,
)
from kerata.engine.registry import publish


def serialize(dtype_policy: DTypePolicy) -> dict:
    """Return the config dict of a policy."""
    return _serialize(dtype_policy)


def deserialize(config: dict, custom_objects=None) -> DTypePolicy:
    """Return the policy that `serialize` wrote as `config`."""
    return _deserialize(config, custom_objects=custom_objects)


publish(globals())
