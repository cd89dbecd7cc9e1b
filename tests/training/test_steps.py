"""Steps of users' own, in both styles; compute_loss and compute_metrics; the pure functions."""

import jax
import keras
import numpy as np
import pytest

import kerata

# Of Keras's variables, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

generator = np.random.default_rng(0)
X = generator.normal(size=(8, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def with_weights(model, seed=0):
    model(X)
    values = np.random.default_rng(seed)
    model.set_weights([values.normal(size=w.shape) for w in model.get_weights()])
    return model


def base(lib, cls=None):
    inputs = lib.Input((3,))
    return with_weights((cls or lib.Model)(inputs, lib.layers.Dense(1)(inputs)))


class Stateful(kerata.Model):
    """The natural style."""

    def train_step(self, data):
        x, y = data

        def loss_fn():
            return self.compute_loss(x, y, self(x, training=True))

        loss, gradients = kerata.value_and_grad(loss_fn, self.trainable_variables)()
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, self(x))
        return {"norm": kerata.ops.sum(gradients[0] ** 2), **self.get_metrics_result()}


def stateless(lib):
    """The style of Keras on JAX, after its guide to custom training steps."""

    class Stateless(lib.Model):
        def compute_loss_and_new_state(self, tv, ntv, x, y, training=False):
            y_pred, ntv = self.stateless_call(tv, ntv, x, training=training)
            return self.compute_loss(x, y, y_pred), (y_pred, ntv)

        def train_step(self, state, data):
            tv, ntv, optimizer_variables, metrics_variables = state
            x, y = data
            grad_fn = jax.value_and_grad(self.compute_loss_and_new_state, has_aux=True)
            (loss, (y_pred, ntv)), grads = grad_fn(tv, ntv, x, y, training=True)
            tv, optimizer_variables = self.optimizer.stateless_apply(optimizer_variables, grads, tv)
            new_metrics, logs = [], {}
            for metric in self.metrics:
                mine = metrics_variables[len(new_metrics) :][: len(metric.variables)]
                if metric.name == "loss":
                    mine = metric.stateless_update_state(mine, loss)
                else:
                    mine = metric.stateless_update_state(mine, y, y_pred)
                logs[metric.name] = metric.stateless_result(mine)
                new_metrics += mine
            return logs, (tv, ntv, optimizer_variables, new_metrics)

        def test_step(self, state, data):
            logs, state = super().test_step(state, data)
            logs["tested"] = 5.0
            return logs, state

        def predict_step(self, state, data):
            outputs, ntv = super().predict_step(state, data)
            return outputs + 1.0, ntv

    return Stateless


def test_the_natural_style_trains_as_the_default_does():
    weights, losses = [], []
    for cls in (Stateful, kerata.Model):
        model = base(kerata, cls)
        model.compile(kerata.optimizers.Adam(0.1), "mse", metrics=["mae"])
        history = model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights()[0])
        losses.append(history.history["loss"])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-6)
    assert losses[0] == pytest.approx(losses[1])


def test_own_logs_are_reported():
    model = base(kerata, Stateful)
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, verbose=0).history
    assert set(history) == {"loss", "mae", "norm"} and history["norm"][0] > 0


@pytest.mark.parametrize("kwargs", [{}, {"run_eagerly": True}])
def test_the_stateless_style_trains_as_in_keras(kwargs):
    found = []
    for lib in (kerata, keras):
        model = base(lib, stateless(lib))
        model.compile(lib.optimizers.Adam(0.1), "mse", metrics=["mae"], **kwargs)
        history = model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        logs = model.evaluate(X, Y, verbose=0, return_dict=True)
        assert logs.pop("tested") == 5.0
        predicted = model.predict(X, verbose=0)
        np.testing.assert_allclose(predicted, np.asarray(model(X)) + 1.0, rtol=1e-5)
        found.append((history["loss"], logs["loss"], predicted, *model.get_weights()))
    for value, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-4)


class TakesTwo(kerata.Model):
    def train_step(self, state, data):
        logs, state = super().train_step(state, data)
        return {**logs, "mine": 10.0}, state


class TakesAny(kerata.Model):
    """As Keras calls it on JAX, whatever the names."""

    def train_step(self, *args, **kwargs):
        logs, state = super().train_step(*args, **kwargs)
        return {**logs, "mine": 10.0}, state


@pytest.mark.parametrize("Net", [TakesTwo, TakesAny], ids=["two", "any"])
def test_stateless_steps_may_call_the_default_ones(Net):
    model, plain = base(kerata, Net), base(kerata)
    for m in (model, plain):
        m.compile("adam", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=4, shuffle=False, verbose=0).history
    expected = plain.fit(X, Y, batch_size=4, shuffle=False, verbose=0).history
    assert history.pop("mine") == [10.0]
    assert history == expected
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])


def test_compute_loss_and_updates_can_be_differentiated():
    class Net(kerata.Model):
        def train_step(self, state, data):
            tv, ntv, optimizer_variables, metrics_variables = state
            x, y = data
            grad_fn = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
            (_, aux), grads = grad_fn(
                tv, ntv, metrics_variables, x, y, None, training=True,
                optimizer_variables=optimizer_variables,
            )  # fmt: skip
            loss, _, ntv, metrics_variables = aux
            tv, optimizer_variables = self.optimizer.stateless_apply(optimizer_variables, grads, tv)
            return {"loss": loss}, (tv, ntv, optimizer_variables, metrics_variables)

    model, plain = base(kerata, Net), base(kerata)
    for m in (model, plain):
        m.compile("sgd", "mse")
        m.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], plain.get_weights()[0], rtol=1e-6)


