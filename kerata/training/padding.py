"""The last batch of a pass, filled up to the size of the others: one program does for both.

A program is compiled for the shapes of its arguments, so a last batch with fewer samples would be
compiled for once more, which takes longer than many epochs of a small model. Where it is known
that nothing is computed across samples but what can leave rows out, the batch is filled up with
copies of its samples instead, and the number of those that count goes with it: losses and metrics
leave the others out, and batch normalization takes its moments over those alone. So the loss, the
gradients, the metrics and the moving averages are those of the samples that are there.

What is known is listed here: models that are graphs of the layers below with functions of
kerata's, with its own losses and metrics and the steps of `Trainer`. Whatever is not listed, and
every class or function of the user's, may look across the batch; then the last batch keeps its
size and has a program of its own.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from kerata import layers, losses, metrics, ops
from kerata.engine import masks, placement, tree
from kerata.engine.symbolic import FunctionCall, KerasTensor
from kerata.training.batches import batch_size
from kerata.training.feeding import ArrayFeed, Feed

# Layers that compute each sample from that sample, but for the moments of batch normalization.
_LAYERS = frozenset(
    getattr(layers, name)
    for name in (
        "InputLayer Dense EinsumDense Embedding Masking Identity Activation ReLU LeakyReLU PReLU "
        "ELU Softmax Flatten Reshape Permute RepeatVector Rescaling "
        "Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose "
        "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D "
        "MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D "
        "GlobalAveragePooling2D GlobalAveragePooling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D "
        "Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D "
        "Add Subtract Multiply Average Maximum Minimum Concatenate "
        "BatchNormalization LayerNormalization RMSNormalization GroupNormalization "
        "UnitNormalization Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout "
        "GaussianDropout GaussianNoise MultiHeadAttention GroupQueryAttention Attention "
        "AdditiveAttention SimpleRNN LSTM GRU RNN SimpleRNNCell LSTMCell GRUCell StackedRNNCells "
        "Bidirectional TimeDistributed"
    ).split()
)
# Functions of tensors that take their elements one by one.
_ELEMENTWISE = frozenset(
    getattr(ops, name)
    for name in (
        "abs add clip cos divide elu exp gelu leaky_relu log maximum minimum multiply negative "
        "power relu relu6 rsqrt sigmoid silu sin softplus sqrt square subtract tanh true_divide"
    ).split()
)
# Losses of the whole batch, and metrics that count samples whatever their weights.
_LOSSES = (losses.dice, losses.tversky, losses.circle, losses.ctc)
_METRICS = (metrics.PearsonCorrelation, metrics.ConcordanceCorrelation, metrics.R2Score)


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
        and _is_ours(getattr(trainer, step))
        and (step == "predict_step" or _judges_samples_apart(trainer))
    )


def fill(function: Callable, size: int, several: bool, cuts: bool) -> Callable:
    """Return a step function whose batches are filled up to `size` before.

    Args:
        function: step function; it gets a `Filled`.
        size: rows of a batch.
        several: whether it takes a tuple of batches.
        cuts: whether it returns rows, of which those of the copies are cut off.
    """

    def filled(batches):
        last = batches[-1] if several else batches
        missing = size - (batch_size(last) or 0)
        if several:
            results = function(tuple(_filled(batch, size) for batch in batches))
        else:
            results = function(_filled(batches, size))
        if not (cuts and missing):
            return results
        return jax.tree_util.tree_map(lambda a: np.asarray(a)[:-missing], results)

    return filled


def _filled(batch, size: int) -> Filled:
    rows = batch_size(batch) or 0
    if rows < size:
        index = np.arange(size) % rows
        batch = jax.tree_util.tree_map(lambda a: np.asarray(a)[index], batch)
    return Filled(batch, np.asarray(rows, "int32"))


def _is_ours(thing) -> bool:
    """Return whether a class or function, or the class of an object, is defined in kerata."""
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    return (kind.__module__ or "").split(".")[0] == "kerata"


def _keeps_samples_apart(model) -> bool:
    """Return whether each row of a model's outputs follows from the same row of its inputs."""
    graph = getattr(model, "_function_graph", None)
    return (
        graph is not None
        and _is_ours(model)
        and _is_ours(model.call)
        and model.activity_regularizer is None
        and all(_is_batch(x) for x in (*graph.inputs, *graph.outputs))
        and all(map(_operation_is_apart, graph.operations))
    )


def _is_batch(x) -> bool:
    return x.ndim > 1 and x.shape[0] is None


def _operation_is_apart(operation) -> bool:
    if isinstance(operation, FunctionCall):
        return operation.function in _ELEMENTWISE and all(
            map(_node_is_apart, operation._inbound_nodes)
        )
    if getattr(operation, "_function_graph", None) is not None:
        return _keeps_samples_apart(operation)
    inside = [layer for layer in operation._flatten_layers() if layer is not operation]
    return _layer_is_apart(operation) and all(
        _layer_is_apart(layer) and not isinstance(layer, layers.BatchNormalization)
        for layer in inside
    )


def _node_is_apart(node) -> bool:
    arguments = tree.flatten((node.args, node.kwargs, node.operation.arguments))
    others = [x for x in arguments if not isinstance(x, KerasTensor)]
    ranks = {x.ndim for x in node.input_tensors}
    return ranks == {node.outputs[0].ndim} and all(np.ndim(x) == 0 for x in others)


def _layer_is_apart(layer) -> bool:
    functions = [x for x in vars(layer).values() if callable(x) and not isinstance(x, layers.Layer)]
    return (
        type(layer) in _LAYERS
        and _leaves_samples(getattr(layer, "axis", -1))
        and _is_ours(layer.call)
        and all(map(_is_ours, functions))
        and layer.activity_regularizer is None
        and not getattr(layer, "stateful", False)
        and getattr(layer, "quantization_mode", None) is None
    )


def _leaves_samples(axis) -> bool:
    """Return whether an axis, or each of several, is surely not that of the samples."""
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return all(a == -1 or a > 0 for a in axes)


def _judges_samples_apart(trainer) -> bool:
    """Return whether the model's losses and metrics have one value a sample."""
    compiled = trainer._compiled
    if not (_is_ours(trainer.compute_loss) and _is_ours(trainer.compute_metrics)):
        return False
    terms = compiled.loss.terms if compiled.loss is not None else ()
    entries = compiled.metrics.entries if compiled.metrics is not None else ()
    return all(
        isinstance(place, int) and all(_loss_is_apart(loss) for loss, _ in pairs)
        for place, pairs, _ in terms
    ) and all(_metric_is_apart(metric) for _, metric, *_ in entries)


def _loss_is_apart(loss) -> bool:
    function = getattr(loss, "original", None) or getattr(loss, "fn", None)
    arguments = getattr(loss, "arguments", {})
    return (
        _is_ours(loss)
        and _function_is_apart(function)
        and arguments.get("axis", -1) == -1
        # (which divides by the sum of the weights as they are given, unless there is a mask)
        and loss.reduction != "mean_with_sample_weight"
    )


def _metric_is_apart(metric) -> bool:
    if not _is_ours(metric) or isinstance(metric, _METRICS):
        return False
    if not isinstance(metric, metrics.MeanMetricWrapper):
        return _leaves_samples(getattr(metric, "axis", -1))
    function = getattr(metric.fn, "function", metric.fn)
    return _function_is_apart(function) and metric._fn_kwargs.get("axis", -1) == -1


def _function_is_apart(function) -> bool:
    """Return whether a function of targets and predictions is known to give a value a sample."""
    return inspect.isfunction(function) and _is_ours(function) and function not in _LOSSES
