import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.backend import set_keras_mask

import kerata
from kerata import KerasTensor, layers
from kerata.engine.masks import get_mask, set_mask

MODULES = (layers, keras.layers)
Q, V = (2, 3, 4), (2, 5, 6)
HALF = np.random.default_rng(9).random((2, 3, 5)) > 0.4
QUERY_MASK = np.array([[1, 1, 0], [1, 1, 1]], bool)
VALUE_MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)


def results(layer, arguments, call, differentiate=True):
    """Return outputs and the gradients of a scalar for weights and inputs.

    Of `call`, "attached" holds masks to attach to the inputs, the rest are arguments. Keras loses
    them when it is differentiated: then there are no gradients.
    """
    call = dict(call)
    if masks := call.pop("attached", None):
        arguments = [jnp.array(x) for x in arguments]
        for x, mask in zip(arguments, masks):
            attach = set_mask if isinstance(layer, layers.Layer) else set_keras_mask
            attach(x, None if mask is None else jnp.asarray(mask))
        return (), layer(*arguments, **call)

    def scalar(trainable, arguments):
        rest = [v.value for v in layer.non_trainable_variables]
        outputs, _ = layer.stateless_call(trainable, rest, *arguments, **call)
        outputs = jax.tree.leaves(outputs)
        return sum(jnp.sum(jnp.sin(x + i)) for i, x in enumerate(outputs)), outputs

    trainable = [v.value for v in layer.trainable_variables]
    function = jax.grad(scalar, (0, 1), has_aux=True) if differentiate else scalar
    return jax.jit(function)(trainable, arguments)


def compare(mine, theirs, arguments, call, differentiate=True):
    """Compare outputs and, unless told not to, gradients, with equal weights."""
    mine.build(*jax.tree.map(lambda x: x.shape, arguments))
    theirs.build(*jax.tree.map(lambda x: x.shape, arguments))
    names = [(w.path.split("/")[1:], tuple(w.shape)) for w in theirs.weights]
    assert [(w.path.split("/")[1:], w.shape) for w in mine.weights] == names
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype("float32") / 2 for _, shape in names]
    for layer in (mine, theirs):
        layer.set_weights(values)
    found = results(mine, arguments, call, differentiate)
    expected = results(theirs, arguments, call, differentiate)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    return found[1]


HEADED = {
    "self": ((2, 3), {}, (Q, Q), {}),
    "cross": ((2, 3), {}, (Q, V), {}),
    "key, no bias": ((2, 3), {"use_bias": False}, (Q, V, (2, 5, 3)), {}),
    "causal": ((2, 3), {}, (Q, V), {"use_causal_mask": True}),
    "mask": ((2, 3), {}, (Q, V), {"attention_mask": HALF}),
    "mask without batch": ((2, 3), {}, (Q, V), {"attention_mask": HALF[0]}),
    "mask with heads, scores": (
        (2, 3), {}, (Q, V),
        {"attention_mask": np.stack([HALF, ~HALF], 1), "return_attention_scores": True}),
    "masks": ((2, 3), {}, (Q, V), {"attached": (QUERY_MASK, VALUE_MASK), "attention_mask": HALF}),
    "masks, scores": ((2, 3), {}, (Q, V, V), {
        "attached": (QUERY_MASK, VALUE_MASK, VALUE_MASK[::-1]), "return_attention_scores": True}),
    "masks, dropout": ((2, 3), {"dropout": 0.5}, (Q, V), {"attached": (QUERY_MASK, None)}),
    "masks as arguments": ((2, 3), {}, (Q, V), {"value_mask": VALUE_MASK,
                                                "key_mask": VALUE_MASK[::-1]}),
    "window": ((2, 3), {"sliding_window": 2}, (Q, V), {}),
    "window, causal": ((2, 3), {"sliding_window": 2}, (Q, V), {
        "use_causal_mask": True, "return_attention_scores": True}),
    "gate": ((2, 3), {"use_gate": True}, (Q, V), {"training": True}),
    "output shape": ((2, 3), {"output_shape": (2, 7)}, (Q, V), {}),
}  # fmt: skip


