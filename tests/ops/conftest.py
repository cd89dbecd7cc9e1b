"""One row an op: what it is called with. `test_table.py` compares each with Keras."""

from dataclasses import dataclass, field

import numpy as np
import pytest

RANDOM = np.random.RandomState(7)


@dataclass
class Row:
    """A call of an op.

    Attributes:
        name: name in `kerata.ops`.
        args, kwargs: the arguments.
        gradient: whether the result is differentiable in the float arguments.
        dtypes: which other dtypes it takes: all (True), "floats", or none.
        symbolic: whether it takes symbolic tensors.
        unknown: whether the first axis of the first tensor may be unknown.
        traced: whether it can be compiled.
        expected: what to compare with, where Keras is wrong or does not take the arguments.
    """

    name: str
    args: tuple
    kwargs: dict = field(default_factory=dict)
    gradient: bool = False
    dtypes: bool | str = True
    symbolic: bool = True
    unknown: bool = True
    traced: bool = True
    expected: object = None

    def __str__(self):
        options = ",".join(f"{k}={v}" for k, v in self.kwargs.items() if np.size(v) < 5)
        return f"{self.name}({options})" if options else self.name


def row(name, *args, **kwargs):
    """Return a row; options of rows are picked out of the keywords."""
    options = {k: kwargs.pop(k) for k in list(kwargs) if k in Row.__dataclass_fields__}
    return Row(name, args, kwargs, **options)


def smooth(name, *args, **options):
    """A row of an op with a gradient."""
    return row(name, *args, gradient=True, **options)


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def positive(*shape):
    return RANDOM.uniform(0.2, 0.9, size=shape).astype("float32")


def spread(*shape):
    """Distinct numbers, no two closer than 0.1: for ops with kinks and ties."""
    count = int(np.prod(shape))
    values = (np.arange(count) - count / 2 + 0.3) * 0.1
    return RANDOM.permutation(values).reshape(shape).astype("float32")


def integers(*shape, low=0, high=5):
    return RANDOM.randint(low, high, size=shape).astype("int32")


def complex_(*shape):
    return (normal(*shape) + 1j * normal(*shape)).astype("complex64")


NAN = np.array([[1.0, np.nan, 3.0], [np.inf, -np.inf, 0.5]], "float32")
HOLES = np.array([[1.0, np.nan, 3.0], [0.25, 2.0, np.nan]], "float32")
X, Y, P, S = normal(3, 4), normal(3, 4), positive(3, 4), spread(3, 4)
COUNTS, OTHERS = integers(3, 4, low=1), integers(3, 4, low=1)
B, C = X > 0, Y > 0
CUBE = normal(2, 3, 4)
SPD = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]], "float32")
SQUARE = normal(3, 3) + 3 * np.eye(3, dtype="float32")

DIFFERENTIABLE = """
    abs absolute arcsinh arctan cbrt conj conjugate copy cos cosh deg2rad erf erfc exp exp2 expm1
    fabs i0 negative rad2deg real sin sinc sinh square tan tanh tanh_shrink
    celu elu gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid
    log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
    sparse_sigmoid squareplus swish glu normalize diagflat
    flip fliplr flipud ravel reciprocal rot90 squeeze stack transpose tril
    triu trace sum mean std var prod max min amax amin ptp logsumexp cumsum cumprod sort
    median diff vstack hstack dstack trapezoid array convert_to_tensor nan_to_num average
    nansum nanprod nanmean nanstd nanvar nanmax nanmin nanmedian nancumsum nancumprod norm
""".split()
TRIED = """
    cbrt sinc gelu hard_silu leaky_relu log_softmax softmax sparse_plus squareplus glu normalize
    logsumexp median trapezoid nanmean norm cumprod max var threshold
""".split()
UNARY = """
    angle argmax argmin argsort all any ceil floor count_nonzero empty_like imag isfinite isinf
    isnan isneginf isposinf isreal logical_not ones_like round sign signbit trunc zeros_like
    nanargmax nanargmin ndim size stop_gradient corrcoef
""".split()
BINARY_DIFFERENTIABLE = """
    add arctan2 divide divide_no_nan dot fmax fmin hypot inner kron logaddexp logaddexp2 maximum
    minimum multiply outer subtract true_divide vdot append
""".split()
BINARY = """
    allclose equal greater greater_equal heaviside isclose less less_equal logical_and logical_or
    logical_xor nextafter not_equal floor_divide mod fmod isin searchsorted digitize
""".split()
BITS = """
    bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor gcd lcm left_shift
    right_shift
""".split()

