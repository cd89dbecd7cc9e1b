"""Overlaps of predicted and true regions."""

import jax.numpy as jnp
import numpy as np

from kerata.engine import reading
from kerata.engine.dtypes import is_float
from kerata.engine.errors import argument_error, positive_int, warn
from kerata.losses.regression import shape_message
from kerata.metrics.metric import Metric, ratio
from kerata.metrics.reduction import spread


class IoU(Metric):
    """Intersection over union of chosen classes: tp / (tp + fp + fn), averaged over them.

    Classes that are neither true nor predicted anywhere do not count.

    Args:
        num_classes: number of classes.
        target_class_ids: the classes that the metric is about.
        name: name of the metric.
        dtype: dtype of the state; int32 if None.
        ignore_class: class number of targets that do not count, or None.
        sparse_y_true: whether targets are class numbers; otherwise one-hot vectors.
        sparse_y_pred: whether predictions are class numbers; otherwise scores of classes.
        axis: the classes' axis, of targets or predictions that are not class numbers.

    Raises:
        ValueError: if a target class is out of range.

    Example:
        >>> kerata.metrics.IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])
        Array(0.333..., dtype=float32)
    """

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(name=name, dtype=dtype or "int32")
        self.num_classes = positive_int("num_classes", num_classes, self)
        self.target_class_ids = list(target_class_ids)
        if not all(0 <= c < self.num_classes for c in self.target_class_ids):
            raise argument_error(
                "target_class_ids",
                f"be class numbers between 0 and {self.num_classes - 1}",
                target_class_ids,
                self,
            )
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable(
            (self.num_classes, self.num_classes), "zeros", name="total_confusion_matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Args:
            y_true: class numbers, or one-hot vectors.
            y_pred: class numbers, or scores of classes.
            sample_weight: weights of the positions, of the class numbers' shape.

        Raises:
            ValueError: if the shapes do not fit.
        """
        y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
        if not self.sparse_y_true:
            y_true = jnp.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = jnp.argmax(y_pred, axis=self.axis)
        self._count(y_true, y_pred, sample_weight)

    def _count(self, y_true, y_pred, sample_weight):
        if y_true.size != y_pred.size:
            raise ValueError(shape_message(self.name, y_true.shape, y_pred.shape))
        weights = jnp.ones(y_true.shape, self.dtype)
        if sample_weight is not None:
            given = getattr(sample_weight, "dtype", None) or np.asarray(sample_weight).dtype
            if is_float(given) and not is_float(self.dtype):
                warn(
                    f"{self.name} counts in {self.dtype}: fractions of sample weights are lost. "
                    "Make the metric with dtype='float32'.",
                )
            weights = spread(weights, jnp.asarray(sample_weight, self.dtype))[1]
        y_true, y_pred, weights = (jnp.ravel(x) for x in (y_true, y_pred, weights))
        y_true, y_pred = y_true.astype(jnp.int32), y_pred.astype(jnp.int32)
        known = (y_true >= 0) & (y_true < self.num_classes)
        known &= (y_pred >= 0) & (y_pred < self.num_classes)
        if self.ignore_class is not None:
            known &= y_true != self.ignore_class
        cell = jnp.where(known, y_true * self.num_classes + y_pred, 0)
        cells = jnp.zeros((self.num_classes**2,), self.dtype)
        cells = cells.at[cell].add(jnp.where(known, weights, 0))
        self.total_cm.assign_add(jnp.reshape(cells, (self.num_classes, self.num_classes)))

    def result(self):
        matrix = self.total_cm.value.astype("float32")
        hits = jnp.diag(matrix)
        union = jnp.sum(matrix, axis=0) + jnp.sum(matrix, axis=1) - hits
        chosen = jnp.asarray(self.target_class_ids)
        hits, union = hits[chosen], union[chosen]
        return ratio(jnp.sum(ratio(hits, union)), jnp.sum(union > 0))


class BinaryIoU(IoU):
    """Intersection over union of two classes, for scores with a threshold.

    Args:
        target_class_ids: the classes that the metric is about: 0, 1 or both.
        threshold: score from which on a position is predicted as class 1; None if predictions are
            0 or 1 already.
        name: name of the metric.
        dtype: dtype of the state; int32 if None.

    Example:
        >>> kerata.metrics.BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])
        Array(0.333..., dtype=float32)
    """

    def __init__(self, target_class_ids=(0, 1), threshold=0.5, name=None, dtype=None):
        super().__init__(2, target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: see `IoU.update_state`."""
        y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
        if self.threshold is not None:
            y_pred = y_pred >= self.threshold
        self._count(y_true, y_pred, sample_weight)


class MeanIoU(IoU):
    """Intersection over union, averaged over all classes.

    Args:
        num_classes: number of classes.
        name: name of the metric.
        dtype: dtype of the state; int32 if None.
        ignore_class: class number of targets that do not count, or None.
        sparse_y_true: whether targets are class numbers; otherwise one-hot vectors.
        sparse_y_pred: whether predictions are class numbers; otherwise scores of classes.
        axis: the classes' axis, of targets or predictions that are not class numbers.

    Example:
        >>> kerata.metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])
        Array(0.333..., dtype=float32)
    """

    def __init__(
        self,
        num_classes,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        num_classes = positive_int("num_classes", num_classes, type(self))
        reading.charge("a matrix of classes", (num_classes, num_classes), 4)
        super().__init__(
            num_classes,
            range(num_classes),
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=sparse_y_true,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )


class OneHotIoU(IoU):
    """Intersection over union of chosen classes, for one-hot targets.

    Args:
        num_classes: number of classes.
        target_class_ids: the classes that the metric is about.
        name: name of the metric.
        dtype: dtype of the state; int32 if None.
        ignore_class: class number of targets that do not count, or None.
        sparse_y_pred: whether predictions are class numbers; otherwise scores of classes.
        axis: the classes' axis.
    """

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_pred=False,
        axis=-1,
    ):
        super().__init__(
            num_classes,
            target_class_ids,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )


class OneHotMeanIoU(MeanIoU):
    """Intersection over union, averaged over all classes, for one-hot targets.

    Args:
        num_classes: number of classes.
        name: name of the metric.
        dtype: dtype of the state; int32 if None.
        ignore_class: class number of targets that do not count, or None.
        sparse_y_pred: whether predictions are class numbers; otherwise scores of classes.
        axis: the classes' axis.
    """

    def __init__(
        self,
        num_classes,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_pred=False,
        axis=-1,
    ):
        super().__init__(
            num_classes,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )
