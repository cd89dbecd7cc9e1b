"""Convolutional LSTM: a recurrent layer whose state is an image, and whose products convolve."""

import inspect

import jax
import jax.numpy as jnp

from kerata import ops
from kerata.engine import settings
from kerata.engine.errors import argument_error, int_tuple, positive_int
from kerata.engine.input_spec import InputSpec
from kerata.kernels import recurrence
from kerata.layers.arguments import known_dim, padding_name
from kerata.layers.layer import Layer
from kerata.layers.recurrent import RNN, _UsualRNN
from kerata.layers.recurrent_cells import LSTMCell


class ConvLSTMCell(LSTMCell):
    """One step of a convolutional LSTM (Shi et al., 2015).

    It is called with inputs `(batch, *spatial, channels)` and a list of two states
    `(batch, *new_spatial, filters)`, and returns the output and a list of the new states.

    Args:
        rank: number of spatial axes.
        name: name.
        dtype: dtype or policy.
        trainable: whether training changes the weights.
        **arguments: those of `ConvLSTM1D` that are not the layer's own.
    """

    def __init__(self, rank, name=None, dtype=None, trainable=True, **arguments):
        Layer.__init__(self, name=name, dtype=dtype, trainable=trainable)
        self.rank = rank
        self.filters = positive_int("filters", arguments["filters"], self)
        for size in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, size, int_tuple(size, arguments[size], rank, self))
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            must = f"be 1 where `strides` are above 1, as in {self.strides}"
            raise argument_error("dilation_rate", must, self.dilation_rate, self)
        self.padding = padding_name(arguments["padding"], self)
        self.data_format = settings.data_format(arguments["data_format"], self)
        self.unit_forget_bias = arguments["unit_forget_bias"]
        self._keep_arguments({**arguments, "units": self.filters})
        self._channel_axis = 1 if self.data_format == "channels_first" else rank + 1
        self._step_shape: tuple = ()

    def build(self, input_shape, states_shape=None):
        channels = known_dim(input_shape, self._channel_axis, self)
        self._step_shape = tuple(input_shape[1:])
        width = 4 * self.filters
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, channels, width))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(*self.kernel_size, self.filters, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = self._add_bias(width) if self.use_bias else None

    def get_initial_state(self, batch_size=None):
        """Return states of zeros: a list of two arrays `(batch_size, *new_spatial, filters)`."""
        sizes = [known_dim((None, *self._step_shape), i, self) for i in range(1, self.rank + 2)]
        like = jax.ShapeDtypeStruct((batch_size, *sizes), self.compute_dtype)
        return self._zeros(jax.eval_shape(self._convolved, like).shape)

    def _zeros(self, shape) -> list:
        """Return states of zeros for convolved inputs of a shape."""
        shape = list(shape)
        shape[self._channel_axis] = self.filters
        return [jnp.zeros(shape, self.compute_dtype)] * 2

    @property
    def _options(self) -> dict:
        names = ("strides", "padding", "data_format", "dilation_rate")
        return {name: getattr(self, name) for name in names}

    def _convolved(self, inputs):
        """Return what the inputs add to the gates: it does not depend on the state."""
        outputs = ops.conv(inputs, self.kernel.value, **self._options)
        if self.bias is None:
            return outputs
        shape = [1] * outputs.ndim
        shape[self._channel_axis] = -1
        return outputs + self.bias.value.reshape(shape)

    def step(self, x, h, met, c):
        """Return the new states; `met` is what dropout leaves of `h`."""
        return self._gated(self._convolved(x), met, c)

    def _gated(self, x, met, c):
        """Return the new states, from convolved inputs."""
        kernel = self.recurrent_kernel.value
        gates = x + ops.conv(met, kernel, padding="same", data_format=self.data_format)
        i, f, g, o = jnp.split(gates, 4, axis=self._channel_axis)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        return [self.recurrent_activation(o) * self.activation(c), c]

    def run(self, inputs, states, mask, training, **options):
        """Run over `(batch, time, *spatial, channels)`; return outputs and the last states.

        Args:
            inputs: the sequences.
            states: the first states; None for zeros.
            mask: `(batch, time)` or None.
            training: whether it is training.
            **options: `sequences`, `go_backwards`, `zero_masked` of `kernels.recurrence.scan`.
        """
        kept = self.drop_factors("inputs", inputs[:, :1], training)
        inputs = inputs if kept is None else inputs * kept
        batch, time = inputs.shape[:2]
        # All time steps at once: only the recurrent convolution has to wait for the one before.
        x = self._convolved(inputs.reshape(batch * time, *inputs.shape[2:]))
        x = x.reshape(batch, time, *x.shape[1:])
        states = self._zeros((batch, *x.shape[2:])) if states is None else states
        drop = self.drop_factors("state", states[0], training)

        def step(x, states, shared):
            h, c = states
            new = self._gated(x, h if drop is None else h * drop, c)
            return new[0], new, shared

        before = None if mask is None else states[0]
        outputs, states, _ = recurrence.scan(step, x, states, mask, before=before, **options)
        return outputs, states


class _ConvLSTM(_UsualRNN):
    """Base of `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`."""

    cell_class = ConvLSTMCell

    @classmethod
    def _cell_parameters(cls) -> list[str]:
        others = {*inspect.signature(RNN.__init__).parameters, "activity_regularizer"}
        return ["rank", *(n for n in inspect.signature(cls).parameters if n not in others)]

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
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
        **kwargs,
    ):
        self._keep_arguments("conv_lstm_cell", {**locals(), "rank": self.rank})
        self.input_spec = InputSpec(ndim=self.rank + 3)


