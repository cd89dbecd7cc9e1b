"""The total loss and the metrics of all outputs of a model, as `compile` sets them up."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from kerata import losses, metrics
from kerata.engine import tree
from kerata.engine.configurable import is_serialized
from kerata.engine.errors import noted
from kerata.engine.masks import counted, counted_rows
from kerata.engine.registry import public_name
from kerata.losses.checks import activation_mismatch, check_targets
from kerata.losses.loss import FunctionLoss
from kerata.losses.weighting import same_rank
from kerata.training.mistaken import refuse_loss, refuse_metric
from kerata.training.outputs import OutputMap


class LossTracker(metrics.Mean):
    """The mean of a loss over the samples of an epoch."""


class CompiledLoss:
    """The total loss: the sum of the weighted losses of all outputs.

    Args:
        loss: what `compile` was given as `loss`.
        loss_weights: what it was given as `loss_weights`.

    Raises:
        ValueError: if a name is unknown.

    Attributes:
        built: whether the losses are matched with the outputs.
        trackers: metrics that hold the loss of each output, where there are several.
    """

    def __init__(self, loss, loss_weights=None):
        self._loss = _resolved(loss, _is_loss, as_loss)
        self._weights = loss_weights
        self.trackers: list[LossTracker] = []
        self.outputs: OutputMap | None = None
        # (place of an output, its losses with their weights, tracker or None). A place is an index,
        # or a structure of indices for a loss of several outputs together.
        self.terms: list[tuple[Any, list, LossTracker | None]] = []

    @property
    def built(self) -> bool:
        """Whether the losses are matched with the outputs."""
        return self.outputs is not None

    def build(self, y_pred, output_names=None) -> None:
        """Match the losses with the outputs.

        Args:
            y_pred: the outputs: arrays, or symbolic tensors.
            output_names: names of flat outputs, or None.

        Raises:
            ValueError: if losses or weights do not match the outputs.
        """
        outputs = OutputMap(y_pred, output_names)
        found: list[tuple[Any, list, str]] = []  # (place, losses with weights, name in the logs)
        single, single_weights = _take_joint(outputs, self._loss, self._weights, found)
        chosen = outputs.spread(
            single, "loss", is_leaf=_is_one_or_list, broadcast=True, partial=bool(found)
        )
        weights = self._spread_weights(outputs, chosen, single_weights)
        for i, several in enumerate(chosen):
            if several is not None:
                pairs = _with_weights(several, weights[i])
                prefix, with_name = outputs.loss_prefix(i)
                own = f"{loss_name(pairs[0][0])}_loss" if with_name else "loss"
                found.append((i, pairs, prefix + own))
        taken: set[str] = {"loss"}
        self.terms = [
            (place, pairs, LossTracker(name=_fresh(name, taken)) if len(found) > 1 else None)
            for place, pairs, name in found
        ]
        self.trackers = [t for *_, t in self.terms if t is not None]
        self.outputs = outputs

    @property
    def _active(self) -> list[int]:
        """The outputs that have losses."""
        return sorted({i for place, *_ in self.terms for i in tree.flatten(place)})

    def _spread_weights(self, outputs, chosen, given) -> list:
        if isinstance(given, (int, float)) and outputs.count == 1:
            return [given]
        if _is_number(given):
            raise ValueError(
                f"`loss_weights` must have one weight for each of the {outputs.count} outputs.\n"
                f"Received: loss_weights={given!r}"
            )
        weights = outputs.spread(given, "loss_weights", is_leaf=_is_weights)
        for i, weight in enumerate(weights):
            if weight is not None and chosen[i] is None:
                weights[i] = None
        return weights

    def __call__(self, y_true, y_pred, sample_weight=None, samples=None):
        """Return the total loss, a scalar, and update the losses' trackers.

        Args:
            y_true: targets.
            y_pred: predictions.
            sample_weight: weights of samples, for all outputs or for each, or None.
            samples: number of samples, the trackers' weight.

        Raises:
            ValueError: if an output has a loss but no target.
        """
        predictions = tree.flatten(y_pred)
        # A user's `compute_loss` may make several outputs of one.
        if self.outputs is None or self.outputs.count != len(predictions):
            self.build(y_pred)
        assert self.outputs is not None
        targets = spread_targets(self.outputs, y_true, self._active)
        weights = self.outputs.spread(sample_weight, "sample_weight", broadcast=True)
        total = None
        for place, pairs, tracker in self.terms:
            indices = tree.flatten(place)
            for i in indices:
                if targets[i] is None:
                    raise _no_target(self.outputs, i, pairs[0][0])
            y, y_hat = (
                tree.map_structure(lambda i, of=of: of[i], place) for of in (targets, predictions)
            )
            values = [_scalar_of(loss, y, y_hat, weights[indices[0]]) for loss, _ in pairs]
            if tracker is not None:
                tracker.update_state(sum(values[1:], values[0]), sample_weight=samples)
            for value, (_, weight) in zip(values, pairs):
                value = value if weight is None else value * weight
                total = value if total is None else total + value
        return total

    def check_targets(self, y_true, shapes: list[tuple]) -> None:
        """Check that targets on the host can be meant for their losses: see `losses.checks`.

        Args:
            y_true: targets: arrays of NumPy, any number of samples.
            shapes: shape of each output for a batch.

        Raises:
            ValueError: if they cannot.
        """
        assert self.outputs is not None
        targets = spread_targets(self.outputs, y_true, self._active)
        for i, loss in ((place, loss) for place, pairs, _ in self.terms for loss, _ in pairs):
            if isinstance(i, int) and isinstance(targets[i], np.ndarray) and targets[i].ndim:
                shape = (len(targets[i]), *shapes[i][1:])
                name = self.outputs.labels[i] if self.outputs.count > 1 else None
                check_targets(getattr(loss, "original", loss), targets[i], shape, name=name)

    def activation_mismatches(self, graph) -> Iterator[str]:
        """Yield what is wrong with a model's last activations for their losses.

        Args:
            graph: the model's graph; without one nothing is known.
        """
        for place, pairs, _ in self.terms if graph is not None else ():
            if isinstance(place, int):
                last = graph.outputs[place]._keras_history.operation
                for loss, _ in pairs:
                    function = getattr(loss, "original", loss)
                    activation = getattr(last, "activation", None)
                    if message := activation_mismatch(function, activation, last.name):
                        yield message


def _scalar_of(loss, y_true, y_pred, sample_weight):
    with noted(f"loss {loss_name(loss)!r}"):
        value = loss(y_true, y_pred, sample_weight=sample_weight)
    if jnp.ndim(value):
        raise ValueError(
            f"The loss {loss_name(loss)!r} must give one number for the batch.\n"
            f"Received: a value of shape {jnp.shape(value)}\n"
            "Use a reduction other than None, or reduce it in your loss."
        )
    return value


def _take_joint(outputs: OutputMap, loss, weight, found: list) -> tuple:
    """Take the losses of several outputs together out of what `compile` was given.

    Where outputs are nested, a list may hold a function of all of them beside losses for each:
    `{"a": [f, {"x": "mse", "y": "mae"}]}`; and a user's function for a nested part gets all of it.

    Args:
        outputs: the outputs.
        loss: the losses.
        weight: their weights, or None.
        found: list to which (place, [(loss, weight)], name in the logs) of those are added.

    Returns:
        (the losses that are left, for single outputs; their weights).
    """

    def take(place, loss, weight, path):
        if not tree.is_nested(place) or loss is None:
            return loss, weight
        if _is_loss(loss):
            original = getattr(loss, "original", None)
            if not path or original is None or public_name(original):
                return loss, weight
            found.append((place, [(loss, weight)], outputs.part_prefix(path) + "loss"))
            return None, None
        if isinstance(loss, (list, tuple)) and type(loss) is not type(place):
            alone = [_is_loss(part) and part is not None for part in loss]
            if any(alone) and any(map(tree.is_nested, loss)):
                rest = None, None
                for i, part in enumerate(loss):
                    own = _entry(weight, i)
                    if alone[i]:
                        name = outputs.part_prefix(path) + "loss"
                        found.append((place, [(part, own)], name))
                    else:
                        rest = take(place, part, own, path)
                return rest
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        if isinstance(loss, dict) is not isinstance(place, dict) or not (
            isinstance(loss, dict) or len(loss) == len(place)
        ):
            return loss, weight
        keys = [key for key in keys if not isinstance(loss, dict) or key in loss]
        parts = {k: take(place[k], loss[k], _entry(weight, k), (*path, k)) for k in keys}
        if not found:
            return loss, weight
        if isinstance(loss, dict):
            unknown = {k: v for k, v in loss.items() if k not in parts}
            return {**{k: p[0] for k, p in parts.items()}, **unknown}, {
                k: p[1] for k, p in parts.items() if p[1] is not None
            } or None
        return [p[0] for p in parts.values()], [p[1] for p in parts.values()]

    return take(outputs.places, loss, weight, ())


def _entry(weights, key):
    """Return the weights for a part of the losses."""
    if isinstance(weights, dict):
        return weights.get(key)
    return weights[key] if isinstance(weights, (list, tuple)) else weights


def _no_target(outputs, index, loss) -> ValueError:
    label = outputs.labels[index]
    which = f"output {label!r}" if label else "the output" if outputs.count == 1 else (
        f"output {index}")  # fmt: skip
    return ValueError(
        f"The loss {loss_name(loss)!r} of {which} needs targets.\nReceived: y=None for it\n"
        "Give `y` beside arrays; (x, y) in each batch of a generator or data set, and as "
        "validation_data;\nor compile() with loss=None where the model adds its own losses."
    )


def spread_targets(outputs: OutputMap, y_true, active: list[int]) -> list:
    """Return the target of each output, None where there is none.

    Where only some outputs have a loss, targets may be given for these alone.
    """
    leaves = [] if y_true is None else tree.flatten(y_true)
    if (
        not isinstance(y_true, dict)
        and len(leaves) != outputs.count
        and len(leaves) == len(active)
        and leaves
    ):
        found = [None] * outputs.count
        for i, leaf in zip(active, leaves, strict=True):
            found[i] = leaf
        return found
    return outputs.spread(y_true, "y")


class CompiledMetrics(metrics.Metric):
    """The metrics of all outputs, as one metric whose result is a dict.

    Args:
        metrics: what `compile` was given as `metrics`.
        weighted_metrics: what it was given as `weighted_metrics`.
        output_names: names of flat outputs, or None.

    Raises:
        ValueError: if a name is unknown, or an argument is no list, tuple or dict.
    """

    def __init__(self, metrics=None, weighted_metrics=None, output_names=None):
        super().__init__(name="compile_metrics")
        self._plain = _checked_metrics("metrics", metrics)
        self._weighted = _checked_metrics("weighted_metrics", weighted_metrics)
        self._names = output_names
        self.outputs: OutputMap | None = None
        # Of each metric: (index of the output, metric, name in the logs, whether it is weighted).
        self.entries: list[tuple[int, Any, str, bool]] = []
        self.names: list[str] = []  # of the latest results

    @property
    def built(self) -> bool:
        """Whether the metrics are matched with the outputs."""
        return self.outputs is not None

    @property
    def variables(self) -> list:
        """The variables of all metrics."""
        return [v for _, metric, *_ in self.entries for v in metric.variables]

    def build(self, y_true, y_pred) -> None:
        """Match the metrics with the outputs; "accuracy" becomes the kind that fits the shapes.

        Args:
            y_true: targets: arrays or symbolic tensors.
            y_pred: predictions, likewise.
        """
        outputs = OutputMap(y_pred, self._names)
        plain = outputs.spread(self._plain, "metrics", is_leaf=_is_one_or_list)
        weighted = outputs.spread(self._weighted, "weighted_metrics", is_leaf=_is_one_or_list)
        targets = spread_targets(outputs, y_true, list(range(outputs.count)))
        predictions = tree.flatten(y_pred)
        entries = []
        taken: set[str] = {"loss"}
        for i in range(outputs.count):
            names: set[str] = set()
            for group, is_weighted in ((plain[i], False), (weighted[i], True)):
                for item in tree.flatten(group) if group is not None else ():
                    if item is None:
                        raise ValueError(
                            f"`metrics` must not hold None beside metrics.\nReceived: {group!r}"
                        )
                    metric, name = as_metric(item, targets[i], predictions[i])
                    if is_weighted and name in names:
                        name = f"weighted_{name}"
                    names.add(name)
                    name = _fresh(outputs.prefixes[i] + name, taken)
                    entries.append((i, metric, name, is_weighted))
        self.entries = entries
        self.outputs = outputs

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Update every metric; only the weighted ones get the sample weights."""
        if not self.built:
            self.build(y_true, y_pred)
        assert self.outputs is not None
        used = sorted({i for i, *_ in self.entries})
        targets = spread_targets(self.outputs, y_true, used)
        weights = self.outputs.spread(sample_weight, "sample_weight", broadcast=True)
        predictions = tree.flatten(y_pred)
        for i, metric, name, is_weighted in self.entries:
            if targets[i] is None:
                raise ValueError(
                    f"The metric {name!r} needs targets.\nReceived: y=None for its output"
                )
            weight = weights[i] if is_weighted else None
            if counted_rows() is not None and not isinstance(metric, metrics.MeanMetricWrapper):
                # (that one goes by the mask of the predictions)
                rows = jnp.ones(predictions[i].shape[0], "int32") if weight is None else weight
                weight = counted(rows)
            with noted(f"metric {name!r}"):
                metric.update_state(targets[i], predictions[i], sample_weight=weight)

    def result(self) -> dict:
        """Return the results: a dict from names in the logs to scalars."""
        found: dict = {}
        for _, metric, name, _ in self.entries:
            with noted(f"metric {name!r}"):
                value = metric.result()
            if isinstance(value, dict):
                prefix = name.removesuffix(metric.name)
                found.update({prefix + key: v for key, v in value.items()})
            else:
                found[name] = value
        self.names = list(found)
        return found

    def reset_state(self) -> None:
        """Reset every metric."""
        for _, metric, *_ in self.entries:
            metric.reset_state()

    def get_config(self) -> dict:
        raise NotImplementedError("The metrics of compile() are saved by get_compile_config().")


