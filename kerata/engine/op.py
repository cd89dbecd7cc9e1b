"""The @op decorator: a function of arrays that takes symbolic tensors and Variables as well."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kerata.engine import sparse
from kerata.engine.errors import reword
from kerata.engine.symbolic import KerasTensor, record_call
from kerata.engine.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


def op(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function over `jax.numpy` an op.

    Called with arrays, numbers or Variables (also inside lists, tuples and dicts) it runs, with
    the values of the Variables; what becomes of sparse tensors, `engine.sparse` says. Called with
    symbolic tensors it records the call, and returns symbolic tensors whose shapes come from
    evaluating it abstractly.

    Args:
        function: traceable function of arrays; the undecorated one stays reachable as
            `__wrapped__`.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs):
        try:
            for value in (*args, *kwargs.values()):
                if type(value) not in _plain_types:
                    break
            else:
                return function(*args, **kwargs)
            finder = _Finder()
            plain_args = finder.plain(args)
            plain_kwargs = finder.plain(kwargs)
            if finder.symbolic:
                return record_call(wrapper, args, kwargs)
            if finder.sparse:
                return sparse.apply(function, plain_args, plain_kwargs)
            return function(*plain_args, **plain_kwargs)
        except Exception as error:
            reword(error)
            raise

    return wrapper


# Types of which an op takes arguments as they are: those that were met.
_plain_types: set[type] = set()


class _Finder:
    """Replaces Variables by their values, and notes whether anything is symbolic, or sparse."""

    def __init__(self):
        self.symbolic = self.sparse = False

    def plain(self, x):
        kind = type(x)
        if kind in _plain_types:
            return x
        if kind is tuple or kind is list:
            return kind([self.plain(v) for v in x])
        if kind is dict:
            return {key: self.plain(v) for key, v in x.items()}
        if isinstance(x, Variable):
            return x.value
        if isinstance(x, KerasTensor):
            self.symbolic = True
        elif sparse.is_sparse(x):
            self.sparse = True
        else:
            _plain_types.add(kind)
        return x
