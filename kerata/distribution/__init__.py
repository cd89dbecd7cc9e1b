"""Training over several devices and processes (public namespace `kerata.distribution`)."""

from kerata.distribution.devices import (
    get_device_count as get_device_count,
    initialize as initialize,
    list_devices as list_devices,
)
from kerata.distribution.layout import (
    DeviceMesh as DeviceMesh,
    LayoutMap as LayoutMap,
    TensorLayout as TensorLayout,
    distribute_tensor as distribute_tensor,
)
from kerata.distribution.parallel import (
    DataParallel as DataParallel,
    ModelParallel as ModelParallel,
    distribution as distribution,
    set_distribution as set_distribution,
)
from kerata.engine.registry import publish as _publish

_publish(globals())
