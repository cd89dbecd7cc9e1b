"""Callbacks: the list that calls them, logs, and each callback on its own with a model in play."""

import copy
import inspect
import pickle
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import kerata
from kerata import callbacks, optimizers
from kerata.training.callbacks import Logs


class Player:
    """What a callback needs of a model."""

    def __init__(self, optimizer=None):
        self.optimizer = optimizers.SGD(0.1) if optimizer is None else optimizer
        self.stop_training = False
        self.metrics: list = []
        self.weights = [np.zeros(1)]
        self.saved: list = []

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, overwrite=False):
        self.saved.append((path, overwrite))

    def save_weights(self, path, overwrite=False):
        self.saved.append((path, overwrite))


def play(callback, values, name="val_loss", model=None):
    """Train as `fit` would; the weight in epoch n is n. Return the model."""
    model = model or Player()
    calls = callbacks.CallbackList([callback], model=model, epochs=len(values), steps=1)
    model.stop_training = False
    calls.on_train_begin()
    for epoch, value in enumerate(values):
        calls.on_epoch_begin(epoch)
        model.weights = [np.array([float(epoch)])]
        model.logs = {name: value}
        calls.on_epoch_end(epoch, model.logs)
        model.epochs = epoch + 1
        if model.stop_training:
            break
    calls.on_train_end()
    return model


NAMES = """BackupAndRestore CSVLogger Callback CallbackList EarlyStopping History LambdaCallback
LearningRateScheduler ModelCheckpoint OrbaxCheckpoint ProgbarLogger ReduceLROnPlateau
RemoteMonitor SwapEMAWeights TensorBoard TerminateOnNaN""".split()


@pytest.mark.parametrize("patience", ["3", None, float("nan")])
@pytest.mark.parametrize("kind", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_patience_is_a_number(kind, patience):
    with pytest.raises(ValueError, match="`patience` must be a number"):
        kind(patience=patience)


@pytest.mark.parametrize("name", NAMES)
def test_signatures_and_methods_are_those_of_keras(name):
    ours, theirs = getattr(callbacks, name), getattr(keras.callbacks, name)
    mine = [(p.name, p.kind, p.default) for p in inspect.signature(ours).parameters.values()]
    its = [(p.name, p.kind, p.default) for p in inspect.signature(theirs).parameters.values()]
    assert mine == its
    for method in (m for m in dir(theirs) if m.startswith(("on_", "set_"))):
        mine = list(inspect.signature(getattr(ours, method)).parameters)
        assert mine == list(inspect.signature(getattr(theirs, method)).parameters), method


# Logs.


def test_logs_are_fetched_when_a_value_is_read(monkeypatch):
    fetched = []
    get = jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda x: (fetched.append(len(x)), get(x))[1])
    logs = Logs({"loss": jnp.float32(0.5), "per_class": jnp.ones(2), "note": "x", "n": 3})
    assert list(logs) == ["loss", "per_class", "note", "n"] and len(logs) == 4 and "loss" in logs
    assert fetched == []
    assert logs["loss"] == 0.5 and type(logs["loss"]) is float
    assert isinstance(logs["per_class"], np.ndarray) and logs["note"] == "x"
    assert fetched == [2]
    logs["learning_rate"] = jnp.float32(0.25)
    assert logs.get("learning_rate") == 0.25
    assert fetched == [2, 1]


@pytest.mark.parametrize(
    "read",
    [
        dict,
        lambda logs: {**logs},
        lambda logs: logs.copy(),
        lambda logs: logs | {},
        lambda logs: {} | logs,
        lambda logs: dict(logs.items()),
        lambda logs: dict(zip(logs, logs.values(), strict=True)),
        lambda logs: {"a": logs.pop("a")},
        lambda logs: dict([logs.popitem()]),
        lambda logs: {"a": logs.setdefault("a", 2)},
        lambda logs: eval(repr(logs)),
        copy.deepcopy,
        lambda logs: pickle.loads(pickle.dumps(logs)),
        lambda logs: (logs.update(b=1), {"a": logs["a"]})[1],
    ],
)
def test_logs_never_show_what_was_not_fetched(read):
    found = read(Logs(a=jnp.int32(1)))
    assert found == {"a": 1} and type(found["a"]) is int
    assert Logs(a=jnp.int32(1)) == {"a": 1}


# CallbackList.


