"""Recurrent layers: a cell, run over the time axis of its inputs."""

import inspect

import jax
import jax.numpy as jnp

from kerata.engine import tree
from kerata.engine.input_spec import InputSpec
from kerata.engine.scopes import Scope
from kerata.engine.symbolic import standin
from kerata.engine.transforms import lift
from kerata.engine.variable import Variable
from kerata.kernels import recurrence
from kerata.layers.layer import Layer
from kerata.layers.recurrent_cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    build_cell,
    call_cell,
    check_cell,
    dropping_alike,
    initial_state,
)


class RNN(Layer):
    """Runs a cell over sequences.

    A cell is a layer with `call(inputs, states)`, which takes the inputs of one time step
    `(batch, ...)` and a list of states `(batch, ...)` and returns the output and the new states;
    with `state_size`, an integer or a list of them; and optionally with `output_size` and
    `get_initial_state(batch_size)` (zeros, if it has none).

    Args:
        cell: a cell, or a list of cells, which are then stacked.
        return_sequences: whether to return the outputs of all time steps, not only the last.
        return_state: whether to return the last states as well.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        stateful: whether a batch begins with the states with which the batch before ended. The
            batch size must be fixed then.
        unroll: whether to compile one copy of the cell for each time step in place of a loop.
        zero_output_for_mask: whether the output is zero at time steps that are masked; otherwise
            the one before is repeated.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer`.

    It is called with sequences `(batch, time, ...)`, and optionally with `initial_state`, a list
    of states, and `mask`, booleans `(batch, time)` that are false at the steps to leave out. It
    returns the output, `(batch, time, ...)` or `(batch, ...)`; with `return_state` a tuple of it
    and the states.

    Raises:
        ValueError: if `cell` is no cell; or, when called, if the initial states are not as many
            as the cell has, or the batch size of a stateful layer is not known.

    Example:
        >>> class Sum(kerata.layers.Layer):
        ...     state_size = 3
        ...
        ...     def call(self, inputs, states):
        ...         total = inputs + states[0]
        ...         return total, [total]
        >>> kerata.layers.RNN(Sum())(np.ones((1, 5, 3)))
        Array([[5., 5., 5.]], dtype=float32)
    """

    # States carry over between batches, but are neither saved nor counted.
    untracked = Layer.untracked | {"states"}

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        check_cell(cell, self)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self.states = None

    @property
    def state_size(self) -> list:
        """The sizes of the cell's states: a list."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, sequences_shape, initial_state_shape=None):
        build_cell(self.cell, (sequences_shape[0], *sequences_shape[2:]))
        if self.stateful and self.states is None:
            if sequences_shape[0] is None:
                raise ValueError(
                    f"{self._title()} is stateful: the batch size must be known.\n"
                    f"Received: sequences of shape {tuple(sequences_shape)}\n"
                    "Give the Input a `batch_size`, and fit() and predict() the same one."
                )
            self.states = tree.map_structure(
                lambda x: Variable(x, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                self.get_initial_state(sequences_shape[0]),
            )

    def get_initial_state(self, batch_size):
        """Return the states to begin with: a list of arrays `(batch_size, ...)`."""
        return initial_state(self.cell, batch_size, self.compute_dtype)

    def reset_state(self) -> None:
        """Set the states of a stateful layer to zeros."""
        for state in tree.flatten(self.states) if self.states is not None else ():
            state.assign(jnp.zeros(state.shape, state.dtype))

    def reset_states(self) -> None:
        """Set the states of a stateful layer to zeros: the same as `reset_state`."""
        self.reset_state()

    def call(self, sequences, initial_state=None, mask=None, training=False):
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        states = self._first_states(initial_state, sequences.shape[0])
        options = {
            "sequences": self.return_sequences,
            "go_backwards": self.go_backwards,
            "zero_masked": self.zero_output_for_mask,
        }
        outputs, states = self.run(sequences, states, mask, training, **options)
        if self.stateful:
            for kept, new in zip(tree.flatten(self.states), tree.flatten(states), strict=True):
                kept.assign(new.astype(kept.dtype))
        return (outputs, *states) if self.return_state else outputs

    def _first_states(self, given, batch_size):
        """Return the states to begin with, as a list; None where they are the cell's own."""
        if given is None:
            if not self.stateful:
                return None
            known = tree.flatten(self.states)[0].shape[0]
            if batch_size != known:
                raise ValueError(
                    f"{self._title()} is stateful: every batch must have the batch size that it "
                    f"was built for, {known}.\nReceived: a batch of {batch_size} samples"
                )
            return tree.map_structure(self._cast_state, self.states)
        given = list(given) if tree.is_nested(given) else [given]
        if len(given) != len(self.state_size):
            raise ValueError(
                f"{self._title()} needs {len(self.state_size)} initial states, of sizes "
                f"{self.state_size}.\nReceived: {len(given)} in `initial_state`"
            )
        return tree.map_structure(self._cast_state, given)

    def _cast_state(self, state):
        return jnp.asarray(state, self.compute_dtype)

    def run(self, inputs, states, mask, training, **options):
        """Run the cell over sequences; return outputs and the last states.

        Args:
            inputs: `(batch, time, ...)`.
            states: list of the first states; None for the cell's own.
            mask: `(batch, time)` or None.
            training: whether it is training.
            **options: `sequences`, `go_backwards`, `zero_masked` of `kernels.recurrence.scan`.
        """
        if states is None:
            states = self.get_initial_state(inputs.shape[0])

        def step(x, states):
            return call_cell(self.cell, x, states)

        with dropping_alike(self.cell if training else None):
            first = jax.tree.map(lambda x: x[:, 0], inputs)
            pure, variables = lift(step, first, states)
            before = None if mask is None else self._output_before(step, first, states)

            def pure_step(x, states, values):
                (outputs, states), values = pure(values, x, states)
                return outputs, states, values

            outputs, states, values = recurrence.scan(
                pure_step,
                inputs,
                states,
                mask,
                variables.values(),
                # Where only shapes are asked for, there is no need to trace all steps.
                unroll=self.unroll and standin() is None,
                before=before,
                **options,
            )
        variables.assign(values)
        return outputs, states

    def _output_before(self, step, first, states):
        """Return what stands for the output before the first step: the state, where it may."""
        last = states[-1] if isinstance(self.cell, StackedRNNCells) else states
        state = last[0] if tree.is_nested(last) else last
        with Scope():
            output = jax.eval_shape(step, first, states)[0]
        same = getattr(output, "shape", None) == state.shape and output.dtype == state.dtype
        return state if same else None

    def compute_mask(self, sequences, mask):
        """Return the mask of the output: that of the inputs, if it has a time axis; none else."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        mask = mask if self.return_sequences else None
        count = len(tree.flatten(self.state_size))
        return [mask, *[None] * count] if self.return_state else mask


class _UsualRNN(RNN):
    """A layer around one of the three usual cells; it shows the cell's arguments as its own."""

    cell_class: type
    config_exclude = (*Layer.config_exclude, "use_cudnn", "implementation")

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "cell_class" in vars(cls):
            for name in cls._cell_parameters():
                setattr(cls, name, property(_of_cell(name)))

    @classmethod
    def _cell_parameters(cls) -> list[str]:
        return [n for n in inspect.signature(cls.cell_class).parameters if n != "kwargs"]

    def _keep_arguments(self, name: str, arguments: dict) -> None:
        """Make the cell and begin, from `locals()` of `__init__`."""
        kwargs = arguments["kwargs"]
        kwargs.pop("implementation", None)  # of older programs
        wanted = self._cell_parameters()
        chosen = {k: v for k, v in arguments.items() if k in wanted}
        shared = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
        cell = self.cell_class(**chosen, name=name, **shared)
        names = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")
        options = {k: arguments[k] for k in names if k in arguments}
        options["activity_regularizer"] = arguments["activity_regularizer"]
        super().__init__(cell, **options, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def run(self, inputs, states, mask, training, **options):
        return self.cell.run(inputs, states, mask, training, **options)


def _of_cell(name):
    return lambda self: getattr(self.cell, name)


class SimpleRNN(_UsualRNN):
    """Fully connected recurrent network: `h = activation(x @ W + h @ R + b)` at each time step.

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
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a feature is dropped at all time steps, in training.
        recurrent_dropout: probability that a unit's state is dropped where it meets `R`.
        return_sequences: whether to return the outputs of all time steps, not only the last.
        return_state: whether to return the last state as well.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        stateful: whether a batch begins with the state with which the batch before ended.
        unroll: accepted for compatibility: the loop is not slower.
        seed: integer that fixes what is dropped.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    It is called with sequences `(batch, time, features)`, and optionally with `initial_state`, the
    state `(batch, units)`, and `mask`, booleans `(batch, time)`. See `RNN`.

    Raises:
        ValueError: if `units` is not positive, or a probability not in [0, 1].

    Example:
        >>> layer = kerata.layers.SimpleRNN(4, return_state=True)
        >>> output, state = layer(np.ones((2, 5, 3)))
        >>> output.shape, state.shape
        ((2, 4), (2, 4))
    """

    cell_class = SimpleRNNCell

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        seed=None,
        **kwargs,
    ):
        self._keep_arguments("simple_rnn_cell", locals())


