import keras
import numpy as np
import pytest

from kerata import KerasTensor, layers

FIRST = {"data_format": "channels_first"}
SAME = {"padding": "same"}
ROWS = [
    ("Conv1D", (4, 3), {}, (2, 7, 3)),
    ("Conv1D", (4, 3), {"padding": "causal", "dilation_rate": 2}, (2, 7, 3)),
    ("Conv1D", (4, 3), {"padding": "causal", "strides": 2, **FIRST}, (2, 3, 7)),
    ("Conv1D", (4, 2), {"strides": 2, "activation": "tanh", "use_bias": False}, (2, 7, 3)),
    ("Conv2D", (4, 3), {}, (2, 5, 6, 3)),
    ("Conv2D", (4, (3, 2)), {"strides": (1, 2), "padding": "SAME"}, (2, 5, 6, 3)),
    ("Conv2D", (4, 3), {"dilation_rate": 2, **SAME}, (2, 5, 6, 3)),
    ("Conv2D", (4, 2), {"groups": 2}, (2, 4, 4, 2)),
    ("Conv2D", (4, 3), {"strides": 2, **SAME, **FIRST}, (2, 3, 5, 6)),
    ("Conv2D", (5, 1), {}, (2, 4, 4, 3)),
    ("Conv3D", (2, 2), {}, (1, 3, 4, 3, 2)),
    ("Conv3D", (2, (1, 2, 3)), {**SAME, **FIRST}, (1, 2, 3, 4, 3)),
    ("Conv1DTranspose", (4, 3), {}, (2, 5, 3)),
    ("Conv1DTranspose", (4, 3), {"strides": 2, "output_padding": 1, **SAME}, (2, 5, 3)),
    ("Conv2DTranspose", (4, 3), {"strides": 2, **SAME}, (2, 3, 4, 3)),
    ("Conv2DTranspose", (4, 2), {"strides": (2, 3), "activation": "relu"}, (2, 3, 4, 3)),
    ("Conv2DTranspose", (4, 3), {"dilation_rate": 2, **FIRST}, (2, 3, 3, 4)),
    ("Conv3DTranspose", (2, 2, 2), {"use_bias": False}, (1, 2, 2, 3, 2)),
    ("DepthwiseConv1D", (3,), {"depth_multiplier": 2}, (2, 6, 3)),
    ("DepthwiseConv1D", (3, 2), {**SAME, **FIRST}, (2, 3, 6)),
    ("DepthwiseConv2D", (3,), {}, (2, 5, 4, 3)),
    ("DepthwiseConv2D", (3, 2), {"depth_multiplier": 2, **SAME}, (2, 5, 4, 3)),
    ("DepthwiseConv2D", (2,), {"dilation_rate": 2, "use_bias": False, **FIRST}, (2, 3, 5, 4)),
    ("SeparableConv1D", (4, 3), {"depth_multiplier": 2}, (2, 6, 3)),
    ("SeparableConv2D", (4, 3), {"strides": 2, **SAME}, (2, 5, 4, 3)),
    ("SeparableConv2D", (4, 3), {"depth_multiplier": 2, **FIRST}, (2, 3, 5, 4)),
]


@pytest.mark.parametrize("name, args, kwargs, shape", ROWS)
def test_same_as_keras(same_as_keras, data, name, args, kwargs, shape):
    same_as_keras(name, *args, inputs=data(*shape), tolerance=2e-5, **kwargs)


def test_config_like_keras():
    options = {"strides": 2, "padding": "same", "activation": "relu", "kernel_regularizer": "l2"}
    for name in ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "SeparableConv2D"):
        if name.startswith("Sep"):
            options.pop("kernel_regularizer")
        mine, theirs = (
            getattr(m, name)(4, 3, name="x", **options).get_config() for m in (layers, keras.layers)
        )
        assert {**theirs, **mine} == theirs
        assert theirs.keys() - mine.keys() <= {"activity_regularizer"}


def test_keras_reads_the_config():
    config = layers.SeparableConv2D(4, 3, strides=2, depthwise_regularizer="l2").get_config()
    assert keras.layers.SeparableConv2D.from_config(config).strides == (2, 2)


