"""Metrics: numbers gathered over batches, and the functions that some are the mean of."""

from kerata.engine.configurable import (
    deserialize_in,
    publish,
    resolve,
    serialize as _serialize,
)
from kerata.engine.naming import to_snake_case as _snake
from kerata.losses import (
    binary_crossentropy as binary_crossentropy,
    binary_focal_crossentropy as binary_focal_crossentropy,
    categorical_crossentropy as categorical_crossentropy,
    categorical_focal_crossentropy as categorical_focal_crossentropy,
    categorical_hinge as categorical_hinge,
    hinge as hinge,
    huber as huber,
    kl_divergence as kl_divergence,
    log_cosh as log_cosh,
    mean_absolute_error as mean_absolute_error,
    mean_absolute_percentage_error as mean_absolute_percentage_error,
    mean_squared_error as mean_squared_error,
    mean_squared_logarithmic_error as mean_squared_logarithmic_error,
    poisson as poisson,
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
    squared_hinge as squared_hinge,
)
from kerata.metrics.accuracy import (
    Accuracy as Accuracy,
    BinaryAccuracy as BinaryAccuracy,
    CategoricalAccuracy as CategoricalAccuracy,
    SparseCategoricalAccuracy as SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy as TopKCategoricalAccuracy,
    binary_accuracy as binary_accuracy,
    categorical_accuracy as categorical_accuracy,
    sparse_categorical_accuracy as sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy as sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy as top_k_categorical_accuracy,
)
from kerata.metrics.auc import AUC as AUC
from kerata.metrics.confusion import (
    FalseNegatives as FalseNegatives,
    FalsePositives as FalsePositives,
    Precision as Precision,
    PrecisionAtRecall as PrecisionAtRecall,
    Recall as Recall,
    RecallAtPrecision as RecallAtPrecision,
    SensitivityAtSpecificity as SensitivityAtSpecificity,
    SpecificityAtSensitivity as SpecificityAtSensitivity,
    TrueNegatives as TrueNegatives,
    TruePositives as TruePositives,
)
from kerata.metrics.fscore import F1Score as F1Score, FBetaScore as FBetaScore
from kerata.metrics.iou import (
    BinaryIoU as BinaryIoU,
    IoU as IoU,
    MeanIoU as MeanIoU,
    OneHotIoU as OneHotIoU,
    OneHotMeanIoU as OneHotMeanIoU,
)
from kerata.metrics.metric import Metric as Metric
from kerata.metrics.reduction import (
    Mean as Mean,
    MeanMetricWrapper as MeanMetricWrapper,
    Sum as Sum,
)
from kerata.metrics.regression import (
    BinaryCrossentropy as BinaryCrossentropy,
    CategoricalCrossentropy as CategoricalCrossentropy,
    CategoricalHinge as CategoricalHinge,
    ConcordanceCorrelation as ConcordanceCorrelation,
    CosineSimilarity as CosineSimilarity,
    Hinge as Hinge,
    KLDivergence as KLDivergence,
    LogCoshError as LogCoshError,
    MeanAbsoluteError as MeanAbsoluteError,
    MeanAbsolutePercentageError as MeanAbsolutePercentageError,
    MeanSquaredError as MeanSquaredError,
    MeanSquaredLogarithmicError as MeanSquaredLogarithmicError,
    PearsonCorrelation as PearsonCorrelation,
    Poisson as Poisson,
    R2Score as R2Score,
    RootMeanSquaredError as RootMeanSquaredError,
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
    SquaredHinge as SquaredHinge,
    concordance_correlation as concordance_correlation,
    pearson_correlation as pearson_correlation,
)

publish(globals())

_CLASSES = {
    name: thing
    for name, thing in globals().items()
    if isinstance(thing, type) and issubclass(thing, Metric)
}
_ALIASES = {
    "bce": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
_NAMES = {
    **_CLASSES,
    **{_snake(name): thing for name, thing in _CLASSES.items()},
    # These two break the rule that makes the other names.
    "f_beta_score": FBetaScore,
    "log_cosh_error": LogCoshError,
    **_ALIASES,
    **{name.upper(): thing for name, thing in _ALIASES.items()},
}


def serialize(metric):
    """Return the config of a metric: a dict."""
    return _serialize(metric)


def deserialize(config, custom_objects=None):
    """Return the metric that `config`, what `serialize` returned or a name, means."""
    return (
        get(config)
        if isinstance(config, str)
        else deserialize_in("keras.metrics", config, custom_objects)
    )


def get(identifier):
    """Return the metric that `identifier` means.

    Args:
        identifier: a name ("auc", "AUC", "mse"), of which an instance is returned; a config dict;
            a class; a metric or function; or None.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> kerata.metrics.get("mse")
        <MeanSquaredError name=mean_squared_error>
    """
    return resolve(identifier, _NAMES, "metric", deserialize)
