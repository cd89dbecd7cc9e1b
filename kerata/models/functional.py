"""Functional: a model that runs the graph between symbolic inputs and outputs."""

import inspect
from collections import deque
from typing import Any

import numpy as np

from kerata import ops
from kerata.engine import tree
from kerata.engine.configurable import deserialize, publish_as, serialize
from kerata.engine.errors import UnsafeModelError, unknown_name, warn
from kerata.engine.masks import get_mask, set_mask
from kerata.engine.symbolic import FunctionCall, KerasTensor, is_symbolic, record_call
from kerata.layers.calling import call_signature
from kerata.layers.input_layer import InputLayer
from kerata.layers.layer import Layer, is_plain_numbers
from kerata.models.function import Function, is_input, replay
from kerata.models.host import Cut, Prepared, is_text, runs_on_host, text_arrays
from kerata.models.model import Model
from kerata.models.op_names import arguments_of_call, keras_call, operation_from_config


class _Made(type):
    """Counts every model with a graph as functional, also of a class of the user's."""

    def __instancecheck__(cls, instance):
        if super().__instancecheck__(instance):
            return True
        return cls is Functional and isinstance(instance, Model) and instance.is_functional


class Functional(Model, metaclass=_Made):
    """A model made from symbolic tensors: `Model(inputs, outputs)` returns one.

    Args:
        inputs: symbolic tensor made with `Input()`, or a structure of them.
        outputs: symbolic tensor computed from the inputs, or a structure of them.
        name: name of the model.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)


publish_as("keras.src.models.functional", "Functional", Functional, canonical=True)
publish_as("keras", "Functional", Functional)


def takes_a_graph(cls) -> bool:
    """Whether instances of a class are made from inputs and outputs, like functional models."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    kinds = {p.kind for p in parameters}
    passes_on = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
    return passes_on or [p.name for p in parameters[:2]] == ["inputs", "outputs"]


def graph_spec(model, inputs, training=None, mask=None):
    """Return the symbolic outputs of a model's graph, layer by layer.

    Each layer knows its unknown dimensions best.
    """
    return _unpacked(model._function_graph.run(arranged(model, inputs), spec_of_call))


def _unpacked(outputs):
    """Return the output of a model that has one; of others the structure of outputs."""
    single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
    return outputs[0] if single else outputs


def make_graph(inputs, outputs) -> Function:
    """Return the graph of a model; inputs may be results of layers, from which it then begins.

    Raises:
        ValueError: if an input is given twice, or there is no way to an output.
    """
    flat = tree.flatten(inputs)
    if len({id(x) for x in flat}) != len(flat):
        raise ValueError(f"An input may be given only once.\nReceived: inputs={inputs!r}")
    if isinstance(inputs, dict):
        for key, x in inputs.items():
            history = getattr(x, "_keras_history", None)
            if history and is_input(x) and key != history.operation.name:
                warn(
                    f"In `inputs`, the key {key!r} names an Input() called "
                    f"{history.operation.name!r}. Data is found by the key.",
                )
    if all(isinstance(x, KerasTensor) and is_input(x) for x in flat):
        return Function(inputs, outputs, name="graph")
    fresh, outputs = replay(flat, outputs)
    return Function(tree.pack_sequence_as(inputs, fresh), outputs, name="graph")


def spec_of_call(operation, args, kwargs):
    return operation.compute_output_spec(*args, **kwargs)


def run_graph(model, inputs, mask=None):
    """Run a model's graph on `inputs`."""
    if isinstance(inputs, Prepared):
        return _unpacked(cut_of(model).run(inputs))
    flat = arranged(model, inputs)
    if mask is not None:
        for x, m in zip(flat, tree.flatten(mask)):
            if m is not None and get_mask(x) is None:
                set_mask(x, m)
    return _unpacked(model._function_graph.run(flat))


