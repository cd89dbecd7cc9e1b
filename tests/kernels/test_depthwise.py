import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import depthwise, depthwise_conv, using

# spatial shape, window, multiplier, strides, padding, dilation
GEOMETRIES = [
    ((5, 6), (3, 3), 1, 1, "same", 1),
    ((5, 6), (2, 3), 2, 2, "valid", 1),
    ((7, 6), (3, 2), 1, 1, "same", 2),
    ((6, 5), (3, 3), 2, (2, 1), "same", 1),
    ((2, 2), (3, 3), 1, 1, "same", 1),
    ((1, 5), (1, 3), 1, 1, "same", 1),
    ((4, 5), (2, 2), 1, 1, ((3, 1), (0, 2)), 1),
    ((9,), (3,), 2, 2, "same", 1),
    ((7,), (3,), 1, 1, "causal", 2),
    ((3, 4, 5), (2, 2, 2), 1, 2, "same", 1),
]


def normal(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.randn(*shape), dtype)


@pytest.fixture(params=["whole pictures", "rows"])
def kernel_gradient(request, monkeypatch):
    """The kernel's gradient goes by rows where pictures are large: have it so for small ones."""
    if request.param == "rows":
        monkeypatch.setattr(depthwise, "_SMALL", 1)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.parametrize("shape, window, multiplier, strides, padding, dilation", GEOMETRIES)
def test_as_lax(agree, shape, window, multiplier, strides, padding, dilation):
    x, kernel = normal(3, *shape, 2), normal(*window, 2, multiplier)
    agree(lambda x, w: depthwise_conv(x, w, strides, padding, dilation), x, kernel)


@pytest.mark.parametrize(
    "shape, window, multiplier, strides, padding, dilation", GEOMETRIES[:4] + GEOMETRIES[5:7]
)
def test_kernel_gradient_by_rows(agree, monkeypatch, shape, window, multiplier, strides, padding,
                                 dilation):  # fmt: skip
    monkeypatch.setattr(depthwise, "_SMALL", 1)
    jax.clear_caches()
    test_as_lax(agree, shape, window, multiplier, strides, padding, dilation)
    jax.clear_caches()


def test_channels_first(agree):
    x, kernel = normal(2, 3, 4, 5), normal(2, 2, 3, 2)
    y = agree(lambda x, w: depthwise_conv(x, w, data_format="channels_first"), x, kernel)
    other = depthwise_conv(jnp.moveaxis(x, 1, -1), kernel)
    np.testing.assert_allclose(y, jnp.moveaxis(other, -1, 1), rtol=1e-5, atol=1e-6)


def test_output_channels_are_grouped_by_input_channel():
    kernel = jnp.arange(6.0).reshape(1, 3, 2)
    for mode in ("cpu", "lax"):
        with using(mode):
            y = depthwise_conv(jnp.array([[[1.0, 10.0, 100.0]]]), kernel)
        assert y.ravel().tolist() == [0, 1, 20, 30, 400, 500]


def test_second_order(agree_twice, kernel_gradient):
    agree_twice(
        lambda x, w: depthwise_conv(x, w, padding="same"), normal(2, 3, 4, 2), normal(3, 2, 2, 1)
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(agree, kernel_gradient, dtype):
    x, kernel = normal(2, 4, 4, 2, dtype=dtype), normal(3, 3, 2, 1, dtype=dtype)
    agree(lambda x, w: depthwise_conv(x, w, padding="same"), x, kernel, rtol=3e-2, atol=3e-2)


def test_mixed_types_are_promoted(agree):
    x, kernel = normal(2, 4, 2, dtype="bfloat16"), normal(3, 2, 1)
    assert agree(lambda x, w: depthwise_conv(x, w), x, kernel).dtype == jnp.float32


def test_vmap_and_eval_shape(agree, kernel_gradient):
    x, kernel = normal(2, 2, 3, 3, 1), normal(2, 2, 2, 1, 1)
    agree(jax.vmap(lambda x, w: depthwise_conv(x, w)), x, kernel)
    shape = jax.eval_shape(
        lambda x: depthwise_conv(x, kernel[0], 2, "same"),
        jax.ShapeDtypeStruct((7, 5, 4, 1), jnp.float32),
    )
    assert shape.shape == (7, 3, 2, 1)


@pytest.mark.parametrize("taps, formulated", [(3, True), (65, False)])
def test_formulated_for_small_kernels(taps, formulated):
    with using("cpu"):
        program = str(
            jax.make_jaxpr(lambda x: depthwise_conv(x, jnp.ones((taps, 2, 1))))(
                jnp.ones((1, 70, 2))
            )
        )
    assert ("conv_general_dilated" not in program) == formulated