@pytest.mark.parametrize("row", HEADED)
def test_multi_head_attention(data, row):
    args, kwargs, shapes, call = HEADED[row]
    arguments = [data(*s, seed=i) for i, s in enumerate(shapes)]
    differentiate = row in ("self", "key, no bias", "mask with heads, scores", "gate")
    made = [m.MultiHeadAttention(*args, **kwargs) for m in MODULES]
    compare(*made, arguments, call, differentiate)


@pytest.mark.parametrize(
    "axes, call",
    [(None, {}), (2, {"return_attention_scores": True}),
     ((1, 2), {"return_attention_scores": True}),
     ((1, 2), {"attention_mask": np.random.default_rng(9).random((2, 3, 2, 3, 2)) > 0.4}),
     (1, {"attention_mask": np.random.default_rng(9).random((2, 2, 1, 3, 3)) > 0.4})],
)  # fmt: skip
def test_attention_over_other_axes(data, axes, call):
    arguments = [data(2, 3, 2, 4, seed=i) for i in range(2)]
    options = {"attention_axes": axes}
    compare(*(m.MultiHeadAttention(2, 3, **options) for m in MODULES), arguments, call, not call)


def test_value_dim_of_its_own(data):
    """Keras takes it only where scores are returned."""
    made = [m.MultiHeadAttention(2, 3, value_dim=5) for m in MODULES]
    arguments = [data(*Q), data(*V, seed=1)]
    call = {"return_attention_scores": True}
    with_scores = compare(*made, arguments, call)
    np.testing.assert_allclose(made[0](*arguments), with_scores[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "heads, kwargs, call",
    [((4, 2), {}, {}), ((2, 2), {"use_bias": False}, {"use_causal_mask": True}),
     ((2, 1), {"use_gate": True}, {"query_mask": QUERY_MASK, "value_mask": VALUE_MASK}),
     ((4, 2), {"sliding_window": 2}, {"attention_mask": HALF, "return_attention_scores": True}),
     ((4, 2), {"dropout": 0.5}, {"query_mask": QUERY_MASK})],
)  # fmt: skip
def test_group_query_attention(data, heads, kwargs, call):
    arguments = [data(*Q), data(*V, seed=1)]
    compare(*(m.GroupQueryAttention(3, *heads, **kwargs) for m in MODULES), arguments, call)


PLAIN = {
    "dot": ("Attention", {}, {}),
    "scale": ("Attention", {"use_scale": True}, {"mask": [None, VALUE_MASK]}),
    "masks": ("Attention", {}, {"mask": [QUERY_MASK, VALUE_MASK]}),
    "causal": ("Attention", {}, {"use_causal_mask": True, "return_attention_scores": True}),
    "concat": ("Attention", {"score_mode": "concat", "use_scale": True}, {"use_causal_mask": True}),
    "concat, scores": ("Attention", {"score_mode": "concat"}, {
        "mask": [QUERY_MASK, VALUE_MASK], "return_attention_scores": True}),
    "additive": ("AdditiveAttention", {}, {"mask": [QUERY_MASK, VALUE_MASK]}),
    "additive, scores": ("AdditiveAttention", {"use_scale": False}, {
        "use_causal_mask": True, "return_attention_scores": True}),
}  # fmt: skip


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize("row", PLAIN)
def test_plain_attention(data, row, with_key):
    name, kwargs, call = PLAIN[row]
    arguments = [data(2, 3, 4), data(2, 5, 4, seed=1), data(2, 5, 4, seed=2)][: 2 + with_key]
    compare(*(getattr(m, name)(**kwargs) for m in MODULES), [arguments], call)


# What Keras cannot say, for it is random; and what is between layers.


@pytest.mark.parametrize("scores", [False, True])
def test_dropout(data, scores):
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    x = data(*Q)
    call = {"return_attention_scores": scores}
    first, second = (jax.tree.leaves(layer(x, x, training=True, **call))[0] for _ in range(2))
    assert not np.allclose(first, second)
    quiet = jax.tree.leaves(layer(x, x, **call))[0]
    np.testing.assert_array_equal(quiet, jax.tree.leaves(layer(x, x, training=False, **call))[0])
    mean = np.mean([jax.tree.leaves(layer(x, x, training=True, **call))[0] for _ in range(200)], 0)
    np.testing.assert_allclose(mean, quiet, atol=0.15)
    assert len(layer.non_trainable_variables) == 1


def test_returned_scores_and_dropout(data):
    """With heads they are returned as they were, in the plain layers as they were used."""
    x = data(*Q)
    call = {"training": True, "return_attention_scores": True}
    headed = layers.MultiHeadAttention(2, 3, dropout=0.5)(x, x, **call)[1]
    np.testing.assert_allclose(headed.sum(-1), 1, rtol=1e-5)
    plain = np.asarray(layers.Attention(dropout=0.5, seed=1)([x, x], **call)[1])
    assert (plain == 0).any() and not np.allclose(plain.sum(-1), 1)


def test_masks_travel(data):
    x = jnp.asarray(data(*Q))
    set_mask(x, QUERY_MASK)
    layer = layers.MultiHeadAttention(2, 3)
    found = layer(x, x)
    np.testing.assert_array_equal(get_mask(found), QUERY_MASK)
    explicit = layer(jnp.array(x), jnp.array(x), query_mask=QUERY_MASK, value_mask=QUERY_MASK)
    np.testing.assert_allclose(found, explicit)
    assert not np.allclose(found, layer(jnp.array(x), jnp.array(x)))
    for plain in (layers.Attention(), layers.AdditiveAttention()):
        found = plain([x, x])
        np.testing.assert_array_equal(get_mask(found), QUERY_MASK)
        assert not np.asarray(found)[0, 2].any()
        assert get_mask(plain([jnp.array(x), x])) is None


def test_unknown_sizes():
    query, value = KerasTensor((None, None, 4)), KerasTensor((None, None, 6))
    found = layers.MultiHeadAttention(2, 3)(query, value, use_causal_mask=True)
    assert found.shape == (None, None, 4)
    found, scores = layers.GroupQueryAttention(3, 4, 2)(query, value, return_attention_scores=True)
    assert (found.shape, scores.shape) == ((None, None, 4), (None, 4, None, None))
    found, scores = layers.Attention()([query, query], return_attention_scores=True)
    assert (found.shape, scores.shape) == ((None, None, 4), (None, None, None))
    axes = KerasTensor((None, 3, None, 4))
    assert layers.MultiHeadAttention(2, 3, attention_axes=2)(axes, axes).shape == axes.shape


def test_in_a_model(data):
    x = kerata.Input((None, 4))
    model = kerata.Model(x, layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True))
    values = data(*Q)
    np.testing.assert_allclose(model(values)[:, :2], model(values[:, :2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name, args, kwargs",
    [("MultiHeadAttention", (2, 3), {"dropout": 0.1, "output_shape": 5, "sliding_window": 2,
                                     "kernel_regularizer": "l2", "use_gate": True}),
     ("GroupQueryAttention", (3, 4, 2), {"use_bias": False, "seed": 3}),
     ("Attention", (), {"use_scale": True, "score_mode": "concat"}),
     ("AdditiveAttention", (), {"dropout": 0.5, "seed": 1})],
)  # fmt: skip
def test_configuration(name, args, kwargs):
    shapes = (Q, V) if args else ([Q, Q],)
    layer = getattr(layers, name)(*args, **kwargs)
    config = layers.serialize(layer)
    assert layers.serialize(layers.deserialize(config)) == config
    theirs = keras.layers.deserialize(config)
    theirs.build(*shapes)
    ours = layers.deserialize(keras.layers.serialize(theirs))
    layer.build(*shapes)
    wanted = [tuple(w.shape) for w in theirs.weights]
    assert [w.shape for w in layer.weights] == [w.shape for w in ours.weights] == wanted


def test_projections_differ_and_keep_the_rules():
    layer = layers.MultiHeadAttention(2, 4, kernel_regularizer="l2", bias_constraint="non_neg")
    layer.build(Q, Q)
    assert not np.allclose(layer.query_dense.kernel, layer.key_dense.kernel)
    assert len(layer.losses) == 4
    assert layer.output_dense.bias.constraint is not None


def test_half_precision(data):
    layer = layers.MultiHeadAttention(2, 4, dtype="mixed_bfloat16")
    found = layer(data(*Q), data(*Q), use_causal_mask=True)
    assert found.dtype == "bfloat16"
    wide = layers.MultiHeadAttention(2, 4)
    wide.build(Q, Q)
    wide.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        found.astype("float32"), wide(data(*Q), data(*Q), use_causal_mask=True), atol=0.05
    )


def test_errors():
    ones = np.ones
    with pytest.raises(ValueError, match="(?s)`num_heads` must be a positive integer"):
        layers.MultiHeadAttention(0, 3)
    with pytest.raises(ValueError, match="(?s)`sliding_window` must be a positive integer"):
        layers.MultiHeadAttention(2, 3, sliding_window=0)
    with pytest.raises(ValueError, match="(?s)`dropout` must be 0 with flash attention"):
        layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True)
    with pytest.raises(ValueError, match="(?s)`num_key_value_heads` must divide num_query_heads=4"):
        layers.GroupQueryAttention(3, 4, 3)
    with pytest.raises(ValueError, match="(?s)`value` and `key` must have the same shape"):
        layers.MultiHeadAttention(2, 3)(ones(Q), ones(V), key=ones((2, 4, 6)))
    with pytest.raises(ValueError, match="(?s)same rank.*Received: query"):
        layers.MultiHeadAttention(2, 3)(ones(Q), ones((2, 3, 5, 6)))
    with pytest.raises(ValueError, match="(?s)`attention_axes` must be between"):
        layers.MultiHeadAttention(2, 3, attention_axes=2)(ones(Q), ones(V))
    with pytest.raises(ValueError, match="(?s)needs inputs .batch, length, features.*Received"):
        layers.GroupQueryAttention(3, 4, 2)(ones((2, 3, 5, 6)), ones(V))
    with pytest.raises(ValueError, match="(?s)must be called on a list.*Received: .2, 3, 4"):
        layers.Attention()(ones(Q))
    with pytest.raises(ValueError, match="(?s)must be called on a list.*Received: 1 inputs"):
        layers.AdditiveAttention()([ones(Q)])
    with pytest.raises(ValueError, match="(?s)`mask` must be a list .query_mask, value_mask"):
        layers.Attention()([ones(Q), ones(Q)], mask=QUERY_MASK)
    with pytest.raises(ValueError, match="(?s)`score_mode` must be one of 'dot', 'concat'"):
        layers.Attention(score_mode="x")


