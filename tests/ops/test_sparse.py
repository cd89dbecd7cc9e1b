"""What ops make of sparse tensors: dense results are the oracle, Keras says what stays sparse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.sparse import BCOO, BCSR

import kerata
from kerata import ops
from kerata.engine.sparse import is_sparse

INDICES = np.array([[0, 0], [0, 2], [1, 1], [1, 1]])  # the last one twice
X = BCOO((np.float32([0.5, -0.7, 0.2, 0.3]), INDICES), shape=(2, 3))
Y = BCOO((np.float32([2.0, 3.0, 4.0, 5.0]), INDICES[:, ::-1] % [2, 3]), shape=(2, 3))
SLICES = BCOO((np.float32([[1, 2, 3]]), np.array([[1]])), shape=(2, 3))  # whole rows
BATCHED = BCOO.fromdense(jnp.asarray(X.todense()), n_batch=1)
CUBE = BCOO.fromdense(np.float32([[[0, 1], [2, 0], [0, 3]], [[4, 0], [0, 0], [0, 5]]]))
DENSE = np.float32([[1.0, -2.0, 3.0], [-4.0, 5.0, 6.0]])
KERNEL = np.float32([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

KEEPS = (
    "abs absolute arcsin arcsinh arctan arctanh ceil conj copy expm1 floor imag log1p negative "
    "real round sign sin sinh square tan tanh relu leaky_relu gelu"
).split()
FILLS = "cos exp sigmoid softmax softplus reciprocal isfinite".split()

# (op, arguments, keywords, whether the result is sparse)
ROWS = [
    *((name, (X,), {}, True) for name in KEEPS),
    *((name, (X,), {}, False) for name in FILLS),
    ("cast", (X, "int32"), {}, True),
    ("convert_to_tensor", (X,), {"dtype": "bfloat16"}, True),
    ("convert_to_tensor", (X,), {"sparse": False}, False),
    ("digitize", (X, np.array([0.1, 0.4])), {}, True),
    ("digitize", (X, np.array([-0.1, 0.4])), {}, False),
    *((name, (X, Y), {}, True) for name in ("add", "subtract", "maximum", "minimum", "multiply")),
    *((name, (X, X), {}, True) for name in ("add", "multiply")),
    *((name, (SLICES, SLICES), {}, True) for name in ("add", "multiply")),
    *((name, (X, DENSE), {}, False) for name in ("add", "subtract", "maximum")),
    ("add", (X, SLICES), {}, True),
    ("add", (X, 1.0), {}, False),
    *(("multiply", pair, {}, True) for pair in ((X, DENSE), (DENSE, X), (X, 2), (SLICES, DENSE))),
    ("multiply", (X, DENSE[:1]), {}, True),
    ("multiply", (X, DENSE[:, :1]), {}, True),
    ("multiply", (X, DENSE[None]), {}, False),
    *(("divide", pair, {}, True) for pair in ((X, DENSE), (X, 2.0), (X, DENSE[0]))),
    *(("divide", pair, {}, False) for pair in ((DENSE, X), (X, Y), (2.0, X))),
    *((name, (CUBE,), {"axis": axis}, True) for name in ("sum", "mean") for axis in (None, 1)),
    ("sum", (CUBE,), {"axis": (0, -1), "keepdims": True}, True),
    ("mean", (SLICES,), {"axis": 0}, True),
    ("max", (X,), {"axis": 0}, False),
    ("reshape", (CUBE, (2, -1)), {}, True),
    ("expand_dims", (X, -2), {}, True),
    ("squeeze", (X.reshape(2, 1, 3),), {}, True),
    ("transpose", (CUBE,), {}, True),
    ("transpose", (CUBE,), {"axes": (0, -1, 1)}, True),
    ("concatenate", ([X, Y],), {"axis": -1}, True),
    ("concatenate", ([X, DENSE],), {}, False),
    ("matmul", (X, KERNEL), {}, False),
    ("matmul", (KERNEL, X), {}, False),
    ("matmul", (X, Y.T), {}, True),
    ("matmul", (CUBE, KERNEL[:2]), {}, False),
    ("take", (DENSE, BCOO.fromdense(np.array([0, 2]))), {"axis": 1}, False),
    ("where", (DENSE > 0, X, Y), {}, False),
    ("tanh", (BATCHED,), {}, True),
    ("tanh", (BCSR.fromdense(DENSE),), {}, False),
]


def dense(structure):
    return jax.tree_util.tree_map(
        lambda x: np.asarray(x.todense()) if is_sparse(x) else x, structure, is_leaf=is_sparse
    )


def symbolic(structure):
    def one(x):
        if getattr(x, "ndim", 0) < 2:
            return x
        return kerata.KerasTensor(x.shape, np.dtype(x.dtype).name, sparse=isinstance(x, BCOO))

    return jax.tree_util.tree_map(one, structure, is_leaf=is_sparse)


@pytest.mark.parametrize(("name", "args", "kwargs", "sparse"), ROWS)
def test_results_are_those_of_dense_tensors(name, args, kwargs, sparse):
    function = getattr(ops, name)
    result, expected = function(*args, **kwargs), function(*dense(args), **kwargs)
    assert isinstance(result, BCOO) == sparse
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    result, expected = np.float32(dense(result)), np.float32(expected)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    if any(getattr(x, "ndim", 0) > 1 for x in jax.tree_util.tree_leaves(symbolic(args))):
        spec = function(*symbolic(args), **kwargs)
        assert (spec.shape, spec.sparse) == (expected.shape, sparse)


def test_unknown_sizes():
    x = kerata.KerasTensor((None, 3), sparse=True)
    y = kerata.KerasTensor((2, None), sparse=True)
    assert (ops.add(x, y).shape, ops.add(x, y).sparse) == ((2, 3), True)
    assert (ops.transpose(x).shape, ops.transpose(x).sparse) == ((3, None), True)
    product = ops.matmul(x, kerata.KerasTensor((3, 5)))
    assert (product.shape, product.sparse) == ((None, 5), False)
    # Not what was found for a dense tensor of the same shape.
    assert not ops.abs(kerata.KerasTensor((None, 3))).sparse and ops.abs(x).sparse


def test_compiled_and_differentiated():
    @kerata.jit
    def compute(x, y, kernel):
        z = ops.multiply(ops.add(ops.square(x), y), 2.0)
        return z, ops.matmul(ops.divide(z, DENSE), kernel)

    for x, y in ((X, Y), (BATCHED, Y)):
        z, product = compute(x, y, KERNEL)
        expected = 2 * (dense(x) ** 2 + dense(y))
        assert isinstance(z, BCOO)
        np.testing.assert_allclose(dense(z), expected, rtol=1e-5)
        np.testing.assert_allclose(product, expected / DENSE @ KERNEL, rtol=1e-5)
    slope = jax.grad(lambda kernel: ops.sum(compute(X, Y, kernel)[1]))(KERNEL)
    column = (2 * (dense(X) ** 2 + dense(Y)) / DENSE).sum(0)
    np.testing.assert_allclose(slope, np.stack([column, column], 1), rtol=1e-5)


def test_division_by_zero_shows_where_nothing_is_stored():
    divisor = np.float32([[1, 0, 2], [np.nan, 3, 0]])
    result = ops.divide(X, divisor)
    assert isinstance(result, BCOO)
    np.testing.assert_allclose(dense(result), ops.divide(dense(X), divisor))
    np.testing.assert_allclose(
        dense(ops.divide_no_nan(X, np.nan_to_num(divisor))),
        ops.divide_no_nan(dense(X), np.nan_to_num(divisor)),
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot_and_multi_hot(axis):
    x = np.array([[2, 0], [1, 5], [-1, 1]])
    for function in (ops.one_hot, ops.multi_hot):
        if function is ops.multi_hot and axis == 1:
            continue  # the axis that it sums over
        result = function(x, 3, axis=axis, dtype="int32", sparse=True)
        assert isinstance(result, BCOO) and result.dtype == "int32"
        np.testing.assert_array_equal(dense(result), function(x, 3, axis=axis))
        assert function(kerata.KerasTensor((None, 2), "int32"), 3, sparse=True).sparse


@pytest.mark.parametrize("weights", [None, np.array([[1, 0, 2], [3, 4, 5]])])
def test_bincount(weights):
    x = np.array([[1, 3, 1], [0, 2, 2]])
    result = ops.bincount(x, weights, minlength=5, sparse=True)
    assert isinstance(result, BCOO)
    np.testing.assert_array_equal(dense(result), ops.bincount(x, weights, minlength=5))
    stored = BCOO((x[0], np.array([[1], [5], [7]])), shape=(9,))
    if weights is not None:
        weights = BCOO((weights[0], stored.indices), shape=(9,))
    result = ops.bincount(stored, weights)
    expected = [0, 2, 0, 1] if weights is None else [0, 3, 0, 0]
    assert isinstance(result, BCOO) and dense(result).tolist() == expected


def test_values_and_shapes_of_sparse_tensors():
    assert ops.is_tensor(X) and ops.shape(X) == (2, 3) and ops.size(X) == 6
    assert ops.dtype(X) == "float32" and ops.ndim(X) == 2
    assert ops.convert_to_tensor(X) is X
    np.testing.assert_array_equal(ops.convert_to_numpy(X), dense(X))


def test_mistakes():
    with pytest.raises(ValueError, match="newshape"):
        ops.reshape(X, (4, 2))
    with pytest.raises(ValueError, match="broadcast"):
        ops.add(X, CUBE.reshape(4, 3))
    with pytest.raises(ValueError, match="broadcast"):
        ops.divide(X, np.ones((2, 2)))
    with pytest.raises(ValueError, match="matmul"):
        ops.matmul(X, DENSE)
    with pytest.raises(ValueError, match="equal shapes"):
        ops.concatenate([X, Y.T])
    with pytest.raises(ValueError, match="`weights` must have a value"):
        ops.bincount(np.array([1, 2]), np.array([1.0]), sparse=True)