class Spy(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch", epoch, dict(logs)))

    def on_batch_end(self, batch, logs=None):
        self.calls.append(("batch", batch, dict(logs)))

    def on_test_end(self, logs=None):
        self.calls.append(("test", dict(logs)))


def test_list_calls_what_is_overridden():
    spy, model = Spy(), Player()
    calls = callbacks.CallbackList([spy, [callbacks.Callback()]], model=model, epochs=2)
    assert spy.model is model and spy._model is model and spy.params == {"epochs": 2}
    calls.on_train_begin()
    calls.on_epoch_begin(0)
    calls.on_train_batch_begin(0)
    calls.on_train_batch_end(0, {"loss": jnp.float32(1)})
    calls.on_batch_end(1, {"loss": jnp.float32(2)})
    calls.on_test_end({"val_loss": 3})
    calls.on_epoch_end(0, None)
    calls.on_predict_end()
    assert spy.calls == [
        ("batch", 0, {"loss": 1.0}),
        ("batch", 1, {"loss": 2.0}),
        ("test", {"val_loss": 3}),
        ("epoch", 0, {}),
    ]


def test_every_hook_arrives():
    seen = []
    hooks = [name for name in dir(callbacks.Callback) if name.startswith("on_")]
    spy = callbacks.LambdaCallback(
        **{name: lambda *args, name=name: seen.append((name, len(args))) for name in hooks}
    )
    calls = callbacks.CallbackList(spy)
    for name in hooks:
        getattr(calls, name)(*([0] if "batch" in name or "epoch" in name else []))
    expected = [name.replace("on_batch", "on_train_batch") for name in hooks]
    assert [name for name, _ in seen] == expected
    assert all(count == (2 if "batch" in n or "epoch" in n else 1) for n, count in seen)


def test_needs_batch_logs():
    def needs(*given):
        calls = callbacks.CallbackList(list(given))
        return [calls.needs_batch_logs(mode) for mode in ("train", "test", "predict")]

    assert needs(callbacks.History(), callbacks.EarlyStopping()) == [False, False, False]
    assert needs(callbacks.TerminateOnNaN()) == [True, False, False]
    assert needs(Spy()) == [True, False, False]
    assert needs(callbacks.ProgbarLogger()) == [True, True, True]
    calls = callbacks.CallbackList()
    assert not calls.needs_batch_logs("test")
    calls.append(callbacks.LambdaCallback(on_test_batch_end=print))
    assert calls.needs_batch_logs("test")


def test_nothing_is_fetched_when_nothing_is_read(monkeypatch):
    monkeypatch.setattr(jax, "device_get", lambda x: pytest.fail("fetched"))
    calls = callbacks.CallbackList(callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: 0))
    calls.on_train_batch_end(0, {"loss": jnp.float32(1)})


def test_defaults_come_last_and_once():
    calls = callbacks.CallbackList([Spy()], add_history=True, add_progbar=True, steps=1, verbose=0)
    assert [type(c).__name__ for c in calls.callbacks] == ["Spy", "ProgbarLogger", "History"]
    own, model = callbacks.History(), Player()
    calls = callbacks.CallbackList([own, Spy()], add_history=True, model=model)
    assert len(calls.callbacks) == 2 and model.history is own


@pytest.mark.parametrize(
    "given, words", [(callbacks.History, r"Make one: History\(\.\.\.\)"), (print, "function print")]
)
def test_what_is_no_callback(given, words):
    with pytest.raises(TypeError, match=f"(?s)must hold Callback objects.*{words}"):
        callbacks.CallbackList([given])


def test_state_is_set_after_all_have_begun():
    class Restoring(callbacks.Callback):
        def on_train_begin(self, logs=None):
            outer.set_state(memory)

    stop = callbacks.EarlyStopping("loss", patience=9)
    play(stop, [1.0, 2.0, 3.0], "loss")
    outer = callbacks.CallbackList([stop])
    memory = outer.get_state()
    fresh = callbacks.EarlyStopping("loss", patience=9)
    outer = callbacks.CallbackList([Restoring(), callbacks.History(), fresh])
    outer.on_train_begin()
    assert (fresh.best, fresh.wait) == (1.0, 2)


