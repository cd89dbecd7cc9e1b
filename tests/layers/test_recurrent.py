import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import KerasTensor, layers, ops
from kerata.engine.masks import get_mask

X = (2, 4, 3)
MASK = np.array([[1, 1, 0, 1], [0, 1, 0, 0]], bool)
TANH = {"activation": "relu", "recurrent_activation": "hard_sigmoid"}
CELLS = [("LSTMCell", 3), ("GRUCell", 2)]

ROWS = [
    ("SimpleRNN", (3,), {}, {}),
    ("SimpleRNN", (3,), {"activation": "relu", "use_bias": False, "unroll": True}, {"mask": MASK}),
    ("SimpleRNN", (3,), {"return_sequences": True, "go_backwards": True}, {"mask": MASK}),
    ("LSTM", (3,), {}, {}),
    ("LSTM", (3,), {"return_sequences": True, "use_bias": False}, {}),
    ("LSTM", (3,), {"return_sequences": True, "zero_output_for_mask": True}, {"mask": MASK}),
    ("LSTM", (3,), {"go_backwards": True, "unroll": True}, {"mask": MASK}),
    ("LSTM", (3,), {"unit_forget_bias": False, **TANH}, {"mask": MASK}),
    ("GRU", (3,), {}, {}),
    ("GRU", (3,), {"reset_after": False, "return_sequences": True}, {"mask": MASK}),
    ("GRU", (3,), {"return_sequences": True, "go_backwards": True}, {"mask": MASK}),
    ("GRU", (3,), {"use_bias": False, "unroll": True}, {"mask": MASK}),
    ("GRU", (3,), {"reset_after": False, "use_bias": False, **TANH}, {}),
    ("RNN", (("SimpleRNNCell", 3),), {}, {"mask": MASK}),
    ("RNN", (("LSTMCell", 3),), {"unroll": True, "return_sequences": True}, {"mask": MASK}),
    ("RNN", (("GRUCell", 3),), {"zero_output_for_mask": True}, {"mask": MASK}),
    ("RNN", (CELLS,), {"return_sequences": True}, {"mask": MASK}),
    ("Bidirectional", (("LSTM", 3),), {}, {}),
    ("Bidirectional", (("GRU", 3),), {"merge_mode": "sum"}, {"mask": MASK}),
    ("Bidirectional", (("SimpleRNN", 3),), {"merge_mode": "ave"}, {"mask": MASK}),
    ("TimeDistributed", (("Dense", 2),), {}, {}),
]


MODULES = (layers, keras.layers)


def made(module, name, *args, **kwargs):
    """Make a layer; layers among the arguments are given as (name, args)."""
    args = [made(module, *a) if isinstance(a, tuple) else a for a in args]
    args = [[made(module, *a) for a in x] if isinstance(x, list) else x for x in args]
    return getattr(module, name)(*args, **kwargs)


@pytest.mark.parametrize("name, args, kwargs, call", ROWS)
def test_same_as_keras(data, name, args, kwargs, call):
    compare(*(made(m, name, *args, **kwargs) for m in MODULES), data(*X), call)


def compare(mine, theirs, inputs, call=None):
    """Compare all outputs, eager and symbolic shapes, and gradients, with equal weights."""
    call = call or {}
    theirs.build(inputs.shape)
    symbolic = mine(KerasTensor((None, None, *inputs.shape[2:])), **{
        k: v for k, v in call.items() if k != "mask" and k != "initial_state"})  # fmt: skip
    rng = np.random.default_rng(0)
    values = [rng.normal(size=v.shape).astype("float32") / 2 for v in theirs.weights]
    assert [v.shape for v in mine.weights] == [tuple(v.shape) for v in theirs.weights]
    results = []
    for layer in (mine, theirs):
        layer.set_weights(values)

        def scalar(trainable, inputs, layer=layer):
            rest = [v.value for v in layer.non_trainable_variables]
            outputs, _ = layer.stateless_call(trainable, rest, inputs, **call)
            outputs = jax.tree.leaves(outputs)
            return sum(jnp.sum(jnp.sin(x + i)) for i, x in enumerate(outputs)), outputs

        trainable = [v.value for v in layer.trainable_variables]
        results.append(jax.jit(jax.grad(scalar, (0, 1), has_aux=True))(trainable, inputs))
    for a, b in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    shapes = [x.shape for x in results[0][1]]
    found = [x.shape for x in jax.tree.leaves(symbolic, is_leaf=lambda x: hasattr(x, "shape"))]
    assert [len(s) for s in shapes] == [len(s) for s in found]
    assert all(m in (None, n) for s, f in zip(shapes, found) for n, m in zip(s, f))
    assert all(f[0] is None for f in found)


