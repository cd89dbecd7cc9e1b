"""The exceptions, and the helpers that word them.

    KerataError
    ├── StateError         a variable is used where it cannot be (a traced value would leak)
    ├── UnknownKeyError    a dict has a key for something that does not exist
    ├── DamagedFileError   a file is not what it was when it was written
    └── UnsafeModelError   a model file asks for what a file may not do

Mistakes in arguments raise ValueError and TypeError, as Keras does. Every message says what must
hold, then what came ("Received: ..."), then, where it helps, what to do.
"""

import difflib
import numbers
import re
from collections.abc import Iterable, Sequence
from typing import Any


class KerataError(Exception):
    """Base of the errors that only kerata raises."""


class StateError(KerataError, ValueError):
    """A variable, layer or tensor is used outside of the trace that it belongs to."""


class UnknownKeyError(KerataError, ValueError, KeyError):
    """A dict has a key for something that does not exist."""

    __str__ = Exception.__str__  # KeyError's own would show quotes, and escape line ends


class DamagedFileError(KerataError, ValueError):
    """A file is cut short, or is not what it was when it was written."""


class UnsafeModelError(KerataError, ValueError):
    """A model file asks for something that a file may not do; nothing of it was run."""


def reword(error: Exception) -> None:
    """Put an error that passed through JAX in our words, in place.

    What JAX adds about its own traceback goes, and so do its long explanations of a tensor that
    was used as if it had a value.
    """
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [n for n in notes if "JAX has removed its internal frames" not in str(n)]
    if type(error).__module__ != "jax.errors" or type(error).__name__ not in _NEEDS_A_VALUE:
        return
    came = re.search(r"\w+\[[\w, ]*\]", str(error))
    where = re.search(r"arose in (.* argument [\w'`]+)", str(error))
    what, instead = _NEEDS_A_VALUE[type(error).__name__]
    error.args = (
        f"A tensor has no value while the code around it is compiled, so {what}.\n"
        f"Received: a tensor {came[0] if came else ''}{f', as {where[1]}' if where else ''}\n"
        f"{instead}\nTo look at values, run it "
        "uncompiled: compile(..., run_eagerly=True) for a model; call a function without jit().",
    )


_NUMBER = (
    "a shape, float(), int(), range() and .item() cannot take it",
    "Compute with it as it is; a number that the program may depend on goes into "
    "jit(..., static_argnames=...).",
)
_NEEDS_A_VALUE = {
    "TracerBoolConversionError": (
        "`if`, `while`, `and` and bool() cannot take it",
        "Use kerata.ops.cond, where, while_loop and logical_and in their place.",
    ),
    "TracerArrayConversionError": (
        "NumPy cannot take it",
        "Use the functions of kerata.ops, or of jax.numpy, in place of NumPy's.",
    ),
    "NonConcreteBooleanIndexError": (
        "it cannot choose how many elements there will be",
        "Keep all elements: kerata.ops.where(mask, x, 0), or weights of 0 and 1.",
    ),
    "ConcretizationTypeError": _NUMBER,
    "TracerIntegerConversionError": _NUMBER,
}


def with_unknown_sizes(error: Exception, again: Exception) -> Exception:
    """Return `error`, in whose words the numbers that are others in `again` become None.

    Args:
        error: what evaluating a function with one size in place of unknown dimensions raised.
        again: what it raised with another size.
    """
    if type(error) is type(again) and len(error.args) == len(again.args):
        error.args = tuple(map(_with_unknown, error.args, again.args))
        notes, others = getattr(error, "__notes__", []), getattr(again, "__notes__", [])
        notes[:] = map(_with_unknown, notes, others) if len(notes) == len(others) else notes
        if isinstance(error.__cause__, Exception) and isinstance(again.__cause__, Exception):
            with_unknown_sizes(error.__cause__, again.__cause__)
    return error


def _with_unknown(text, again):
    if not (isinstance(text, str) and isinstance(again, str)):
        return text
    parts, others = re.split(r"(\d+)", text), re.split(r"(\d+)", again)
    if parts[::2] == others[::2]:
        for i in range(1, len(parts), 2):
            # Numbers in names only count how many there are.
            if parts[i] != others[i] and not re.search(r"[\w.]$", parts[i - 1]):
                parts[i] = "None"
        return "".join(parts)
    return text