ELEMENTWISE = [
    # JAX's own derivatives are not tried again: a few stand for them all.
    *[row(name, S, gradient=name in TRIED) for name in DIFFERENTIABLE],
    *[row(name, X) for name in UNARY],
    *[row(name, P) for name in ("log", "log10", "log1p", "log2", "sqrt", "rsqrt")],
    *[row(name, P) for name in ("arcsin", "arccos", "arctanh", "erfinv")],
    row("arccosh", P + 1),
    *[row(name, S, 1 + spread(3, 4) ** 2) for name in BINARY_DIFFERENTIABLE if name != "dot"],
    smooth("divide_no_nan", S, P),
    smooth("logaddexp", S, P),
    *[row(name, X, P) for name in BINARY if name not in ("searchsorted", "digitize")],
    *[row(name, COUNTS, OTHERS, dtypes=False) for name in BITS],
    row("bitwise_not", COUNTS, dtypes=False),
    row("bitwise_invert", B, dtypes=False),
    smooth("power", P, Y),
    smooth("power", X, 2),
    smooth("clip", S, -0.31, 0.42),
    row("ldexp", X, COUNTS, dtypes=False),
    row("nan_to_num", NAN, nan=7.0, posinf=1.0, neginf=-1.0),
    row("isnan", NAN),
    row("isfinite", NAN),
    *[row(n, complex_(3), dtypes=False) for n in ("angle", "imag", "real", "conj", "isreal")],
    row("view_as_complex", normal(3, 2), dtypes=False),
    row("view_as_real", complex_(3), dtypes=False),
    row("polar", P, Y, dtypes=False),
    smooth("threshold", S, 0.15, -1.0),
    smooth("squareplus", X, b=2),
    smooth("gelu", X, approximate=False),
    smooth("elu", X, alpha=0.5),
    row("cast", X * 3, "int32"),
    row("cast", COUNTS, "float16"),
    row("saturate_cast", X * 300, "uint8"),
    row("saturate_cast", X * 300, "int8"),
    row("saturate_cast", np.array([1e20, -1e20, 3.7], "float32"), "int32", dtypes=False),
    row("view", X, "int32", dtypes=False),
    smooth("cross", normal(2, 3), normal(2, 3)),
    smooth("cross", normal(3, 2), normal(3, 2), axis=0, unknown=False),
    row("cross", np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]]), expected=[-1.0]),
    row(
        "cross",
        np.array([[0.0, 0.0, 1.0]]),
        np.array([[3.0, 5.0]]),
        axisc=0,
        expected=[[-5.0], [3.0], [0.0]],
    ),
    row("round", np.array([123, 250]), decimals=-1),
    row("mod", COUNTS, B, dtypes=False),
    row("floor_divide", B, C, dtypes=False),
]