class LSTM(_UsualRNN):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; with forget gates, Gers, 2000).

    Args:
        units: width of the states; the hidden state is also the output.
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
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a feature is dropped at all time steps, in training.
        recurrent_dropout: probability that a unit's state is dropped where it meets its kernel.
        seed: integer that fixes what is dropped.
        return_sequences: whether to return the outputs of all time steps, not only the last.
        return_state: whether to return the last hidden and cell states as well.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        stateful: whether a batch begins with the states with which the batch before ended.
        unroll: accepted for compatibility: the loop is not slower.
        use_cudnn: accepted for compatibility: the formulation is chosen by the platform.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    It is called with sequences `(batch, time, features)`, and optionally with `initial_state`, two
    states `(batch, units)`, and `mask`, booleans `(batch, time)`. See `RNN`.

    Raises:
        ValueError: if `units` is not positive, or a probability not in [0, 1].

    Example:
        >>> layer = kerata.layers.LSTM(4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    cell_class = LSTMCell

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        use_cudnn="auto",
        **kwargs,
    ):
        self._keep_arguments("lstm_cell", locals())
        self.use_cudnn = use_cudnn


class GRU(_UsualRNN):
    """Gated recurrent unit (Cho et al., 2014).

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
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a feature is dropped at all time steps, in training.
        recurrent_dropout: probability that a unit's state is dropped where it meets its kernel.
        seed: integer that fixes what is dropped.
        return_sequences: whether to return the outputs of all time steps, not only the last.
        return_state: whether to return the last state as well.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        stateful: whether a batch begins with the state with which the batch before ended.
        unroll: accepted for compatibility: the loop is not slower.
        reset_after: whether the reset gate multiplies the state after its product with the
            recurrent kernel (as cuDNN has it) or before (as the paper has it).
        use_cudnn: accepted for compatibility: the formulation is chosen by the platform.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    It is called with sequences `(batch, time, features)`, and optionally with `initial_state`, the
    state `(batch, units)`, and `mask`, booleans `(batch, time)`. See `RNN`.

    Raises:
        ValueError: if `units` is not positive, or a probability not in [0, 1].

    Example:
        >>> layer = kerata.layers.GRU(4)
        >>> layer(np.ones((2, 5, 3))).shape
        (2, 4)
    """

    cell_class = GRUCell

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=True,
        use_cudnn="auto",
        **kwargs,
    ):
        self._keep_arguments("gru_cell", locals())
        self.use_cudnn = use_cudnn