def test_state_goes_to_callbacks_of_the_same_class_in_order():
    def make():
        return callbacks.CallbackList(
            [callbacks.EarlyStopping("a", mode="min"), callbacks.History(),
             callbacks.EarlyStopping("b", mode="min", restore_best_weights=True)],
            model=Player(),
        )  # fmt: skip

    first, second = make(), make()
    first.on_train_begin()
    first.on_epoch_end(0, {"a": 1.0, "b": 2.0})
    second.set_state(first.get_state())
    a, history, b = second.callbacks
    assert (a.best, b.best, history.history) == (1.0, 2.0, {"a": [1.0], "b": [2.0]})
    np.testing.assert_array_equal(b.best_weights[0], np.zeros(1))
    history.history["a"].append(3)
    assert first.callbacks[1].history["a"] == [1.0]


def test_verbose_is_checked():
    with pytest.raises(ValueError, match="(?s)verbose.*Received: verbose='loud'"):
        callbacks.CallbackList(add_progbar=True, verbose="loud")


# History.


def test_history_records_what_others_add():
    history, model = callbacks.History(), Player()
    calls = callbacks.CallbackList(
        [callbacks.LearningRateScheduler(lambda epoch: 0.5), history], model=model
    )
    for epoch in range(2):
        calls.on_epoch_begin(epoch)
        calls.on_epoch_end(epoch, {"loss": jnp.float32(epoch)})
    assert history.history == {"loss": [0.0, 1.0], "learning_rate": [0.5, 0.5]}
    assert history.epoch == [0, 1] and model.history is history


