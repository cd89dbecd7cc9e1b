"""Small programs as users and libraries written for Keras 3 have them, run from end to end."""

import numpy as np
import pytest

import kerata
from kerata import layers


def register(cls):
    """Register a class under a package of its own, as a library does."""
    return kerata.saving.register_keras_serializable(package="programs")(cls)


def test_a_layer_that_builds_its_parts_may_call_the_default_build_first():
    class Gated(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.gate = layers.Dense(units, activation="sigmoid")
            self.candidate = layers.Dense(units)

        def build(self, input_shape):
            super().build(input_shape)
            self.gate.build(input_shape)
            self.candidate.build(input_shape)

        def call(self, x):
            return self.gate(x) * self.candidate(x)

    layer = Gated(2)
    assert layer(np.ones((3, 4), "float32")).shape == (3, 2)
    assert [w.path for w in layer.weights] == [
        f"{layer.name}/{part.name}/{name}"
        for part in (layer.gate, layer.candidate)
        for name in ("kernel", "bias")
    ]


def test_a_class_keeps_its_registered_name_when_another_takes_it():
    first = register(type("Floor", (layers.Layer,), {}))
    second = register(type("Floor", (layers.Layer,), {}))
    config = kerata.saving.serialize_keras_object(first())
    assert config["registered_name"] == "programs>Floor"
    assert type(kerata.saving.deserialize_keras_object(config)) is second


def test_a_name_of_module_objects_gives_an_instance():
    class Greedy:
        def __init__(self, seed=1):
            self.seed = seed

        def get_config(self):
            return {"seed": self.seed}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    def get(identifier):
        return kerata.saving.deserialize_keras_object(
            identifier, module_objects={"greedy": Greedy}, printable_module_name="sampler"
        )

    assert get("greedy").seed == 1
    assert get({"class_name": "greedy", "config": {"seed": 5}}).seed == 5
    assert get("unknown") == "unknown"


@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4, 1), (4,))], ids=["vector", "column"])
def test_r2_score_takes_a_vector_beside_a_column(shapes):
    metric = kerata.metrics.R2Score()
    values = np.arange(4.0)
    metric.update_state(*(values.reshape(shape) for shape in shapes))
    assert float(metric.result()) == 1.0
