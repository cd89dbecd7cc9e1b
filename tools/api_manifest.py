"""Write down the public API of an installed Keras, as data for tests/test_public_api.py.

    python tools/api_manifest.py > tests/data/keras_api.json

The manifest holds, for each public module, its names, and for each class and function what its
call looks like: parameters, their kinds and defaults, as text. `describe` makes that text, also of
kerata's objects. Then it holds which names are those of one object.
"""

import importlib
import inspect
import json
import pkgutil
import sys
import types

PRIVATE = {"src", "_tf_keras"}


def public_modules(package) -> list[str]:
    """Return the names of a package's public modules, relative to it; the package itself is ""."""
    found = [package.__name__]
    for name in found:
        for info in pkgutil.iter_modules(importlib.import_module(name).__path__, f"{name}."):
            if info.ispkg and info.name.rpartition(".")[2] not in PRIVATE:
                found.append(info.name)
    return sorted(name.removeprefix(package.__name__).lstrip(".") for name in found)


def public_names(module) -> dict[str, object]:
    """Return what a module offers: its attributes without underscore, modules aside."""
    return {
        name: thing
        for name, thing in sorted(vars(module).items())
        if not name.startswith("_") and not isinstance(thing, types.ModuleType)
    }


def describe(thing) -> str:
    """Return how a class or function is called: `"(units, activation=None, **kwargs)"`.

    Anything else, which is not called, gives "".

    Example:
        >>> def scale(x, *, factor=2.0): ...
        >>> describe(scale)
        '(x, *, factor=2.0)'
    """
    if not callable(thing):
        return ""
    if not isinstance(thing, type):
        return _text(list(inspect.signature(thing).parameters.values()))
    maker = next(
        (c.__dict__[name] for c in thing.__mro__[:-1] for name in ("__init__", "__new__")
         if name in c.__dict__), None,
    )  # fmt: skip
    if maker is None:
        return "()"
    return _text(list(inspect.signature(getattr(maker, "__func__", maker)).parameters.values())[1:])


def _text(parameters) -> str:
    shown = [
        p.replace(annotation=p.empty)
        if p.default is p.empty
        else p.replace(annotation=p.empty, default=_Shown(p.default))
        for p in parameters
    ]
    return str(inspect.Signature(shown))


class _Shown:
    """A default, shown in the same way whoever made it."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        name = getattr(self.value, "__name__", None)
        return name if isinstance(name, str) else repr(self.value)


def manifest(package) -> dict:
    """Return the public API of a package as plain data."""
    modules: dict[str, dict] = {}
    paths: dict[int, list[str]] = {}
    for name in public_modules(package):
        module = importlib.import_module(".".join(filter(None, (package.__name__, name))))
        names = public_names(module)
        modules[name] = {key: describe(x) for key, x in names.items()}
        for key, x in names.items():
            paths.setdefault(id(x), []).append(f"{name}.{key}".lstrip("."))
    same = sorted(" ".join(found) for found in paths.values() if len(found) > 1)
    return {"version": package.__version__, "modules": modules, "same": same}


def main() -> None:
    """Write the manifest of the installed Keras to standard output."""
    import keras

    json.dump(manifest(keras), sys.stdout, indent=0)
    print()


if __name__ == "__main__":
    main()