def test_history_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    history = callbacks.History()
    for epoch in range(3):
        logs = {"loss": 1.0 - epoch / 4, "val_loss": 1.0, "acc": 0.5}
        history.on_epoch_end(epoch, logs | ({"val_f1": 0.25} if epoch == 2 else {}))
    figure = history.plot()
    panels = {panel.get_title(): panel for panel in figure.axes}
    assert list(panels) == ["loss", "acc", "f1"]
    training, validation = panels["loss"].lines
    assert list(training.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == [1.0, 0.75, 0.5]
    assert (training.get_label(), validation.get_label()) == ("training", "validation")
    assert list(panels["f1"].lines[0].get_xdata()) == [3]
    assert len(history.plot(["acc"]).axes) == 1
    with pytest.raises(ValueError, match="no such metric"):
        history.plot(["nope"])
    with pytest.raises(ValueError, match="no such metric"):
        callbacks.History().plot()
    matplotlib.pyplot.close("all")


# EarlyStopping.

EARLY = [
    ({"patience": 1}, [1, 0.9, 0.95, 0.8]),
    ({"patience": 5}, [1, 0.9, 0.95]),
    ({"patience": 0}, [1, 2, 3]),
    ({"patience": 2, "baseline": 0.5}, [1, 0.9, 0.95, 0.96]),
    ({"patience": 2, "baseline": 0.5}, [1, 0.4, 0.45, 0.3]),
    ({"patience": 1, "start_from_epoch": 2}, [1, 2, 3, 4, 5, 6]),
    ({"patience": 1, "min_delta": 0.1}, [1, 0.95, 0.91, 0.85]),
    ({"patience": 2, "mode": "max"}, [1, 2, 1.5, 1.5, 3]),
    ({"patience": 2}, [1, float("nan"), float("nan"), 3]),
]


@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize("arguments, values", EARLY, ids=str)
def test_early_stopping(arguments, values, restore):
    def run(kind, model):
        callback = kind(restore_best_weights=restore, **arguments)
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            model.weights = [np.array([float(epoch)])]
            callback.on_epoch_end(epoch, {"val_loss": value})
            if model.stop_training:
                break
        callback.on_train_end()
        names = ("best", "wait", "best_epoch", "stopped_epoch")
        return epoch, model.weights[0][0], *(getattr(callback, n) for n in names)

    assert run(callbacks.EarlyStopping, Player()) == run(keras.callbacks.EarlyStopping, Player())


def test_early_stopping_begins_afresh():
    stop = callbacks.EarlyStopping(patience=1)
    assert play(stop, [0.1, 0.2, 0.3]).epochs == 2
    assert play(stop, [5.0, 4.0, 3.0, 4.0, 5.0]).epochs == 4
    assert stop.best == 3.0


def test_early_stopping_after_nan_at_the_start():
    assert play(callbacks.EarlyStopping(patience=2), [float("nan"), 2.0, 1.0, 0.5]).epochs == 4


def test_early_stopping_prints(capsys):
    play(callbacks.EarlyStopping(patience=1, verbose=1, restore_best_weights=True), [1, 2, 3])
    shown = capsys.readouterr().out
    assert shown == (
        "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )


def test_missing_metric_is_a_warning_with_the_names():
    with pytest.warns(UserWarning, match="(?s)`val_loss` which is not available.*are: loss.*valid"):
        play(callbacks.EarlyStopping(), [1, 2], "loss")
    with pytest.warns(UserWarning, match="Did you mean 'accuracy'"):
        play(callbacks.EarlyStopping("acuracy_accuracy"), [1, 2], "accuracy")
    with pytest.raises(ValueError, match="(?s)`foo` which is not available.*are: loss"):
        play(callbacks.EarlyStopping("foo"), [1], "loss")


@pytest.mark.parametrize(
    "name, direction",
    [
        ("loss", -1),
        ("val_out_loss", -1),
        ("accuracy", 1),
        ("val_binary_accuracy", 1),
        ("acc", 1),
        ("auc_1", 1),
        ("val_precision", 1),
        ("f1_score", 1),
        ("mean_squared_error", -1),
        ("val_mae", -1),
        ("foo", None),
    ],
)
def test_auto_mode_by_name(name, direction):
    callback = callbacks.EarlyStopping(name)
    if direction is None:
        with pytest.raises(ValueError, match="(?s)'foo'.*mode='max' or mode='min'"):
            callback._sign()
    else:
        assert callback._sign() == direction
        assert callback.monitor_op is {1: kerata.ops.greater, -1: kerata.ops.less}[direction]


def test_auto_mode_by_the_metric_itself():
    class Metric:
        def __init__(self, name, direction, metrics=()):
            self.name, self._direction, self.metrics = name, direction, metrics

    model = Player()
    model.metrics = [Metric("all", None, [Metric("loss_of_sleep", "up")])]
    callback = callbacks.EarlyStopping("val_loss_of_sleep")
    callback.set_model(model)
    assert callback._sign() == 1


def test_unknown_mode_is_auto():
    with pytest.warns(UserWarning, match="mode 'up' is unknown"):
        callback = callbacks.EarlyStopping(mode="up")
    assert callback._sign() == -1


def test_metrics_that_are_arrays():
    assert play(callbacks.EarlyStopping("f1", mode="max"), [np.ones(1)], "f1").epochs == 1
    with pytest.raises(ValueError, match=r"(?s)single number.*shape \(2,\)"):
        play(callbacks.EarlyStopping("f1", mode="max"), [np.ones(2)], "f1")


# The learning rate.


@pytest.mark.parametrize(
    "arguments",
    [
        {"patience": 1, "factor": 0.5, "cooldown": 2, "min_lr": 0.02},
        {"patience": 2, "factor": 0.1},
        {"patience": 1, "min_delta": 0.5},
    ],
    ids=str,
)
def test_reduce_lr_on_plateau(arguments):
    values = [1, 1, 0.9, 1, 1, 1, 1, 1, 0.5, 1]

    def run(kind, model):
        callback = kind(**arguments)
        callback.set_model(model)
        callback.on_train_begin()
        seen = []
        for epoch, value in enumerate(values):
            logs = {"val_loss": value}
            callback.on_epoch_end(epoch, logs)
            seen += [logs["learning_rate"], callback.wait, callback.cooldown_counter, callback.best]
        return seen

    ours = run(callbacks.ReduceLROnPlateau, Player())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, with new NumPy
        theirs = run(keras.callbacks.ReduceLROnPlateau, Player(keras.optimizers.SGD(0.1)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_reduce_lr_on_plateau_messages(capsys):
    reduce = callbacks.ReduceLROnPlateau(patience=1, factor=0.5, verbose=1)
    play(reduce, [1, 1])
    assert "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.05" in capsys.readouterr().out
    with pytest.raises(ValueError, match="factor >= 1.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.raises(TypeError, match="epsilon"):
        callbacks.ReduceLROnPlateau(epsilon=1.0)


def test_learning_rates_of_several_optimizers(capsys):
    several = optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.SGD(0.5, name="a"), {"x": optimizers.SGD(1.0, name="b")})
    )
    for optimizer in (several, optimizers.LossScaleOptimizer(several)):
        play(
            callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
            [1],
            model=Player(optimizer),
        )
    assert [float(o.learning_rate) for o in several.optimizers] == [0.25, 0.125]
    reduce = callbacks.ReduceLROnPlateau(patience=1, factor=0.5, verbose=1)
    play(reduce, [1, 1], model=Player(several))
    assert [float(o.learning_rate) for o in several.optimizers] == [0.125, 0.0625]
    assert "reducing b learning rate to 0.125" in capsys.readouterr().out


@pytest.mark.parametrize(
    "schedule",
    [
        lambda epoch, rate: rate / 2,
        lambda epoch: 0.05,
        lambda e, lr: jnp.float32(0.05),
        lambda *a: 0.05,
    ],
)
def test_learning_rate_scheduler(schedule, capsys):
    model = play(callbacks.LearningRateScheduler(schedule, verbose=1), [1])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    assert "Epoch 1: LearningRateScheduler setting learning rate to 0.05" in capsys.readouterr().out


def test_learning_rate_scheduler_errors():
    with pytest.raises(ValueError, match="(?s)must be a number.*'a' of type str"):
        play(callbacks.LearningRateScheduler(lambda epoch: "a"), [1])
    with pytest.raises(ValueError, match='"learning_rate" attribute'):
        play(callbacks.LearningRateScheduler(lambda epoch: 0.1), [1], model=Player(object()))
    with pytest.raises(TypeError, match="inside"):  # the function's own error, not another call

        def schedule(epoch, rate):
            raise TypeError("inside")

        play(callbacks.LearningRateScheduler(schedule), [1])


# ModelCheckpoint.


def test_model_checkpoint_each_epoch(tmp_path, capsys):
    path = tmp_path / "deep" / "m{epoch:02d}-{val_loss:.2f}.keras"
    model = play(callbacks.ModelCheckpoint(path, verbose=1), [1, 2])
    names = [str(tmp_path / "deep" / name) for name in ("m01-1.00.keras", "m02-2.00.keras")]
    assert model.saved == [(name, True) for name in names]
    assert (tmp_path / "deep").is_dir()
    assert f"Epoch 2: saving model to {names[1]}" in capsys.readouterr().out


def test_model_checkpoint_best_only(capsys):
    save = callbacks.ModelCheckpoint("m.keras", verbose=1, save_best_only=True)
    assert len(play(save, [1, 2, 0.5, 0.5]).saved) == 2
    shown = capsys.readouterr().out
    assert "val_loss improved from None to 1.00000, saving model to m.keras" in shown
    assert "Epoch 2: val_loss did not improve from 1.00000" in shown
    assert len(play(save, [0.75, 0.25]).saved) == 1  # the best file is not written over
    save = callbacks.ModelCheckpoint(
        "m.weights.h5", save_best_only=True, save_weights_only=True, initial_value_threshold=0.8
    )
    assert len(play(save, [1, 0.7]).saved) == 1
    with pytest.warns(UserWarning, match="`val_f1` which is not available"):
        save = callbacks.ModelCheckpoint("m.keras", monitor="val_f1", save_best_only=True)
        assert len(play(save, [1]).saved) == 1
    with pytest.warns(UserWarning, match="scalar"):
        save = callbacks.ModelCheckpoint("m.keras", save_best_only=True)
        assert len(play(save, [np.ones(2)]).saved) == 1


def test_model_checkpoint_by_batches():
    model = Player()
    save = callbacks.ModelCheckpoint("m{epoch}-{batch}.keras", save_freq=3)
    calls = callbacks.CallbackList([save], model=model)
    calls.on_train_begin()
    for epoch in range(2):
        calls.on_epoch_begin(epoch)
        for batch in range(4):
            calls.on_train_batch_end(batch, {"loss": 1.0})
        calls.on_epoch_end(epoch, {"loss": 1.0})
    assert [path for path, _ in model.saved] == ["m1-3.keras", "m2-2.keras"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"filepath": "m"}, r"end in `.keras`"),
        ({"filepath": "m.h5", "save_weights_only": True}, r"end in `.weights.h5`"),
        ({"filepath": "m.keras", "save_freq": "batch"}, "save_freq.*'epoch'"),
        ({"filepath": "m.keras", "save_freq": 0}, "save_freq"),
    ],
    ids=str,
)
def test_model_checkpoint_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        callbacks.ModelCheckpoint(**arguments)


