"""The exceptions, and the helpers that word them.

    KerataError
    ├── StateError         a variable is used where it cannot be (a traced value would leak)
    ├── UnknownKeyError    a dict has a key for something that does not exist
    ├── DamagedFileError   a file is not what it was when it was written
    │   └── UnbuildableModelError  the classes that a model file names do not take their configs
    └── UnsafeModelError   a model file asks for what a file may not do

Mistakes in arguments raise ValueError and TypeError, as Keras does. Every message says what must
hold, then what came ("Received: ..."), then, where it helps, what to do.
"""

import contextlib
import difflib
import functools
import numbers
import operator
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class KerataError(Exception):
    """Base of the errors that only kerata raises."""


class StateError(KerataError, ValueError):
    """A variable, layer or tensor is used outside of the trace that it belongs to."""


class UnknownKeyError(KerataError, ValueError, KeyError):
    """A dict has a key for something that does not exist."""

    __str__ = Exception.__str__  # KeyError's own would show quotes, and escape line ends


class DamagedFileError(KerataError, ValueError):
    """A file is cut short, or is not what it was when it was written."""


class UnbuildableModelError(DamagedFileError, TypeError):
    """The config in a model file is whole, but the classes that it names do not take it."""


class UnsafeModelError(KerataError, ValueError):
    """A model file asks for something that a file may not do; nothing of it was run."""


def reword(error: Exception) -> None:
    """Put an error that passed through JAX in our words, and shorten its traceback, in place.

    What JAX adds about its own traceback goes, and so do its long explanations of a tensor that
    was used as if it had a value. Of the traceback the user's lines stay, and the last one.
    """
    from kerata.engine import settings  # which words its own errors with this module

    if settings.is_traceback_filtering_enabled():
        error.__traceback__ = _shortened(error.__traceback__)
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [n for n in notes if "JAX has removed its internal frames" not in str(n)]
    words = str(error)
    if words.startswith("JAX arrays are immutable"):
        error.args = (
            "A tensor cannot be changed in place.\n"
            "Make a new one: x.at[index].set(value), or kerata.ops.slice_update; what is to stay "
            "belongs in a Variable.",
        )
    if "inhomogeneous shape" in words:
        error.args = (
            "Lists must have equal lengths to become a tensor.\n"
            f"Received: {words.partition('. ')[2] or words}\nPad them: "
            "kerata.utils.pad_sequences(lists); or, for text, let TextVectorization do so.",
        )
    kind = type(error).__name__ if type(error).__module__ == "jax.errors" else ""
    for part, name in _WITHOUT_A_CLASS.items():
        if part in words:
            kind = name
    if kind not in _NEEDS_A_VALUE:
        if error.args == (words,) and re.search(_TRACER, words):
            error.args = (f"{re.sub(_TRACER, 'a traced tensor', words)}\n{_STATIC}",)
        return
    came = re.search(r"\w+\[[\w, ]*\]", words)
    where = re.search(r"arose in (.* argument [\w'`]+)", words)
    what, instead = _NEEDS_A_VALUE[kind]
    error.args = (
        f"A tensor has no value while the code around it is compiled, so {what}.\n"
        f"Received: a tensor{f' {came[0]}' if came else ''}{f', as {where[1]}' if where else ''}\n"
        f"{instead}\nTo look at values, run it "
        "uncompiled: compile(..., run_eagerly=True) for a model; call a function without jit().",
    )


def reworded(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, whose errors are put in our words: see `reword`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except StopIteration:  # no error, and often raised
            raise
        except Exception as error:
            reword(error)
            raise

    return wrapper


@contextlib.contextmanager
def noted(where: str):
    """Add to an exception from the block where it happened, and put it in our words."""
    try:
        yield
    except Exception as error:
        reword(error)
        error.add_note(f"This happened in {where}.")
        raise


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, and show the user's line: the nearest one that is not kerata's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        message, category, frame.f_code.co_filename, frame.f_lineno, names.get("__name__"),
        names.setdefault("__warningregistry__", {}),
    )  # fmt: skip


