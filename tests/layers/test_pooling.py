import keras
import numpy as np
import pytest

from kerata import KerasTensor, layers
from kerata.engine.masks import get_mask

FIRST = {"data_format": "channels_first"}
ROWS = [
    ("1D", (2, 7, 3), {"pool_size": 2}),
    ("1D", (2, 7, 3), {"pool_size": 3, "strides": 1, "padding": "same"}),
    ("1D", (2, 3, 7), {"pool_size": 3, "strides": 2, **FIRST}),
    ("2D", (2, 5, 6, 3), {"pool_size": 2}),
    ("2D", (2, 5, 6, 3), {"pool_size": (3, 2), "strides": 2, "padding": "SAME"}),
    ("2D", (2, 3, 5, 6), {"pool_size": 2, "strides": (1, 2), **FIRST}),
    ("3D", (1, 3, 4, 3, 2), {"pool_size": 2, "padding": "same"}),
    ("3D", (1, 2, 4, 4, 3), {"pool_size": (2, 2, 1), **FIRST}),
]


@pytest.mark.parametrize("kind", ["MaxPooling", "AveragePooling"])
@pytest.mark.parametrize("rank, shape, kwargs", ROWS)
def test_same_as_keras(same_as_keras, data, kind, rank, shape, kwargs):
    same_as_keras(kind + rank, inputs=data(*shape), **kwargs)


@pytest.mark.parametrize("kind", ["GlobalMaxPooling", "GlobalAveragePooling"])
@pytest.mark.parametrize("kwargs", [{}, {"keepdims": True, **FIRST}], ids=["last", "first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_global(same_as_keras, data, kind, kwargs, rank):
    same_as_keras(f"{kind}{rank}D", inputs=data(2, *[3] * rank, 4), **kwargs)


@pytest.mark.parametrize("kind", ["AdaptiveAveragePooling", "AdaptiveMaxPooling"])
@pytest.mark.parametrize(
    "rank, size, shape, kwargs",
    [
        (1, 3, (2, 7, 3), {}),
        (2, (2, 3), (2, 5, 6, 3), {}),
        (2, 2, (2, 3, 5, 4), FIRST),
        (3, 2, (1, 3, 4, 2, 2), {}),
    ],
)
def test_adaptive(same_as_keras, data, kind, rank, size, shape, kwargs):
    same_as_keras(f"{kind}{rank}D", size, inputs=data(*shape), **kwargs)


@pytest.mark.parametrize("kwargs", [{}, {"keepdims": True}, FIRST], ids=str)
def test_masked_average(same_as_keras, data, kwargs):
    mask = np.array([[True, True, False], [False, False, True]])
    shape = (2, 4, 3) if "data_format" in kwargs else (2, 3, 4)
    same_as_keras("GlobalAveragePooling1D", inputs=data(*shape), call={"mask": mask}, **kwargs)


def test_an_empty_mask_gives_zeros(data):
    y = layers.GlobalAveragePooling1D()(data(1, 3, 2), mask=np.zeros((1, 3), bool))
    assert y.tolist() == [[0, 0]]


def test_the_mask_ends():
    x = layers.Embedding(5, 3, mask_zero=True)(np.array([[1, 0]]))
    y = layers.GlobalAveragePooling1D()(x)
    assert get_mask(y) is None
    np.testing.assert_allclose(y[0], x[0, 0], rtol=1e-6)


@pytest.mark.parametrize("name", ["MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D"])
def test_integers(name):
    args = (2,) if name == "AveragePooling2D" else ()
    x = np.arange(16).reshape(1, 4, 4, 1)
    mine, theirs = getattr(layers, name)(*args)(x), getattr(keras.layers, name)(*args)(x)
    assert mine.dtype == theirs.dtype
    np.testing.assert_array_equal(mine, theirs)


def test_config_like_keras():
    for name, args in (("MaxPooling2D", ()), ("AveragePooling1D", (3,)), ("MaxPooling3D", (2, 1))):
        mine, theirs = (
            getattr(m, name)(*args, name="x").get_config() for m in (layers, keras.layers)
        )
        assert mine == theirs


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (lambda: layers.MaxPooling2D(2), (None, None, 9, 3), (None, None, 4, 3)),
        (lambda: layers.AveragePooling1D(3, 1, "same"), (None, None, 3), (None, None, 3)),
        (lambda: layers.GlobalMaxPooling2D(), (None, None, None, 3), (None, 3)),
        (lambda: layers.AdaptiveMaxPooling1D(2), (None, None, 3), (None, 2, 3)),
    ],
)
def test_unknown_sizes(layer, shape, expected):
    assert layer()(KerasTensor(shape)).shape == expected


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.MaxPooling2D(0), "`pool_size` must be"),
        (lambda: layers.MaxPooling2D(2, strides=-1), "`strides` must be"),
        (lambda: layers.MaxPooling2D(2, padding="causal"), "`padding` must be one of"),
        (lambda: layers.MaxPooling2D(2, data_format="x"), "`data_format` must be one of"),
        (lambda: layers.MaxPooling2D(2)(np.ones((2, 5, 3))), "rank 4"),
        (lambda: layers.MaxPooling2D(7)(np.ones((1, 5, 5, 3))), r"at least \(7, 7\)"),
        (lambda: layers.AveragePooling1D(7)(KerasTensor((None, 5, 3))), r"at least \(7,\)"),
        (lambda: layers.AdaptiveAveragePooling2D(0), "`output_size` must be"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("size", [(2, 3, 4), "a"])
def test_refuses_types(size):
    with pytest.raises(TypeError, match="`output_size` must be an integer or a tuple of 2"):
        layers.AdaptiveAveragePooling2D(size)
