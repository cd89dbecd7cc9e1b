"""Sums and means over batches, and metrics that are the mean of a function."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from kerata.engine import masks
from kerata.engine.configurable import deserialize, serialize
from kerata.losses.derive import class_of_function, own_arguments
from kerata.losses.loss import numbers_as_array
from kerata.losses.weighting import (
    combine_masks,
    expand_like,
    mask_weights,
    same_rank,
    weights_error,
)
from kerata.metrics.metric import Metric, ratio


def totals(values, sample_weight, dtype, mask=None):
    """Return (weighted sum, sum of weights) of a batch, one value a sample.

    A sample's values along its other axes are averaged: every sample counts once.

    Args:
        values: array, `(batch, …)`, or a scalar.
        sample_weight: weights, `(batch,)` or of a shape that fits the values'; a scalar is the
            weight of the whole batch. None for ones.
        dtype: dtype to compute in.
        mask: which values count, or None.
    """
    values = jnp.asarray(values, dtype)
    weights = None if sample_weight is None else jnp.asarray(sample_weight, dtype)
    if mask is not None:
        weights = mask_weights(weights, jnp.asarray(mask, bool), dtype, mean=False)
    if weights is None:
        samples = values.shape[0] if values.ndim else 1
        return jnp.sum(values) * (samples / max(values.size, 1)), jnp.asarray(samples, dtype)
    if weights.ndim == 0:
        return jnp.mean(values) * weights, weights
    values, weights = spread(values, weights)
    inner = math.prod(values.shape[1:])
    return jnp.sum(values * weights) / inner, jnp.sum(weights) / inner


def spread(values, weights):
    """Return values, and the weights broadcast to their shape.

    Raises:
        ValueError: if the weights' shape does not fit.
    """
    shapes = (values.shape, weights.shape)
    values, weights = same_rank(values, weights)
    if weights.ndim < values.ndim:
        weights = expand_like(weights, values)
    if weights.ndim != values.ndim or any(
        w not in (1, v) for v, w in zip(values.shape, weights.shape, strict=True)
    ):
        raise ValueError(weights_error(*shapes))
    return values, jnp.broadcast_to(weights, values.shape)


class Sum(Metric):
    """The sum of all values.

    Args:
        name: name of the metric.
        dtype: dtype of the state.

    Example:
        >>> metric = kerata.metrics.Sum()
        >>> metric.update_state([1.0, 3.0])
        >>> metric.update_state([5.0], sample_weight=[2.0])
        >>> metric.result()
        Array(14., dtype=float32)
    """

    def __init__(self, name="sum", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values, sample_weight=None):
        """Add `values`, times `sample_weight` if given."""
        mask = masks.get_mask(values)
        values = jnp.asarray(numbers_as_array(values), self.dtype)
        weights = None if sample_weight is None else jnp.asarray(sample_weight, self.dtype)
        if mask is not None:
            weights = mask_weights(weights, jnp.asarray(mask, bool), self.dtype, mean=False)
        if weights is not None and weights.ndim:
            values, weights = spread(values, weights)
        self.total.assign_add(jnp.sum(values if weights is None else values * weights))

    def result(self):
        return self.total.value


class Mean(Metric):
    """The mean of all values, weighted.

    A sample's values along further axes are averaged first, so that each sample counts once. A
    `sample_weight` of shape `(batch,)` weights samples; one of the values' shape weights values; a
    scalar is the weight of the whole batch.

    Args:
        name: name of the metric.
        dtype: dtype of the state.

    Example:
        >>> metric = kerata.metrics.Mean()
        >>> metric.update_state([1.0, 3.0], sample_weight=[1.0, 3.0])
        >>> metric.result()
        Array(2.5, dtype=float32)
    """

    def __init__(self, name="mean", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values, sample_weight=None):
        """Add `values`, of shape `(batch, …)` or one number."""
        mask = masks.get_mask(values)
        self._add_to_mean(numbers_as_array(values), sample_weight, mask)

    def _add_to_mean(self, values, sample_weight, mask=None):
        total, count = totals(values, sample_weight, self.dtype, mask)
        self.total.assign_add(total)
        self.count.assign_add(count)

    def result(self):
        return ratio(self.total.value, self.count.value)


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Args:
        fn: function `fn(y_true, y_pred, **kwargs)` that returns one value a sample, or the name
            of one of kerata's.
        name: name of the metric; made from the class's name if None.
        dtype: dtype of the state.
        **kwargs: further arguments for `fn`.

    Example:
        >>> def off_by(y_true, y_pred):
        ...     return abs(y_true - y_pred)
        >>> metric = kerata.metrics.MeanMetricWrapper(off_by, name="off_by")
        >>> metric(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
        Array(0.25, dtype=float32)
    """

    def __init__(self, fn, name=None, dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype)
        if isinstance(fn, str):
            fn = deserialize({"class_name": "function", "config": fn})
        self.fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add the function's values for a batch.

        Args:
            y_true: targets.
            y_pred: predictions.
            sample_weight: see `Mean`.
        """
        mask = masks.get_mask(y_pred)
        values = self.fn(y_true, y_pred, **self._fn_kwargs)
        if sample_weight is not None:
            # Keras lets an ignored class count, as a zero, where there are no weights.
            mask = combine_masks(mask, masks.get_mask(values))
        self._add_to_mean(values, sample_weight, masks.mask_of_values(mask, values))

    def _config_value(self, name, value):
        # A function is written as Keras reads it: as a dict, not by its bare name.
        return serialize(value)


def metric_class(
    fn: Callable,
    name: str,
    class_name: str,
    order: tuple[str, ...] = (),
    defaults: dict | None = None,
    base: type = MeanMetricWrapper,
    check: Callable | None = None,
) -> Any:
    """Return the class of the metric that is the mean of a function.

    Args:
        fn: function of targets and predictions.
        name: default of the argument `name`.
        class_name: name of the class.
        order: the arguments' order, where it is not `name`, `dtype`, then the function's.
        defaults: defaults that differ from the function's.
        base: base class.
        check: called with each instance, to check its arguments.
    """
    arguments = {"name": name, "dtype": None} | own_arguments(fn) | (defaults or {})
    common = "    name: name of the metric.\n    dtype: dtype of the state.\n"
    attributes = {"__module__": "kerata.metrics"}
    return class_of_function(fn, base, class_name, arguments, order, common, attributes, check)