def test_model_checkpoint_names_the_missing_key():
    with pytest.raises(KeyError, match=r"'acc' in it, which is not among \['epoch', 'val_loss'\]"):
        play(callbacks.ModelCheckpoint("m{acc}.keras"), [1])


# Small ones.


def test_terminate_on_nan(capsys):
    model = Player()
    for raises in (False, True):
        calls = callbacks.CallbackList(callbacks.TerminateOnNaN(raises), model=model)
        calls.on_train_batch_end(2, {"loss": jnp.float32(1)})
        calls.on_train_batch_end(2, {})
        if raises:
            with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 3"):
                calls.on_train_batch_end(3, {"loss": jnp.float32("inf")})
        else:
            assert not model.stop_training
            calls.on_train_batch_end(3, {"loss": jnp.float32("nan")})
            assert model.stop_training
    assert "Batch 3: Invalid loss, terminating training" in capsys.readouterr().out


def csv_of(kind, path, epochs, **arguments):
    callback = kind(path, **arguments)
    callback.set_model(Player())
    callback.on_train_begin()
    for epoch, logs in enumerate(epochs):
        callback.on_epoch_end(epoch, logs)
    callback.on_train_end()
    return path.read_text()


CSV = [
    [{"loss": 1.0, "acc": np.array([1.0, 2.0])}, {"loss": 2.0, "acc": 0.5, "z": 3}, {"loss": 3.0}],
    [{"loss": 1.0, "val_loss": 2.0}, {"loss": 1.0}],
]


