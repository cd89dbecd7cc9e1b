"""Callbacks: what `fit`, `evaluate` and `predict` call as they go (public: `kerata.callbacks`)."""

from kerata.training.callbacks.callback import Callback as Callback, CallbackList as CallbackList
from kerata.training.callbacks.checkpoint import (
    BackupAndRestore as BackupAndRestore,
    ModelCheckpoint as ModelCheckpoint,
)
from kerata.training.callbacks.history import History as History
from kerata.training.callbacks.logs import Logs as Logs
from kerata.training.callbacks.monitor import (
    EarlyStopping as EarlyStopping,
    ReduceLROnPlateau as ReduceLROnPlateau,
)
from kerata.training.callbacks.orbax import OrbaxCheckpoint as OrbaxCheckpoint
from kerata.training.callbacks.progress import ProgbarLogger as ProgbarLogger
from kerata.training.callbacks.remote import RemoteMonitor as RemoteMonitor
from kerata.training.callbacks.simple import (
    CSVLogger as CSVLogger,
    LambdaCallback as LambdaCallback,
    LearningRateScheduler as LearningRateScheduler,
    SwapEMAWeights as SwapEMAWeights,
    TerminateOnNaN as TerminateOnNaN,
)
from kerata.training.callbacks.tensorboard import TensorBoard as TensorBoard
