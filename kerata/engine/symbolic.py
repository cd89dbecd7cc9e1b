"""The graph that symbolic tensors record, and their shapes by abstract evaluation.

A `KerasTensor` stands for a tensor that is not there yet: it has a dtype and a shape, in which an
unknown dimension is None. Calling an operation on one records a `Node`. What shape comes out is
found by running the operation's own code on shapes alone (`jax.eval_shape`): once where all
dimensions are known, twice, with two sizes in place of None, where some are not; output dimensions
that differ are unknown ones.
"""

import functools
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax

from kerata.engine import dtypes, naming, rematerialization, sparse, tree
from kerata.engine.configurable import Configurable
from kerata.engine.errors import KerataError, StateError, reword, with_unknown_sizes
from kerata.engine.keras_tensor import (
    KerasHistory as KerasHistory,
    KerasTensor as KerasTensor,
    is_symbolic as is_symbolic,
    symbolic_leaves as symbolic_leaves,
)
from kerata.engine.scopes import Scope, ambient

# What stands for an unknown dimension: pairs, tried in turn. A small and a large size tell apart
# what only looks fixed (a cut to 100 rows, which leaves 12 at 12). The others are for code that
# needs room, that cuts a short table to the input's length, and for deep stacks that shrink.
# A cut to fewer rows than the smaller one shows at size 1 (see `_at_size_one`).
_STANDINS = ((12, 240), (120, 240), (8, 16), (5040, 10080))


class Node:
    """One call of an operation on symbolic tensors.

    Attributes:
        operation: the operation (a layer, or the call of an op).
        args, kwargs: what it was called with.
        outputs: the symbolic tensors that came out, flat.
        output_structure: the same as the call returned them.
        input_tensors: the symbolic tensors in the arguments, flat.
    """

    def __init__(self, operation, args=(), kwargs=None, outputs=None):
        self.operation = operation
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.output_structure = outputs
        self.outputs = symbolic_leaves(outputs)
        self.input_tensors = symbolic_leaves((self.args, self.kwargs))
        for index, x in enumerate(self.outputs):
            x._keras_history = KerasHistory(operation, len(operation._inbound_nodes), index)
        operation._inbound_nodes.append(self)
        for parent in self.parent_nodes:
            parent.operation._outbound_nodes.append(self)

    @property
    def parent_nodes(self) -> list["Node"]:
        """The nodes that the inputs come from."""
        found = []
        for x in self.input_tensors:
            history = getattr(x, "_keras_history", None)
            if history is not None:
                found.append(history.operation._inbound_nodes[history.node_index])
        return found

    @property
    def is_input(self) -> bool:
        """Whether this is the place of a model's input."""
        return not self.input_tensors

    def fill_in(self, values: dict[int, Any]) -> tuple[tuple, dict]:
        """Return (args, kwargs) with `values[id(x)]` in place of each symbolic tensor `x`."""

        def value(x):
            return values[id(x)] if isinstance(x, KerasTensor) else x

        return tree.map_structure(value, self.args), tree.map_structure(value, self.kwargs)

    def __repr__(self):
        return f"<Node operation={self.operation.name}, outputs={self.outputs}>"


