"""Recurrent networks: a general loop over time, and fast ones for the three usual cells.

Inputs meet their kernel in one product for all time steps, before the loop. With the usual
activations the loops of `recurrent_loops.py` follow, on a CPU: forward and backward they take half
of the time of differentiating a plain `lax.scan`.

Arrays are batch-major, `(batch, time, ...)`, outside and time-major inside.
"""

import functools
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from kerata.kernels import recurrent_loops as loops
from kerata.kernels.gradients import unless_differentiated
from kerata.kernels.platform import platform

Activation = Callable[[jax.Array], jax.Array]


def _compiled(function):
    """Decide on `fast`, and compile: loops in eager calls would be compiled anew each time.

    A function is part of the program only if it is one of the usual activations: others might
    read Variables, which a compiled program would not see change.
    """
    names = [
        p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    compiled = jax.jit(function, static_argnames=names)

    @functools.wraps(function)
    def wrapped(*args, **options):
        usual = not (options.get("activation") or options.get("recurrent_activation"))
        fast = options.pop("fast", None)
        fast = usual and (platform() == "cpu" if fast is None else fast)
        if fast:  # the gradients by hand are for one dtype, and for some steps
            dtype = jnp.result_type(*args[:2])
            args = (*(None if a is None else jnp.asarray(a, dtype) for a in args[:4]), *args[4:])
            fast = args[0].shape[1] > 0
        return (compiled if usual else function)(*args, fast=fast, **options)

    return wrapped


def scan(
    step: Callable[[Any, Any, Any], tuple[Any, Any, Any]],
    inputs: Any,
    states: Any,
    mask: jax.Array | None = None,
    shared: Any = None,
    *,
    sequences: bool = True,
    go_backwards: bool = False,
    unroll: bool = False,
    zero_masked: bool = False,
    before: Any = None,
) -> tuple[Any, Any, Any]:
    """Run `step` over the time axis of `inputs`.

    Args:
        step: takes inputs `(batch, ...)`, states and `shared`; returns outputs `(batch, ...)` and
            new values of both.
        inputs: arrays `(batch, time, ...)` in any structure.
        states: arrays `(batch, ...)` in any structure; new states keep their dtypes.
        mask: `(batch, time)`, False where states are to stay as they are.
        shared: what all samples share and every step may change: a random state, for example.
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        unroll: whether to trace `step` once for each time step and not loop.
        zero_masked: whether outputs are zero where `mask` is False, not the one before.
        before: what is repeated where there is no output before; zeros if None.

    Returns:
        Outputs `(batch, time, ...)`, or `(batch, ...)` without `sequences`; the last states; and
        the last `shared`.
    """
    inputs = jax.tree.map(lambda x: _time_major(x, go_backwards), inputs)
    masks = None if mask is None else _time_major(mask, go_backwards).astype(bool)
    first, length = jax.tree.map(lambda x: x[0], inputs), len(jax.tree.leaves(inputs)[0])
    if before is None or zero_masked:
        spec = jax.eval_shape(step, first, states, shared)[0]
        before = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), spec)
    repeats = masks is not None and not zero_masked

    def body(carry, now):
        (states, last, shared), (x, valid) = carry, now
        outputs, new, shared = step(x, states, shared)
        new = jax.tree.map(lambda n, s: n.astype(s.dtype), new, states)
        if valid is not None:
            new = jax.tree.map(partial(_where, valid), new, states)
            outputs = jax.tree.map(partial(_where, valid), outputs, last if repeats else before)
        last = outputs if repeats or not sequences else None
        return (new, last, shared), outputs if sequences else None

    carry = (states, before if repeats or not sequences else None, shared)
    (states, last, shared), outputs = lax.scan(
        body, carry, (inputs, masks), unroll=length if unroll else 1
    )
    if sequences:
        last = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), outputs)
    return last, states, shared


