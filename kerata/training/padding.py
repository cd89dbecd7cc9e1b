"""The last batch of a pass, filled up to the size of the others: one program does for both.

A program is compiled for the shapes of its arguments, so a last batch with fewer samples would be
compiled for once more, which takes longer than many epochs of a small model. Where it is known
that nothing is computed across samples but what can leave rows out, the batch is filled up with
copies of its samples instead, and the number of those that count goes with it: their outputs are
masked in losses and metrics, and batch normalization takes its moments over them alone. So the
loss, the gradients, the metrics and the moving averages are those of the samples that are there.

What is known: models that are graphs of kerata's own layers, with kerata's own losses and metrics
and the steps of `Trainer`. A class or function of the user's may look across the batch; for such
models the last batch keeps its size and has a program of its own.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from kerata import losses, metrics
from kerata.engine import masks, placement, tree
from kerata.engine.symbolic import FunctionCall, KerasTensor
from kerata.training.batches import batch_size
from kerata.training.feeding import ArrayFeed, Feed

# What looks across the batch.
_LOSSES = (losses.dice, losses.tversky, losses.circle)
_METRICS = (metrics.PearsonCorrelation, metrics.ConcordanceCorrelation)
_LAYERS = ("CutMix", "FlaxLayer", "JaxLayer", "Lambda", "MixUp")
# Functions of tensors that take their elements one by one.
_ELEMENTWISE = (
    "abs add clip cos divide elu exp gelu leaky_relu log maximum minimum multiply negative power "
    "relu relu6 rsqrt sigmoid silu sin softplus sqrt square subtract swish tanh true_divide"
).split()


class Filled(NamedTuple):
    """A batch of which only the first `rows` are samples that count."""

    data: Any
    rows: np.ndarray

    def run(self, step: Callable):
        """Call `step` with the data; what it computes knows which rows count."""
        with masks.counting(self.rows):
            return step(self.data)


def can_fill(trainer, feed: Feed, step: str) -> bool:
    """Return whether the last batch of a feed is smaller than the others and can be filled up.

    Args:
        trainer: the model, built.
        feed: where the batches come from.
        step: "train_step", "test_step" or "predict_step".
    """
    return (
        isinstance(feed, ArrayFeed)
        and feed.length > feed.batch_size
        and feed.length % feed.batch_size > 0
        and feed.prepare is None
        and placement.current.distribution is None
        and trainer.compiles_steps
        and _keeps_samples_apart(trainer)
        and _is_ours(getattr(type(trainer), step))
        and (step == "predict_step" or _judges_samples_apart(trainer))
    )


def fill(function: Callable, size: int, several: bool) -> Callable:
    """Return a step function whose batches are filled up to `size` before.

    Args:
        function: step function; it gets a `Filled`.
        size: rows of a batch.
        several: whether it takes a tuple of batches.
    """

    def filled(batches):
        if several:
            return function(tuple(_filled(batch, size) for batch in batches))
        return function(_filled(batches, size))

    return filled


def fill_to_predict(function: Callable, size: int, several: bool) -> Callable:
    """Return a predicting function whose batches are filled up, and its outputs cut again."""

    def filled(batches):
        last = batches[-1] if several else batches
        missing = size - (batch_size(last) or 0)
        if not missing:
            return function(batches)
        last = _filled(last, size).data
        outputs = function((*batches[:-1], last) if several else last)
        return jax.tree_util.tree_map(lambda a: np.asarray(a)[:-missing], outputs)

    return filled


def _filled(batch, size: int) -> Filled:
    rows = batch_size(batch) or 0
    if rows < size:
        index = np.arange(size) % rows
        batch = jax.tree_util.tree_map(lambda a: np.asarray(a)[index], batch)
    return Filled(batch, np.asarray(rows, "int32"))


def _is_ours(thing) -> bool:
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    return kind.__module__.split(".")[0] == "kerata"


def _keeps_samples_apart(model) -> bool:
    """Return whether each row of a model's outputs follows from the same row of its inputs."""
    graph = getattr(model, "_function_graph", None)
    return (
        graph is not None
        and _is_ours(model)
        and _is_ours(type(model).call)
        and model.activity_regularizer is None
        and all(_is_batch(x) for x in (*graph.inputs, *graph.outputs))
        and all(map(_operation_is_apart, graph.operations))
    )


def _is_batch(x) -> bool:
    return x.ndim > 1 and x.shape[0] is None


def _operation_is_apart(operation) -> bool:
    if isinstance(operation, FunctionCall):
        return operation.function.__name__ in _ELEMENTWISE and all(
            map(_node_is_apart, operation._inbound_nodes)
        )
    if getattr(operation, "_function_graph", None) is not None:
        return _keeps_samples_apart(operation)
    inside = [layer for layer in operation._flatten_layers() if layer is not operation]
    return _layer_is_apart(operation) and all(
        _layer_is_apart(layer) and type(layer).__name__ != "BatchNormalization" for layer in inside
    )


def _node_is_apart(node) -> bool:
    arguments = tree.flatten((node.args, node.kwargs, node.operation.arguments))
    others = [x for x in arguments if not isinstance(x, KerasTensor)]
    ranks = {x.ndim for x in node.input_tensors}
    return ranks == {node.outputs[0].ndim} and all(np.ndim(x) == 0 for x in others)


def _layer_is_apart(layer) -> bool:
    axis = getattr(layer, "axis", None)
    return (
        _is_ours(layer)
        and type(layer).__name__ not in _LAYERS
        and 0 not in (axis if isinstance(axis, (tuple, list)) else (axis,))
        and layer.activity_regularizer is None
        and not getattr(layer, "stateful", False)
        and getattr(layer, "quantization_mode", None) is None
    )


def _judges_samples_apart(trainer) -> bool:
    """Return whether the model's losses and metrics have one value a sample."""
    compiled = trainer._compiled
    own = ("compute_loss", "compute_metrics")
    if not all(_is_ours(getattr(type(trainer), name)) for name in own):
        return False
    terms = compiled.loss.terms if compiled.loss is not None else ()
    entries = compiled.metrics.entries if compiled.metrics is not None else ()
    return all(
        isinstance(place, int) and all(_loss_is_apart(loss) for loss, _ in pairs)
        for place, pairs, _ in terms
    ) and all(_metric_is_apart(metric) for _, metric, *_ in entries)


def _loss_is_apart(loss) -> bool:
    function = getattr(loss, "original", None) or getattr(loss, "fn", None)
    return _is_ours(loss) and _is_ours(function) and function not in _LOSSES


def _metric_is_apart(metric) -> bool:
    function = getattr(metric, "fn", metric)
    function = getattr(function, "function", function)
    return _is_ours(metric) and _is_ours(function) and not isinstance(metric, _METRICS)
