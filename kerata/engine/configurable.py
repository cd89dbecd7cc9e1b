"""Recorded arguments -> `get_config()`/`from_config()`, and objects <-> configs.

`Configurable` notes the arguments of every `__init__` as it runs, so a class needs no `get_config`
of its own. A config holds plain data; an object in it becomes a dict {"module", "class_name",
"config", "registered_name"}, in Keras's spelling.
"""

import contextlib
import functools
import inspect
import types
import weakref
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from kerata.engine import registry, sharing
from kerata.engine.errors import UnsafeModelError, reword, short, unknown_name
from kerata.engine.registry import (  # noqa: F401 (one place to import from)
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    publish,
    publish_as,
    register_keras_serializable,
    resolve,
)

# Subclasses that the running program defined, by (module, name): those under "keras." can be
# loaded without registration, since that prefix is as trusted as our own.
_defined: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


class Configurable:
    """Base of everything with a configuration: it records the arguments of `__init__`.

    Class attributes:
        config_exclude: names of arguments to leave out of the config.
    """

    config_exclude: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        _defined[cls.__module__, cls.__qualname__.split(".")[-1]] = cls
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls, cls.__dict__["__init__"])

    def get_config(self) -> dict:
        """Return what `from_config` needs to make an equal object (without its weights).

        Raises:
            NotImplementedError: if an argument of `__init__` cannot be written down.
        """
        owner, arguments = self._recorded_arguments()
        if owner is None:
            return {}
        ours = owner.__module__.startswith("kerata.")
        config = {}
        for name, value in arguments.items():
            if name not in self.config_exclude:
                if ours and name in (found := vars(self)):
                    value = found[name]
                elif ours and isinstance(getattr(type(self), name, None), property):
                    value = getattr(self, name)
                config[name] = self._config_value(name, value)
        return config

    @classmethod
    def from_config(cls, config: dict):
        """Make an object from what `get_config` returned.

        Objects inside are made, too, where the config wrote itself; a class with a `get_config`
        of its own gets what it wrote.
        """
        author = next(c for c in cls.__mro__ if "get_config" in c.__dict__)
        wrote_itself = author.__module__.startswith("kerata.")
        config = {
            key: deserialize_nested(value) if wrote_itself or key == "dtype" else value
            for key, value in config.items()
        }
        return cls(**config)

    def __repr__(self) -> str:
        cls, (args, kwargs) = next(
            iter(vars(self).get("_init_arguments", {}).items()), (None, ((), {}))
        )
        given: dict = kwargs
        if cls is not None:
            with contextlib.suppress(TypeError):
                bound = inspect.signature(cls.__init__).bind(self, *args, **kwargs)
                given = dict(list(bound.arguments.items())[1:])
        shown = ", ".join(f"{name}={short(value)}" for name, value in given.items())
        return f"<{type(self).__name__}({shown})>"

    def _recorded_arguments(self) -> tuple[type | None, dict]:
        """Return the class whose arguments make the config, and these arguments.

        A class with a `get_config` of its own answers for its arguments itself, and asks with
        `super().get_config()` for those of the next class.
        """
        recorded = vars(self).get("_init_arguments", {})
        cls: Any
        for cls in type(self).__mro__:
            if "get_config" not in cls.__dict__ and cls in recorded:
                args, kwargs = recorded[cls]
                bound = inspect.signature(cls.__init__).bind(self, *args, **kwargs)
                bound.apply_defaults()
                arguments = dict(list(bound.arguments.items())[1:])
                for parameter in inspect.signature(cls.__init__).parameters.values():
                    if parameter.kind is parameter.VAR_KEYWORD:
                        arguments.update(arguments.pop(parameter.name))
                    elif parameter.kind is parameter.VAR_POSITIONAL:
                        if arguments.pop(parameter.name):
                            raise NotImplementedError(
                                f"{cls.__name__}.__init__() takes *{parameter.name}, which have no "
                                "names to be written under.\nGive the class a `get_config()`."
                            )
                return cls, arguments
        return None, {}

    def _config_value(self, name: str, value):
        try:
            return to_config(value)
        except TypeError as error:
            raise NotImplementedError(
                f"The argument `{name}` of {type(self).__name__}.__init__() cannot be written into "
                f"a config.\nReceived: {name}={value!r}\nGive {type(self).__name__} a "
                "`get_config()` that returns plain data, and a `from_config()` that takes it."
            ) from error


