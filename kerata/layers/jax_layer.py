"""Layers around models of other libraries: functions of JAX, and modules of Flax."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import dtypes, tree
from kerata.engine.errors import UnsafeModelError, argument_error
from kerata.engine.rng import SeedGenerator, draw_seed
from kerata.engine.variable import Variable
from kerata.layers.layer import Layer

_CALL = ("params", "state", "rng", "inputs", "training")
_INIT = ("rng", "inputs", "training")


class JaxLayer(Layer):
    """Makes a layer of a pure function of JAX.

    `call_fn` is called with those of these arguments that it has, by name:

    * `params`: values of the trainable weights, a pytree;
    * `state`: values of the non-trainable weights, a pytree. A function with this argument returns
      a pair (outputs, new state), others return the outputs;
    * `rng`: a key for `jax.random`;
    * `inputs`: a tensor, or a structure of them;
    * `training`: True in training.

    Args:
        call_fn: the function.
        init_fn: function of `rng`, `inputs` (zeros of the right shapes) and `training` (True),
            those of them that it has, that returns `params`, or a pair (params, state) if
            `call_fn` has the argument `state`. Called when the layer is built.
        params: the first values of the trainable weights, in place of `init_fn`.
        state: the first values of the non-trainable weights, likewise.
        seed: integer that fixes the random numbers.
        native_serialization_platforms: accepted for compatibility.
        **kwargs: `name`, `dtype`, `trainable`.

    Attributes:
        params, state: the pytrees, with a `Variable` for each number or array.

    Raises:
        ValueError: if a function has other arguments, or there are no weights to call it with.

    Example:
        >>> layer = kerata.layers.JaxLayer(
        ...     lambda params, inputs: inputs @ params["w"], params={"w": np.ones((3, 1))}
        ... )
        >>> layer(np.ones((2, 3)))
        Array([[3.],
               [3.]], dtype=float32)
    """

    config_exclude = (*Layer.config_exclude, "params", "state")

    def __init__(
        self,
        call_fn,
        init_fn=None,
        params=None,
        state=None,
        seed=None,
        native_serialization_platforms=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.call_fn, self._takes = call_fn, _arguments("call_fn", call_fn, _CALL, self)
        self.init_fn, init = init_fn, ()
        if init_fn is not None:
            init = _arguments("init_fn", init_fn, _INIT, self)
        elif params is None and state is None and "params" in self._takes:
            must = "be given, or `params` or `state`, since `call_fn` takes weights"
            raise argument_error("init_fn", must, init_fn, self)
        self._init_takes = init
        self.seed = seed
        self.native_serialization_platforms = native_serialization_platforms
        if "rng" in (*self._takes, *init):
            self.seed_generator = SeedGenerator(seed)
        self.params = self.state = None
        self._input_dtypes: list = []
        if params is not None or state is not None or init_fn is None:
            self._keep_variables(params, state)
            self.built = True

    def _variables(self, what, values, trainable):
        """Return a pytree with a variable in place of each number and array."""

        def variable(path, value):
            if isinstance(value, Variable):
                value = value.value
            if not isinstance(value, (jax.Array, np.ndarray, np.generic, int, float, complex)):
                return value
            name = jax.tree_util.keystr(path, simple=True, separator="_").replace("/", "_")
            return self.add_weight(
                shape=np.shape(value),
                initializer=lambda shape, dtype: value,
                dtype=dtypes.standardize_dtype(jnp.asarray(value).dtype),
                trainable=trainable,
                autocast=trainable,
                name=name or what,
            )

        return jax.tree_util.tree_map_with_path(variable, values)

    def _keep_variables(self, params, state):
        self.params = self._variables("params", params, True)
        self.state = self._variables("state", state, False)

    def _build_for(self, arguments):
        inputs = tree.flatten(next(iter(arguments.values())))
        self._input_dtypes = [getattr(x, "dtype", None) for x in inputs]
        super()._build_for(arguments)

    def build(self, input_shape):
        if self.built:
            return
        kinds = iter(self._input_dtypes)

        def zeros(shape):
            kind = next(kinds, None) or self.compute_dtype
            return jnp.zeros([1 if d is None else d for d in shape], dtypes.canonical(kind))

        found = {
            "rng": draw_seed(self.seed_generator) if "rng" in self._init_takes else None,
            "inputs": tree.map_shape_structure(zeros, input_shape),
            "training": True,
        }
        made = self.init_fn(*(found[name] for name in self._init_takes))
        self._keep_variables(*(made if "state" in self._takes else (made, None)))

    def call(self, inputs, training=False):
        found = {
            "params": _values(self.params),
            "state": _values(self.state),
            "rng": draw_seed(self.seed_generator) if "rng" in self._takes else None,
            "inputs": inputs,
            "training": bool(training),
        }
        outputs = self.call_fn(*(found[name] for name in self._takes))
        if "state" in self._takes:
            outputs, state = outputs
            self._set_state(state)
        return outputs

    def _set_state(self, new):
        mine, wanted = jax.tree_util.tree_flatten(self.state)
        leaves, structure = jax.tree_util.tree_flatten(new)
        if structure != wanted:
            raise ValueError(
                f"`call_fn` of {self._title()} must return a state structured like the one before."
                f"\nReceived: {structure}, after {wanted}"
            )
        for variable, value in zip(mine, leaves):
            if isinstance(variable, Variable):
                variable.assign(value)


def _values(weights):
    """Return a pytree with the values of the variables in it."""
    return jax.tree_util.tree_map(lambda v: v.value if isinstance(v, Variable) else v, weights)


def _arguments(name, function, allowed, layer) -> tuple[str, ...]:
    """Return the names of a function's arguments, checked."""
    if not callable(function):
        raise argument_error(name, "be a function", function, layer)
    parameters = inspect.signature(function).parameters.values()
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    found = tuple(p.name for p in parameters if p.kind not in variadic)
    wrong = [n for n in found if n not in allowed]
    if wrong or "inputs" not in found:
        raise ValueError(
            f"`{name}` of {layer._title()} must have an argument `inputs`, and none but "
            f"{', '.join(f'`{n}`' for n in allowed)}.\n"
            f"Received: the arguments {', '.join(f'`{n}`' for n in found)}\n"
            "Wrap it in a function that has these."
        )
    return found


