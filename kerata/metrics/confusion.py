"""Metrics of binary decisions: counts of right and wrong ones, precision, recall."""

import jax.numpy as jnp

from kerata.engine.errors import positive_int, probability
from kerata.metrics import thresholds as at
from kerata.metrics.metric import Metric, ratio

_ARGUMENTS = """

    Args:
        thresholds: a number in [0, 1], or a list of them for a result with one value each: scores
            above it count as predicted. 0.5 if None.
        name: name of the metric.
        dtype: dtype of the state.

    Raises:
        ValueError: if a threshold is outside of [0, 1].
    """


class _Count(Metric):
    """The number of decisions of one kind, at each threshold."""

    _counted = ""

    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self._list = at.checked(thresholds, 0.5, self)
        self.accumulator = self.add_variable((len(self._list),), "zeros", name="accumulator")

    @property
    def thresholds(self):
        """The thresholds: a number, or a list of several."""
        return self._list

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: targets, 0 or 1.
            y_pred: scores of the same shape.
            sample_weight: weights of the samples.
        """
        y_pred = jnp.asarray(y_pred, self.dtype)
        found = at.counts(y_true, y_pred, self._list, sample_weight, owner=self)
        self.accumulator.assign_add(found[self._counted])

    def result(self):
        value = self.accumulator.value
        return value[0] if len(self._list) == 1 else value

    def _config_value(self, name, value):
        return super()._config_value(name, self.init_thresholds if name == "thresholds" else value)


class TruePositives(_Count):
    __doc__ = f"""The number of predicted positives that are positive.{_ARGUMENTS}"""
    _counted = "true_positives"


class FalsePositives(_Count):
    __doc__ = f"""The number of predicted positives that are negative.{_ARGUMENTS}"""
    _counted = "false_positives"


class TrueNegatives(_Count):
    __doc__ = f"""The number of predicted negatives that are negative.{_ARGUMENTS}"""
    _counted = "true_negatives"


class FalseNegatives(_Count):
    __doc__ = f"""The number of predicted negatives that are positive.{_ARGUMENTS}"""
    _counted = "false_negatives"


class _HitRate(Metric):
    """True positives as a share of all predicted, or of all true, positives."""

    _missed = ""

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = None if top_k is None else positive_int("top_k", top_k, self)
        self.class_id = class_id
        self._list = at.checked(thresholds, 0.5 if top_k is None else at.NEVER, self)
        shape = (len(self._list),)
        self.true_positives = self.add_variable(shape, "zeros", name="true_positives")
        setattr(self, self._missed, self.add_variable(shape, "zeros", name=self._missed))

    @property
    def thresholds(self):
        """The thresholds, a list."""
        return self._list

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: targets, 0 or 1.
            y_pred: scores of the same shape.
            sample_weight: weights of the samples.
        """
        found = at.counts(
            y_true,
            jnp.asarray(y_pred, self.dtype),
            self._list,
            sample_weight,
            top_k=self.top_k,
            class_id=self.class_id,
            owner=self,
        )
        self.true_positives.assign_add(found["true_positives"])
        getattr(self, self._missed).assign_add(found[self._missed])

    def result(self):
        hits = self.true_positives.value
        share = ratio(hits, hits + getattr(self, self._missed).value)
        return share[0] if len(self._list) == 1 else share

    def _config_value(self, name, value):
        return super()._config_value(name, self.init_thresholds if name == "thresholds" else value)


_RATE_ARGUMENTS = """

    Args:
        thresholds: a number in [0, 1], or a list of them for a result with one value each: scores
            above it count as predicted. 0.5 if None; no threshold if None and `top_k` is given.
        top_k: count the `k` best classes of each sample as predicted.
        class_id: look at this class only, of `(batch, classes)`.
        name: name of the metric.
        dtype: dtype of the state.

    Raises:
        ValueError: if a threshold is outside of [0, 1].
"""


class Precision(_HitRate):
    __doc__ = f"""The share of predicted positives that are positive: tp / (tp + fp).{
        _RATE_ARGUMENTS
    }
    Example:
        >>> kerata.metrics.Precision()([0, 1, 1, 1], [0.9, 0.4, 0.8, 0.7])
        Array(0.666..., dtype=float32)
    """
    _missed = "false_positives"


class Recall(_HitRate):
    __doc__ = f"""The share of positives that are predicted: tp / (tp + fn).{_RATE_ARGUMENTS}
    Example:
        >>> kerata.metrics.Recall()([0, 1, 1, 1], [0.9, 0.4, 0.8, 0.7])
        Array(0.666..., dtype=float32)
    """
    _missed = "false_negatives"


class _BestUnderConstraint(Metric):
    """The best value of one rate among the thresholds where another is high enough."""

    _required = ""

    def __init__(self, value, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        setattr(self, self._required, probability(self._required, value, self))
        self.num_thresholds = positive_int("num_thresholds", num_thresholds, self)
        self.class_id = class_id
        self._even = num_thresholds > 1
        self.thresholds = at.even(num_thresholds) if self._even else [0.5]
        for name in at.COUNTS:
            variable = self.add_variable((len(self.thresholds),), "zeros", name=name)
            setattr(self, name, variable)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: targets, 0 or 1.
            y_pred: scores in [0, 1] of the same shape.
            sample_weight: weights of the samples.
        """
        found = at.counts(
            y_true,
            jnp.asarray(y_pred, self.dtype),
            self.thresholds,
            sample_weight,
            evenly=self._even and len(self.thresholds) > 2,
            class_id=self.class_id,
            owner=self,
        )
        for name in at.COUNTS:
            getattr(self, name).assign_add(found[name])

    def _rate(self, hits: str, misses: str):
        hits = getattr(self, hits).value
        return ratio(hits, hits + getattr(self, misses).value)

    @property
    def _precision(self):
        return self._rate("true_positives", "false_positives")

    @property
    def _recall(self):
        return self._rate("true_positives", "false_negatives")

    @property
    def _specificity(self):
        return self._rate("true_negatives", "false_positives")

    def _best(self, wanted, constrained):
        required = getattr(self, self._required)
        return jnp.max(jnp.where(constrained >= required, wanted, 0))


_BEST_ARGUMENTS = """
        num_thresholds: number of thresholds to try.
        class_id: look at this class only, of `(batch, classes)`.
        name: name of the metric.
        dtype: dtype of the state.

    Raises:
        ValueError: if an argument is out of its range.
    """


class SensitivityAtSpecificity(_BestUnderConstraint):
    __doc__ = f"""The best recall at thresholds where the specificity, tn / (tn + fp), is enough.

    Args:
        specificity: the least specificity, in [0, 1].{_BEST_ARGUMENTS}"""
    _required = "specificity"

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._recall, self._specificity)


class SpecificityAtSensitivity(_BestUnderConstraint):
    __doc__ = f"""The best specificity, tn / (tn + fp), at thresholds where the recall is enough.

    Args:
        sensitivity: the least recall, in [0, 1].{_BEST_ARGUMENTS}"""
    _required = "sensitivity"

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._specificity, self._recall)


class PrecisionAtRecall(_BestUnderConstraint):
    __doc__ = f"""The best precision at thresholds where the recall is enough.

    Args:
        recall: the least recall, in [0, 1].{_BEST_ARGUMENTS}"""
    _required = "recall"

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._precision, self._recall)


class RecallAtPrecision(_BestUnderConstraint):
    __doc__ = f"""The best recall at thresholds where the precision is enough.

    Args:
        precision: the least precision, in [0, 1].{_BEST_ARGUMENTS}"""
    _required = "precision"

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._recall, self._precision)
