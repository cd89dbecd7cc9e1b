"""Sparse tensors: what becomes of them in ops, in one table.

A sparse tensor is a `jax.experimental.sparse.BCOO`: values, and the indices that they are at.
`_RULES` has the ops that compute on one as it is; all others get it dense. Ops on symbolic tensors
are evaluated abstractly, with abstract sparse tensors for those with `sparse=True`, so the table
holds for them as well.

JAX's sparse module takes long to import, so nothing here imports it before it is needed.
"""

import functools
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def is_sparse(x) -> bool:
    """Return whether `x` is a sparse tensor, in any of JAX's formats."""
    return type(x).__module__.startswith("jax.experimental.sparse")


def dense(x):
    """Return `x`; as an array, if it is a sparse tensor."""
    return x.todense() if is_sparse(x) else x


def apply(function, args: tuple, kwargs: dict):
    """Call an op, some of whose arguments are, or hold, sparse tensors.

    Args:
        function: the op, undecorated.
        args: its arguments.
        kwargs: its keyword arguments.
    """
    rule = _RULES.get(function.__name__) if function.__module__.startswith("kerata.ops") else None
    if rule is not None:
        bound = _signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        try:
            result = rule(function, *_map(_plain, bound.args))
        except NotImplementedError:  # JAX's sparse module cannot do it
            result = NotImplemented
        if result is not NotImplemented:
            return result
    return function(*_map(dense, args), **_map(dense, kwargs))


def standin(array):
    """Return the sparse tensor that stands for any like `array`, in abstract evaluation."""
    return of_array(array, 1)


def of_array(x, most: int):
    """Return an array, of which at most so many values are not 0, as a sparse tensor."""
    return _jax().BCOO.fromdense(x, nse=min(most, x.size))


def padded(x: np.ndarray, dtype: str):
    """Return a NumPy array as a sparse tensor with room for a power of two of values.

    What is compiled for one batch then fits most of the others.
    """
    return of_array(jnp.asarray(x, dtype), 1 << int(np.count_nonzero(x)).bit_length())


def one_hot(x, num_classes: int, axis: int, dtype):
    """Return `ops.one_hot(x, num_classes, axis, dtype)` as a sparse tensor."""
    valid = (x >= 0) & (x < num_classes)
    places = list(jnp.indices(x.shape, dtype=x.dtype))
    places.insert(axis, jnp.where(valid, x, 0))
    indices = jnp.stack([place.ravel() for place in places], axis=-1)
    shape = (*x.shape[:axis], num_classes, *x.shape[axis:])
    return _jax().BCOO((valid.ravel().astype(dtype), indices), shape=shape, unique_indices=True)


def any_of(x, axis: int):
    """Return 1 where a sparse tensor is not 0 somewhere along `axis`, and 0 elsewhere."""
    total = _summed(_jax().bcoo_reduce_sum(x, axes=(axis,)))
    return _with_values(total, (total.data != 0).astype(x.dtype))


def bincount(x, weights, length: int):
    """Return `ops.bincount` as a sparse tensor; of a sparse `x`, only what is stored counts."""
    if is_sparse(x):
        rows, values = x.indices[:, :-1], x.data
        weights = weights.data if is_sparse(weights) else weights
    else:
        rows = jnp.indices(x.shape, dtype=x.dtype)[:-1].reshape(x.ndim - 1, x.size).T
        values = x.ravel()
    weights = jnp.ones(values.shape, "int32") if weights is None else jnp.ravel(weights)
    if weights.shape != values.shape:
        raise ValueError(
            "`weights` must have a value for each one that `x` has (if `x` is sparse: stores).\n"
            f"Received: {weights.size} weights for {values.size} values"
        )
    indices = jnp.concatenate([rows, values[:, None].astype(rows.dtype)], axis=1)
    return _summed(_jax().BCOO((weights, indices), shape=(*x.shape[:-1], length)))


_signature = functools.cache(inspect.signature)


@functools.cache
def _jax():
    import jax.experimental.sparse

    return jax.experimental.sparse


