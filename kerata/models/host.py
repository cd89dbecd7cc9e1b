"""Models that begin with text: their graph is cut in two, before what is compiled.

Compiled programs know no text. So layers that work on the host (`TextVectorization`, lookups,
hashes), and what they depend on, are run on each batch before the compiled step, which begins
with the numbers that they return. Direct calls of a model run the graph as it is.
"""

import jax
import numpy as np

from kerata import ops
from kerata.engine import dtypes, tree
from kerata.engine.errors import warn
from kerata.engine.symbolic import KerasTensor, Node
from kerata.models.function import run_nodes, sort_graph

# So many lengths of rows are nothing special; more will cost time without end.
_MANY = 12


class Prepared(tuple):
    """What came out of the part of a model that runs on the host: arrays for the rest of it."""

    __slots__ = ()


jax.tree_util.register_pytree_node(
    Prepared, lambda arrays: (tuple(arrays), None), lambda _, arrays: Prepared(arrays)
)


def is_text(x: KerasTensor) -> bool:
    """Return whether a symbolic tensor stands for text."""
    return x.dtype == "string"


def runs_on_host(operation) -> bool:
    """Return whether an operation is a layer that works on the host."""
    return getattr(operation, "runs_on_host", False)


class Cut:
    """A graph in three parts: on the host, compiled, and on the host again (numbers to text).

    Args:
        inputs: symbolic inputs, flat.
        outputs: structure of symbolic outputs.
    """

    def __init__(self, inputs: list, outputs):
        self.inputs = inputs
        nodes, _ = sort_graph(inputs, tree.flatten(outputs))
        early = _early(nodes)
        self._before = [n for n in nodes if id(n) in early]
        late = [n for n in nodes if id(n) not in early]
        after = {id(x): n for n in late for x in n.outputs if is_text(x)}
        self._rest = [n for n in late if not any(is_text(x) for x in n.outputs)]
        self._after = [after.get(id(x)) for x in tree.flatten(outputs)]
        self._ends = tree.map_structure(
            lambda x: after[id(x)].input_tensors[0] if id(x) in after else x, outputs
        )
        made = {id(x) for n in self._rest for x in n.outputs}
        needed = [x for n in self._rest for x in n.input_tensors] + tree.flatten(self._ends)
        self._begins = list({id(x): x for x in needed if id(x) not in made}.values())
        self._shapes: set = set()
        self._check()

    def _check(self) -> None:
        for x in self._begins:
            if is_text(x):
                raise ValueError(
                    "Text can only be an output of a model where a layer makes it of numbers "
                    f"(StringLookup with invert=True).\nReceived: the output {x!r}"
                )
        for node in self._before:
            if getattr(node.operation, "trainable_variables", None):
                warn(
                    f"Layer {node.operation.name!r} runs on the host, before what is trained, "
                    "since text depends on it: its weights will stay as they are.\nLet a layer of "
                    "its own (TextVectorization, StringLookup) turn text into numbers.",
                )

    def prepare(self, values: list) -> Prepared:
        """Run the first part on a batch of inputs."""
        known = {id(x): value for x, value in zip(self.inputs, values, strict=True)}
        run_nodes(self._before, known)
        arrays = [
            value if (value := known[id(x)]) is None or ops.is_tensor(value)
            else np.asarray(value, jax.numpy.dtype(dtypes.canonical(x.dtype)))
            for x in self._begins
        ]  # fmt: skip
        self._note_shapes(arrays)
        return Prepared(arrays)

    def _note_shapes(self, arrays) -> None:
        self._shapes.add(tuple(a.shape[1:] for a in arrays if a is not None))
        if len(self._shapes) == _MANY and self._before:
            warn(
                f"Texts of {_MANY} different lengths have come so far, and for each the model is "
                "compiled anew.\nGive TextVectorization an `output_sequence_length`.",
            )

    def run(self, prepared: Prepared):
        """Run the second part; return the outputs in their structure, numbers in place of text."""
        known = {id(x): value for x, value in zip(self._begins, prepared, strict=True)}
        run_nodes(self._rest, known)
        return tree.map_structure(lambda x: known[id(x)], self._ends)

    def finish(self, outputs):
        """Turn numbers into text, where the model's outputs are text."""
        if not any(self._after):
            return outputs
        flat = zip(self._after, tree.flatten(outputs), strict=True)
        done = [x if node is None else node.operation(x) for node, x in flat]
        return tree.pack_sequence_as(outputs, done)


def _early(nodes: list[Node]) -> set[int]:
    """Return the ids of the nodes to run on the host: all that text depends on, and that take it.

    Layers that do not need to be there, since they take numbers, are, if nothing before them has
    variables: what is trained, or random, belongs to the compiled step.
    """
    makers = {id(x): n for n in nodes for x in n.outputs}

    def parents(node):
        return [makers[id(x)] for x in node.input_tensors if id(x) in makers]

    early, stateful = set(), set()
    for node in nodes:
        follows_state = any(id(p) in stateful for p in parents(node))
        if follows_state or getattr(node.operation, "variables", None):
            stateful.add(id(node))
        makes_text = any(is_text(x) for x in node.outputs)
        numeric = runs_on_host(node.operation) and not makes_text and not follows_state
        if numeric or any(is_text(x) for x in node.input_tensors):
            early.add(id(node))
    for node in reversed(nodes):
        if id(node) in early:
            early |= {id(p) for p in parents(node)}
    return early


def text_arrays(structure, x):
    """Return a user's inputs with arrays in place of lists of strings.

    Args:
        structure: the model's symbolic inputs, in their structure.
        x: inputs, mostly structured alike.
    """
    if isinstance(x, dict):
        inner = structure if isinstance(structure, dict) else {}
        return {key: text_arrays(inner.get(key), value) for key, value in x.items()}
    if not isinstance(x, (list, tuple)) or not x or isinstance(x, Prepared):
        return x
    if isinstance(structure, (list, tuple)) and len(structure) == len(x):
        return type(x)(map(text_arrays, structure, x))
    first = x
    while isinstance(first, (list, tuple)) and first:
        first = next((v for v in first if v is not None), None)
    # What is missing is named where the text is read.
    if isinstance(first, (str, bytes)) and (
        isinstance(structure, KerasTensor)
        or all(v is None or isinstance(v, (str, bytes)) for v in tree.flatten(x))
    ):
        return np.array(x, object)
    return x
