"""Training loops that users write themselves: stateful lines, compiled, with no lists of state."""

import jax
import numpy as np
import pytest

import kerata
from kerata import layers, ops


def blobs(count=64):
    """Two clouds of points and their labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, count)
    x = rng.normal(size=(count, 2)).astype("float32") + 4.0 * y[:, None]
    return x.astype("float32"), y


def classifier():
    return kerata.Sequential(
        [layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.1),
         layers.Dense(2)]
    )  # fmt: skip


def test_a_step_in_five_lines():
    x, y = blobs()
    kerata.utils.set_random_seed(0)
    model, optimizer = classifier(), kerata.optimizers.Adam(0.05)
    loss_fn = kerata.losses.SparseCategoricalCrossentropy(from_logits=True)

    @kerata.jit
    def step(x, y):
        loss, grads = kerata.value_and_grad(
            lambda: loss_fn(y, model(x, training=True)), model.trainable_variables
        )()
        optimizer.apply(grads, model.trainable_variables)
        return loss

    model(x[:1])
    norm, dropout = model.layers[1], model.layers[2]
    losses = [float(step(x, y)) for _ in range(30)]
    assert losses[-1] < 0.2 < losses[0] and step.compilations == 1
    assert (np.argmax(model(x), -1) == y).mean() > 0.95
    assert not np.allclose(norm.moving_mean.numpy(), 0)  # batch norm's state was written inside
    assert dropout.seed_generator.state.numpy()[1] == 30  # and so was the random state
    assert int(optimizer.iterations.value) == 30


def test_layers_and_optimizers_may_be_made_by_the_first_call():
    x, y = blobs()
    model, optimizer = classifier(), kerata.optimizers.SGD(0.1)

    @kerata.jit
    def step(x):
        out = model(x, training=True)
        optimizer.build(model.trainable_variables)
        return ops.mean(out)

    step(x)
    assert model.built and len(model.weights) == 8
    assert not any(isinstance(v._array, jax.core.Tracer) for v in model.variables)


def test_a_gan():
    kerata.utils.set_random_seed(1)
    generator = kerata.Sequential([kerata.Input((2,)), layers.Dense(2)])
    critic = kerata.Sequential(
        [kerata.Input((2,)), layers.Dense(8, activation="relu"), layers.Dense(1)]
    )
    g_optimizer, c_optimizer = kerata.optimizers.Adam(0.05), kerata.optimizers.Adam(0.02)
    bce = kerata.losses.BinaryCrossentropy(from_logits=True)
    seeds = kerata.random.SeedGenerator(3)

    @kerata.jit
    def step(real):
        noise = kerata.random.normal(real.shape, seed=seeds)

        def critic_loss():
            scores = critic(ops.concatenate([real, generator(noise)]))
            labels = ops.concatenate([ops.ones((len(real), 1)), ops.zeros((len(real), 1))])
            return bce(labels, scores)

        def generator_loss():
            return bce(ops.ones((len(real), 1)), critic(generator(noise)))

        c_loss, grads = kerata.value_and_grad(critic_loss, critic.trainable_variables)()
        c_optimizer.apply(grads, critic.trainable_variables)
        g_loss, grads = kerata.value_and_grad(generator_loss, generator.trainable_variables)()
        g_optimizer.apply(grads, generator.trainable_variables)
        return c_loss, g_loss

    real = np.random.default_rng(0).normal(3.0, 0.5, (32, 2)).astype("float32")
    before = float(np.abs(np.mean(generator(np.zeros((1, 2), "float32"))) - 3.0))
    for _ in range(150):
        c_loss, g_loss = step(real)
    after = float(np.abs(np.mean(generator(np.zeros((1, 2), "float32"))) - 3.0))
    assert np.isfinite([c_loss, g_loss]).all() and after < before / 2
    assert step.compilations == 1


def test_gradients_of_gradients_through_layers():
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    x = np.ones((3, 2), "float32")

    def penalty():
        slope = kerata.grad(lambda x: ops.sum(model(x)))(x)
        return ops.mean(ops.square(ops.norm(slope, axis=-1) - 1.0))

    value, grads = kerata.value_and_grad(penalty, model.trainable_variables)()
    kernel = model.layers[0].kernel
    step = np.zeros((2, 4), "float32")
    step[0, 0] = 1e-2
    start = kernel.numpy()
    kernel.assign(start + step)
    up = penalty()
    kernel.assign(start - step)
    numeric = float(up - penalty()) / 2e-2
    assert float(grads[0][0, 0]) == pytest.approx(numeric, rel=0.02, abs=1e-4)
    assert np.isfinite(value)


def test_down_to_plain_jax():
    x, y = blobs()
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(2)])
    loss_fn = kerata.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(trainable, frozen):
        logits, frozen = model.stateless_call(trainable, frozen, x, training=True)
        return loss_fn(y, logits), frozen

    values = [v.value for v in model.trainable_variables]
    frozen = [v.value for v in model.non_trainable_variables]
    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    for _ in range(20):
        (value, frozen), grads = step(values, frozen)
        values = [v - 0.5 * g for v, g in zip(values, grads)]
    assert value < 0.3