# What a user may give for one output.


def _is_number(value) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _is_loss(value) -> bool:
    return not tree.is_nested(value) or is_serialized(value)


def _is_weights(value) -> bool:
    """Whether `value` is the weight of an output's loss, or a list of those of its losses."""
    return _is_number(value) or (isinstance(value, (list, tuple)) and all(map(_is_number, value)))


def _with_weights(losses, weight) -> list[tuple]:
    """Return (loss, weight) for each loss of an output."""
    losses = losses if isinstance(losses, (list, tuple)) else [losses]
    weights = weight if isinstance(weight, (list, tuple)) else [weight] * len(losses)
    if len(losses) != len(weights):
        raise ValueError(
            f"`loss_weights` must have a number for each of the {len(losses)} losses of an output."
            f"\nReceived: {weight}"
        )
    return list(zip(losses, weights))


def _is_one_or_list(value) -> bool:
    """Whether `value` is the loss or metric, or a list of those, of one output."""
    if _is_loss(value):
        return True
    return isinstance(value, (list, tuple)) and all(_is_loss(v) and v is not None for v in value)


def _resolved(structure, is_leaf, convert):
    if structure is None or is_leaf(structure):
        return None if structure is None else convert(structure)
    if isinstance(structure, dict):
        return {key: _resolved(value, is_leaf, convert) for key, value in structure.items()}
    parts = [_resolved(value, is_leaf, convert) for value in structure]
    return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)


