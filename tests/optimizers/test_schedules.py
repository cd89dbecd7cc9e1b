"""Schedules give Keras's numbers at every step."""

import keras
import numpy as np
import pytest

import kerata
from kerata import optimizers
from kerata.optimizers import schedules

ROWS = [
    ("ExponentialDecay", (1.0, 3, 0.5), {}),
    ("ExponentialDecay", (1.0, 3, 0.5), {"staircase": True}),
    ("InverseTimeDecay", (1.0, 3, 0.5), {}),
    ("InverseTimeDecay", (1.0, 3, 0.5), {"staircase": True}),
    ("PiecewiseConstantDecay", ([2, 5], [1.0, 0.5, 0.1]), {}),
    ("PiecewiseConstantDecay", ([2.5, 5.0, 7.0], [1, 2, 3, 4]), {}),
    ("PolynomialDecay", (1.0, 10), {}),
    ("PolynomialDecay", (1.0, 10), {"power": 2.0, "cycle": True, "end_learning_rate": 0.2}),
    ("CosineDecay", (1.0, 10), {"alpha": 0.1}),
    ("CosineDecay", (0.1, 10), {"alpha": 0.1, "warmup_target": 1.0, "warmup_steps": 3}),
    ("CosineDecay", (0.1, 10), {"warmup_steps": 3}),
    ("CosineDecay", (0.1, 10), {"warmup_target": 0.5}),
    ("CosineDecayRestarts", (1.0, 3), {"m_mul": 0.5}),
    ("CosineDecayRestarts", (1.0, 3), {"t_mul": 1.0, "alpha": 0.2, "m_mul": 0.9}),
    ("CosineDecayRestarts", (1.0, 4), {"t_mul": 1.5, "alpha": 0.1}),
]


@pytest.mark.parametrize("name, args, kwargs", ROWS, ids=str)
def test_values(name, args, kwargs):
    schedule = getattr(schedules, name)(*args, **kwargs)
    oracle = getattr(keras.optimizers.schedules, name)(*args, **kwargs)
    steps = range(32)
    ours = np.array([float(schedule(step)) for step in steps])
    theirs = np.array([float(oracle(step)) for step in steps])
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
    compiled = kerata.jit(schedule)
    np.testing.assert_allclose([compiled(s) for s in (0, 3, 9)], ours[[0, 3, 9]], rtol=1e-5)


@pytest.mark.parametrize("name, args, kwargs", ROWS[::2], ids=str)
def test_config(name, args, kwargs):
    schedule = getattr(schedules, name)(*args, **kwargs)
    oracle = getattr(keras.optimizers.schedules, name)(*args, **kwargs)
    config = schedules.serialize(schedule)
    assert config == keras.optimizers.schedules.serialize(oracle)
    again = schedules.deserialize(config)
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()


def test_a_step_may_be_a_variable_or_an_array():
    schedule = schedules.ExponentialDecay(1.0, 1, 0.5)
    for step in (2, np.int32(2), kerata.Variable(2), kerata.Variable(2).value):
        assert float(schedule(step)) == 0.25


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: schedules.ExponentialDecay(1.0, 0, 0.5), "decay_steps.*> 0.*\n.*decay_steps=0"),
        (lambda: schedules.InverseTimeDecay(1.0, -1, 0.5), "decay_steps.*> 0"),
        (lambda: schedules.PolynomialDecay(1.0, 0), "decay_steps.*> 0"),
        (lambda: schedules.CosineDecay(1.0, 0), "decay_steps.*> 0"),
        (lambda: schedules.CosineDecayRestarts(1.0, 0), "first_decay_steps.*> 0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), "one value more"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1.0, 2.0, 3.0]), "increase"),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        make()


def test_a_schedule_needs_call():
    with pytest.raises(NotImplementedError, match="must override `__call__"):
        schedules.LearningRateSchedule()(1)


def test_own_schedule_in_an_optimizer():
    class Halving(schedules.LearningRateSchedule):
        def __init__(self, start):
            self.start = start

        def __call__(self, step):
            return self.start * 0.5 ** kerata.ops.cast(step, "float32")

    weight = kerata.Variable(0.0)
    optimizer = optimizers.SGD(Halving(1.0))
    for expected in (-1.0, -1.5, -1.75):
        optimizer.apply([1.0], [weight])
        assert float(weight) == expected
    assert optimizer.get_config()["learning_rate"]["config"] == {"start": 1.0}
