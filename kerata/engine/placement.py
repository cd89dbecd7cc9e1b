"""On which devices arrays are placed: the seam to `kerata.distribution`, a room above."""

from typing import Any

import jax
import numpy as np

from kerata.engine import scopes


class _Current:
    """The distribution in force, for all threads; None where there is none."""

    distribution: Any = None


current = _Current()
# The layouts of layers' outputs are part of a traced function.
scopes.ambient_sources.append(lambda: current.distribution)


def accelerator():
    """Return the device that arrays go to; None if it is a CPU, or a distribution is in force."""
    if current.distribution is not None:
        return None
    device = jax.config.jax_default_device
    if device is None or isinstance(device, str):
        device = jax.local_devices(backend=device)[0]
    return None if device.platform == "cpu" else device


def memory_of(device) -> int:
    """Return a device's memory in bytes; 0 where it does not say."""
    return (device.memory_stats() or {}).get("bytes_limit", 0)


def sharding(layout):
    """Return JAX's sharding for a layout: one of ours, one of JAX's, or None."""
    return getattr(layout, "backend_layout", layout)


def layout_of(variable):
    """Return the sharding that the distribution in force wants for a new variable, or None."""
    if current.distribution is None:
        return None
    layout = current.distribution.get_variable_layout(variable)
    target = sharding(layout)
    try:
        target.shard_shape(tuple(variable.shape))
    except ValueError:
        raise ValueError(
            f"The layout of variable {variable.path!r} must have an entry for each of its axes, "
            f"and divide them evenly.\nReceived: {layout!r} for the shape {variable.shape}"
        ) from None
    return target


def put(tensor, layout):
    """Place a tensor; one that is traced gets the layout when the program runs."""
    target = sharding(layout)
    if target is None:
        return tensor
    if isinstance(tensor, jax.core.Tracer):
        return jax.lax.with_sharding_constraint(tensor, getattr(target, "sharding", target))
    if not getattr(target, "is_fully_addressable", True) and not isinstance(tensor, jax.Array):
        return jax.make_array_from_callback(tensor.shape, target, lambda index: tensor[index])
    return jax.device_put(tensor, target)


def put_batch(data):
    """Spread the samples of a batch over the devices, as the distribution in force says.

    With several processes each gives the samples that are its own. A batch that cannot be divided
    evenly is computed whole on every device.
    """
    distribution = current.distribution
    if distribution is None:
        return data

    def place(x):
        if not isinstance(x, (np.ndarray, jax.Array)) or not x.ndim or x.dtype.kind in "OSU":
            return x
        target = sharding(distribution.get_data_layout(x.shape))
        if target.num_devices and not target.is_fully_addressable:
            return jax.make_array_from_process_local_data(target, np.asarray(x))
        parts = target.mesh.shape[target.spec[0]]
        if x.shape[0] % parts:
            target = jax.sharding.NamedSharding(target.mesh, jax.sharding.PartitionSpec())
        return jax.device_put(x, target)

    return jax.tree_util.tree_map(place, data)


def constrain(outputs, path: str):
    """Give the outputs of the layer at `path` the layout that the distribution has for them."""
    layout = current.distribution.get_tensor_layout(f"{path}/output")
    if layout is None:
        return outputs
    return jax.tree_util.tree_map(
        lambda x: put(x, layout) if isinstance(x, jax.Array) else x, outputs
    )