@pytest.mark.parametrize("epochs", CSV, ids=["first", "second"])
def test_csv_logger(tmp_path, epochs):
    for arguments in ({}, {"append": True, "separator": ";"}):
        ours = csv_of(callbacks.CSVLogger, tmp_path / "a.csv", epochs, **arguments)
        theirs = csv_of(keras.callbacks.CSVLogger, tmp_path / "b.csv", epochs, **arguments)
        assert ours == theirs


def test_csv_logger_goes_on_where_it_was(tmp_path):
    path = tmp_path / "log.csv"
    first = callbacks.CSVLogger(path)
    first.on_train_begin()
    first.on_epoch_end(0, {"loss": 1.0})
    second = callbacks.CSVLogger(path)
    second.on_train_begin()
    second.set_state(first.get_state())
    second.on_epoch_end(1, {"loss": 2.0})
    second.on_train_end()
    first.on_train_end()
    assert path.read_text() == "epoch,loss,val_loss\n0,1.0,NA\n1,2.0,NA\n"


def test_lambda_callback_takes_any_attribute():
    callback = callbacks.LambdaCallback(on_test_end=print, extra=3)
    assert callback.extra == 3 and callback.on_test_end is print


class Averaged(Player):
    def __init__(self):
        super().__init__(optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5))
        self.weight = kerata.Variable(4.0)
        self.trainable_variables = [self.weight]
        for _ in range(2):  # weight: 3, 2; average: 3, 2.5
            self.optimizer.apply([1.0], [self.weight])


@pytest.mark.parametrize("wrapped", [False, True])
def test_swap_ema_weights_while_testing(wrapped):
    model = Averaged()
    if wrapped:
        model.optimizer = optimizers.LossScaleOptimizer(model.optimizer)
    calls = callbacks.CallbackList(callbacks.SwapEMAWeights(), model=model)
    for what in ("test", "predict"):
        getattr(calls, f"on_{what}_begin")()
        assert float(model.weight) == 2.5
        getattr(calls, f"on_{what}_end")()
        assert float(model.weight) == 2.0
    calls.on_epoch_end(0, {})
    assert float(model.weight) == 2.0


def test_swap_ema_weights_on_epoch():
    model = Averaged()
    calls = callbacks.CallbackList(callbacks.SwapEMAWeights(swap_on_epoch=True), model=model)
    calls.on_epoch_begin(0)
    calls.on_test_begin()
    calls.on_test_end()
    calls.on_epoch_end(0, {})
    assert float(model.weight) == 2.5
    calls.on_epoch_begin(1)
    assert float(model.weight) == 2.0
    calls.on_epoch_end(1, {})
    model.optimizer.finalize_variable_values([model.weight])
    calls.on_train_end()
    assert float(model.weight) == 2.5


def test_swap_ema_weights_needs_averages():
    calls = callbacks.CallbackList(callbacks.SwapEMAWeights(), model=Player())
    with pytest.raises(ValueError, match="use_ema=True"):
        calls.on_test_begin()
