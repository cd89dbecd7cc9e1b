"""Callbacks: what `fit`, `evaluate` and `predict` call as they go."""

from kerata.engine.configurable import publish as _publish
from kerata.training.callbacks import (
    BackupAndRestore as BackupAndRestore,
    Callback as Callback,
    CallbackList as CallbackList,
    CSVLogger as CSVLogger,
    EarlyStopping as EarlyStopping,
    History as History,
    LambdaCallback as LambdaCallback,
    LearningRateScheduler as LearningRateScheduler,
    ModelCheckpoint as ModelCheckpoint,
    OrbaxCheckpoint as OrbaxCheckpoint,
    ProgbarLogger as ProgbarLogger,
    ReduceLROnPlateau as ReduceLROnPlateau,
    RemoteMonitor as RemoteMonitor,
    SwapEMAWeights as SwapEMAWeights,
    TensorBoard as TensorBoard,
    TerminateOnNaN as TerminateOnNaN,
)

_publish(globals())
