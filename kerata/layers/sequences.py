"""Layers around layers, for sequences: in both directions, and at each time step."""

import jax
import jax.numpy as jnp

from kerata.engine import tree
from kerata.engine.configurable import deserialize, serialize
from kerata.engine.errors import argument_error, one_of
from kerata.layers import calling
from kerata.layers.layer import Layer
from kerata.layers.wrappers import Wrapper

_MERGES = {
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: jnp.concatenate([a, b], axis=-1),
    None: lambda a, b: (a, b),
}


class Bidirectional(Layer):
    """Runs a recurrent layer over sequences, and another one over them backwards.

    Args:
        layer: a recurrent layer (`RNN`, `LSTM`, `GRU`, …), or another layer over sequences with
            the attributes `go_backwards`, `return_sequences`, `return_state` and `input_spec`.
            Copies of it are used; the layer itself is left alone. With `return_sequences` their
            outputs are zero at time steps that are masked.
        merge_mode: how outputs are put together: "sum", "mul", "ave", "concat", or None for a
            tuple of both.
        weights: list of initial values of all weights: those of the forward layer, then those of
            the backward one.
        backward_layer: the layer to run backwards, with the opposite `go_backwards`; made from
            `layer` if None.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer`.

    It is called like the layers inside; `initial_state` is a list of the forward layer's states,
    then the backward layer's. With `return_state` it returns a tuple of the output (or both), the
    forward layer's states and the backward layer's.

    Raises:
        ValueError: if `layer` is no layer over sequences, or the two do not go together.

    Example:
        >>> layer = kerata.layers.Bidirectional(kerata.layers.GRU(4, return_sequences=True))
        >>> layer(np.ones((2, 5, 3))).shape
        (2, 5, 8)
    """

    config_exclude = (*Layer.config_exclude, "weights")

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        for name, given in (("layer", layer), ("backward_layer", backward_layer)):
            parts = ("go_backwards", "return_sequences", "return_state", "input_spec")
            fits = isinstance(given, Layer) and all(hasattr(given, part) for part in parts)
            if not fits and (name == "layer" or given is not None):
                must = f"be a recurrent layer: a layer with the attributes {', '.join(parts)}"
                raise argument_error(name, must, given, type(self))
        super().__init__(**kwargs)
        self.merge_mode = one_of("merge_mode", merge_mode, tuple(_MERGES), self)
        self.forward_layer = _copy(layer, "forward_")
        if backward_layer is None:
            self.backward_layer = _copy(layer, "backward_", go_backwards=not layer.go_backwards)
        else:
            self.backward_layer = backward_layer
        self._check_alike()
        self.stateful = getattr(layer, "stateful", False)
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec
        self._initial_weights = weights
        if self.return_sequences:
            for inner in (self.forward_layer, self.backward_layer):
                if hasattr(inner, "zero_output_for_mask"):
                    inner.zero_output_for_mask = True

    @property
    def layer(self):
        """The forward layer."""
        return self.forward_layer

    def _check_alike(self):
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"{self._title()}: `layer` and `backward_layer` must differ in `go_backwards`.\n"
                f"Received: {forward.go_backwards} in both"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            found = getattr(forward, name, False), getattr(backward, name, False)
            if found[0] != found[1]:
                raise ValueError(
                    f"{self._title()}: `layer` and `backward_layer` must have the same `{name}`."
                    f"\nReceived: {found[0]} and {found[1]}"
                )

    @property
    def states(self):
        """The states of both layers, if they are stateful, else None."""
        forward = getattr(self.forward_layer, "states", None)
        backward = getattr(self.backward_layer, "states", None)
        return [*forward, *backward] if forward and backward else None

    def reset_state(self) -> None:
        """Set the states of stateful layers to zeros."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """Set the states of stateful layers to zeros: the same as `reset_state`."""
        self.reset_state()

    def build(self, sequences_shape, initial_state_shape=None):
        for inner in (self.forward_layer, self.backward_layer):
            if not inner.built:
                inner.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        halves: tuple = (None, None)
        if initial_state is not None:
            half = len(initial_state) // 2
            halves = (initial_state[:half], initial_state[half:])
        results = []
        for inner, states in zip((self.forward_layer, self.backward_layer), halves):
            taken = calling.call_signature(type(inner).call).names
            given = {"initial_state": states, "mask": mask}
            given = {k: v for k, v in given.items() if k in taken and v is not None}
            results.append(inner(sequences, **given))
        states = ()
        if self.return_state:
            states = (*results[0][1:], *results[1][1:])
            results = [result[0] for result in results]
        forward, backward = results
        if self.return_sequences:
            backward = jnp.flip(backward, axis=1)
        merged = _MERGES[self.merge_mode](forward, backward)
        if self.merge_mode is None:
            return (*merged, *states)
        return (merged, *states) if self.return_state else merged

    def compute_mask(self, sequences, mask):
        """Return the mask of the output: that of the inputs, if it has a time axis; none else."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        masks = [mask if self.return_sequences else None] * (1 if self.merge_mode else 2)
        if self.return_state:
            sizes = (inner.state_size for inner in (self.forward_layer, self.backward_layer))
            masks += [None] * len(tree.flatten(list(sizes)))
        return masks if len(masks) > 1 else masks[0]


