"""Models as diagrams: boxes for layers, arrows for tensors, drawn by Graphviz."""

import os
import re
import shutil
import sys
from html import escape

from kerata.engine import tree
from kerata.engine.errors import argument_error, unknown_name
from kerata.engine.optional import require


def model_to_dot(
    model,
    show_shapes=False,
    show_dtype=False,
    show_layer_names=True,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    subgraph=False,
    show_layer_activations=False,
    show_trainable=False,
    splines="ortho",
    **kwargs,
):
    """Return the diagram of a model, for pydot.

    Args:
        model: the model; a functional one, or a Sequential one that is built, is shown with its
            layers, any other as one box.
        show_shapes: whether boxes say the shapes that go in and come out.
        show_dtype: whether boxes say the dtype.
        show_layer_names: whether boxes say the name.
        rankdir: "TB" (downwards) or "LR" (to the right).
        expand_nested: whether to show the layers of models inside.
        dpi: dots per inch.
        subgraph: whether to return a `pydot.Cluster`, to be put into another diagram.
        show_layer_activations: whether boxes say the activation.
        show_trainable: whether boxes say what training changes.
        splines: form of the arrows: "ortho", "curved", "polyline", "spline" or "line".
        **kwargs: `layer_range`, a pair of names, shows the layers from one to the other.

    Returns:
        A `pydot.Dot`, or a `pydot.Cluster` with `subgraph`.

    Raises:
        ImportError: if pydot is not installed.
        ValueError: if there are other arguments, or `layer_range` names no layer.
    """
    layer_range = kwargs.pop("layer_range", None)
    if kwargs:
        raise argument_error("kwargs", "hold `layer_range` only", kwargs, "model_to_dot()")
    pydot = require("pydot", "plots", "model_to_dot()")
    shown = {
        "shapes": show_shapes,
        "dtype": show_dtype,
        "name": show_layer_names,
        "activation": show_layer_activations,
        "trainable": show_trainable,
    }
    if subgraph:
        dot = pydot.Cluster(graph_name=str(id(model)), label=model.name, style="dashed")
    else:
        dot = pydot.Dot("model", graph_type="digraph")
        for key, value in (("rankdir", rankdir), ("splines", splines), ("dpi", dpi)):
            dot.set(key, value)
    chosen = None
    if layer_range is not None:
        chosen = {layer.name for layer in layers_between(model.layers, layer_range)}
    _fill(dot, model, pydot, shown, expand_nested, chosen)
    return dot


def _fill(dot, model, pydot, shown, expand_nested, chosen) -> tuple[str, str]:
    """Add boxes and arrows; return the names of the boxes where tensors come in and go out."""
    graph = getattr(model, "_function_graph", None)
    if graph is None:
        return _box(dot, model, pydot, shown)
    ends: dict[int, tuple[str, str]] = {}
    for operation in graph.operations:
        if chosen is not None and operation.name not in chosen:
            continue
        if expand_nested and getattr(operation, "_function_graph", None) is not None:
            inner = pydot.Cluster(str(id(operation)), label=operation.name, style="dashed")
            ends[id(operation)] = _fill(inner, operation, pydot, shown, True, None)
            dot.add_subgraph(inner)
        else:
            ends[id(operation)] = _box(dot, operation, pydot, shown)
    arrows = dict.fromkeys(
        (id(x._keras_history.operation), id(node.operation))
        for node in graph.nodes
        for x in node.input_tensors
    )
    for source, target in arrows:
        if source in ends and target in ends:
            dot.add_edge(pydot.Edge(ends[source][1], ends[target][0]))
    first, last = ([ends.get(id(x._keras_history.operation)) for x in g]
                   for g in (graph.inputs, graph.outputs))  # fmt: skip
    return (first[0] or ("", ""))[0], (last[0] or ("", ""))[1]


def kind_of(operation) -> str:
    """Return the name of a layer's class, or of the function that an op calls."""
    kind = type(operation).__name__
    return operation.function.__name__ if kind == "FunctionCall" else kind


