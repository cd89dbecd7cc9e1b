"""The base class of losses, and how a loss function becomes a class."""

import numbers
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from kerata.engine import masks, naming, tree
from kerata.engine.configurable import Configurable
from kerata.engine.dtypes import is_float, standardize_dtype
from kerata.engine.errors import argument_error, one_of
from kerata.losses.derive import class_of_function, own_arguments
from kerata.losses.weighting import combine_masks, mask_weights, weighted

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(Configurable):
    """Base of losses: compares targets with predictions, and reduces to one number.

    Subclasses write `call(y_true, y_pred)`, which returns one value a sample. `__call__` then
    applies sample weights and masks, and reduces:

    * `"sum_over_batch_size"` or `"mean"`: sum over all values, divided by their number;
    * `"sum"`: sum;
    * `"mean_with_sample_weight"`: sum of weighted values, divided by the sum of the weights;
    * `"none"` or None: the values themselves.

    Masked values (those whose prediction carries a mask, or whose label is an ignored class) count
    neither in a sum nor in the number that a mean divides by.

    Args:
        name: name of the loss; numbered if None.
        reduction: one of the above.
        dtype: dtype or dtype policy to compute in; `floatx()` if None.

    Raises:
        ValueError: if `reduction` is something else.

    Example:
        >>> class Worst(kerata.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return kerata.ops.max(abs(y_true - y_pred), axis=-1)
        >>> Worst()([[0.0, 1.0], [2.0, 2.0]], [[0.5, 1.0], [2.0, 1.0]])
        Array(0.75, dtype=float32)
    """

    # Whether `y_true` holds class numbers, which a narrow float type would round.
    integer_targets = False

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        self.name = name or naming.auto_name(type(self).__name__)
        self.reduction = one_of("reduction", reduction, REDUCTIONS, self)
        self._dtype = compute_dtype(dtype)
        if dtype is None:
            self.config_exclude = (*type(self).config_exclude, "dtype")

    @property
    def dtype(self) -> str:
        """The dtype that the loss is computed in."""
        return self._dtype

    def call(self, y_true, y_pred):
        """Return one value a sample.

        Args:
            y_true: targets.
            y_pred: predictions.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `call(y_true, y_pred)`.")

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the reduced loss.

        Args:
            y_true: targets; an array or a structure of arrays.
            y_pred: predictions; an array or a structure of arrays.
            sample_weight: weights of the samples, `(batch,)`, or of their values: a shape that
                the leading axes of the loss's values have, or broadcast from.

        Raises:
            ValueError: if shapes do not fit.
        """
        mask = masks.get_mask(y_pred)
        y_pred = tree.map_structure(self._cast_prediction, numbers_as_array(y_pred))
        y_true = tree.map_structure(self._cast_target, numbers_as_array(y_true))
        values = self.call(y_true, y_pred)
        mask = masks.mask_of_values(combine_masks(mask, masks.get_mask(values)), values)
        if sample_weight is not None and jnp.ndim(values) == 0 and getattr(y_pred, "ndim", 0) == 1:
            _refuse_vector_weights(self.name, sample_weight)
        return reduce_weighted(values, sample_weight, mask, self.reduction, self._dtype)

    def _cast_prediction(self, x):
        return jnp.asarray(x, self._dtype)

    def _cast_target(self, x):
        if self.integer_targets and not is_float(standardize_dtype(jnp.asarray(x).dtype)):
            return jnp.asarray(x)
        return self._cast_prediction(x)


def numbers_as_array(x):
    """Return lists of plain numbers as an array, any other structure as it is."""
    first = x
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    return np.asarray(x) if isinstance(first, numbers.Number) and first is not x else x


def _refuse_vector_weights(name, sample_weight):
    # One number for the whole batch cannot be weighted sample by sample.
    if np.size(sample_weight) > 1:
        raise ValueError(
            f"{name}: sample weights need one loss value a sample, but y_pred has one axis only, "
            f"which is averaged.\nReceived: sample_weight of shape {np.shape(sample_weight)}\n"
            "Give y_true and y_pred a last axis: y[:, None]."
        )


def compute_dtype(dtype) -> str:
    """Return the dtype to compute in, of a dtype, a policy, a policy's name or None."""
    if hasattr(dtype, "compute_dtype"):
        return dtype.compute_dtype
    if isinstance(dtype, str):
        dtype = dtype.removeprefix("mixed_")
    return standardize_dtype(dtype)


def reduce_weighted(values, sample_weight=None, mask=None, reduction="mean", dtype=None):
    """Return `values`, weighted and masked, reduced: see `Loss`."""
    values = jnp.asarray(values, dtype)
    weights = None if sample_weight is None else jnp.asarray(sample_weight, values.dtype)
    if mask is not None:
        weights = mask_weights(weights, mask, values.dtype, mean=reduction in (
            "mean", "sum_over_batch_size"))  # fmt: skip
    if weights is not None:
        values = weighted(values, weights)
    if reduction in (None, "none"):
        return values
    total = jnp.sum(values)
    if reduction == "mean_with_sample_weight":
        count = values.size if weights is None else jnp.sum(weights)
        return jnp.where(count == 0, 0, total / jnp.where(count == 0, 1, count))
    return total if reduction == "sum" else total / max(values.size, 1)


class FunctionLoss(Loss):
    """A loss that is a function `f(y_true, y_pred, **arguments)`.

    Args:
        fn: the function; it returns one value a sample.
        reduction: see `Loss`.
        name: name of the loss; that of the function if None.
        dtype: see `Loss`.
        **arguments: further arguments for `fn`.
    """

    def __init__(self, fn, reduction="sum_over_batch_size", name=None, dtype=None, **arguments):
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        for argument, value in arguments.items():
            if isinstance(value, float) and value != value:
                raise argument_error(argument, "be a number", value, self)
        self.fn = fn
        self.arguments = arguments

    def call(self, y_true, y_pred):
        return self.fn(y_true, y_pred, **self.arguments)

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}, reduction={self.reduction!r}>"


def loss_class(
    fn: Callable,
    name: str,
    class_name: str | None = None,
    order: tuple[str, ...] = (),
    defaults: dict | None = None,
    check: Callable | None = None,
    integer_targets: bool = False,
) -> Any:
    """Return the class of a loss function.

    Its arguments are those of the function but the targets and predictions, then `reduction`,
    `name` and `dtype`. Its docstring is made of the function's.

    Args:
        fn: loss function.
        name: default of the argument `name`.
        class_name: name of the class; that of the function in camel case if None.
        order: names of all arguments, where they are to come in another order.
        defaults: defaults that differ from the function's.
        check: called with the instance when it is made, to check its arguments.
        integer_targets: whether the targets are class numbers.
    """
    common = {"reduction": "sum_over_batch_size", "name": name, "dtype": None}
    return class_of_function(
        fn,
        FunctionLoss,
        class_name or "".join(part.capitalize() for part in fn.__name__.split("_")),
        own_arguments(fn) | common | (defaults or {}),
        order,
        """\
    reduction: "sum_over_batch_size" (or "mean"), "sum", "mean_with_sample_weight", "none" or
        None: see `Loss`.
    name: name of the loss.
    dtype: dtype or dtype policy to compute in; `floatx()` if None.
""",
        {"__module__": "kerata.losses", "integer_targets": integer_targets},
        check,
    )
