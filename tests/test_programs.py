"""Small programs as users and libraries written for Keras 3 have them, run from end to end."""

import numpy as np
import pytest

import kerata
from kerata import layers, ops


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


def test_a_normalization_may_be_made_to_take_several_tensors():
    class First(layers.LayerNormalization):
        def build(self, shapes):
            super().build(shapes[0])

        def call(self, inputs):
            return super().call(inputs[0])

    assert First()([np.ones((2, 3)), np.ones((2, 5))]).shape == (2, 3)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: ops.zeros((n, n)), (4, 4)),
        (lambda n: ops.eye(n), (4, 4)),
        (lambda n: ops.one_hot([1], n), (1, 4)),
        (lambda n: ops.broadcast_to(ops.ones(2), (n, 2)), (4, 2)),
        (lambda n: kerata.random.normal((n,)), (4,)),
        (lambda n: kerata.Variable(ops.zeros((n, 1))), (4, 1)),
    ],
    ids=["zeros", "eye", "one_hot", "broadcast_to", "normal", "Variable"],
)
def test_sizes_may_be_computed(make, shape):
    count = ops.max(ops.array([1, 3])) + 1
    assert make(count).shape == shape


def test_sizes_that_are_not_known_yet_are_refused():
    with pytest.raises(ValueError, match="must be an integer"):
        kerata.jit(lambda n: ops.zeros((n, 2)))(ops.array(3))


def test_a_step_of_its_own_may_update_the_tracker_of_the_loss():
    class Doubled(kerata.Sequential):
        def train_step(self, data):
            loss = 2 * self.compute_loss(*data, y_pred=self(data[0]))
            self._loss_tracker.update_state(loss)
            return {m.name: m.result() for m in self.metrics}

    model = Doubled([layers.Dense(1, kernel_initializer="zeros")])
    assert not hasattr(model, "_loss_tracker")
    model.compile("sgd", "mse")
    history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert history.history["loss"] == [2.0]


def test_a_graph_model_of_ones_own_ignores_arguments_that_nothing_takes():
    class Net(kerata.Model):
        def __init__(self, units=2, **kwargs):
            inputs = kerata.Input((3,))
            super().__init__(inputs=inputs, outputs=layers.Dense(units)(inputs), **kwargs)

    with pytest.warns(UserWarning, match=r"Net ignores the arguments \['use_batchnorm'\]"):
        net = Net(use_batchnorm=True, name="net")
    assert net.name == "net"
    assert net.output_shape == (None, 2)
    with pytest.raises(ValueError, match="has no argument 'namee'"):
        kerata.Model(net.input, net.output, namee="net")


def test_a_model_without_a_graph_refuses_arguments_that_nothing_takes():
    class Net(kerata.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    with pytest.raises(ValueError, match="Net has no argument 'units'"):
        Net(units=2)


def test_a_model_may_keep_what_it_was_given_under_the_names_of_a_graph_model():
    class Net(kerata.Model):
        def __init__(self, input_shape, output_names):
            super().__init__()
            self.input_shape = input_shape
            self.output_names = output_names
            self.outputs = layers.Dense(len(output_names))

        def call(self, x):
            return self.outputs(x)

    net = Net((3,), ["a", "b"])
    net.compile("sgd", "mse")
    net.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert net.input_shape == (3,)
    assert net.output_names == ["a", "b"]
    assert len(net.weights) == 2
    with pytest.raises(AttributeError, match="has no `inputs`"):
        _ = net.inputs


class Twice(layers.Dense):
    """Calls the `compute_output_shape` of the layer that it extends."""

    def call(self, x):
        return 2 * super().call(x)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(input_shape)


class Widened(layers.Conv1D):
    """Extends a layer by what it feeds to it."""

    def build(self, input_shape):
        super().build((*input_shape[:2], 2 * input_shape[2]))
        self.input_spec = None

    def call(self, x):
        return super().call(ops.concatenate([x, -x], axis=-1))

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape((*input_shape[:2], 2 * input_shape[2]))


class Product(layers.Layer):
    """Asks the default method of Layer, which evaluates `call`."""

    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1], 2))

    def call(self, x):
        return x @ self.factor

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(input_shape)


class Pair(kerata.Model):
    """A model that asks the default method."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(input_shape)


@pytest.mark.parametrize(
    ("make", "shape", "expected"),
    [
        (lambda: Twice(2), (None, 3), (None, 2)),
        (lambda: Widened(4, 3), (None, 8, 3), (None, 6, 4)),
        (Product, (None, 3), (None, 2)),
        (Pair, (None, 3), (None, 2)),
    ],
    ids=["Twice", "Widened", "Product", "Pair"],
)
def test_compute_output_shape_may_call_the_one_it_overrides(make, shape, expected):
    layer = make()
    assert layer.compute_output_shape(shape) == expected
    assert not layer.built
    assert make()(kerata.Input(shape[1:])).shape == expected
    assert layer(np.ones((2, *shape[1:]), "float32")).shape == (2, *expected[1:])
    assert layer.compute_output_shape((5, *shape[1:])) == (5, *expected[1:])
    assert type(layer).__name__ in repr(layer)


@pytest.mark.parametrize("base", [layers.Layer, kerata.Model], ids=["Layer", "Model"])
def test_a_layer_may_keep_its_parts_under_the_name_layers_with_an_underscore(base):
    class Stack(base):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(2)
            self._layers = [layers.Dense(2), layers.Dense(2)]

        def call(self, x):
            x = self.first(x)
            for layer in self._layers:
                x = layer(x)
            return x

    stack = Stack()
    assert stack(np.ones((1, 3), "float32")).shape == (1, 2)
    assert len(stack.weights) == 6
    assert len(kerata.Sequential([layers.Dense(1)])._layers) == 1