@pytest.mark.parametrize(
    "name, count, kwargs, call",
    [
        ("LSTM", 2, {"return_state": True}, {"mask": MASK}),
        ("LSTM", 2, {"return_state": True, "return_sequences": True}, {}),
        ("GRU", 1, {"return_state": True, "return_sequences": True}, {"mask": MASK}),
        ("SimpleRNN", 1, {"return_state": True, "go_backwards": True}, {}),
    ],
)
def test_states_in_and_out(data, name, count, kwargs, call):
    for given in (False, True):
        states = [data(2, 3, seed=i) for i in range(count)]
        call = {**call, **({"initial_state": states} if given else {})}
        made = [getattr(m, name)(3, **kwargs) for m in MODULES]
        compare(*made, data(*X), call)


@pytest.mark.parametrize(
    "merge, kwargs",
    [(None, {"return_sequences": True}), ("concat", {"return_state": True}),
     ("mul", {"return_state": True, "return_sequences": True}), (None, {"return_state": True})],
)  # fmt: skip
def test_bidirectional_outputs(data, merge, kwargs):
    states = [data(2, 3, seed=i) for i in range(4)]
    for call in ({"mask": MASK}, {"initial_state": states}):
        made = [m.Bidirectional(m.LSTM(3, **kwargs), merge_mode=merge) for m in MODULES]
        compare(*made, data(*X), call)


def test_bidirectional_with_a_layer_of_its_own():
    backward = layers.LSTM(2, go_backwards=True, name="b")
    layer = layers.Bidirectional(layers.LSTM(3, name="a"), backward_layer=backward)
    assert layer(np.ones(X)).shape == (2, 5)
    assert layer.forward_layer.name == "forward_a" and layer.backward_layer is backward
    copy = layers.Bidirectional.from_config(layer.get_config())
    assert copy.backward_layer.units == 2 and copy.forward_layer.name == "forward_a"
    values = layer.get_weights()
    again = layers.Bidirectional(layers.LSTM(3), backward_layer=backward, weights=values)
    np.testing.assert_array_equal(again(np.ones(X)), layer(np.ones(X)))


class Minimal:
    """A cell as a user writes it, for either library."""

    @staticmethod
    def made(module, **options):
        class Cell(module.Layer):
            def __init__(self, units, **kwargs):
                super().__init__(**kwargs)
                self.units = self.state_size = units

            def build(self, input_shape):
                self.w = self.add_weight(shape=(input_shape[-1], self.units), name="w")
                self.r = self.add_weight(shape=(self.units, self.units), name="r")

            def call(self, inputs, states):
                output = inputs @ self.w + jnp.sin(states[0]) @ self.r
                return output, [output]

        return module.RNN(Cell(3), **options)


@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "return_state": True}])
def test_cell_of_the_user(data, options):
    compare(*(Minimal.made(m, **options) for m in MODULES), data(*X), {"mask": MASK})