def _box(dot, operation, pydot, shown) -> tuple[str, str]:
    """Add the box of a layer: a table with a row for each thing to say."""
    kind = kind_of(operation)
    head = f"<b>{escape(operation.name)}</b> ({escape(kind)})" if shown["name"] else escape(kind)
    rows = [head]
    activation = getattr(operation, "activation", None)
    if shown["activation"] and activation is not None:
        rows.append(
            f"activation: <b>{escape(getattr(activation, '__name__', str(activation)))}</b>"
        )
    nodes = operation._inbound_nodes
    if shown["shapes"] and nodes:
        for label, tensors in (("input", nodes[0].input_tensors), ("output", nodes[0].outputs)):
            shapes = ", ".join(str(x.shape) for x in tree.flatten(tensors))
            if shapes:
                rows.append(f"{label}: <b>{escape(shapes)}</b>")
    if shown["dtype"] and nodes:
        rows.append(f"dtype: <b>{', '.join(dict.fromkeys(x.dtype for x in nodes[0].outputs))}</b>")
    if shown["trainable"] and getattr(operation, "weights", None):
        rows.append(f"trainable: <b>{bool(operation.trainable_weights)}</b>")
    cells = "".join(f"<tr><td>{row}</td></tr>" for row in rows)
    table = f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="8">{cells}</table>>'
    name = str(id(operation))
    dot.add_node(pydot.Node(name, label=table, shape="plaintext", fontname="Helvetica"))
    return name, name


def layers_between(layers, layer_range):
    """Return the layers from one to another, named or matched by a pattern; all if it is None."""
    if layer_range is None:
        return layers
    if len(layer_range) != 2 or not all(isinstance(x, str) for x in layer_range):
        raise ValueError(
            f"`layer_range` must be a pair of layer names.\nReceived: layer_range={layer_range!r}"
        )

    def matching(pattern):
        found = [i for i, x in enumerate(layers) if x.name == pattern] or [
            i for i, x in enumerate(layers) if re.match(pattern, x.name)
        ]
        if not found:
            raise unknown_name("layer", pattern, [x.name for x in layers])
        return found

    ends = sorted((matching(layer_range[0])[0], matching(layer_range[1])[-1]))
    return layers[ends[0] : ends[1] + 1]


def plot_model(
    model,
    to_file="model.png",
    show_shapes=False,
    show_dtype=False,
    show_layer_names=False,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    show_layer_activations=False,
    show_trainable=False,
    splines="ortho",
    **kwargs,
):
    """Write the diagram of a model to a file; see `model_to_dot` for what it shows.

    Args:
        model: the model.
        to_file: path of the file; its ending says the format (png, svg, pdf, dot ...).
        show_shapes: whether boxes say the shapes that go in and come out.
        show_dtype: whether boxes say the dtype.
        show_layer_names: whether boxes say the name.
        rankdir: "TB" (downwards) or "LR" (to the right).
        expand_nested: whether to show the layers of models inside.
        dpi: dots per inch.
        show_layer_activations: whether boxes say the activation.
        show_trainable: whether boxes say what training changes.
        splines: form of the arrows.
        **kwargs: `layer_range`; see `model_to_dot`.

    Returns:
        In a notebook the picture, to be shown there; else None.

    Raises:
        ImportError: if pydot, or Graphviz, is not installed.
        ValueError: if the model is not built.
    """
    options = {k: v for k, v in locals().items() if k not in ("model", "to_file", "kwargs")}
    if not model.built:
        raise ValueError(
            f"plot_model() needs a model that is built.\nReceived: {model!r}\n"
            "Call it on data, or build(input_shape)."
        )
    dot = model_to_dot(model, **options, **kwargs)
    to_file = os.fspath(to_file)
    form = os.path.splitext(to_file)[1][1:] or "png"
    if form == "dot":
        dot.write_raw(to_file)
        return None
    if shutil.which("dot") is None:
        raise ImportError(
            "plot_model() needs the program `dot` of Graphviz, which pip does not install.\n"
            f"Received: to_file={to_file!r}\n"
            "Install Graphviz (https://graphviz.org/download), or write a file that ends in .dot."
        )
    dot.write(to_file, format=form)
    if "IPython" not in sys.modules or form == "pdf":
        return None
    from IPython import display

    return display.SVG(to_file) if form == "svg" else display.Image(to_file)