class ConvLSTM1D(_ConvLSTM):
    """Convolutional LSTM (Shi et al., 2015) over rows, `(batch, time, rows, channels)`.

    Args:
        filters: number of channels of the states; the hidden state is also the output.
        kernel_size: length of the window, of inputs and of states.
        strides: steps between windows over the inputs.
        padding: "valid" or "same", for inputs; states are always padded to keep their size.
        data_format: "channels_last", or "channels_first" for `(batch, time, channels, rows)`; the
            global setting if None.
        dilation_rate: distance between the places of a window over the inputs.
        activation: function of the candidate and of the cell state on its way out.
        recurrent_activation: function of the gates.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel, `(*kernel_size, channels, 4 * filters)`,
            for input gate, forget gate, candidate and output gate in this order.
        recurrent_initializer: initial value of the recurrent kernel,
            `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: initial value of the bias, `(4 * filters,)`.
        unit_forget_bias: whether the forget gate's bias is 1 at first (Jozefowicz et al., 2015).
        kernel_regularizer: penalty on the kernel, added to the loss.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        recurrent_constraint: what is applied to the recurrent kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        dropout: probability that a place of the inputs is dropped at all time steps, in training.
        recurrent_dropout: probability that a place of the state is dropped where it meets its
            kernel.
        seed: integer that fixes what is dropped.
        return_sequences: whether to return the outputs of all time steps, not only the last.
        return_state: whether to return the last hidden and cell states as well.
        go_backwards: whether to start at the end; outputs are then in the order of processing.
        stateful: whether a batch begins with the states with which the batch before ended.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    It is called with sequences, and optionally with `initial_state`, two states
    `(batch, new_rows, filters)`, and `mask`, booleans `(batch, time)`. See `RNN`.

    Raises:
        ValueError: if an argument is out of range, or (when built) a spatial axis has no size.

    Example:
        >>> layer = kerata.layers.ConvLSTM1D(4, 3, padding="same", return_sequences=True)
        >>> layer(np.ones((2, 5, 8, 3))).shape
        (2, 5, 8, 4)
    """

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """Convolutional LSTM over films, `(batch, time, rows, columns, channels)`.

    Arguments are those of `ConvLSTM1D`; one number may stand for both spatial axes.

    Example:
        >>> layer = kerata.layers.ConvLSTM2D(4, 3)
        >>> layer(np.ones((1, 3, 6, 6, 2))).shape
        (1, 4, 4, 4)
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """Convolutional LSTM over sequences of volumes, `(batch, time, *three axes, channels)`.

    Arguments are those of `ConvLSTM1D`; one number may stand for all spatial axes.

    Example:
        >>> layer = kerata.layers.ConvLSTM3D(2, 2)
        >>> layer(np.ones((1, 2, 3, 3, 3, 1))).shape
        (1, 2, 2, 2, 2)
    """

    rank = 3
