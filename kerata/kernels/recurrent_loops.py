"""Fast loops of the three usual recurrent cells: for inference, and with gradients by hand.

A step of a small recurrent network costs what its few operations cost to start, so little is left
in the loops. Sigmoid is written with tanh, so that all gates of an LSTM are one operation (kernels
come scaled by `halve`). What the gradient needs overwrites the projected inputs. The gradient's
loop is linear: its factors are computed for all time steps at once before it, and the recurrent
kernel's gradient in one product after it.

All loops take projected inputs `(time, batch, gates)`, the recurrent kernel, the first states
`(batch, units)`, masks `(time, batch, 1)` or None, factors `(batch, units)` of the hidden state
where it meets the recurrent kernel or None, and whether all hidden states are wanted. They return
the hidden states `(time, batch, units)`, or None, and the last states.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def halve(recurrent_kernel, gates):
    """Return what to scale each gate's kernel by: sigmoid(x) is 1/2 + 1/2 tanh(x/2)."""
    halves = np.where(gates, 0.5, 1.0).repeat(recurrent_kernel.shape[0])
    return jnp.asarray(halves, recurrent_kernel.dtype)


def plain(step, projected, states, masks, sequences):
    """Scan `step(x, states) -> new states`; return hidden states (if `sequences`), last states."""

    def body(states, now):
        x, valid = now
        new = step(x, states)
        if valid is not None:
            new = tuple(jnp.where(valid, n, s) for n, s in zip(new, states, strict=True))
        return new, new[0] if sequences else None

    states, hidden = lax.scan(body, states, (projected, masks))
    return hidden, states


def met(h, drop):
    """Return the hidden state as the recurrent kernel meets it (and the gradient there)."""
    return h if drop is None else h * drop


def contract(a, b):
    """Return the sum over time and batch of the outer products of `a` and `b`."""
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


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


def _tanh_slope(a):
    return 1 - a * a


def _sigmoid(a):
    """Return sigmoid(x) from `a`, the tanh of x/2."""
    return a * 0.5 + 0.5


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def simple_rnn(projected, recurrent, h, masks, drop, sequences):
    """Run a simple recurrent network with tanh."""
    hidden, (h,) = plain(
        lambda x, states: (jnp.tanh(x + met(states[0], drop) @ recurrent),),
        projected, (h,), masks, sequences,
    )  # fmt: skip
    return hidden, h


def _simple_rnn_forward(projected, recurrent, start, masks, drop, sequences):
    def step(t, loop):
        h, hidden = loop
        new = jnp.tanh(_at(hidden, t) + met(h, drop) @ recurrent)
        h = new if masks is None else jnp.where(_at(masks, t), new, h)
        return h, _put(hidden, h, t)

    h, hidden = lax.fori_loop(0, projected.shape[0], step, (start, projected))
    return (hidden if sequences else None, h), (recurrent, start, masks, drop, hidden)


def _simple_rnn_backward(sequences, saved, cotangents):
    recurrent, start, masks, drop, hidden = saved
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
        return met(now @ transposed, drop) + passed, _put(d_z, now, t)

    d_h, d_z = lax.fori_loop(0, steps, step, (d_h, slopes))
    d_recurrent = contract(met(_shifted(start, hidden), drop), d_z)
    return d_z, d_recurrent, d_h, None, None


simple_rnn.defvjp(_simple_rnn_forward, _simple_rnn_backward)


def _lstm_cell(a, c, axis=-1):
    """Return the new states from the gates' tanh, `(batch, 4 * units)`, and the cell state."""
    i, f, g, o = jnp.split(a, 4, axis)
    c = _sigmoid(f) * c + _sigmoid(i) * g
    return _sigmoid(o) * jnp.tanh(c), c


@partial(jax.custom_vjp, nondiff_argnums=(6,))
def lstm(projected, recurrent, h, c, masks, drop, sequences):
    """Run an LSTM; the kernels of input, forget and output gate are halved."""
    hidden, (h, c) = plain(
        lambda x, states: _lstm_cell(jnp.tanh(x + met(states[0], drop) @ recurrent), states[1]),
        projected, (h, c), masks, sequences,
    )  # fmt: skip
    return hidden, h, c


def _lstm_forward(projected, recurrent, h0, c0, masks, drop, sequences):
    steps, units = projected.shape[0], recurrent.shape[0]

    # `a`: the projected inputs, step by step replaced by the gates' tanh. `cells`: before and after
    # each step. With a mask `hidden` is stored too; without, it follows from the two.
    def step(t, loop):
        h, a, cells, hidden = loop
        now = jnp.tanh(_at(a, t) + met(h, drop) @ recurrent)
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
    saved = (recurrent, h0, masks, drop, a, cells, tanh_c, hidden)
    return (hidden if sequences else None, h, cells[-1]), saved


