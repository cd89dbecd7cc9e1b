"""Every optimizer, with every option, gives Keras's numbers."""

import keras
import numpy as np
import pytest

import kerata
from kerata import optimizers

SHAPES = {"kernel": (3, 2), "bias": (2,), "scale": (), "embeddings": (2, 3)}
STEPS = 5

OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "rho": 0.8}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}),
    ("AdamW", {"weight_decay": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-2}),
    ("Adadelta", {"rho": 0.8, "epsilon": 1e-3}),
    ("Adamax", {"beta_1": 0.7}),
    ("Nadam", {"beta_2": 0.9}),
    ("Ftrl", {}),
    (
        "Ftrl",
        {
            "learning_rate_power": -0.3,
            "l1_regularization_strength": 0.1,
            "l2_regularization_strength": 0.2,
            "l2_shrinkage_regularization_strength": 0.3,
            "beta": 0.4,
        },
    ),
    ("Adafactor", {}),
    ("Adafactor", {"relative_step": False, "clip_threshold": 0.5, "beta_2_decay": -0.5}),
    ("Lion", {}),
    ("Lamb", {}),
    ("Muon", {}),
    ("Muon", {"rms_rate": None, "nesterov": False, "adam_lr_ratio": 0.5, "exclude_layers": []}),
    ("Muon", {"exclude_layers": ["kern"], "exclude_embeddings": False}),
    ("ScheduleFreeAdamW", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 3, "beta_1": 0.8, "weight_decay": 0.1}),
]

COMMON = [
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.7},
    {"use_ema": True, "ema_momentum": 0.7},
    {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2},
    {"loss_scale_factor": 4.0},
    {"gradient_accumulation_steps": 2},
    {
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_overwrite_frequency": 2,
        "weight_decay": 0.1,
        "clipnorm": 0.5,
    },
]


def draw(seed):
    rng = np.random.default_rng(seed)
    return [np.float32(rng.normal(size=shape)) for shape in SHAPES.values()]


def make(module, initial):
    made = []
    for name, value in zip(SHAPES, initial, strict=True):
        with module.name_scope("dense"):
            made.append(module.Variable(value, name=name))
    return made


def check(name, arguments, learning_rate=0.1, ours_rate=None, steps=STEPS):
    ours, theirs = make(kerata, draw(0)), make(keras, draw(0))
    optimizer = getattr(optimizers, name)(ours_rate or learning_rate, name="it", **arguments)
    oracle = getattr(keras.optimizers, name)(learning_rate, name="it", **arguments)
    oracle.build(theirs)
    optimizer.build(ours)
    assert [v.shape for v in optimizer.variables] == [tuple(v.shape) for v in oracle.variables]
    assert [v.dtype for v in optimizer.variables] == [v.dtype for v in oracle.variables]
    for step in range(steps):
        grads = draw(step + 1)
        optimizer.apply(grads, ours)
        oracle.apply(grads, theirs)
        for mine, its in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(
                mine.numpy(), np.asarray(its.value), rtol=2e-5, atol=2e-6, err_msg=f"step {step}"
            )
    for mine, its in zip(optimizer.variables, oracle.variables, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), np.asarray(its.value), rtol=2e-5, atol=2e-6, err_msg=its.path
        )
    assert int(optimizer.iterations) == int(oracle.iterations)
    return optimizer, oracle, ours, theirs


@pytest.mark.parametrize("name, arguments", OPTIMIZERS, ids=lambda x: str(x)[:40])
def test_steps(name, arguments):
    optimizer, oracle, _, _ = check(name, arguments)
    if name not in ("Adafactor", "Nadam"):  # whose paths in Keras carry no name
        assert [v.path for v in optimizer.variables] == [v.path for v in oracle.variables]
        assert [v.name for v in optimizer.variables] == [v.name for v in oracle.variables]


@pytest.mark.parametrize("arguments", COMMON, ids=str)
def test_common_arguments(arguments):
    optimizer, oracle, ours, theirs = check("Adam", arguments)
    assert [v.path for v in optimizer.variables] == [v.path for v in oracle.variables]
    optimizer.finalize_variable_values(ours)
    oracle.finalize_variable_values(theirs)
    np.testing.assert_allclose(ours[0].numpy(), np.asarray(theirs[0].value), rtol=2e-5)


def test_adafactor_limits_the_learning_rate():
    check("Adafactor", {}, learning_rate=0.9)


@pytest.mark.parametrize("name", ["Nadam", "Adafactor", "Muon"])
def test_accumulation_with_shared_state(name):
    check(name, {"gradient_accumulation_steps": 2})


def test_schedule():
    check(
        "Adam",
        {"gradient_accumulation_steps": 2},
        keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5),
        optimizers.schedules.ExponentialDecay(0.1, 2, 0.5),
    )


def test_excluded_from_weight_decay():
    def train(module, namespace):
        variables = make(module, draw(0))
        optimizer = namespace.AdamW(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_list=variables[:1], var_names=["bi.s"])
        optimizer.apply(draw(1), variables)
        return variables

    for mine, its in zip(train(kerata, optimizers), train(keras, keras.optimizers), strict=True):
        np.testing.assert_allclose(mine.numpy(), np.asarray(its.value), rtol=1e-5)
