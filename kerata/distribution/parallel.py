"""Distributions: which variables and samples lie on which devices."""

import contextlib
from collections.abc import Iterator

import jax

from kerata.distribution.devices import list_devices
from kerata.distribution.layout import DeviceMesh, LayoutMap, TensorLayout
from kerata.engine.errors import argument_error, warn
from kerata.engine.placement import current


class Distribution:
    """Base of distributions: where variables, layers' outputs and samples lie on a mesh.

    While one is in force (`set_distribution`, or its `scope()`), new variables get its layouts,
    and `fit`, `evaluate` and `predict` spread each batch along the mesh's axis for samples.

    Args:
        device_mesh: the mesh.
        batch_dim_name: name of the mesh's axis for samples; the first one if None.
        auto_shard_dataset: whether `distribute_dataset` divides data among processes.
    """

    def __init__(self, device_mesh, batch_dim_name=None, auto_shard_dataset=True):
        if not isinstance(device_mesh, DeviceMesh):
            raise argument_error("device_mesh", "be a DeviceMesh", device_mesh, type(self))
        self.device_mesh = device_mesh
        self.batch_dim_name = batch_dim_name or device_mesh.axis_names[0]
        self.auto_shard_dataset = auto_shard_dataset
        if self.batch_dim_name not in device_mesh.axis_names:
            must = f"be an axis of the mesh, which has {device_mesh.axis_names}"
            raise argument_error("batch_dim_name", must, batch_dim_name, type(self))
        self._num_processes = jax.process_count()
        self._process_id = jax.process_index()
        self._is_multi_process = self._num_processes > 1

    @property
    def num_processes(self) -> int:
        """The number of processes that compute together."""
        return self._num_processes

    @property
    def num_model_replicas(self) -> int:
        """How often the whole model is there: into how many parts a batch is divided."""
        axis = self.device_mesh.axis_names.index(self.batch_dim_name)
        return self.device_mesh.shape[axis]

    @property
    def data_shard_id(self) -> int:
        """Which part of the data this process reads, from 0."""
        sharing = max(1, self.num_processes // self.num_model_replicas)
        return self._process_id // sharing

    def get_data_layout(self, data_shape) -> TensorLayout:
        """Return the layout of inputs or targets of a shape: samples are divided."""
        axes = [self.batch_dim_name, *[None] * (len(data_shape) - 1)]
        return TensorLayout(axes, self.device_mesh)

    def get_variable_layout(self, variable):
        """Return the layout of a variable: its own, if it has one, or a copy on every device."""
        own = getattr(variable, "_layout", None)
        if own is not None:
            return own
        return TensorLayout([None] * len(variable.shape), self.device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Return the layout of the tensor at a path, or None to leave it to the compiler."""
        return None

    def distribute_dataset(self, dataset):
        """Return the part of a data set that this process reads.

        Args:
            dataset: what yields batches. With several processes it needs a method
                `shard(num_shards, index)`, as `tf.data.Dataset` has, and its batches must be those
                of one process.

        Raises:
            ValueError: if there are several processes, and it has no such method.
        """
        if not (self._is_multi_process and self.auto_shard_dataset):
            return dataset
        if not hasattr(dataset, "shard"):
            raise ValueError(
                "A data set is divided among processes by its method `shard(num_shards, index)`.\n"
                f"Received: dataset of type {type(dataset).__name__}\n"
                "Let each process read part `data_shard_id`, and pass auto_shard_dataset=False."
            )
        parts = min(self.num_processes, self.num_model_replicas)
        return dataset if parts == 1 else dataset.shard(parts, self.data_shard_id)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Make this the distribution in force in a `with` block."""
        outer = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(outer)

    def __repr__(self):
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


class DataParallel(Distribution):
    """Every device has the whole model and computes a part of each batch.

    Args:
        device_mesh: a mesh with one axis (of several, the first); made of `devices` if None.
        devices: names of devices, or JAX devices; all that there are if None.
        auto_shard_dataset: whether `distribute_dataset` divides data among processes.

    Example:
        >>> parallel = kerata.distribution.DataParallel(devices=["cpu:0"])
        >>> with parallel.scope():
        ...     layer = kerata.layers.Dense(2)
        ...     output = layer(np.ones((4, 3)))
    """

    def __init__(self, device_mesh=None, devices=None, auto_shard_dataset=True):
        if device_mesh is None:
            devices = list_devices() if devices is None else list(devices)
            device_mesh = DeviceMesh((len(devices),), ["batch"], devices)
        super().__init__(device_mesh, auto_shard_dataset=auto_shard_dataset)
        if len(device_mesh.shape) > 1:
            warn(
                f"DataParallel divides samples over the first axis of its mesh, and no more.\n"
                f"Received: {device_mesh!r}\nUse ModelParallel for the others.",
            )


class ModelParallel(Distribution):
    """Variables are divided over the devices as a `LayoutMap` says, and samples as well.

    Args:
        layout_map: a `LayoutMap`; what it does not mention is copied to every device.
        batch_dim_name: name of the mesh's axis for samples; the first one if None.
        auto_shard_dataset: whether `distribute_dataset` divides data among processes.
        **kwargs: `device_mesh`, accepted for compatibility: it is that of the map.

    Raises:
        ValueError: if `layout_map` is none, or the processes cannot be divided among the copies
            of the model.

    Example:
        >>> mesh = kerata.distribution.DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])
        >>> layouts = kerata.distribution.LayoutMap(mesh)
        >>> layouts["dense.*kernel"] = (None, "model")
        >>> parallel = kerata.distribution.ModelParallel(layout_map=layouts)
        >>> kerata.distribution.set_distribution(parallel)
        >>> kerata.distribution.set_distribution(None)
    """

    def __init__(self, *, layout_map=None, batch_dim_name=None, auto_shard_dataset=True, **kwargs):
        kwargs.pop("device_mesh", None)
        if kwargs:
            raise ValueError(f"ModelParallel has no arguments {sorted(kwargs)}.")
        if not isinstance(layout_map, LayoutMap):
            raise argument_error("layout_map", "be a LayoutMap", layout_map, type(self))
        super().__init__(layout_map.device_mesh, batch_dim_name, auto_shard_dataset)
        self._layout_map = layout_map
        few, many = sorted((self.num_processes, self.num_model_replicas))
        if many % few:
            raise ValueError(
                "ModelParallel: of the numbers of processes and of copies of the model, one must "
                "divide the other.\n"
                f"Received: {self.num_processes} processes, {self.num_model_replicas} copies"
            )

    def get_variable_layout(self, variable):
        """Return the layout of a variable: its own, that of the map, or a copy on every device."""
        if getattr(variable, "_layout", None) is None:
            found = self._layout_map[variable.path]
            if found is not None:
                return found
        return super().get_variable_layout(variable)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Return the layout of the tensor at a path, or None to leave it to the compiler."""
        return self._layout_map[path]


def distribution() -> Distribution | None:
    """Return the distribution in force, or None."""
    return current.distribution


def set_distribution(value) -> None:
    """Make a distribution the one in force, for all threads.

    Args:
        value: a `DataParallel`, a `ModelParallel`, or None for none.

    Raises:
        ValueError: if it is something else.
    """
    if value is not None and not isinstance(value, Distribution):
        raise argument_error("value", "be a distribution or None", value, "set_distribution()")
    current.distribution = value
