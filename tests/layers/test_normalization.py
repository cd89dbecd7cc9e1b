import jax
import numpy as np
import pytest

from kerata import KerasTensor, layers

TRAINING = {"training": True}
BATCH = [
    ((6, 3), {}),
    ((2, 4, 3), {"axis": 1, "momentum": 0.8}),
    ((2, 3, 4, 5), {"epsilon": 0.1, "center": False}),
    ((4, 3), {"scale": False, "center": False}),
    ((6, 2), {"renorm": True}),
    ((6, 2), {"renorm": True, "renorm_clipping": {"rmax": 3.0, "dmax": 1.0}, "scale": False}),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape, kwargs", BATCH)
def test_batch_normalization(same_as_keras, data, shape, kwargs, training):
    x = data(*shape) * 2 + 1
    same_as_keras(
        "BatchNormalization", inputs=x, call={"training": training}, tolerance=1e-4, **kwargs
    )


@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 2)])
def test_masked_batch_normalization(same_as_keras, data, shape):
    mask = data(*shape[:-1]) > 0
    call = {"training": True, "mask": mask}
    same_as_keras("BatchNormalization", inputs=data(*shape), call=call, tolerance=1e-4)


def test_batch_normalization_is_precise_far_from_zero():
    x = 10_000 + np.random.default_rng(0).normal(size=(256, 2)).astype("float32")
    y = layers.BatchNormalization(epsilon=0.0)(x, training=True)
    np.testing.assert_allclose(np.std(y, axis=0), 1, atol=1e-3)


def test_frozen_batch_normalization_keeps_its_averages(data):
    layer = layers.BatchNormalization()
    layer.build((None, 3))
    layer.trainable = False
    x = data(6, 3)
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1.001), rtol=1e-5)
    assert layer.moving_mean.numpy().tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["BatchNormalization", "LayerNormalization", "GroupNormalization"])
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float16"])
def test_low_precision(name, dtype, data):
    layer = getattr(layers, name)(**({"groups": 2} if name[0] == "G" else {}), dtype=dtype)
    x = data(8, 4) * 300
    y = layer(x, **({"training": True} if name[0] == "B" else {}))
    assert y.dtype == ("float16" if dtype == "float16" else "bfloat16")
    assert np.isfinite(np.asarray(y, "float32")).all()
    expected = getattr(layers, name)(**({"groups": 2} if name[0] == "G" else {}))(
        x, **({"training": True} if name[0] == "B" else {})
    )
    np.testing.assert_allclose(np.asarray(y, "float32"), expected, 0.02, 0.02)


def test_what_overflows_16_bits_is_normalized():
    x = np.full((2, 4, 8), 70_000.0) * np.linspace(1, 2, 8)
    for layer in (
        layers.GroupNormalization(2, dtype="mixed_float16"),
        layers.LayerNormalization(dtype="mixed_float16"),
        layers.RMSNormalization(dtype="mixed_float16"),
    ):
        y = layer(x)
        assert y.dtype == "float16" and np.isfinite(y).all() and np.abs(y).max() > 0.5


def test_layer_normalization_of_another_rank(data):
    layer = layers.LayerNormalization()
    layer.build((2, 2, 3))
    assert layer(data(2, 2, 2, 3)).shape == (2, 2, 2, 3)
    with pytest.raises(ValueError, match="3 elements along axis -1"):
        layer(data(2, 2))


OTHERS = [
    ("LayerNormalization", (4, 3), {}),
    ("LayerNormalization", (2, 3, 4), {"axis": [1, 2]}),
    ("LayerNormalization", (2, 3, 4), {"axis": 1, "epsilon": 0.1, "center": False}),
    ("LayerNormalization", (2, 3), {"scale": False, "center": False}),
    ("RMSNormalization", (2, 3, 4), {}),
    ("RMSNormalization", (4, 3), {"epsilon": 0.1}),
    ("GroupNormalization", (2, 4), {"groups": 2}),
    ("GroupNormalization", (2, 3, 3, 4), {"groups": 2, "epsilon": 0.1}),
    ("GroupNormalization", (2, 4, 3), {"groups": -1, "axis": 1}),
    ("GroupNormalization", (2, 3, 4), {"groups": 1, "scale": False, "center": False}),
    ("UnitNormalization", (2, 3, 4), {}),
    ("UnitNormalization", (2, 3, 4), {"axis": [1, 2]}),
    ("UnitNormalization", (2, 3, 4), {"axis": 1}),
]


@pytest.mark.parametrize("name, shape, kwargs", OTHERS)
def test_same_as_keras(same_as_keras, data, name, shape, kwargs):
    same_as_keras(name, inputs=data(*shape), tolerance=2e-5, **kwargs)


def test_rms_scaling_of_older_keras(data):
    x = data(2, 4)
    layer = layers.LayerNormalization(rms_scaling=True)
    expected = x / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    with pytest.warns(UserWarning, match="rms_scaling"):
        np.testing.assert_allclose(layer(x), expected, rtol=1e-5)
    assert [v.name for v in layer.weights] == ["gamma"]
    assert layers.LayerNormalization.from_config(layer.get_config()).rms_scaling is True


def test_rms_over_another_axis(data):
    x = data(2, 3, 4)
    expected = x / np.sqrt(np.mean(x**2, 1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(layers.RMSNormalization(axis=1)(x), expected, rtol=1e-5)


def test_unit_normalization_of_zeros():
    layer = layers.UnitNormalization()
    assert layer(np.zeros((1, 3))).tolist() == [[0, 0, 0]]
    slope = jax.grad(lambda x: layer(x).sum())(np.zeros((1, 3), "float32"))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.BatchNormalization(axis=3)(np.ones((2, 5))), "that have an axis 3"),
        (lambda: layers.BatchNormalization()(KerasTensor((None, None))), "the size of axis -1"),
        (lambda: layers.BatchNormalization(renorm_clipping={"a": 1}), "no keys but 'rmin'"),
        (lambda: layers.BatchNormalization(renorm_clipping={"dmax": -1}), "`dmax` at least 0"),
        (
            lambda: layers.BatchNormalization(renorm_clipping={"rmin": 2, "rmax": 1}),
            "`rmin` at most `rmax`",
        ),
        (lambda: layers.GroupNormalization(0), "`groups` must be a positive integer"),
        (lambda: layers.GroupNormalization("a"), "`groups` must be a positive integer"),
        (lambda: layers.LayerNormalization(axis=(1, 5))(np.ones((2, 5))), "`axis` must be from -2"),
        (
            lambda: layers.LayerNormalization(axis=(1, -1))(np.ones((2, 5))),
            "not name an axis twice",
        ),
        (lambda: layers.LayerNormalization()(KerasTensor((None, None))), "the size of axis 1"),
        (lambda: layers.GroupNormalization(3)(np.ones((2, 4))), "a divisor of .* channels, 4"),
        (lambda: layers.GroupNormalization(8)(np.ones((2, 4))), "a divisor of .* channels, 4"),
        (lambda: layers.GroupNormalization(2, axis=0)(np.ones((2, 4))), "not be the batch axis"),
        (lambda: layers.UnitNormalization(axis=4)(np.ones((2, 4))), "`axis` must be from -2 to 1"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "name", ["BatchNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"]
)
def test_refuses_types(name):
    with pytest.raises(TypeError, match="`axis` must be an integer"):
        getattr(layers, name)(axis="a")
