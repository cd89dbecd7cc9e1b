"""Training: `compile`, and the one loop behind `fit`, `evaluate` and `predict`."""

from kerata.training.state import TrainingState as TrainingState
from kerata.training.trainer import Trainer as Trainer
