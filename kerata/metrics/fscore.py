"""F-scores: precision and recall in one number."""

import jax.numpy as jnp

from kerata.engine import settings
from kerata.engine.errors import argument_error, one_of
from kerata.metrics.metric import Metric, ratio
from kerata.metrics.regression import check_matrices

_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """A weighted harmonic mean of precision and recall, of each class (van Rijsbergen, 1979).

    `(1 + beta^2) precision recall / (beta^2 precision + recall)`.

    Args:
        average: how classes are joined: None for one score a class, "micro" to count over all
            classes, "macro" for the mean of the scores, "weighted" for the mean weighted by how
            often a class is true.
        beta: how much recall counts, relative to precision; positive.
        threshold: score above which a class is predicted, in (0, 1]; None to predict the class
            with the highest score.
        name: name of the metric.
        dtype: dtype of the state.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        >>> metric = kerata.metrics.FBetaScore(beta=2.0, threshold=0.5)
        >>> metric([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.8], [0.1, 0.7]])
        Array([1. , 0.8333...], dtype=float32)
    """

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.average = one_of("average", average, _AVERAGES, self)
        if not isinstance(beta, float) or beta <= 0:
            raise argument_error("beta", "be a positive float", beta, self)
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise argument_error(
                "threshold", "be a float above 0 and at most 1, or None", threshold, self
            )
        self.beta = beta
        self.threshold = threshold
        self._built = False

    def _build(self, classes: int):
        shape = () if self.average == "micro" else (classes,)
        for name in (
            "true_positives",
            "false_positives",
            "false_negatives",
            "intermediate_weights",
        ):
            setattr(self, name, self.add_variable(shape, "zeros", name=name))
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: targets, 0 or 1, `(batch, classes)`.
            y_pred: scores of the same shape.
            sample_weight: weights of the samples, `(batch,)`.

        Raises:
            ValueError: if the shapes do not fit.
        """
        y_true, y_pred = jnp.asarray(y_true, self.dtype), jnp.asarray(y_pred, self.dtype)
        check_matrices(self, y_true, y_pred)
        if not self._built:
            self._build(y_true.shape[1])
        if self.threshold is None:
            best = jnp.max(y_pred, axis=-1, keepdims=True)
            chosen = (y_pred >= best) & (jnp.abs(y_pred) > 1e-9)
        else:
            chosen = y_pred > self.threshold
        chosen = chosen.astype(self.dtype)
        axis = None if self.average == "micro" else 0

        def total(x):
            if sample_weight is not None:
                x = x * jnp.reshape(jnp.asarray(sample_weight, self.dtype), (-1, 1))
            return jnp.sum(x, axis=axis)

        self.true_positives.assign_add(total(chosen * y_true))
        self.false_positives.assign_add(total(chosen * (1 - y_true)))
        self.false_negatives.assign_add(total((1 - chosen) * y_true))
        self.intermediate_weights.assign_add(total(y_true))

    def result(self):
        if not self._built:
            raise ValueError(f"{self.name}: there is no result before the first update_state().")
        hits = self.true_positives.value
        precision = ratio(hits, hits + self.false_positives.value)
        recall = ratio(hits, hits + self.false_negatives.value)
        square = self.beta**2
        denominator = square * precision + recall + settings.epsilon()
        scores = (1 + square) * precision * recall / denominator
        if self.average == "weighted":
            weights = self.intermediate_weights.value
            return jnp.sum(scores * ratio(weights, jnp.sum(weights)))
        return scores if self.average is None else jnp.mean(scores)


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall, of each class: `FBetaScore` with beta 1.

    Args:
        average: see `FBetaScore`.
        threshold: see `FBetaScore`.
        name: name of the metric.
        dtype: dtype of the state.

    Example:
        >>> kerata.metrics.F1Score(average="micro")([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])
        Array(0.4999..., dtype=float32)
    """

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average=average, threshold=threshold, name=name, dtype=dtype)