def cut_of(model) -> Cut | None:
    """Return where the graph of a model is cut before it is compiled, or None if it is not."""
    graph = model._function_graph
    if graph is None:
        return None
    if not hasattr(graph, "cut"):
        graph.cut = None
        if any(map(is_text, graph.inputs)) or any(map(runs_on_host, model._flatten_layers())):
            nested = any(map(_runs_on_host_inside, graph.operations))
            ends = replay(graph.inputs, graph.output, _inlined) if nested else None
            graph.cut = Cut(*(ends or (graph.inputs, graph.output)))
    return graph.cut


def _runs_on_host_inside(operation) -> bool:
    """Return whether an operation is a model to cut: nothing but a graph with host layers."""
    return (
        getattr(operation, "_function_graph", None) is not None
        and operation._runs_its_graph()
        and operation.activity_regularizer is None
        and any(map(runs_on_host, operation._flatten_layers()))
    )


def _inlined(operation, args, kwargs):
    """Call an operation; a model inside, part of which runs on the host, layer by layer."""
    if not _runs_on_host_inside(operation):
        return operation(*args, **kwargs)
    given = call_signature(type(operation).call).signature.bind(*args, **kwargs).arguments
    flat, training = arranged(operation, given["inputs"]), given.get("training")
    masks = given.get("mask")
    if masks is not None:
        flat = [
            x if m is None or is_text(x) else record_call(_with_mask, (x, m), {})
            for x, m in zip(flat, tree.flatten(masks), strict=True)
        ]

    def call(inner, args, kwargs):
        if isinstance(inner, Layer) and call_signature(type(inner).call).has_training:
            if training is not None and kwargs.get("training") is None:
                kwargs = {**kwargs, "training": training}
        return _inlined(inner, args, kwargs)

    return _unpacked(operation._function_graph.run(flat, call))


def _with_mask(x, mask):
    """Return `x` with a mask attached, unless it has one."""
    if get_mask(x) is None:
        set_mask(x, mask)
    return x


def on_host(model, inputs) -> Prepared:
    """Run the part of a model that does not belong to the compiled step."""
    cut = cut_of(model)
    assert cut is not None
    return cut.prepare(arranged(model, inputs, as_given=True))


def arranged(model, inputs, as_given: bool = False) -> list:
    """Return `inputs` as a flat list in the order of the model's inputs, with their ranks.

    Data may come in the structure of the inputs, as a flat list, or as a dict by input name. An
    axis of size 1 at the end is added or taken away where that makes the rank fit. Arrays of
    NumPy become JAX's, unless they are wanted `as_given`.
    """
    graph = model._function_graph
    wanted = graph.inputs
    if any(map(is_text, wanted)):
        inputs = text_arrays(graph.input, inputs)
    names = [x._keras_history.operation.name for x in wanted]
    flat = _in_order(model, graph.input, inputs, names)
    if len(flat) != len(wanted):
        shapes = ", ".join(str(tuple(getattr(x, "shape", ()))) for x in flat[:4])
        hint = "\nIf these are samples, make one array of them: np.stack(x)."
        raise ValueError(
            f"{model._title()} takes {len(wanted)} input(s): {names}.\n"
            f"Received: {len(flat)} tensor(s), of shapes {shapes}"
            + (", …" if len(flat) > 4 else "")
            + (hint if len(flat) > len(wanted) == 1 else "")
        )
    exact = [as_given or known for known in _taken_on_host(graph)]
    return [_fit(model, x, t, e) for x, t, e in zip(flat, wanted, exact)]


def _taken_on_host(graph) -> list[bool]:
    """Return for each input whether only host layers take it: they need integers of 64 bits."""
    if not hasattr(graph, "taken_on_host"):
        takers: dict[int, list] = {id(x): [None] for x in graph.outputs}
        for node in graph.nodes:
            for x in node.input_tensors:
                takers.setdefault(id(x), []).append(node.operation)
        graph.taken_on_host = [
            all(runs_on_host(o) or _runs_on_host_inside(o) for o in takers.get(id(x), [None]))
            for x in graph.inputs
        ]
    return graph.taken_on_host


