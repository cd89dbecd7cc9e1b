"""The order of samples, and training that goes on from a snapshot as if nothing had happened."""

import numpy as np
import pytest

import kerata
from kerata.training.state import TrainingState, resume_from

generator = np.random.default_rng(0)
X = generator.normal(size=(10, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make():
    model = kerata.Sequential([
        kerata.Input((3,)), kerata.layers.Dense(4), kerata.layers.BatchNormalization(),
        kerata.layers.Dropout(0.5), kerata.layers.Dense(1),
    ])  # fmt: skip
    model.compile(kerata.optimizers.Adam(0.05), "mse", metrics=["mae"])
    return model


class Order(kerata.callbacks.Callback):
    """Notes in which order samples come: each has its number as its weight."""

    def on_train_begin(self, logs=None):
        self.seed = self.model.training_state.seed


def order_of_fit(epochs=1):
    seen = []

    class Net(kerata.Model):
        def train_step(self, data):
            seen.append(np.asarray(data)[:, 0].astype(int).tolist())
            return {}

    model = Net()
    model.compile(run_eagerly=True)
    model.fit(np.arange(6)[:, None], batch_size=4, epochs=epochs, verbose=0)
    return seen


def test_the_seed_fixes_the_order():
    kerata.utils.set_random_seed(1)
    first, second = order_of_fit(2), order_of_fit()
    kerata.utils.set_random_seed(1)
    assert order_of_fit(2) == first
    assert first[:2] != first[2:] and sorted(sum(first[:2], [])) == list(range(6))
    assert second != first[:2]  # fits that follow each other differ
    kerata.utils.set_random_seed(2)
    assert order_of_fit(2) != first


def test_equal_seeds_give_equal_weights():
    weights = []
    for _ in range(2):
        kerata.utils.set_random_seed(3)
        model = make()
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


class Interrupt(kerata.callbacks.Callback):
    """Takes a snapshot after a step or an epoch, and stops."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.epoch, self.batch = epoch, batch
        self.snapshot = None

    def take(self):
        self.snapshot = self.model.training_state.snapshot()
        self.model.stop_training = True

    def on_train_batch_end(self, batch, logs=None):
        if self.model.training_state.epoch == self.epoch and batch == self.batch:
            self.take()

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch and self.batch is None:
            self.take()


@pytest.mark.parametrize("place", [(1, None), (1, 0), (2, 1)])
def test_a_resumed_run_ends_where_the_whole_one_does(place):
    kerata.utils.set_random_seed(5)
    whole = make()
    history = whole.fit(X, Y, batch_size=4, epochs=4, verbose=0).history
    kerata.utils.set_random_seed(5)
    broken = make()
    interrupt = Interrupt(*place)
    broken.fit(X, Y, batch_size=4, epochs=4, callbacks=[interrupt], verbose=0)
    kerata.utils.set_random_seed(77)
    resumed = make()
    resume_from(resumed, interrupt.snapshot)
    rest = resumed.fit(X, Y, batch_size=4, epochs=4, verbose=0)
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(resumed.optimizer.variables, whole.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert rest.history["loss"][-1] == history["loss"][-1]
    assert rest.epoch[-1] == 3


def test_a_snapshot_is_plain():
    model = make()
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    state = model.training_state
    assert isinstance(state, TrainingState) and (state.epoch, state.step) == (2, 0)
    snapshot = state.snapshot()
    assert snapshot["place"] == {"pass": 2, "position": 0} and snapshot["epoch"] == 2
    assert all(type(n) is int for n in snapshot["seed"])
    for group in ("model", "optimizer", "metrics"):
        assert snapshot[group] and all(type(a) is np.ndarray for a in snapshot[group])
    before = snapshot["model"][0].copy()
    model.fit(X, Y, batch_size=4, verbose=0)
    np.testing.assert_array_equal(snapshot["model"][0], before)  # no view of live memory


def test_a_snapshot_of_another_model_is_refused():
    model = make()
    model.fit(X, Y, verbose=0)
    snapshot = model.training_state.snapshot()
    other = kerata.Sequential([kerata.Input((3,)), kerata.layers.Dense(1)])
    other.compile("sgd", "mse")
    before = other.get_weights()[0]
    resume_from(other, snapshot)
    with pytest.raises(ValueError, match="variables must be those of the state"):
        other.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(other.get_weights()[0], before)
    with pytest.raises(ValueError, match="version"):
        model.training_state.restore({**snapshot, "version": 0})
