"""How a layer is built: its variables are made when the shape of the inputs is known."""

import contextlib
import functools
import inspect

import numpy as np

from kerata.engine import dtypes, scopes, tree
from kerata.engine.symbolic import KerasTensor, abstract_eval, standin
from kerata.engine.variable import Variable
from kerata.layers import calling


class Building:
    """Building and the making of variables. Mixed into `Layer`."""

    # Set by Layer.
    name: str
    built: bool
    _own_variables: list[Variable]
    _build_shapes: dict | None
    _path: str | None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _building(cls.__dict__["build"])

    def build(self, *input_shapes, **named_shapes):
        """Make the variables for inputs of a shape. Subclasses write this.

        Without one, the layers inside are built by evaluating `call` abstractly.

        Args:
            *input_shapes: shape of the inputs, or a structure of shapes.
            **named_shapes: shapes of several arguments of `call`, named `ARGUMENT_shape`.
        """
        if type(self).build is not Building.build:
            return  # `super().build()` in a layer that builds itself
        if not any(not layer.built for layer in self._flatten_layers(include_self=False)):
            return
        names = calling.call_signature(type(self).call).names
        shapes = {name: s for name, s in zip(names, input_shapes) if s is not None}
        shapes |= {k.removesuffix("_shape"): v for k, v in named_shapes.items()}
        if len(shapes) == 1 and next(iter(named_shapes), None) == "input_shape":
            shapes = {names[0]: next(iter(shapes.values()))}
        inputs = {
            name: tree.map_shape_structure(lambda s: KerasTensor(s, self.compute_dtype), shape)
            for name, shape in shapes.items()
        }
        if not inputs:
            return  # nothing is known that the layers inside could be built for
        try:
            abstract_eval(self._call_as_configured, (), inputs)
        except NotImplementedError:
            raise
        except Exception as error:
            raise ValueError(
                f"{self._title()} cannot be built from the shape of its inputs alone.\n"
                f"Received: shapes {shapes}; evaluating `call` failed: {error}\n"
                "Give it a `build` method, or call it on data."
            ) from error

    def _finish_build(self):
        self.built = True
        self.__dict__["_state_locked"] = True

    def _may_cut(self) -> bool:
        """Return whether `call` may cut an unknown axis to a fixed length: kerata's never do."""
        modules = [type(layer).call.__module__ for layer in self._flatten_layers()]
        return any(name is None or name.partition(".")[0] != "kerata" for name in modules)

    def _build_for(self, arguments: dict):
        """Build the layer, if it is not, for the tensors among a call's arguments."""
        if self.built:
            return
        shapes = {
            f"{name}_shape": tree.map_structure(batch_shape, value)
            for name, value in arguments.items()
            if calling.holds_tensor(value)
        }
        if type(self).build is Building.build:
            # The layers inside build themselves as `call` reaches them.
            self._note_build_shapes(
                {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else shapes
            )
            self._finish_build()
            return
        names = self._build_arguments(arguments)
        with scopes.outside(), scopes.AutocastScope(None):
            if names:
                self.build(**{n: shapes.get(n) for n in names if n in shapes})
            elif shapes:
                self.build(next(iter(shapes.values())))
            else:
                self._finish_build()

    def _note_build_shapes(self, shapes: dict):
        self._build_shapes = {k: v for k, v in shapes.items() if v is not None}

    def _build_arguments(self, arguments: dict) -> list[str]:
        """Return the names of the shapes that `build` takes; none where it takes just one."""
        parameters = list(inspect.signature(type(self).build).parameters.values())[1:]
        names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(names) < 2:
            return []
        known = calling.call_signature(type(self).call).names
        for name in names:
            if not name.endswith("_shape") or name.removesuffix("_shape") not in known:
                raise ValueError(
                    f"`build` of {self._title()} must take shapes named after the arguments of "
                    f"`call`: {[f'{n}_shape' for n in known]}, or a single one.\n"
                    f"Received: `build({', '.join(names)})`"
                )
        return names

    def get_build_config(self) -> dict | None:
        """Return what `build_from_config` needs to build a fresh layer alike, or None."""
        shapes = self._build_shapes
        if not shapes:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config: dict) -> None:
        """Build the layer for the shapes in `config`."""
        if "input_shape" in config:
            self.build(_tuples(config["input_shape"]))
        elif "shapes_dict" in config:
            self.build(**{name: _tuples(s) for name, s in config["shapes_dict"].items()})
        self.built = True

    def add_weight(
        self,
        *args,
        shape=None,
        initializer=None,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        aggregation="none",
        overwrite_with_gradient=False,
        name=None,
    ) -> Variable:
        """Make a variable that belongs to the layer.

        Args:
            *args: `shape`, `initializer` and `dtype`, by position.
            shape: tuple of integers; () if None.
            initializer: initializer or its name. If None: the layer's attribute
                `NAME_initializer`; else Glorot uniform for floats, zeros for others.
            dtype: dtype; the layer's variable dtype if None.
            trainable: whether training changes it.
            autocast: whether it is read in the compute dtype.
            regularizer: function whose value for the variable is added to the loss; the layer's
                attribute `NAME_regularizer` if None.
            constraint: function applied to it after each update; `NAME_constraint` if None.
            aggregation: how replicas are joined.
            overwrite_with_gradient: whether its gradient replaces it instead of being subtracted.
            name: name of the variable.

        Example:
            >>> kerata.layers.Layer().add_weight((2,), "ones", name="scale").numpy()
            array([1., 1.], dtype=float32)
        """
        from kerata import constraints, initializers, regularizers

        self._check_super_called()
        if self.__dict__.get("_state_locked"):
            raise self._locked_error(f"add_weight(name={name!r})")
        if args and isinstance(args[0], str):
            raise ValueError(
                f"The first argument of add_weight() is the shape; give `name` as a keyword "
                f"argument.\nReceived: {args[0]!r}"
            )
        if len(args) > 3:
            raise TypeError(
                f"add_weight() takes shape, initializer and dtype by position.\nReceived: {args}"
            )
        if args and shape is not None:
            raise ValueError("`shape` was given twice: by position and as a keyword argument.")
        shape, initializer, dtype = (*args, *(shape, initializer, dtype)[len(args) :])
        shape = () if shape is None else shape
        dtype = dtypes.standardize_dtype(dtype or self.variable_dtype)
        given = {"initializer": initializer, "regularizer": regularizer, "constraint": constraint}
        for kind, value in given.items():
            if value is None and name is not None:
                given[kind] = getattr(self, f"{name}_{kind}", None)
        if given["initializer"] is None:
            given["initializer"] = "glorot_uniform" if dtypes.is_float(dtype) else "zeros"
        with self._open_name_scope():
            variable = Variable(
                initializers.get(given["initializer"]),
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(given["regularizer"])
        variable.constraint = constraints.get(given["constraint"])
        variable.overwrite_with_gradient = overwrite_with_gradient
        # A layer may be frozen before it has weights; thawing it brings back what training changes.
        variable.trainable = variable.trainable and self.trainable
        self._own_variables.append(variable)
        return variable

    def add_variable(self, *args, **kwargs) -> Variable:
        """Make a variable: the same as `add_weight`."""
        return self.add_weight(*args, **kwargs)

    @contextlib.contextmanager
    def _unlocked(self):
        """Let variables be added to the built layer, under its path, in the `with` block."""
        locked = self.__dict__.get("_state_locked", False)
        self.__dict__["_state_locked"] = False
        parent = self.path.rpartition("/")[0]
        try:
            with scopes.name_scope(self.name, caller=self, override_parent=parent):
                yield
        finally:
            self.__dict__["_state_locked"] = locked

    def _remove_weight(self, attribute: str) -> None:
        """Take a variable away from the layer."""
        removed = self.__dict__.pop(attribute)
        self._own_variables = [v for v in self._own_variables if v is not removed]

    def _open_name_scope(self):
        if self._path is None:
            parent = scopes.current_path()
            own = parent.split("/")[-1] == self.name and scopes.innermost_owner() is self
            self._path = parent if own else "/".join(filter(None, (parent, self.name)))
        return scopes.name_scope(self.name, caller=self)

    @property
    def path(self) -> str:
        """Where the layer stands: the names of what holds it, and its own, joined by "/"."""
        return self._path or self.name


def _building(build):
    """Wrap a `build` method: it opens the layer's name scope and notes that it was built."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        self._check_super_called()
        outermost = not self.__dict__.get("_is_building")
        if not outermost:
            return build(self, *args, **kwargs)
        if build.__module__.startswith("kerata."):
            for shape in (*args, *kwargs.values()):
                _tuples(shape.tolist() if isinstance(shape, np.ndarray) else shape)
        before, own = set(vars(self)), len(self._own_variables)
        self.__dict__["_is_building"] = True
        try:
            with self._open_name_scope():
                result = build(self, *args, **kwargs)
        except Exception:
            # A later attempt, for other shapes, must not find the weights of this one.
            for name in set(vars(self)) - before:
                del self.__dict__[name]
            del self._own_variables[own:]
            raise
        finally:
            self.__dict__.pop("_is_building", None)
        with contextlib.suppress(TypeError):
            bound = inspect.signature(build).bind(self, *args, **kwargs).arguments
            bound.pop(next(iter(bound)))  # the layer itself, whatever the parameter is called
            several = bound.pop("input_shapes", ())
            names = (
                ["input"] if len(several) == 1 else calling.call_signature(type(self).call).names
            )
            shapes = {f"{name}_shape": shape for name, shape in zip(names, several)}
            self._note_build_shapes(shapes | bound.pop("named_shapes", {}) | bound)
        self._finish_build()
        return result

    return wrapped


Building.build = _building(Building.build)  # type: ignore[method-assign]


def shape_of(x):
    """Return the shape of a tensor as a tuple; None for anything else."""
    return tuple(x.shape) if hasattr(x, "shape") else None


def batch_shape(x):
    """The shape to build for: the batch axis is unknown where only a stand-in is known of it."""
    shape = shape_of(x)
    if shape and standin() is not None and shape[0] == standin():
        return (None, *shape[1:])
    return shape


def _tuples(shape):
    """Return a shape, or a structure of shapes, as tuples (JSON knows only lists)."""

    def as_tuple(s):
        if s is None:
            return None
        if not tree.is_shape(s):
            raise ValueError(f"A shape must be a tuple of integers and None.\nReceived: {s!r}")
        return tuple(None if d is None else int(d) for d in s)

    return tree.map_shape_structure(as_tuple, shape)
