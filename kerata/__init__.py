"""kerata: deep learning for the many. The Keras 3 API on JAX."""

import importlib
from typing import Any

__version__ = "0.1.0"

# Where the public names live; nothing is imported before it is used.
_NAMESPACES = (
    "activations applications callbacks config constraints data datasets distillation "
    "distribution dtype_policies export initializers layers legacy losses metrics "
    "mixed_precision models ops optimizers preprocessing quantizers random regularizers "
    "saving tree utils visualization wrappers backend"
).split()

_NAMES = {
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "engine.symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Function": "models.function",
    "Operation": "engine.symbolic",
    "Optimizer": "optimizers",
    "Quantizer": "quantizers",
    "Regularizer": "regularizers",
    "RematScope": "engine.rematerialization",
    "Sequential": "models",
    "StatelessScope": "engine.scopes",
    "SymbolicScope": "engine.scopes",
    "Variable": "engine.variable",
    "device": "engine.devices",
    "grad": "engine.transforms",
    "jit": "engine.transforms",
    "name_scope": "engine.scopes",
    "remat": "engine.transforms",
    "value_and_grad": "engine.transforms",
    "version": "utils",
}

__all__ = ["__version__", *_NAMESPACES, *_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return importlib.import_module(f"kerata.{name}")
    if name in _NAMES:
        home = importlib.import_module(f"kerata.{_NAMES[name]}")
        # Symbolic tensors and variables get their operators, and the names of initializers, here.
        importlib.import_module("kerata.ops")
        importlib.import_module("kerata.initializers")
        value = getattr(home, name)
        globals()[name] = value
        return value
    hint = "" if name.startswith("_") else _hint(name)
    # Without `name`, Python does not add a suggestion of its own.
    raise AttributeError(f"module 'kerata' has no attribute {name!r}.{hint}", name=None)


# What TensorFlow and older versions of Keras had at the top level.
_ELSEWHERE = {
    "GradientTape": "kerata.value_and_grad(function, variables)",
    "function": "kerata.jit",
    "Session": "kerata.jit",
    "Tensor": "jax.Array",
    "placeholder": "kerata.Input",
    "constant": "kerata.ops.convert_to_tensor",
    "newaxis": "None, as in x[None]",
    "gather": "kerata.ops.take",
    "concat": "kerata.ops.concatenate",
    "clip_by_value": "kerata.ops.clip",
    "keras": "kerata itself",
    "nn": "kerata.ops",
    "math": "kerata.ops",
    "image": "kerata.ops.image",
    "linalg": "kerata.ops.linalg",
    "signal": "kerata.ops",
    "train": "kerata.optimizers",
    "distribute": "kerata.distribution",
}


def _hint(name: str) -> str:
    """Return what may be meant by a name that there is not."""
    if name in _ELSEWHERE:
        return f" In its place there is {_ELSEWHERE[name]}."
    from kerata.engine.dtypes import ALLOWED
    from kerata.engine.errors import nearest

    if name in ALLOWED:
        return f" A dtype is a string: {name!r}."
    for room in "layers ops optimizers losses metrics utils models saving callbacks random".split():
        for known in (name, name.removeprefix("reduce_")):
            if callable(getattr(importlib.import_module(f"kerata.{room}"), known, None)):
                return f" Did you mean kerata.{room}.{known}?"
    close = nearest(name, __all__, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def __dir__() -> list[str]:
    return sorted(__all__)