def test_rules_reach_the_kernels():
    layer = layers.SeparableConv2D(
        2, 2, depthwise_initializer="ones", pointwise_regularizer="l1", bias_constraint="non_neg"
    )
    layer.build((None, 4, 4, 3))
    assert float(layer.depthwise_kernel.value.min()) == 1
    assert layer.pointwise_kernel.regularizer is layer.pointwise_regularizer
    assert layer.bias.constraint is layer.bias_constraint


@pytest.mark.parametrize(
    "name, args, shape, expected",
    [
        ("Conv2D", (4, 3), (None, None, 8, 3), (None, None, 6, 4)),
        ("Conv2D", (4, 3, 2, "same"), (None, None, 8, 3), (None, None, 4, 4)),
        ("Conv1D", (4, 130), (None, None, 3), (None, None, 4)),
        ("Conv2DTranspose", (4, 3, 2), (None, None, 8, 3), (None, None, 17, 4)),
        ("DepthwiseConv2D", (3,), (None, None, 8, 3), (None, None, 6, 3)),
        ("SeparableConv1D", (4, 3), (None, None, 3), (None, None, 4)),
    ],
)
def test_unknown_sizes(name, args, shape, expected):
    assert getattr(layers, name)(*args)(KerasTensor(shape)).shape == expected


@pytest.mark.parametrize(
    "name, args, kwargs, words",
    [
        ("Conv2D", (0, 3), {}, "`filters` must be a positive integer"),
        ("Conv2D", (2, "a"), {}, "`kernel_size` must be an integer or a tuple of 2"),
        ("Conv2D", (2, 0), {}, "`kernel_size` must be .* each at least 1"),
        ("Conv2D", (2, (3, 3, 3)), {}, "`kernel_size` must be .* tuple of 2"),
        ("Conv2D", (2, 3), {"strides": 0}, "`strides` must be"),
        ("Conv2D", (2, 3), {"padding": "smae"}, "Did you mean 'same'"),
        ("Conv2D", (2, 3), {"padding": "causal"}, "`padding` must be one of 'valid', 'same'"),
        ("DepthwiseConv1D", (3,), {"padding": "causal"}, "`padding` must be one of"),
        ("Conv2D", (3, 3), {"groups": 2}, "`groups` must divide the number of filters, 3"),
        ("Conv2D", (3, 3), {"groups": 0}, "`groups` must be a positive integer"),
        ("Conv2D", (2, 3), {"strides": 2, "dilation_rate": 2}, "cannot both be above 1"),
        ("Conv2D", (2, 3), {"data_format": "last"}, "`data_format` must be one of"),
        ("Conv2DTranspose", (2, 3), {"output_padding": 1}, r"less than the strides, \(1, 1\)"),
        ("DepthwiseConv2D", (3,), {"depth_multiplier": 0}, "`depth_multiplier` must be a positive"),
        ("SeparableConv2D", (2, 3), {"depth_multiplier": -1}, "`depth_multiplier` must be"),
    ],
)
def test_refuses_arguments(name, args, kwargs, words):
    with pytest.raises(ValueError, match=f"(?s){name} 'x'.*{words}"):
        getattr(layers, name)(*args, name="x", **kwargs)


@pytest.mark.parametrize(
    "kwargs, shape, words",
    [
        ({}, (None, 5, 5, None), "the size of axis 3"),
        (FIRST, (None, None, 5, 5), "the size of axis 1"),
        ({"groups": 2}, (None, 5, 5, 3), "`groups` must divide the number of input channels"),
        ({}, (None, 5, 3), "rank 4 or more.*3 axes"),
        ({}, (None, 2, 9, 3), r"at least \(3, 3\)"),
        ({"dilation_rate": 3}, (None, 9, 6, 3), r"at least \(7, 7\)"),
    ],
)
def test_refuses_inputs(kwargs, shape, words):
    with pytest.raises(ValueError, match=f"(?s)Conv2D 'x'.*{words}"):
        layers.Conv2D(4, 3, name="x", **kwargs)(KerasTensor(shape))


def test_refuses_other_channels_once_built():
    layer = layers.Conv2D(4, 3)
    layer(np.ones((1, 5, 5, 3)))
    with pytest.raises(ValueError, match="3 elements along axis 3"):
        layer(np.ones((1, 5, 5, 2)))