def _map(function, args):
    return jax.tree_util.tree_map(function, args, is_leaf=is_sparse)


def _plain(x):
    """Return sparse tensors in the one form that rules know: without batch axes."""
    if not is_sparse(x):
        return x
    if not isinstance(x, _jax().BCOO):
        return x.todense()
    if not x.n_batch:
        return x
    # Values and indices that are the same for all of a batch may be there once.
    batch = x.shape[: x.n_batch]
    parts = (jnp.broadcast_to(a, batch + a.shape[x.n_batch :]) for a in (x.data, x.indices))
    whole = _jax().BCOO(tuple(parts), shape=x.shape)
    return _jax().bcoo_update_layout(whole, n_batch=0, on_inefficient=None)


def _with_values(x, values):
    return _jax().BCOO(
        (values, x.indices),
        shape=x.shape,
        indices_sorted=x.indices_sorted,
        unique_indices=x.unique_indices,
    )


def _summed(x):
    """Return a sparse tensor that has one value at each index."""
    traced = isinstance(x.data, jax.core.Tracer) or isinstance(x.indices, jax.core.Tracer)
    if x.unique_indices:
        return x
    return _jax().bcoo_sum_duplicates(x, nse=x.nse if traced else None)


def _with_indices_of(x, other):
    """Return `x` with zeros stored at the indices of `other` too, sorted."""
    zeros = jnp.zeros((other.nse, *x.data.shape[1:]), x.dtype)
    indices = jnp.concatenate([x.indices, other.indices])
    return _summed(_jax().BCOO((jnp.concatenate([x.data, zeros]), indices), shape=x.shape))


def _values_at(x, y):
    """Return the values of `y`, an array that broadcasts with `x`, where `x` stores some."""
    if not np.ndim(y):
        return y
    y = jnp.asarray(y)
    y = y.reshape((1,) * (x.ndim - y.ndim) + y.shape)
    sizes = y.shape[: x.n_sparse]
    places = tuple(x.indices[:, k] if size != 1 else 0 for k, size in enumerate(sizes))
    return y.at[places].get(mode="fill", fill_value=1)


def _spec(function, *args):
    """Return shape and dtype of a result; mistakes in the arguments raise what the op raises."""

    def run():
        zeros = lambda x: jnp.zeros(x.shape, x.dtype) if is_sparse(x) else x  # noqa: E731
        return function(*_map(zeros, args))

    return jax.eval_shape(run)


# The rules: functions of an op and its arguments, in order and with defaults. A rule that returns
# NotImplemented leaves the op to the dense way.


def _by_value(function, x, *args):
    """For functions of one tensor that are 0 at 0."""
    if not is_sparse(x):
        return NotImplemented
    x = _summed(x)
    return _with_values(x, function(x.data, *_map(dense, args)))


def _union(function, x1, x2):
    """For functions of two tensors that are 0 where both are 0."""
    if not (is_sparse(x1) and is_sparse(x2)) or x1.shape != x2.shape:
        return NotImplemented
    if x1.n_dense != x2.n_dense:
        x1, x2 = (_jax().bcoo_update_layout(x, n_dense=0, on_inefficient=None) for x in (x1, x2))
    if x1.indices is not x2.indices or not x1.unique_indices:
        x1, x2 = _with_indices_of(x1, x2), _with_indices_of(x2, x1)
    return _with_values(x1, function(x1.data, x2.data))


def _product(function, x1, x2):
    """For functions of two tensors that are 0 where one is 0."""
    if is_sparse(x1) and is_sparse(x2):
        return _union(function, x1, x2)
    x = x1 if is_sparse(x1) else x2
    if _spec(function, x1, x2).shape != x.shape:
        return NotImplemented
    values = (x.data if y is x else _values_at(x, y) for y in (x1, x2))
    return _with_values(x, function(*values))