def _is_ours(frame) -> bool:
    """Return whether a frame is kerata's own, or of what calls back for kerata."""
    room, _, rest = str(frame.f_globals.get("__name__")).partition(".")
    return room in _OURS and not (room == "kerata" and rest.startswith("examples"))


def is_from_outside(error: Exception) -> bool:
    """Return whether an error was raised by a line that is not kerata's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and not _is_ours(trace.tb_frame)


_OURS = ("kerata", "jax", "jaxlib", "contextlib", "functools", "grain", "concurrent", "threading")


def _shortened(trace):
    """Return a traceback without kerata's own frames, but with the last one."""
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    kept = None
    for entry in reversed(entries):
        if kept is None or not _is_ours(entry.tb_frame):
            kept = types.TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


# How JAX writes a tensor that has no value.
_TRACER = r"\w*Tracer\([^()]*(\([^()]*\)[^()]*)*\)"
_STATIC = (
    "Numbers given to compiled code are tensors; one that the program may depend on goes into "
    "jit(..., static_argnames=...)."
)
_NUMBER = (
    "a shape, a slice, float(), int(), range() and .item() cannot take it",
    "Compute with it as it is; a number that the program may depend on goes into "
    "jit(..., static_argnames=...).",
)
_NEEDS_A_VALUE = {
    "TracerBoolConversionError": (
        "`if`, `while`, `and` and bool() cannot take it",
        "Use kerata.ops.cond, where, while_loop and logical_and in their place; for a number that "
        "the program may depend on, jit(..., static_argnames=...).",
    ),
    "TracerArrayConversionError": (
        "NumPy and what is built on it (scikit-learn, pandas) cannot take it",
        "Use the functions of kerata.ops, or of jax.numpy, in their place.",
    ),
    "NonConcreteBooleanIndexError": (
        "it cannot choose how many elements there will be",
        "Keep all elements: kerata.ops.where(mask, x, 0), or weights of 0 and 1.",
    ),
    "ConcretizationTypeError": _NUMBER,
    "TracerIntegerConversionError": _NUMBER,
    "no numpy()": ("it has no .numpy()", "Use it as it is, with the functions of kerata.ops."),
    "no format": (
        "it cannot be formatted as text",
        'Print it with jax.debug.print("{}", x), which runs when there is a value.',
    ),
}
# What JAX raises as a plain TypeError or AttributeError.
_WITHOUT_A_CLASS = {
    "Tracer has no attribute numpy": "no numpy()",
    "Tracer.__format__": "no format",
    "must have static start/stop/step": "ConcretizationTypeError",
    "concrete values of integer type": "ConcretizationTypeError",
    "parameters to jaxpr equations must have": "ConcretizationTypeError",
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


def absent(module: str, name: str, instead: Mapping[str, str]) -> AttributeError:
    """Return the error for a name that a module has not, or no longer.

    Args:
        module: name of the module.
        name: the name.
        instead: dict from names to what there is in their place.
    """
    text = f"module {module!r} has no attribute {name!r}"
    if name in instead:
        return AttributeError(f"{text}. In its place there is {instead[name]}.")
    # With these, Python names what is spelled alike.
    return AttributeError(text, name=name, obj=sys.modules.get(module))


def short(value: object, length: int = 60) -> str:
    """Return `repr(value)`, cut to a length."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def described(value: object) -> str:
    """Return what a value is: an array's shape and dtype, not its numbers."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return f"{short(value)} of type {type(value).__name__}"
    return f"an array of shape {tuple(shape)} and dtype {dtype}"


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


def as_int(value):
    """Return `value`; as an int, if it is an array of no axes with an integer that is known."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "__index__"):
        with contextlib.suppress(TypeError):  # traced, or no integer
            return operator.index(value)
    return value


def positive_int(name: str, value, owner=None) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least 1.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    value = as_int(value)
    if not is_int(value) or value < 1:
        raise argument_error(name, "be a positive integer", value, owner)
    return int(value)


def non_negative_int(name: str, value, owner=None) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least 0.
    """
    value = as_int(value)
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
    value = as_int(value)
    values = (value,) * length if is_int(value) else value
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise argument_error(name, must, value, owner)
    values = tuple(map(as_int, values))
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
