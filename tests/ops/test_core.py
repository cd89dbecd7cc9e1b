"""Conversion, shapes and dtypes of tensors; ops without a row in the table; namespaces."""

import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import ops


@pytest.mark.parametrize(
    "value", [1, 1.5, True, [1, 2], [1.0, 2], [], (1, 2.5), np.arange(3.0), [np.float32(1), 2]]
)
def test_conversion_follows_keras(value):
    ours, theirs = ops.convert_to_tensor(value), keras.ops.convert_to_tensor(value)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)


def test_python_numbers_are_weak():
    half = jnp.ones(2, "bfloat16")
    assert ops.add(half, 1.5).dtype == "bfloat16"
    assert ops.multiply(3, half).dtype == "bfloat16"
    assert ops.where([True, False], half, 0.0).dtype == "bfloat16"
    assert ops.clip(half, 0.0, 1.0).dtype == "bfloat16"
    assert ops.add(jnp.ones(2, "int8"), 1).dtype == "int8"


def test_conversion_takes_variables_and_dtypes():
    v = kerata.Variable([1.0, 2.0])
    assert isinstance(ops.convert_to_tensor(v), jax.Array)
    assert ops.convert_to_tensor(v, "int32").dtype == "int32"
    assert ops.convert_to_tensor([v, v]).shape == (2, 2)
    assert ops.convert_to_tensor([1.0], "bfloat16").dtype == "bfloat16"
    assert ops.convert_to_tensor([1], "float64").dtype == "float32"  # there are no 64-bit types
    assert ops.convert_to_tensor(kerata.KerasTensor((None, 2))).shape == (None, 2)
    copy = ops.convert_to_numpy(v)
    copy[0] = 7.0  # of its own
    assert v.numpy().tolist() == [1.0, 2.0]
    assert ops.convert_to_numpy([v, v]).shape == (2, 2)


def test_floatx_is_what_lists_and_integers_become():
    kerata.config.set_floatx("float16")
    try:
        assert ops.convert_to_tensor([1.0, 2.0]).dtype == "float16"
        for name in ("exp", "mean", "softmax", "divide", "linspace", "hypot", "norm"):
            args = {"divide": ([1], [2]), "linspace": (0, 3), "hypot": ([3], [4])}
            assert getattr(ops, name)(*args.get(name, ([1, 2],))).dtype == "float16", name
        assert ops.zeros((2,)).dtype == "float16"
        assert ops.add(jnp.ones(2), 1.5).dtype == "float32"
    finally:
        kerata.config.set_floatx("float32")


def test_shape_dtype_and_size():
    symbol = kerata.KerasTensor((None, 3), "int32")
    assert ops.shape(symbol) == (None, 3) and ops.shape([[1, 2]]) == (1, 2)
    assert ops.dtype(symbol) == "int32" and ops.dtype(kerata.Variable([1.0])) == "float32"
    assert ops.ndim(symbol) == 2 and ops.ndim(3.0) == 0
    assert ops.size(jnp.ones((2, 3))) == 6
    assert ops.size(symbol).dtype == "int32"
    assert ops.is_tensor(jnp.ones(2)) and not ops.is_tensor(np.ones(2))
    assert isinstance(ops.shape(jnp.ones((2, 3))), tuple)


def test_stop_gradient():
    gradient = jax.grad(lambda x: jnp.sum(x * ops.stop_gradient(x)))(jnp.array([2.0, 3.0]))
    assert gradient.tolist() == [2.0, 3.0]
    v = kerata.Variable([2.0])
    assert ops.stop_gradient(v).tolist() == [2.0]


def test_jvp():
    value, derivative = ops.jvp(lambda x, y: x * y, (3.0, 4), (1.0, 0))
    assert (float(value), float(derivative)) == (12.0, 4.0)
    *_, aux = ops.jvp(lambda x: (x * x, x + 1), (3.0,), (1.0,), has_aux=True)
    assert float(aux) == 4.0


def test_empty_has_the_shape():
    assert ops.empty((2, 3)).shape == (2, 3) and ops.empty((2,), "int8").dtype == "int8"


def test_gradients_are_numbers_where_functions_have_corners():
    """Division by 0, roots at 0, and logarithms of 0 on the untaken side of a `where`."""
    zeros = jnp.zeros((2, 2))
    for f in (
        lambda x: ops.divide_no_nan(1.0, x),
        lambda x: ops.normalize(x),
        lambda x: ops.cdist(x, x),
        lambda x: ops.logsumexp(x),
        lambda x: ops.rms_normalization(x),
        lambda x: ops.sparsemax(x),
        lambda x: ops.image.rgb_to_hsv(jnp.stack([x, x, x], -1)),
    ):
        assert np.isfinite(jax.grad(lambda x, f=f: jnp.sum(f(x)))(zeros)).all()


def test_rms_scaling_divides_by_the_deviation_and_warns():
    x = np.array([[1.0, 2.0, 5.0]], "float32")
    with pytest.warns(UserWarning, match="deprecated"):
        found = ops.layer_normalization(x, epsilon=0.1, rms_scaling=True)
    np.testing.assert_allclose(found, x / np.sqrt(x.var() + 0.1), rtol=1e-6)


def test_logsumexp_of_infinities():
    infinities = jnp.array([[-jnp.inf, -jnp.inf], [jnp.inf, 0.0]])
    assert ops.logsumexp(infinities, axis=1).tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("name", ["numpy", "nn", "linalg", "image"])
def test_namespaces(name):
    theirs, ours = getattr(keras.ops, name), getattr(ops, name)
    for public in dir(theirs):
        if not public.startswith("_"):
            assert callable(getattr(ours, public)), public
    assert ops.linalg.det is ops.det and ops.nn.relu is ops.relu and ops.numpy.exp is ops.exp


def test_every_op_is_documented_with_an_example():
    for name, function in vars(ops).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            text = function.__doc__
            assert text and text.splitlines()[0].endswith((".", ":")), name
            assert "Example:" in text and ">>>" in text, name