def _copy(layer, prefix, **changes):
    """Return a layer like `layer`, with its own weights and a prefix in its name."""
    config = serialize(layer)
    base = layer.name
    for old in ("forward_", "backward_"):
        base = base.removeprefix(old)
    config["config"] = {**config["config"], "name": prefix + base, **changes}
    config.pop("build_config", None)
    config["config"] |= {k: v for k, v in vars(layer).items() if k == "use_cudnn"}
    custom = {type(layer).__name__: type(layer)}
    custom |= {type(inner).__name__: type(inner) for inner in layer._flatten_layers()}
    return deserialize(config, custom_objects=custom)


class TimeDistributed(Wrapper):
    """Applies a layer to each time step of its inputs.

    Time steps are taken as further samples, so that the layer runs once. Only in training, and if
    the layer changes weights of its own then (as `BatchNormalization` does), it runs once for each
    time step.

    Args:
        layer: the layer inside.
        **kwargs: `name`, `dtype`, `trainable`.

    It is called with inputs `(batch, time, ...)`, or a structure of such, and returns what the
    layer does, with the time axis after the batch axis. A `mask` `(batch, time, ...)` is given to
    the layer, if it takes one.

    Raises:
        ValueError: if `layer` is not a layer; or, when called, if an input has no time axis.

    Example:
        >>> layer = kerata.layers.TimeDistributed(kerata.layers.Conv2D(4, 3))
        >>> layer(np.ones((2, 5, 8, 8, 1))).shape
        (2, 5, 6, 6, 4)
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        def one_step(shape):
            if len(shape) < 3:
                raise ValueError(
                    f"{self._title()} needs inputs (batch, time, ...) of rank 3 or more.\n"
                    f"Received: an input of shape {tuple(shape)}"
                )
            return (shape[0], *shape[2:])

        super().build(tree.map_shape_structure(one_step, input_shape))

    def call(self, inputs, training=None, mask=None):
        batch, time = tree.flatten(inputs)[0].shape[:2]
        given = {}
        if mask is not None and tuple(mask.shape[:2]) != (batch, time):
            raise ValueError(
                f"{self._title()} needs a mask (batch, time, ...) that fits its inputs.\nReceived: "
                f"a mask of shape {tuple(mask.shape)} for {batch} samples and {time} time steps"
            )
        if mask is not None and "mask" in calling.call_signature(type(self.layer).call).names:
            given["mask"] = mask
        if training and any(not v.made_trainable for v in self.layer.weights):
            return self._step_by_step(inputs, given, time)
        flat = lambda x: x.reshape(batch * time, *x.shape[2:])  # noqa: E731
        outputs = self.layer(jax.tree.map(flat, inputs), **jax.tree.map(flat, given))
        return jax.tree.map(lambda x: x.reshape(batch, time, *x.shape[1:]), outputs)

    def _step_by_step(self, inputs, given, time):
        steps = []
        for t in range(time):
            at = lambda x, t=t: x[:, t]  # noqa: E731
            steps.append(self.layer(jax.tree.map(at, inputs), **jax.tree.map(at, given)))
        return jax.tree.map(lambda *xs: jnp.stack(xs, axis=1), *steps)
