"""What holds for every layer, checked on one instance of each."""

import copy
import json
import pickle
from typing import Any, NamedTuple

import jax
import keras
import numpy as np
import pytest

import kerata
from kerata import KerasTensor, layers
from kerata.engine import naming, tree
from kerata.engine.masks import get_mask, set_mask
from kerata.training import padding

pytestmark = pytest.mark.usefixtures("quick_weights")


class Case(NamedTuple):
    """One instance of a layer, and what to call it on.

    Attributes:
        name: name of the class.
        make: makes the layer.
        shape: shape of the input, or a list of shapes.
        weights: how many weights it has.
        unknown: axes whose size need not be known (besides the batch).
        integers: whether inputs are integers in [0, 5).
        deterministic: whether a call in training gives what the last one gave.
    """

    name: str
    make: Any
    shape: Any
    weights: int = 0
    unknown: tuple = (1,)
    integers: bool = False
    deterministic: bool = True


def case(name, args, shape, weights=0, unknown=(1,), kwargs=None, **more):
    def make(convert=lambda x: x, **options):
        inside = {k: v for k, v in options.items() if k == "dtype"}
        parts = [a(**inside) if callable(a) else convert(a) for a in args]
        named = {key: convert(value) for key, value in (kwargs or {}).items()}
        return getattr(layers, name)(*parts, **named, **options)

    return Case(name, make, shape, weights, unknown, **more)


def dense(**options):
    return layers.Dense(2, name="inside", **options)


def simple_rnn(**options):
    return layers.SimpleRNN(4, name="inside", **options)


def cell(**options):
    return layers.SimpleRNNCell(4, **options)


