"""Models (public namespace `kerata.models`)."""

from kerata.engine.registry import publish
from kerata.models.cloning import clone_model as clone_model
from kerata.models.function import Function as Function
from kerata.models.functional import Functional as Functional
from kerata.models.model import Model as Model
from kerata.models.sequential import Sequential as Sequential

publish(globals())


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """Read a model from a file: see `kerata.saving.load_model`."""
    from kerata import saving

    return saving.load_model(
        filepath, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode
    )


def save_model(model, filepath, overwrite=True, zipped=None, **kwargs) -> None:
    """Write a model to a file: see `Model.save`."""
    model.save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)


def model_from_json(json_string: str, custom_objects=None):
    """Make a model, without weights, from what `Model.to_json` returned.

    Args:
        json_string: the text.
        custom_objects: dict from name to class or function.
    """
    import json

    from kerata.engine.configurable import deserialize

    return deserialize(json.loads(json_string), custom_objects=custom_objects)
