"""Function: the computation from some symbolic tensors to others, as a graph of operations."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from kerata.engine import tree
from kerata.engine.errors import argument_error
from kerata.engine.symbolic import KerasTensor, Node, Operation, symbolic_leaves
from kerata.layers.input_layer import Input


class Function(Operation):
    """Computes output tensors from input tensors by running the operations between them.

    Args:
        inputs: symbolic tensor, or a structure of them.
        outputs: symbolic tensor, or a structure of them, computed from the inputs.
        name: name.

    Attributes:
        nodes: the calls to run, in order.
        operations: the operations that are called, inputs included.

    Raises:
        ValueError: if an output depends on something that is no input, or two operations have the
            same name.

    Example:
        >>> x = kerata.Input((2,))
        >>> function = kerata.Function(x, kerata.ops.sum(x, axis=1))
        >>> function(kerata.ops.ones((3, 2)))
        Array([2., 2., 2.], dtype=float32)
    """

    def __init__(self, inputs, outputs, name=None):
        super().__init__(name=name)
        if not tree.flatten(outputs):
            raise argument_error("outputs", "hold at least one symbolic tensor", outputs, self)
        for what, given in (("inputs", inputs), ("outputs", outputs)):
            for x in tree.flatten(given):
                if not isinstance(x, KerasTensor):
                    raise argument_error(
                        what, "hold symbolic tensors only: start from Input()", x, self
                    )
        for x in tree.flatten(inputs):
            if not hasattr(x, "_keras_history"):
                # A bare symbolic tensor becomes an input.
                Input(tensor=x)
        self._inputs = tree.flatten(inputs)
        self._inputs_struct = inputs
        self._outputs_struct = outputs
        self._outputs = tree.flatten(outputs)
        self.nodes, self._operations = sort_graph(self._inputs, self._outputs)
        names = [o.name for o in self._operations]
        twice = sorted(n for n, count in Counter(names).items() if count > 1)
        if twice:
            raise ValueError(
                "The operations of a model must have different names.\n"
                f"Received: {twice} more than once"
            )

    @property
    def inputs(self) -> list[KerasTensor]:
        """The input tensors, flat."""
        return self._inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The output tensors, flat."""
        return self._outputs

    @property
    def input(self):
        """The input tensors in their structure."""
        return self._inputs_struct

    @property
    def output(self):
        """The output tensors in their structure."""
        return self._outputs_struct

    @property
    def operations(self) -> list[Operation]:
        """The operations, in order."""
        return list(self._operations)

    def call(self, inputs):
        """Compute the outputs for `inputs`, structured like the inputs."""
        tree.assert_same_structure(self._inputs_struct, inputs)
        return self.run(tree.flatten(inputs))

    def run(self, inputs: list, call: Callable | None = None):
        """Compute the outputs for a flat list of inputs.

        Args:
            inputs: values, in the order of `inputs`.
            call: function (operation, args, kwargs) -> outputs, in place of calling the operation.

        Returns:
            The outputs in their structure.
        """
        values = {id(x): value for x, value in zip(self._inputs, inputs, strict=True)}
        run_nodes(self.nodes, values, call)
        return tree.map_structure(lambda x: values[id(x)], self._outputs_struct)

    def compute_output_shape(self, input_shape):
        """Return the shapes of the outputs for inputs of a shape."""
        tensors = tree.map_shape_structure(KerasTensor, input_shape)
        found = self.compute_output_spec(tensors)
        return tree.map_structure(lambda x: x.shape, found)


def run_nodes(nodes: list[Node], values: dict[int, Any], call: Callable | None = None) -> None:
    """Run calls one after the other.

    Args:
        nodes: the calls, in order.
        values: from ids of symbolic tensors to values; what comes out is added.
        call: see `Function.run`.
    """
    for node in nodes:
        args, kwargs = node.fill_in(values)
        if call is None:
            results = node.operation(*args, **kwargs)
        else:
            results = call(node.operation, args, kwargs)
        leaves = tree.flatten(results)
        if len(leaves) != len(node.outputs):
            leaves = [x for x in leaves if x is not None]
        for x, value in zip(node.outputs, leaves, strict=True):
            values[id(x)] = value