REDUCTIONS = [
    *[
        row(name, S, axis=1, keepdims=True)
        for name in "sum mean std var prod max min amax amin ptp logsumexp median".split()
    ],
    *[smooth(name, S, axis=(0, -1)) for name in "sum mean var max logsumexp median".split()],
    *[row(name, HOLES, axis=0) for name in "nansum nanprod nanmean nanstd nanvar nanmax".split()],
    *[row(n, HOLES, axis=1) for n in "nanmin nanmedian nancumsum nancumprod nanargmax".split()],
    row("nanargmin", HOLES, axis=0, keepdims=True),
    row("argmax", X, axis=0, keepdims=True),
    row("argmin", X, axis=-1),
    row("all", B, axis=0),
    row("any", B, axis=-1, keepdims=True),
    row("count_nonzero", COUNTS, axis=0),
    smooth("cumsum", X, axis=1),
    smooth("cumprod", X, axis=0),
    row("cumsum", COUNTS, axis=1, dtype="float32"),
    row("prod", COUNTS, axis=1, dtype="float32"),
    smooth("max", S, axis=1, initial=0.0),
    row("min", X, axis=0, initial=0.0),
    smooth("average", X, axis=1, weights=positive(4)),
    smooth("average", X, weights=P),
    smooth("quantile", S, 0.3, axis=1),
    row("quantile", X, np.array([0.1, 0.9], "float32"), axis=0, method="nearest", keepdims=True),
    row("quantile", X, 0.5, axis=(0, 1), method="midpoint"),
    row("percentile", X, 30.0, axis=1, method="lower"),
    row("percentile", X, 80, method="higher"),
    row("nanquantile", HOLES, 0.3, axis=1),
    row("nanpercentile", HOLES, 60.0, axis=0),
    row("bincount", integers(6), minlength=6),
    row("bincount", integers(2, 6), minlength=6, weights=positive(2, 6), dtypes=False),
    row("histogram", normal(7)),
    row("histogram", normal(9), bins=4, range=(-1.0, 1.0)),
    row("digitize", X, np.array([-1.0, 0.0, 0.5], "float32")),
    row("correlate", normal(5), normal(3), unknown=False),
    row("correlate", normal(5), normal(3), mode="same", unknown=False),
    row("correlate", normal(3), normal(5), mode="full", unknown=False),
    smooth("trapezoid", X, np.sort(P, axis=-1), axis=-1),
    row("corrcoef", X),
    smooth("norm", X, ord=1, axis=1),
    smooth("norm", X, ord=2, axis=0, keepdims=True),
    smooth("norm", X, ord="fro", axis=(0, 1)),
    row("norm", X, ord="nuc", axis=(0, 1), dtypes=False),
    row("norm", X, ord=np.inf, axis=-1),
    row("norm", X, ord=-2, axis=(0, 1), dtypes=False),
    row("norm", normal(5), ord=3),
]

CREATION = [
    row("zeros", (2, 3), dtype="int8", symbolic=False, traced=False),
    row("ones", (2, 3), symbolic=False, traced=False),
    row("full", (2, 3), 4, symbolic=False, traced=False),
    row("full", (2, 2), np.array([1.0, 2.0], "float32"), dtype="int32", symbolic=False),
    row("full_like", X, 2, dtype="int32"),
    row("zeros_like", X, dtype="bool"),
    row("ones_like", COUNTS),
    row("eye", 3, 4, k=1, symbolic=False, traced=False),
    row("identity", 3, dtype="int32", symbolic=False, traced=False),
    row("tri", 3, 4, k=-1, symbolic=False, traced=False),
    row("arange", 5, symbolic=False, traced=False),
    row("arange", 1.0, 2.0, 0.25, symbolic=False, traced=False),
    row("arange", 7, 1, -2, dtype="float32", symbolic=False, traced=False),
    row("linspace", 0, 5, num=4, symbolic=False, traced=False),
    row("linspace", X, Y, num=3, endpoint=False, axis=-1),
    row("linspace", 0.0, 1.0, num=3, retstep=True, symbolic=False, traced=False),
    row("logspace", X, Y, num=3, base=2.0),
    row("geomspace", P, P + 1, num=3),
    row("meshgrid", normal(2), normal(3), normal(4)),
    row("meshgrid", normal(2), normal(3), indexing="ij"),
    row("vander", normal(3), N=4),
    row("vander", integers(3), increasing=True),
    *[
        row(name, 5, symbolic=False, traced=False)
        for name in ("bartlett", "blackman", "hamming", "hanning")
    ],
    row("kaiser", 5, 8.0, symbolic=False, traced=False),
]