class FlaxLayer(JaxLayer):
    """Makes a layer of a module of Flax (`flax.linen`).

    What the module keeps outside of its collection "params" becomes non-trainable weights.

    Args:
        module: the module, an instance of `flax.linen.Module`.
        method: what to call: a method of the module or its name, or a function that takes the
            module first; `__call__` if None. It takes the inputs first, and may have an argument
            `training`.
        variables: dict of collections, as the module's `init` returns it, to start from; the
            module is initialized when the layer is built if None.
        **kwargs: `seed`, `name`, `dtype`, `trainable`.

    Raises:
        TypeError: if `module` is no module of Flax.
    """

    config_exclude = (*Layer.config_exclude, "variables")

    def __init__(self, module, method=None, variables=None, **kwargs):
        if not (
            callable(getattr(module, "init", None)) and callable(getattr(module, "apply", None))
        ):
            must = "be a flax.linen.Module: it has the methods init() and apply()"
            raise argument_error("module", must, module, type(self), TypeError)
        self.module = module
        self.method = getattr(method, "__name__", None) if inspect.ismethod(method) else method
        named = self.method is None or isinstance(self.method, str)
        called = getattr(module, self.method or "__call__") if named else method
        self._has_training = "training" in inspect.signature(called).parameters
        params, state = (None, None) if variables is None else _split(variables)
        super().__init__(self._apply, self._init, params=params, state=state, **kwargs)

    def _init(self, rng, inputs, training):
        flag = {"training": training} if self._has_training else {}
        return _split(self.module.init(_keys(rng), inputs, method=self.method, **flag))

    def _apply(self, params, state, rng, inputs, training):
        flag = {"training": training} if self._has_training else {}
        return self.module.apply(
            {**params, **state},
            inputs,
            rngs=_keys(rng),
            method=self.method,
            mutable=list(state),
            **flag,
        )


def _keys(rng) -> dict:
    return dict(zip(("params", "dropout"), jax.random.split(rng)))


def _split(variables) -> tuple[dict, dict]:
    """Return the collections of trainable weights, and the others."""
    trainable = {k: v for k, v in variables.items() if k == "params"}
    return trainable, {k: v for k, v in variables.items() if k != "params"}


class TorchModuleWrapper(Layer):
    """Raises: a module of PyTorch does not run on JAX. See the error for what to use.

    Args:
        module: the module.
        name: name.
        output_shape: shape of the outputs.
        **kwargs: further arguments of a layer.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, module, name=None, output_shape=None, **kwargs):
        raise NotImplementedError(
            "TorchModuleWrapper: a module of PyTorch does not run on JAX.\n"
            f"Received: module={type(module).__name__}\n"
            "Build the module from kerata.layers and copy its weights with set_weights(), or wrap "
            "a function of JAX with kerata.layers.JaxLayer."
        )

    @classmethod
    def from_config(cls, config):
        """Raise UnsafeModelError: such a config holds a pickle."""
        raise _program_in_a_config(cls)


class TFSMLayer(Layer):
    """Raises: a SavedModel of TensorFlow does not run on JAX. See the error for what to use.

    Args:
        filepath: path of the SavedModel.
        call_endpoint: name of the endpoint to call.
        call_training_endpoint: name of the endpoint to call in training.
        trainable: whether training changes the weights.
        name: name.
        dtype: dtype.

    Raises:
        NotImplementedError: always.
    """

    def __init__(
        self,
        filepath,
        call_endpoint="serve",
        call_training_endpoint=None,
        trainable=True,
        name=None,
        dtype=None,
    ):
        raise NotImplementedError(
            "TFSMLayer: a SavedModel holds a program of TensorFlow, which does not run on JAX.\n"
            f"Received: filepath={str(filepath)!r}\n"
            "Save the model as a .keras file where it was made, and read that with "
            "kerata.saving.load_model()."
        )

    @classmethod
    def from_config(cls, config):
        """Raise UnsafeModelError: such a config names a program in another file."""
        raise _program_in_a_config(cls)


def _program_in_a_config(cls: type) -> UnsafeModelError:
    return UnsafeModelError(
        f"The config of a {cls.__name__} stands for a program, which is never run out of a file.\n"
        f"Received: class_name={cls.__name__!r}"
    )
