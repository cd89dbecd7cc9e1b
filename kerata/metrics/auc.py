"""The area under curves of rates against each other."""

import enum

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import argument_error, one_of
from kerata.metrics import thresholds as at
from kerata.metrics.metric import Metric, ratio


class AUCCurve(enum.Enum):
    """What is drawn against what."""

    ROC = "ROC"
    PR = "PR"
    PRGAIN = "PRGAIN"


class AUCSummationMethod(enum.Enum):
    """How the area between two points is taken."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"


class AUC(Metric):
    """The area under a curve that a binary classifier draws as its threshold moves.

    The curve is approximated at a number of thresholds: with the default, errors are below 0.01
    for scores that spread over [0, 1].

    Args:
        num_thresholds: number of thresholds, evenly spaced; more than 1.
        curve: "ROC" for recall against false positive rate, "PR" for precision against recall,
            "PRGAIN" for their gains (Flach and Kull, 2015).
        summation_method: "interpolation" (trapezoids; for "PR" the one of Davis and Goadrich,
            2006), "minoring" or "majoring" for the smaller or larger of neighbouring heights.
        name: name of the metric.
        dtype: dtype of the state.
        thresholds: thresholds in [0, 1] to use in place of `num_thresholds`; the ends are added.
        multi_label: whether to average the areas of the labels of `(batch, labels)`; otherwise all
            labels are counted together.
        num_labels: number of labels; found in the first batch if None.
        label_weights: weights of the labels.
        from_logits: whether predictions are logits: they go through a sigmoid.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        >>> kerata.metrics.AUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        Array(0.75, dtype=float32)
    """

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        super().__init__(name=name, dtype=dtype)
        self._curve = one_of(
            "curve", getattr(curve, "value", curve), [c.value for c in AUCCurve], self
        )
        self._summation_method = one_of(
            "summation_method",
            getattr(summation_method, "value", summation_method),
            [m.value for m in AUCSummationMethod],
            self,
        )
        if thresholds is None:
            if not isinstance(num_thresholds, (int, np.integer)) or num_thresholds <= 1:
                raise argument_error(
                    "num_thresholds", "be an integer above 1", num_thresholds, self
                )
            self._thresholds = at.even(int(num_thresholds))
            self._inner = None
            self._evenly = num_thresholds > 2
        else:
            self._inner = sorted(at.checked(list(thresholds), 0.5, self))
            ends = at.even(2)
            self._thresholds = [ends[0], *self._inner, ends[1]]
            self._evenly = at.is_even(self._thresholds)
        self.num_thresholds = len(self._thresholds)
        if num_labels is not None and not multi_label:
            raise ValueError(
                f"{self.name}: `num_labels` belongs to `multi_label=True`.\n"
                f"Received: num_labels={num_labels}, multi_label={multi_label}"
            )
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.from_logits = from_logits
        self.label_weights = label_weights
        if label_weights is not None and np.any(np.asarray(label_weights) < 0):
            raise argument_error("label_weights", "be at least 0", label_weights, self)
        self._built = False
        if not multi_label or num_labels:
            self._build(num_labels)

    @property
    def curve(self) -> AUCCurve:
        """The curve, a member of an enumeration."""
        return AUCCurve(self._curve)

    @property
    def summation_method(self) -> AUCSummationMethod:
        """The summation method, a member of an enumeration."""
        return AUCSummationMethod(self._summation_method)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, ends included."""
        return list(self._thresholds)

    def _config_value(self, name, value):
        own = {
            "curve": self._curve,
            "summation_method": self._summation_method,
            "thresholds": self._inner,
        }
        return super()._config_value(name, own.get(name, value))

    def _build(self, labels: int | None):
        if labels is not None and self.label_weights is not None:
            given = np.size(self.label_weights)
            if given != labels:
                raise ValueError(
                    f"{self.name}: label_weights needs one weight for each of {labels} labels.\n"
                    f"Received: {given} weights"
                )
        self._labels = labels
        shape = (self.num_thresholds,) if labels is None else (self.num_thresholds, labels)
        for name in at.COUNTS:
            setattr(self, name, self.add_variable(shape, "zeros", name=name))
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: targets, 0 or 1.
            y_pred: scores in [0, 1], or logits, of the same shape.
            sample_weight: weights of the samples.

        Raises:
            ValueError: if the shapes do not fit.
        """
        y_pred = jnp.asarray(y_pred, self.dtype)
        if self.multi_label and (
            y_pred.ndim != 2 or (self._built and y_pred.shape[1] != self._labels)
        ):
            labels = self._labels if self._built else "labels"
            raise ValueError(
                f"{self.name}: with multi_label=True, y_pred must have the shape (batch, {labels})."
                f"\nReceived: y_pred of shape {y_pred.shape}"
            )
        if not self._built:
            self._build(y_pred.shape[1])
        if self.from_logits:
            y_pred = jax.nn.sigmoid(y_pred)
        found = at.counts(
            y_true,
            y_pred,
            self._thresholds,
            sample_weight,
            evenly=self._evenly,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
            owner=self,
        )
        for name in at.COUNTS:
            getattr(self, name).assign_add(found[name])

    def interpolate_pr_auc(self):
        """Return the area under the precision-recall curve, interpolated in counts.

        Between two thresholds true and false positives grow together, linearly; precision does not
        (Davis and Goadrich, 2006).

        Returns:
            A scalar; an array `(labels,)` with `multi_label` and no `label_weights`.
        """
        hits, alarms = self.true_positives.value, self.false_positives.value
        missed = self.false_negatives.value
        predicted = hits + alarms
        more_hits = hits[:-1] - hits[1:]
        slope = ratio(more_hits, jnp.maximum(predicted[:-1] - predicted[1:], 0))
        intercept = hits[1:] - slope * predicted[1:]
        both = (predicted[:-1] > 0) & (predicted[1:] > 0)
        growth = jnp.where(both, ratio(predicted[:-1], jnp.maximum(predicted[1:], 0)), 1.0)
        area = slope * (more_hits + intercept * jnp.log(growth))
        return self._joined(jnp.sum(ratio(area, jnp.maximum(hits[1:] + missed[1:], 0)), axis=0))

    def _joined(self, areas):
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return jnp.mean(areas)
        weights = jnp.asarray(self.label_weights, areas.dtype)
        return ratio(jnp.sum(areas * weights), jnp.sum(weights))

    def result(self):
        if not self._built:
            raise ValueError(f"{self.name}: there is no result before the first update_state().")
        if self._curve == "PR" and self._summation_method == "interpolation":
            return self.interpolate_pr_auc()
        hits, alarms = self.true_positives.value, self.false_positives.value
        missed, passed = self.false_negatives.value, self.true_negatives.value
        recall, precision = ratio(hits, hits + missed), ratio(hits, hits + alarms)
        if self._curve == "ROC":
            x, y = ratio(alarms, alarms + passed), recall
        elif self._curve == "PR":
            x, y = recall, precision
        else:
            positive = ratio(hits + missed, hits + missed + alarms + passed)
            odds = ratio(positive, 1 - positive)
            x = jnp.where(hits > 0, jnp.maximum(1 - odds * ratio(missed, hits), 0), 0)
            y = 1 - odds * ratio(alarms, hits)
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": jnp.minimum(y[:-1], y[1:]),
            "majoring": jnp.maximum(y[:-1], y[1:]),
        }[self._summation_method]
        return self._joined(jnp.sum((x[:-1] - x[1:]) * heights, axis=0))
