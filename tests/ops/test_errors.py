"""Mistakes in arguments get errors that name the argument and what came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata import ops

X, CUBE, IMAGE = jnp.ones((2, 3)), jnp.ones((2, 3, 4)), jnp.ones((1, 4, 4, 3))

MISTAKES = [
    # call, what the message says
    (lambda: ops.add(X, jnp.ones(4)), r"shapes.*\(2, 3\), \(4,\)"),
    (lambda: ops.matmul(X, X), "last axis of `x1`"),
    (lambda: ops.matmul(2.0, X), "rank 1 or more"),
    (lambda: ops.einsum("ij,jk", X), "each operand"),
    (lambda: ops.einsum("ijk", X), "each axis"),
    (lambda: ops.cross(X, jnp.ones(4)), "2 or 3 numbers"),
    (lambda: ops.diagonal(X, 0, 1, 1), "different axes"),
    (lambda: ops.cdist(X, jnp.ones((2, 2))), "features"),
    (lambda: ops.sum(X, axis=2), "axis.*from -2 to 1"),
    (lambda: ops.mean(X, axis=(0, 0)), "twice"),
    (lambda: ops.argmax(X, axis=-3), "axis.*-3"),
    (lambda: ops.max(jnp.ones((0, 2)), axis=0), "initial"),
    (lambda: ops.softmax(X, axis=5), "axis"),
    (lambda: ops.quantile(X, 0.5, method="middle"), "method.*'middle'"),
    (lambda: ops.bincount(jnp.ones(3)), "integers"),
    (lambda: ops.histogram(jnp.ones(3), bins=0), "bins"),
    (lambda: ops.histogram(X), "one axis"),
    (lambda: ops.digitize(X, X), "one axis"),
    (lambda: ops.correlate(jnp.ones(3), jnp.ones(2), mode="all"), "mode"),
    (lambda: ops.zeros((2, -1)), "shape"),
    (lambda: ops.zeros((2, None)), "shape"),
    (lambda: ops.zeros((2,), dtype="float31"), "dtype"),
    (lambda: ops.eye(2.5), "N"),
    (lambda: ops.eye(jnp.float32(2)), "`N` must be an integer"),
    (lambda: ops.while_loop(lambda x: x < 3, lambda x: x + 1, X), "`cond` must be a scalar"),
    (lambda: ops.meshgrid(X, indexing="yx"), "indexing"),
    (lambda: ops.vander(X), "one axis"),
    (lambda: ops.reshape(X, (4, 2)), r"newshape.*\(2, 3\)"),
    (lambda: ops.reshape(X, (-1, -1)), "at most one"),
    (lambda: ops.transpose(X, (0, 0)), "each of the 2 axes once"),
    (lambda: ops.moveaxis(X, (0, 1), 0), "equally many"),
    (lambda: ops.squeeze(X, 0), "size 1"),
    (lambda: ops.broadcast_to(X, (2, 4)), "broadcast"),
    (lambda: ops.concatenate([X, jnp.ones((3, 2))], axis=1), "equal shapes"),
    (lambda: ops.concatenate([]), "at least one"),
    (lambda: ops.stack([X, CUBE]), "equal shapes"),
    (lambda: ops.split(X, 2, axis=1), "2 equal parts"),
    (lambda: ops.unstack(X, num=3), "num"),
    (lambda: ops.pad(X, 1, mode="mirrored"), "mode"),
    (lambda: ops.pad(X, 1, mode="reflect", constant_values=1), "constant_values"),
    (lambda: ops.diag(CUBE), "one axis or two"),
    (lambda: ops.take(X, [0], axis=2), "axis"),
    (lambda: ops.take_along_axis(X, [0], axis=1), "rank of `x`"),
    (lambda: ops.where(X > 0, X), "both be given"),
    (lambda: ops.select([X > 0], []), "equal length"),
    (lambda: ops.get_item(X, 2), "2 elements"),
    (lambda: ops.top_k(X, 4), "k.*last axis"),
    (lambda: ops.searchsorted(X, 1.0), "one axis"),
    (lambda: ops.slice(X, (0, 0), (3, 3)), "fit"),
    (lambda: ops.slice(X, (0,), (3,)), "each of the 2 axes"),
    (lambda: ops.slice_update(X, (0,), jnp.ones(1)), "rank of `inputs`"),
    (lambda: ops.scatter_update(X, [[0, 0]], [1.0], reduction="mean"), "reduction.*'mean'"),
    (lambda: ops.segment_sum(X, [0, 1, 2]), "segment_ids"),
    (lambda: ops.det(X), "square"),
    (lambda: ops.cholesky(-jnp.eye(2)), "positive definite"),
    (lambda: ops.solve(jnp.eye(3), X), "`b` must have shape"),
    (lambda: ops.qr(X, mode="full"), "mode"),
    (lambda: ops.norm(X, ord="frob"), "ord"),
    (lambda: ops.norm(X, ord="fro", axis=0), "two axes"),
    (lambda: ops.norm(CUBE, axis=(0, 1, 2)), "one axis or two"),
    (lambda: ops.fft(X), "tuple of two"),
    (lambda: ops.fft((X, CUBE)), "same shape"),
    (lambda: ops.stft(X, 4, 2, 3), "fft_length"),
    (lambda: ops.stft(X, 2, 1, 2, window="box"), "window"),
    (lambda: ops.stft(X, 2, 1, 2, window=jnp.ones(3)), r"shape \(2,\)"),
    (lambda: ops.stft([1, 2], 2, 1, 2), "floating"),
    (lambda: ops.conv(IMAGE, jnp.ones((2, 2, 2, 5))), "channels"),
    (lambda: ops.conv(IMAGE, jnp.ones((2, 3, 5))), "spatial axes"),
    (lambda: ops.conv(IMAGE, jnp.ones((2, 2, 3, 5)), padding="causal"), "padding.*'causal'"),
    (lambda: ops.conv(IMAGE, jnp.ones((2, 2, 3, 5)), strides=0), "strides"),
    (lambda: ops.conv(X, X), "batch axis"),
    (lambda: ops.depthwise_conv(IMAGE, jnp.ones((2, 2, 2, 1))), "channels"),
    (lambda: ops.conv_transpose(IMAGE, jnp.ones((2, 2, 2, 2))), "last axis"),
    (lambda: ops.conv_transpose(IMAGE, jnp.ones((2, 2, 2, 3)), 2, "same", 2), "less than"),
    (lambda: ops.max_pool(IMAGE, (2, 2, 2)), "pool_size"),
    (lambda: ops.max_pool(IMAGE, 2, data_format="NHWC"), "data_format"),
    (lambda: ops.adaptive_max_pool(IMAGE, (2,)), "output_size"),
    (lambda: ops.fold(jnp.ones((1, 4, 3)), (3, 3), 2), "4 patches"),
    (lambda: ops.depth_to_space(IMAGE, 2), "multiple"),
    (lambda: ops.glu(X), "even"),
    (lambda: ops.layer_normalization(X, gamma=jnp.ones(2)), "`gamma`.*3"),
    (lambda: ops.batch_normalization(X, jnp.ones(2), jnp.ones(3), -1), "`mean`"),
    (lambda: ops.normalize(X, order=0), "order"),
    (lambda: ops.one_hot([1], 0), "num_classes"),
    (lambda: ops.multi_hot([1]), "num_classes"),
    (lambda: ops.categorical_crossentropy(X, CUBE), "same shape"),
    (lambda: ops.sparse_categorical_crossentropy([1], X), "without the classes"),
    (lambda: ops.binary_crossentropy(X, jnp.ones((3, 2))), "same shape"),
    (lambda: ops.ctc_loss([[1]], X, [1], [1]), "`output` "),
    (lambda: ops.ctc_decode(CUBE, [3, 3], strategy="best"), "strategy"),
    (lambda: ops.dot_product_attention(X, X, X), "features"),
    (lambda: ops.rearrange(X, "a b c -> a b c"), "2 axes"),
    (lambda: ops.rearrange(X, "a b -> a c"), "both sides"),
    (lambda: ops.rearrange(X, "(a b) c -> a b c"), "pass them"),
    (lambda: ops.rearrange(X, "a b"), "two sides"),
    (lambda: ops.ldexp(X, X), "exponent"),
    (lambda: ops.view_as_complex(X), "2 numbers"),
    (lambda: ops.image.resize(X, (2, 2)), "rank 3"),
    (lambda: ops.image.resize(IMAGE, (2, 2), interpolation="area"), "interpolation"),
    (lambda: ops.image.affine_transform(IMAGE, jnp.ones(6)), "8 numbers"),
    (lambda: ops.image.affine_transform(IMAGE, jnp.ones(8), fill_mode="zero"), "fill_mode"),
    (lambda: ops.image.crop_images(IMAGE, 1, 1, 1), "Exactly two"),
    (lambda: ops.image.crop_images(IMAGE, 4, 0, 0, 0), "margins"),
    (lambda: ops.image.pad_images(IMAGE, 1, 0, target_height=2, target_width=4), "margins"),
    (lambda: ops.image.rgb_to_hsv(IMAGE[..., :2]), "3 channels"),
    (lambda: ops.image.rgb_to_hsv(IMAGE.astype("uint8")), "floating"),
    (lambda: ops.image.map_coordinates(X, X, 2), "order"),
    (lambda: ops.image.map_coordinates(X, CUBE[:, 0, 0], 1), "coordinates"),
    (lambda: ops.image.ssim(IMAGE, IMAGE), "filter_size"),
    (lambda: ops.image.extract_patches(IMAGE, (2, 2, 2, 2)), "size"),
]


@pytest.mark.parametrize("call, words", MISTAKES, ids=[words for _, words in MISTAKES])
def test_mistakes_are_named(call, words):
    with pytest.raises((ValueError, TypeError, IndexError), match=f"(?s){words}") as caught:
        call()
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize("name, arguments", [
    ("nonzero", ()), ("unique", ()), ("where", ()), ("bincount", ()), ("segment_sum", (None,)),
])  # fmt: skip
def test_shapes_that_depend_on_values(name, arguments):
    """Such ops need values: they refuse traced tensors, and say why."""
    x = jnp.array([0, 2, 2])

    def call(x):
        return getattr(ops, name)(*(x if a is None else a for a in (None, *arguments)))

    call(x)
    with pytest.raises(ValueError, match="(?s)depends on|shape"):
        jax.jit(call)(x)


def test_softmax_over_one_element_warns():
    with pytest.warns(UserWarning, match="always 1"):
        ops.softmax(np.ones((3, 1), "float32"))