SEQUENCE, IMAGE, VOLUME = (2, 6, 3), (2, 6, 5, 3), (1, 4, 5, 4, 2)
PLANE, SPACE = (1, 2), (1, 2, 3)
CASES = [
    case("Dense", (4,), SEQUENCE, 2),
    case("EinsumDense", ("abc,cd->abd", (None, 4)), SEQUENCE, 1),
    case("Embedding", (5, 3), (2, 6), 1, integers=True),
    case("ReversibleEmbedding", (5, 3), (2, 6), 1, integers=True),
    case("Identity", (), SEQUENCE),
    case("Masking", (), SEQUENCE),
    case("Activation", ("tanh",), SEQUENCE),
    case("ReLU", (), SEQUENCE),
    case("LeakyReLU", (), SEQUENCE),
    case("PReLU", (), SEQUENCE, 1, kwargs={"shared_axes": [1], "alpha_initializer": "ones"}),
    case("ELU", (), SEQUENCE),
    case("Softmax", (), SEQUENCE),
    *(
        case(name, (), [SEQUENCE, SEQUENCE])
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    ),
    case("Dot", (2,), [SEQUENCE, SEQUENCE]),
    case("Flatten", (), SEQUENCE),
    case("Reshape", ((3, -1),), SEQUENCE),
    case("Permute", ((2, 1),), SEQUENCE),
    case("RepeatVector", (3,), (2, 4)),
    case("Cropping1D", (), SEQUENCE),
    case("Cropping2D", (1,), IMAGE, unknown=PLANE),
    case("Cropping3D", (), VOLUME, unknown=SPACE),
    case("ZeroPadding1D", (), SEQUENCE),
    case("ZeroPadding2D", (), IMAGE, unknown=PLANE),
    case("ZeroPadding3D", (), VOLUME, unknown=SPACE),
    case("UpSampling1D", (), SEQUENCE),
    case("UpSampling2D", (), IMAGE, unknown=PLANE, kwargs={"interpolation": "bilinear"}),
    case("UpSampling3D", (), VOLUME, unknown=SPACE),
    case("Conv1D", (4, 3), SEQUENCE, 2),
    case("Conv2D", (4, 3), IMAGE, 2, PLANE),
    case("Conv3D", (2, 2), VOLUME, 2, SPACE),
    case("Conv1DTranspose", (4, 3), SEQUENCE, 2),
    case("Conv2DTranspose", (4, 2, 2), IMAGE, 2, PLANE),
    case("Conv3DTranspose", (2, 2), VOLUME, 2, SPACE),
    case("DepthwiseConv1D", (3,), SEQUENCE, 2),
    case("DepthwiseConv2D", (3,), IMAGE, 2, PLANE),
    case("SeparableConv1D", (4, 3), SEQUENCE, 3),
    case("SeparableConv2D", (4, 3), IMAGE, 3, PLANE),
    *(
        case(f"{kind}Pooling{rank}D", args, shape, unknown=unknown)
        for kind, args in (
            ("Max", (2,)),
            ("Average", (2,)),
            ("GlobalMax", ()),
            ("GlobalAverage", ()),
            ("AdaptiveMax", (2,)),
            ("AdaptiveAverage", (2,)),
        )
        for rank, shape, unknown in ((1, SEQUENCE, (1,)), (2, IMAGE, PLANE), (3, VOLUME, SPACE))
    ),
    case("BatchNormalization", (), SEQUENCE, 4),
    case("LayerNormalization", (), SEQUENCE, 2),
    case("RMSNormalization", (), SEQUENCE, 1),
    case("GroupNormalization", (3,), SEQUENCE, 2),
    case("UnitNormalization", (), SEQUENCE),
    case("SpectralNormalization", (dense,), SEQUENCE, 3),
    case("Dropout", (0.5,), SEQUENCE, deterministic=False),
    case("SpatialDropout1D", (0.5,), SEQUENCE, deterministic=False),
    case("SpatialDropout2D", (0.5,), IMAGE, unknown=PLANE, deterministic=False),
    case("SpatialDropout3D", (0.5,), VOLUME, unknown=SPACE, deterministic=False),
    case("GaussianDropout", (0.5,), SEQUENCE, deterministic=False),
    case("GaussianNoise", (0.5,), SEQUENCE, deterministic=False),
    case("AlphaDropout", (0.5,), SEQUENCE, deterministic=False),
    case("ActivityRegularization", (), SEQUENCE, kwargs={"l2": 0.1}),
    case("Rescaling", (0.5,), SEQUENCE),
    case("Normalization", (), SEQUENCE, 3),
    case("CategoryEncoding", (5,), (2, 6), integers=True),
    case("Discretization", ([0.0, 0.5],), SEQUENCE, kwargs={"output_mode": "one_hot"}),
    case("MelSpectrogram", (32, 16), (2, 100), kwargs={"num_mel_bins": 4, "min_freq": 2000.0}),
    case("STFTSpectrogram", ("magnitude", 16), (2, 60, 2), 2),
    case("SimpleRNN", (4,), SEQUENCE, 3),
    case("GRU", (4,), SEQUENCE, 3),
    case("LSTM", (4,), SEQUENCE, 3),
    case("RNN", (cell,), SEQUENCE, 3),
    case("Bidirectional", (simple_rnn,), SEQUENCE, 6),
    case("TimeDistributed", (dense,), SEQUENCE, 2),
    case("ConvLSTM1D", (2, 3), (1, 3, 5, 2), 3, (2,)),
    case("ConvLSTM2D", (2, 2), (1, 3, 4, 4, 2), 3, ()),
    case("ConvLSTM3D", (2, 2), (1, 2, 3, 3, 3, 2), 3, ()),
    case("Attention", (), [SEQUENCE, SEQUENCE], kwargs={"use_scale": True}, weights=1),
    case("AdditiveAttention", (), [SEQUENCE, SEQUENCE], 1),
]
# Layers whose calls take more than one tensor, or states, or which are bases of others: the tests
# of their families check them.
ELSEWHERE = set(
    """Lambda Layer Wrapper InputLayer GRUCell LSTMCell SimpleRNNCell StackedRNNCells
    MultiHeadAttention GroupQueryAttention JaxLayer FlaxLayer TFSMLayer
    TorchModuleWrapper StringLookup IntegerLookup TextVectorization Hashing
    HashedCrossing
    AugMix AutoContrast CenterCrop ContrastLimitedAdaptiveHistogramEqualization CutMix
    Equalization MaxNumBoundingBoxes MixUp Pipeline RandAugment RandomBrightness
    RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness
    RandomShear RandomTranslation RandomZoom Resizing Solarization""".split()
)
HERE = [c for c in CASES if hasattr(layers, c.name)]