def _in_order(model, structure, inputs, names) -> list:
    """Return the leaves of `inputs` in the order of a model's inputs."""
    if len(names) == 1 and is_plain_numbers(inputs):
        return [np.asarray(inputs)]
    if _nests_alike(structure, inputs):
        return tree.flatten(inputs)
    if isinstance(inputs, dict):
        keys = names
        if isinstance(structure, dict) and not any(map(tree.is_nested, structure.values())):
            keys = tree.flatten({k: k for k in structure})
        missing = [k for k in keys if k not in inputs]
        if not missing:
            if len(inputs) > len(keys):
                _warn_of_structure(model, keys, inputs)
            return [inputs[k] for k in keys]
        if len(keys) == len(inputs) == 1 and not isinstance(structure, dict):
            return list(inputs.values())
        raise ValueError(
            f"{model._title()} needs inputs named {keys}.\nReceived: {sorted(map(str, inputs))}; "
            f"missing: {missing}"
        )
    flat = tree.flatten(inputs)
    if isinstance(structure, dict) and len(flat) == len(names):
        if len(flat) > 1 and list(structure) != sorted(structure):
            raise ValueError(
                f"{model._title()} needs a dict with the keys {list(structure)}: in a list it is "
                f"not clear which is which.\nReceived: a {type(inputs).__name__} of {len(flat)}"
            )
        _warn_of_structure(model, list(structure), inputs)
    return flat


def _nests_alike(structure, inputs) -> bool:
    if isinstance(structure, dict) and isinstance(inputs, dict):
        return set(structure) == set(inputs) and all(
            _nests_alike(structure[k], inputs[k]) for k in structure
        )
    if isinstance(structure, (list, tuple)) and isinstance(inputs, (list, tuple)):
        return len(structure) == len(inputs) and all(map(_nests_alike, structure, inputs))
    return not tree.is_nested(structure) and not tree.is_nested(inputs)


def _warn_of_structure(model, keys, inputs):
    if vars(model).setdefault("_warned_of_structure", False):
        return
    model._warned_of_structure = True
    came = sorted(map(str, inputs)) if isinstance(inputs, dict) else f"a {type(inputs).__name__}"
    warn(
        f"The structure of `inputs` doesn't match the expected structure of {model._title()}.\n"
        f"Expected: a structure with {keys}. Received: {came}",
    )


def _fit(model, x, wanted, as_given=False):
    """Return input `x` as a tensor of the wanted rank and dtype."""
    name = wanted._keras_history.operation.name
    if x is None:
        if getattr(wanted._keras_history.operation, "optional", False):
            return x
        raise ValueError(
            f"{model._title()}: input {name!r} is not optional.\nReceived: None\n"
            f"Make it with Input(..., optional=True) if it may be missing."
        )
    result = x
    if not isinstance(x, KerasTensor) and (is_text(wanted) or as_given):
        result = x if hasattr(x, "shape") and hasattr(x, "dtype") else np.asarray(x)
    if not isinstance(x, KerasTensor) and not is_text(wanted):
        if isinstance(x, np.ndarray) and x.dtype.kind in "USO":
            model._refuse_dtype(x)
        if not as_given:
            result = ops.convert_to_tensor(x, wanted.dtype, sparse=wanted.sparse)
    shape, expected = tuple(result.shape), wanted.shape
    if len(shape) == len(expected) + 1 and shape[-1] == 1:
        text = isinstance(result, np.ndarray)
        result = result[..., 0] if text else ops.squeeze(result, axis=-1)
    elif len(shape) == len(expected) - 1 and expected[-1] == 1:
        text = isinstance(result, np.ndarray)
        result = result[..., None] if text else ops.expand_dims(result, axis=-1)
    same_rank = len(result.shape) == len(expected)
    fits = same_rank and all(
        a is None or b is None or a == b for a, b in zip(result.shape[1:], expected[1:])
    )
    operation = wanted._keras_history.operation
    if not fits and same_rank and getattr(operation, "sizes_are_guessed", False):
        sizes = zip(result.shape, expected)
        wanted._shape = operation.batch_shape = tuple(b if a == b else None for a, b in sizes)
    elif not fits:
        hint = ""
        if len(shape) == len(expected) - 1:
            hint = "\nIf this is a single sample, add a batch axis: x[None]."
            if is_text(wanted):
                hint = "\nA single text goes into a list: [text]."
            if len(shape) > 1 and shape[1:] == expected[1:-1]:
                hint = "\nIf the channel axis is missing, add it: x[..., None]."
        raise ValueError(
            f"{model._title()} needs shape {expected} for its input {name!r} (None: any size).\n"
            f"Received: shape {shape}{hint}"
        )
    if result is not x and get_mask(x) is not None:
        set_mask(result, get_mask(x))
    return result