class Operation(Configurable):
    """Something that can be called on tensors, symbolic ones too: base of layers and ops.

    Subclasses write `call`. The shape of the outputs is found by evaluating it abstractly, unless
    they write `compute_output_spec` as well.

    Args:
        name: name; made from the class's name if None.
    """

    _remat_scope: rematerialization.RematScope | None = None

    def __init__(self, name=None):
        name = naming.auto_name(type(self).__name__) if name is None else name
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"`name` must be a string without '/'.\nReceived: name={name!r} (of type "
                f"{type(name).__name__})"
            )
        self.name = name
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []
        self._remat_scope = rematerialization.current_scope()

    def __call__(self, *args, **kwargs):
        if is_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        call = self.call
        if getattr(self, "quantization_mode", None) is not None:
            call = getattr(self, "quantized_call", call)  # of operations written for Keras
        return self.rematerialized_call(call, *args, **kwargs)(*args, **kwargs)

    def rematerialized_call(self, layer_call, *args, **kwargs):
        """Return `layer_call` as the `RematScope` wants it in which this was made.

        Args:
            layer_call: the method that computes the outputs.
            *args: what it will be called with.
            **kwargs: likewise.
        """
        return rematerialization.wrapped(self._remat_scope, self, layer_call, args, kwargs)

    def call(self, *args, **kwargs):
        """Compute the outputs. Subclasses write this."""
        raise NotImplementedError(f"{type(self).__name__} must have a `call` method.")

    def symbolic_call(self, *args, **kwargs):
        """Record the call in the graph, and return the symbolic outputs."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def compute_output_spec(self, *args, **kwargs):
        """Return symbolic tensors with the shapes and dtypes of the outputs."""
        return abstract_eval(self.call, args, kwargs)

    def get_config(self) -> dict:
        config = super().get_config()
        parameters = inspect.signature(type(self).__init__).parameters.values()
        if any(p.name == "name" or p.kind is p.VAR_KEYWORD for p in parameters):
            config["name"] = self.name
        return config

    @classmethod
    def from_config(cls, config: dict):
        """Make an operation from what `get_config` returned.

        Raises:
            TypeError: if the config does not fit.
        """
        try:
            return super().from_config(config)
        except ValueError as error:
            if isinstance(error, KerataError):
                raise
            raise TypeError(f"{cls.__name__} cannot be made from its config.\n{error}") from error

    def _first_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} has no `{what}`: it was never called on a "
                "symbolic tensor."
            )
        return self._inbound_nodes[0]

    @property
    def input(self):
        """The symbolic tensor that it was first called on; a list, if there are several."""
        found = self._first_node("input").input_tensors
        return found[0] if len(found) == 1 else found

    @property
    def output(self):
        """The symbolic tensor that came out the first time; a list, if several did."""
        found = self._first_node("output").outputs
        return found[0] if len(found) == 1 else found


class _Evaluation:
    """An abstract evaluation under way.

    Attributes:
        size: what stands for an unknown first dimension; 0 if there is none.
        unknown: what stands for a length that depends on values; see `unknown_size`.
        depends_on_values: whether there is such a length.
        trace: JAX's trace of it.
    """

    def __init__(self, size, unknown):
        self.size = size
        self.unknown = unknown
        self.depends_on_values = False
        self.trace = None


_evaluating = threading.local()


def _sizes(tensors) -> tuple:
    """Pairs of what to put in place of unknown dimensions: (in the first axis, in the others).

    See `_STANDINS`. Where nothing else fits, an unknown dimension meets a known one (None against
    5): then it can only be equal to it. The first axis, mostly the batch, is the last to give in;
    it may meet another size than the others do: (None, 3) + (2, None).
    """
    known = sorted({d for t in tensors for d in t.shape if d is not None and d > 1})
    a, b = _STANDINS[0]
    return (
        *(((a, a), (b, b)) for a, b in _STANDINS),
        *(((a, d), (b, d)) for d in known),
        *(((d, e), (d, e)) for d in known for e in known),
    )


def abstract_eval(fn: Callable, args: tuple = (), kwargs: dict | None = None, may_cut: bool = True):
    """Return what `fn` would return, as symbolic tensors, without computing it.

    Args:
        fn: function of arrays; it may read Variables, what it assigns is forgotten.
        args: its arguments; symbolic tensors in them stand for arrays.
        kwargs: its keyword arguments.
        may_cut: whether it may cut an axis to a fixed length; to see that takes a third look.

    Returns:
        The structure that `fn` returns, with symbolic tensors for arrays.
    """
    arguments = (args, kwargs or {})
    tensors = symbolic_leaves(arguments)
    if text := [t for t in tensors if t.dtype == "string"]:
        raise TypeError(
            "Only layers for text take symbolic text: TextVectorization, StringLookup, Hashing …\n"
            f"Received: {text[0]!r}\nTurn it into numbers with one of these first."
        )
    unknown = any(None in t.shape for t in tensors)
    if not unknown:
        return _symbolic(*_evaluate(fn, arguments, tensors, (0, 0), (0, 0)))
    # An axis that vanishes says that the stand-in was too small, as an exception does.
    first_error, result = None, None
    for sizes, others in _sizes(tensors):
        try:
            found, again = _evaluate(fn, arguments, tensors, sizes, others)
        except StateError:
            raise
        except Exception as error:
            if first_error is None:
                other = _error_of(fn, arguments, tensors, others, others)
                first_error = with_unknown_sizes(error, other or error)
        else:
            leaves = jax.tree_util.tree_leaves(found, is_leaf=sparse.is_sparse)
            vanished = any(0 in x.shape for x in leaves)
            result = result or (found, again)
            if not vanished:
                at_one = _at_size_one(fn, arguments, tensors, leaves, sizes) if may_cut else []
                return _symbolic(found, again, *at_one)
    if result is not None:
        return _symbolic(*result)
    assert first_error is not None
    raise first_error


def _evaluate(fn, arguments, tensors, sizes, others):
    """Evaluate `fn` abstractly with `sizes` in place of unknown dimensions (see `_sizes`), and
    with `others`; once, if that can make no difference."""
    evaluation = _Evaluation(sizes[0], 11)
    found = _evaluate_once(fn, arguments, tensors, sizes, evaluation)
    if others == sizes and not evaluation.depends_on_values:
        return found, found
    return found, _evaluate_once(fn, arguments, tensors, others, _Evaluation(others[0], 13))


def _evaluate_once(fn, arguments, tensors, sizes, evaluation):
    first, size = sizes

    def filled(shape):
        return tuple((size if i else first) if d is None else d for i, d in enumerate(shape))

    specs = [jax.ShapeDtypeStruct(filled(t.shape), dtypes.canonical(t.dtype)) for t in tensors]

    def run(arrays):
        # The batch axis of what is built meanwhile has this size: see `standin`.
        _evaluating.now = evaluation
        evaluation.trace = _trace(arrays[0]) if arrays else None
        pairs = zip(tensors, arrays, strict=True)
        values = {id(t): sparse.standin(a) if t.sparse else a for t, a in pairs}
        args, kwargs = tree.map_structure(
            lambda x: values[id(x)] if isinstance(x, KerasTensor) else x, arguments
        )
        with Scope():
            return fn(*args, **kwargs)

    outer = getattr(_evaluating, "now", None)
    try:
        return jax.eval_shape(run, specs)
    except Exception as error:
        reword(error)
        raise
    finally:
        _evaluating.now = outer


def _at_size_one(fn, arguments, tensors, leaves, sizes) -> list:
    """Return what `fn` returns where unknown dimensions are 1, if that has the form of `leaves`.

    It is tried where a dimension in `leaves` may be what is left of a longer axis: `x[:5]` has 5
    rows, or fewer.
    """
    first, size = sizes
    if first != size or not any(1 < d < first for x in leaves for d in x.shape):
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a softmax over one element, say
            found = _evaluate_once(fn, arguments, tensors, (1, 1), _Evaluation(1, 1))
    except Exception:  # code that needs more room than that
        return []
    again = jax.tree_util.tree_leaves(found, is_leaf=sparse.is_sparse)
    alike = len(again) == len(leaves) and all(a.ndim == b.ndim for a, b in zip(again, leaves))
    return [found] if alike else []


def _error_of(*evaluation) -> Exception | None:
    """Return the exception that an abstract evaluation raises, if it does."""
    try:
        _evaluate(*evaluation)
    except Exception as error:
        return error
    return None


def standin() -> int | None:
    """Return the size that stands for unknown dimensions in the evaluation under way, or None."""
    evaluation = getattr(_evaluating, "now", None)
    return evaluation and evaluation.size or None


def unknown_size(x) -> int | None:
    """Return a size for an axis whose length depends on the values of `x`: it will be None in the
    symbolic result.

    Return None if `x` does not belong to the abstract evaluation under way: a program inside it
    that is compiled would keep the size.
    """
    evaluation = getattr(_evaluating, "now", None)
    if evaluation is None or _trace(x) is None or _trace(x) is not evaluation.trace:
        return None
    evaluation.depends_on_values = True
    return evaluation.unknown


def _trace(x):
    return getattr(x, "_trace", None)


def _symbolic(*results):
    """Make symbolic tensors of abstract results; dimensions that differ are unknown."""

    def one(a, *others):
        sizes = zip(*(x.shape for x in (a, *others)), strict=True)
        shape = tuple(d[0] if len(set(d)) == 1 else None for d in sizes)
        return KerasTensor(shape, dtypes.standardize_dtype(a.dtype), sparse.is_sparse(a))

    return jax.tree_util.tree_map(one, *results, is_leaf=sparse.is_sparse)


class FunctionCall(Operation):
    """The call of an op on symbolic tensors, as an operation of the graph.

    Arguments that hold tensors, and those without a default, are the node's; the others
    (`axis=1`) belong to the operation, and make its config.
    """

    def __init__(self, function, arguments, call_names, name=None):
        super().__init__(name=name or naming.auto_name(function.__name__))
        self.function = function
        self.arguments = arguments
        self.call_names = call_names

    def call(self, *args, **kwargs):
        if self.call_names is None:
            return self.function(*args, **kwargs)
        kwargs.update(zip(self.call_names, args))
        return self.function(**kwargs, **self.arguments)

    def get_config(self) -> dict:
        return {"name": self.name, **self.arguments}


def record_call(function: Callable, args: tuple, kwargs: dict):
    """Call an op on symbolic tensors: record it, and return the symbolic outputs."""
    call_args, static, names = _sort_arguments(function, args, kwargs)
    operation = FunctionCall(function, static, names)
    call_kwargs = kwargs if names is None else {}
    outputs = _cached_eval(function, operation, call_args, call_kwargs)
    Node(operation, call_args, call_kwargs, outputs)
    return outputs


signature_of = functools.cache(inspect.signature)


def _sort_arguments(function, args, kwargs):
    """Return (arguments of the node, arguments of the operation, names of the former)."""
    signature = signature_of(function)
    if any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return args, {}, None
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    names, values, static = [], [], {}
    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            static.update(value)
        elif parameter.default is parameter.empty or is_symbolic(value):
            names.append(name)
            values.append(value)
        else:
            static[name] = value
    return tuple(values), static, tuple(names)


_results: dict = {}


def _cached_eval(function, operation, args, kwargs):
    """Evaluate an op abstractly; equal calls on equal shapes are evaluated once."""

    def described(x):
        return _description(x) if isinstance(x, KerasTensor) else (type(x), x)

    leaves, treedef = jax.tree_util.tree_flatten((args, kwargs, operation.arguments))
    key = (function, treedef, tuple(described(x) for x in leaves), ambient())
    try:
        specs = _results.get(key)
    except TypeError:  # an argument that cannot be hashed, such as an array
        return abstract_eval(operation.call, args, kwargs)
    if specs is None:
        specs = abstract_eval(operation.call, args, kwargs)
        if len(_results) > 4096:
            _results.clear()
        _results[key] = specs
    return jax.tree_util.tree_map(lambda x: KerasTensor(*_description(x)), specs)


def _description(x: KerasTensor) -> tuple:
    return x.shape, x.dtype, x.sparse


def forget_results() -> None:
    """Drop the cached shapes."""
    _results.clear()


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """Return the inputs that a symbolic tensor is computed from, itself if it is one.

    Example:
        >>> x = kerata.Input((2,))
        >>> kerata.utils.get_source_inputs(kerata.ops.sum(x + 1.0)) == [x]
        True
    """
    found: dict[int, KerasTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        x = waiting.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        history = getattr(x, "_keras_history", None)
        node = None if history is None else history.operation._inbound_nodes[history.node_index]
        if node is None or node.is_input:
            found[id(x)] = x
        else:
            waiting += reversed(node.input_tensors)
    return list(found.values())