def test_cell_without_build_and_with_random_state():
    class Cell(layers.Layer):
        def __init__(self):
            super().__init__()
            self.state_size = 4
            self.dense, self.dropout = layers.Dense(4), layers.Dropout(0.5, seed=1)

        def call(self, inputs, states):
            return self.dropout(inputs), [states[0] + self.dense(inputs)]

    layer = layers.RNN(Cell(), return_sequences=True, return_state=True)
    outputs, state = layer(np.ones((3, 6, 2)), training=True)
    assert state.shape == (3, 4) and len(layer.trainable_variables) == 2
    assert len(np.unique(np.asarray(outputs), axis=1)[0]) > 1  # other units at other steps
    assert layer.cell.dropout.seed_generator.state.numpy().tolist() == [1, 6]
    assert not np.array_equal(outputs, layer(np.ones((3, 6, 2)), training=True)[0])


@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_cells_take_and_return_states(name, data):
    cells = [getattr(m, name)(3) for m in MODULES]
    x = data(2, 4)
    states = [data(2, 3, seed=i) for i in range(len(cells[0].get_initial_state(2)))]
    for cell in cells:
        cell.build((None, 4))
        cell.set_weights([data(*w.shape, seed=i) for i, w in enumerate(cell.weights)])
    for a, b in zip(*(jax.tree.leaves(cell(x, states)) for cell in cells), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    output, new = cells[0](x, states)
    assert isinstance(new, list) and cells[0].output_size == 3
    assert cells[0].state_size == cells[1].state_size
    if len(states) == 1:
        output, new = cells[0](x, states[0])
        assert new.shape == (2, 3)


def test_initial_weights():
    layer = layers.LSTM(2)
    layer.build((None, None, 3))
    np.testing.assert_array_equal(layer.cell.bias, [0, 0, 1, 1, 0, 0, 0, 0])
    r = layer.cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(r @ r.T, np.eye(2), atol=1e-5)
    assert layers.LSTM(2, kernel_regularizer="l2").cell.kernel_regularizer is not None


# Dropout.


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_input_dropout_is_the_same_at_all_steps(name):
    layer = getattr(layers, name)(1, dropout=0.5, recurrent_initializer="zeros", seed=3,
                                  kernel_initializer="ones", return_sequences=True)  # fmt: skip
    x = np.ones((40, 3, 1), "float32")
    outputs = np.asarray(layer(x, training=True))
    whole = np.asarray(layer(x * 2)), np.asarray(layer(x * 0))
    dropped = np.isclose(outputs, whole[1]).all((1, 2))
    kept = np.isclose(outputs, whole[0], rtol=1e-4).all((1, 2))
    assert (dropped ^ kept).all() and 10 < dropped.sum() < 30
    assert not np.array_equal(outputs, layer(x, training=True))  # other samples at the next call
    np.testing.assert_allclose(layer(x), layer(x, training=False))


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_recurrent_dropout_is_that_of_the_cell(name, data):
    """The layer's fast loop and its cell in the general loop drop alike, and pass gradients."""
    options = {"dropout": 0.3, "recurrent_dropout": 0.5, "seed": 5}
    layer = getattr(layers, name)(3, return_sequences=True, **options)
    x = jnp.asarray(data(*X))
    layer.build(X)
    cell = getattr(layers, name + "Cell")(3, **options)
    around = layers.RNN(cell, return_sequences=True)
    around.build(X)
    around.set_weights([w + 0.5 for w in layer.get_weights()])
    layer.set_weights(around.get_weights())

    def scalar(x, layer):
        for seeds in (layer.cell.seed_generator,):
            seeds.state.assign([5, 0])
        return jnp.sum(jnp.sin(layer(x, training=True)))

    found, expected = (
        kerata.jit(lambda x, a=a: kerata.value_and_grad(scalar, argnums=0)(x, a))(x)
        for a in (layer, around)
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not np.isclose(found[0], jnp.sum(jnp.sin(layer(x))))


# Masks and states between layers.


def test_mask_from_embedding(data):
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    embedding = layers.Embedding(5, 4, mask_zero=True)
    embedded = embedding(ids)
    lstm = layers.LSTM(3, return_sequences=True)
    outputs = lstm(embedded)
    np.testing.assert_array_equal(get_mask(outputs), ids != 0)
    np.testing.assert_array_equal(outputs[1, 0], outputs[1, 2])
    last = layers.LSTM(3)
    assert get_mask(last(embedded)) is None
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True, return_state=True))
    results = both(embedded)
    np.testing.assert_array_equal(get_mask(results[0]), ids != 0)
    assert not np.asarray(results[0])[1, 1:].any()
    assert get_mask(layers.TimeDistributed(layers.Dense(2))(embedded)) is not None