# Configs.


def graph_config(model) -> dict:
    """Return the config of a model with a graph: operations, their calls, inputs and outputs."""
    graph = model._function_graph
    used = {id(node) for node in graph.nodes}
    places: dict[tuple[int, int], int] = {}  # (operation, its node) -> place among the used ones
    for operation in graph.operations:
        kept = [
            i
            for i, node in enumerate(operation._inbound_nodes)
            if id(node) in used or isinstance(operation, InputLayer)
        ]
        places |= {(id(operation), i): place for place, i in enumerate(kept)}

    def reference(x):
        operation, node_index, tensor_index = x._keras_history
        return [operation.name, places[id(operation), node_index], tensor_index]

    def written(x):
        if isinstance(x, KerasTensor):
            config = {"shape": x.shape, "dtype": x.dtype, "keras_history": reference(x)}
            return {"class_name": "__keras_tensor__", "config": config}
        return serialize(x)

    layers = []
    for operation in graph.operations:
        nodes = [
            (node.args, node.kwargs)
            for i, node in enumerate(operation._inbound_nodes)
            if (id(operation), i) in places and not isinstance(operation, InputLayer)
        ]
        if isinstance(operation, FunctionCall):
            entry = serialize(keras_call(operation, *nodes[0])[0])
            nodes = [keras_call(operation, *node)[1:] for node in nodes]
        else:
            entry = serialize(operation)
        entry["name"] = operation.name
        entry["inbound_nodes"] = [
            {
                "args": [tree.map_structure(written, a) for a in args],
                "kwargs": {k: tree.map_structure(written, v) for k, v in kwargs.items()},
                **({_FIXED: True} if _may_be_default(operation, kwargs) else {}),
            }
            for args, kwargs in nodes
        ]
        layers.append(entry)
    ends = {
        name: tree.map_structure(reference, tensors)
        for name, tensors in (("input_layers", graph.input), ("output_layers", graph.output))
    }
    return {"name": model.name, "trainable": model.trainable, "layers": layers, **ends}


# Keras writes `training` into a call also where nobody gave it, as the layer's default. So where a
# user did give that, kerata says so; Keras takes no notice.
_FIXED = "training_fixed"


def _may_be_default(operation, kwargs) -> bool:
    given = kwargs.get("training")
    if given is None or not isinstance(operation, Layer):
        return False
    return given is call_signature(type(operation).call).training_default


