"""The state of a layer: its variables, those of the layers inside, and their values."""

import functools
from typing import Any

import numpy as np

from kerata.engine.rng import SeedGenerator
from kerata.engine.variable import Variable
from kerata.layers import tracking


class replaceable:
    """A property of which a subclass may have its own: `self.input_shape = (28, 28)`."""

    def __init__(self, function):
        self.function = function
        functools.update_wrapper(self, function)

    def __get__(self, model, owner=None) -> Any:
        return self if model is None else self.function(model)


class State:
    """What a layer holds. Mixed into `Layer`; finds everything by walking the attributes."""

    # Attributes that are not walked in search of state.
    untracked: frozenset = frozenset(
        (
            "_inbound_nodes",
            "_outbound_nodes",
            "_init_arguments",
            "_build_shapes",
            "_compiled_methods",
            "_losses",
        )
    )

    # Set by Layer.
    _own_variables: list[Variable]
    _trainable: bool
    built: bool
    # Variables that stay frozen when the layer is made trainable.
    _stays_frozen: tuple = ()

    def __getstate__(self):
        # Compiled methods belong to this very object.
        return {k: v for k, v in vars(self).items() if k != "_compiled_methods"}

    def _state_leaves(self):
        return tracking.attributes(self, self.untracked)

    @property
    def _sublayers(self) -> list:
        """The layers directly inside."""
        return [x for x in self._state_leaves() if isinstance(x, State) and x is not self]

    @replaceable
    def _layers(self) -> list:
        return self._sublayers  # by the name that Keras has for them, which programs use as well

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list:
        found: dict = {}

        def visit(layer, deep):
            for child in layer._sublayers:
                if id(child) not in found:
                    found[id(child)] = child
                    if deep:
                        visit(child, deep)

        if include_self:
            found[id(self)] = self
        visit(self, recursive)
        return list(found.values())

    @property
    def _seed_generators(self) -> list[SeedGenerator]:
        """The seed generators directly inside."""
        return [x for x in self._state_leaves() if isinstance(x, SeedGenerator)]

    def _own_state(self) -> list[Variable]:
        """This layer's own variables, those made to be trained first.

        The order does not change when a layer is frozen: saved files follow it.
        """
        found = [x for x in self._state_leaves() if isinstance(x, Variable)]
        return sorted(found, key=lambda v: not v.made_trainable)

    @property
    def variables(self) -> list[Variable]:
        """All variables, random seeds included."""
        found = self._own_state()
        found += [x.state for x in self._state_leaves() if isinstance(x, SeedGenerator)]
        for layer in self._sublayers:
            found += layer.variables
        return tracking.unique(found)

    @property
    def weights(self) -> list[Variable]:
        """All variables but random seeds."""
        found = self._own_state()
        for layer in self._sublayers:
            found += layer.weights
        return tracking.unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes."""
        trained = self._trained_ids()
        return [v for v in self.variables if id(v) in trained]

    def _trained_ids(self) -> set[int]:
        """The identities of the variables that training changes: those of frozen layers are not."""
        if not self.trainable:
            return set()
        found = {id(v) for v in self._own_state() if v.trainable}
        return found.union(*(layer._trained_ids() for layer in self._sublayers))

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training leaves alone, random seeds included."""
        trained = self._trained_ids()
        return [v for v in self.variables if id(v) not in trained]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The same as `trainable_variables`."""
        trained = self._trained_ids()
        return [v for v in self.weights if id(v) in trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """`non_trainable_variables` without random seeds."""
        trained = self._trained_ids()
        return [v for v in self.weights if id(v) not in trained]

    @property
    def metrics(self) -> list:
        """The metrics of the layer and of those inside."""
        found = [x for x in self._state_leaves() if tracking.is_metric(x)]
        for layer in self._sublayers:
            found += layer.metrics
        return tracking.unique(found)

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    @property
    def trainable(self) -> bool:
        """Whether training changes the layer's variables; setting it sets it inside, too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        value = bool(value)
        self._trainable = value
        frozen = set(map(id, self._stays_frozen))
        for v in self._own_state():
            if v.made_trainable and id(v) not in frozen:
                v.trainable = value
        for layer in self._sublayers:
            layer.trainable = value

    def count_params(self) -> int:
        """Return the number of elements of all weights.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"{self._title()} has no weights yet: it is not built.\n"
                "Call it on data, or build(input_shape)."
            )
        return sum(v.size for v in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Return the values of the weights."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights) -> None:
        """Set the values of the weights, in the order of `weights`.

        Raises:
            ValueError: if their number or a shape differs; nothing is set then.
        """
        mine = self.weights
        if len(mine) != len(weights):
            raise ValueError(
                f"{self._title()} has {len(mine)} weights.\nReceived: {len(weights)} arrays"
            )
        for v, value in zip(mine, weights):
            if tuple(np.shape(value)) != v.shape:
                raise ValueError(
                    f"{self._title()}: weight {v.path!r} has shape {v.shape}.\n"
                    f"Received: an array of shape {tuple(np.shape(value))}"
                )
        for v, value in zip(mine, weights):
            v.assign(value)

    def _in_files(self) -> list[Variable]:
        """The own variables that stand in files, in their order there."""
        return self._own_state()

    def save_own_variables(self, store) -> None:
        """Write the layer's own variables (not those of layers inside) into a dict of arrays."""
        for index, v in enumerate(self._in_files()):
            store[f"{index}"] = v.numpy()

    def load_own_variables(self, store) -> None:
        """Read what `save_own_variables` wrote.

        Raises:
            ValueError: if the number of variables or a shape differs.
        """
        mine = self._in_files()
        if len(store.keys()) != len(mine):
            if not mine and not self.built:
                raise ValueError(
                    f"{self._title()} is not built, so it has no variables to load into.\n"
                    f"Received: {len(store.keys())} saved variables\n"
                    "Build the model (call it on data, or build(input_shape)) before loading."
                )
            raise ValueError(
                f"{self._title()} has {len(mine)} variables: "
                f"{[(v.name, v.shape) for v in mine]}.\nReceived: {len(store.keys())} saved ones"
            )
        for index, v in enumerate(mine):
            v.assign(np.asarray(store[f"{index}"]))
