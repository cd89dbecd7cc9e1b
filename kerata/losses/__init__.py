"""Losses: functions `f(y_true, y_pred)`, and classes that weight, mask and reduce them."""

from kerata.engine.configurable import (
    deserialize_in,
    publish,
    resolve,
    serialize as _serialize,
)
from kerata.losses.crossentropy import (
    BinaryCrossentropy as BinaryCrossentropy,
    BinaryFocalCrossentropy as BinaryFocalCrossentropy,
    CategoricalCrossentropy as CategoricalCrossentropy,
    CategoricalFocalCrossentropy as CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy,
    KLDivergence as KLDivergence,
    Poisson as Poisson,
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
    binary_crossentropy as binary_crossentropy,
    binary_focal_crossentropy as binary_focal_crossentropy,
    categorical_crossentropy as categorical_crossentropy,
    categorical_focal_crossentropy as categorical_focal_crossentropy,
    categorical_generalized_cross_entropy as categorical_generalized_cross_entropy,
    kl_divergence as kl_divergence,
    poisson as poisson,
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
)
from kerata.losses.loss import Loss as Loss
from kerata.losses.regression import (
    CosineSimilarity as CosineSimilarity,
    Huber as Huber,
    LogCosh as LogCosh,
    MeanAbsoluteError as MeanAbsoluteError,
    MeanAbsolutePercentageError as MeanAbsolutePercentageError,
    MeanSquaredError as MeanSquaredError,
    MeanSquaredLogarithmicError as MeanSquaredLogarithmicError,
    cosine_similarity as cosine_similarity,
    huber as huber,
    log_cosh as log_cosh,
    mean_absolute_error as mean_absolute_error,
    mean_absolute_percentage_error as mean_absolute_percentage_error,
    mean_squared_error as mean_squared_error,
    mean_squared_logarithmic_error as mean_squared_logarithmic_error,
)
from kerata.losses.structured import (
    CTC as CTC,
    CategoricalHinge as CategoricalHinge,
    Circle as Circle,
    Dice as Dice,
    Hinge as Hinge,
    SquaredHinge as SquaredHinge,
    Tversky as Tversky,
    categorical_hinge as categorical_hinge,
    circle as circle,
    ctc as ctc,
    dice as dice,
    hinge as hinge,
    squared_hinge as squared_hinge,
    tversky as tversky,
)

publish(globals())

_ALIASES = {
    "bce": binary_crossentropy,
    "kld": kl_divergence,
    "mae": mean_absolute_error,
    "mse": mean_squared_error,
    "mape": mean_absolute_percentage_error,
    "msle": mean_squared_logarithmic_error,
}
_NAMES = {
    **{
        name: thing
        for name, thing in globals().items()
        if callable(thing) and not name.startswith("_") and name not in ("publish", "resolve")
    },
    **_ALIASES,
    **{name.upper(): thing for name, thing in _ALIASES.items()},
}


def serialize(loss):
    """Return the config of a loss: a dict."""
    return _serialize(loss)


def deserialize(name, custom_objects=None):
    """Return the loss that `name`, a name or what `serialize` returned, means."""
    return (
        get(name) if isinstance(name, str) else deserialize_in("keras.losses", name, custom_objects)
    )


def get(identifier):
    """Return the loss that `identifier` means.

    Args:
        identifier: a name: of a function ("mse", "mean_squared_error"), which is returned, or of
            a class ("MeanSquaredError"), of which an instance is returned; a config dict; a class;
            a loss or function; or None.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> kerata.losses.get("mse") is kerata.losses.mean_squared_error
        True
        >>> kerata.losses.get("mean_square_error")
        Traceback (most recent call last):
        ...
        ValueError: There is no loss named 'mean_square_error'.
        Did you mean 'mean_squared_error' or ...?
    """
    return resolve(identifier, _NAMES, "loss", deserialize)
