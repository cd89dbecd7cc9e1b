"""Means of losses as metrics, and how well predictions go along with targets."""

import jax.numpy as jnp

from kerata import losses
from kerata.engine import settings
from kerata.engine.errors import non_negative_int, one_of
from kerata.engine.op import op
from kerata.losses.regression import aligned, unit
from kerata.losses.weighting import same_rank
from kerata.metrics.metric import Metric
from kerata.metrics.reduction import Mean, metric_class

MeanSquaredError = metric_class(losses.mean_squared_error, "mean_squared_error", "MeanSquaredError")
MeanAbsoluteError = metric_class(
    losses.mean_absolute_error, "mean_absolute_error", "MeanAbsoluteError"
)
MeanAbsolutePercentageError = metric_class(
    losses.mean_absolute_percentage_error,
    "mean_absolute_percentage_error",
    "MeanAbsolutePercentageError",
)
MeanSquaredLogarithmicError = metric_class(
    losses.mean_squared_logarithmic_error,
    "mean_squared_logarithmic_error",
    "MeanSquaredLogarithmicError",
)
LogCoshError = metric_class(losses.log_cosh, "logcosh", "LogCoshError")
Hinge = metric_class(losses.hinge, "hinge", "Hinge")
SquaredHinge = metric_class(losses.squared_hinge, "squared_hinge", "SquaredHinge")
CategoricalHinge = metric_class(losses.categorical_hinge, "categorical_hinge", "CategoricalHinge")
KLDivergence = metric_class(losses.kl_divergence, "kl_divergence", "KLDivergence")
Poisson = metric_class(losses.poisson, "poisson", "Poisson")
BinaryCrossentropy = metric_class(
    losses.binary_crossentropy,
    "binary_crossentropy",
    "BinaryCrossentropy",
    ("name", "dtype", "from_logits", "label_smoothing"),
    {"label_smoothing": 0},
)
CategoricalCrossentropy = metric_class(
    losses.categorical_crossentropy,
    "categorical_crossentropy",
    "CategoricalCrossentropy",
    defaults={"label_smoothing": 0},
)
SparseCategoricalCrossentropy = metric_class(
    losses.sparse_categorical_crossentropy,
    "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy",
)


def cosine_similarity(y_true, y_pred, axis=-1):
    """The cosine of the angle between target and prediction: 1 for the same direction.

    Args:
        y_true: target vectors, `(batch, …, d)`.
        y_pred: predicted vectors of the same shape.
        axis: axis along which the vectors lie.
    """
    y_true, y_pred = aligned(y_true, y_pred, "cosine_similarity")
    return jnp.sum(unit(y_true, axis) * unit(y_pred, axis), axis=axis)


CosineSimilarity = metric_class(cosine_similarity, "cosine_similarity", "CosineSimilarity")


