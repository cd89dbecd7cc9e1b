"""Choosing a device."""

import jax

from kerata.engine.errors import argument_error


def device(device_name):
    """Return a context in which new arrays are placed on a device.

    Args:
        device_name: "cpu", "gpu:0", "tpu:1", …, or a JAX device.

    Raises:
        ValueError: if there is no such device.

    Example:
        >>> with kerata.device("cpu:0"):
        ...     x = kerata.ops.ones((2,))
    """
    if isinstance(device_name, str):
        kind, _, index = device_name.lower().partition(":")
        try:
            device_name = jax.devices({"cuda": "gpu"}.get(kind, kind))[int(index or 0)]
        except (RuntimeError, IndexError, ValueError) as error:
            known = ", ".join(f"{d.platform}:{d.id}" for d in jax.devices())
            raise ValueError(
                f"There is no device {device_name!r}.\nReceived: {error}\nThis machine has {known}."
            ) from None
    elif not isinstance(device_name, jax.Device):
        raise argument_error("device_name", "be a string or a JAX device", device_name, "device()")
    return jax.default_device(device_name)
