"""The arguments that all optimizers share, said once."""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from typing import TypedDict

import numpy as np

from kerata.engine.errors import argument_error


class CommonArguments(TypedDict, total=False):
    """The arguments that every optimizer takes after its own (see `Optimizer`)."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


_DEFAULTS = {"use_ema": False, "ema_momentum": 0.99}
_COMMON = [
    inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=_DEFAULTS.get(name))
    for name in CommonArguments.__annotations__
]
_FURTHER = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)


# The least and the largest value of what is a number in any optimizer.
_RANGES = dict.fromkeys(("beta_1", "beta_2", "rho", "momentum", "ema_momentum"), 1.0) | (
    dict.fromkeys(("epsilon", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm"), math.inf)
)


def _check_numbers(optimizer) -> None:
    for name, most in _RANGES.items():
        value = vars(optimizer).get(name)
        is_number = isinstance(value, (numbers.Real, np.generic))
        if isinstance(value, str) or (is_number and not (0 <= value <= most and value != math.inf)):
            top = " and at most 1" if most == 1 else ""
            must = f"be a number of at least 0{top}"
            raise argument_error(name, must, value, optimizer)


def takes_common_arguments(init: Callable) -> Callable:
    """Let `__init__(self, learning_rate=..., <own arguments>, **common)` take all arguments.

    The result has the full signature, and the common arguments may also be given by position,
    after the own ones and in the order of `Optimizer`.
    """
    own = list(inspect.signature(init).parameters.values())[:-1]
    taken = {parameter.name for parameter in own}
    common = [parameter for parameter in _COMMON if parameter.name not in taken]

    @functools.wraps(init)
    def __init__(self, *args, **kwargs):
        further = args[len(own) - 1 :]
        if len(further) > len(common):
            raise TypeError(
                f"{type(self).__name__}() takes at most {len(own) - 1 + len(common)} arguments by "
                f"position.\nReceived: {len(args)}"
            )
        for parameter, value in zip(common, further, strict=False):
            if parameter.name in kwargs:
                raise TypeError(
                    f"{type(self).__name__}() got several values for `{parameter.name}`."
                )
            kwargs[parameter.name] = value
        init(self, *args[: len(own) - 1], **kwargs)
        _check_numbers(self)

    __init__.__signature__ = inspect.Signature([*own, *common, _FURTHER])  # type: ignore[attr-defined]
    return __init__