def as_loss(identifier):
    """Return what computes a loss: a callable `(y_true, y_pred, sample_weight) -> scalar`.

    Args:
        identifier: a name ("crossentropy" or "ce" for the kind that fits the shapes), a config, a
            function `(y_true, y_pred)`, a class or a `Loss`.

    Raises:
        ValueError: if a name is unknown, or it is none of these.
    """
    if isinstance(identifier, str) and _SHORT.get(identifier) == "crossentropy":
        wrapped = FunctionLoss(_crossentropy, name="crossentropy")
        wrapped.integer_targets = True
        wrapped.original = _crossentropy
        return wrapped
    refuse_metric(identifier)
    found = losses.get(identifier)
    if isinstance(found, losses.Loss):
        return found
    if not callable(found):
        raise ValueError(
            "`loss` must hold names of losses, functions (y_true, y_pred) or Loss objects.\n"
            f"Received: {identifier!r}, of type {type(identifier).__name__}"
        )

    name = identifier if isinstance(identifier, str) else loss_name(found)
    wrapped = FunctionLoss(_KeepsRank(found), name=name)
    wrapped.integer_targets = found is losses.sparse_categorical_crossentropy
    wrapped.original = found
    return wrapped


def loss_name(loss) -> str:
    """Return the name of a loss: its `name`, or that of its function or class."""
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__
    return "lambda" if name == "<lambda>" else name


