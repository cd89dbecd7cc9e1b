"""What recurrent layers do at one time step: cells."""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp

from kerata import activations, initializers
from kerata.engine import tree
from kerata.engine.errors import argument_error, positive_int, probability
from kerata.engine.rng import SeedGenerator, draw_seed
from kerata.kernels import dropout_mask, recurrence
from kerata.layers.arguments import keep_rules, known_dim
from kerata.layers.layer import Layer

# Seeds drawn for a whole sequence: (id of the cell, "inputs" or "state") -> seed.
_held: contextvars.ContextVar[Mapping] = contextvars.ContextVar(
    "held", default=MappingProxyType({})
)


class DropoutCell(Layer):
    """Base of cells that drop parts of their inputs and of their state in training.

    A cell that is called by itself drops others at each call; a layer that runs it over a sequence
    drops the same at all time steps (Gal and Ghahramani, 2016).
    """

    def _keep_dropout(self, dropout, recurrent_dropout, seed):
        self.dropout = probability("dropout", dropout, self)
        self.recurrent_dropout = probability("recurrent_dropout", recurrent_dropout, self)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)

    def drop_factors(self, what: str, like: jax.Array, training) -> jax.Array | None:
        """Return what to multiply inputs or state by, or None where nothing is dropped.

        Args:
            what: "inputs" or "state".
            like: array of the shape and dtype of the factors.
            training: whether it is training.
        """
        rate = self.dropout if what == "inputs" else self.recurrent_dropout
        if not training or not rate:
            return None
        seed = _held.get().get((id(self), what))
        seed = draw_seed(self.seed_generator) if seed is None else seed
        scale = 1 / (1 - rate) if rate < 1 else 0
        return jnp.where(dropout_mask(seed, rate, like.shape), scale, 0).astype(like.dtype)


@contextlib.contextmanager
def dropping_alike(cell) -> Iterator[None]:
    """Make `cell`, and cells in it, drop the same each time they are called in the block."""
    held = {}
    if isinstance(cell, Layer):
        for found in cell._flatten_layers():
            if isinstance(found, DropoutCell):
                for what, rate in (("inputs", found.dropout), ("state", found.recurrent_dropout)):
                    if rate:
                        held[id(found), what] = draw_seed(found.seed_generator)
    token = _held.set({**_held.get(), **held})
    try:
        yield
    finally:
        _held.reset(token)


class _UsualCell(DropoutCell):
    """What the three usual cells have in common: three weights, `gates` times as wide as `units`.

    Subclasses keep their arguments with `_keep_arguments`, and write `step`.
    """

    gates = 1
    states = 1

    def _keep_arguments(self, arguments: dict) -> None:
        self.units = positive_int("units", arguments["units"], self)
        for name in ("activation", "recurrent_activation"):
            if name in arguments:
                setattr(self, name, activations.get(arguments[name]))
        self.use_bias = arguments["use_bias"]
        keep_rules(self, arguments)
        self._keep_dropout(*(arguments[k] for k in ("dropout", "recurrent_dropout", "seed")))
        self.state_size = self.units if self.states == 1 else [self.units] * self.states
        self.output_size = self.units

    def build(self, input_shape):
        width = self.gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(known_dim(input_shape, -1, self), width)
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = self._add_bias(width) if self.use_bias else None

    def _add_bias(self, width):
        return self.add_weight(name="bias", shape=(width,))

    def usual(self, name: str):
        """Return the activation `name`, or None if it is the usual one."""
        usual = activations.tanh if name == "activation" else activations.sigmoid
        found = getattr(self, name)
        return None if found is usual else found

    def call(self, inputs, states, training=False):
        nested = tree.is_nested(states)
        h, *others = states if nested else [states]
        kept = self.drop_factors("inputs", inputs, training)
        inputs = inputs if kept is None else inputs * kept
        kept = self.drop_factors("state", h, training)
        new = self.step(inputs, h, h if kept is None else h * kept, *others)
        return new[0], list(new) if nested else new[0]

    def get_initial_state(self, batch_size=None):
        """Return states of zeros: a list of arrays `(batch_size, units)`."""
        return [jnp.zeros((batch_size, self.units), self.compute_dtype)] * self.states

    def run(self, inputs, states, mask, training, **options):
        """Run over `(batch, time, features)`; return outputs and the last states.

        Args:
            inputs: the sequences.
            states: the first states; None for zeros.
            mask: `(batch, time)` or None.
            training: whether it is training.
            **options: `sequences`, `go_backwards`, `zero_masked` of `kernels.recurrence`.
        """
        kept = self.drop_factors("inputs", inputs[:, :1], training)
        inputs = inputs if kept is None else inputs * kept
        state = jax.ShapeDtypeStruct((inputs.shape[0], self.units), inputs.dtype)
        drop = self.drop_factors("state", state, training)
        bias = None if self.bias is None else self.bias.value
        weights = (self.kernel.value, self.recurrent_kernel.value, bias)
        if states is not None and self.states == 1:
            (states,) = states
        options["activation"] = self.usual("activation")
        return self.loop(inputs, *weights, mask, states, drop, **options)


