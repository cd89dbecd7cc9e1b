"""What functions take and return when they are compiled or differentiated: checks of it."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import short
from kerata.engine.variable import Variable

_NUMBERS = (int, float, complex)


def is_dynamic(leaf) -> bool:
    """Whether an argument is traced (arrays, numbers) rather than part of the program."""
    if isinstance(leaf, (jax.Array, np.ndarray, np.generic)):
        return True
    if isinstance(leaf, (bool, Variable)):
        return False
    return isinstance(leaf, _NUMBERS) or hasattr(leaf, "__jax_array__")


def check_results(outputs, name: str) -> None:
    """Check that the compiled function `name` returned what a program can return."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(outputs):
        if not (is_dynamic(leaf) or isinstance(leaf, bool)):
            where = f", at {jax.tree_util.keystr(path)}" if path else ""
            raise TypeError(
                f"The compiled function {name!r} must return arrays, numbers, or structures of "
                f"them.\nReceived: {short(leaf)} of type {type(leaf).__name__}{where}\n"
                "Make text and other objects of its results outside."
            )


def scalar(loss, fn):
    """Return what `fn` returned as an array, checked to have a gradient."""
    came = hint = ""
    if loss is None or isinstance(loss, (str, bytes, tuple, list, dict)):
        came = short(loss) if loss is None or isinstance(loss, str) else f"a {type(loss).__name__}"
        if isinstance(loss, tuple):
            hint = "\nFor (loss, anything else) pass has_aux=True."
    elif jnp.shape(loss) != ():
        came = f"shape {jnp.shape(loss)}"
    elif not jnp.issubdtype(jnp.result_type(loss), jnp.inexact):
        came = f"dtype {jnp.result_type(loss)}"
    if came:
        raise ValueError(
            "Only a scalar of floating type has a gradient: reduce the loss, e.g. with "
            f"kerata.ops.mean().\nReceived: {came} from {getattr(fn, '__name__', fn)!r}{hint}"
        )
    return jnp.asarray(loss)


class Differentiated:
    """What `value_and_grad` and `grad` return: to be called like the function."""

    def __init__(self, function):
        functools.update_wrapper(self, function)

    def __call__(self, *args, **kwargs):
        return self.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __iter__(self):
        raise TypeError(
            "value_and_grad() and grad() return a function, which must be called.\n"
            "Received: the function itself, used as if it were its results\n"
            "Add parentheses: value_and_grad(fn, variables)()."
        )

    def __getitem__(self, index):
        return iter(self)
