"""The table that `Model.summary()` prints."""

import io
import shutil

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kerata.engine import dtypes, tree
from kerata.engine.settings import is_interactive_logging_enabled
from kerata.layers.input_layer import InputLayer
from kerata.layers.layer import Layer
from kerata.utils.plotting import kind_of, layers_between

_BITS = {"bool": 8, "bfloat16": 16, "float8_e4m3fn": 8, "float8_e5m2": 8, "int4": 4, "uint4": 4}


def bytes_of(variables) -> int:
    """Return how many bytes the values of variables take."""
    total = 0
    for v in variables:
        bits = _BITS.get(v._dtype) or np.dtype(dtypes.canonical(v._dtype)).itemsize * 8
        total += -(-v.size * bits // 8)
    return total


def readable_size(size: float) -> str:
    """Return a number of bytes in words.

    Example:
        >>> from kerata.models.summary import readable_size
        >>> readable_size(2048)
        '2.00 KB'
    """
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"


def _output_shape(layer) -> str:
    if isinstance(layer, InputLayer):
        return str(layer.batch_shape)
    if not getattr(layer, "built", True):
        return "?"
    nodes = layer._inbound_nodes
    found = {str(_shapes(node.output_structure)) for node in nodes}
    if not nodes:
        graph = getattr(layer, "_function_graph", None)
        if graph is not None:
            return str(_shapes(graph.output))
        return _evaluated_shape(layer)
    return found.pop() if len(found) == 1 else "multiple" if found else "?"


def _shapes(structure):
    shapes = [x.shape for x in tree.flatten(structure)]
    return shapes[0] if len(shapes) == 1 else tuple(shapes)


def _evaluated_shape(layer) -> str:
    """The shape that comes out for the shape that the layer was built for."""
    shapes = layer._build_shapes
    if not shapes:
        return "?"
    try:
        if len(shapes) == 1:
            return str(layer.compute_output_shape(next(iter(shapes.values()))))
        return str(layer.compute_output_shape(**shapes))
    except Exception:  # the table is worth having without this cell
        return "?"


def _connections(layer, used) -> str:
    found = []
    for node in layer._inbound_nodes:
        if used and id(node) not in used:
            continue
        for x in node.input_tensors:
            operation, node_index, tensor_index = x._keras_history
            found.append(f"{operation.name}[{node_index}][{tensor_index}]")
    return ", ".join(found) or "-"


def print_summary(
    model,
    line_length=None,
    positions=None,
    print_fn=None,
    expand_nested=False,
    show_trainable=False,
    layer_range=None,
) -> None:
    """Print the table; the arguments are those of `Model.summary`."""
    graph = getattr(model, "_function_graph", None)
    branching = graph is not None and not _is_chain(graph)
    used = {id(node) for node in graph.nodes} if graph is not None else set()
    heads = ["Layer (type)", "Output Shape", "Param #"]
    heads += ["Connected to"] if branching else []
    heads += ["Trainable"] if show_trainable else []
    width = _width(line_length, heads)
    table = Table(width=width, show_lines=True)
    ratios = _ratios(positions, len(heads), width)
    for head, ratio in zip(heads, ratios):
        right = head in ("Param #", "Trainable")
        table.add_column(head, ratio=ratio, justify="right" if right else "left", overflow="fold")

    def add(layer, depth):
        prefix = "   " * depth + ("└ " if depth else "")
        label = f"[bold]{escape(prefix + layer.name)}[/bold] ({escape(kind_of(layer))})"
        count = f"{_count(layer):,}" if getattr(layer, "built", True) else "0 (unbuilt)"
        row = [label, escape(_output_shape(layer)), count]
        if branching:
            row.append(escape(_connections(layer, used if depth == 0 else set())))
        if show_trainable:
            trained = getattr(layer, "trainable_weights", [])
            row.append("Y" if trained else "N" if getattr(layer, "weights", []) else "-")
        table.add_row(*row)
        if expand_nested and hasattr(layer, "layers") and hasattr(layer, "summary"):
            for child in layer.layers:
                add(child, depth + 1)

    for layer in layers_between(_listed(model), layer_range):
        add(layer, 0)
    lines = _render(model, table, width)
    if print_fn is not None:
        for line in lines.splitlines():
            print_fn(line)
    elif is_interactive_logging_enabled():
        print(lines)
    else:
        import logging

        logging.getLogger("kerata").info("%s", lines)


def _listed(model) -> list:
    if getattr(model, "is_functional", False):
        return model.operations
    return list(model.layers) if hasattr(model, "layers") else model._sublayers


def _is_chain(graph) -> bool:
    called = {id(node.operation) for node in graph.nodes}
    return (
        len(graph.inputs) == 1
        and len(called) == len(graph.nodes)
        and all(
            isinstance(node.operation, Layer) and len(node.input_tensors) == 1
            for node in graph.nodes
        )
    )


def _count(layer) -> int:
    return sum(v.size for v in getattr(layer, "weights", []))


def _width(line_length, heads) -> int:
    if line_length:
        return max(int(line_length), 4 * len(heads) + 1)
    terminal = shutil.get_terminal_size((80, 24)).columns
    return min(max(terminal, 60), 68 + 22 * (len(heads) - 3) + 12)


def _ratios(positions, columns, width) -> list[int]:
    if positions:
        ends = [p if p > 1 else round(p * width) for p in positions[:columns]]
        widths = [max(1, int(b - a)) for a, b in zip([0, *ends], ends)]
        return [*widths, *[1] * (columns - len(widths))]
    return [33, 24, 15, 22, 11][:columns] if columns <= 5 else [1] * columns


def _render(model, table, width) -> str:
    buffer = io.StringIO()
    console = Console(file=buffer, width=max(width, 20), force_terminal=False, color_system=None)
    console.print(f'[bold]Model: "{escape(model.name)}"[/bold]')
    console.print(table)
    weights = model.weights
    trainable = model.trainable_weights
    known = {id(v) for v in trainable}
    frozen = [v for v in weights if id(v) not in known]
    rows = [("Total params", weights), ("Trainable params", trainable)]
    rows.append(("Non-trainable params", frozen))
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and getattr(optimizer, "built", False):
        rows[0] = ("Total params", [*weights, *optimizer.variables])
        rows.append(("Optimizer params", optimizer.variables))
    for label, variables in rows:
        count = sum(v.size for v in variables)
        console.print(f" {label}: {count:,} ({readable_size(bytes_of(variables))})")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
