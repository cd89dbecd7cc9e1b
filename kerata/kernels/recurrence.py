"""Recurrent networks: a general loop over time, and fast ones for the three usual cells.

A step of a small recurrent network costs what its few operations cost to start, so the fast loops
keep little in the loop: the inputs meet their kernel in one product for all time steps before it;
sigmoid is written with tanh, so that all gates of an LSTM are one operation; what the gradient
needs overwrites the projected inputs; and the gradient's loop is linear, its factors computed for
all time steps at once before it and the kernel's gradient in one product after it. Forward and
backward take half of the time that differentiating a plain `lax.scan` takes.

Arrays are batch-major, `(batch, time, ...)`, outside and time-major inside.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kerata.kernels.platform import platform

Activation = Callable[[jax.Array], jax.Array]


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    inputs: Any,
    states: Any,
    mask: jax.Array | None = None,
    *,
    sequences: bool = True,
    go_backwards: bool = False,
    unroll: bool = False,
    zero_masked: bool = False,
) -> tuple[Any, Any]:
    """Run `step` over the time axis of `inputs`.

    Args:
        step: takes inputs `(batch, ...)` and states; returns outputs and new states.
        inputs: arrays `(batch, time, ...)` in any structure.
        states: arrays in any structure; new states keep its dtypes.
        mask: `(batch, time)`, False where states are to stay as they are.
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        unroll: whether to trace `step` once for each time step and not loop.
        zero_masked: whether outputs are zero where `mask` is False. Otherwise the output before is
            repeated (and is zero if there is none).

    Returns:
        Outputs `(batch, time, ...)`, or `(batch, ...)` without `sequences`; and the last states.
    """
    inputs = jax.tree.map(lambda x: _time_major(x, go_backwards), inputs)
    masks = None if mask is None else _time_major(mask, go_backwards).astype(bool)
    first, length = jax.tree.map(lambda x: x[0], inputs), len(jax.tree.leaves(inputs)[0])
    spec = jax.eval_shape(step, first, states)[0]
    none = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), spec)
    repeats = masks is not None and not zero_masked

    def body(carry, now):
        (states, last), (x, valid) = carry, now
        outputs, new = step(x, states)
        new = jax.tree.map(lambda n, s: n.astype(s.dtype), new, states)
        if valid is not None:
            new = jax.tree.map(partial(_where, valid), new, states)
            outputs = jax.tree.map(partial(_where, valid), outputs, last if repeats else none)
        last = outputs if repeats or not sequences else None
        return (new, last), outputs if sequences else None

    carry = (states, none if repeats or not sequences else None)
    (states, last), outputs = lax.scan(body, carry, (inputs, masks), unroll=length if unroll else 1)
    if sequences:
        last = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), outputs)
    return last, states


def simple_rnn(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    initial_state: jax.Array | None = None,
    *,
    activation: Activation | None = None,
    sequences: bool = True,
    go_backwards: bool = False,
    zero_masked: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Run a fully connected recurrent network, `h = activation(x @ kernel + h @ recurrent + bias)`.

    Args:
        inputs: `(batch, time, features)`.
        kernel: `(features, units)`.
        recurrent_kernel: `(units, units)`.
        bias: `(units,)`, or None for no bias.
        mask: `(batch, time)`, False at the steps to leave out.
        initial_state: `(batch, units)`; None for zeros.
        activation: None for tanh, which is the fast path.
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        zero_masked: whether outputs are zero where `mask` is False, and not those before.

    Returns:
        Outputs, `(batch, time, units)` or `(batch, units)`; and the last state.
    """
    projected, masks = _project(inputs, kernel, bias, mask, go_backwards)
    (h,) = _start(projected, recurrent_kernel, initial_state)
    if activation is None and platform() == "cpu":
        hidden, h = _simple_rnn(projected, recurrent_kernel, h, masks, sequences)
    else:

        def step(x, states):
            return (simple_rnn_step(x, states[0], recurrent_kernel, activation),)

        hidden, (h,) = _plain(step, projected, (h,), masks, sequences)
    return _outputs(hidden, h, masks, initial_state is None, sequences, zero_masked), h


