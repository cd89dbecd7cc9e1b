"""Model: a layer that can be trained, saved and summarized."""

import copy
import functools
import sys
from typing import Any

from kerata.engine import tree
from kerata.engine.errors import foreign_format, one_of, reworded, short, unknown_name, warn
from kerata.engine.symbolic import KerasTensor, is_symbolic
from kerata.layers.layer import Layer
from kerata.layers.state import replaceable
from kerata.models.host import text_arrays
from kerata.training.trainer import Trainer


class Model(Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate`, `predict`, `save` and `summary`.

    There are three ways to make one: from symbolic tensors, `Model(inputs, outputs)`; from a list
    of layers, `Sequential(layers)`; or as a subclass that makes its layers in `__init__` and uses
    them in `call`.

    Args:
        inputs: symbolic tensor made with `Input()`, or a structure of them.
        outputs: symbolic tensor computed from the inputs, or a structure of them.
        name: name of the model.

    Example:
        >>> inputs = kerata.Input((4,))
        >>> outputs = kerata.layers.Dense(2)(inputs)
        >>> model = kerata.Model(inputs, outputs)
        >>> model(kerata.ops.ones((3, 4))).shape
        (3, 2)
    """

    _function_graph: Any
    untracked = Layer.untracked | Trainer.untracked | {"_function_graph"}
    # Each layer inside casts what it gets; a graph's inputs have dtypes of their own.
    convert_inputs = False

    def __new__(cls, *args, **kwargs):
        if cls is Model and _is_functional(args, kwargs):
            from kerata.models.functional import Functional

            return Functional.__new__(Functional)
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        graph = None
        if _is_functional(args, kwargs):
            inputs, outputs, kwargs = _functional_arguments(args, kwargs)
            args = ()
            from kerata.models.functional import make_graph

            graph = make_graph(inputs, outputs)
        if args:
            raise TypeError(
                f"{type(self).__name__} takes symbolic tensors made with Input() as `inputs` and "
                f"`outputs`, or keyword arguments.\nReceived: {short(args)}" + _layers_hint(args)
            )
        self.__dict__["_function_graph"] = graph
        Layer.__init__(self, **kwargs)
        Trainer.__init__(self)
        self.built = graph is not None
        if graph is not None and not self.trainable:
            self.trainable = False  # so are the layers inside

    def _refuse_keywords(self, kwargs):
        # Classes that make a graph pass on arguments of their subclasses: Keras lets them.
        if self._function_graph is None or type(self).__init__.__module__.startswith("kerata."):
            super()._refuse_keywords(kwargs)
        warn(
            f"{type(self).__name__} ignores the arguments {sorted(kwargs)}: a Model has none such."
        )

    def __deepcopy__(self, memo):
        # Tensors and calls refer to each other all along a graph, and copying goes as deep.
        graphs = [getattr(layer, "_function_graph", None) for layer in self._flatten_layers()]
        depth = 60 * sum(len(graph.nodes) for graph in graphs if graph is not None)
        limit = sys.getrecursionlimit()
        twin = memo[id(self)] = object.__new__(type(self))
        sys.setrecursionlimit(limit + depth)
        try:
            vars(twin).update(copy.deepcopy(self.__getstate__(), memo))
        finally:
            sys.setrecursionlimit(limit)
        return twin

    def call(self, inputs, training=None, mask=None):
        """Compute the outputs; subclasses write this."""
        if self._function_graph is None:
            raise NotImplementedError(f"{self._title()} must have a `call` method.")
        from kerata.models.functional import run_graph

        return run_graph(self, inputs, mask)

    def _on_host(self):
        from kerata.models.functional import cut_of, on_host

        if self._function_graph is None or not self._runs_its_graph() or cut_of(self) is None:
            return None
        return functools.partial(on_host, self)

    def _has_call(self, cls) -> bool:
        return cls.call is not Model.call or self._function_graph is not None

    def _runs_its_graph(self) -> bool:
        return type(self).call is Model.call

    def _as_arrays(self, x):
        return text_arrays(None if self._function_graph is None else self._function_graph.input, x)

    def _finished(self, outputs):
        cut = getattr(self._function_graph, "cut", None)
        return outputs if cut is None else cut.finish(outputs)

    def _state_leaves(self):
        if self._function_graph is not None:
            yield from (o for o in self._function_graph.operations if isinstance(o, Layer))
            inside = {id(o) for o in self._function_graph.operations}
            yield from (x for x in super()._state_leaves() if id(x) not in inside)
        else:
            yield from super()._state_leaves()

    @property
    def is_functional(self) -> bool:
        """Whether the model was made from symbolic tensors."""
        return self._function_graph is not None

    # Structure.

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, in order."""
        return self._sublayers

    @layers.setter
    def layers(self, _):
        raise AttributeError(
            "`layers` lists what the model's attributes hold, and cannot be set. Use another name."
        )

    @replaceable
    def operations(self) -> list:
        """The layers and ops of a functional model, in order."""
        return self._of_graph("operations")

    @replaceable
    def inputs(self) -> list[KerasTensor]:
        """The input tensors of a functional model, flat."""
        return self._of_graph("inputs")

    @replaceable
    def outputs(self) -> list[KerasTensor]:
        """The output tensors of a functional model, flat."""
        return self._of_graph("outputs")

    @property
    def input(self):
        """The input tensors of a functional model, in their structure."""
        return self._of_graph("input") if self._function_graph is not None else super().input

    @property
    def output(self):
        """The output tensors of a functional model, in their structure."""
        return self._of_graph("output") if self._function_graph is not None else super().output

    @replaceable
    def input_shape(self):
        """The shapes of the inputs, in their structure."""
        return tree.map_structure(lambda x: x.shape, self.input)

    @replaceable
    def output_shape(self):
        """The shapes of the outputs, in their structure."""
        return tree.map_structure(lambda x: x.shape, self.output)

    @replaceable
    def output_names(self) -> list[str] | None:
        """The names of the outputs of a functional model: those of the layers they come from."""
        if self._function_graph is None:
            return None
        return [x._keras_history.operation.name for x in self._function_graph.outputs]

    @replaceable
    def input_names(self) -> list[str] | None:
        """The names of the inputs of a functional model."""
        if self._function_graph is None:
            return None
        return [x._keras_history.operation.name for x in self._function_graph.inputs]

    def _of_graph(self, what: str):
        if self._function_graph is None:
            raise AttributeError(
                f"{self._title()} has no `{what}`: only functional models, and Sequential models "
                "that are built, have."
            )
        return getattr(self._function_graph, what)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name or its place in `layers`.

        Args:
            name: the layer's name.
            index: its place.

        Raises:
            ValueError: if there is no such layer, or not exactly one of the arguments is given.
        """
        if (name is None) == (index is None):
            raise ValueError(
                f"get_layer() takes a name or an index.\nReceived: name={name!r}, index={index!r}"
            )
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"{self._title()} has {len(layers)} layers.\nReceived: index={index}"
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise unknown_name(
            "layer", name, [x.name for x in layers], f"Layers: {[x.name for x in layers]}"
        )

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ) -> None:
        """Print a table of the layers: output shapes, parameters, bytes.

        Args:
            line_length: width of the table in characters; that of the terminal if None.
            positions: relative or absolute ends of the columns.
            print_fn: function to print with; called with a line at a time, or with all of it.
            expand_nested: whether to list the layers of models inside.
            show_trainable: whether to show which layers are trainable.
            layer_range: pair (first, last) of layer names, or patterns, to list only these.

        Raises:
            ValueError: if `layer_range` names no layer.
        """
        from kerata.models.summary import print_summary

        print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    # Quantization acts from outside.

    def quantize(  # type: ignore[override]
        self, mode=None, config=None, filters=None, **kwargs
    ) -> None:
        """Replace the weights of the layers inside by quantized ones.

        Layers that cannot be quantized stay as they are.

        Args:
            mode: "int8", "int4", "float8" to compute in it, or "gptq" or "awq", which calibrate
                with data and need a config; that of `config` if None.
            config: a `kerata.quantizers.QuantizationConfig`.
            filters: which layers: a regular expression of their names, a list of these, or a
                function of a layer.
            **kwargs: `type_check=False` to quantize subclasses of built-in layers, too.

        Raises:
            ValueError: if the model is not built, a layer is quantized already, or an argument
                does not fit; nothing is changed then.

        Example:
            >>> model = kerata.Sequential([kerata.Input((3,)), kerata.layers.Dense(4)])
            >>> model.quantize("int8")
            >>> model.layers[0].quantization_mode
            'int8'
        """
        type_check = kwargs.pop("type_check", True)
        if kwargs:
            raise ValueError(
                f"{self._title()}.quantize() has no argument {', '.join(map(repr, kwargs))}."
            )
        from kerata.quantizers.calibration import quantize_model

        quantize_model(self, mode, config, filters, type_check)
        forget = getattr(self.optimizer, "forget_others", None)
        if forget is not None:
            forget(self.trainable_variables)
        self._forget_functions()

    def get_quantization_layer_structure(self, mode=None):
        """Return the blocks to calibrate one after the other, or None; subclasses may write this.

        Args:
            mode: "gptq" or "awq".

        Returns:
            A dict with the lists "pre_block_layers" and "sequential_blocks" of layers, or None.
        """
        return None

    # Saving. The room of saving is above this one, so it is entered only when it is asked for.

    @reworded
    def save(self, filepath, overwrite=True, zipped=None, **kwargs) -> None:
        """Write the model to a file: architecture, weights, optimizer and compile arguments.

        Args:
            filepath: path of a `.keras` file, or of an older `.h5` file.
            overwrite: whether to replace a file that is there without asking.
            zipped: whether to write a zip archive (the default for `.keras`), not a folder.
        """
        from kerata.saving import save_model

        save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None, **kwargs) -> None:
        """Write the weights to a `.weights.h5` or `.safetensors` file.

        Args:
            filepath: path that ends in `.weights.h5` or `.safetensors`.
            overwrite: whether to replace a file that is there without asking.
            max_shard_size: largest size of one file in gigabytes, or None for a single file.
            **kwargs: see `kerata.saving.save_weights`.
        """
        from kerata.saving import save_weights

        save_weights(self, filepath, overwrite, max_shard_size, **kwargs)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs) -> None:
        """Read the weights from a file that `save_weights` or `save` wrote.

        Args:
            filepath: path of a `.weights.h5`, `.keras`, `.safetensors` or older `.h5` file.
            skip_mismatch: whether to leave out layers whose weights do not fit, with a warning.
            **kwargs: see `kerata.saving.load_weights`.
        """
        from kerata.saving import load_weights

        load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs
    ):
        """Raise: all of Keras's formats are programs of other frameworks. See the error.

        Args:
            filepath: where to write.
            format: name of the format.
            verbose: whether to say what is done.
            input_signature: shapes and dtypes of the inputs.
            **kwargs: options of the format.

        Raises:
            NotImplementedError: for each of Keras's formats.
            ValueError: for any other.
        """
        formats = ("tf_saved_model", "onnx", "openvino", "litert", "torch")
        raise foreign_format("export()", one_of("format", format, formats, self))

    @reworded
    def to_json(self, **kwargs) -> str:
        """Return the architecture as JSON text; see `kerata.models.model_from_json`.

        Args:
            **kwargs: arguments of `json.dumps`.
        """
        import json

        from kerata.engine.configurable import serialize

        return json.dumps(serialize(self), **kwargs)

    def rematerialized_call(self, layer_call, *args, **kwargs):
        """Return `layer_call`: the layers inside are rematerialized, each for itself."""
        return layer_call

    def get_config(self) -> dict:
        """Return the graph of a functional model; what it was made with, of any other."""
        from kerata.models.functional import graph_config, takes_a_graph

        if self._function_graph is not None and takes_a_graph(type(self)):
            return graph_config(self)
        return super().get_config()

    def get_build_config(self) -> dict | None:
        """Return what `build_from_config` needs to build a fresh model alike, or None."""
        return super().get_build_config() if self._function_graph is None else {"input_shape": None}

    def compute_output_spec(self, *args, **kwargs):
        """Return symbolic tensors with the shapes and dtypes of the outputs."""
        from kerata.models.functional import graph_spec

        if self._function_graph is not None and type(self).call is Model.call:
            return graph_spec(self, *args, **kwargs)
        return super().compute_output_spec(*args, **kwargs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a model from what `get_config` returned.

        Args:
            config: the config.
            custom_objects: dict from name to class or function.
        """
        from kerata.engine.configurable import custom_object_scope

        with custom_object_scope(custom_objects or {}):
            if {"layers", "input_layers", "output_layers"} <= set(config):
                from kerata.models.functional import functional_from_config

                return functional_from_config(cls, config)
            return super().from_config(config)

    def build_from_config(self, config) -> None:
        """Build the model for the shapes in `config`, as it was when it was saved."""
        if not config or self.built:
            return
        shape = config.get("input_shape")
        if shape is None and not config.get("shapes_dict"):
            return
        super().build_from_config(config)

    def get_state_tree(self, value_format="backend_tensor") -> dict:
        """Return the values of all variables as nested dicts along their paths.

        Args:
            value_format: "backend_tensor" for arrays, "numpy_array" for NumPy arrays.

        Returns:
            A dict with the keys "trainable_variables", "non_trainable_variables",
            "optimizer_variables" and "metrics_variables".
        """
        found = {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
        }
        if getattr(self, "optimizer", None) is not None:
            found["optimizer_variables"] = self.optimizer.variables
        found["metrics_variables"] = self.metrics_variables
        result: dict = {}
        for kind, variables in found.items():
            result[kind] = {}
            for v in variables:
                *parents, name = v.path.split("/")
                place = result[kind]
                for parent in parents:
                    place = place.setdefault(parent, {})
                if name in place:
                    raise ValueError(
                        f"Two variables have the path {v.path!r}: give the layers unique names."
                    )
                place[name] = v.numpy() if value_format == "numpy_array" else v.value
        return result

    def set_state_tree(self, state_tree: dict) -> None:
        """Set the variables from what `get_state_tree` returned; missing ones stay as they are."""
        for kind, values in state_tree.items():
            owner = self.optimizer if kind == "optimizer_variables" else self
            name = "variables" if kind == "optimizer_variables" else kind
            for v in getattr(owner, name):
                place = values
                for part in v.path.split("/"):
                    place = place.get(part) if isinstance(place, dict) else None
                if place is not None:
                    v.assign(place)


def _is_functional(args, kwargs) -> bool:
    """Whether a model is made from symbolic tensors."""
    return len(args) >= 2 and is_symbolic(args[1]) or (
        "outputs" in kwargs and (len(args) == 1 or "inputs" in kwargs)
    )  # fmt: skip


def _functional_arguments(args, kwargs) -> tuple:
    kwargs = dict(kwargs)
    names = ("inputs", "outputs", "name")
    for name, value in zip(names, args):
        if name in kwargs:
            raise TypeError(f"Model() got `{name}` twice.")
        kwargs[name] = value
    return kwargs.pop("inputs"), kwargs.pop("outputs"), kwargs


def _layers_hint(args) -> str:
    """Say what to do about layers where tensors are wanted."""
    if not any(isinstance(x, Layer) for x in tree.flatten(args)):
        return ""
    if len(args) == 1:
        return "\nFor a list of layers there is kerata.Sequential(layers)."
    return "\nA layer becomes a tensor by a call: outputs = Dense(1)(inputs)."