_BY_SHAPE = {
    "accuracy": ("BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"),
    "crossentropy": (
        "BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy",
    ),
}  # fmt: skip
_SHORT = {"acc": "accuracy", "accuracy": "accuracy", "crossentropy": "crossentropy",
          "ce": "crossentropy"}  # fmt: skip


def as_metric(identifier, y_true, y_pred):
    """Return the metric that `identifier` means, and its name in the logs.

    "accuracy" ("acc") and "crossentropy" ("ce") are the binary, categorical or sparse categorical
    kind, as the shapes of targets and predictions tell.

    Args:
        identifier: a name, a config, a function, a class or a `Metric`.
        y_true: the output's target, or None.
        y_pred: the output.
    """
    if isinstance(identifier, str) and identifier in _SHORT:
        name = _by_shape(_SHORT[identifier], y_true, y_pred)
        return getattr(metrics, name)(name=identifier), identifier
    found = metrics.get(identifier)
    if isinstance(found, type):
        found = found()
    if not isinstance(found, metrics.Metric) and not hasattr(found, "update_state"):
        name = identifier if isinstance(identifier, str) else loss_name(found)
        found = metrics.MeanMetricWrapper(_KeepsRank(found), name=name)
        return found, name
    return found, identifier if isinstance(identifier, str) else found.name


