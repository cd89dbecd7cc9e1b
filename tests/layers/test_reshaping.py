import keras
import numpy as np
import pytest

from kerata import KerasTensor, layers

FIRST = {"data_format": "channels_first"}
ROWS = [
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (), FIRST, (2, 3, 2, 2)),
    ("Flatten", (), {}, (3,)),
    ("Reshape", ((4, 3),), {}, (2, 3, 4)),
    ("Reshape", ((-1, 2),), {}, (2, 3, 4)),
    ("Reshape", ((),), {}, (2, 1)),
    ("Permute", ((2, 1),), {}, (2, 3, 4)),
    ("Permute", ((3, 1, 2),), {}, (2, 3, 4, 5)),
    ("RepeatVector", (3,), {}, (2, 4)),
    ("Cropping1D", (), {}, (2, 5, 3)),
    ("Cropping1D", (2,), {}, (2, 5, 3)),
    ("Cropping1D", ((0, 2),), {}, (2, 5, 3)),
    ("Cropping2D", (), {}, (2, 3, 4, 2)),
    ("Cropping2D", ((1, 0),), {}, (2, 3, 4, 2)),
    ("Cropping2D", (((1, 0), (0, 2)),), FIRST, (2, 2, 3, 4)),
    ("Cropping3D", (), {}, (1, 3, 3, 4, 2)),
    ("Cropping3D", (((1, 0), (0, 2), (0, 0)),), FIRST, (1, 2, 3, 3, 4)),
    ("ZeroPadding1D", (), {}, (2, 5, 3)),
    ("ZeroPadding1D", ((0, 2),), FIRST, (2, 5, 3)),
    ("ZeroPadding2D", (), {}, (2, 3, 4, 2)),
    ("ZeroPadding2D", (((1, 0), (0, 2)),), FIRST, (2, 2, 3, 4)),
    ("ZeroPadding3D", (2,), {}, (1, 2, 2, 2, 2)),
    ("ZeroPadding3D", ((1, 0, 2),), FIRST, (1, 2, 2, 2, 2)),
    ("UpSampling1D", (), {}, (2, 3, 2)),
    ("UpSampling2D", ((2, 3),), {}, (2, 3, 2, 2)),
    ("UpSampling2D", (2,), FIRST, (2, 3, 2, 2)),
    ("UpSampling2D", ((2, 3),), {"interpolation": "bilinear"}, (1, 3, 2, 2)),
    ("UpSampling2D", (2,), {"interpolation": "bicubic", **FIRST}, (1, 2, 3, 4)),
    ("UpSampling3D", ((1, 2, 3),), {}, (1, 2, 2, 2, 2)),
    ("UpSampling3D", (2,), FIRST, (1, 2, 2, 2, 2)),
]


@pytest.mark.parametrize("name, args, kwargs, shape", ROWS)
def test_same_as_keras(same_as_keras, data, name, args, kwargs, shape):
    same_as_keras(name, *args, inputs=data(*shape), **kwargs)


@pytest.mark.parametrize("name, args, kwargs, shape", ROWS)
def test_config_like_keras(name, args, kwargs, shape):
    drop = {"name", "dtype", "trainable"}
    configs = [getattr(m, name)(*args, **kwargs).get_config() for m in (layers, keras.layers)]
    found, expected = ({k: v for k, v in c.items() if k not in drop} for c in configs)
    assert found == expected


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (lambda: layers.Flatten(), (None, None, 3), (None, None)),
        (lambda: layers.Flatten(), (None,), (None, 1)),
        (lambda: layers.Flatten(), (None, 2, 3), (None, 6)),
        (lambda: layers.Reshape((-1, 2)), (None, None, 4), (None, None, 2)),
        (lambda: layers.Reshape((-1, 2)), (None, 3, 4), (None, 6, 2)),
        (lambda: layers.Reshape((3, 5)), (2, None), (2, 3, 5)),
        (lambda: layers.Reshape((3, -1)), (None, None), (None, 3, None)),
        (lambda: layers.Permute((2, 1)), (None, None, 4), (None, 4, None)),
        (lambda: layers.Cropping1D(2), (None, None, 4), (None, None, 4)),
        (lambda: layers.ZeroPadding2D(1), (None, None, 4, 3), (None, None, 6, 3)),
        (lambda: layers.UpSampling2D(2), (None, None, 4, 3), (None, None, 8, 3)),
    ],
)
def test_unknown_sizes(layer, shape, expected):
    assert layer()(KerasTensor(shape)).shape == expected


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_other_dtypes_stay(dtype):
    x = np.ones((1, 3, 3, 2), dtype)
    for layer in (layers.Flatten(), layers.ZeroPadding2D(), layers.UpSampling2D()):
        assert layer(x).dtype == dtype


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.Reshape((-1, -1)), "one of which may be -1"),
        (lambda: layers.Reshape((2, -3)), "`target_shape` must hold integers"),
        (lambda: layers.Reshape((2, 3))(np.ones((2, 5))), "number of elements"),
        (lambda: layers.Reshape((2, -1))(np.ones((2, 5))), "number of elements"),
        (lambda: layers.Permute((1, 3)), "`dims` must hold each of 1, 2"),
        (lambda: layers.Permute((0, 1)), "`dims` must hold each of 1, 2"),
        (lambda: layers.Permute((1, 2))(np.ones((2, 5))), "rank 3"),
        (lambda: layers.RepeatVector(0), "`n` must be a positive integer"),
        (lambda: layers.RepeatVector(2)(np.ones((2, 3, 4))), "rank 2"),
        (lambda: layers.Cropping1D((1, 2, 3)), "tuple of 2 integers"),
        (lambda: layers.Cropping1D(-1), "at least 0"),
        (lambda: layers.Cropping1D(3)(np.ones((2, 5, 4))), "must leave something"),
        (lambda: layers.Cropping2D((1, 2, 3)), "2 integers or pairs"),
        (lambda: layers.Cropping2D(1, data_format="x"), "`data_format` must be one of"),
        (lambda: layers.ZeroPadding2D(-1), "at least 0"),
        (lambda: layers.ZeroPadding2D("a"), "2 integers or pairs"),
        (lambda: layers.UpSampling1D(0), "`size` must be a positive integer"),
        (lambda: layers.UpSampling2D(2, interpolation="bilinea"), "Did you mean 'bilinear'"),
        (lambda: layers.UpSampling2D((2, 3, 4)), "tuple of 2 integers"),
        (lambda: layers.UpSampling2D()(np.ones((2, 3, 4))), "rank 4"),
        (lambda: layers.Flatten("x"), "`data_format` must be one of"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("size", [2.5, "2", True])
def test_up_sampling_refuses_types(size):
    with pytest.raises(TypeError, match="`size` must be an integer"):
        layers.UpSampling1D(size)


def test_repeat_vector_refuses_floats():
    with pytest.raises(TypeError, match="`n` must be an integer"):
        layers.RepeatVector(1.5)