def node_of(x: KerasTensor) -> Node:
    """Return the node that a symbolic tensor comes out of."""
    operation, index, _ = x._keras_history
    return operation._inbound_nodes[index]


def sort_graph(inputs, outputs) -> tuple[list[Node], list[Operation]]:
    """Return the nodes between `inputs` and `outputs`, and their operations, in running order.

    The order is by depth: the distance to the outputs, the largest first; among equals, the order
    in which a walk from the outputs back to the inputs meets them.
    """
    given = {id(x) for x in inputs}
    finished: list[Node] = []  # each node after those that it depends on
    rank: dict[int, int] = {}  # id of an operation -> when it was first met
    seen: set[int] = set()

    def met(operation):
        rank.setdefault(id(operation), len(rank))

    # Depth-first, with an explicit stack: deep models would overflow Python's.
    stack: list[tuple[Node, Iterator]] = []

    def enter(x):
        if not hasattr(x, "_keras_history"):
            raise ValueError(f"The outputs depend on {x!r}, which is not among the inputs.")
        met(x._keras_history.operation)
        node = node_of(x)
        if id(x) in given or id(node) in seen:
            return
        if node.is_input:
            raise ValueError(
                f"The outputs depend on {node.operation.name!r}, which is not among the inputs.\n"
                f"Received: inputs {[t.name for t in inputs]}\n"
                "Add it to `inputs`, or compute the outputs without it."
            )
        seen.add(id(node))
        stack.append((node, iter(node.input_tensors)))

    for output in outputs:
        enter(output)
        while stack:
            node, rest = stack[-1]
            x = next(rest, None)
            if x is not None:
                enter(x)
            else:
                finished.append(node)
                stack.pop()
    # An operation stands where its deepest call stands.
    depth: dict[int, int] = {}
    level: dict[int, int] = {}
    operations: dict[int, Operation] = {}

    def place(operation, at_least, inside=True):
        if inside:
            operations[id(operation)] = operation
        level[id(operation)] = max(level.get(id(operation), 0), at_least)

    for node in reversed(finished):
        here = max(depth.get(id(node), 0), level.get(id(node.operation), 0))
        depth[id(node)] = here
        place(node.operation, here)
        for x in node.input_tensors:
            if id(x) in given:
                place(x._keras_history.operation, here + 1, is_input(x))
            else:
                parent = node_of(x)
                depth[id(parent)] = max(depth.get(id(parent), 0), here + 1)
    for x in inputs:
        met(x._keras_history.operation)
        place(x._keras_history.operation, 0, is_input(x))
    nodes = sorted(finished, key=lambda n: -depth[id(n)])
    ordered = sorted(operations.values(), key=lambda o: (-level[id(o)], rank[id(o)]))
    return nodes, ordered


def replay(inputs: list[KerasTensor], outputs, call: Callable | None = None):
    """Call the operations between tensors again on fresh inputs: another graph, same layers.

    Args:
        inputs: where to begin; any symbolic tensors.
        outputs: structure of what to compute.
        call: function (operation, args, kwargs) -> outputs, in place of calling the operation.

    Returns:
        (fresh inputs, outputs computed from them).
    """
    graph = Function(inputs, outputs, name="replay")
    fresh = []
    for x in inputs:
        operation = x._keras_history.operation
        name = operation.name if node_of(x).is_input else None
        fresh.append(Input(batch_shape=x.shape, dtype=x.dtype, sparse=x.sparse, name=name))
    return fresh, graph.run(fresh, call)


def is_input(x: KerasTensor) -> bool:
    """Return whether a symbolic tensor comes from an Input()."""
    return not hasattr(x, "_keras_history") or (
        node_of(x).is_input and not symbolic_leaves(node_of(x).args)
    )