SHAPING = [
    smooth("reshape", X, (2, -1)),
    row("reshape", X, 12, unknown=False),
    row("transpose", normal(2, 3, 4), (1, 2, 0)),
    row("swapaxes", X, 0, -1),
    row("moveaxis", normal(2, 3, 4), (0, 1), (-1, 0)),
    row("expand_dims", X, 1),
    row("expand_dims", X, (0, -1)),
    row("squeeze", normal(3, 1, 2, 1), axis=(1, -1)),
    smooth("broadcast_to", X, (2, 3, 4), symbolic=False),
    smooth("concatenate", [X, Y], axis=1),
    row("concatenate", [COUNTS, X]),
    smooth("stack", [X, Y], axis=-1),
    row("append", X, Y, axis=1),
    row("split", X, 2, axis=1),
    row("split", X, [1, 2], axis=-1),
    row("array_split", X, 3, axis=1),
    row("hsplit", X, 2),
    row("vsplit", X, [1]),
    row("dsplit", normal(2, 2, 4), 2),
    smooth("unstack", X, unknown=False),
    row("unstack", X, axis=1),
    row("unstack", X, num=4, axis=-1),
    row("flip", X, axis=1),
    row("flip", X, axis=(0, 1)),
    row("rot90", normal(2, 3, 4), k=3, axes=(1, 2)),
    row("roll", X, 2, axis=1),
    row("roll", X, 3),
    row("roll", X, (1, 2), axis=(0, 1)),
    smooth("repeat", X, 2, axis=1),
    row("repeat", X, np.array([1, 2, 0, 1]), axis=-1, traced=False),
    row("repeat", X, 2),
    row("tile", X, (2, 1)),
    row("tile", X, (2, 1, 3)),
    smooth("pad", X, ((0, 1), (2, 1))),
    row("pad", X, 1, constant_values=3.0),
    row("pad", X, ((0, 0), (1, 2)), mode="reflect"),
    row("pad", X, ((0, 0), (1, 2)), mode="symmetric"),
    smooth("diag", X, unknown=False),
    row("diag", X, k=1, unknown=False),
    smooth("diagonal", X, unknown=False),
    row("diag", normal(3), k=-1),
    row("diagflat", X, k=1),
    row("diagonal", normal(2, 3, 4), offset=1, axis1=1, axis2=2, unknown=False),
    row("tril", normal(2, 3, 4), k=1),
    row("triu", X, k=-1),
    row("trace", normal(2, 3, 4), offset=1, axis1=-1, axis2=0),
    row("rearrange", normal(6, 4), "(a b) c -> b (c a)", a=2, dtypes=False),
    row("rearrange", CUBE, "a ... -> ... a", dtypes=False, expected=np.moveaxis(CUBE, 0, -1)),
]

INDEXING = [
    smooth("take", X, np.array([2, 0]), axis=0),
    row("take", X, np.array([[2, -1], [0, 1]]), axis=1),
    row("take", X, np.array([2, 7])),
    smooth("take_along_axis", X, np.array([[2], [0], [1]]), axis=1),
    row("take_along_axis", X, np.array([3, 1, 2])),
    smooth("where", B, X, Y),
    row("where", B, 1.0, COUNTS),
    smooth("select", [B, C], [X, Y], dtypes=False),
    row("nonzero", COUNTS, symbolic=False, traced=False),
    row("where", B, symbolic=False, traced=False),
    row("unique", integers(8), symbolic=False, traced=False),
    row(
        "unique",
        integers(6, 2, high=2),
        return_index=True,
        return_inverse=True,
        return_counts=True,
        axis=0,
        symbolic=False,
        traced=False,
    ),
    row("unique", integers(6), size=8, fill_value=-1, return_counts=True),
    row("unravel_index", integers(3, high=12), (3, 4)),
    smooth("sort", S, axis=0),
    row("sort", X, axis=None),
    row("argsort", X, axis=0),
    row("argpartition", np.array([3.0, 1.0, 2.0], "float32"), 1, dtypes=False),
    row("searchsorted", np.arange(4.0).astype("float32"), X),
    row("searchsorted", np.arange(4), COUNTS, side="right"),
    smooth("top_k", S, 2),
    row("in_top_k", integers(3, high=4), X, 2, dtypes=False),
    row("slice", X, (0, 1), (3, 2)),
    row("slice", X, np.array([1, 1]), (2, 2), symbolic=False),
    row("slice_update", X, (1, 1), normal(2, 2), symbolic=False),
    smooth("scatter", np.array([[0, 1], [2, 0], [0, 1]]), normal(3), (3, 2)),
    row("scatter", np.array([[0], [2]]), normal(2, 3), (4, 3)),
    *[
        row("scatter_update", X, np.array([[0, 1], [2, 2]]), normal(2), reduction=reduction)
        for reduction in (None, "add", "max", "min", "mul")
    ],
    row("scatter_update", X, np.array([[0], [2]]), normal(2, 4)),
    smooth("segment_sum", X, np.array([0, 2, 2]), 4),
    row("segment_max", X, np.array([0, 2, 2]), num_segments=4),
    row("segment_min", X, np.array([0, 1, 1]), num_segments=2, sorted=True),
    row("segment_prod", X, np.array([0, 1, 1]), num_segments=2),
    row("diff", X, n=2, axis=0),
    smooth("get_item", X, (slice(None), 1), dtypes=False),
    row("get_item", X, (Ellipsis, None, slice(1, 3)), dtypes=False),
    row("get_item", X, np.array([2, 0]), dtypes=False),
]