def lstm(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    initial_state: tuple[jax.Array, jax.Array] | None = None,
    *,
    activation: Activation | None = None,
    recurrent_activation: Activation | None = None,
    sequences: bool = True,
    go_backwards: bool = False,
    zero_masked: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Run a long short-term memory (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    Args:
        inputs: `(batch, time, features)`.
        kernel: `(features, 4 * units)`, for the gates input, forget, cell, output in this order.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`, or None for no bias.
        mask: `(batch, time)`, False at the steps to leave out.
        initial_state: two arrays `(batch, units)`: hidden and cell state; None for zeros.
        activation: None for tanh.
        recurrent_activation: None for sigmoid; the fast path is for both None.
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        zero_masked: whether outputs are zero where `mask` is False, and not those before.

    Returns:
        Outputs, `(batch, time, units)` or `(batch, units)`; and the last hidden and cell states.
    """
    fast = activation is None and recurrent_activation is None and platform() == "cpu"
    if fast:
        scale = _halve(recurrent_kernel, (True, True, False, True))
        kernel, recurrent_kernel = kernel * scale, recurrent_kernel * scale
        bias = None if bias is None else bias * scale
    projected, masks = _project(inputs, kernel, bias, mask, go_backwards)
    h, c = _start(projected, recurrent_kernel, *(initial_state or (None, None)))
    if fast:
        hidden, h, c = _lstm(projected, recurrent_kernel, h, c, masks, sequences)
    else:

        def step(x, states):
            return lstm_step(x, *states, recurrent_kernel, activation, recurrent_activation)

        hidden, (h, c) = _plain(step, projected, (h, c), masks, sequences)
    return _outputs(hidden, h, masks, initial_state is None, sequences, zero_masked), h, c


def gru(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    initial_state: jax.Array | None = None,
    *,
    activation: Activation | None = None,
    recurrent_activation: Activation | None = None,
    reset_after: bool = True,
    sequences: bool = True,
    go_backwards: bool = False,
    zero_masked: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Run a gated recurrent unit (Cho et al., 2014).

    Args:
        inputs: `(batch, time, features)`.
        kernel: `(features, 3 * units)`, for update gate, reset gate and candidate in this order.
        recurrent_kernel: `(units, 3 * units)`.
        bias: `(2, 3 * units)`, for inputs and for the hidden state, with `reset_after`, else
            `(3 * units,)`; None for no bias.
        mask: `(batch, time)`, False at the steps to leave out.
        initial_state: `(batch, units)`; None for zeros.
        activation: None for tanh.
        recurrent_activation: None for sigmoid; the fast path is for both None and `reset_after`.
        reset_after: whether the reset gate multiplies the hidden state after its product with
            the recurrent kernel (as cuDNN has it), not before (as the paper has it).
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        zero_masked: whether outputs are zero where `mask` is False, and not those before.

    Returns:
        Outputs, `(batch, time, units)` or `(batch, units)`; and the last state.
    """
    units = recurrent_kernel.shape[0]
    inner = None
    if reset_after and bias is not None:
        # Both biases of the gates meet the same sum; only the candidate's second one does not.
        inner = bias[1, 2 * units :]
        bias = bias[0] + jnp.pad(bias[1, : 2 * units], (0, units))
    fast = activation is None and recurrent_activation is None and reset_after
    fast = fast and platform() == "cpu"
    if fast:
        scale = _halve(recurrent_kernel, (True, True, False))
        kernel, recurrent_kernel = kernel * scale, recurrent_kernel * scale
        bias = None if bias is None else bias * scale
    projected, masks = _project(inputs, kernel, bias, mask, go_backwards)
    (h,) = _start(projected, recurrent_kernel, initial_state)
    if fast:
        inner = jnp.zeros(units, projected.dtype) if inner is None else inner
        hidden, h = _gru(projected, recurrent_kernel, inner, h, masks, sequences)
    else:

        def step(x, states):
            options = (inner, reset_after, activation, recurrent_activation)
            return (gru_step(x, *states, recurrent_kernel, *options),)

        hidden, (h,) = _plain(step, projected, (h,), masks, sequences)
    return _outputs(hidden, h, masks, initial_state is None, sequences, zero_masked), h


# One step of each, from projected inputs `(batch, gates)`: cells use them too. XLA would fuse the
# gates' sum into all that reads it and, in that shape, no longer vectorize: twice to three times
# the time for the whole step on a CPU. The barrier keeps the sum one operation.


def simple_rnn_step(x, h, recurrent_kernel, activation=None):
    """Return the new state of a simple recurrent network."""
    return (activation or jnp.tanh)(lax.optimization_barrier(x + h @ recurrent_kernel))


def lstm_step(x, h, c, recurrent_kernel, activation=None, recurrent_activation=None):
    """Return the new hidden and cell states of an LSTM."""
    act, gate = activation or jnp.tanh, recurrent_activation or jax.nn.sigmoid
    gates = lax.optimization_barrier(x + h @ recurrent_kernel)
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    c = gate(f) * c + gate(i) * act(g)
    return gate(o) * act(c), c


def gru_step(
    x, h, recurrent_kernel, inner_bias=None, reset_after=True,
    activation=None, recurrent_activation=None,
):  # fmt: skip
    """Return the new state of a GRU; `inner_bias`, `(units,)`, counts with `reset_after` only."""
    act, gate = activation or jnp.tanh, recurrent_activation or jax.nn.sigmoid
    gates = 2 * h.shape[-1]
    q = h @ (recurrent_kernel if reset_after else recurrent_kernel[:, :gates])
    z, r = jnp.split(gate(lax.optimization_barrier(x[:, :gates] + q[:, :gates])), 2, axis=-1)
    if reset_after:
        q = q[:, gates:] if inner_bias is None else q[:, gates:] + inner_bias
        q = r * q
    else:
        q = (r * h) @ recurrent_kernel[:, gates:]
    candidate = act(x[:, gates:] + q)
    return candidate + z * (h - candidate)


# ------------------------------------------------------------------------------------ around loops


def _time_major(x, go_backwards):
    x = jnp.swapaxes(x, 0, 1)
    return jnp.flip(x, 0) if go_backwards else x


def _where(valid, new, old):
    return jnp.where(valid.reshape(valid.shape + (1,) * (new.ndim - 1)), new, old)


def _project(inputs, kernel, bias, mask, go_backwards):
    """Return `inputs @ kernel + bias`, `(time, batch, gates)`, and the mask `(time, batch, 1)`."""
    if inputs.shape[-1] <= kernel.shape[-1]:  # move the narrower of the two
        projected = _product(_time_major(inputs, go_backwards), kernel)
    else:
        projected = _time_major(_product(inputs, kernel), go_backwards)
    if bias is not None:
        projected = projected + bias
    masks = None if mask is None else _time_major(mask, go_backwards).astype(bool)[:, :, None]
    return projected, masks


@jax.custom_vjp
def _product(x, kernel):
    return x @ kernel


def _product_backward(saved, d_y):
    x, kernel = saved
    # The order matters: autodiff's own would make a transposed copy of the wider factor.
    return d_y @ kernel.T, _contract(x, d_y)


_product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _product_backward)


def _start(projected, recurrent_kernel, *states):
    shape = (projected.shape[1], recurrent_kernel.shape[0])
    return tuple(
        jnp.zeros(shape, projected.dtype) if s is None else jnp.asarray(s, projected.dtype)
        for s in states
    )


def _halve(recurrent_kernel, gates):
    """Return what to scale each gate's kernel by: sigmoid(x) is 1/2 + 1/2 tanh(x/2)."""
    halves = np.where(gates, 0.5, 1.0).repeat(recurrent_kernel.shape[0])
    return jnp.asarray(halves, recurrent_kernel.dtype)


def _outputs(hidden, last, masks, from_zero, sequences, zero_masked):
    """Return hidden states as outputs: batch-major, and as wanted where the mask is False."""
    if masks is None:
        return jnp.swapaxes(hidden, 0, 1) if sequences else last
    if not sequences:
        if zero_masked:
            return jnp.where(masks[-1], last, 0)
        return last if from_zero else jnp.where(masks.any(0), last, 0)
    if zero_masked:
        hidden = jnp.where(masks, hidden, 0)
    elif not from_zero:
        # Before the first step that counts there is no output to repeat, though there is a state.
        hidden = jnp.where(lax.cummax(masks.astype(jnp.int8), 0) > 0, hidden, 0)
    return jnp.swapaxes(hidden, 0, 1)


def _plain(step, projected, states, masks, sequences):
    """Scan `step(x, states) -> new states`; return hidden states (if `sequences`), last states."""

    def body(states, now):
        x, valid = now
        new = step(x, states)
        if valid is not None:
            new = tuple(jnp.where(valid, n, s) for n, s in zip(new, states, strict=True))
        return new, new[0] if sequences else None

    states, hidden = lax.scan(body, states, (projected, masks))
    return hidden, states


def _at(x, t):
    """Return `x[t]`."""
    picked = lax.dynamic_slice(x, (t, 0, 0), (1, *x.shape[1:]), allow_negative_indices=False)
    return lax.squeeze(picked, (0,))


def _put(x, value, t):
    """Return `x` with `x[t]` overwritten, in place inside a loop."""
    return lax.dynamic_update_slice(x, value[None], (t, 0, 0), allow_negative_indices=False)


def _shifted(first, hidden):
    """Return the states before each step from the states after each."""
    return jnp.concatenate([first[None], hidden[:-1]])


def _contract(a, b):
    """Return the sum over time and batch of the outer products of `a` and `b`."""
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


def _tanh_slope(a):
    return 1 - a * a


def _sigmoid(a):
    """Return sigmoid(x) from `a`, the tanh of x/2."""
    return a * 0.5 + 0.5


# The loops proper. Each is a plain function for inference, and a pair for the gradient. All take
# projected inputs (time, batch, gates) and return hidden states (time, batch, units), or None
# without `sequences`, before the last states. Masks are (time, batch, 1), or None.


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _simple_rnn(projected, recurrent, h, masks, sequences):
    hidden, (h,) = _plain(
        lambda x, states: (jnp.tanh(x + states[0] @ recurrent),),
        projected, (h,), masks, sequences,
    )  # fmt: skip
    return hidden, h


def _simple_rnn_forward(projected, recurrent, start, masks, sequences):
    def step(t, loop):
        h, hidden = loop
        new = jnp.tanh(_at(hidden, t) + h @ recurrent)
        h = new if masks is None else jnp.where(_at(masks, t), new, h)
        return h, _put(hidden, h, t)

    h, hidden = lax.fori_loop(0, projected.shape[0], step, (start, projected))
    return (hidden if sequences else None, h), (recurrent, start, masks, hidden)


def _simple_rnn_backward(sequences, saved, cotangents):
    recurrent, start, masks, hidden = saved
    d_hidden, d_h = cotangents
    steps = hidden.shape[0]
    slopes = _tanh_slope(hidden)
    if masks is not None:
        slopes = jnp.where(masks, slopes, 0)
    transposed = recurrent.T

    def step(k, loop):
        d_h, d_z = loop
        t = steps - 1 - k
        if sequences:
            d_h = d_h + _at(d_hidden, t)
        now = d_h * _at(d_z, t)
        passed = 0 if masks is None else jnp.where(_at(masks, t), 0, d_h)
        return now @ transposed + passed, _put(d_z, now, t)

    d_h, d_z = lax.fori_loop(0, steps, step, (d_h, slopes))
    return d_z, _contract(_shifted(start, hidden), d_z), d_h, None


_simple_rnn.defvjp(_simple_rnn_forward, _simple_rnn_backward)


def _lstm_cell(a, c):
    """Return the new states from the gates' tanh, `(batch, 4 * units)`, and the cell state."""
    i, f, g, o = jnp.split(a, 4, axis=-1)
    c = _sigmoid(f) * c + _sigmoid(i) * g
    return _sigmoid(o) * jnp.tanh(c), c


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _lstm(projected, recurrent, h, c, masks, sequences):
    hidden, (h, c) = _plain(
        lambda x, states: _lstm_cell(jnp.tanh(x + states[0] @ recurrent), states[1]),
        projected, (h, c), masks, sequences,
    )  # fmt: skip
    return hidden, h, c


def _lstm_forward(projected, recurrent, h0, c0, masks, sequences):
    steps, units = projected.shape[0], recurrent.shape[0]

    # `a`: the projected inputs, step by step replaced by the gates' tanh. `cells`: before and after
    # each step. With a mask `hidden` is stored too; without, it follows from the two.
    def step(t, loop):
        h, a, cells, hidden = loop
        now = jnp.tanh(_at(a, t) + h @ recurrent)
        a = _put(a, now, t)
        i, f, g, o = jnp.split(now, 4, axis=-1)
        before = _at(cells, t)
        c = _sigmoid(f) * before + _sigmoid(i) * g
        if masks is not None:
            c = jnp.where(_at(masks, t), c, before)
        # Reading the cell state back from where it is stored saves an operation.
        cells = lax.optimization_barrier(_put(cells, c, t + 1))
        new = _sigmoid(o) * jnp.tanh(_at(cells, t + 1))
        if masks is not None:
            h = jnp.where(_at(masks, t), new, h)
            return h, a, cells, _put(hidden, h, t)
        return new, a, cells, None

    room = jnp.zeros((steps, *c0.shape), c0.dtype)
    cells = jnp.concatenate([c0[None], room])
    loop = (h0, projected, cells, None if masks is None else room)
    h, a, cells, hidden = lax.fori_loop(0, steps, step, loop)
    tanh_c = jnp.tanh(cells[1:])
    if hidden is None:
        hidden = _sigmoid(a[..., 3 * units :]) * tanh_c
    saved = (recurrent, h0, masks, a, cells, tanh_c, hidden)
    return (hidden if sequences else None, h, cells[-1]), saved


def _lstm_backward(sequences, saved, cotangents):
    recurrent, h0, masks, a, cells, tanh_c, hidden = saved
    d_hidden, d_h, d_c = cotangents
    steps = a.shape[0]
    ai, af, g, ao = jnp.split(a, 4, axis=-1)
    i, f, o = _sigmoid(ai), _sigmoid(af), _sigmoid(ao)
    # The gradient's loop is linear: factors of dc in the first three gates, of dh in the last.
    factors = jnp.concatenate(
        [
            g * _tanh_slope(ai) * 0.5,
            cells[:-1] * _tanh_slope(af) * 0.5,
            i * _tanh_slope(g),
            tanh_c * _tanh_slope(ao) * 0.5,
        ],
        axis=-1,
    )
    through = o * _tanh_slope(tanh_c)  # from dh to dc
    if masks is not None:
        factors, through = jnp.where(masks, factors, 0), jnp.where(masks, through, 0)
        f = jnp.where(masks, f, 1)
    transposed = recurrent.T

    def step(k, loop):
        d_h, d_c, d_z = loop
        t = steps - 1 - k
        if sequences:
            d_h = d_h + _at(d_hidden, t)
        d_c = d_c + d_h * _at(through, t)
        now = jnp.concatenate([d_c, d_c, d_c, d_h], axis=-1) * _at(d_z, t)
        passed = 0 if masks is None else jnp.where(_at(masks, t), 0, d_h)
        return now @ transposed + passed, d_c * _at(f, t), _put(d_z, now, t)

    d_h, d_c, d_z = lax.fori_loop(0, steps, step, (d_h, d_c, factors))
    return d_z, _contract(_shifted(h0, hidden), d_z), d_h, d_c, None


_lstm.defvjp(_lstm_forward, _lstm_backward)


def _gru_gates(x, h, recurrent, inner):
    """Return the tanh of both gates, the candidate, and its recurrent part."""
    units = recurrent.shape[0]
    q = h @ recurrent
    a = lax.optimization_barrier(jnp.tanh(x[:, : 2 * units] + q[:, : 2 * units]))
    q = q[:, 2 * units :] + inner
    return a, jnp.tanh(x[:, 2 * units :] + _sigmoid(a[:, units:]) * q), q


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _gru(projected, recurrent, inner, h, masks, sequences):
    def step(x, states):
        (h,) = states
        a, candidate, _ = _gru_gates(x, h, recurrent, inner)
        return (candidate + _sigmoid(a[:, : h.shape[1]]) * (h - candidate),)

    hidden, (h,) = _plain(step, projected, (h,), masks, sequences)
    return hidden, h


def _gru_forward(projected, recurrent, inner, start, masks, sequences):
    steps, units = projected.shape[0], recurrent.shape[0]

    # `a`: the projected inputs, replaced by the gates' tanh and the candidate.
    def step(t, loop):
        h, a, inners, hidden = loop
        gates, candidate, q = _gru_gates(_at(a, t), h, recurrent, inner)
        a = _put(a, jnp.concatenate([gates, candidate], axis=-1), t)
        new = candidate + _sigmoid(gates[:, :units]) * (h - candidate)
        h = new if masks is None else jnp.where(_at(masks, t), new, h)
        return h, a, _put(inners, q, t), _put(hidden, h, t)

    room = jnp.zeros((steps, *start.shape), start.dtype)
    h, a, inners, hidden = lax.fori_loop(0, steps, step, (start, projected, room, room))
    saved = (recurrent, start, masks, a, inners, hidden)
    return (hidden if sequences else None, h), saved


def _gru_backward(sequences, saved, cotangents):
    recurrent, start, masks, a, inners, hidden = saved
    d_hidden, d_h = cotangents
    steps, units = a.shape[0], recurrent.shape[0]
    before = _shifted(start, hidden)
    az, ar, candidate = jnp.split(a, 3, axis=-1)
    z = _sigmoid(az)
    # Factors of dh: in update gate and reset gate, and in the candidate's sum.
    to_candidate = (1 - z) * _tanh_slope(candidate)
    to_gates = [
        (before - candidate) * _tanh_slope(az) * 0.5,
        to_candidate * inners * _tanh_slope(ar) * 0.5,
    ]
    factors = jnp.concatenate([*to_gates, to_candidate * _sigmoid(ar)], axis=-1)
    if masks is not None:
        factors, to_candidate = jnp.where(masks, factors, 0), jnp.where(masks, to_candidate, 0)
        z = jnp.where(masks, z, 1)
    transposed = recurrent.T

    def step(k, loop):
        d_h, all_d_h = loop
        t = steps - 1 - k
        if sequences:
            d_h = lax.optimization_barrier(d_h + _at(all_d_h, t))
        d_q = jnp.tile(d_h, 3) * _at(factors, t)
        return d_q @ transposed + d_h * _at(z, t), _put(all_d_h, d_h, t)

    loop = (d_h, d_hidden if sequences else jnp.zeros_like(hidden))
    d_h, all_d_h = lax.fori_loop(0, steps, step, loop)
    d_q = jnp.tile(all_d_h, 3) * factors
    d_projected = jnp.concatenate([d_q[..., : 2 * units], all_d_h * to_candidate], axis=-1)
    d_inner = d_q[..., 2 * units :].sum((0, 1))
    return d_projected, _contract(before, d_q), d_inner, d_h, None


_gru.defvjp(_gru_forward, _gru_backward)