@pytest.mark.parametrize("training", [False, True])
def test_time_distributed_steps_that_change_weights(same_as_keras, data, training):
    inner = ("BatchNormalization",)
    same_as_keras("TimeDistributed", inner, inputs=data(*X), call={"training": training})


def test_time_distributed_structures_and_masks(data):
    x = data(2, 3, 4)
    np.testing.assert_allclose(layers.TimeDistributed(layers.Add())([x, x]), 2 * x)
    mask = np.array([[[1, 1, 0], [1, 0, 0]]] * 2, bool)
    inner = layers.LSTM(3)
    layer = layers.TimeDistributed(inner)
    found = layer(data(2, 2, 3, 4), mask=mask)
    np.testing.assert_allclose(found[:, 1], inner(data(2, 2, 3, 4)[:, 1], mask=mask[:, 1]), 1e-5)
    assert layer.compute_output_shape((None, 5, 3, 4)) == (None, 5, 3)


def test_stateful(data):
    mine = layers.LSTM(3, stateful=True)
    x = data(2, 4, 3)
    whole = layers.LSTM(3)
    whole.build(X)
    mine.build(X)
    mine.set_weights(whole.get_weights())
    assert len(mine.weights) == 3
    mine(x[:, :2])
    np.testing.assert_allclose(mine(x[:, 2:]), whole(x), rtol=1e-5, atol=1e-6)
    assert float(jnp.abs(mine.states[0].value).sum()) > 0
    mine.reset_state()
    step = kerata.jit(mine)
    step(x[:, :2])
    np.testing.assert_allclose(step(x[:, 2:]), whole(x), rtol=1e-5, atol=1e-6)
    both = layers.Bidirectional(layers.GRU(2, stateful=True))
    both(x)
    assert len(both.states) == 2
    both.reset_states()
    assert not any(s.numpy().any() for s in both.states)
    with pytest.raises(ValueError, match="(?s)batch size must be known.*None, 4.*batch_size"):
        layers.LSTM(3, stateful=True)(KerasTensor((None, 4, 3)))


def test_symbolic_initial_state():
    x, h = kerata.Input((None, 3)), kerata.Input((4,))
    model = kerata.Model([x, h], layers.GRU(4)(x, initial_state=h))
    values = np.ones((2, 5, 3)), np.ones((2, 4))
    np.testing.assert_allclose(
        model(list(values)), model.layers[-1](values[0], initial_state=values[1]), rtol=1e-6
    )


# Configuration, dtypes, errors.


def examples():
    return [
        layers.LSTM(3, activation="relu", go_backwards=True, zero_output_for_mask=True),
        layers.GRU(3, reset_after=False, dropout=0.2, recurrent_initializer="zeros"),
        layers.SimpleRNN(3, stateful=True, return_sequences=True),
        layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_state=True),
        layers.Bidirectional(layers.LSTM(3), merge_mode="ave"),
        layers.TimeDistributed(layers.Dense(2)),
    ]


@pytest.mark.parametrize("index", range(6))
def test_configuration(index):
    layer = examples()[index]
    config = layers.serialize(layer)
    again = layers.deserialize(config)
    assert type(again) is type(layer) and layers.serialize(again) == config
    theirs = keras.layers.deserialize(config)
    ours = layers.deserialize(keras.layers.serialize(theirs))
    for a in (again, ours):
        a.build(X)
    theirs.build(X)
    assert [w.shape for w in again.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]