def test_batches_may_have_several_axes(data):
    layer = layers.Attention()
    query, value = data(2, 3, 4, 5), data(2, 3, 6, 5)
    found, scores = layer([query, value], return_attention_scores=True)
    assert found.shape == (2, 3, 4, 5) and scores.shape == (2, 3, 4, 6)
    np.testing.assert_allclose(found[1], layer([query[1], value[1]]), rtol=1e-5, atol=1e-6)
    mask = np.arange(6) < np.array([3, 5, 6])[:, None]
    masked = layer([query, value], mask=[None, np.stack([mask, ~mask | True])])
    np.testing.assert_allclose(
        masked[0], layer([query[0], value[0]], mask=[None, mask]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("arguments", [{"value_dim": 0}, {"output_shape": 8.0}])
def test_sizes_are_positive_integers(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        layers.MultiHeadAttention(2, 3, **arguments)


def test_a_tensor_is_no_list_of_inputs(data):
    with pytest.raises(ValueError, match="must be called on a list"):
        layers.AdditiveAttention()(data(1, 2, 2))


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_subclasses_may_attend_in_their_own_way(data, name):
    base = getattr(layers, name)
    sizes = (2, 3) if name == "MultiHeadAttention" else (3, 2, 1)
    masks = []

    class Own(base):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None):
            masks.append(attention_mask)
            return super()._compute_attention(query, key, value, attention_mask, training)

    plain, own, x = base(*sizes), Own(*sizes), data(1, 4, 5)
    expected = plain(x, x, use_causal_mask=True)
    own(x, x)
    own.set_weights(plain.get_weights())
    np.testing.assert_allclose(own(x, x, use_causal_mask=True), expected, rtol=1e-5, atol=1e-6)
    assert masks[0] is None and masks[1].shape == (1, 1, 4, 4)