def nearest(name: object, options: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of `options` that are spelled like `name`, best first."""
    by_fold = {_fold(option): option for option in options}
    close = difflib.get_close_matches(_fold(str(name)), by_fold, n=n, cutoff=0.6)
    return [by_fold[key] for key in close]


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


def unknown_name(kind: str, name: object, options: Iterable[str], hint: str = "") -> ValueError:
    """Return the error for a name that nobody knows, with the nearest known ones."""
    close = nearest(name, options)
    lines = [f"There is no {kind} named {name!r}."]
    if close:
        lines.append(f"Did you mean {' or '.join(repr(c) for c in close)}?")
    if hint:
        lines.append(hint)
    return ValueError("\n".join(lines))


def short(value: object, length: int = 60) -> str:
    """Return `repr(value)`, cut to a length."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _where(owner: object) -> str:
    """Name the object whose argument is wrong: "Dense 'dense_1': " or "set_floatx(): "."""
    if owner is None:
        return ""
    if isinstance(owner, str):
        return f"{owner}: "
    name = getattr(owner, "name", None)
    kind = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    return f"{kind} {name!r}: " if isinstance(name, str) else f"{kind}: "


def argument_error(name: str, must: str, value: object, owner=None, kind=ValueError) -> Exception:
    """Return the error "OWNER: NAME must MUST. Received: NAME=VALUE."."""
    return kind(f"{_where(owner)}`{name}` must {must}.\nReceived: {name}={value!r}")


def is_int(value: object) -> bool:
    """Return whether `value` is an integer, Python's or NumPy's, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def positive_int(name: str, value, owner=None) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least 1.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not is_int(value) or value < 1:
        raise argument_error(name, "be a positive integer", value, owner)
    return int(value)


def non_negative_int(name: str, value, owner=None) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least 0.
    """
    if not is_int(value) or value < 0:
        raise argument_error(name, "be an integer of at least 0", value, owner)
    return int(value)


def one_of(name: str, value, options: Sequence, owner=None):
    """Return `value`.

    Raises:
        ValueError: if it is not among `options`.
    """
    if value not in options:
        listed = ", ".join(repr(o) for o in options)
        error = argument_error(name, f"be one of {listed}", value, owner)
        close = nearest(value, [o for o in options if isinstance(o, str)], n=1)
        if close and isinstance(value, str):
            error = ValueError(f"{error}\nDid you mean {close[0]!r}?")
        raise error
    return value


def int_tuple(name: str, value, length: int, owner=None, allow_zero: bool = False):
    """Return `value`, an integer or a sequence of `length` integers, as a tuple.

    Raises:
        ValueError: if it is neither, or a number is below 1 (below 0 with `allow_zero`).
    """
    least = 0 if allow_zero else 1
    must = f"be an integer or a tuple of {length} integers, each at least {least}"
    values = (value,) * length if is_int(value) else value
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise argument_error(name, must, value, owner)
    values = tuple(values)
    if len(values) != length or not all(is_int(v) and v >= least for v in values):
        raise argument_error(name, must, value, owner)
    return tuple(int(v) for v in values)


def probability(name: str, value: Any, owner=None) -> float:
    """Return `value`.

    Raises:
        ValueError: if it is not a number in [0, 1].
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1):
        raise argument_error(name, "be a number between 0 and 1", value, owner)
    return value


def foreign_format(what: str, format) -> NotImplementedError:
    """Return the error for writing a model as a program of another framework."""
    return NotImplementedError(
        f"{what}: kerata does not write programs of other frameworks.\n"
        f"Received: format={format!r}\n"
        'For another program with kerata: model.save("model.keras"). For one with JAX alone:\n'
        "jax.export.export(jax.jit(model.predict_step))(jax.ShapeDtypeStruct((1, 4), 'float32')), "
        "with the shape of your inputs; it has the methods serialize() and mlir_module()."
    )
