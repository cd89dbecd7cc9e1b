"""The devices there are, and the processes that share a computation."""

import os

import jax

from kerata.engine.errors import argument_error, positive_int

_ALIASES = {"cuda": "gpu", "rocm": "gpu"}


def list_devices(device_type=None) -> list[str]:
    """Return the names of the devices, of all processes: "cpu:0", "gpu:1" and so on.

    Args:
        device_type: "cpu", "gpu" or "tpu"; the default kind of this machine if None.

    Raises:
        ValueError: if the machine has no devices of that kind.

    Example:
        >>> kerata.distribution.list_devices("cpu")[0]
        'cpu:0'
    """
    return [f"{name_of(d)}:{d.id}" for d in _devices(device_type)]


def get_device_count(device_type=None) -> int:
    """Return the number of devices, of all processes: see `list_devices`."""
    return len(_devices(device_type))


def name_of(device: jax.Device) -> str:
    """Return the kind of a device, as its name has it."""
    return _ALIASES.get(device.platform, device.platform)


def _devices(device_type) -> list:
    if device_type is None:
        return jax.devices()
    if not isinstance(device_type, str):
        raise argument_error("device_type", "be 'cpu', 'gpu', 'tpu' or None", device_type)
    try:
        return jax.devices(_ALIASES.get(device_type.lower(), device_type.lower()))
    except RuntimeError:
        kinds = sorted({name_of(d) for d in jax.devices()} | {"cpu"})
        raise ValueError(
            f"There are no devices of this kind.\nReceived: device_type={device_type!r}\n"
            f"This machine has {', '.join(kinds)}."
        ) from None


def find_device(name) -> jax.Device:
    """Return the device with a name like "cpu:0"; a JAX device as it is.

    Raises:
        ValueError: if there is none.
    """
    if isinstance(name, jax.Device):
        return name
    kind, _, number = str(name).rpartition(":")
    found = [d for d in _devices(kind or number) if str(d.id) == number]
    if not found:
        raise ValueError(
            f"There is no device {name!r}.\nThere are {', '.join(list_devices(kind or None))}."
        )
    return found[0]


def initialize(job_addresses=None, num_processes=None, process_id=None) -> None:
    """Join this process with others into one computation, before anything else is computed.

    Every process calls it. On TPUs the arguments can be left out.

    Args:
        job_addresses: "host:port" of the first process, or of all processes, separated by commas;
            the environment variable `KERAS_DISTRIBUTION_JOB_ADDRESSES` if None.
        num_processes: how many there are; `KERAS_DISTRIBUTION_NUM_PROCESSES`, or as many as there
            are addresses, if None.
        process_id: number of this process, from 0; `KERAS_DISTRIBUTION_PROCESS_ID` if None.

    Raises:
        ValueError: if several addresses are given, but not one for each process.
    """
    prefix = "KERAS_DISTRIBUTION_"
    job_addresses = job_addresses or os.environ.get(f"{prefix}JOB_ADDRESSES")
    if num_processes is None:
        num_processes = os.environ.get(f"{prefix}NUM_PROCESSES")
    if process_id is None:
        process_id = os.environ.get(f"{prefix}PROCESS_ID")
    addresses = job_addresses.split(",") if job_addresses else []
    if num_processes is not None:
        num_processes = positive_int("num_processes", int(num_processes), "initialize()")
    if len(addresses) > 1:
        num_processes = num_processes or len(addresses)
        if num_processes != len(addresses):
            raise ValueError(
                "initialize() needs one address, that of the first process, or one for each.\n"
                f"Received: {len(addresses)} in job_addresses, num_processes={num_processes}"
            )
    jax.distributed.initialize(
        addresses[0] if addresses else None,
        num_processes,
        None if process_id is None else int(process_id),
    )
