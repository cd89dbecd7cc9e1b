"""Objects and configs in the form of Keras 2 (public namespace `kerata.utils.legacy`)."""

import inspect
from collections.abc import Mapping

from kerata.engine import registry
from kerata.engine.errors import unknown_name


def serialize_keras_object(instance):
    """Return an object as {"class_name", "config"}, or a function as its name.

    Args:
        instance: an object with `get_config()`, a function, or None.

    Raises:
        ValueError: if it is something else.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        name = registry.get_registered_name(type(instance))
        return {"class_name": name, "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return registry.get_registered_name(instance)
    raise ValueError(
        "Only objects with a `get_config()` method, and functions, can be written down.\n"
        f"Received: {instance!r} of type {type(instance).__name__}"
    )


def deserialize_keras_object(
    identifier, module_objects=None, custom_objects=None, printable_module_name="object"
):
    """Return what `serialize_keras_object` wrote down.

    Args:
        identifier: {"class_name", "config"}; a name; or None.
        module_objects: dict from name to class or function to look in last.
        custom_objects: dict to look in first.
        printable_module_name: what is looked for, for the message.

    Returns:
        An object; of a class that is given by its name, one without arguments. Functions, and
        what is no identifier, are returned as they are.

    Raises:
        ValueError: if nothing has this name.
    """
    is_config = isinstance(identifier, Mapping)
    if is_config and not {"class_name", "config"} <= set(identifier):
        raise ValueError(
            f'A config of a {printable_module_name} must have the keys "class_name" and "config".\n'
            f"Received: {identifier!r}"
        )
    name = identifier["class_name"] if is_config else identifier
    if not isinstance(name, str):
        return identifier
    found = registry.get_registered_object(name, custom_objects, module_objects)
    if found is None:
        raise unknown_name(printable_module_name, name, list(module_objects or ()))
    if not is_config:
        return found() if inspect.isclass(found) else found
    with registry.CustomObjectScope(custom_objects or {}):
        return found.from_config(dict(identifier["config"]))


registry.publish(globals())