def test_two_models_and_two_optimizers_in_one_step():
    class GAN(kerata.Model):
        def __init__(self):
            super().__init__()
            self.generator = kerata.Sequential([kerata.layers.Dense(3)])
            self.critic = kerata.Sequential([kerata.layers.Dense(1)])
            self.seeds = kerata.random.SeedGenerator(0)

        def compile(self, g_optimizer, c_optimizer):
            super().compile()
            self.g_optimizer, self.c_optimizer = g_optimizer, c_optimizer
            self.g_loss = kerata.metrics.Mean(name="g_loss")

        @property
        def metrics(self):
            return [self.g_loss]

        def train_step(self, real):
            noise = kerata.random.normal((real.shape[0], 2), seed=self.seeds)
            fake = self.generator(noise)

            def critic_loss():
                return kerata.ops.mean(self.critic(fake)) - kerata.ops.mean(self.critic(real))

            self.critic(real)
            _, grads = kerata.value_and_grad(critic_loss, self.critic.trainable_variables)()
            self.c_optimizer.apply(grads, self.critic.trainable_variables)

            def generator_loss():
                return -kerata.ops.mean(self.critic(self.generator(noise)))

            loss, grads = kerata.value_and_grad(
                generator_loss, self.generator.trainable_variables
            )()
            self.g_optimizer.apply(grads, self.generator.trainable_variables)
            self.g_loss.update_state(loss)
            return {"g_loss": self.g_loss.result()}

    model = GAN()
    model.compile(kerata.optimizers.Adam(0.01), kerata.optimizers.SGD(0.01))
    history = model.fit(X, epochs=2, batch_size=4, verbose=0).history
    assert len(history["g_loss"]) == 2 and np.isfinite(history["g_loss"]).all()
    assert int(model.g_optimizer.iterations.value) == int(model.c_optimizer.iterations.value) == 4


def test_compute_loss_may_be_overridden():
    class Net(kerata.Model):
        def __init__(self):
            super().__init__()
            self.dense = kerata.layers.Dense(1)
            self.custom = kerata.metrics.Mean(name="custom")

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            loss = super().compute_loss(x, y, y_pred, sample_weight)
            self.custom.update_state(loss * 4)
            return loss

    model = Net()
    model.compile("sgd", "mse")
    history = model.fit(X, Y, verbose=0).history
    assert history["custom"][0] == pytest.approx(4 * history["loss"][0])
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs["custom"] == pytest.approx(4 * logs["loss"])


def test_training_reaches_compute_loss():
    seen = []

    class Net(kerata.Model):
        def __init__(self):
            super().__init__()
            self.dense = kerata.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            seen.append(training)
            return kerata.ops.mean(y_pred**2)

    model = Net()
    model.compile("sgd")
    model.fit(X, verbose=0)
    assert set(seen) == {True}
    seen.clear()
    model.evaluate(X, verbose=0)
    assert set(seen) == {False}


def test_compute_metrics_may_be_overridden():
    class Net(kerata.Model):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            found = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**found, "largest": kerata.ops.max(y_pred)}

    model = base(kerata, Net)
    model.compile("sgd", "mse", metrics=["mae"])
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs["largest"] == pytest.approx(float(np.max(model.predict(X, verbose=0))))
    assert list(logs) == ["largest", "loss", "mae"]
    assert model.evaluate(X, Y, verbose=0)[-1] == logs["largest"]


def test_stateless_compute_loss():
    found = []
    for lib in (kerata, keras):
        model = base(lib)
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=1, verbose=0)
        groups = ("trainable", "non_trainable", "metrics")
        values = [[v.value for v in getattr(model, f"{group}_variables")] for group in groups]
        loss, state = model.stateless_compute_loss(*values, x=X, y=Y, y_pred=Y + 2.0)
        assert [len(group) for group in state] == [2, 0, 2]
        found.append(float(loss))
    assert found == [4.0, 4.0]


def test_several_steps_are_one_call():
    traced = []

    class Net(kerata.Model):
        def train_step(self, data):
            traced.append(1)
            return super().train_step(data)

    model, plain = base(kerata, Net), base(kerata)
    model.compile("adam", "mse", steps_per_execution=4)
    plain.compile("adam", "mse")
    for m in (model, plain):
        m.fit(X, Y, batch_size=1, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], plain.get_weights()[0], rtol=1e-6)
    assert model.train_function.compilations == 1
    assert len(traced) <= 2


def test_an_exception_in_a_step_leaves_the_model_usable():
    class Net(kerata.Model):
        broken = True

        def train_step(self, data):
            logs = super().train_step(data)
            if self.broken:
                raise RuntimeError("a mistake in a step")
            return logs

    model = base(kerata, Net)
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    with pytest.raises(RuntimeError, match="a mistake in a step"):
        model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    model.broken = False
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)
