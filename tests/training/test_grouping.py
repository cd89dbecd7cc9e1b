"""Steps in groups compute what single steps do."""

import numpy as np
import pytest

import kerata
from kerata import layers
from kerata.training import grouping


@pytest.fixture(autouse=True)
def _short_runs_count_as_long(monkeypatch):
    monkeypatch.setattr(grouping, "_LONG", 10)


class Watching(kerata.callbacks.Callback):
    """Sees single batches: nothing is grouped beside it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)


class OwnCheckpoint(kerata.callbacks.ModelCheckpoint):
    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)


class Patient(Watching):
    watches_batches = False


def dense():
    return kerata.Sequential([
        kerata.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.3), layers.Dense(1)
    ])  # fmt: skip


class OwnStep(kerata.Model):
    """Its step counts, and shows that it does."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.steps = self.add_weight(name="steps", dtype="int32", trainable=False)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        self.steps.assign_add(1)
        return super().train_step(data) | {"steps": self.steps.value}


def fitted(make, *callbacks, samples=46, **options):
    kerata.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(samples, 3)).astype("float32")
    model = make()
    model.compile("adam", "mse", metrics=["mae"])
    history = model.fit(
        x, x.sum(1, keepdims=True), batch_size=2, epochs=2, verbose=0, callbacks=list(callbacks),
        **options,
    ).history  # fmt: skip
    return model, history


def same(a, b):
    for key, values in a[1].items():
        np.testing.assert_allclose(values, b[1][key], rtol=1e-5, err_msg=key)
    for x, y in zip(a[0].variables, b[0].variables, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6, err_msg=x.path)


@pytest.mark.parametrize("samples", [46, 45])  # the latter has a smaller last batch
@pytest.mark.parametrize("make", [dense, OwnStep])
def test_the_same_as_single_steps(make, samples):
    grouped = fitted(make, samples=samples)
    assert grouped[0]._grouped.size == grouping.GROUP
    single = fitted(make, watching := Watching(), samples=samples)
    assert single[0]._grouped is None
    assert watching.seen == [*range(23)] * 2
    same(grouped, single)


def test_one_program_whatever_is_left_for_the_last_group():
    model, _ = fitted(dense, samples=45)
    assert model.train_function.compilations == 0
    grouped = model._grouped
    assert grouped.size == 16  # of 23 batches: groups of 16 and of 7
    assert grouped.loop.compilations == 1
    assert grouped.single.compilations == 0


class OwnConvolution(layers.Layer):
    """Does not look like one before it is traced."""

    def build(self, shape):
        self.filters = self.add_weight(name="filters", shape=(2, 1, 2))

    def call(self, x):
        return kerata.ops.conv(x, self.filters)


@pytest.mark.parametrize(
    "layer", [lambda: layers.Conv1D(2, 2), OwnConvolution], ids="seen own".split()
)
def test_convolutions_are_slow_in_loops_on_cpus(layer):
    def convolutional():
        return kerata.Sequential([
            kerata.Input((3,)), layers.Reshape((3, 1)), layer(), layers.Flatten(), layers.Dense(1)
        ])  # fmt: skip

    grouped = fitted(convolutional)
    assert grouped[0].train_function.compilations == 1
    same(grouped, fitted(convolutional, Watching()))


def test_each_batch_once_wherever_the_small_one_is():
    # A batch of another shape in the middle of a group, of a model that does not fill it up.
    grouped = fitted(OwnStep, samples=45, shuffle="batch")
    same(grouped, fitted(OwnStep, Watching(), samples=45, shuffle="batch"))


def test_users_own_train_function_is_called():
    calls = []

    class Own(OwnStep):
        def make_train_function(self, force=False):
            function = super().make_train_function(force)
            return lambda batch: calls.append(batch) or function(batch)

    fitted(Own)
    assert len(calls) == 46 and isinstance(calls[0], tuple)


def test_fewer_steps_than_a_pass():
    model, _ = fitted(dense, steps_per_epoch=10)
    assert int(model.optimizer.iterations) == 20


@pytest.mark.parametrize(
    "callback, watches",
    [
        (kerata.callbacks.ProgbarLogger, False),
        (kerata.callbacks.EarlyStopping, False),
        (lambda: kerata.callbacks.ModelCheckpoint("a.keras"), False),
        (lambda: kerata.callbacks.ModelCheckpoint("a.keras", save_freq=3), True),
        (lambda: kerata.callbacks.BackupAndRestore("a"), False),
        (lambda: kerata.callbacks.BackupAndRestore("a", save_freq=3), True),
        (kerata.callbacks.TensorBoard, False),
        (lambda: kerata.callbacks.TensorBoard(update_freq=5), True),
        (kerata.callbacks.TerminateOnNaN, True),
        (lambda: kerata.callbacks.LambdaCallback(on_train_batch_begin=print), True),
        (Watching, True),
        (lambda: OwnCheckpoint("a.keras"), True),
        (Patient, False),
    ],
    ids="progress stop file files backup backups board boards nan begin own derived says".split(),
)
def test_who_watches_batches(callback, watches):
    assert kerata.callbacks.CallbackList([callback()]).watches_batches() is watches


def test_equal_runs_are_equal_to_the_bit():
    a, b = fitted(dense), fitted(dense)
    assert a[1] == b[1]
    for x, y in zip(a[0].variables, b[0].variables, strict=True):
        np.testing.assert_array_equal(x, y)