def classes():
    """Return the names of all exported layers, aliases and preprocessing aside."""
    for name in dir(layers):
        thing = getattr(layers, name)
        if isinstance(thing, type) and issubclass(thing, layers.Layer) and thing.__name__ == name:
            yield name


def test_every_layer_is_here():
    known = {c.name for c in CASES} | ELSEWHERE
    assert [name for name in classes() if name not in known] == []


def inputs_for(c, seed=0):
    rng = np.random.default_rng(seed)

    def one(shape):
        if c.integers:
            return rng.integers(0, 5, shape)
        return rng.normal(size=shape).astype("float32")

    return [one(s) for s in c.shape] if isinstance(c.shape, list) else one(c.shape)


def symbolic(c, unknown=()):
    def one(shape):
        shape = [None if i in (0, *unknown) else d for i, d in enumerate(shape)]
        return KerasTensor(tuple(shape), "int32" if c.integers else "float32")

    return [one(s) for s in c.shape] if isinstance(c.shape, list) else one(c.shape)


def same(a, b, tolerance=1e-5):
    for x, y in zip(tree.flatten(a), tree.flatten(b), strict=True):
        np.testing.assert_allclose(
            np.asarray(x, "float32"), np.asarray(y, "float32"), tolerance, tolerance
        )


each = pytest.mark.parametrize("c", HERE, ids=lambda c: c.name)


@each
def test_builds_what_it_says(c):
    layer = c.make(name="mine")
    assert layer.name == "mine"
    layer(inputs_for(c))
    assert layer.built
    assert len(layer.weights) == c.weights
    assert all(v.path.startswith("mine/") for v in layer.weights)
    assert c.name in repr(layer)


STATELESS = (
    "Activation ReLU Masking Identity Reshape MaxPooling2D GlobalMaxPooling1D Dropout".split()
)


@pytest.mark.parametrize("c", [c for c in HERE if c.name in STATELESS], ids=lambda c: c.name)
def test_stateless_layers_are_built_from_the_start(c):
    layer = c.make()
    assert layer.built and layer.count_params() == 0

    class Changed(type(layer)):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", initializer="ones")

    changed = Changed.from_config(layer.get_config())
    assert not changed.built
    changed(inputs_for(c))
    assert len(changed.weights) == 1


@each
def test_config_makes_an_equal_layer(c):
    layer = c.make()
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    written = json.loads(json.dumps(layers.serialize(layer)))
    assert written["module"] == "keras.layers"
    again = layers.deserialize(written)
    assert type(again) is type(layer)
    assert json.loads(json.dumps(layers.serialize(again))) == written


@each
def test_integers_may_be_those_of_numpy(c):
    def convert(x):
        if isinstance(x, tuple | list):
            return type(x)(map(convert, x))
        return np.int64(x) if type(x) is int else x

    config = c.make(convert, name="mine").get_config()
    naming.reset()
    expected = c.make(name="mine").get_config()
    assert json.loads(json.dumps(config)) == json.loads(json.dumps(expected))


