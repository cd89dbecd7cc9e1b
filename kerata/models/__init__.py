"""Models (public namespace `kerata.models`)."""

from kerata.engine.registry import publish
from kerata.models.cloning import clone_model as clone_model
from kerata.models.function import Function as Function
from kerata.models.functional import Functional as Functional
from kerata.models.model import Model as Model
from kerata.models.sequential import Sequential as Sequential

publish(globals())

__all__ = (
    "Function",
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
)


def model_from_json(json_string: str, custom_objects=None):
    """Make a model, without weights, from what `Model.to_json` returned.

    Args:
        json_string: the text.
        custom_objects: dict from name to class or function.
    """
    from kerata.engine import reading
    from kerata.engine.configurable import deserialize

    config = reading.parse(json_string, "the text", "json_string")
    return deserialize(config, custom_objects=custom_objects)


def __getattr__(name: str):
    # The room of saving is above this one, so it is entered only when it is asked for.
    if name not in ("load_model", "save_model"):
        raise AttributeError(f"module 'kerata.models' has no attribute {name!r}")
    from kerata import saving

    return getattr(saving, name)


def __dir__() -> list[str]:
    return sorted({*globals(), "load_model", "save_model"})