# Martins and Astudillo, 2016: the nearest points on the simplex.
SPARSE = [[0.25, 0.75, 0.0], [1 / 3, 1 / 3, 1 / 3]]
FRAMES = np.stack([np.arange(7.0)[i : i + 4] for i in range(4)])

PRODUCTS = [
    smooth("matmul", X, normal(4, 2)),
    smooth("matmul", normal(2, 3, 4), normal(4, 2)),
    row("matmul", normal(4), X.T),
    smooth("dot", X, normal(4, 2)),
    row("dot", normal(4), normal(4)),
    smooth("tensordot", X, Y, axes=2, unknown=False),
    row("tensordot", normal(2, 3, 4), normal(4, 3), axes=[[1, 2], [1, 0]], unknown=False),
    smooth("einsum", "ij,kj->ik", X, Y, symbolic=False),
    row("einsum", "...i,i", normal(2, 3, 4), normal(4), symbolic=False),
    smooth("cdist", normal(2, 3), normal(4, 3)),
    row("cdist", normal(2, 2, 3), normal(2, 4, 3)),
    row("cholesky", SPD, dtypes=False),
    row("cholesky", SPD, upper=True, dtypes=False),
    row("cholesky_inverse", np.linalg.cholesky(SPD), dtypes=False),
    row("cholesky_inverse", np.linalg.cholesky(SPD).T, upper=True, dtypes=False),
    smooth("det", SQUARE, dtypes=False),
    smooth("inv", SQUARE, dtypes=False),
    smooth("logdet", SPD, dtypes=False),
    smooth("slogdet", SQUARE, dtypes=False),
    row("eigh", SPD, dtypes=False),
    row("eig", np.diag([1.0, 2.0, 3.0]).astype("float32"), dtypes=False),
    row("lu_factor", SQUARE, dtypes=False),
    row("qr", X.T, dtypes=False),
    row("qr", X.T, mode="complete", dtypes=False),
    row("svd", X, dtypes=False, unknown=False),
    row("svd", X, full_matrices=False, dtypes=False, unknown=False),
    smooth("svd", X, compute_uv=False, dtypes=False, unknown=False),
    smooth("pinv", X, dtypes=False),
    row("pinv", X, rcond=0.3, dtypes=False),
    smooth("solve", SQUARE, normal(3), dtypes=False),
    row("solve", np.stack([SQUARE, SPD]), normal(2, 3, 2), dtypes=False),
    row("solve_triangular", np.triu(SQUARE), normal(3, 2), dtypes=False),
    smooth("solve_triangular", np.tril(SQUARE), normal(3), lower=True, dtypes=False),
    row("lstsq", X.T, normal(4, 2), dtypes=False),
    row("lstsq", X.T, normal(4), dtypes=False),
    row("matrix_rank", np.diag([1.0, 2.0, 0.0]).astype("float32"), dtypes=False),
    row("fft", (X, Y), dtypes=False),
    row("fft2", (X, Y), dtypes=False),
    row("ifft2", (X, Y), dtypes=False),
    smooth("rfft", X, dtypes=False),
    row("rfft", X, fft_length=6, dtypes=False),
    smooth("irfft", (X, Y), dtypes=False),
    row("irfft", (X, Y), fft_length=5, dtypes=False),
    row("extract_sequences", normal(2, 7), 3, 2),
    smooth("stft", normal(2, 8), 4, 2, 4, dtypes=False),
    row("stft", normal(8), 3, 2, 5, window="hamming", center=False, dtypes=False),
    row("stft", normal(8), 4, 2, 4, window=None, dtypes=False),
    row("stft", normal(8), 4, 2, 4, window=positive(4), dtypes=False),
    row("istft", (normal(2, 5, 3), normal(2, 5, 3)), 4, 2, 4, dtypes=False),
    row("istft", (normal(3, 3), normal(3, 3)), 3, 2, 4, length=6, dtypes=False),
    row(
        "istft",
        (np.fft.rfft(FRAMES).real, np.fft.rfft(FRAMES).imag),
        4,
        1,
        4,
        window=None,
        center=False,
        dtypes=False,
        expected=[0, 2, 6, 12, 12, 10, 6],
        unknown=False,
    ),
]

