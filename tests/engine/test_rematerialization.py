import threading

import jax
import numpy as np
import pytest

import kerata
from kerata import RematScope, layers


def program(layer, x):
    """Return the text of the program of a layer's gradient."""

    def loss(weights, x):
        rest = [v.value for v in layer.non_trainable_variables]
        outputs, _, losses = layer.stateless_call(weights, rest, x, return_losses=True)
        return outputs.sum() + sum(losses)

    return str(jax.make_jaxpr(jax.grad(loss))([v.value for v in layer.trainable_variables], x))


def built(make, scope):
    with scope:
        layer = make()
    layer.build((2, 3))
    return layer


def dense(**options):
    return layers.Dense(4, kernel_initializer="ones", **options)


ROWS = [
    (RematScope(), dense, True),
    (RematScope("activations"), layers.LayerNormalization, False),
    (RematScope("activations"), lambda: dense(activation="tanh"), True),
    (RematScope("larger_than", output_size_threshold=7), dense, True),
    (RematScope("larger_than", output_size_threshold=8), dense, False),
    (RematScope("list_of_layers", layer_names=["me"]), lambda: dense(name="me"), True),
    (RematScope("list_of_layers", layer_names=["me"]), lambda: dense(name="you"), False),
    (RematScope(None), dense, False),
]


@pytest.mark.parametrize("scope, make, again", ROWS)
def test_layers_made_in_a_scope(scope, make, again):
    layer, x = built(make, scope), np.ones((2, 3), "float32")
    assert ("remat" in program(layer, x) or "checkpoint" in program(layer, x)) == again
    plain = make()
    np.testing.assert_array_equal(layer(x), plain(x))


def test_scopes_nest_and_end():
    with RematScope():
        with RematScope(None):
            inner = dense()
        outer = dense()
    assert inner._remat_scope.mode is None and outer._remat_scope.mode == "full"
    assert dense()._remat_scope is None
    with pytest.raises(ValueError, match="mode"):
        RematScope("all")


class Block(layers.Layer):
    """Changes state, draws random numbers and adds a loss, all inside of what is done again."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3, activity_regularizer="l2")
        self.drop = layers.Dropout(0.5, seed=1)
        self.norm = layers.BatchNormalization()

    def call(self, x, training=False):
        return self.norm(self.drop(self.inner(x), training=training), training=training)


def test_training_is_the_same():
    x, y = np.linspace(-1, 1, 24).reshape(8, 3), np.ones((8, 3))
    found = []
    for scope in (RematScope(None), RematScope()):
        kerata.utils.set_random_seed(1)
        with scope:
            model = kerata.Sequential([kerata.Input((3,)), Block(), layers.Dense(3)])
        model.compile("sgd", "mse")
        history = model.fit(x, y, epochs=2, batch_size=4, verbose=0).history["loss"]
        found.append([*history, *(np.sum(v.numpy()) for v in model.variables)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_operations_and_their_call():
    class Double(kerata.Operation):
        def call(self, x):
            return 2 * x

    with RematScope():
        double = Double()
    assert "checkpoint" in (text := str(jax.make_jaxpr(double)(1.0))) or "remat" in text
    layer = layers.Dense(2)
    assert layer.rematerialized_call(layer.call, np.ones((1, 2))) == layer.call


def test_threads_leave_the_activation_alone():
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def activation(x):
        if threading.current_thread() is first:
            first_is_in.set()
            second_is_in.wait(0.2)  # in vain, if only one at a time is let in
        else:
            second_is_in.set()
            first.join()
        return x

    layer = built(lambda: dense(activation=activation), RematScope("activations"))
    first, second = (threading.Thread(target=layer, args=(np.ones((2, 3)),)) for _ in range(2))
    first.start()
    first_is_in.wait()
    second.start()
    second.join()
    assert layer.activation is activation


def test_outputs_are_measured_once_for_each_shape():
    calls = []

    class Double(kerata.Operation):
        def call(self, x, factor=2):
            calls.append(1)
            return factor * x

    with RematScope("larger_than", output_size_threshold=4):
        double = Double()
    for n in (2, 2, 2, 3):
        double(np.ones(n))
    assert len(calls) == 6  # four calls, two shapes
