import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from kerata.kernels import conv, conv_transpose, using

# spatial shape, channels, window, filters, strides, padding, dilation
GEOMETRIES = [
    ((5, 6), 3, (3, 3), 2, 1, "same", 1),
    ((5, 6), 3, (2, 3), 4, 2, "valid", 1),
    ((7, 6), 2, (3, 2), 3, 1, "same", 2),
    ((6, 5), 2, (3, 3), 2, (2, 1), "same", 1),
    ((18, 18), 5, (3, 3), 2, 1, "same", 1),  # many windows
    ((5, 6), 1, (3, 3), 2, 2, "same", 1),  # one channel
    ((2, 2), 2, (3, 3), 3, 1, "same", 1),  # a window larger than the picture
    ((1, 4), 2, (3, 2), 3, 1, "same", 1),
    ((4, 5), 2, (1, 1), 3, 2, "same", 1),  # pointwise
    ((4, 5), 3, (2, 2), 2, 1, ((3, 2), (2, 3)), 1),  # more padding than a window
    ((4, 5), 3, (2, 2), 2, 1, ((-1, 2), (0, 0)), 1),
    ((9,), 3, (3,), 2, 2, "same", 1),
    ((7,), 3, (3,), 2, 1, "causal", 2),
    ((3, 4, 5), 2, (2, 2, 2), 3, 1, "same", 1),
    ((4, 4, 5), 2, (3, 2, 1), 3, 2, "same", 1),
    ((8, 8, 8), 5, (2, 3, 3), 2, 1, "same", 1),
]


def normal(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.randn(*shape), dtype)


@pytest.mark.parametrize("shape, channels, window, filters, strides, padding, dilation", GEOMETRIES)
def test_as_lax(agree, shape, channels, window, filters, strides, padding, dilation):
    x, kernel = normal(2, *shape, channels), normal(*window, channels, filters)
    agree(lambda x, w: conv(x, w, strides, padding, dilation), x, kernel, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "channels, each, filters",
    [(6, 2, 9), (4, 1, 8), (32, 2, 16)],
    ids=["groups", "depthwise", "merged groups"],
)
def test_groups(agree, channels, each, filters):
    x, kernel = normal(2, 4, 4, channels), normal(3, 3, each, filters)
    agree(lambda x, w: conv(x, w, padding="same"), x, kernel, rtol=1e-4, atol=1e-4)


def test_groups_that_do_not_fit():
    for channels, kernel in [(5, (3, 2, 4)), (4, (3, 2, 3)), (4, (3, 0, 4))]:
        with pytest.raises(ValueError, match=f"(?s)divide.*inputs of {channels} channels"):
            conv(jnp.ones((1, 6, channels)), jnp.ones(kernel))


def test_channels_first(agree):
    x, kernel = normal(2, 3, 4, 5), normal(2, 2, 3, 2)
    y = agree(lambda x, w: conv(x, w, data_format="channels_first"), x, kernel)
    other = conv(jnp.moveaxis(x, 1, -1), kernel)
    np.testing.assert_allclose(y, jnp.moveaxis(other, -1, 1), rtol=1e-5, atol=1e-5)
    y = agree(
        lambda x, w: conv_transpose(x, w.swapaxes(2, 3), 2, data_format="channels_first"), x, kernel
    )
    assert y.shape == (2, 2, 8, 10)


@pytest.mark.parametrize("transposed", [False, True])
def test_second_order(agree_twice, transposed):
    if transposed:
        agree_twice(lambda x, w: conv_transpose(x, w, 2, "same"), normal(1, 2, 3, 2),
                    normal(3, 3, 2, 2))  # fmt: skip
    else:
        agree_twice(lambda x, w: conv(x, w, 2, "same"), normal(1, 4, 5, 2), normal(3, 3, 2, 2))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("size", [2, 5])
def test_half_precision(agree, dtype, size):
    x, kernel = normal(2, size, size, 1, dtype=dtype), normal(3, 3, 1, 2, dtype=dtype)
    agree(lambda x, w: conv(x, w, 1, "same"), x, kernel, rtol=3e-2, atol=5e-2)


def test_mixed_types_are_promoted(agree):
    x, kernel = normal(2, 4, 2, dtype="bfloat16"), normal(3, 2, 1)
    assert agree(lambda x, w: conv(x, w), x, kernel).dtype == jnp.float32


def test_vmap_and_eval_shape(agree):
    x, kernel = normal(2, 2, 3, 3, 2), normal(2, 2, 2, 2, 3)
    agree(jax.vmap(lambda x, w: conv(x, w)), x, kernel, rtol=1e-4)
    with using("cpu"):
        spec = jax.ShapeDtypeStruct((7, 5, 4, 2), jnp.float32)
        shape = jax.eval_shape(lambda x: conv(x, kernel[0], 2, "same"), spec)
        assert shape.shape == (7, 3, 2, 3)
        shape = jax.eval_shape(lambda x: conv_transpose(x, kernel[0].swapaxes(2, 3), 2), spec)
        assert shape.shape == (7, 10, 8, 3)


@pytest.mark.parametrize(
    "shape, window, formulated",
    [((5, 5, 3), (3, 3), False), ((5, 5, 1), (3, 3), True), ((2, 2, 3), (3, 3), True),
     ((5, 5, 3), (1, 1), True)],
)  # fmt: skip
def test_formulated_where_lax_is_slow(shape, window, formulated):
    with using("cpu"):
        program = jax.make_jaxpr(lambda x, w: conv(x, w, padding="same"))(
            jnp.ones((1, *shape)), jnp.ones((*window, shape[-1], 2))
        )
    assert ("conv_general_dilated" not in str(program)) == formulated


# window, strides, padding, output padding, dilation
TRANSPOSED = [
    ((3,), 2, "same", None, 1),
    ((3,), 2, "valid", None, 1),
    ((2,), 3, "valid", None, 1),  # outputs that no window covers
    ((2,), 3, "same", None, 1),
    ((4,), 3, "same", 2, 1),
    ((5,), 2, "same", 0, 1),
    ((3,), 2, "valid", 1, 1),
    ((2,), 3, "valid", 2, 1),
    ((3,), 1, "same", None, 2),
    ((2,), 1, "valid", None, 3),
    ((3, 2), (2, 3), "same", None, 1),
    ((4, 3), (3, 2), "same", (1, 1), 1),
    ((2, 3, 2), 2, "same", None, 1),
]


@pytest.mark.parametrize("window, strides, padding, extra, dilation", TRANSPOSED)
def test_transposed(agree, window, strides, padding, extra, dilation):
    x, kernel = normal(2, *(4, 3, 2)[: len(window)], 3), normal(*window, 2, 3)
    y = agree(
        lambda x, w: conv_transpose(x, w, strides, padding, extra, dilation),
        x, kernel, rtol=1e-4, atol=1e-4,
    )  # fmt: skip
    theirs = keras.ops.conv_transpose(x, kernel, strides, padding, extra, "channels_last", dilation)
    np.testing.assert_allclose(y, theirs, rtol=1e-4, atol=1e-4)


def test_transposed_over_many_inputs(agree):
    agree(lambda x, w: conv_transpose(x, w, 2, "same"), normal(1, 17, 17, 2), normal(3, 3, 5, 2),
          rtol=1e-4, atol=1e-4)  # fmt: skip