IMAGE, SEQUENCE, VOLUME = spread(2, 5, 6, 3), spread(2, 7, 3), spread(1, 4, 4, 4, 2)
FIRST = np.ascontiguousarray(np.moveaxis(IMAGE, -1, 1))
VECTOR = positive(3)
HEADS = normal(2, 4, 3, 5)
TRIANGLE = np.tril(np.ones((1, 1, 4, 4), bool))


def conv_rows():
    options = [
        {},
        {"strides": 2, "padding": "same"},
        {"padding": "same", "dilation_rate": 2},
    ]
    for kwargs in options:
        yield smooth("conv", IMAGE, normal(2, 3, 3, 4), dtypes=False, **kwargs)
        yield row("depthwise_conv", IMAGE, normal(2, 3, 3, 2), dtypes=False, **kwargs)
        yield row("conv_transpose", IMAGE, normal(3, 2, 4, 3), dtypes=False, **kwargs)
        yield row("conv_transpose", SEQUENCE, normal(4, 2, 3), dtypes=False, **kwargs)
    yield row("conv", SEQUENCE, normal(3, 3, 4), dtypes=False)
    yield row("conv", VOLUME, normal(2, 2, 2, 2, 3), dtypes=False)
    yield row("conv", IMAGE, normal(2, 2, 1, 6), dtypes=False)
    first = {"data_format": "channels_first", "dtypes": False, "padding": "same"}
    yield row("conv", FIRST, normal(2, 2, 3, 4), **first)
    yield row("depthwise_conv", FIRST, normal(2, 2, 3, 1), **first)
    yield row("conv_transpose", FIRST, normal(3, 3, 4, 3), strides=2, **first)
    yield row("separable_conv", IMAGE, normal(2, 2, 3, 2), normal(1, 1, 6, 4), dtypes=False)
    for padding in ("valid", "same"):
        more = {"strides": 3, "padding": padding, "output_padding": 1, "dtypes": False}
        yield smooth("conv_transpose", SEQUENCE, normal(3, 2, 3), **more)