def _recording(cls: type, init):
    @functools.wraps(init)
    def __init__(self, *args, **kwargs):
        if cls.__module__.startswith("kerata."):
            args = tuple(map(_plain, args))
            kwargs = {name: _plain(value) for name, value in kwargs.items()}
        self.__dict__.setdefault("_init_arguments", {}).setdefault(cls, (args, kwargs))
        try:
            init(self, *args, **kwargs)
        except Exception as error:
            reword(error)
            raise

    return __init__


def _plain(value):
    """Return an argument with Python's integers in place of NumPy's."""
    if isinstance(value, np.integer):
        return int(value)
    if type(value) in (list, tuple) and any(isinstance(x, np.integer) for x in value):
        return type(value)(map(_plain, value))
    return value


def to_config(value):
    """Return an argument as it stands in a config: plain data, objects as dicts.

    Raises:
        TypeError: if `value` is of a type that cannot be written down.
    """
    if isinstance(value, types.FunctionType) and registry.public_name(value):
        return value.__name__
    return serialize(value)


def serialize(obj):
    """Return plain data from which `deserialize` makes `obj` again.

    Args:
        obj: an object with `get_config()`, a function, a tensor, plain data, or a list, tuple or
            dict of these.

    Returns:
        For an object, the dict {"module", "class_name", "config", "registered_name"}.

    Raises:
        TypeError: if something in `obj` cannot be written down.
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, (list, tuple)) and type(obj) in (list, tuple):
        return type(obj)(serialize(x) for x in obj)
    if isinstance(obj, Mapping) and not hasattr(obj, "get_config"):
        return {key: serialize(value) for key, value in obj.items()}
    if isinstance(obj, (tuple, set, frozenset)):
        return [serialize(x) for x in obj]
    if isinstance(obj, bytes):
        return _special("__bytes__", value=obj.decode("utf-8"))
    if isinstance(obj, slice):
        return _special(
            "__slice__",
            start=serialize(obj.start),
            stop=serialize(obj.stop),
            step=serialize(obj.step),
        )
    if obj is Ellipsis:
        return _special("__ellipsis__")
    if isinstance(obj, np.dtype):
        return obj.name
    if isinstance(obj, np.ndarray):
        return _special("__numpy__", value=obj.tolist(), dtype=obj.dtype.name)
    if isinstance(obj, jax.Array) and not isinstance(obj, jax.core.Tracer):
        return _special("__tensor__", value=np.asarray(obj).tolist(), dtype=obj.dtype.name)
    if isinstance(obj, types.FunctionType):
        return _serialize_function(obj)
    if isinstance(obj, type):
        return {
            "module": obj.__module__,
            "class_name": "type",
            "config": obj.__name__,
            "registered_name": "type",
        }
    if hasattr(obj, "_serialize_as"):
        return obj._serialize_as()
    if not hasattr(obj, "get_config"):
        raise TypeError(
            "Only objects with a `get_config()` method, functions, tensors and plain data can be "
            f"saved.\nReceived: {obj!r} of type {type(obj).__name__}"
        )
    return _serialize_object(obj)


def _special(name: str, **config) -> dict:
    return {"class_name": name, "config": config}


def _serialize_function(function) -> dict:
    if function.__name__ == "<lambda>":
        raise TypeError(
            "A lambda has no name to be saved under.\nDefine a function with `def`, and decorate "
            "it with `@kerata.saving.register_keras_serializable()`."
        )
    return {
        "module": "builtins",
        "class_name": "function",
        "config": registry.get_registered_name(function),
        "registered_name": "function",
    }


def _serialize_object(obj) -> dict:
    cls = type(obj)
    public = registry.public_name(cls)
    registered = registry.get_registered_name(cls)
    result = {
        "module": public[0] if public else None if "." not in cls.__module__ else cls.__module__,
        "class_name": public[1] if public else cls.__name__,
        "config": serialize(obj.get_config()),
        "registered_name": None if public else registered,
    }
    for extra in ("build", "compile"):
        method = getattr(obj, f"get_{extra}_config", None)
        if method is not None:
            found = method()
            if found is not None:
                result[f"{extra}_config"] = serialize(found)
    scope = sharing.current()
    if scope is not None and hasattr(obj, "build_from_config"):
        number = scope.note(obj)
        if number is not None:
            result[sharing.KEY] = number
    return result


def is_serialized(config) -> bool:
    """Return whether `config` is the dict of an object, as `serialize` writes it."""
    return (
        isinstance(config, Mapping)
        and isinstance(config.get("class_name"), str)
        and "config" in config
    )


def deserialize_nested(value):
    """Return `value` with the configs of objects in it replaced by the objects."""
    if is_serialized(value):
        return deserialize(value)
    if type(value) in (list, tuple):
        return type(value)(deserialize_nested(x) for x in value)
    if type(value) is dict:
        return {key: deserialize_nested(x) for key, x in value.items()}
    return value


_READERS = {
    "__tuple__": lambda config, **kw: tuple(deserialize(x, **kw) for x in config),
    "__bytes__": lambda config, **kw: config["value"].encode("utf-8"),
    "__ellipsis__": lambda config, **kw: Ellipsis,
    "__slice__": lambda config, **kw: slice(
        *(deserialize(config[key], **kw) for key in ("start", "stop", "step"))
    ),
    "__numpy__": lambda config, **kw: np.array(config["value"], dtype=_number_type(config)),
    "__tensor__": lambda config, **kw: jax.numpy.array(config["value"], dtype=_number_type(config)),
}


def _number_type(config: Mapping) -> np.dtype:
    """Return the dtype of an array in a config: numbers, no objects and no text of any length."""
    dtype = jax.numpy.dtype(config["dtype"])
    if not (dtype.kind in "biufcV" and dtype.fields is None and dtype.itemsize <= 16):
        raise UnsafeModelError(f"An array in a config holds numbers.\nReceived: dtype={dtype!r}")
    return dtype


def deserialize(config, custom_objects: Mapping | None = None, safe_mode: bool = True, **kwargs):
    """Return the object that `serialize` wrote as `config`.

    Only public classes of kerata and objects that the program registered or passes in
    `custom_objects` are made: nothing is imported or looked up by a name in `config`.

    Args:
        config: plain data.
        custom_objects: dict from name to class or function.
        safe_mode: accepted for compatibility: code in a config is never run.
        **kwargs: `module_objects`, a dict in which `config` may be a name, or name a class, as in
            Keras 2; `printable_module_name`, accepted for compatibility.

    Raises:
        ValueError: if a class or function is unknown.
        UnsafeModelError: if `config` holds code.
        TypeError: if `config` is not of the right form.
    """
    if custom_objects:
        with CustomObjectScope(custom_objects):
            return deserialize(config, safe_mode=safe_mode, **kwargs)
    module_objects = kwargs.pop("module_objects", None) or {}
    kwargs.pop("printable_module_name", None)
    if kwargs:
        raise TypeError(f"deserialize_keras_object() has no arguments {sorted(kwargs)}.")
    if isinstance(config, str) and module_objects:
        found = registry.custom_object(config)
        if found is not None:
            return found
        found = module_objects.get(config, config)
        return found() if isinstance(found, type) else found
    if type(config) in (list, tuple):
        return type(config)(deserialize(x, safe_mode=safe_mode) for x in config)
    if not isinstance(config, Mapping):
        return config
    if not is_serialized(config):
        return {key: deserialize(x, safe_mode=safe_mode) for key, x in config.items()}
    name, inner = config["class_name"], config["config"]
    if name in _READERS:
        return _READERS[name](config.get("items", inner), safe_mode=safe_mode)
    if name == "__lambda__":
        _refuse_lambda()
    if name == "function":
        return _find_function(inner, config.get("registered_name"))
    if not isinstance(inner, Mapping):
        raise TypeError(f"The config of {name!r} must be a dict.\nReceived: {type(inner).__name__}")
    local = module_objects.get(name)
    cls = local if isinstance(local, type) else find_class(config)
    return _make(cls, config, dict(inner), safe_mode)


def _make(cls: Any, config: Mapping, inner: dict, safe_mode: bool):
    """Make an instance of `cls`; then build and compile it as it was when it was saved."""
    scope = sharing.current()
    if scope is not None and sharing.KEY in config:
        made = scope.recall(config[sharing.KEY])
        if type(made) is cls:
            return made
    instance = cls.from_config(inner)
    if scope is not None and sharing.KEY in config:
        scope.remember(config[sharing.KEY], instance)
    for step in ("build", "compile"):
        found = config.get(f"{step}_config")
        method = getattr(instance, f"{step}_from_config", None)
        if found and method is not None and (step != "build" or not instance.built):
            method(deserialize(found, safe_mode=safe_mode) if step == "build" else found)
    return instance


def deserialize_in(module: str, config, custom_objects: Mapping | None = None):
    """Return the object of `config`, which belongs to `module` if it names none itself.

    Args:
        module: module in Keras's spelling, "keras.initializers".
        config: what `serialize` wrote; files of Keras 2 have no modules in it.
        custom_objects: dict from name to class or function.
    """
    if is_serialized(config) and config.get("module") is None:
        custom = registry.custom_object(config["class_name"], custom_objects)
        config = {**config, "module": module} if custom is None else dict(config)
    return deserialize(config, custom_objects=custom_objects)


def find_class(config: Mapping) -> type:
    """Return the class that a config names.

    Raises:
        ValueError: if there is no such public or registered class.
    """
    module: Any = config.get("module")
    name = config["class_name"]
    registered = config.get("registered_name")
    is_ours = isinstance(module, str) and (module == "keras" or module.startswith("keras."))
    # What is built in cannot be replaced by a user's object of the same name.
    found = registry.public_object(module, name) if is_ours else None
    if found is not None and registered not in (None, "", name):
        raise _contradiction(name, registered)
    if found is None and isinstance(registered, str):
        found = registry.custom_object(registered)
    if found is None:
        found = registry.custom_object(name)
    if found is None and is_ours:
        found = _defined.get((module, name))
    if found is None:
        error = unknown_name(
            "class",
            name,
            list(get_custom_objects()),
            f"Received: module={module!r}, registered_name={registered!r}\nIf it is yours, pass "
            f"custom_objects={{{name!r}: {name}}}, or decorate the class with "
            "@kerata.saving.register_keras_serializable().",
        )
        raise UnsafeModelError(str(error))
    if not isinstance(found, type):
        raise UnsafeModelError(f"{short(name)} must name a class.\nReceived: {short(found)}")
    if not hasattr(found, "from_config"):
        raise TypeError(
            f"An object of {name} cannot be made from its config: the class has no from_config().\n"
            f"Received: {found}\nAdd: @classmethod def from_config(cls, config): "
            "return cls(**config)"
        )
    return found


def _contradiction(name: str, registered) -> UnsafeModelError:
    return UnsafeModelError(
        f"The config names {name!r}, which is built in, but also a registered object.\n"
        f"Received: registered_name={short(registered)}\n"
        "The config is not to be trusted: such objects are written under their own names."
    )


def _find_function(name, registered):
    if not isinstance(name, str):
        raise TypeError(f"The name of a function must be a string.\nReceived: {name!r}")
    found = registry.custom_object(name)
    if found is None:
        for place in ("activations", "losses", "metrics", "ops"):
            if name not in ("get", "serialize", "deserialize"):
                found = found or registry.public_object(f"keras.{place}", name)
        if found is not None and registered not in (None, "", "function", name):
            raise _contradiction(name, registered)
    if found is None and ">" not in name:
        # Keras up to 3.6 wrote a registered function without its package.
        ends = [k for k in get_custom_objects() if k.endswith(f">{name}")]
        found = registry.custom_object(ends[0]) if ends else None
    if found is None or not callable(found):
        error = unknown_name(
            "function",
            name,
            list(get_custom_objects()),
            f"Received: {short(name)}, which is not registered\n"
            f"If it is yours, pass custom_objects={{{name!r}: ...}}, or decorate the function "
            "with @kerata.saving.register_keras_serializable().",
        )
        raise UnsafeModelError(str(error))
    return found


def _refuse_lambda():
    raise UnsafeModelError(
        "The config holds the code of a lambda. Code out of a file is never run.\n"
        "Received: class_name='__lambda__'\n"
        "Make the model from your program, with a named function decorated with "
        "@kerata.saving.register_keras_serializable(), load its weights, and save it again."
    )
