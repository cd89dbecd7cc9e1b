"""Training a small model to imitate a large one (public namespace `kerata.distillation`)."""

from kerata.distillation.distiller import Distiller as Distiller
from kerata.distillation.losses import (
    DistillationLoss as DistillationLoss,
    FeatureDistillation as FeatureDistillation,
    LogitsDistillation as LogitsDistillation,
)
from kerata.engine.registry import publish

publish(globals())
