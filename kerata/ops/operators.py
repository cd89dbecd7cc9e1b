"""Python's operators for symbolic tensors and Variables, by the ops of the same meaning.

The engine does not know the ops, so they are put onto its classes here, when `kerata.ops` is
imported.
"""

from collections.abc import Callable
from typing import Any

from kerata.engine.symbolic import KerasTensor
from kerata.engine.variable import Variable
from kerata.ops import arithmetic, elementwise, indexing, logic, products, shaping

BINARY: dict[str, Callable] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.mod,
    "pow": arithmetic.power,
    "matmul": products.matmul,
    "and": logic.logical_and,
    "or": logic.logical_or,
    "xor": logic.logical_xor,
}
COMPARISONS: dict[str, Callable] = {
    "lt": logic.less,
    "le": logic.less_equal,
    "gt": logic.greater,
    "ge": logic.greater_equal,
    "ne": logic.not_equal,
}
UNARY: dict[str, Callable] = {
    "neg": elementwise.negative,
    "abs": elementwise.absolute,
}


def _method(function, reverse=False):
    """Return a method that calls `function`; with `reverse`, the object is its last argument."""

    def method(self, *others, **kwargs):
        return function(*others, self) if reverse else function(self, *others, **kwargs)

    return method


def _install(cls: Any, **others) -> None:
    """Give a class the operators, and further methods."""
    for name, function in BINARY.items():
        setattr(cls, f"__{name}__", _method(function))
        setattr(cls, f"__r{name}__", _method(function, reverse=True))
    for name, function in (COMPARISONS | UNARY).items():
        setattr(cls, f"__{name}__", _method(function))
    for name, function in others.items():
        setattr(cls, name, _method(function))
    cls.__getitem__ = _method(indexing.get_item)
    cls.__pos__ = lambda self: +self.value if isinstance(self, Variable) else self
    cls.__round__ = lambda self, ndigits=None: elementwise.round(self, ndigits or 0)
    # NumPy's operators leave `array + tensor` to the tensor.
    cls.__array_priority__ = 100


# Symbolic tensors are equal if they are the same one: they stand in lists and dicts of graphs.
_install(
    KerasTensor,
    __invert__=logic.logical_not,
    reshape=shaping.reshape,
    squeeze=shaping.squeeze,
)
# Variables are compared by their values, and hashed by identity.
_install(Variable, __invert__=logic.bitwise_not, __eq__=logic.equal)
Variable.__hash__ = object.__hash__  # type: ignore[method-assign]
