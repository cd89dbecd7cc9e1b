"""Meshes of devices, and how tensors lie on them."""

import re
from collections.abc import MutableMapping

import jax
import numpy as np

from kerata.distribution.devices import find_device, list_devices
from kerata.engine import placement
from kerata.engine.errors import argument_error


class DeviceMesh:
    """Devices in a grid, whose axes have names.

    Args:
        shape: size of each axis; the product is the number of devices.
        axis_names: name of each axis: "batch", "model".
        devices: names of devices ("gpu:0") or JAX devices; all that there are if None.

    Raises:
        ValueError: if names, sizes and devices do not fit together.

    Example:
        >>> mesh = kerata.distribution.DeviceMesh((1,), ["batch"], ["cpu:0"])
        >>> mesh.shape, mesh.axis_names
        ((1,), ['batch'])
    """

    def __init__(self, shape, axis_names, devices=None):
        if not shape or not axis_names or len(shape) != len(axis_names):
            raise ValueError(
                "DeviceMesh needs a size and a name for each axis, and at least one axis.\n"
                f"Received: shape={shape}, axis_names={axis_names}"
            )
        names = list_devices() if devices is None else devices
        flat = np.array(names, dtype=object).reshape(-1)
        if np.prod(shape) != flat.size:
            raise ValueError(
                "The `shape` of a DeviceMesh must have as many places as there are devices.\n"
                f"Received: shape={tuple(shape)}, {flat.size} devices"
            )
        self.shape = tuple(shape)
        self.axis_names = list(axis_names)
        self.devices = flat.reshape(self.shape)
        self._backend_mesh: jax.sharding.Mesh | None = None

    @property
    def backend_mesh(self) -> jax.sharding.Mesh:
        """JAX's mesh."""
        if self._backend_mesh is None:
            found = np.array([find_device(name) for name in self.devices.reshape(-1)], object)
            self._backend_mesh = jax.sharding.Mesh(
                found.reshape(self.shape), tuple(self.axis_names)
            )
        return self._backend_mesh

    def __repr__(self):
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"


class TensorLayout:
    """Along which axes of a mesh the axes of a tensor are divided.

    Args:
        axes: for each axis of the tensor, the name of an axis of the mesh, or None where it is
            not divided.
        device_mesh: the mesh; it may be set later.

    Raises:
        ValueError: if the mesh has no axis of such a name.

    Example:
        >>> layout = kerata.distribution.TensorLayout((None, "model"))
    """

    def __init__(self, axes, device_mesh=None):
        self.axes = tuple(axes)
        self._device_mesh = None
        if device_mesh is not None:
            self.device_mesh = device_mesh

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh, or None as long as it is not known. It can be set once."""
        return self._device_mesh

    @device_mesh.setter
    def device_mesh(self, mesh):
        if self._device_mesh is not None and self._device_mesh is not mesh:
            raise ValueError(f"The mesh of {self!r} is set already.\nReceived: {mesh!r}")
        unknown = set(self.axes) - {None, *mesh.axis_names}
        if unknown:
            must = f"name axes of the mesh, which has {mesh.axis_names}"
            raise argument_error("axes", must, self.axes, "TensorLayout")
        self._device_mesh = mesh

    @property
    def backend_layout(self) -> jax.sharding.NamedSharding:
        """JAX's sharding."""
        if self.device_mesh is None:
            raise ValueError(
                f"{self!r} needs a mesh before tensors can be placed.\n"
                "Set its `device_mesh`, or put it into a LayoutMap."
            )
        spec = jax.sharding.PartitionSpec(*self.axes)
        return jax.sharding.NamedSharding(self.device_mesh.backend_mesh, spec)

    def __repr__(self):
        return f"<TensorLayout axes={self.axes}, device_mesh={self.device_mesh}>"


class LayoutMap(MutableMapping):
    """Layouts of variables and of layers' outputs, by path.

    A key is a path, `"dense/kernel"`, or a regular expression that is searched for in paths,
    `".*kernel"`. A layer's output has the path `"<path of the layer>/output"`. A path that nothing
    matches has no layout: `layouts[path]` is None.

    Args:
        device_mesh: the mesh, given to layouts that have none.

    Raises:
        ValueError: when a key is set twice, a value is no layout, or a path matches several keys.

    Example:
        >>> mesh = kerata.distribution.DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])
        >>> layouts = kerata.distribution.LayoutMap(mesh)
        >>> layouts[".*kernel"] = (None, "model")
        >>> layouts["dense/kernel"].axes, layouts["dense/bias"]
        ((None, 'model'), None)
    """

    def __init__(self, device_mesh):
        self.device_mesh = device_mesh
        self._layouts: dict[str, TensorLayout] = {}

    def __getitem__(self, key):
        if key in self._layouts:
            return self._layouts[key]
        matching = [k for k in self._layouts if re.search(k, key)]
        if len(matching) > 1:
            raise ValueError(
                f"Several entries of the LayoutMap match {key!r}: {matching}.\n"
                "Make their patterns exclude each other."
            )
        return self._layouts[matching[0]] if matching else None

    def __setitem__(self, key, layout):
        if key in self._layouts:
            raise ValueError(
                f"The LayoutMap has a layout for {key!r} already.\nReceived: {layout!r}\n"
                "Delete it first."
            )
        if isinstance(layout, (tuple, list)):
            layout = TensorLayout(layout)
        if not isinstance(layout, TensorLayout):
            must = "be a TensorLayout, or a tuple of names of axes"
            raise argument_error(key, must, layout, "LayoutMap")
        if layout.device_mesh is None:
            layout.device_mesh = self.device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key):
        del self._layouts[key]

    def __len__(self):
        return len(self._layouts)

    def __iter__(self):
        return iter(self._layouts)


def distribute_tensor(tensor, layout):
    """Return a tensor that lies on devices as a layout says; also inside compiled functions.

    Args:
        tensor: array.
        layout: `TensorLayout`, or a sharding of JAX.

    Example:
        >>> mesh = kerata.distribution.DeviceMesh((1,), ["batch"], ["cpu:0"])
        >>> layout = kerata.distribution.TensorLayout(["batch", None], mesh)
        >>> kerata.distribution.distribute_tensor(np.ones((4, 2)), layout).shape
        (4, 2)
    """
    return placement.put(tensor, layout)