def _lstm_factors(a, cells, tanh_c, axis=-1):
    """Return what the gradient's loop, which is linear, multiplies by.

    Those are: from dh to dc, from dc to the one before, and of dc in the first three gates, of dh
    in the last.
    """
    ai, af, g, ao = jnp.split(a, 4, axis)
    i, f, o = _sigmoid(ai), _sigmoid(af), _sigmoid(ao)
    factors = [
        g * _tanh_slope(ai) * 0.5,
        cells[:-1] * _tanh_slope(af) * 0.5,
        i * _tanh_slope(g),
        tanh_c * _tanh_slope(ao) * 0.5,
    ]
    return o * _tanh_slope(tanh_c), f, jnp.concatenate(factors, axis)


def _lstm_back(to_hidden, factors, cotangents, masks=None, axis=-1):
    """Run the gradient's loop.

    Args:
        to_hidden: takes the cotangent of a step's gates to that of its hidden state.
        factors: what `_lstm_factors` returned.
        cotangents: of all hidden states (or None), of the last, and of the last cell state.
        masks: see above.
        axis: that of the gates in a step.

    Returns:
        Cotangents of the first hidden and cell state, and of the gates of all steps.
    """
    through, f, factors = factors
    d_hidden, d_h, d_c = cotangents
    steps = len(factors)

    def step(k, loop):
        d_h, d_c, d_z = loop
        t = steps - 1 - k
        if d_hidden is not None:
            d_h = d_h + _at(d_hidden, t)
        d_c = d_c + d_h * _at(through, t)
        now = jnp.concatenate([d_c, d_c, d_c, d_h], axis) * _at(d_z, t)
        before = to_hidden(now)
        if masks is not None:
            before = before + jnp.where(_at(masks, t), 0, d_h)
        return before, d_c * _at(f, t), _put(d_z, now, t)

    return lax.fori_loop(0, steps, step, (d_h, d_c, factors))


def _lstm_backward(sequences, saved, cotangents):
    recurrent, h0, masks, drop, a, cells, tanh_c, hidden = saved
    through, f, factors = _lstm_factors(a, cells, tanh_c)
    if masks is not None:
        factors, through = jnp.where(masks, factors, 0), jnp.where(masks, through, 0)
        f = jnp.where(masks, f, 1)
    transposed = recurrent.T
    d_h, d_c, d_z = _lstm_back(
        lambda now: met(now @ transposed, drop), (through, f, factors), cotangents, masks
    )
    d_recurrent = contract(met(_shifted(h0, hidden), drop), d_z)
    return d_z, d_recurrent, d_h, d_c, None, None


lstm.defvjp(_lstm_forward, _lstm_backward)


# Up to so many features and gates together, one narrow product a step is the faster way,
NARROW = 128
# and so it is with its gradient, from so many samples on.
NARROW_WITH_GRADIENT, MANY_SAMPLES = 90, 32


def narrow_lstm(inputs, kernel, recurrent, bias, states, sequences):
    """Run an LSTM of few units.

    Inputs, ones (for the bias) and hidden state meet their kernels in one product a step. Batch
    comes last inside: the gates then are rows, which are cut without a copy.

    Args:
        inputs: `(batch, time, features)`.
        kernel: `(features, 4 * units)`; of three gates halved, as `recurrent` and `bias`.
        recurrent: `(units, 4 * units)`.
        bias: `(4 * units,)` or None.
        states: hidden and cell state, `(batch, units)`, or None for zeros.
        sequences: whether all hidden states are wanted.

    Returns:
        Hidden states `(batch, time, units)` or None, and the last hidden and cell state.
    """
    (batch, _, _), units = inputs.shape, recurrent.shape[0]
    x = jnp.moveaxis(inputs.astype(jnp.result_type(inputs, kernel)), 0, 2)
    parts = [kernel, recurrent]
    if bias is not None:
        x = jnp.concatenate([x, jnp.ones((len(x), 1, batch), x.dtype)], axis=1)
        parts.insert(1, bias[None])
    start = jnp.zeros((units, batch), x.dtype)
    h, c = (start, start) if states is None else (jnp.asarray(s, x.dtype).T for s in states)
    hidden, h, c = _narrow_lstm(x, jnp.concatenate(parts).T, h, c, sequences)
    return jnp.moveaxis(hidden, 2, 0) if sequences else None, h.T, c.T


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _narrow_lstm(x, kernels, h, c, sequences):
    """Run it on `x`, `(time, inputs, batch)`, with `kernels`, `(gates, inputs + units)`."""

    def step(states, x):
        gates = lax.optimization_barrier(kernels @ jnp.concatenate([x, states[0]]))
        new = _lstm_cell(jnp.tanh(gates), states[1], axis=0)
        return new, new[0] if sequences else None

    (h, c), hidden = lax.scan(step, (h, c), x)
    return hidden, h, c


