import jax.numpy as jnp
import keras
import numpy as np
import pytest

from kerata import KerasTensor, layers
from kerata.engine.masks import get_mask, set_mask

ELEMENTWISE = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]
MASKS = np.array([[1, 1, 0], [1, 0, 0]], bool), np.array([[1, 0, 0], [0, 0, 1]], bool)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize(
    "shapes",
    [((2, 3, 4), (2, 3, 4)), ((2, 3), (2, 4, 3)), ((2, 1, 4), (2, 3, 1))],
    ids=["equal", "ranks", "stretched"],
)
def test_same_as_keras(same_as_keras, data, name, shapes):
    same_as_keras(name, inputs=[data(*s, seed=i) for i, s in enumerate(shapes)])


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if n != "Subtract"])
def test_three_and_one(same_as_keras, data, name):
    same_as_keras(name, inputs=[data(2, 3, seed=i) for i in range(3)])
    same_as_keras(name, inputs=[data(2, 3)])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_integers(name):
    x = [np.array([[1, 2]]), np.array([[3, 5]])]
    mine, theirs = getattr(layers, name)()(x), getattr(keras.layers, name)()(x)
    assert mine.dtype == theirs.dtype
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_concatenate(same_as_keras, data, axis):
    other = [2, 3, 4]
    other[axis] = 2
    same_as_keras("Concatenate", axis, inputs=[data(2, 3, 4), data(*other, seed=1)])


@pytest.mark.parametrize(
    "axes, shapes",
    [
        (1, ((2, 3), (2, 3))),
        (1, ((2, 3, 4), (2, 3, 5))),
        (-1, ((2, 4, 3), (2, 5, 3))),
        ((1, 2), ((2, 3), (2, 5, 3))),
        ((2, 1), ((2, 5, 3), (2, 3))),
        ([2, 1], ((2, 3, 4), (2, 4, 3))),
        ((3, 1), ((1, 2, 3, 4), (1, 4, 5))),
        ((1, 3), ((1, 2, 3, 4), (1, 5, 6, 2))),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot(same_as_keras, data, axes, shapes, normalize):
    inputs = [data(*s, seed=i) for i, s in enumerate(shapes)]
    same_as_keras("Dot", axes, normalize, inputs=inputs)


def test_functions(data):
    x, y = data(2, 3), data(2, 3, seed=1)
    for name in (*ELEMENTWISE, "Concatenate", "Dot"):
        mine, theirs = getattr(layers, name.lower()), getattr(keras.layers, name.lower())
        np.testing.assert_allclose(mine([x, y]), theirs([x, y]), 1e-6)
    x = KerasTensor((None, 3))
    assert layers.add([layers.Input((3,)), layers.Input((3,))], name="sum").shape == x.shape


@pytest.mark.parametrize("names", [("Add",), ("Concatenate", 1), ("Concatenate", -1)], ids=str)
@pytest.mark.parametrize("masks", [MASKS, (MASKS[0], None), (None, None)], ids=["two", "one", "no"])
def test_masks(data, names, masks):
    name, *args = names
    mine, theirs = getattr(layers, name)(*args), getattr(keras.layers, name)(*args)
    x = [data(2, 3, 4), data(2, 3, 4)]
    found, expected = (layer.compute_mask(x, list(masks)) for layer in (mine, theirs))
    assert (found is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["Add", "Average", "Multiply", "Maximum", "Minimum"])
@pytest.mark.parametrize("masks", [MASKS, (MASKS[0], None), (MASKS[0], ~MASKS[0])], ids=len)
def test_masked_elements_like_keras(data, name, masks):
    results = []
    for module, convert in ((layers, jnp.asarray), (keras.layers, jnp.array)):
        x = [convert(data(2, 3, 4, seed=i)) for i in (0, 1)]
        for tensor, mask in zip(x, masks, strict=True):
            if mask is not None and module is layers:
                set_mask(tensor, mask)
            elif mask is not None:
                tensor._keras_mask = jnp.asarray(mask)
        results.append(getattr(module, name)()(x))
    np.testing.assert_allclose(*results, rtol=1e-6)


def test_masks_of_symbolic_inputs():
    x = [layers.Input((3, 4)), layers.Input((3, 4))]
    for tensor in x:
        set_mask(tensor, np.ones((2, 3), bool))
    y = layers.Concatenate(axis=1)(x)
    assert y.shape == (None, 6, 4)
    assert get_mask(y).shape == (2, 6)


def test_mask_travels():
    x = layers.Embedding(5, 3, mask_zero=True)(np.array([[1, 0]]))
    y = layers.Add()([x, x])
    assert get_mask(y).tolist() == [[True, False]]
    set_mask(x, None)


@pytest.mark.parametrize(
    "name, args, shapes, words",
    [
        ("Add", (), [(None, 3), (None, 5)], r"equal, or broadcast(?s:.)*\(None, 3\), \(None, 5\)"),
        ("Add", (), [(4, 3), (5, 3)], "one batch size"),
        ("Add", (), (None, 3), "takes a list of tensors"),
        ("Subtract", (), [(None, 3)] * 3, "a list of 2 tensors"),
        ("Concatenate", (1,), [(2, 3, 4), (2, 3, 5)], "agree but for axis 1"),
        ("Concatenate", (1,), [(2, 3), (2, 3, 5)], "agree but for axis 1"),
        ("Concatenate", (5,), [(2, 3), (2, 3)], "`axis` must be from -2 to 1"),
        ("Concatenate", (), (2, 3), "takes a list"),
        ("Dot", (1,), [(2, 3)] * 3, "a list of 2 tensors"),
        ("Dot", (1,), [(2, 3), (2, 4)], "equal sizes of axis 1 of the first"),
        ("Dot", (0,), [(2, 3), (2, 3)], "not be 0, the batch axis"),
    ],
)
def test_refuses_shapes(name, args, shapes, words):
    layer = getattr(layers, name)(*args)
    with pytest.raises(ValueError, match=words):
        if isinstance(shapes, list):
            layer([KerasTensor(s) for s in shapes])
        else:
            layer(KerasTensor(shapes))


def test_refuses_other_shapes_once_built(data):
    layer = layers.Add()
    layer([data(2, 3), data(2, 3)])
    with pytest.raises(ValueError, match="equal, or broadcast"):
        layer([data(2, 3), data(2, 4)])


def test_refuses_axes():
    with pytest.raises(TypeError, match="`axes` must be an integer"):
        layers.Dot("a")
    with pytest.raises(ValueError, match="a pair of integers"):
        layers.Dot((1, 2, 3))


def test_unknown_sizes():
    assert layers.Add()([KerasTensor((None, None)), KerasTensor((None, 3))]).shape[0] is None
    y = layers.Concatenate(axis=1)([KerasTensor((None, None, 3)), KerasTensor((None, 4, 3))])
    assert y.shape == (None, None, 3)


@pytest.mark.parametrize("mask", [[MASKS[0]], MASKS[0]])
def test_refuses_masks(data, mask):
    with pytest.raises(ValueError, match="a list of as many masks"):
        layers.Add().compute_mask([data(2, 3, 4)] * 2, mask)
