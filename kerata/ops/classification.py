"""Classes as vectors, and the cross-entropies and other measures that losses are made of."""

import jax
import jax.numpy as jnp

from kerata.engine import settings, sparse as sparse_tensors
from kerata.engine.dtypes import as_float, canonical, is_int
from kerata.engine.errors import positive_int
from kerata.engine.op import op
from kerata.ops.arguments import array, arrays, one_axis


@op
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """Return vectors that are 1 at one place, and 0 elsewhere.

    Args:
        x: integers: the places; vectors for places that do not exist are 0 throughout.
        num_classes: length of the vectors.
        axis: where the vectors' axis goes in the result.
        dtype: None for `floatx()`.
        sparse: whether the result is a sparse tensor.

    Example:
        >>> kerata.ops.one_hot([0, 2], 3)
        Array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    x = array(x)
    if not is_int(x.dtype):
        x = x.astype("int32")
    num_classes = positive_int("num_classes", num_classes)
    axis = one_axis(axis, x.ndim + 1)
    if sparse:
        return sparse_tensors.one_hot(x, num_classes, axis, canonical(dtype))
    return jax.nn.one_hot(x, num_classes, dtype=canonical(dtype), axis=axis)


@op
def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False, **kwargs):
    """Return vectors that are 1 at several places, and 0 elsewhere.

    Args:
        inputs: integers of shape `(batch, n)` or `(n,)`: the places for each vector; ones that do
            not exist, such as -1, are passed over.
        num_classes: length of the vectors.
        axis: where the vectors' axis goes in the result.
        dtype: None for `floatx()`.
        sparse: whether the result is a sparse tensor.
        **kwargs: `num_tokens`, an older name of `num_classes`.

    Example:
        >>> kerata.ops.multi_hot([[0, 2], [1, 1]], 3)
        Array([[1., 0., 1.],
               [0., 1., 0.]], dtype=float32)
    """
    num_classes = kwargs.pop("num_tokens", None) if num_classes is None else num_classes
    if kwargs:
        raise TypeError(f"multi_hot() has no such arguments.\nReceived: {sorted(kwargs)}")
    if num_classes is None:
        raise ValueError("`num_classes` must be given.")
    x = array(inputs)
    hot = one_hot(x, num_classes, axis, dtype, sparse)
    summed = 1 if x.ndim > 1 else 0
    return sparse_tensors.any_of(hot, summed) if sparse else jnp.max(hot, axis=summed)


def _log_probabilities(output, from_logits, axis):
    """Return log-probabilities, from logits or from (not quite normalized) probabilities."""
    if from_logits:
        return jax.nn.log_softmax(output, axis)
    output = output / jnp.sum(output, axis, keepdims=True)
    epsilon = settings.epsilon()
    return jnp.log(jnp.clip(output, epsilon, 1 - epsilon))


@op
def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Return `-sum(target * log(output))` along the axis of the classes.

    Args:
        target: probabilities of the classes, as a rule one-hot.
        output: predicted probabilities, or logits, of the same shape.
        from_logits: whether `output` holds logits.
        axis: axis of the classes.

    Returns:
        A float tensor of the shape of `output` without `axis`.

    Example:
        >>> kerata.ops.categorical_crossentropy([[0.0, 1.0]], [[0.25, 0.75]])
        Array([0.2876821], dtype=float32)
    """
    target, output = as_float(target), as_float(output)
    if target.shape != output.shape or not output.ndim:
        raise ValueError(
            "`target` and `output` must have the same shape, of rank 1 or more.\n"
            f"Received: target of shape {target.shape}, output of shape {output.shape}"
        )
    axis = one_axis(axis, output.ndim)
    return -jnp.sum(target * _log_probabilities(output, from_logits, axis), axis)


@op
def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Return `-log(output[target])` along the axis of the classes.

    Args:
        target: indices of classes; 0 is returned for an index that does not exist.
        output: predicted probabilities, or logits, with one axis more than `target`, at `axis`.
        from_logits: whether `output` holds logits.
        axis: axis of the classes.

    Returns:
        A float tensor of the shape of `target`.

    Example:
        >>> kerata.ops.sparse_categorical_crossentropy([1], [[0.25, 0.75]])
        Array([0.2876821], dtype=float32)
    """
    target, output = array(target).astype("int32"), as_float(output)
    # The result has the width of a one-hot target, which is what it stands for.
    output = output.astype(jnp.promote_types(output.dtype, settings.floatx()))
    if not output.ndim:
        raise ValueError(f"`output` must have rank 1 or more.\nReceived: shape {output.shape}")
    axis = one_axis(axis, output.ndim)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = target[..., 0]
    expected = output.shape[:axis] + output.shape[axis + 1 :]
    if target.shape != expected:
        raise ValueError(
            f"`target` must have the shape of `output` without the classes, {expected}.\n"
            f"Received: target of shape {target.shape}, output of shape {output.shape}"
        )
    exists = (target >= 0) & (target < output.shape[axis])
    index = jnp.expand_dims(jnp.where(exists, target, 0), axis)
    log_probabilities = _log_probabilities(output, from_logits, axis)
    chosen = jnp.take_along_axis(log_probabilities, index, axis)
    return -jnp.where(exists, jnp.squeeze(chosen, axis), 0)


@op
def binary_crossentropy(target, output, from_logits=False):
    """Return `-target * log(output) - (1 - target) * log(1 - output)`, elementwise.

    Args:
        target: probabilities, as a rule 0 and 1.
        output: predicted probabilities, or logits, of the same shape.
        from_logits: whether `output` holds logits.

    Example:
        >>> kerata.ops.binary_crossentropy([0.0, 1.0], [0.25, 0.75])
        Array([0.28768206, 0.2876821 ], dtype=float32)
    """
    target, output = as_float(target), as_float(output)
    if target.shape != output.shape:
        raise ValueError(
            "`target` and `output` must have the same shape.\n"
            f"Received: target of shape {target.shape}, output of shape {output.shape}"
        )
    if from_logits:
        log_yes, log_no = jax.nn.log_sigmoid(output), jax.nn.log_sigmoid(-output)
    else:
        output = jnp.clip(output, settings.epsilon(), 1 - settings.epsilon())
        log_yes, log_no = jnp.log(output), jnp.log1p(-output)
    return -target * log_yes - (1 - target) * log_no


@op
def psnr(x1, x2, max_val):
    """Return the peak signal-to-noise ratio of two images, in decibels.

    Args:
        x1: tensor.
        x2: tensor of the same shape.
        max_val: the greatest value that a pixel can have.

    Example:
        >>> kerata.ops.psnr([0.0, 100.0], [0.0, 110.0], max_val=255.0)
        Array(31.141102, dtype=float32)
    """
    x1, x2 = map(as_float, arrays(x1, x2))
    if x1.shape != x2.shape:
        raise ValueError(
            f"`x1` and `x2` must have the same shape.\nReceived: shapes {x1.shape}, {x2.shape}"
        )
    peak = jnp.log10(jnp.asarray(max_val, x1.dtype))
    return 20 * peak - 10 * jnp.log10(jnp.mean(jnp.square(x1 - x2)))
