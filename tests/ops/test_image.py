"""Image ops, compared with Keras where it has the same; else with values worked out by hand."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import ops

RANDOM = np.random.RandomState(0)
X = RANDOM.rand(2, 6, 7, 3).astype("float32")
BYTES = (X * 255).astype("uint8")
FIRST = np.moveaxis(X, -1, 1)
AFFINE = np.array(
    [[1.1, 0.2, 0.31, -0.1, 0.9, 0.23, 0, 0], [1, 0, 0.5, 0, 1, 0.2, 0, 0]], "float32"
)
START = np.array([[[0, 0], [0, 6], [5, 0], [5, 6]]] * 2, "float32")
END = START + np.array([[0, 0.5], [0.3, 0], [0, 0], [0.2, 0.1]], "float32")
SCALE = np.array([2.0, 1.5], "float32")

CALLS = [
    # name, arguments, keywords
    *[("resize", (X, (4, 9), kind), {}) for kind in ("bilinear", "nearest", "bicubic", "lanczos3")],
    ("resize", (X, (4, 3), "lanczos5"), {"antialias": True}),
    ("resize", (BYTES, (4, 3), "bicubic"), {}),
    ("resize", (X[0], (8, 3)), {"crop_to_aspect_ratio": True}),
    ("resize", (X, (3, 8)), {"pad_to_aspect_ratio": True, "fill_value": 7.0}),
    ("resize", (FIRST, (4, 3)), {"data_format": "channels_first"}),
    *[
        ("affine_transform", (X, AFFINE), {"fill_mode": mode, "fill_value": 3})
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    ],
    ("affine_transform", (X[0], AFFINE[1]), {"interpolation": "nearest"}),
    ("affine_transform", (BYTES, AFFINE), {}),
    ("affine_transform", (FIRST, AFFINE), {"data_format": "channels_first"}),
    ("perspective_transform", (X, START, END), {}),
    ("perspective_transform", (X[0], START[0], END[0], "nearest"), {"fill_value": 2.0}),
    ("map_coordinates", (X[0, ..., 0], RANDOM.rand(2, 5).astype("float32") * 7, 1), {}),
    ("map_coordinates", (BYTES[0, ..., 0], RANDOM.rand(2, 5) * 9, 0, "reflect"), {}),
    ("extract_patches", (X, 2), {}),
    ("extract_patches", (X, (2, 3)), {"strides": 1, "padding": "same"}),
    ("extract_patches", (X[0], 2), {"strides": 1, "dilation_rate": 2}),
    ("extract_patches", (FIRST, 2), {"data_format": "channels_first"}),
    ("extract_patches_3d", (X.reshape(1, 2, 6, 7, 3), (2, 3, 2)), {}),
    ("rgb_to_grayscale", (X,), {}),
    ("rgb_to_grayscale", (BYTES,), {}),
    ("rgb_to_hsv", (X,), {}),
    ("hsv_to_rgb", (FIRST,), {"data_format": "channels_first"}),
    ("sobel_edges", (X,), {}),
    ("sobel_edges", (FIRST,), {"data_format": "channels_first"}),
    ("ssim", (X, X * 0.9), {"filter_size": 4}),
    ("crop_images", (X, 1, 2), {"target_height": 3, "right_cropping": 1}),
    ("pad_images", (FIRST, 1, 2, 0), {"target_width": 10, "data_format": "channels_first"}),
    (
        "scale_and_translate",
        (X[0], (8, 8, 3), SCALE, np.array([0.0, 1.0], "float32"), (0, 1), "linear"),
        {},
    ),
]


@pytest.mark.parametrize("name, args, kwargs", CALLS, ids=[c[0] for c in CALLS])
def test_equals_keras(name, args, kwargs):
    ours = getattr(ops.image, name)(*args, **kwargs)
    theirs = getattr(keras.ops.image, name)(*map(as_tensor, args), **kwargs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    # Halves may be rounded either way.
    tolerance = 1 if ours.dtype == "uint8" else 1e-5
    np.testing.assert_allclose(
        np.asarray(ours, "float32"), np.asarray(theirs, "float32"), rtol=1e-4, atol=tolerance
    )
    symbols = [symbol(a) if isinstance(a, np.ndarray) else a for a in args]
    found = getattr(ops.image, name)(*symbols, **kwargs)
    assert found.dtype == ours.dtype
    assert all(a in (None, b) for a, b in zip(found.shape, ours.shape, strict=True))


def as_tensor(x):
    # (Keras casts float64 coordinates, jax.numpy does so silently.)
    return x.astype("float32") if getattr(x, "dtype", None) == "float64" else x


def symbol(x):
    batch = x.ndim > 3 or x.shape in (AFFINE.shape, START.shape)
    shape = (None, *x.shape[1:]) if batch else x.shape
    return kerata.KerasTensor(shape, x.dtype)


def test_one_transform_serves_a_batch_and_may_be_projective():
    both = ops.image.affine_transform(X, AFFINE[1])
    np.testing.assert_allclose(both[1], ops.image.affine_transform(X[1], AFFINE[1]))
    ramp = np.arange(4, dtype="float32").reshape(1, 4, 1)
    halving = [1, 0, 0, 0, 1, 0, 1, 0]  # x / (x + 1)
    found = ops.image.affine_transform(ramp, halving).ravel()
    np.testing.assert_allclose(found, [0, 1 / 2, 2 / 3, 3 / 4], rtol=1e-6)


def test_gaussian_blur_spreads_both_ways():
    point = np.zeros((5, 5, 2), "float32")
    point[2, 2] = 1
    blurred = ops.image.gaussian_blur(point, (3, 3), (1.0, 1.0))
    line = np.exp(-0.5 * np.array([1, 0, 1]))
    line /= line.sum()
    np.testing.assert_allclose(blurred[1:4, 1:4, 0], np.outer(line, line), rtol=1e-5)
    np.testing.assert_allclose(blurred[..., 0], blurred[..., 1])
    # The first size and sigma are the horizontal ones; sigma may be traced.
    wide = jax.jit(lambda s: ops.image.gaussian_blur(point, (3, 1), s))(jnp.array([1.0, 9.0]))
    np.testing.assert_allclose(wide[2, 1:4, 0], line, rtol=1e-5)
    assert float(jnp.abs(wide[1]).sum()) == 0


def test_colours_come_back():
    np.testing.assert_allclose(
        ops.image.hsv_to_rgb(ops.image.rgb_to_hsv(X)), X, rtol=1e-4, atol=1e-5
    )


def test_single_images_of_ssim_and_edges():
    assert ops.image.ssim(X[0], X[0], filter_size=3).shape == ()
    np.testing.assert_allclose(ops.image.sobel_edges(X[0]), ops.image.sobel_edges(X)[0], rtol=1e-6)


def test_elastic_transform_is_seeded_and_smooth():
    moved = ops.image.elastic_transform(X, alpha=2.0, sigma=2.0, seed=1)
    again = ops.image.elastic_transform(X, alpha=2.0, sigma=2.0, seed=1)
    other = ops.image.elastic_transform(X, alpha=2.0, sigma=2.0, seed=2)
    np.testing.assert_array_equal(moved, again)
    assert float(jnp.abs(moved - other).max()) > 0
    assert float(moved.min()) >= X.min() - 1e-6 and float(moved.max()) <= X.max() + 1e-6
    np.testing.assert_allclose(ops.image.elastic_transform(X, alpha=0.0, seed=1), X, rtol=1e-6)


def test_resampling_is_differentiable():
    f = lambda x: jnp.sum(ops.image.affine_transform(x, AFFINE) ** 2)  # noqa: E731
    gradient = jax.grad(f)(X)
    step = 1e-2 * RANDOM.normal(size=X.shape).astype("float32")
    numeric = (f(X + step) - f(X - step)) / 2
    np.testing.assert_allclose(jnp.sum(gradient * step), numeric, rtol=1e-2)
