"""How op calls are written into the configs of functional models, and read back.

Keras names them by class: `Mean` in `keras.src.ops.numpy`. Here an op is a function: `mean`.
"""

import functools
from collections.abc import Callable

from kerata.engine.errors import unknown_name
from kerata.engine.naming import to_snake_case
from kerata.engine.symbolic import FunctionCall, signature_of

# Class names that do not follow from the function's name.
_CLASSES = {
    "getitem": "GetItem",
    "get_item": "GetItem",
    "one_hot": "OneHot",
    "relu6": "Relu6",
}
_MODULES = ("numpy", "nn", "math", "linalg", "image", "core")


def _camel(name: str) -> str:
    return _CLASSES.get(name) or "".join(part.title() for part in name.split("_"))


@functools.cache
def _functions() -> dict[str, Callable]:
    """The ops by the names of their classes, in lower case."""
    from kerata import ops

    found = {}
    for name in dir(ops):
        thing = getattr(ops, name)
        if not name.startswith("_") and callable(thing) and hasattr(thing, "__wrapped__"):
            found[_camel(name).lower()] = thing
    return found


def keras_class_of(call: FunctionCall) -> tuple[str, str, dict]:
    """Return (module, class name, config) under which an op call is written."""
    home = getattr(call.function.__wrapped__, "__module__", "").rsplit(".", 1)[-1]
    module = home if home in _MODULES else "numpy"
    return f"keras.src.ops.{module}", _camel(call.function.__name__), call.get_config()


def operation_from_config(entry: dict):
    """Return the op call that a config entry describes, or None if it describes a layer.

    Raises:
        ValueError: if there is no such op.
    """
    module = entry.get("module")
    if not isinstance(module, str) or not module.startswith("keras.src.ops."):
        return None
    name = entry["class_name"]
    function = _functions().get(name.lower())
    if function is None:
        raise unknown_name("op", to_snake_case(name), [to_snake_case(k) for k in _functions()])
    config = dict(entry["config"])
    op_name = config.pop("name", None)
    parameters = list(signature_of(function).parameters.values())
    names = [p.name for p in parameters if p.name not in config]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return FunctionCall(functools.partial(function, **config), {}, None, name=op_name)
    return FunctionCall(function, config, tuple(names), name=op_name)
