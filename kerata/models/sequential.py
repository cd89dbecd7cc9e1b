"""Sequential: layers one after the other."""

from collections.abc import Iterable

from kerata.engine import tree
from kerata.engine.configurable import deserialize, publish_as, serialize
from kerata.engine.errors import argument_error
from kerata.engine.masks import get_mask, set_mask
from kerata.engine.symbolic import KerasTensor
from kerata.layers.calling import call_signature
from kerata.layers.input_layer import Input, InputLayer
from kerata.layers.layer import Layer
from kerata.models.function import Function
from kerata.models.functional import arranged, on_host, spec_of_call
from kerata.models.host import text_arrays
from kerata.models.model import Model


class Sequential(Model):
    """A model that calls its layers one after the other.

    If the first entry is an `Input` the model is built at once; otherwise when it is first called,
    or with `build(input_shape)`.

    Args:
        layers: list of layers; ops that take a tensor may stand among them as `Lambda` layers.
        trainable: whether training changes the layers' variables.
        name: name of the model.

    Example:
        >>> model = kerata.Sequential([kerata.Input((4,)), kerata.layers.Dense(2)])
        >>> model.output_shape
        (None, 2)
    """

    untracked = Model.untracked | {"_stack_input"}
    is_functional = False  # it has a graph, but also a list of layers that may change

    def __new__(cls, *args, **kwargs):
        return Layer.__new__(cls)

    def __init__(self, layers=None, trainable=True, name=None):
        if isinstance(layers, (Layer, str)) or not isinstance(layers or (), Iterable):
            must = "be a list of layers: Sequential([first, second])"
            raise argument_error("layers", must, layers, "Sequential", TypeError)
        super().__init__(trainable=trainable, name=name)
        self._layer_stack: list[Layer] = []
        for layer in layers or ():
            self.add(layer, rebuild=False)
        self._rebuild_graph()

    def add(self, layer, rebuild: bool = True) -> None:
        """Put a layer at the end.

        Args:
            layer: a layer, or the tensor that `Input()` returns, as the first one.
            rebuild: whether to build the model anew at once.

        Raises:
            ValueError: if it is no layer, its name is taken, or an input is not the first.
        """
        if isinstance(layer, KerasTensor) and hasattr(layer, "_keras_history"):
            layer = layer._keras_history.operation
            if not isinstance(layer, InputLayer):
                raise ValueError(
                    f"{self._title()} takes layers, or an Input() at its beginning.\n"
                    f"Received: the output of layer {layer.name!r}"
                )
        if not isinstance(layer, Layer):
            if callable(layer) and not isinstance(layer, type):
                from kerata.layers import Lambda

                layer = Lambda(layer)
            else:
                hint = f"\nMake one: {layer.__name__}(...)" if isinstance(layer, type) else ""
                raise ValueError(
                    f"{self._title()} takes layers.\n"
                    f"Received: {layer!r} of type {type(layer).__name__}{hint}"
                )
        first = self.__dict__.get("_stack_input")
        if isinstance(layer, InputLayer):
            if self._layer_stack or first is not None:
                raise ValueError(
                    f"{self._title()} has layers already: an Input() can only be the first.\n"
                    f"Received: {layer.name!r} after {[x.name for x in self._layer_stack]}"
                )
            self._stack_input = layer
            return
        if any(layer.name == x.name for x in self._layer_stack):
            raise ValueError(
                f"The layers of {self._title()} must have different names.\n"
                f"Received: {layer.name!r} twice"
            )
        if not self._layer_stack and first is None and layer._given_shape is not None:
            self._stack_input = InputLayer(batch_shape=layer._given_shape)
        parameters = call_signature(type(layer).call).signature.parameters.values()
        required = [
            p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        if len(required) > 1:
            raise ValueError(
                f"A layer of {self._title()} is called with one argument.\n"
                f"Received: {layer.name!r}, whose `call` needs {required}"
            )
        self.__dict__["_state_locked"] = False
        self._forget_functions()
        self._layer_stack.append(layer)
        if rebuild:
            self._rebuild_graph()
        else:
            self._function_graph = None
            self.built = False

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer, and return it."""
        if not self._layer_stack:
            raise ValueError(f"{self._title()} has no layers to remove.")
        self._forget_functions()
        layer = self._layer_stack.pop()
        self.built = False
        self._function_graph = None
        if rebuild:
            self._rebuild_graph()
        return layer

    def _rebuild_graph(self):
        """Build the model if it is known what comes in."""
        self._function_graph = None
        first = self.__dict__.get("_stack_input")
        if first is not None and self._layer_stack:
            self.build(first.batch_shape)
        elif not self._layer_stack:
            return
        elif (
            isinstance(self._layer_stack[0], Model)
            and self._layer_stack[0]._function_graph is not None
        ):
            inner = self._layer_stack[0].input
            if isinstance(inner, KerasTensor):
                self.build(inner.shape)

    def build(self, input_shape=None):
        """Build the layers for inputs of a shape, the batch axis included."""
        if input_shape is None:
            return
        if not self._layer_stack:
            raise ValueError(f"{self._title()} cannot be built: it has no layers.")
        first = self.__dict__.get("_stack_input")
        if first is None or tree.is_shape(input_shape) and first.batch_shape != tuple(input_shape):
            if not tree.is_shape(input_shape):
                self._function_graph = None
                return
            dtype = _input_dtype(self)
            first = Input(batch_shape=input_shape, dtype=dtype)._keras_history.operation
            self._stack_input = first
        x = first.output
        for layer in self._layer_stack:
            try:
                x = layer(x)
            except NotImplementedError:
                # A layer whose outputs have no known shape: the layers are called one by one.
                return
        self._function_graph = Function(first.output, x, name="graph")

    def _build_for(self, arguments):
        if not self.built:
            x = text_arrays(None, next(iter(arguments.values())))
            if hasattr(x, "shape"):
                self.build((None, *tuple(x.shape)[1:]) if len(x.shape) else x.shape)
            first = self.__dict__.get("_stack_input")
            if first is not None:
                first.sizes_are_guessed = True  # from the first data
            self._finish_build()

    def _on_host(self):
        if not self.built and _input_dtype(self) == "string":
            return self._built_on_host
        return super()._on_host()

    def _built_on_host(self, x):
        x = text_arrays(None, x)
        self._build_for({"inputs": x})
        return x if self._function_graph is None else on_host(self, x)

    def _runs_its_graph(self) -> bool:
        return type(self).call is Sequential.call

    def call(self, inputs, training=None, mask=None):
        """Compute the outputs."""
        if self._function_graph is not None:
            return super().call(inputs, training=training, mask=mask)
        if mask is not None and get_mask(inputs) is None:
            set_mask(inputs, mask)
        x = inputs
        for layer in self._layer_stack:
            x = layer(x)
        return x

    def compute_output_spec(self, inputs, training=None, mask=None):
        if self._function_graph is not None:
            return self._function_graph.run(arranged(self, inputs), spec_of_call)
        x = inputs
        for layer in self._layer_stack:
            x = layer.compute_output_spec(x)
        return x

    def compute_output_shape(self, input_shape):
        """Return the shape of the outputs for inputs of a shape."""
        return Layer.compute_output_shape(self, input_shape)

    def _state_leaves(self):
        return Layer._state_leaves(self)

    @property  # type: ignore[misc]  # the base's setter only words an error
    def layers(self) -> list[Layer]:
        """The layers, in order; the input is not among them."""
        return list(self._layer_stack)

    def get_build_config(self) -> dict | None:
        return Layer.get_build_config(self)

    def get_config(self) -> dict:
        config = Layer.get_config(self)
        first = self.__dict__.get("_stack_input")
        stack = [*([first] if first is not None else []), *self._layer_stack]
        config["layers"] = [serialize(layer) for layer in stack]
        if self._function_graph is None and self._build_shapes:
            config["build_input_shape"] = self._build_shapes.get("input_shape")
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a model from what `get_config` returned."""
        from kerata.engine.configurable import custom_object_scope

        if not {"name", "layers"} <= config.keys():
            raise ValueError(f"The config needs `name` and `layers`.\nReceived: {list(config)}")
        with custom_object_scope(custom_objects or {}):
            model = cls(name=config["name"])
            if "dtype" in config:
                model.dtype_policy = deserialize(config["dtype"])
            for entry in config["layers"]:
                layer = deserialize(entry)
                if isinstance(layer, InputLayer):
                    model._stack_input = layer
                else:
                    model.add(layer, rebuild=False)
            model._rebuild_graph()
            if not model.built and config.get("build_input_shape"):
                model.build(tuple(config["build_input_shape"]))
            if config.get("trainable") is False:
                model.trainable = False
        return model


def _input_dtype(layer) -> str | None:
    """Return the dtype of what a layer takes, or None; of a model that of its first layer."""
    while isinstance(layer, Sequential) and layer._function_graph is None and layer._layer_stack:
        layer = layer._layer_stack[0]
    if getattr(layer, "_function_graph", None) is not None and isinstance(layer.input, KerasTensor):
        return layer.input.dtype
    return getattr(layer, "_input_dtype_hint", None)


publish_as("keras", "Sequential", Sequential, canonical=True)
