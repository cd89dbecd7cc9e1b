"""Layers to configs and back."""

from kerata.engine import configurable


def serialize(layer) -> dict:
    """Return the config dict of a layer (without its weights)."""
    return configurable.serialize(layer)


def deserialize(config, custom_objects=None):
    """Return the layer that `serialize` wrote as `config`.

    Args:
        config: dict with the keys "module", "class_name" and "config".
        custom_objects: dict from name to class or function.

    Raises:
        TypeError: if `config` names something that is not a layer.
        ValueError: if there is no such class.

    Example:
        >>> config = kerata.layers.serialize(kerata.layers.Dense(4))
        >>> kerata.layers.deserialize(config).units
        4
    """
    from kerata.layers.layer import Layer

    layer = configurable.deserialize(config, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise TypeError(f"The config must be that of a layer.\nReceived: {config!r}")
    return layer
