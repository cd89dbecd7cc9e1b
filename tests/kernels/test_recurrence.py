import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerata.kernels import recurrence, recurrent_loops as loops, using

BATCH, TIME, WIDTH, UNITS = 3, 4, 2, 5


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32") / 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# The definitions, a step at a time.


def simple_rnn(x, w, r, b, states):
    return (np.tanh(x @ w + states[0] @ r + b),)


def lstm(x, w, r, b, states):
    h, c = states
    i, f, g, o = np.split(x @ w + h @ r + b, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, w, r, b, states):
    (h,) = states
    z, s, n = np.split(x @ w + b[0], 3, axis=-1)
    hz, hs, hn = np.split(h @ r + b[1], 3, axis=-1)
    z, s = sigmoid(z + hz), sigmoid(s + hs)
    return (z * h + (1 - z) * np.tanh(n + s * hn),)


def gru_before(x, w, r, b, states):
    (h,) = states
    z, s, n = np.split(x @ w + b, 3, axis=-1)
    rz, rs, rn = np.split(r, 3, axis=-1)
    z, s = sigmoid(z + h @ rz), sigmoid(s + h @ rs)
    return (z * h + (1 - z) * np.tanh(n + (s * h) @ rn),)


def unrolled(step, x, w, r, b, mask, states, backwards, zero_masked):
    """Run a definition with Python's loop; return outputs at all steps, and the last states."""
    outputs, last = [], states[0]
    order = range(x.shape[1])
    for t in reversed(order) if backwards else order:
        new = step(x[:, t], w, r, b, states)
        valid = mask[:, t, None]
        states = tuple(np.where(valid, n, s) for n, s in zip(new, states))
        last = np.where(valid, new[0], 0 if zero_masked else last)
        outputs.append(last)
    return np.stack(outputs, 1), *states


CELLS = {
    "simple_rnn": (recurrence.simple_rnn, {}, simple_rnn, 1, (UNITS,)),
    "lstm": (recurrence.lstm, {}, lstm, 4, (4 * UNITS,)),
    "gru": (recurrence.gru, {}, gru, 3, (2, 3 * UNITS)),
    "gru_before": (recurrence.gru, {"reset_after": False}, gru_before, 3, (3 * UNITS,)),
}


def weights(gates, bias):
    return numbers(WIDTH, gates * UNITS), numbers(UNITS, gates * UNITS, seed=1), numbers(*bias)


def states_of(name):
    h, c = numbers(BATCH, UNITS, seed=2), numbers(BATCH, UNITS, seed=3)
    return (h, c) if name == "lstm" else h


MASK = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]], bool)


@pytest.mark.parametrize("backwards, zero_masked", [(False, False), (True, True)])
@pytest.mark.parametrize("name", CELLS)
def test_definition(name, backwards, zero_masked):
    run, options, step, gates, bias = CELLS[name]
    x, (w, r, b), start = numbers(BATCH, TIME, WIDTH), weights(gates, bias), states_of(name)
    tupled = start if isinstance(start, tuple) else (start,)
    for mask in (None, MASK):
        everything = np.ones((BATCH, TIME), bool) if mask is None else mask
        expected = unrolled(step, x, w, r, b, everything, tupled, backwards, zero_masked)
        options |= {"go_backwards": backwards, "zero_masked": zero_masked}
        found = run(x, w, r, b, mask, start, **options)
        last = run(x, w, r, b, mask, start, sequences=False, **options)
        for a, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last[0], expected[0][:, -1], rtol=1e-5, atol=1e-6)


def test_whole_numbers_come_in():
    run, options, _, gates, bias = CELLS["lstm"]
    x = np.arange(BATCH * TIME * WIDTH).reshape(BATCH, TIME, WIDTH) % 5
    found, *_ = run(x, *weights(gates, bias))
    expected, *_ = run(x.astype("float32"), *weights(gates, bias))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["simple_rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    "sequences, masked, backwards, dropped",
    [(True, False, False, False), (False, False, True, True), (True, True, True, True),
     (False, True, False, False)],
)  # fmt: skip
def test_gradient_is_that_of_the_plain_loop(name, sequences, masked, backwards, dropped):
    run, options, _, gates, bias = CELLS[name]
    arguments = (numbers(BATCH, TIME, WIDTH), *weights(gates, bias), states_of(name))
    mask = MASK if masked else None
    drop = numbers(BATCH, UNITS, seed=5) if dropped else None

    def scalar(arguments):
        x, w, r, b, start = arguments
        options = {"sequences": sequences, "go_backwards": backwards}
        found = run(x, w, r, b, mask, start, drop, **options)
        return sum(jnp.sum(jnp.sin(out + i)) for i, out in enumerate(found))

    with using("cpu"):
        found = jax.jit(jax.value_and_grad(scalar))(arguments)
        plain = jax.jit(lambda a: scalar(a))(arguments)
    with using("lax"):
        expected = jax.jit(jax.value_and_grad(scalar))(arguments)
    np.testing.assert_allclose(plain, expected[0], rtol=1e-5, atol=1e-5)
    for a, e in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("bias, started", [(True, True), (False, False)])
