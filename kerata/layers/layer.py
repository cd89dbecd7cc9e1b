"""Layer: state and a computation, the piece that models are made of."""

import contextlib
import copy
import inspect

import jax
import numpy as np

from kerata.engine import dtypes, placement, policies, scopes, sparse, tree
from kerata.engine.configurable import deserialize, is_serialized, serialize
from kerata.engine.errors import argument_error, nearest, reword, warn
from kerata.engine.input_spec import InputSpec as InputSpec, check_inputs
from kerata.engine.masks import get_mask as get_mask, set_mask as set_mask
from kerata.engine.symbolic import (
    KerasTensor,
    Node,
    Operation,
    abstract_eval,
    is_symbolic,
)
from kerata.engine.variable import Variable
from kerata.layers import calling, tracking
from kerata.layers.building import Building, shape_of
from kerata.layers.calling import calls, training_scope
from kerata.layers.precision import Precision
from kerata.layers.state import State


class Layer(Building, Precision, State, Operation):
    """A computation with state. Subclasses write `__init__`, `build` and `call`.

    `build(input_shape)` makes the variables, with `add_weight`, when the shape of the inputs is
    known; `call(inputs)` computes the outputs. The shape of the outputs needs no code: `call` is
    evaluated abstractly. Variables and layers that are attributes, also in lists and dicts, belong
    to the layer.

    Args:
        activity_regularizer: function of the outputs whose value is added to the loss.
        trainable: whether training changes the layer's variables.
        dtype: dtype or dtype policy of computation and variables; the default policy if None.
        autocast: whether floating inputs are cast to the compute dtype.
        name: name; made from the class's name if None.

    Raises:
        ValueError: if there are unknown keyword arguments.

    Example:
        >>> class Scale(kerata.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight(name="factor", shape=(), initializer="ones")
        ...
        ...     def call(self, inputs):
        ...         return inputs * self.factor
        >>> layer = Scale()
        >>> layer([[1.0, 2.0]])
        Array([[1., 2.]], dtype=float32)
    """

    config_exclude: tuple[str, ...] = (
        "name",
        "trainable",
        "dtype",
        "activity_regularizer",
        "autocast",
    )
    # Whether tensors among the arguments are cast to the compute dtype.
    convert_inputs = True
    # Whether the library's own `call` takes sparse tensors; if not, it gets them dense.
    takes_sparse = False

    def __init__(
        self,
        *,
        activity_regularizer=None,
        trainable=True,
        dtype=None,
        autocast=True,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name)
        self.dtype_policy = dtype
        self.autocast = autocast
        if not isinstance(trainable, bool):
            raise argument_error("trainable", "be True or False", trainable, self)
        self._trainable = trainable
        if activity_regularizer is not None:
            from kerata import regularizers

            activity_regularizer = regularizers.get(activity_regularizer)
        self.activity_regularizer = activity_regularizer
        self.built = False
        self.supports_masking = False
        self.input_spec = None
        self._own_variables: list[Variable] = []
        self._losses: list = []  # of the latest call outside of every scope
        self._build_shapes: dict | None = None
        self._path: str | None = None
        self._given_shape = self._legacy_shape(kwargs)
        if kwargs:
            self._refuse_keywords(kwargs)

    @staticmethod
    def _legacy_shape(kwargs):
        """Take `input_shape=` and its like, of older programs, out of `kwargs`."""
        if "input_dim" in kwargs:
            kwargs["input_shape"] = (kwargs.pop("input_dim"),)
        batch_size = kwargs.pop("batch_size", None)
        if "input_shape" in kwargs:
            return (batch_size, *kwargs.pop("input_shape"))
        return kwargs.pop("batch_input_shape", None)

    def _refuse_keywords(self, kwargs):
        known = [p for p in inspect.signature(type(self).__init__).parameters if p != "self"]
        known += ["name", "dtype", "trainable", "activity_regularizer"]
        hints = [c for k in kwargs for c in nearest(k, known, n=1)]
        hint = f"\nDid you mean {' or '.join(repr(h) for h in hints)}?" if hints else ""
        raise ValueError(
            f"{type(self).__name__} has no argument {', '.join(repr(k) for k in kwargs)}.\n"
            f"Received: {kwargs}{hint}"
        )

    # Calling.

    def call(self, *args, **kwargs):
        """Compute the outputs. Subclasses write this."""
        raise NotImplementedError(f"{self._title()} must have a `call` method.")

    def __call__(self, *args, **kwargs):
        self._check_super_called()
        signature = calling.call_signature(type(self).call)
        training = self._resolve_training(signature, kwargs, args)
        arguments, rest = self._bind_call(signature, args, kwargs)
        symbolic = is_symbolic(arguments, rest)
        self._check_positional(signature, args)
        try:
            if self.convert_inputs:
                arguments = {
                    k: self._convert_argument(v, k == signature.first) for k, v in arguments.items()
                }
            masks = calling.mask_arguments(signature, arguments)
            previous = arguments.get("mask")
            if previous is None:
                previous = tree.map_structure(get_mask, _first(arguments))
            if not self.built:
                with self._open_name_scope():
                    check_inputs(self.input_spec, _first(arguments), self._title())
                    self._build_for(arguments)
            check_inputs(self.input_spec, _first(arguments), self._title())
            if calls.depth == 0:
                calling.clear_losses(self)
            given = {**arguments, **rest}
            if not symbolic:
                # A graph records only what the caller said: flag and masks may differ when it runs.
                given |= masks
                if signature.has_training and training is not None:
                    given["training"] = training
            args, kwargs = _positional(signature, given)
            with training_scope(training), self._open_name_scope():
                if symbolic:
                    outputs = self.symbolic_call(*args, **kwargs)
                else:
                    with scopes.AutocastScope(self._autocast_dtype()):
                        call = self.rematerialized_call(self.call, *args, **kwargs)
                        outputs = call(*args, **kwargs)
                        if placement.current.distribution is not None:
                            outputs = placement.constrain(outputs, self.path)
                if self.activity_regularizer is not None and not symbolic:
                    for x in tree.flatten(outputs):
                        penalty = self.activity_regularizer(x)
                        # Of the whole batch: its mean over the samples goes into the loss.
                        self.add_loss(penalty / max(1, x.shape[0]) if x.ndim else penalty)
            self._attach_masks(_first(arguments), previous, outputs)
        except Exception as error:
            self._note_call(error, arguments)
            raise
        return outputs

    def _check_positional(self, signature, args):
        """Only tensors may be given by position, so that a call reads clearly."""
        for name, value in zip(signature.names[1:], args[1:]):
            if calling.is_option(value):
                raise ValueError(
                    f"{self._title()} takes only tensors by position.\n"
                    f"Received: {value!r} as argument {name!r}; write {name}={value!r}"
                )

    def _resolve_training(self, signature, kwargs, args):
        """Return the training flag: the call's argument, or that of the layer around, or None."""
        given = kwargs.get("training")
        if not signature.has_training and not signature.takes_any:
            kwargs.pop("training", None)
        if given is None and signature.has_training:
            position = signature.names.index("training")
            given = args[position] if position < len(args) else None
        if given is None:
            given = calls.training
        if given is None:
            given = signature.training_default
        return bool(given) if isinstance(given, (int, np.bool_)) else given

    def _bind_call(self, signature, args, kwargs) -> tuple[dict, dict]:
        """Return the call's arguments by name, and those that go to its `**kwargs`."""
        try:
            bound = signature.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(
                f"{self._title()} takes the arguments {signature.signature}.\nReceived: {error}"
            ) from None
        rest: dict = {}
        arguments = dict(bound.arguments)
        for name, parameter in signature.signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD and name in arguments:
                rest = arguments.pop(name)
        return arguments, rest

    def _convert_argument(self, value, first: bool):
        """Return an argument with its tensors in the compute dtype.

        The first argument may also hold numbers and lists of numbers.
        """

        def convert(x):
            if isinstance(x, KerasTensor) or x is None:
                return x
            if isinstance(x, Variable):
                x = x.value
            if isinstance(x, np.ndarray) and x.dtype.kind in "USO":
                return self._refuse_dtype(x)
            if sparse.is_sparse(x):
                own_call = type(self).call.__module__.startswith("kerata.")
                x = x if self.takes_sparse or not own_call else x.todense()
                return self.dtype_policy.convert_input(x, self.autocast, self.compute_dtype)
            if isinstance(x, (jax.Array, np.ndarray, np.generic)) or (
                first and isinstance(x, (int, float))
            ):
                return self.dtype_policy.convert_input(x, self.autocast, self.compute_dtype)
            if not isinstance(x, (str, bytes)) and hasattr(x, "__array__"):
                return self.dtype_policy.convert_input(
                    np.asarray(x), self.autocast, self.compute_dtype
                )
            return x

        def convert_with_mask(x):
            result = convert(x)
            mask = get_mask(x) if result is not x else None
            if mask is not None:
                set_mask(result, mask)
            return result

        if first and is_plain_numbers(value):
            return convert(np.asarray(value))
        return tree.map_structure(convert_with_mask, value)

    def _refuse_dtype(self, x):
        raise TypeError(
            f"{self._title()} takes numbers.\nReceived: an array of dtype {x.dtype} "
            f"(the first element is {x.reshape(-1)[0]!r})\n"
            "Turn text into numbers first, with TextVectorization; names with StringLookup."
        )

    def _autocast_dtype(self):
        if self.autocast and self.compute_dtype != self.variable_dtype:
            return self.compute_dtype
        return None

    def _call_as_configured(self, *args, **kwargs):
        """Run `call` as `__call__` would on arrays: inputs and variables in the compute dtype."""
        first, *others = args or (None,)
        args = (
            self._convert_argument(first, True),
            *(self._convert_argument(x, False) for x in others),
        )[: len(args)]
        kwargs = {name: self._convert_argument(value, False) for name, value in kwargs.items()}
        with training_scope(calls.training), scopes.AutocastScope(self._autocast_dtype()):
            return self.call(*args, **kwargs)

    def symbolic_call(self, *args, **kwargs):
        outputs = self.compute_output_spec(*args, **kwargs)
        if any(not layer.built for layer in self._flatten_layers(include_self=False)):
            # The class says what comes out, so `call` was not evaluated: that builds them.
            with contextlib.suppress(Exception):
                abstract_eval(self._call_as_configured, args, kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def compute_output_spec(self, *args, **kwargs):
        """Return symbolic tensors with the shapes and dtypes of the outputs."""
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            return self._spec_from_shape(*args, **kwargs)
        layer = self if self.built else self._built_twin(args, kwargs)
        return abstract_eval(layer._call_as_configured, args, kwargs, self._may_cut())

    def _spec_from_shape(self, *args, **kwargs):
        """For layers that write `compute_output_shape` themselves."""
        names = calling.call_signature(type(self).call).names
        arguments = {**dict(zip(names, args)), **kwargs}
        shapes = {
            f"{name}_shape": tree.map_structure(shape_of, value)
            for name, value in arguments.items()
            if calling.holds_tensor(value)
        }
        wanted = inspect.signature(self.compute_output_shape).parameters
        if len(wanted) > 1 and set(shapes) & set(wanted):
            found = self.compute_output_shape(**{k: v for k, v in shapes.items() if k in wanted})
        else:
            found = self.compute_output_shape(next(iter(shapes.values())))
        return tree.map_shape_structure(lambda s: KerasTensor(s, self.compute_dtype), found)

    def compute_output_shape(self, *args, **kwargs):
        """Return the shape of the outputs for inputs of a shape, with None for unknown sizes.

        Args:
            *args: shape of the inputs, or a structure of shapes.
            **kwargs: shapes of several arguments of `call`, named `ARGUMENT_shape`.
        """
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            return self._as_parent().compute_output_shape(*args, **kwargs)
        names = calling.call_signature(type(self).call).names
        make = lambda s: KerasTensor(s, self.compute_dtype)  # noqa: E731
        inputs = {
            n: tree.map_shape_structure(make, s) for n, s in zip(names, args) if s is not None
        }
        for name, shape in kwargs.items():
            name = names[0] if name == "input_shape" else name.removesuffix("_shape")
            if shape is not None:
                inputs[name] = tree.map_shape_structure(make, shape)
        given, named = _positional(calling.call_signature(type(self).call), inputs)
        return tree.map_structure(lambda x: x.shape, self.compute_output_spec(*given, **named))

    def _as_parent(self):
        """Return the layer as the parent of the class whose `compute_output_shape` calls super's.

        Where that parent has no `call`, it is the layer without the method.
        """
        classes = [c for c in type(self).__mro__ if issubclass(c, Layer)]
        own = [i for i, c in enumerate(classes[:-1]) if "compute_output_shape" in vars(c)]
        parent = classes[own[-1] + 1]
        if not self._has_call(parent):
            default = {"compute_output_shape": Layer.compute_output_shape}
            parent = type(type(self).__name__, (type(self),), default)
        twin = copy.copy(self)
        twin.__class__ = parent
        return twin

    def _has_call(self, cls) -> bool:
        """Return whether `call` of a class that the layer extends says what is computed."""
        return cls.call is not Layer.call

    def _built_twin(self, args, kwargs):
        """Return a built copy, so that asking for a shape leaves the layer as it is."""
        twin = copy.deepcopy(self)
        signature = calling.call_signature(type(self).call)
        arguments, _ = twin._bind_call(signature, args, kwargs)
        with twin._open_name_scope():
            twin._build_for(arguments)
        return twin

    def compute_mask(self, inputs, previous_mask):
        """Return the mask of the outputs; by default that of the inputs."""
        return previous_mask

    def _attach_masks(self, inputs, previous, outputs):
        """Attach to the outputs the mask that comes out of the inputs' masks."""
        has_mask = any(m is not None for m in tree.flatten(previous))
        if has_mask and not self.supports_masking:
            if type(self).compute_mask is Layer.compute_mask:
                warn(
                    f"{self._title()} was called on an input with a mask, which it does not "
                    "support: the mask ends here.",
                )
                return
        elif not self.supports_masking and type(self).compute_mask is Layer.compute_mask:
            return
        masks = self.compute_mask(inputs, previous)
        if masks is None:
            return
        flat_masks = tree.flatten(masks)
        flat_outputs = tree.flatten(outputs)
        if len(flat_masks) == len(flat_outputs):
            for x, mask in zip(flat_outputs, flat_masks):
                if mask is not None and get_mask(x) is None:
                    set_mask(x, mask)

    def _note_call(self, error, arguments):
        """Add to an exception which layer it comes from, and the shapes it was called with."""
        if not getattr(error, "_noted", False):
            with contextlib.suppress(Exception):
                error._noted = True
                shapes = ", ".join(
                    f"{name}: {tree.map_structure(_describe, value)}"
                    for name, value in arguments.items()
                    if value is not None
                )
                shapes = shapes if len(shapes) <= 200 else f"{shapes[:199]}…"
                error.add_note(f"This happened in layer {self.path!r}, called with {shapes}")
        reword(error)

    def __setattr__(self, name, value):
        if isinstance(value, jax.core.Tracer) and calls.depth:
            raise ValueError(
                f"{self._title()} sets the attribute {name!r} in `call` to a value that exists "
                "only while the function is traced.\nMake a variable in `build` with "
                f"self.{name} = self.add_weight(..., trainable=False), and in `call` use "
                f"self.{name}.assign(value)."
            )
        if self.__dict__.get("_state_locked") and name not in self.untracked:
            if self.__dict__.get(name) is not value and tracking.holds_state(value, Layer):
                held = set(map(id, tracking.parts(list(vars(self).values()))))
                new = [x for x in tracking.parts(value) if id(x) not in held]
                if tracking.holds_state(new, Layer):
                    raise self._locked_error(f"{name} = {value!r}")
        super().__setattr__(name, tree.HeldSet(value) if type(value) is set else value)

    def _locked_error(self, what: str) -> ValueError:
        return ValueError(
            f"{self._title()} is built: no variable or layer can be added to it.\n"
            f"Received: {what}\nMake it in `__init__` or `build`."
        )

    def _check_super_called(self):
        if "_inbound_nodes" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__() must call super().__init__() before anything "
                "else."
            )

    def _title(self) -> str:
        """How messages call the layer."""
        return f"{type(self).__name__} {self.__dict__.get('name', '')!r}"

    # Losses.

    def add_loss(self, loss) -> None:
        """Add scalars, computed in `call`, to the loss that training minimizes.

        Args:
            loss: scalar tensor, or a structure of them.
        """
        for x in tree.flatten(loss):
            if x is not None:
                calling.add_loss(self, x)

    @property
    def losses(self) -> list:
        """What was added with `add_loss` in the latest call, and the weights' penalties."""
        found = []
        for layer in self._flatten_layers():
            found += calling.get_losses(layer)
        for v in self.trainable_weights:
            if v.regularizer is not None:
                found.append(v.regularizer(v))
        return found

    def _clear_losses(self):
        calling.clear_losses(self)

    def stateless_call(
        self,
        trainable_variables,
        non_trainable_variables,
        *args,
        return_losses=False,
        **kwargs,
    ):
        """Call the layer as a pure function of its variables' values.

        Args:
            trainable_variables: values for `self.trainable_variables`.
            non_trainable_variables: values for `self.non_trainable_variables`.
            *args: arguments of the call.
            return_losses: whether to return `losses` as well.
            **kwargs: keyword arguments of the call.

        Returns:
            (outputs, new values of the non-trainable variables), and the losses if asked for.

        Raises:
            ValueError: if the layer is not built, or the number of values differs.
        """
        self._check_super_called()
        if not self.built:
            raise ValueError(
                f"{self._title()} must be built before stateless_call().\n"
                "Call it on data, or build(input_shape)."
            )
        pairs = []
        for what, mine, values in (
            ("trainable_variables", self.trainable_variables, trainable_variables),
            ("non_trainable_variables", self.non_trainable_variables, non_trainable_variables),
        ):
            values = list(values)
            if len(mine) != len(values):
                raise ValueError(
                    f"`{what}` must have a value for each of the {len(mine)} variables of "
                    f"{self._title()}.\nReceived: {len(values)} values"
                )
            pairs += zip(mine, values)
        with scopes.StatelessScope(pairs) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses if return_losses else None
            new = [scope.read(v) for v in self.non_trainable_variables]
        return (outputs, new, losses) if return_losses else (outputs, new)

    # Configuration.

    def get_config(self) -> dict:
        """Return what `from_config` needs to make an equal layer (without its weights)."""
        self._check_super_called()
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        rest = super().get_config()
        rest.pop("name", None)
        return {**config, **rest}

    @classmethod
    def from_config(cls, config: dict):
        """Make a layer from what `get_config` returned.

        What every layer has need not be among the arguments of a subclass: it is set afterwards.
        """
        if is_serialized(config.get("dtype")):
            # What has a name and no more is given by its name, as in `Dense(2, dtype="bfloat16")`.
            policy = policies.get(deserialize(config["dtype"]))
            plain = type(policy) is policies.DTypePolicy
            config = {**config, "dtype": policy.name if plain else policy}
        parameters = inspect.signature(cls.__init__).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return super().from_config(config)
        common = {k: v for k, v in config.items() if k in _COMMON and k not in parameters}
        layer = super().from_config({k: v for k, v in config.items() if k not in common})
        layer.name = common.get("name", layer.name)
        if not common.get("trainable", True):
            layer.trainable = False
        if "dtype" in common:
            layer.dtype_policy = policies.get(common["dtype"])
        return layer

    def __repr__(self):
        name, built = vars(self).get("name"), vars(self).get("built")  # not before super().__init__
        return f"<{type(self).__name__} name={name}, built={built}>"


_COMMON = ("name", "trainable", "dtype")


def _describe(x):
    return f"{dtypes.standardize_dtype(x.dtype)}{list(x.shape)}" if hasattr(x, "shape") else x


def _first(arguments: dict):
    return next(iter(arguments.values()), None)


def is_plain_numbers(value) -> bool:
    """Return whether `value` is a list of numbers, or of such lists."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(v, (int, float)) or is_plain_numbers(v) for v in value)
    )


def _positional(signature, arguments: dict) -> tuple[tuple, dict]:
    """Return named arguments as (args, kwargs): leading ones by position, as users call."""
    args: list = []
    arguments = dict(arguments)
    kinds = inspect.Parameter
    for name, parameter in signature.signature.parameters.items():
        if parameter.kind is kinds.VAR_POSITIONAL:
            args += arguments.pop(name, ())
            break
        if name not in arguments or parameter.kind is kinds.KEYWORD_ONLY:
            break
        if parameter.default is not kinds.empty and name in ("training", "mask"):
            break
        if calling.is_option(arguments[name]):
            break
        args.append(arguments.pop(name))
    return tuple(args), arguments