def _quotient(function, x1, x2):
    """For division. In compiled code, 0 / 0 and 0 / NaN are 0 where nothing is stored."""
    if is_sparse(x2) or _spec(function, x1, x2).shape != x1.shape:
        return NotImplemented
    x1 = _summed(x1)
    if np.ndim(x2):
        bad = jnp.isnan(x2) | (x2 == 0)
        if not isinstance(bad, jax.core.Tracer) and bad.any():
            bad = _jax().BCOO.fromdense(jnp.broadcast_to(bad, x1.shape), n_dense=x1.n_dense)
            x1 = _with_indices_of(x1, bad)
    return _with_values(x1, function(x1.data, _values_at(x1, x2)))


def _reshaped(function, x, *args):
    """For functions that keep the elements in their order."""
    return _jax().bcoo_reshape(x, new_sizes=_spec(function, x, *args).shape)


def _transposed(function, x, axes):
    _spec(function, x, axes)
    order = [a % x.ndim for a in (range(x.ndim)[::-1] if axes is None else axes)]
    return _jax().bcoo_transpose(x, permutation=order)


def _concatenated(function, xs, axis):
    spec = _spec(function, xs, axis)
    if axis is None or not all(map(is_sparse, xs)):
        return NotImplemented
    xs = [x.astype(spec.dtype) for x in xs]
    return _jax().bcoo_concatenate(xs, dimension=axis % len(spec.shape))


def _reduced(function, x, axis, keepdims):
    """For the sum and the mean."""
    spec = _spec(function, x, axis, keepdims)
    if axis is None:
        axis = range(x.ndim)
    gone = {a % x.ndim for a in (axis if np.iterable(axis) else (axis,))}
    x = _with_values(x, x.data.astype(spec.dtype))
    total = _jax().bcoo_reduce_sum(x, axes=sorted(gone))
    total = _jax().BCOO((total.data, total.indices), shape=total.shape)
    if function.__name__ == "mean":
        total = _with_values(total, total.data * (total.size / x.size))
    if not keepdims:
        return total
    kept = [a for a in range(x.ndim) if a not in gone]
    return _jax().bcoo_broadcast_in_dim(total, shape=spec.shape, broadcast_dimensions=kept)


def _multiplied(function, x1, x2):
    """For the matrix product."""
    dtype = _spec(function, x1, x2).dtype
    x1, x2 = (
        _jax().bcoo_update_layout(x, n_batch=x.ndim - 2, on_inefficient=None)
        if is_sparse(x) and x.ndim > 2
        else jnp.asarray(x)
        if not is_sparse(x)
        else x
        for x in (x1, x2)
    )
    product = functools.partial(jnp.matmul, preferred_element_type=dtype)
    return _jax().sparsify(product)(x1, x2)


def _digitized(function, x, bins):
    if isinstance(bins, jax.core.Tracer) or np.any(np.asarray(dense(bins))[:1] <= 0):
        return NotImplemented  # then 0 is not in the first bin
    return _by_value(function, x, bins)


def _as_it_is(function, *args):
    """For ops that take care of sparse tensors themselves."""
    return function(*args)


_RULES: dict[str, Callable] = {
    **dict.fromkeys(
        (
            "abs absolute fabs negative sign ceil floor round trunc sqrt cbrt square "
            "conj conjugate real imag copy cast saturate_cast array stop_gradient nan_to_num "
            "sin tan arcsin arctan sinh tanh arcsinh arctanh expm1 log1p erf deg2rad rad2deg "
            "relu relu6 leaky_relu elu selu celu gelu silu softsign hard_tanh "
            "hard_shrink soft_shrink tanh_shrink"
        ).split(),
        _by_value,
    ),
    **dict.fromkeys(("add", "subtract", "maximum", "minimum"), _union),
    **dict.fromkeys(("multiply", "divide_no_nan"), _product),
    **dict.fromkeys(("divide", "true_divide"), _quotient),
    **dict.fromkeys(("reshape", "ravel", "squeeze", "expand_dims"), _reshaped),
    **dict.fromkeys(("sum", "mean"), _reduced),
    **dict.fromkeys(("convert_to_tensor", "bincount"), _as_it_is),
    "transpose": _transposed,
    "concatenate": _concatenated,
    "matmul": _multiplied,
    "digitize": _digitized,
}