@_compiled
def simple_rnn(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    initial_state: jax.Array | None = None,
    drop: jax.Array | None = None,
    *,
    activation: Activation | None = None,
    sequences: bool = True,
    go_backwards: bool = False,
    zero_masked: bool = False,
    fast: bool | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Run a fully connected recurrent network, `h = activation(x @ kernel + h @ recurrent + bias)`.

    Args:
        inputs: `(batch, time, features)`.
        kernel: `(features, units)`.
        recurrent_kernel: `(units, units)`.
        bias: `(units,)`, or None for no bias.
        mask: `(batch, time)`, False at the steps to leave out.
        initial_state: `(batch, units)`; None for zeros.
        drop: `(batch, units)`, factors of the hidden state where it meets its kernel, for dropout.
        activation: None for tanh.
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        zero_masked: whether outputs are zero where `mask` is False, and not those before.
        fast: whether to take the fast loop, if it has the activations; None: on a CPU.

    Returns:
        Outputs, `(batch, time, units)` or `(batch, units)`; and the last state.
    """
    projected, masks = _project(inputs, kernel, bias, mask, go_backwards)
    (h,) = _start(projected, recurrent_kernel, initial_state)
    if fast:
        hidden, h = loops.simple_rnn(projected, recurrent_kernel, h, masks, drop, sequences)
    else:

        def step(x, states):
            h = loops.met(states[0], drop)
            return (simple_rnn_step(x, h, recurrent_kernel, activation),)

        hidden, (h,) = loops.plain(step, projected, (h,), masks, sequences)
    return _outputs(hidden, h, masks, sequences, zero_masked), h


@_compiled
def lstm(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    initial_state: tuple[jax.Array, jax.Array] | None = None,
    drop: jax.Array | None = None,
    *,
    activation: Activation | None = None,
    recurrent_activation: Activation | None = None,
    sequences: bool = True,
    go_backwards: bool = False,
    zero_masked: bool = False,
    fast: bool | None = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Run a long short-term memory (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    Args:
        inputs: `(batch, time, features)`.
        kernel: `(features, 4 * units)`, for the gates input, forget, cell, output in this order.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`, or None for no bias.
        mask: `(batch, time)`, False at the steps to leave out.
        initial_state: two arrays `(batch, units)`: hidden and cell state; None for zeros.
        drop: `(batch, units)`, factors of the hidden state where it meets its kernel, for dropout.
        activation: None for tanh.
        recurrent_activation: None for sigmoid.
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        zero_masked: whether outputs are zero where `mask` is False, and not those before.
        fast: whether to take the fast loop, if it has the activations; None: on a CPU.

    Returns:
        Outputs, `(batch, time, units)` or `(batch, units)`; and the last hidden and cell states.
    """
    if fast:
        scale = loops.halve(recurrent_kernel, (True, True, False, True))
        kernel, recurrent_kernel = kernel * scale, recurrent_kernel * scale
        bias = None if bias is None else bias * scale

    def run(inputs, kernel, recurrent_kernel, bias, initial_state):
        projected, masks = _project(inputs, kernel, bias, mask, go_backwards)
        h, c = _start(projected, recurrent_kernel, *(initial_state or (None, None)))
        if fast:
            hidden, h, c = loops.lstm(projected, recurrent_kernel, h, c, masks, drop, sequences)
        else:

            def step(x, states):
                options = (recurrent_kernel, activation, recurrent_activation)
                return lstm_step(x, loops.met(states[0], drop), states[1], *options)

            hidden, (h, c) = loops.plain(step, projected, (h, c), masks, sequences)
        return _outputs(hidden, h, masks, sequences, zero_masked), h, c

    def run_narrow(inputs, kernel, recurrent_kernel, bias, initial_state):
        inputs = jnp.flip(inputs, 1) if go_backwards else inputs
        hidden, h, c = loops.narrow_lstm(
            inputs, kernel, recurrent_kernel, bias, initial_state, sequences
        )
        return hidden if sequences else h, h, c

    size = sum(kernel.shape)
    if not fast or mask is not None or drop is not None or size > loops.NARROW:
        chosen = run
    elif size <= loops.NARROW_WITH_GRADIENT and len(inputs) >= loops.MANY_SAMPLES:
        chosen = run_narrow
    else:
        chosen = unless_differentiated(run_narrow, run)
    return chosen(inputs, kernel, recurrent_kernel, bias, initial_state)


@_compiled
def gru(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    initial_state: jax.Array | None = None,
    drop: jax.Array | None = None,
    *,
    activation: Activation | None = None,
    recurrent_activation: Activation | None = None,
    reset_after: bool = True,
    sequences: bool = True,
    go_backwards: bool = False,
    zero_masked: bool = False,
    fast: bool | None = None,
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
        drop: `(batch, units)`, factors of the hidden state where it meets its kernel, for dropout.
        activation: None for tanh.
        recurrent_activation: None for sigmoid.
        reset_after: whether the reset gate multiplies the hidden state after its product with
            the recurrent kernel (as cuDNN has it), not before (as the paper has it).
        sequences: whether to return the outputs of all time steps, not only the last.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        zero_masked: whether outputs are zero where `mask` is False, and not those before.
        fast: whether to take the fast loop, if it has the activations; None: on a CPU.

    Returns:
        Outputs, `(batch, time, units)` or `(batch, units)`; and the last state.
    """
    units = recurrent_kernel.shape[0]
    inner = None
    if reset_after and bias is not None:
        bias, inner = gru_biases(bias)
    fast = fast and reset_after
    if fast:
        scale = loops.halve(recurrent_kernel, (True, True, False))
        kernel, recurrent_kernel = kernel * scale, recurrent_kernel * scale
        bias = None if bias is None else bias * scale
    projected, masks = _project(inputs, kernel, bias, mask, go_backwards)
    (h,) = _start(projected, recurrent_kernel, initial_state)
    if fast:
        inner = jnp.zeros(units, projected.dtype) if inner is None else inner
        hidden, h = loops.gru(projected, recurrent_kernel, inner, h, masks, drop, sequences)
    else:

        def step(x, states):
            (h,) = states
            options = (inner, reset_after, activation, recurrent_activation)
            return (gru_step(x, h, loops.met(h, drop), recurrent_kernel, *options),)

        hidden, (h,) = loops.plain(step, projected, (h,), masks, sequences)
    return _outputs(hidden, h, masks, sequences, zero_masked), h


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


def gru_biases(bias):
    """Return the biases, `(2, 3 * units)`, as one of the inputs, and the candidate's inner one.

    Both biases of the gates meet the same sum; only the candidate's second one does not.
    """
    gates = bias.shape[1] // 3 * 2
    return bias[0].at[:gates].add(bias[1, :gates]), bias[1, gates:]


def gru_step(
    x, h, met, recurrent_kernel, inner_bias=None, reset_after=True,
    activation=None, recurrent_activation=None,
):  # fmt: skip
    """Return the new state of a GRU.

    `met` is the hidden state as the recurrent kernel meets it: `h`, or what dropout leaves of it.
    `inner_bias`, `(units,)`, counts with `reset_after` only.
    """
    act, gate = activation or jnp.tanh, recurrent_activation or jax.nn.sigmoid
    gates = 2 * h.shape[-1]
    q = met @ (recurrent_kernel if reset_after else recurrent_kernel[:, :gates])
    z, r = jnp.split(gate(lax.optimization_barrier(x[:, :gates] + q[:, :gates])), 2, axis=-1)
    if reset_after:
        q = q[:, gates:] if inner_bias is None else q[:, gates:] + inner_bias
        q = r * q
    else:
        q = (r * met) @ recurrent_kernel[:, gates:]
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
    return d_y @ kernel.T, loops.contract(x, d_y)


_product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _product_backward)


def _start(projected, recurrent_kernel, *states):
    shape = (projected.shape[1], recurrent_kernel.shape[0])
    return tuple(
        jnp.zeros(shape, projected.dtype) if s is None else jnp.asarray(s, projected.dtype)
        for s in states
    )


def _outputs(hidden, last, masks, sequences, zero_masked):
    """Return hidden states as outputs: batch-major, and zero where wanted."""
    if zero_masked and masks is not None:
        last = jnp.where(masks[-1], last, 0)
        hidden = jnp.where(masks, hidden, 0) if sequences else None
    return jnp.swapaxes(hidden, 0, 1) if sequences else last
