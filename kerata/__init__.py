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
    from kerata.engine.errors import nearest

    close = nearest(name, __all__, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    # Without `name`, Python does not add a suggestion of its own.
    raise AttributeError(f"module 'kerata' has no attribute {name!r}.{hint}", name=None)


def __dir__() -> list[str]:
    return sorted(__all__)