NETWORKS = [
    *conv_rows(),
    smooth("max_pool", IMAGE, 2, 2, dtypes=False),
    row("max_pool", IMAGE, (3, 2), strides=(1, 2), padding="same", dtypes="floats"),
    row("max_pool", SEQUENCE, 3, 1, padding="same", dtypes="floats"),
    row("max_pool", FIRST, 2, 2, data_format="channels_first", dtypes="floats"),
    smooth("average_pool", IMAGE, 2, 2, dtypes=False),
    row("average_pool", IMAGE, 3, strides=2, padding="same", dtypes=False),
    row("average_pool", VOLUME, 2, 2, dtypes=False),
    smooth("adaptive_average_pool", IMAGE, (2, 4), dtypes=False),
    row("adaptive_average_pool", SEQUENCE, 3, dtypes=False),
    row("adaptive_average_pool", FIRST, 2, data_format="channels_first", dtypes=False),
    smooth("adaptive_max_pool", IMAGE, (2, 4), dtypes=False),
    row("adaptive_max_pool", VOLUME, 3, dtypes=False),
    smooth("moments", X, 0),
    row("moments", IMAGE, (0, 1, 2), keepdims=True),
    smooth("batch_normalization", IMAGE, VECTOR, VECTOR + 1, -1, dtypes=False),
    row("batch_normalization", FIRST, VECTOR, VECTOR, 1, VECTOR, VECTOR, 0.1, dtypes=False),
    smooth("layer_normalization", X, positive(4), normal(4), dtypes="floats"),
    row("layer_normalization", IMAGE, positive(6, 3), normal(6, 3), axis=(-2, -1), dtypes="floats"),
    smooth("rms_normalization", X, dtypes="floats"),
    smooth("layer_normalization", X, dtypes="floats"),
    smooth("rms_normalization", X, positive(4), dtypes="floats"),
    row("rms_normalization", IMAGE, axis=(1, 2), epsilon=0.1, dtypes="floats"),
    smooth("normalize", X, axis=0, order=3),
    row("normalize", np.zeros((2, 3), "float32")),
    smooth("softmax", normal(2, 3, 4), axis=(1, 2)),
    smooth("log_softmax", X, axis=0),
    smooth("sparsemax", np.array([[1.0, 1.5, -2.0], [0.1, 0.1, 0.1]], "float32"), expected=SPARSE),
    row("one_hot", integers(2, 3), 4),
    row("one_hot", np.array([0, -1, 9]), 3, axis=0, dtype="int32"),
    row("multi_hot", integers(2, 3), 5),
    row("multi_hot", integers(3), 5, dtype="bool"),
    smooth("categorical_crossentropy", P, positive(3, 4)),
    smooth("categorical_crossentropy", P, X, from_logits=True, axis=0),
    smooth("sparse_categorical_crossentropy", integers(3, high=4), P),
    smooth("sparse_categorical_crossentropy", integers(3, high=4), X, from_logits=True),
    row("sparse_categorical_crossentropy", np.array([[0], [-1], [9]]), X, from_logits=True),
    smooth("binary_crossentropy", P, positive(3, 4)),
    smooth("binary_crossentropy", P, X, from_logits=True),
    row("psnr", P, positive(3, 4), 1.0),
    smooth(
        "ctc_loss", np.array([[1, 2], [1, 1], [3, 0]]), normal(3, 5, 4), np.array([2, 2, 1]),
        np.array([5, 4, 5]), dtypes=False,
    ),
    row("ctc_decode", normal(2, 6, 4), np.array([6, 4]), dtypes=False),
    row("ctc_decode", normal(2, 6, 4), np.array([6, 4]), merge_repeated=False, dtypes=False),
    row(
        "ctc_decode", normal(2, 5, 4), np.array([5, 3]), strategy="beam_search", beam_width=20,
        top_paths=3, mask_index=3, dtypes=False,
    ),
    smooth("dot_product_attention", HEADS, normal(2, 6, 3, 5), normal(2, 6, 3, 5), dtypes="floats"),
    row("dot_product_attention", HEADS, HEADS, HEADS, is_causal=True, scale=0.3, dtypes="floats"),
    row("dot_product_attention", HEADS, HEADS, HEADS, bias=normal(2, 3, 4, 4), dtypes=False),
    row("dot_product_attention", HEADS, HEADS, HEADS, mask=TRIANGLE, dtypes="floats"),
    row("dot_product_attention", HEADS, HEADS[:, :, :1], HEADS[:, :, :1], dtypes=False),
    smooth("unfold", FIRST, 2, dtypes=False),
    row("unfold", FIRST, (2, 3), dilation=2, padding=1, stride=(1, 2), dtypes=False),
    row("fold", normal(2, 12, 12), (4, 5), 2, dtypes=False),
    row("fold", normal(2, 6, 15), (4, 5), (2, 3), padding=1, stride=(2, 1), dtypes=False),
    smooth("depth_to_space", normal(2, 3, 2, 8), 2),
    row("depth_to_space", normal(2, 8, 3, 2), 2, data_format="channels_first"),
    row("space_to_depth", normal(2, 4, 6, 3), 2),
    row("space_to_depth", normal(2, 3, 4, 6), 2, data_format="channels_first"),
]  # fmt: skip

ROWS = [*ELEMENTWISE, *REDUCTIONS, *CREATION, *SHAPING, *INDEXING, *PRODUCTS, *NETWORKS]


@pytest.fixture
def all_rows():
    return ROWS


def pytest_generate_tests(metafunc):
    """Call tests with each row that fits the name of their argument."""
    chosen = {
        "row": ROWS,
        "traced_row": [r for r in ROWS if r.traced],
        "typed_row": [r for r in ROWS if r.traced and r.dtypes],
        "smooth_row": [r for r in ROWS if r.gradient],
    }
    for name, rows in chosen.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, rows, ids=str)
