"""How a function `f(y_true, y_pred, …)` becomes the class of a loss or a metric."""

import inspect
import re
from collections.abc import Callable
from typing import Any


def own_arguments(fn: Callable) -> dict:
    """Return the arguments of a loss function but targets and predictions, with defaults."""
    return {p.name: p.default for p in list(inspect.signature(fn).parameters.values())[2:]}


def class_of_function(
    fn: Callable,
    base: type,
    class_name: str,
    defaults: dict,
    order: tuple[str, ...],
    common_doc: str,
    attributes: dict,
    check: Callable | None = None,
) -> Any:
    """Return a subclass of `base` for one function.

    Its `__init__` has a signature of its own, which `help` and `inspect.signature` show, and sets
    the function's arguments as attributes.

    Args:
        fn: function of targets and predictions.
        base: class whose `__init__` takes `fn` and all arguments by name.
        class_name: name of the class.
        defaults: dict from the arguments of `__init__` to their defaults.
        order: the arguments' order; that of `defaults` if empty.
        common_doc: docstring entries of the arguments that are not the function's.
        attributes: further attributes of the class.
        check: called with each instance, to check its arguments.
    """
    order = order or tuple(defaults)
    own = own_arguments(fn)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [inspect.Parameter("self", kind)]
        + [inspect.Parameter(name, kind, default=defaults[name]) for name in order]
    )

    def __init__(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        vars(self).update({name: value for name, value in given.items() if name in own})
        base.__init__(self, fn=fn, **given)
        if check is not None:
            check(self)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    doc = _class_doc(fn, order, common_doc)
    return type(class_name, (base,), {"__init__": __init__, "__doc__": doc, **attributes})


def _class_doc(fn, order, common_doc) -> str:
    """Return the docstring of the class of `fn`: its summary, and the arguments that stay."""
    doc = inspect.cleandoc(fn.__doc__ or "")
    summary = doc.split("\n\nArgs:")[0]
    section = re.search(r"\nArgs:\n(.*?)(\n\n|\Z)", doc, re.DOTALL)
    entries = re.split(r"\n(?=    \w)", section[1]) if section else []
    named = {entry.strip().split(":")[0]: entry + "\n" for entry in entries}
    making = "".join(entry for name, entry in named.items() if name in order)
    calling = "".join(named[name] for name in ("y_true", "y_pred") if name in named)
    general = "Loss" if "reduction" in order else "Mean"
    return (
        f"{summary}\n\nThe class of the function `{fn.__name__}`.\n\n"
        f"Args:\n{making}{common_doc}\n"
        f"Call arguments:\n{calling}    sample_weight: see `{general}`.\n"
    )
