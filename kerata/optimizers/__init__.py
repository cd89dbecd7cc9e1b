"""Optimizers, and schedules of learning rates."""

from kerata.engine import configurable as _configurable
from kerata.engine.errors import unknown_name as _unknown_name
from kerata.optimizers import legacy as legacy, schedules as schedules
from kerata.optimizers.adafactor import Adafactor as Adafactor
from kerata.optimizers.adam import (
    Adam as Adam,
    Adamax as Adamax,
    AdamW as AdamW,
    Lamb as Lamb,
    Nadam as Nadam,
    ScheduleFreeAdamW as ScheduleFreeAdamW,
)
from kerata.optimizers.adaptive import (
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Ftrl as Ftrl,
    RMSprop as RMSprop,
)
from kerata.optimizers.loss_scale import LossScaleOptimizer as LossScaleOptimizer
from kerata.optimizers.multi import MultiOptimizer as MultiOptimizer, OptimizerMap as OptimizerMap
from kerata.optimizers.muon import Muon as Muon
from kerata.optimizers.optimizer import Optimizer as Optimizer
from kerata.optimizers.sgd import SGD as SGD, Lion as Lion

_BY_NAME = {
    thing.__name__: thing
    for thing in list(globals().values())
    if isinstance(thing, type) and issubclass(thing, Optimizer) and thing is not Optimizer
}
_BY_LOWER = {name.lower(): thing for name, thing in _BY_NAME.items()}


def get(identifier):
    """Return the optimizer that `identifier` means.

    Args:
        identifier: an optimizer; its name, in any case ("adam"); a config dict; or None.

    Returns:
        An `Optimizer`; None for None.

    Raises:
        ValueError: if the name is unknown, or `identifier` is none of these.

    Example:
        >>> kerata.optimizers.get("adam").beta_1
        0.9
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    if isinstance(identifier, str):
        found = _configurable.get_registered_object(identifier)
        found = found or _BY_LOWER.get(identifier.lower().replace("_", ""))
        if found is None:
            raise _unknown_name("optimizer", identifier, list(_BY_NAME))
        return found()
    raise ValueError(
        "An optimizer must be given as an object, a name or a config.\n"
        f"Received: {identifier!r} of type {type(identifier).__name__}"
    )


def serialize(optimizer):
    """Return the config dict of an optimizer."""
    return _configurable.serialize(optimizer)


def deserialize(config, custom_objects=None):
    """Return the optimizer that `serialize` wrote as `config`.

    Args:
        config: dict.
        custom_objects: dict from names to classes of yours.
    """
    name = config.get("class_name", "") if isinstance(config, dict) else ""
    if isinstance(name, str) and "module" not in config and name.lower() in _BY_LOWER:
        # The short form {"class_name": "adam", "config": {}} of earlier versions.
        canonical = _BY_LOWER[name.lower()].__name__
        config = {**config, "class_name": canonical, "module": "keras.optimizers"}
    return _configurable.deserialize(config, custom_objects=custom_objects)


_configurable.publish(globals())