@pytest.mark.parametrize("sequences, backwards", [(True, True), (False, False)])
def test_gradients_of_many_samples_and_few_units(bias, started, sequences, backwards):
    many = loops.MANY_SAMPLES
    assert WIDTH + 4 * UNITS <= loops.NARROW_WITH_GRADIENT
    x, (w, r, b) = numbers(many, TIME, WIDTH), weights(4, (4 * UNITS,))
    start = (numbers(many, UNITS, seed=2), numbers(many, UNITS, seed=3))
    arguments = (x, w, r, b if bias else None, start if started else None)

    def scalar(arguments):
        x, w, r, b, start = arguments
        options = {"sequences": sequences, "go_backwards": backwards}
        found = recurrence.lstm(x, w, r, b, initial_state=start, **options)
        return sum(jnp.sum(jnp.sin(out + i)) for i, out in enumerate(found))

    with using("cpu"):
        found = jax.jit(jax.value_and_grad(scalar))(arguments)
        plain = jax.jit(lambda a: scalar(a))(arguments)
        program = str(jax.make_jaxpr(jax.grad(scalar))(arguments))
    # Inputs, ones and hidden states lie in one array.
    assert f"f32[{TIME + 1},{WIDTH + bias + UNITS},{many}]" in program
    with using("lax"):
        expected = jax.jit(jax.value_and_grad(scalar))(arguments)
    np.testing.assert_allclose(plain, expected[0], rtol=1e-5)
    for a, e in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("batch", [2, loops.MANY_SAMPLES])
@pytest.mark.parametrize("name", ["simple_rnn", "lstm", "gru"])
def test_gradients_of_weights_in_a_narrower_dtype_and_of_no_steps(name, batch):
    run, _, _, gates, bias = CELLS[name]
    w, r, b = (jnp.asarray(a, "bfloat16") for a in weights(gates, bias))
    for steps in (0, 2):
        x = numbers(batch, steps, WIDTH)
        gradient = jax.grad(lambda w: run(x, w, r, b, sequences=False)[0].sum())(w)  # noqa: B023
        assert gradient.dtype == "bfloat16" and gradient.any() == (steps > 0)


@pytest.mark.parametrize("name", CELLS)
def test_state_from_zero_and_no_bias(name):
    run, options, _, gates, bias = CELLS[name]
    x, (w, r, _) = numbers(BATCH, TIME, WIDTH), weights(gates, bias)
    zeros = jax.tree.map(np.zeros_like, states_of(name))
    found = run(x, w, r, mask=MASK, **options)
    expected = run(x, w, r, np.zeros(bias, "float32"), MASK, zeros, **options)
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6)


def test_other_activations():
    x, (w, r, b) = numbers(BATCH, TIME, WIDTH), weights(4, (4 * UNITS,))
    same = recurrence.lstm(x, w, r, b, activation=jnp.tanh, recurrent_activation=jax.nn.sigmoid)
    np.testing.assert_allclose(same[0], recurrence.lstm(x, w, r, b)[0], rtol=1e-5, atol=1e-6)
    other = recurrence.lstm(x, w, r, b, activation=jax.nn.relu)
    assert float(jnp.abs(other[0] - same[0]).max()) > 1e-2
    assert (other[0] >= 0).all()


@pytest.mark.parametrize("batch", [1, loops.MANY_SAMPLES])
def test_second_derivative(batch):
    x, (w, r, b) = numbers(batch, 2, WIDTH), weights(4, (4 * UNITS,))

    def scalar(x):
        return recurrence.lstm(x, w, r, b, sequences=False)[0].sum()

    def slope(x):
        return jnp.sum(jax.grad(scalar)(x) ** 2)

    with using("cpu"):
        found = jax.grad(slope)(x)
    with using("lax"):
        expected = jax.grad(slope)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("unroll", [False, True])
def test_scan(unroll):
    """Any step over any structure: here a running sum, and how often it was not masked."""
    inputs = {"a": numbers(BATCH, TIME, 2, 2), "b": numbers(BATCH, TIME)}

    def step(x, states, steps):
        total, count = states
        total = total + x["a"] * x["b"][:, None, None]
        return (total, x["b"]), (total, count + 1), steps + 1

    start = (jnp.zeros((BATCH, 2, 2)), jnp.zeros((BATCH,), "int32"))
    terms = inputs["a"] * inputs["b"][:, :, None, None] * MASK[:, :, None, None]
    options = {"unroll": unroll}
    (totals, bs), (total, count), steps = recurrence.scan(step, inputs, start, MASK, 0, **options)
    np.testing.assert_allclose(totals, terms.cumsum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total, terms.sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(count, MASK.sum(1))
    assert steps == TIME
    assert bs.shape == (BATCH, TIME)
    options |= {"zero_masked": True, "go_backwards": True}
    (totals, bs), *_ = recurrence.scan(step, inputs, start, MASK, 0, **options)
    np.testing.assert_allclose(bs, (inputs["b"] * MASK)[:, ::-1], rtol=1e-6)
    (last, _), *_ = recurrence.scan(step, inputs, start, MASK, 0, sequences=False, **options)
    np.testing.assert_allclose(last, totals[:, -1], rtol=1e-6)
    assert recurrence.scan(step, inputs, start, None, 0, **options)[1][1].tolist() == [TIME] * BATCH
