"""The @op decorator: a function of arrays that takes symbolic tensors and Variables as well."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kerata.engine.errors import reword
from kerata.engine.symbolic import KerasTensor, record_call
from kerata.engine.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


def op(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function over `jax.numpy` an op.

    Called with arrays, numbers or Variables (also inside lists, tuples and dicts) it runs, with
    the values of the Variables. Called with symbolic tensors it records the call, and returns
    symbolic tensors whose shapes come from evaluating it abstractly.

    Args:
        function: traceable function of arrays; the undecorated one stays reachable as
            `__wrapped__`.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs):
        try:
            for value in (*args, *kwargs.values()):
                if type(value) in _NESTED or isinstance(value, (KerasTensor, Variable)):
                    break
            else:
                return function(*args, **kwargs)
            finder = _Finder()
            plain_args = finder.plain(args)
            plain_kwargs = finder.plain(kwargs)
            if finder.symbolic:
                return record_call(wrapper, args, kwargs)
            return function(*plain_args, **plain_kwargs)
        except Exception as error:
            reword(error)
            raise

    return wrapper


_NESTED = {list, tuple, dict}


class _Finder:
    """Replaces Variables by their values, and notes whether anything is symbolic."""

    def __init__(self):
        self.symbolic = False

    def plain(self, x):
        if isinstance(x, KerasTensor):
            self.symbolic = True
            return x
        if isinstance(x, Variable):
            return x.value
        if type(x) in (list, tuple):
            return type(x)([self.plain(v) for v in x])
        if type(x) is dict:
            return {key: self.plain(v) for key, v in x.items()}
        return x
