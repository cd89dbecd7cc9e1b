"""clone_model: the same architecture with fresh weights."""

from collections.abc import Callable

from kerata.engine import tree
from kerata.engine.errors import reworded
from kerata.engine.symbolic import KerasTensor
from kerata.layers.input_layer import Input
from kerata.layers.layer import Layer
from kerata.models.functional import Functional
from kerata.models.model import Model
from kerata.models.sequential import Sequential


@reworded
def clone_model(
    model,
    input_tensors=None,
    clone_function: Callable | None = None,
    call_function: Callable | None = None,
    recursive: bool = False,
    **kwargs,
):
    """Return a model like `model` whose layers are new, with freshly initialized weights.

    Args:
        model: the model.
        input_tensors: symbolic tensors to begin with, in the structure of the inputs.
        clone_function: function from a layer to the layer to put in its place; by default a new
            layer from its config. Input layers are not given to it.
        call_function: function `(layer, *args, **kwargs)` that calls a new layer; functional
            models only.
        recursive: whether `clone_function` is applied inside models that are layers.

    Raises:
        ValueError: if an argument does not go with the kind of model.

    Example:
        >>> model = kerata.Sequential([kerata.Input((2,)), kerata.layers.Dense(1)])
        >>> kerata.models.clone_model(model).output_shape
        (None, 1)
    """
    if kwargs:
        raise ValueError(f"clone_model() has no argument {', '.join(map(repr, kwargs))}.")
    given = clone_function

    def make(layer):
        if recursive and isinstance(layer, (Functional, Sequential)):
            return clone_model(layer, clone_function=given, recursive=True)
        return layer.from_config(layer.get_config()) if given is None else given(layer)

    clone = _clone(model, make, input_tensors, given, call_function, recursive)
    if getattr(model, "compiled", False):
        clone.compile_from_config(model.get_compile_config())
    return clone


def _clone(model, make, input_tensors, given, call_function, recursive):
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("`call_function` goes with functional models only.")
        return _clone_sequential(model, make, input_tensors)
    if isinstance(model, Functional):
        if type(model) is not Functional and given is None and call_function is None:
            if input_tensors is None and not recursive:
                return type(model).from_config(model.get_config())
        return _clone_functional(model, make, input_tensors, call_function)
    if given is not None or input_tensors is not None or call_function is not None or recursive:
        raise ValueError(
            "`clone_function`, `call_function`, `input_tensors` and `recursive` go with functional "
            f"and Sequential models only.\nReceived: model={model!r}"
        )
    return type(model).from_config(model.get_config())


def _fresh(x: KerasTensor) -> KerasTensor:
    """Return an input like that which `x` comes from."""
    name = x._keras_history.operation.name
    return Input(batch_shape=x.shape, dtype=x.dtype, sparse=x.sparse, name=name)


def _clone_sequential(model, make, input_tensors):
    layers = [make(layer) for layer in model.layers]
    if input_tensors is not None:
        tensors = tree.flatten(input_tensors)
        if len(tensors) != 1 or not isinstance(tensors[0], KerasTensor):
            raise ValueError(
                "A Sequential model takes one symbolic tensor as `input_tensors`.\n"
                f"Received: {input_tensors!r}"
            )
        layers.insert(0, tensors[0])
    elif model.__dict__.get("_stack_input") is not None:
        first = model._stack_input
        layers.insert(0, _fresh(first.output))
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _clone_functional(model, make, input_tensors, call_function):
    graph = model._function_graph
    if input_tensors is None:
        fresh = list(map(_fresh, graph.inputs))
    else:
        fresh = tree.flatten(input_tensors)
        try:
            tree.assert_same_structure(graph.input, input_tensors)
        except ValueError as error:
            raise ValueError(
                f"`input_tensors` must have the structure of the model's inputs.\nReceived: {error}"
            ) from None
        if not all(isinstance(x, KerasTensor) for x in fresh):
            raise ValueError(
                f"`input_tensors` must hold symbolic tensors.\nReceived: {input_tensors!r}"
            )
    copies: dict[int, object] = {}

    def call(operation, args, kwargs):
        if not isinstance(operation, Layer):
            return operation(*args, **kwargs)
        if id(operation) not in copies:
            copies[id(operation)] = make(operation)
        copied = copies[id(operation)]
        if call_function is not None:
            return call_function(copied, *args, **kwargs)
        return copied(*args, **kwargs)

    outputs = graph.run(fresh, call)
    inputs = tree.pack_sequence_as(graph.input, fresh)
    cls = type(model) if type(model) is not Model else Functional
    return cls(inputs=inputs, outputs=outputs, name=model.name)
