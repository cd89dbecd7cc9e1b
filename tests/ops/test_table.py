"""Every op, compared with Keras: values, dtypes, compiled, symbolic; gradients by differences."""

import inspect
import zlib

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import ops

# Ops with tests of their own, in the other files.
ELSEWHERE = set(
    """associative_scan cond custom_gradient convert_to_numpy dtype empty fori_loop is_tensor jvp
    map scan shape switch vectorize vectorized_map while_loop""".split()
)

FLOATS, INTEGERS = ("float16", "bfloat16"), ("bool", "int8", "int32", "uint8")


def is_float_array(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def is_array(x):
    return isinstance(x, np.ndarray)


def map_arrays(function, structure, which=is_array):
    """Replace the arrays in arguments."""
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_arrays(function, x, which) for x in structure)
    if isinstance(structure, dict):
        return {k: map_arrays(function, v, which) for k, v in structure.items()}
    return function(structure) if which(structure) else structure


def find(module, name):
    for part in name.split("."):
        module = getattr(module, part)
    return module


def call(r, module=ops, change=lambda structure: structure):
    args, kwargs = change((r.args, r.kwargs))
    return find(module, r.name)(*args, **kwargs)


def leaves(result):
    return jax.tree.leaves(result)


def test_equals_keras(row):
    tensors = lambda s: map_arrays(jnp.asarray, s)  # noqa: E731
    ours = leaves(call(row, change=tensors))
    if row.expected is not None:
        np.testing.assert_allclose(ours[0], row.expected, rtol=2e-5, atol=2e-5)
        return
    theirs = leaves(call(row, keras.ops, tensors))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert getattr(a, "dtype", type(a)) == getattr(b, "dtype", type(b))
        if isinstance(a, jax.Array):
            assert a.shape == b.shape
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-5, atol=2e-5)


def test_compiled_and_symbolic_agree_with_eager(traced_row):
    r = traced_row
    eager = leaves(call(r))
    found = []

    def collect(x):
        found.append(x)
        return len(found) - 1

    numbered = map_arrays(collect, (r.args, r.kwargs))

    def with_arrays(arrays):
        # Arrays were replaced by numbers; real numbers in the arguments are kept apart by type.
        args, kwargs = fill(numbered, (r.args, r.kwargs), arrays)
        return find(ops, r.name)(*args, **kwargs)

    compiled = leaves(jax.jit(with_arrays)(found))
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)
    if not r.symbolic:
        return
    # Arrays like the first have an unknown first axis; then none has.
    for unknown in (r.unknown, False):
        symbols = [
            kerata.KerasTensor((None, *x.shape[1:]), x.dtype)
            if unknown and x.ndim and x.shape == found[0].shape
            else kerata.KerasTensor(x.shape, x.dtype)
            for x in found
        ]
        for a, b in zip(eager, leaves(with_arrays(symbols)), strict=True):
            if isinstance(b, kerata.KerasTensor):
                assert b.dtype == kerata.backend.standardize_dtype(jnp.asarray(a).dtype)
                shape = jnp.shape(a)
                if unknown:
                    shape = tuple(n if m else None for n, m in zip(shape, b.shape, strict=True))
                assert b.shape == shape


def fill(numbered, original, arrays):
    if is_array(original):
        return arrays[numbered]
    if isinstance(original, (list, tuple)):
        return type(original)(fill(n, o, arrays) for n, o in zip(numbered, original, strict=True))
    if isinstance(original, dict):
        return {k: fill(numbered[k], original[k], arrays) for k in original}
    return original


def test_dtypes_follow_keras(typed_row):
    r = typed_row
    # A float and an integer type, chosen by the row, in turn: each op meets several in its rows.
    start = zlib.crc32(str(r).encode())
    kinds = FLOATS if r.dtypes == "floats" or start % 2 else INTEGERS
    dtype = kinds[start // 2 % len(kinds)]

    def change(structure):
        return map_arrays(lambda x: jnp.asarray(x).astype(dtype), structure, is_float_array)

    try:
        theirs = leaves(call(r, keras.ops, change))
    except Exception as error:
        pytest.skip(f"Keras does not take {dtype}: {error}")
    for a, b in zip(leaves(call(r, change=change)), theirs, strict=True):
        assert getattr(a, "dtype", type(a)) == getattr(b, "dtype", type(b)), dtype


def test_gradient_equals_differences(smooth_row):
    r = smooth_row
    inputs = []
    map_arrays(inputs.append, (r.args, r.kwargs), is_float_array)
    random = np.random.RandomState(3)
    directions = [random.normal(size=x.shape).astype("float32") for x in inputs]

    def along(t):
        moved = iter([x + t * d for x, d in zip(inputs, directions, strict=True)])
        change = lambda s: map_arrays(lambda _: next(moved), s, is_float_array)  # noqa: E731
        outputs = leaves(call(r, change=change))
        outputs = [y for y in outputs if jnp.issubdtype(y.dtype, jnp.floating)]
        weights = np.random.RandomState(5)
        return sum(jnp.sum(y * weights.normal(size=y.shape).astype("float32")) for y in outputs)

    step = 2e-3
    compiled = jax.jit(jax.value_and_grad(along))
    numeric = (compiled(step)[0] - compiled(-step)[0]) / (2 * step)
    np.testing.assert_allclose(compiled(0.0)[1], numeric, rtol=2e-2, atol=1e-2)


def test_every_op_has_a_row(all_rows):
    names = {n for n in dir(keras.ops) if inspect.isfunction(getattr(keras.ops, n))}
    assert names - {r.name for r in all_rows} - ELSEWHERE == set()


@pytest.mark.parametrize("namespace", ["", "numpy", "nn", "linalg", "image"])
def test_signatures_are_keras_s(namespace):
    theirs = find(keras.ops, namespace) if namespace else keras.ops
    ours = find(ops, namespace) if namespace else ops
    for name in dir(theirs):
        if not name.startswith("_") and inspect.isfunction(getattr(theirs, name)):
            expected = inspect.signature(getattr(theirs, name))
            assert str(inspect.signature(getattr(ours, name))) == str(expected), name