class RootMeanSquaredError(Mean):
    """The square root of the mean squared error.

    Args:
        name: name of the metric.
        dtype: dtype of the state.

    Example:
        >>> kerata.metrics.RootMeanSquaredError()([0.0, 0.0], [3.0, 3.0])
        Array(3., dtype=float32)
    """

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of targets and predictions of one shape."""
        y_true, y_pred = aligned(y_true, jnp.asarray(y_pred, self.dtype), self.name)
        self._add_to_mean(jnp.square(y_pred - y_true), sample_weight)

    def result(self):
        return jnp.sqrt(super().result())


@op
def pearson_correlation(y_true, y_pred, axis=-1):
    """Pearson's correlation coefficient: how far one is a linear function of the other.

    Args:
        y_true: targets, `(batch, d)`.
        y_pred: predictions of the same shape.
        axis: axis along which the values lie: -1 correlates within samples, 0 across the batch.

    Returns:
        An array without that axis, in [-1, 1]; NaN where either is constant.

    Example:
        >>> kerata.metrics.pearson_correlation([[0.0, 1.0]], [[3.0, 1.0]])
        Array([-1...], dtype=float32)
    """
    y_true, y_pred = aligned(y_true, y_pred, "pearson_correlation")
    t, p = (y - jnp.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred))
    norms = jnp.sqrt(jnp.sum(t * t, axis=axis)) * jnp.sqrt(jnp.sum(p * p, axis=axis))
    return jnp.sum(t * p, axis=axis) / norms


@op
def concordance_correlation(y_true, y_pred, axis=-1):
    """Lin's concordance correlation coefficient (1989): how close to equal the two are.

    `2 cov(t, p) / (var(t) + var(p) + (mean(t) - mean(p))^2)`.

    Args:
        y_true: targets, `(batch, d)`.
        y_pred: predictions of the same shape.
        axis: axis along which the values lie: -1 correlates within samples, 0 across the batch.

    Returns:
        An array without that axis, in [-1, 1].

    Example:
        >>> kerata.metrics.concordance_correlation([[0.0, 1.0, 0.5]], [[0.0, 1.0, 0.5]]) > 0.999
        Array([ True], dtype=bool)
    """
    y_true, y_pred = aligned(y_true, y_pred, "concordance_correlation")
    means = [jnp.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred)]
    spreads = [jnp.var(y, axis=axis) for y in (y_true, y_pred)]
    covariance = jnp.mean((y_true - means[0]) * (y_pred - means[1]), axis=axis)
    shift = jnp.squeeze(jnp.square(means[0] - means[1]), axis)
    return 2 * covariance / (spreads[0] + spreads[1] + shift + settings.epsilon())


PearsonCorrelation = metric_class(pearson_correlation, "pearson_correlation", "PearsonCorrelation")
ConcordanceCorrelation = metric_class(
    concordance_correlation, "concordance_correlation", "ConcordanceCorrelation"
)

_AGGREGATIONS = ("uniform_average", "variance_weighted_average", None)


class R2Score(Metric):
    """The coefficient of determination: the part of the targets' variance that is explained.

    1 for perfect predictions, 0 for predicting the mean, negative for worse.

    Args:
        class_aggregation: how the scores of several outputs are joined: "uniform_average",
            "variance_weighted_average", or None for one score an output.
        num_regressors: number of independent variables behind the predictions, to adjust the score
            for; 0 for no adjustment.
        name: name of the metric.
        dtype: dtype of the state.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        >>> metric = kerata.metrics.R2Score()
        >>> metric([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]])
        Array(0.5, dtype=float32)
    """

    def __init__(
        self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None
    ):
        super().__init__(name=name, dtype=dtype)
        self.class_aggregation = one_of("class_aggregation", class_aggregation, _AGGREGATIONS, self)
        self.num_regressors = non_negative_int("num_regressors", num_regressors, self)
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self._built = False

    def _build(self, outputs: int):
        for name in ("squared_sum", "sum", "residual", "count"):
            variable = self.add_variable((outputs,), "zeros", name=name)
            setattr(self, "total_mse" if name == "residual" else name, variable)
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: targets, `(batch, outputs)`; `(batch,)` will do for one output.
            y_pred: predictions of the same shape.
            sample_weight: weights of the samples, `(batch,)`.

        Raises:
            ValueError: if the shapes do not fit.
        """
        y_true, y_pred = same_rank(jnp.asarray(y_true, self.dtype), jnp.asarray(y_pred, self.dtype))
        check_matrices(self, y_true, y_pred)
        if not self._built:
            self._build(y_true.shape[1])
        weights = jnp.ones((len(y_true), 1), self.dtype)
        if sample_weight is not None:
            weights = weights * jnp.reshape(jnp.asarray(sample_weight, self.dtype), (-1, 1))
        self.sum.assign_add(jnp.sum(weights * y_true, axis=0))
        self.squared_sum.assign_add(jnp.sum(weights * y_true**2, axis=0))
        self.total_mse.assign_add(jnp.sum(weights * (y_true - y_pred) ** 2, axis=0))
        self.count.assign_add(jnp.sum(weights * jnp.ones_like(y_true), axis=0))
        # As in Keras, every output of a sample counts as one here.
        self.num_samples.assign_add(y_true.size)

    def result(self):
        if not self._built:
            raise ValueError(f"{self.name}: there is no result before the first update_state().")
        mean = self.sum.value / self.count.value
        total = self.squared_sum.value - self.sum.value * mean
        scores = 1 - self.total_mse.value / total
        scores = jnp.where(jnp.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = jnp.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = jnp.sum(scores * total) / jnp.sum(total)
        if self.num_regressors:
            samples = self.num_samples.value
            free = samples - self.num_regressors - 1
            adjusted = 1 - (1 - scores) * (samples - 1) / jnp.where(free > 0, free, 1)
            # With too few samples the adjustment has no meaning.
            scores = jnp.where(free > 0, adjusted, scores)
        return scores


def check_matrices(metric, y_true, y_pred) -> None:
    """Raise ValueError unless both arrays are `(batch, outputs)`, of the metric's outputs."""
    if y_true.ndim != 2 or y_true.shape != y_pred.shape:
        raise ValueError(
            f"{metric.name}: y_true and y_pred must both have the shape (batch, outputs).\n"
            f"Received: y_true of shape {y_true.shape}, y_pred of shape {y_pred.shape}"
        )
    if metric._built and metric.variables[-1].shape not in ((), y_true.shape[1:]):
        raise ValueError(
            f"{metric.name}: the number of outputs must stay the same: it was "
            f"{metric.variables[-1].shape[0]}.\nReceived: y_true of shape {y_true.shape}"
        )
