"""Python's operators on Variables and symbolic tensors."""

import operator

import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata import ops

BINARY = "add sub mul truediv floordiv mod pow lt le gt ge ne".split()


@pytest.mark.parametrize("name", BINARY)
def test_binary_operators_of_variables(name):
    f, a, b = getattr(operator, name), np.array([3.0, 7.0]), np.array([2.0, 4.0])
    v, w = kerata.Variable(a, dtype="float32"), kerata.Variable(b, dtype="float32")
    for left, right in ((v, w), (v, b), (v, jnp.asarray(b)), (a, w), (v, 2.0), (3.0, w)):
        expected = f(np.asarray(left), np.asarray(right))
        found = f(left, right)
        assert not isinstance(found, np.ndarray)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


@pytest.mark.parametrize("name", BINARY)
def test_binary_operators_of_symbolic_tensors(name):
    f, x = getattr(operator, name), kerata.KerasTensor((None, 2))
    dtype = "bool" if name in ("lt", "le", "gt", "ge", "ne") else "float32"
    for left, right in ((x, x), (x, 2.0), (3.0, x), (x, np.ones(2)), (np.ones(2, "float32"), x)):
        found = f(left, right)
        assert (found.shape, found.dtype) == ((None, 2), dtype)


def test_matmul_logic_and_signs():
    v = kerata.Variable([[1.0, 2.0], [3.0, 4.0]])
    x = kerata.KerasTensor((None, 2))
    assert (v @ v).tolist() == [[7.0, 10.0], [15.0, 22.0]]
    assert (x @ v).shape == (None, 2) and (np.ones((3, 2)) @ v).shape == (3, 2)
    b, s = kerata.Variable([True, False], dtype="bool"), kerata.KerasTensor((None,), "bool")
    assert (b & True).tolist() == [True, False] and (b | [True, True]).tolist() == [True, True]
    assert (b ^ b).tolist() == [False, False] and (~b).tolist() == [False, True]
    assert (s & s).dtype == (~s).dtype == (True ^ s).dtype == "bool"
    assert (-v)[0].tolist() == [-1.0, -2.0] and abs(-v)[0].tolist() == [1.0, 2.0]
    assert (-x).shape == abs(x).shape == round(x, 1).shape == (None, 2)
    assert (+v).tolist() == v.numpy().tolist() and +x is x


def test_indexing():
    v, x = kerata.Variable(np.arange(6.0).reshape(2, 3)), kerata.KerasTensor((None, 3))
    assert v[1].tolist() == [3.0, 4.0, 5.0] and float(v[1, -1]) == 5.0
    assert v[..., None].shape == (2, 3, 1) and v[[1, 0], 0].tolist() == [3.0, 0.0]
    assert v[v > 2.0].tolist() == [3.0, 4.0, 5.0]
    assert x[:, 1:].shape == (None, 2) and x[0].shape == (3,) and x[..., None].shape == (None, 3, 1)
    assert x.reshape((-1, 3, 1)).shape == (None, 3, 1) and x[:, :1].squeeze(1).shape == (None,)
    with pytest.raises(IndexError, match="Axis 1 has 3 elements"):
        v[0, 3]


def test_equality_and_hash():
    v, w = kerata.Variable([1.0, 2.0]), kerata.Variable([1.0, 3.0])
    assert (v == w).tolist() == [True, False] and (v == 1.0).tolist() == [True, False]
    assert {v: 1}[v] == 1 and hash(v) != hash(w)
    x, y = kerata.KerasTensor((2,)), kerata.KerasTensor((2,))
    assert x == x and not x == y and y in [x, y] and x not in [y]


def test_operators_follow_promotion_of_ops():
    v = kerata.Variable([1, 2], dtype="int32")
    assert (v / 2).dtype == "float32" and (v + 1.5).dtype == "float32" and (v // 2).dtype == "int32"
    half = kerata.Variable([1.0], dtype="bfloat16")
    assert (half * 2.5).dtype == "bfloat16" and (1 - half).dtype == "bfloat16"
    assert ops.add(half, v).dtype == "bfloat16"