def _narrow_lstm_forward(x, kernels, h, c, sequences):
    (steps, width, batch), units = x.shape, len(h)
    # What meets the kernels in each step: the inputs, and the hidden state of the step before.
    x, h = (jnp.pad(a, ((0, n), (0, 0), (0, 0))) for a, n in ((x, 1), (h[None], steps)))
    rows = jnp.concatenate([x, h], axis=1)

    def step(t, loop):
        rows, a, cells = loop
        now = jnp.tanh(lax.optimization_barrier(kernels @ _at(rows, t)))
        i, f, g, _ = jnp.split(now, 4)
        # Reading the cell state back from where it is stored saves an operation.
        cells = _put(cells, _sigmoid(f) * _at(cells, t) + _sigmoid(i) * g, t + 1)
        cells = lax.optimization_barrier(cells)
        h = _sigmoid(now[3 * units :]) * jnp.tanh(_at(cells, t + 1))
        rows = lax.dynamic_update_slice(
            rows, h[None], (t + 1, width, 0), allow_negative_indices=False
        )
        return rows, _put(a, now, t), cells

    cells = jnp.concatenate([c[None], jnp.zeros((steps, units, batch), x.dtype)])
    a = jnp.zeros((steps, 4 * units, batch), x.dtype)
    rows, a, cells = lax.fori_loop(0, steps, step, (rows, a, cells))
    hidden = rows[1:, width:]
    saved = (rows[:-1], kernels, a, cells)
    return (hidden if sequences else None, hidden[-1], cells[-1]), saved


def _narrow_lstm_backward(sequences, saved, cotangents):
    rows, kernels, a, cells = saved
    steps, units = len(a), cells.shape[1]
    factors = _lstm_factors(a, cells, jnp.tanh(cells[1:]), axis=1)
    to_inputs, to_hidden = jnp.split(kernels.T, [kernels.shape[1] - units])
    d_h, d_c, d_z = _lstm_back(lambda now: to_hidden @ now, factors, cotangents, axis=0)
    # Step by step: in one product, both factors would be transposed first.
    d_kernels = jnp.einsum("tgb,tkb->tgk", d_z, rows).sum(0)
    d_x = jnp.einsum("tkg,tgb->tkb", jnp.broadcast_to(to_inputs, (steps, *to_inputs.shape)), d_z)
    return d_x, d_kernels, d_h, d_c


_narrow_lstm.defvjp(_narrow_lstm_forward, _narrow_lstm_backward)


def _gru_gates(x, h, recurrent, inner):
    """Return the tanh of both gates, the candidate, and its recurrent part."""
    units = recurrent.shape[0]
    q = h @ recurrent
    a = lax.optimization_barrier(jnp.tanh(x[:, : 2 * units] + q[:, : 2 * units]))
    q = q[:, 2 * units :] + inner
    return a, jnp.tanh(x[:, 2 * units :] + _sigmoid(a[:, units:]) * q), q


@partial(jax.custom_vjp, nondiff_argnums=(6,))
def gru(projected, recurrent, inner, h, masks, drop, sequences):
    """Run a GRU that resets after the product; kernels of its gates are halved.

    `inner`, `(units,)`, is the bias that the reset gate multiplies.
    """

    def step(x, states):
        (h,) = states
        a, candidate, _ = _gru_gates(x, met(h, drop), recurrent, inner)
        return (candidate + _sigmoid(a[:, : h.shape[1]]) * (h - candidate),)

    hidden, (h,) = plain(step, projected, (h,), masks, sequences)
    return hidden, h


def _gru_forward(projected, recurrent, inner, start, masks, drop, sequences):
    steps, units = projected.shape[0], recurrent.shape[0]

    # `a`: the projected inputs, replaced by the gates' tanh and the candidate.
    def step(t, loop):
        h, a, inners, hidden = loop
        gates, candidate, q = _gru_gates(_at(a, t), met(h, drop), recurrent, inner)
        a = _put(a, jnp.concatenate([gates, candidate], axis=-1), t)
        new = candidate + _sigmoid(gates[:, :units]) * (h - candidate)
        h = new if masks is None else jnp.where(_at(masks, t), new, h)
        return h, a, _put(inners, q, t), _put(hidden, h, t)

    room = jnp.zeros((steps, *start.shape), start.dtype)
    h, a, inners, hidden = lax.fori_loop(0, steps, step, (start, projected, room, room))
    saved = (recurrent, start, masks, drop, a, inners, hidden)
    return (hidden if sequences else None, h), saved


def _gru_backward(sequences, saved, cotangents):
    recurrent, start, masks, drop, a, inners, hidden = saved
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
        return met(d_q @ transposed, drop) + d_h * _at(z, t), _put(all_d_h, d_h, t)

    loop = (d_h, d_hidden if sequences else jnp.zeros_like(hidden))
    d_h, all_d_h = lax.fori_loop(0, steps, step, loop)
    d_q = jnp.tile(all_d_h, 3) * factors
    d_projected = jnp.concatenate([d_q[..., : 2 * units], all_d_h * to_candidate], axis=-1)
    d_inner = d_q[..., 2 * units :].sum((0, 1))
    d_recurrent = contract(met(before, drop), d_q)
    return d_projected, d_recurrent, d_inner, d_h, None, None


gru.defvjp(_gru_forward, _gru_backward)