class SimpleRNNCell(_UsualCell):
    """One step of a fully connected recurrent network: `activation(x @ W + h @ R + b)`.

    Args:
        units: width of the state, which is also the output.
        activation: name of a function, or a function; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel `W`, `(features, units)`.
        recurrent_initializer: initial value of the recurrent kernel `R`, `(units, units)`.
        bias_initializer: initial value of the bias.
        kernel_regularizer: penalty on the kernel, added to the loss.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a feature is dropped, in training.
        recurrent_dropout: probability that a unit's state is dropped where it meets `R`.
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called with inputs `(batch, features)` and a list of one state `(batch, units)`, and
    returns the output and a list of the new state.

    Raises:
        ValueError: if `units` is not positive, or a probability not in [0, 1].

    Example:
        >>> cell = kerata.layers.SimpleRNNCell(4)
        >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape, len(states)
        ((2, 4), 1)
    """

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._keep_arguments(locals())

    def call(self, sequence, states, training=False):
        return super().call(sequence, states, training)

    def step(self, x, h, met):
        """Return the new states; `met` is what dropout leaves of `h`."""
        x = x @ self.kernel.value
        x = x if self.bias is None else x + self.bias.value
        options = (self.recurrent_kernel.value, self.activation)
        return (recurrence.simple_rnn_step(x, met, *options),)

    def loop(self, *args, **options):
        """Run over a whole sequence: see `run`."""
        outputs, h = recurrence.simple_rnn(*args, **options)
        return outputs, [h]


class LSTMCell(_UsualCell):
    """One step of a long short-term memory (Hochreiter and Schmidhuber, 1997).

    Args:
        units: width of the states; the first of them is also the output.
        activation: function of the candidate and of the cell state on its way out.
        recurrent_activation: function of the gates.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel, `(features, 4 * units)`, for input gate,
            forget gate, candidate and output gate in this order.
        recurrent_initializer: initial value of the recurrent kernel, `(units, 4 * units)`.
        bias_initializer: initial value of the bias, `(4 * units,)`.
        unit_forget_bias: whether the forget gate's bias is 1 at first (Jozefowicz et al., 2015).
        kernel_regularizer: penalty on the kernel, added to the loss.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a feature is dropped, in training.
        recurrent_dropout: probability that a unit's state is dropped where it meets its kernel.
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called with inputs `(batch, features)` and a list of two states `(batch, units)`, hidden
    and cell state, and returns the output and a list of the new states.

    Raises:
        ValueError: if `units` is not positive, or a probability not in [0, 1].

    Example:
        >>> cell = kerata.layers.LSTMCell(4)
        >>> output, (h, c) = cell(np.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape, h.shape, c.shape
        ((2, 4), (2, 4), (2, 4))
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.unit_forget_bias = unit_forget_bias
        self._keep_arguments(locals())

    def _add_bias(self, width):
        initializer = self.bias_initializer
        if self.unit_forget_bias:
            initializer = self._forgetting
        return self.add_weight(name="bias", shape=(width,), initializer=initializer)

    def _forgetting(self, shape, dtype=None):
        """Initialize the bias: the forget gate's with ones."""
        n = self.units
        first = self.bias_initializer((n,), dtype=dtype)
        rest = self.bias_initializer((2 * n,), dtype=dtype)
        return jnp.concatenate([first, initializers.Ones()((n,), dtype=dtype), rest])

    def step(self, x, h, met, c):
        """Return the new states; `met` is what dropout leaves of `h`."""
        x = x @ self.kernel.value
        x = x if self.bias is None else x + self.bias.value
        options = (self.recurrent_kernel.value, self.activation, self.recurrent_activation)
        return recurrence.lstm_step(x, met, c, *options)

    def loop(self, *args, **options):
        """Run over a whole sequence: see `run`."""
        options["recurrent_activation"] = self.usual("recurrent_activation")
        outputs, h, c = recurrence.lstm(*args, **options)
        return outputs, [h, c]


