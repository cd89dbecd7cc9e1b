"""What Keras's own test suite needs from kerata beyond the public API."""

from kerata.engine.masks import (
    get_mask as get_keras_mask,  # noqa: F401
    set_mask as set_keras_mask,  # noqa: F401
)
from kerata.training.trainer import Trainer  # noqa: F401
