"""Laws that hold for any shapes, tried by Hypothesis against NumPy."""

import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import given, settings, strategies as st

import kerata
from kerata import ops

# Few sizes, few shapes: each new shape is a new compilation.
SIDES = {"min_side": 1, "max_side": 3}
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, **SIDES)
few = settings(max_examples=25)


def numbers(shape):
    return np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)


def unknown(shape, draw_unknown):
    return tuple(None if u else n for n, u in zip(shape, draw_unknown))


def agrees(symbolic, shape):
    """Whether a symbolic shape fits a real one."""
    return len(symbolic) == len(shape) and all(a in (None, b) for a, b in zip(symbolic, shape))


@few
@given(arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
def test_binary_ops_broadcast(shapes):
    a, b = (numbers(s) for s in shapes.input_shapes)
    found = ops.add(a, b)
    assert found.shape == shapes.result_shape
    np.testing.assert_array_equal(found, a + b)
    symbolic = ops.add(kerata.KerasTensor(a.shape), kerata.KerasTensor(b.shape))
    assert symbolic.shape == found.shape
    np.testing.assert_array_equal(
        ops.broadcast_to(a, shapes.result_shape), np.broadcast_to(a, shapes.result_shape)
    )


@few
@given(SHAPES, st.data())
def test_reshape_keeps_elements_in_order(shape, data):
    x = numbers(shape)
    new = data.draw(st.permutations(shape).map(list))
    hidden = data.draw(st.integers(0, len(new) - 1))
    found = ops.reshape(x, [*new[:hidden], -1, *new[hidden + 1 :]])
    np.testing.assert_array_equal(found, x.reshape(new))
    symbol = kerata.KerasTensor((None, *shape[1:]))
    assert agrees(ops.reshape(symbol, (-1, *shape[1:])).shape, shape)


@few
@given(SHAPES, st.data())
def test_concatenate_then_split_is_the_identity(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    count = data.draw(st.integers(1, 3))
    parts = [numbers(shape) + 10 * i for i in range(count)]
    joined = ops.concatenate(parts, axis)
    np.testing.assert_array_equal(joined, np.concatenate(parts, axis))
    for part, back in zip(parts, ops.split(joined, count, axis)):
        np.testing.assert_array_equal(part, back)
    stacked = ops.stack(parts, axis)
    for part, back in zip(parts, ops.unstack(stacked, axis=axis)):
        np.testing.assert_array_equal(part, back)
    symbols = [kerata.KerasTensor((None, *shape[1:])) for _ in parts]
    assert agrees(ops.concatenate(symbols, axis).shape, joined.shape)


@few
@given(SHAPES, st.data())
def test_slices_equal_numpy(shape, data):
    x = numbers(shape)
    key = data.draw(arrays.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    np.testing.assert_array_equal(ops.get_item(x, key), x[key])
    starts = [data.draw(st.integers(0, n - 1)) for n in shape]
    sizes = [data.draw(st.integers(1, n - s)) for n, s in zip(shape, starts)]
    box = tuple(slice(s, s + n) for s, n in zip(starts, sizes))
    np.testing.assert_array_equal(ops.slice(x, starts, sizes), x[box])
    changed = x.copy()
    changed[box] = -1
    np.testing.assert_array_equal(ops.slice_update(x, starts, np.full(sizes, -1.0)), changed)


@few
@given(st.data())
def test_einsum_equals_numpy(data):
    letters = "abcd"
    sizes = {letter: data.draw(st.integers(1, 3)) for letter in letters}
    terms = [
        "".join(data.draw(st.lists(st.sampled_from(letters), max_size=3, unique=True)))
        for _ in range(data.draw(st.integers(1, 2)))
    ]
    used = sorted(set("".join(terms)))
    out = "".join(data.draw(st.lists(st.sampled_from(used), unique=True))) if used else ""
    subscripts = ",".join(terms) + "->" + out
    operands = [numbers([sizes[letter] for letter in term]) for term in terms]
    found = ops.einsum(subscripts, *operands)
    np.testing.assert_allclose(found, np.einsum(subscripts, *operands), rtol=1e-5)
    symbols = [kerata.KerasTensor(x.shape) for x in operands]
    assert ops.einsum(subscripts, *symbols).shape == found.shape


@few
@given(SHAPES, st.data())
def test_reductions_equal_numpy(shape, data):
    x = numbers(shape)
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    keepdims = data.draw(st.booleans())
    np.testing.assert_allclose(
        ops.mean(x, tuple(axes), keepdims), x.mean(tuple(axes), keepdims=keepdims), rtol=1e-6
    )
    hidden = [data.draw(st.booleans()) for _ in shape]
    symbol = kerata.KerasTensor(unknown(shape, hidden))
    assert agrees(ops.mean(symbol, axes, keepdims).shape, ops.mean(x, axes, keepdims).shape)


@few
@given(SHAPES, st.data())
def test_rearrange_equals_transpose(shape, data):
    x = numbers(shape)
    order = data.draw(st.permutations(range(len(shape))))
    names = "abc"[: len(shape)]
    pattern = " ".join(names) + " -> " + " ".join(names[i] for i in order)
    np.testing.assert_array_equal(ops.rearrange(x, pattern), x.transpose(order))
    joined = " ".join(names) + " -> (" + " ".join(names[i] for i in order) + ")"
    np.testing.assert_array_equal(ops.rearrange(x, joined), x.transpose(order).ravel())