class GRUCell(_UsualCell):
    """One step of a gated recurrent unit (Cho et al., 2014).

    Args:
        units: width of the state, which is also the output.
        activation: function of the candidate.
        recurrent_activation: function of the gates.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel, `(features, 3 * units)`, for update gate,
            reset gate and candidate in this order.
        recurrent_initializer: initial value of the recurrent kernel, `(units, 3 * units)`.
        bias_initializer: initial value of the bias: `(2, 3 * units)`, for inputs and state, with
            `reset_after`, else `(3 * units,)`.
        kernel_regularizer: penalty on the kernel, added to the loss.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a feature is dropped, in training.
        recurrent_dropout: probability that a unit's state is dropped where it meets its kernel.
        reset_after: whether the reset gate multiplies the state after its product with the
            recurrent kernel (as cuDNN has it) or before (as the paper has it).
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called with inputs `(batch, features)` and a list of one state `(batch, units)`, and
    returns the output and a list of the new state.

    Raises:
        ValueError: if `units` is not positive, or a probability not in [0, 1].

    Example:
        >>> cell = kerata.layers.GRUCell(4)
        >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape, len(states)
        ((2, 4), 1)
    """

    gates = 3

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.reset_after = bool(reset_after)
        self._keep_arguments(locals())

    def _add_bias(self, width):
        return self.add_weight(name="bias", shape=(2, width) if self.reset_after else (width,))

    def step(self, x, h, met):
        """Return the new state; `met` is what dropout leaves of `h`."""
        x, bias, inner = x @ self.kernel.value, self.bias, None
        if bias is not None:
            bias = bias.value
            if self.reset_after:
                bias, inner = recurrence.gru_biases(bias)
            x = x + bias
        options = (self.reset_after, self.activation, self.recurrent_activation)
        return (recurrence.gru_step(x, h, met, self.recurrent_kernel.value, inner, *options),)

    def loop(self, *args, **options):
        """Run over a whole sequence: see `run`."""
        options["recurrent_activation"] = self.usual("recurrent_activation")
        outputs, h = recurrence.gru(*args, reset_after=self.reset_after, **options)
        return outputs, [h]


class StackedRNNCells(Layer):
    """Cells on top of each other, as one cell: the output of each is the input of the next.

    Args:
        cells: list of cells.
        **kwargs: `name`, `dtype`, `trainable`.

    Its states are a list of the cells' states.

    Raises:
        ValueError: if one of `cells` is no cell: it needs `call` and `state_size`.

    Example:
        >>> cells = [kerata.layers.LSTMCell(4), kerata.layers.GRUCell(5)]
        >>> stacked = kerata.layers.StackedRNNCells(cells)
        >>> stacked.state_size, stacked.output_size
        ([[4, 4], 5], 5)
        >>> kerata.layers.RNN(stacked)(np.ones((2, 7, 3))).shape
        (2, 5)
    """

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(cell, self)
        self.cells = list(cells)

    @property
    def state_size(self) -> list:
        """The sizes of the cells' states."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size=None):
        """Return a list of the cells' initial states."""
        found = [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]
        return [
            states
            if hasattr(cell, "get_initial_state") or tree.is_nested(cell.state_size)
            else states[0]
            for cell, states in zip(self.cells, found)
        ]

    def build(self, input_shape):
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], *_sizes(output_size(cell)))

    def call(self, inputs, states, training=False, **kwargs):
        new = []
        for cell, state in zip(self.cells, states, strict=True):
            nested = tree.is_nested(state)
            inputs, state = call_cell(cell, inputs, state if nested else [state])
            new.append(state if nested else state[0])
        return inputs, new


def check_cell(cell, owner) -> None:
    """Check that `cell` can be called and says what states it needs.

    Raises:
        ValueError: if not.
    """
    if not callable(cell) or not hasattr(cell, "call") or not hasattr(cell, "state_size"):
        must = "be a cell: a layer with `call(inputs, states)` and a `state_size`"
        raise argument_error("cell", must, cell, owner)


def output_size(cell):
    """Return the size of a cell's output: that of its first state, if it does not say."""
    found = getattr(cell, "output_size", None)
    return found if found is not None else tree.flatten(cell.state_size)[0]


def _sizes(size) -> tuple:
    return tuple(size) if isinstance(size, (list, tuple)) else (size,)


def initial_state(cell, batch_size, dtype):
    """Return a cell's initial states for a batch: a list."""
    if hasattr(cell, "get_initial_state"):
        found = cell.get_initial_state(batch_size=batch_size)
    else:
        sizes = cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
        found = [jnp.zeros((batch_size, size), dtype) for size in sizes]
    return list(found) if tree.is_nested(found) else [found]


def build_cell(cell, step_shape) -> None:
    """Build a cell for the inputs of one step, if it is a layer that is not built."""
    if not isinstance(cell, Layer) or cell.built:
        return
    if type(cell).build is Layer.build:  # it finds out by evaluating `call`
        shapes = [(step_shape[0], *s.shape[1:]) for s in initial_state(cell, 1, cell.compute_dtype)]
        cell.build(step_shape, shapes)
    else:
        cell.build(step_shape)


def call_cell(cell, inputs, states):
    """Return a cell's output and its new states, structured like `states`."""
    output, new = cell(inputs, states)
    return output, list(new) if tree.is_nested(new) else [new]
