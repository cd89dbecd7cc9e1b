"""The class registry: which name means which object.

Two tables. Public objects are found by (module, name) in Keras's spelling, `("keras.layers",
"Dense")`: packages fill the table with `publish`. Users' objects are found by the name that they
were registered under (`package>name`) or passed with. Nothing else can be named by a file: a name
is never imported, and never looked up as an attribute.
"""

import contextlib
import importlib
import inspect
import threading
import types
import weakref
from collections.abc import Callable, Mapping

from kerata.engine.errors import unknown_name

# Packages that may be imported to find a public object, because they are our own.
NAMESPACES = frozenset(
    """activations applications callbacks constraints distillation dtype_policies initializers
    layers losses metrics models ops optimizers quantizers random regularizers saving
    utils""".split()
)

# What a file imports from these it uses; it does not offer it. (A package offers what it imports,
# but those of which a model file may name functions.)
_NAMED = ("kerata.losses", "kerata.metrics")
_HELPERS = tuple(
    f"kerata.{name}"
    for name in """engine.arrays engine.configurable engine.errors engine.op engine.registry
    kernels ops.arguments ops.projections""".split()
)

_public: dict[tuple[str, str], object] = {}
_public_names: dict[int, tuple[str, str]] = {}
_custom: dict[str, object] = {}
_custom_names: dict[int, tuple[weakref.ref, str]] = {}
_local = threading.local()


def publish(namespace: dict, module: str | None = None) -> None:
    """Enter the public classes and functions of a package into the registry.

    Also shows them under the package's name: `repr(Dense)` says "kerata.layers.Dense".

    Args:
        namespace: `globals()` of the package.
        module: the public name of the package; `namespace["__name__"]` if None.
    """
    home = module or namespace["__name__"]
    spelled = "keras" + home.removeprefix("kerata")
    for name, thing in list(namespace.items()):
        if name.startswith("_") or not isinstance(thing, (type, types.FunctionType)):
            continue
        origin = getattr(thing, "__module__", None) or ""
        offers = "__path__" in namespace and home not in _NAMED
        # Where it was defined: `__module__` may be that of a package which offers it already.
        home_of_code = "" if hasattr(thing, "__wrapped__") else _code_module(thing)
        used = not offers and (origin.startswith(_HELPERS) or home_of_code.startswith(_HELPERS))
        if used or not origin.startswith("kerata"):
            continue
        _public[spelled, name] = thing
        if id(thing) not in _public_names and name == thing.__name__:
            _public_names[id(thing)] = (spelled, name)
            thing.__module__ = home


def _code_module(thing) -> str:
    return getattr(thing, "__globals__", {}).get("__name__", "")


def publish_as(module: str, name: str, thing, canonical: bool = False) -> None:
    """Enter one object under a further name, e.g. a path that Keras writes into files.

    Args:
        module: module in Keras's spelling.
        name: the name in it.
        thing: class or function.
        canonical: whether this is the name to write into files.
    """
    _public[module, name] = thing
    if canonical:
        _public_names[id(thing)] = (module, name)


def public_object(module: str, name: str):
    """Return the public object with this name, or None."""
    found = _public.get((module, name))
    parts = [part for part in module.split(".") if part != "src"]
    if found is None and parts[0] == "keras" and len(parts) > 1 and parts[1] in NAMESPACES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"kerata.{parts[1]}")
        found = _public.get((module, name))
    return found


def public_name(thing) -> tuple[str, str] | None:
    """Return (module, name) of a public object, in Keras's spelling; None for any other."""
    return _public_names.get(id(thing))


def _overlay() -> dict:
    """The objects of the custom object scopes that this thread is in."""
    return getattr(_local, "objects", {})


def get_custom_objects() -> dict:
    """Return the global table of users' objects, by name. It may be changed in place."""
    return _custom


def custom_object(name: str, custom_objects: Mapping | None = None):
    """Return the user's object with this name, or None.

    Objects passed come before those of the scopes, these before the registered ones.
    """
    for table in (custom_objects or {}, _overlay(), _custom):
        if name in table:
            return table[name]
    return None


class CustomObjectScope:
    """Makes objects known by name while the `with` block runs, in this thread.

    Args:
        custom_objects: dict from name to class or function.

    Example:
        >>> with kerata.saving.custom_object_scope({"double": lambda x: 2 * x}):
        ...     layer = kerata.layers.Activation("double")
    """

    def __init__(self, custom_objects: Mapping):
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self):
        self._outer = _overlay()
        _local.objects = {**self._outer, **self.custom_objects}
        return self

    def __exit__(self, *exception):
        _local.objects = self._outer


custom_object_scope = CustomObjectScope


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """Decorator that lets a class or function be named in saved files.

    Args:
        package: first part of the registered name, to keep users' names apart.
        name: second part; the object's own name if None.

    Returns:
        A decorator that returns its argument.

    Raises:
        ValueError: (the decorator) if a class has no `get_config()`.
    """

    def decorator(thing):
        if inspect.isclass(thing) and not hasattr(thing, "get_config"):
            raise ValueError(
                f"A class must have a `get_config()` method to be saved.\nReceived: {thing!r}"
            )
        registered = f"{package}>{name if name is not None else thing.__name__}"
        _custom[registered] = thing
        try:
            reference = weakref.ref(thing)
        except TypeError:  # functions of NumPy, objects with __slots__: it lives on as registered
            reference = lambda: thing  # noqa: E731
        _custom_names[id(thing)] = reference, registered
        return thing

    return decorator


def get_registered_name(obj) -> str:
    """Return the name that a class or function was registered under, else its own name."""
    thing, name = _custom_names.get(id(obj), (None, ""))
    # An id may belong to another object by now.
    return name if thing is not None and thing() is obj else obj.__name__


def get_registered_object(name, custom_objects=None, module_objects=None):
    """Return the object registered under `name`, or None.

    Args:
        name: a registered name, such as "Custom>Dense".
        custom_objects: dict to look in first.
        module_objects: dict to look in last.
    """
    found = custom_object(name, custom_objects)
    return (module_objects or {}).get(name) if found is None else found


def resolve(identifier, namespace: Mapping, kind: str, deserialize: Callable | None = None):
    """Return the object that a user means by `identifier`: the body of every `get()`.

    Args:
        identifier: None; a name; a config dict; a class; or the object itself (any callable).
        namespace: dict from names, aliases included, to objects.
        kind: what is looked for ("initializer"), for error messages.
        deserialize: what turns a config dict into an object.

    Returns:
        None for None. Classes found by name, or given, are instantiated without arguments;
        functions and instances are returned as they are.

    Raises:
        ValueError: if a name is unknown; the message has the nearest ones.
        TypeError: if `identifier` is none of these.
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        if deserialize is not None:
            return deserialize(dict(identifier))
        from kerata.engine import configurable

        return configurable.deserialize(dict(identifier))
    if isinstance(identifier, str):
        found = custom_object(identifier)
        if found is None:
            found = namespace.get(identifier)
        if found is None:
            raise unknown_name(kind, identifier, [k for k in namespace if not k.startswith("_")])
        identifier = found
    if inspect.isclass(identifier):
        return identifier()
    if callable(identifier) or hasattr(identifier, "get_config"):
        return identifier
    article = "an" if kind[0] in "aeiou" else "a"
    raise TypeError(
        f"Not {article} {kind}: a name, a config or a callable is needed.\n"
        f"Received: {identifier!r} of type {type(identifier).__name__}"
    )