def functional_from_config(cls, config: dict):
    """Make a functional model from its config: layers first, then the calls between them."""
    config = dict(config)
    operations: dict[str, Any] = {}
    calls: dict[str, deque] = {}  # those that are still to be made
    waiting: dict[tuple, list[str]] = {}  # from a call to the layers whose next one needs it
    lacking: tuple = ()
    for entry in config.pop("layers"):
        operation = _operation_from_config(entry)
        name = entry.get("name") or entry["config"]["name"]
        if name in operations:
            raise ValueError(
                f"The layers in a config must have different names.\nReceived: {name!r}"
            )
        operations[name] = operation
        calls[name] = deque(_calls_of(entry))

    def find(reference):
        nonlocal lacking
        name, node_index, tensor_index = reference[:3]
        if name not in operations:
            raise unknown_name("layer in the config", name, operations)
        nodes = operations[name]._inbound_nodes
        first = firsts.get(id(operations[name]), 0)
        if first + node_index >= len(nodes):
            lacking = (name, node_index)
            return None
        return nodes[first + node_index].outputs[tensor_index]

    firsts = {
        id(o): len(o._inbound_nodes) for o in operations.values() if not isinstance(o, InputLayer)
    }
    ready = deque(operations)
    while ready:
        name = ready.popleft()
        operation, mine = operations[name], calls[name]
        # Calls of one operation are made in their order: its place is how they are named.
        while mine:
            found = _arguments_of(mine[0], find)
            if found is None:
                waiting.setdefault(lacking, []).append(name)
                break
            args, kwargs = arguments_of_call(operation, *found)
            if _may_be_default(operation, kwargs) and _FIXED not in mine[0]:
                del kwargs["training"]
            if not is_symbolic(args, kwargs):
                raise UnsafeModelError(
                    f"A layer in a config is called on what comes out of other layers.\n"
                    f"Received: for {name!r} a call without them, which would be run at once"
                )
            operation(*args, **kwargs)
            mine.popleft()
            made = len(operation._inbound_nodes) - firsts.get(id(operation), 0) - 1
            ready += waiting.pop((name, made), ())
    if waiting:
        stuck = sorted({name for names in waiting.values() for name in names})
        raise ValueError(f"The config is not that of a model: {stuck} depend on each other.")

    def ends(structure):
        if _is_reference(structure):
            x = find(structure)
            if x is None:
                raise ValueError(f"The config names an output that is not there: {structure}")
            return x
        if isinstance(structure, dict):
            return {k: ends(v) for k, v in structure.items()}
        return type(structure)(ends(v) for v in structure)

    inputs = ends(config.pop("input_layers"))
    outputs = ends(config.pop("output_layers"))
    trainable = config.pop("trainable", None)
    config.pop("dtype", None)
    target = cls if cls is not Model else Functional
    model = target(inputs=inputs, outputs=outputs, **config)
    if trainable is False:
        model.trainable = False
    return model


def _is_reference(x) -> bool:
    return isinstance(x, (list, tuple)) and len(x) >= 3 and isinstance(x[0], str)


def _operation_from_config(entry: dict):
    found = operation_from_config(entry)
    if found is not None:
        return found
    operation = deserialize({k: v for k, v in entry.items() if k not in ("name", "inbound_nodes")})
    if not isinstance(operation, Layer) and not hasattr(operation, "_inbound_nodes"):
        raise ValueError(f"Not a layer: {entry.get('class_name')!r}")
    return operation


def _calls_of(entry: dict) -> list[dict]:
    return list(entry.get("inbound_nodes") or [])


def _arguments_of(node, find):
    """Return (args, kwargs) of a recorded call, or None while a tensor in them is not there."""
    if not isinstance(node, dict):
        return _old_arguments_of(node, find)
    missing = False

    def read(x):
        nonlocal missing
        if isinstance(x, dict) and x.get("class_name") == "__keras_tensor__":
            tensor = find(x["config"]["keras_history"])
            missing = missing or tensor is None
            return tensor
        if isinstance(x, dict) and "class_name" not in x:
            return {k: read(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return type(x)(read(v) for v in x)
        return deserialize(x)

    args, kwargs = tuple(read(a) for a in node["args"]), read(node["kwargs"])
    return None if missing else (args, kwargs)


def _old_arguments_of(node, find):
    """The same for the older form: a list of [layer, node, tensor, kwargs]."""
    references = [node] if _is_reference(node) else list(node)
    tensors = [find(r) for r in references]
    kwargs = dict(references[0][3]) if len(references[0]) > 3 else {}
    for key, value in kwargs.items():
        if _is_reference(value) and type(value[1]) is type(value[2]) is int:
            kwargs[key] = find(value)
            tensors.append(kwargs[key])
    if any(t is None for t in tensors):
        return None
    tensors = tensors[: len(references)]
    return (tensors[0] if len(tensors) == 1 else tensors,), kwargs