def test_half_precision(data):
    for name in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(layers, name)(3, dtype="mixed_float16", return_state=True)
        found = layer(data(*X))
        assert {str(x.dtype) for x in found} == {"float16"}
        assert layer.cell.kernel.dtype == "float32"
        wide = getattr(layers, name)(3)
        wide.build(X)
        wide.set_weights(layer.get_weights())
        np.testing.assert_allclose(found[0].astype("float32"), wide(data(*X)), atol=5e-3)


def test_errors():
    with pytest.raises(ValueError, match="(?s)`units`.*positive integer"):
        layers.LSTM(0)
    with pytest.raises(ValueError, match="(?s)`recurrent_dropout`.*between 0 and 1"):
        layers.GRU(2, recurrent_dropout=1.5)
    with pytest.raises(ValueError, match="(?s)`cell` must be a cell.*state_size.*Dense"):
        layers.RNN(layers.Dense(2))
    with pytest.raises(ValueError, match="(?s)`cell` must be a cell"):
        layers.StackedRNNCells([layers.Dense(2)])
    with pytest.raises(ValueError, match="(?s)LSTM 'x' needs 2 initial states.*Received: 1"):
        layers.LSTM(3, name="x")(np.ones(X), initial_state=[np.ones((2, 3))])
    with pytest.raises(ValueError, match="(?s)3"):
        layers.LSTM(3)(np.ones((3, 4)))
    with pytest.raises(ValueError, match="(?s)`layer` must be a recurrent layer"):
        layers.Bidirectional(layers.Dense(2))
    with pytest.raises(ValueError, match="(?s)`merge_mode` must be one of.*concat"):
        layers.Bidirectional(layers.LSTM(2), merge_mode="concatenate")
    with pytest.raises(ValueError, match="(?s)must differ in `go_backwards`"):
        layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2))
    with pytest.raises(ValueError, match="(?s)same `return_sequences`"):
        other = layers.LSTM(2, go_backwards=True, return_sequences=True)
        layers.Bidirectional(layers.LSTM(2), backward_layer=other)
    with pytest.raises(ValueError, match="(?s)TimeDistributed.*rank 3 or more"):
        layers.TimeDistributed(layers.Dense(2))(np.ones((2, 3)))


def test_ops_in_cells():
    """A cell may be written with kerata's ops, and its layer used in a model."""

    class Cell(layers.Layer):
        state_size = 3

        def call(self, inputs, states):
            return ops.tanh(inputs + states[0]), [states[0] + 1]

    model = kerata.Sequential([kerata.Input((None, 3)), layers.RNN(Cell())])
    np.testing.assert_allclose(model(np.zeros((1, 4, 3))), np.tanh([[3.0, 3.0, 3.0]]), rtol=1e-6)


def test_older_arguments_are_taken_and_forgotten():
    layer = layers.LSTM(2, implementation=1, use_cudnn=True)
    assert "implementation" not in layer.get_config()
    both = layers.Bidirectional(layer)
    assert both.forward_layer.use_cudnn is both.backward_layer.use_cudnn is True


def test_stateful_layers_keep_their_batch_size(data):
    layer = layers.GRU(2, stateful=True)
    layer(data(2, 3, 4))
    with pytest.raises(ValueError, match="batch size .* 2"):
        layer(data(1, 3, 4))


def test_stacked_cells_with_single_states(data):
    class Sum(layers.Layer):
        state_size = output_size = 3

        def call(self, inputs, states):
            total = inputs + states[0]
            return total, total

    x = data(2, 4, 3)
    output, first, second = layers.RNN([Sum(), Sum()], return_state=True)(x)
    np.testing.assert_allclose(first, x.sum(1), rtol=1e-5)
    np.testing.assert_allclose(output, np.cumsum(x, 1).sum(1), rtol=1e-5)
    np.testing.assert_array_equal(output, second)


@pytest.mark.parametrize("shape", [(2, 5), (3, 4), (3, 5, 1)])
def test_time_distributed_checks_the_mask(data, shape):
    layer = layers.TimeDistributed(layers.Dense(2))
    with pytest.raises(ValueError, match=r"2 samples and 4 time steps"):
        layer(data(2, 4, 3), mask=np.ones(shape, bool))
