"""Ops that functional models have as nodes: see `tools/roundtrip.py`."""

from collections.abc import Callable

# Ops as nodes of a functional model: many in one model, each an output. `o` is the package's ops.
# Left out is what Keras cannot save and load itself: quantile, norm, rearrange, glu, digitize and
# batch_normalization. Its sparsemax of more than two axes is not one: the sums are not 1.

OPS: dict[str, dict[str, Callable]] = {
    "of one tensor": {
        name: lambda o, x, name=name: getattr(o, name)(x)
        for name in """abs arcsinh arctan cos cosh exp expm1 erf floor isfinite isnan log1p
        logical_not negative sigmoid sign sin sinh sqrt square tan tanh relu relu6 silu selu gelu
        elu softplus softsign log_sigmoid hard_sigmoid hard_silu leaky_relu hard_tanh celu
        softmax log_softmax zeros_like ones_like ravel rsqrt reciprocal round ceil
        deg2rad stop_gradient nan_to_num""".split()
    },
    "reductions": {
        "mean": lambda o, x: o.mean(x, axis=1, keepdims=True),
        "sum": lambda o, x: o.sum(x, (1, 2)),
        "max": lambda o, x: o.max(x, axis=-1, initial=0.0),
        "min": lambda o, x: o.min(x),
        "var": lambda o, x: o.var(x, axis=[1]),
        "std": lambda o, x: o.std(x, axis=1),
        "prod": lambda o, x: o.prod(x, axis=2),
        "argmax": lambda o, x: o.argmax(x, axis=-1),
        "any": lambda o, x: o.any(x > 0, axis=1),
        "all": lambda o, x: o.all(x > -1, axis=1),
        "cumsum": lambda o, x: o.cumsum(x, axis=1),
        "logsumexp": lambda o, x: o.logsumexp(x, axis=1),
        "count_nonzero": lambda o, x: o.count_nonzero(x, axis=1),
        "median": lambda o, x: o.median(x, axis=1),
        "average": lambda o, x: o.average(x, axis=1),
        "moments": lambda o, x: o.moments(x, axes=[1]),
        "top_k": lambda o, x: o.top_k(x, 2),
        "normalize": lambda o, x: o.normalize(x, axis=1, order=2),
    },
    "shapes": {
        "reshape": lambda o, x: o.reshape(x, (-1, 9, 2)),
        "transpose": lambda o, x: o.transpose(x, axes=(0, 2, 1)),
        "swapaxes": lambda o, x: o.swapaxes(x, 1, 2),
        "moveaxis": lambda o, x: o.moveaxis(x, 1, -1),
        "expand_dims": lambda o, x: o.expand_dims(x, (1, -1)),
        "squeeze": lambda o, x: o.squeeze(x[:, :1], axis=1),
        "tile": lambda o, x: o.tile(x, (1, 2, 1)),
        "repeat": lambda o, x: o.repeat(x, 2, axis=1),
        "flip": lambda o, x: o.flip(x, axis=1),
        "roll": lambda o, x: o.roll(x, 1, axis=1),
        "pad": lambda o, x: o.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=2.0),
        "concatenate": lambda o, x: o.concatenate([x, x + 1], axis=1),
        "stack": lambda o, x: o.stack([x, -x], axis=2),
        "split": lambda o, x: o.split(x, 3, axis=1),
        "unstack": lambda o, x: o.unstack(x, 3, axis=2),
        "array_split": lambda o, x: o.array_split(x, 2, axis=1),
        "hstack": lambda o, x: o.hstack([x, x]),
        "meshgrid": lambda o, x: o.meshgrid(x[0, 0], x[0, 1], indexing="ij"),
        "broadcast_to": lambda o, x: o.broadcast_to(x[:1, :1], (2, 6, 3)),
        "diagonal": lambda o, x: o.diagonal(x, offset=1, axis1=1, axis2=2),
        "tril": lambda o, x: o.tril(x, k=1),
        "cast": lambda o, x: o.cast(x, "int32"),
    },
    "of two tensors": {
        "add": lambda o, x: o.add(x, 1.5),
        "subtract": lambda o, x: 2.0 - x,
        "divide": lambda o, x: 1.0 / (x * x + 1.0),
        "power": lambda o, x: abs(x) ** 1.5,
        "mod": lambda o, x: x % 0.7,
        "floor_divide": lambda o, x: x // 0.3,
        "maximum": lambda o, x: o.maximum(x, 0.1),
        "arctan2": lambda o, x: o.arctan2(x, x + 1),
        "logical_and": lambda o, x: o.logical_and(x > 0, x < 1),
        "comparisons": lambda o, x: [x >= 0.1, x <= 0.1, x != 0.3],
        "isclose": lambda o, x: o.isclose(x, x + 1e-6, atol=1e-3),
        "clip": lambda o, x: o.clip(x, -0.5, 0.5),
        "where": lambda o, x: o.where(x > 0, x, 0.0),
        "matmul": lambda o, x: x @ o.transpose(x, (0, 2, 1)),
        "dot": lambda o, x: o.dot(x, o.ones((3, 2))),
        "tensordot": lambda o, x: o.tensordot(x, x, axes=[[1, 2], [1, 2]]),
        "einsum": lambda o, x: o.einsum("bij,bkj->bik", x, x),
        "outer": lambda o, x: o.outer(x[0, 0], x[0, 1]),
        "cross": lambda o, x: o.cross(x, x + 1),
        "full_like": lambda o, x: o.full_like(x, 3.0),
        "linspace": lambda o, x: o.linspace(x, x + 1, num=3, axis=1),
        "trapezoid": lambda o, x: o.trapezoid(x, dx=2.0, axis=1),
        "squareplus": lambda o, x: o.squareplus(x, b=2),
        "dot_product_attention": lambda o, x: o.dot_product_attention(
            x[:, :, None], x[:, :, None], x[:, :, None], is_causal=True
        ),
    },
    "indexing and networks": {
        "getitem": lambda o, x: [x[:, 1], x[..., ::2], x[:, None, 1:3], x[0]],
        "take": lambda o, x: o.take(x, [0, 2], axis=1),
        "take_along_axis": lambda o, x: o.take_along_axis(x, o.argsort(x, axis=1), axis=1),
        "sort": lambda o, x: o.sort(x, axis=1),
        "argsort": lambda o, x: o.argsort(x, axis=-1),
        "one_hot": lambda o, x: o.one_hot(o.argmax(x, axis=1), 6),
        "multi_hot": lambda o, x: o.multi_hot(o.argmax(x, axis=1), 6),
        "slice": lambda o, x: o.slice(x, (0, 1, 0), (2, 3, 2)),
        "conv": lambda o, x: o.conv(x, o.ones((2, 3, 4)), strides=2, padding="same"),
        "depthwise_conv": lambda o, x: o.depthwise_conv(x, o.ones((2, 3, 1)), padding="valid"),
        "max_pool": lambda o, x: o.max_pool(x, 2, strides=1),
        "layer_normalization": lambda o, x: o.layer_normalization(x, o.ones(3), axis=-1),
        "rms_normalization": lambda o, x: o.rms_normalization(x, o.ones(3)),
        "categorical_crossentropy": lambda o, x: o.categorical_crossentropy(
            o.softmax(x), x, from_logits=True
        ),
        "fft": lambda o, x: o.fft((x, x)),
        "image.resize": lambda o, x: o.image.resize(x[..., None], (3, 4)),
        "image.rgb_to_grayscale": lambda o, x: o.image.rgb_to_grayscale(x[:, None]),
        "image.pad_images": lambda o, x: o.image.pad_images(x[..., None], 1, 1, 1, 1),
        "image.extract_patches": lambda o, x: o.image.extract_patches(x[..., None], 2),
        "det": lambda o, x: o.det(x[:, :3]),
        "solve": lambda o, x: o.solve(x[:, :3], x[:, 3:]),
        "slogdet": lambda o, x: o.slogdet(x[:, :3]),
    },
}
