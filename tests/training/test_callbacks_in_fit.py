"""Callbacks at work in `fit`."""

import re
import sys

import jax
import numpy as np
import pytest

import kerata
from kerata import callbacks

X = np.linspace(-1, 1, 12, dtype="float32")[:, None]


def make(optimizer="sgd", metrics=("mae",)):
    kerata.utils.set_random_seed(0)
    model = kerata.Sequential([kerata.Input((1,)), kerata.layers.Dense(1, name="only")])
    model.compile(optimizer, "mse", metrics=list(metrics))
    return model


def fit(model, *given, **arguments):
    arguments = {"epochs": 3, "batch_size": 4, "verbose": 0, **arguments}
    return model.fit(X, 3 * X, callbacks=list(given), **arguments)


def test_history_is_returned():
    model = make()
    history = fit(model, validation_data=(X, X))
    assert list(history.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert history.epoch == [0, 1, 2] and model.history is history
    assert all(type(v) is float for values in history.history.values() for v in values)


def test_a_line_an_epoch_when_output_is_no_terminal(capsys):
    model = make()
    fit(model, verbose=1, validation_data=(X, X), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    number = r"\d\.\d{4}"
    assert re.fullmatch(
        rf"Epoch 2/2 - 3/3 - \d+s - \d+[mu]?s/step - loss: {number} - mae: {number} - "
        rf"val_loss: {number} - val_mae: {number}",
        lines[1],
    )
    model.evaluate(X, X, batch_size=4)
    model.predict(X, batch_size=4)
    assert [line[:3] for line in capsys.readouterr().out.splitlines()] == ["3/3", "3/3"]


def test_a_bar_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    fit(make(), verbose=1, epochs=2)
    shown = capsys.readouterr().out
    assert "Epoch 1/2\n" in shown and "Epoch 2/2\n" in shown
    assert shown.count("\r3/3 ━━━━━━━━━━━━━━━━━━━━") == 2


def test_silence(capsys):
    model = make()
    fit(model)
    model.evaluate(X, X, verbose=0)
    assert capsys.readouterr().out == ""


def test_values_are_fetched_once_an_epoch_when_nobody_watches_batches(monkeypatch):
    model = make()
    fit(model, epochs=1)
    fetched = []
    get = jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda x: (fetched.append(1), get(x))[1])
    fit(model, epochs=2, batch_size=2)
    assert len(fetched) == 2


def test_nested_logs_reach_everyone(tmp_path):
    class Net(kerata.Sequential):
        def train_step(self, data):
            x, y = data
            error = kerata.ops.mean(kerata.ops.abs(self(x) - y))
            return {"loss": error, "metrics": {"mae": error, "more": {"half": error / 2}}}

        def test_step(self, data):
            return {"metrics": {"mae": 1.0}}

    model = Net([kerata.layers.Dense(1)])
    model.compile("sgd")
    seen = []

    class Watch(kerata.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["half"])

    log = kerata.callbacks.CSVLogger(tmp_path / "log.csv")
    stop = kerata.callbacks.EarlyStopping("mae", mode="min", min_delta=1.0)
    data = np.ones((4, 2)), np.ones((4, 1))
    history = model.fit(
        *data, epochs=9, callbacks=[Watch(), log, stop], validation_data=data, verbose=0
    ).history
    assert set(history) == {"loss", "mae", "half", "val_mae"} and len(history["mae"]) == 2
    assert len(seen) == 2 and isinstance(seen[0], float)
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == "epoch,half,loss,mae,val_mae"
    assert model.evaluate(*data, verbose=0) == 1.0


def test_early_stopping_restores_the_best_weights():
    model = make("sgd")

    class Spoil(callbacks.Callback):
        weights: list = []

        def on_epoch_begin(self, epoch, logs=None):
            self.weights.append(model.get_weights())
            if epoch >= 2:
                model.layers[0].kernel.assign([[9.0 * epoch]])

    stop = callbacks.EarlyStopping("val_mae", patience=2, restore_best_weights=True)
    history = fit(model, Spoil(), stop, epochs=9, validation_data=(X, 3 * X))
    assert len(history.epoch) == 4 and stop.best_epoch == 1
    np.testing.assert_allclose(model.get_weights()[0], Spoil.weights[2][0])


def test_learning_rate_acts_on_the_compiled_step():
    model = make(kerata.optimizers.SGD(0.1))
    before = model.get_weights()
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch: 0.0), epochs=1)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    assert history.history["learning_rate"] == [0.0]


def test_terminate_on_nan():
    model = make()
    model.layers[0].kernel.assign([[np.nan]])
    assert len(fit(model, callbacks.TerminateOnNaN()).epoch) == 1


def test_swap_ema_weights():
    model = make(kerata.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))
    weights = []

    class Look(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            weights.append(("test", model.layers[0].kernel.numpy().item()))

        def on_epoch_end(self, epoch, logs=None):
            weights.append(("own", model.layers[0].kernel.numpy().item()))
            weights.append(("average", model.optimizer.variables[2].numpy().item()))

    fit(model, callbacks.SwapEMAWeights(), Look(), epochs=1, validation_data=(X[:4], X[:4]))
    found = dict(weights)
    assert found["test"] == found["average"] != found["own"]


class Interrupt(callbacks.Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.place = epoch, batch
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise KeyboardInterrupt


@pytest.mark.parametrize("save_freq, double", [("epoch", False), (2, True)])
def test_backup_and_restore_is_exact(tmp_path, save_freq, double):
    def make_callbacks():
        return [
            callbacks.BackupAndRestore(tmp_path / "backup", save_freq, double_checkpoint=double),
            callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9.0, factor=0.5),
        ]

    kerata.utils.set_random_seed(3)
    straight = make("adam")
    expected = fit(straight, callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9.0,
                                                         factor=0.5))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        fit(make("adam"), *make_callbacks(), Interrupt(1, 1))
    assert (tmp_path / "backup" / "previous.npz").exists() == double
    if double:
        (tmp_path / "backup" / "state.npz").write_bytes(b"damaged")
    resumed = make("adam")
    kerata.utils.set_random_seed(99)
    history = fit(resumed, *make_callbacks())
    for ours, theirs in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert history.epoch == expected.epoch
    assert history.history["loss"] == expected.history["loss"]
    assert history.history["learning_rate"] == expected.history["learning_rate"]
    assert not (tmp_path / "backup").exists()


def test_backup_is_kept_if_wanted(tmp_path):
    with pytest.raises(ValueError, match="backup_dir"):
        callbacks.BackupAndRestore(None)
    fit(make(), callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False))
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    history = fit(make(), callbacks.BackupAndRestore(tmp_path), epochs=5)
    assert history.epoch == [0, 1, 2, 3, 4] and len(history.history["loss"]) == 5