@each
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_are_equal(c, duplicate):
    layer = c.make()
    layer.build(c.shape)
    twin = duplicate(layer)
    assert twin.built and twin.get_config() == layer.get_config()
    assert [v.path for v in twin.weights] == [v.path for v in layer.weights]
    for mine, theirs in zip(layer.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
        assert mine is not theirs


@each
def test_keras_and_kerata_read_each_others_configs(c):
    theirs = getattr(keras.layers, c.name)
    config = c.make(name="mine").get_config()
    again = theirs.from_config(config).get_config()
    assert disagreements(config, again) == []
    assert disagreements(type(c.make()).from_config(again).get_config(), again) == []


def disagreements(mine, theirs, path=()):
    """Return where two configs differ. Keras may write more, and leave out what is None or off."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        pairs = [(k, v, theirs.get(k)) for k, v in mine.items()]
    elif isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        pairs = [(i, a, b) for i, (a, b) in enumerate(zip(mine, theirs))]
        if len(mine) != len(theirs):
            return [path]
    else:
        left_out = mine is None or (mine is False and theirs is None)
        return [] if left_out or mine == theirs else [(path, mine, theirs)]
    return [found for k, a, b in pairs for found in disagreements(a, b, (*path, k))]


@each
def test_symbolic_shape_is_the_eager_one(c):
    layer, x = c.make(), inputs_for(c)
    before = layer(symbolic(c, c.unknown))
    after = layer(x)
    for s, y in zip(tree.flatten(before), tree.flatten(after), strict=True):
        assert s.dtype == y.dtype
        assert len(s.shape) == y.ndim
        assert all(m in (None, n) for m, n in zip(s.shape, y.shape, strict=True))
        assert s.shape[0] is None
    exact = layer(symbolic(c))
    for s, y in zip(tree.flatten(exact), tree.flatten(after), strict=True):
        assert s.shape[1:] == y.shape[1:]
    asked = layer.compute_output_shape(tree.map_structure(lambda x: x.shape, x))
    assert asked == tree.map_structure(lambda y: y.shape, after)


@each
def test_compiled_is_eager(c):
    layer, x = c.make(), inputs_for(c)
    same(kerata.jit(lambda x: layer(x))(x), layer(x))


@each
def test_mixed_precision(c):
    layer, x = c.make(dtype="mixed_bfloat16"), inputs_for(c)
    for y in tree.flatten(layer(x)):
        assert y.dtype == "bfloat16"
    for v in layer.weights:
        assert v.dtype in ("float32", "int32", "uint32")


@each
def test_saved_variables_come_back(c):
    layer, x = c.make(), inputs_for(c)
    expected = layer(x)
    again = type(layer).from_config(layer.get_config())
    again(inputs_for(c, seed=1))
    for mine, theirs in zip(layer._flatten_layers(), again._flatten_layers(), strict=True):
        store = {}
        mine.save_own_variables(store)
        theirs.load_own_variables(store)
    same(again(x), expected)


@each
def test_a_step_of_training(c):
    layer, x = c.make(), inputs_for(c)
    training = {"training": True} if "training" in layer.call.__code__.co_varnames else {}
    layer(x)

    def loss():
        outputs = tree.flatten(layer(x, **training))
        return sum((y.astype("float32") ** 2).sum() for y in outputs) + sum(layer.losses)

    variables = layer.trainable_variables
    if not variables:
        assert np.isfinite(loss())
        return
    step = kerata.jit(kerata.value_and_grad(loss, variables))
    before, gradients = step()
    assert all(np.isfinite(g).all() for g in gradients)
    assert any(np.abs(g).max() > 0 for g in gradients)
    for v, g in zip(variables, gradients, strict=True):
        v.assign_sub(1e-3 * g)
    after, _ = step()
    if c.deterministic:
        assert after < before


APART = [c for c in HERE if getattr(layers, c.name) in padding._LAYERS and c.shape[0] != 1]


@pytest.mark.parametrize("c", APART, ids=lambda c: c.name)
def test_samples_are_apart_where_a_batch_may_be_filled_up(c):
    layer, x = c.make(), inputs_for(c)
    other = tree.map_structure(lambda x: np.concatenate([x[:1], x[1:] * 3 + 1]), x)
    if c.integers:
        other = np.concatenate([x[:1], 4 - x[1:]])
    for y, z in zip(tree.flatten(layer(x)), tree.flatten(layer(other)), strict=True):
        np.testing.assert_allclose(y[:1], z[:1], rtol=1e-6, atol=1e-7)
        assert not np.array_equal(y[1:], z[1:])


MASKED = [
    c
    for c in HERE
    if not isinstance(c.shape, list) and not c.integers and c.shape in (SEQUENCE, (2, 4))
]


@pytest.mark.parametrize("c", MASKED, ids=lambda c: c.name)
def test_masks_go_through_where_they_can(c):
    layer = c.make()
    x = jax.numpy.asarray(inputs_for(c))
    mask = jax.numpy.arange(x.size // x.shape[-1]).reshape(x.shape[:-1]) % 2 == 0
    set_mask(x, mask)
    if not layer.supports_masking:
        if type(layer).compute_mask is layers.Layer.compute_mask:
            with pytest.warns(UserWarning, match="mask"):
                assert get_mask(layer(x)) is None
        return
    y = layer(x)
    expected = layer.compute_mask(x, mask)
    if expected is None:
        assert get_mask(y) is None
    else:
        np.testing.assert_array_equal(get_mask(y), expected)