class _KeepsRank:
    """A function of targets and predictions that gets both with as many axes.

    Targets (batch,) beside predictions (batch, 1) would broadcast to (batch, batch). A class, so
    that models can be pickled.
    """

    def __init__(self, function):
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, y_true, y_pred):
        if hasattr(y_true, "ndim") and hasattr(y_pred, "ndim"):
            y_true, y_pred = same_rank(y_true, y_pred)
        values = self.function(y_true, y_pred)
        if values is None:
            raise ValueError(
                f"The function {self.__name__!r} must return numbers.\nReceived: None\n"
                "Is a `return` missing?"
            )
        return values


def _by_shape(kind: str, y_true, y_pred) -> str:
    binary, categorical, sparse = _BY_SHAPE[kind]
    if y_true is None:
        return categorical
    true_shape, shape = tuple(y_true.shape), tuple(y_pred.shape)
    if shape[-1:] == (1,) or not shape:
        return binary
    if len(true_shape) < len(shape) or true_shape[-1] == 1:
        return sparse
    return categorical


def _crossentropy(y_true, y_pred):
    """The binary, categorical or sparse categorical crossentropy, as the shapes tell."""
    name = _by_shape("crossentropy", y_true, y_pred)
    return losses.get(name).call(*same_rank(y_true, y_pred))


def _checked_metrics(argument: str, value):
    """Check what `compile` was given, and look up names early, so that mistakes show there."""
    if value is None:
        return None
    if isinstance(value, str) and value not in _SHORT:
        metrics.get(value)
    if not isinstance(value, (list, tuple, dict)) or is_serialized(value):
        mend = sorted(map(str, value)) if isinstance(value, set) else [value]
        raise ValueError(
            f"`{argument}` must be a list, a tuple or a dict.\nReceived: {argument}={value!r}\n"
            f"Write {argument}={mend!r}."
        )

    def look_up(item):
        if isinstance(item, str) and item in _SHORT:
            return item
        refuse_loss(item)
        metrics.get(item)
        return item

    return _resolved(value, _is_loss, look_up)


def _fresh(name: str, taken: set[str]) -> str:
    """Return `name`, numbered if it is taken, and take it."""
    fresh, number = name, 0
    while fresh in taken:
        number += 1
        fresh = f"{name}_{number}"
    taken.add(fresh)
    return fresh
