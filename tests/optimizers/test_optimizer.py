"""What all optimizers share: variables, the learning rate, errors, compilation, configuration."""

import copy
import inspect
import pickle
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax.experimental import sparse

import kerata
from kerata import optimizers
from kerata.optimizers import schedules

NAMES = """SGD RMSprop Adam AdamW Adagrad Adadelta Adamax Nadam Ftrl Adafactor Lion Lamb Muon
ScheduleFreeAdamW""".split()
ONES = np.ones(2, "float32")


def weights(*values):
    return [kerata.Variable(np.float32(v), name=f"w{i}") for i, v in enumerate(values)]


# The public face.


@pytest.mark.parametrize("name", [*NAMES, "Optimizer", "LossScaleOptimizer", "MultiOptimizer"])
def test_signatures_are_those_of_keras(name):
    ours = inspect.signature(getattr(optimizers, name).__init__).parameters.values()
    theirs = inspect.signature(getattr(keras.optimizers, name).__init__).parameters.values()
    assert [(p.name, p.kind, p.default) for p in ours] == [
        (p.name, p.kind, p.default) for p in theirs
    ]


def test_public_methods_are_those_of_keras():
    for name in dir(keras.optimizers.Optimizer):
        if name.startswith("_"):
            continue
        theirs = getattr(keras.optimizers.Optimizer, name)
        ours = getattr(optimizers.Optimizer, name)
        if callable(theirs):
            mine, its = inspect.signature(ours), inspect.signature(theirs)
            assert list(mine.parameters) == list(its.parameters), name


def test_common_arguments_by_position():
    optimizer = optimizers.SGD(0.1, 0.9, True, 0.01, None, 0.5)
    assert (optimizer.nesterov, optimizer.weight_decay, optimizer.clipvalue) == (True, 0.01, 0.5)
    with pytest.raises(TypeError, match="several values for `weight_decay`"):
        optimizers.SGD(0.1, 0.9, True, 0.01, weight_decay=0.1)
    with pytest.raises(TypeError, match="at most"):
        optimizers.SGD(*range(20))


@pytest.mark.parametrize("name", NAMES)
def test_config(name):
    optimizer = getattr(optimizers, name)(0.25)
    config = optimizer.get_config()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(keras.optimizers, name)(0.25, name=optimizer.name).get_config()
    assert config == theirs
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer) and again.get_config() == config


def test_config_has_the_current_learning_rate():
    optimizer = optimizers.Adam(0.5)
    optimizer.learning_rate = 0.25
    assert optimizer.get_config()["learning_rate"] == 0.25
    optimizer = optimizers.Adam(schedules.ExponentialDecay(0.5, 2, 0.5))
    found = optimizers.Adam.from_config(optimizers.serialize(optimizer)["config"])
    assert found._learning_rate.decay_steps == 2


@pytest.mark.parametrize(
    "identifier",
    ["adam", "ADAM", {"class_name": "adam", "config": {}}, optimizers.Adam, optimizers.Adam()],
)
def test_get(identifier):
    assert type(optimizers.get(identifier)) is optimizers.Adam


def test_get_special():
    assert optimizers.get(None) is None
    assert type(optimizers.get("rmsprop")) is optimizers.RMSprop
    assert type(optimizers.get("schedulefreeadamw")) is optimizers.ScheduleFreeAdamW
    with pytest.raises(ValueError, match="(?s)adamm.*Adam"):
        optimizers.get("adamm")
    with pytest.raises(ValueError, match="Received: 3"):
        optimizers.get(3)
    with pytest.raises(ImportError, match="kerata.optimizers.Adam"):
        optimizers.legacy.Adam()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"clipnorm": 1, "clipvalue": 1}, "only one of"),
        ({"use_ema": True, "ema_momentum": 2}, r"ema_momentum.*\[0, 1\]"),
        ({"use_ema": True, "ema_overwrite_frequency": 0}, "ema_overwrite_frequency.*>= 1"),
        ({"gradient_accumulation_steps": 1}, ">= 2.*gradient_accumulation_steps=1"),
        ({"lr": 1}, "not recognized.*learning_rate"),
        ({"wieght_decay": 1}, "not recognized.*`weight_decay`"),
        ({"learning_rate": "x"}, "learning_rate.*Received: learning_rate='x'"),
        ({"learning_rate": None}, "learning_rate"),
        ({"learning_rate": True}, "learning_rate"),
        ({"learning_rate": ONES}, "learning_rate"),
        ({"momentum": 2}, r"momentum.*\[0, 1\]"),
        ({"learning_rate": -1}, "learning_rate.*at least 0"),
        ({"learning_rate": float("nan")}, "learning_rate.*finite"),
        ({"clipnorm": "1"}, "`clipnorm` must be a number.*Received: clipnorm='1'"),
        ({"clipvalue": float("nan")}, "clipvalue.*at least 0"),
        ({"weight_decay": -0.1}, "weight_decay.*at least 0"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        optimizers.SGD(**arguments)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: optimizers.Lion(beta_1=0.0), "beta_1"),
        (lambda: optimizers.Adam(beta_1=2), "beta_1.*at least 0 and at most 1"),
        (lambda: optimizers.Adam(beta_2="x"), "beta_2"),
        (lambda: optimizers.Adam(epsilon=-1), "epsilon"),
        (lambda: optimizers.RMSprop(rho=float("nan")), "rho"),
        (lambda: setattr(optimizers.Adam(), "learning_rate", -1), "learning_rate"),
        (lambda: schedules.ExponentialDecay("a", 1, 1), "initial_learning_rate"),
        (lambda: optimizers.AdamW(weight_decay=None), "use Adam"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1.0), "l1.*positive or zero"),
        (lambda: optimizers.Ftrl(learning_rate_power=1.0), "negative or zero"),
    ],
)
def test_wrong_hyperparameters(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_decay_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="`decay` is no longer supported"):
        optimizers.SGD(decay=0.1)


# The learning rate.


def test_learning_rate_is_a_variable_and_settable():
    (w,) = weights(ONES)
    optimizer = optimizers.SGD(1.0)
    optimizer.apply([ONES], [w])
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate.assign(0.25)
    optimizer.apply([ONES])
    np.testing.assert_allclose(w.numpy(), [-0.25, -0.25])


def test_learning_rate_may_become_a_schedule_but_not_a_number_again():
    (w,) = weights(ONES)
    optimizer = optimizers.SGD(1.0)
    optimizer.build([w])
    optimizer.learning_rate = schedules.ExponentialDecay(1.0, 1, 0.5)
    assert [v.name for v in optimizer.variables] == ["iteration"]
    for expected in (0.0, -0.5):
        optimizer.apply([ONES])
        np.testing.assert_allclose(w.numpy(), [expected] * 2)
    with pytest.raises(TypeError, match="not settable"):
        optimizer.learning_rate = 0.5
    optimizer.learning_rate = lambda: 0.25
    optimizer.apply([ONES])
    np.testing.assert_allclose(w.numpy(), [-0.75, -0.75])


def test_learning_rate_function_is_called_for_each_eager_step():
    rates = iter([1.0, 0.5])
    (w,) = weights(ONES)
    optimizer = optimizers.SGD(lambda: next(rates))
    optimizer.apply([ONES], [w])
    optimizer.apply([ONES], [w])
    np.testing.assert_allclose(w.numpy(), [-0.5, -0.5])


# apply.


def test_apply_gradients_returns_the_iterations():
    (w,) = weights(ONES)
    optimizer = optimizers.SGD(1.0)
    assert int(optimizer.apply_gradients(zip([ONES], [w], strict=True))) == 1
    assert int(optimizer.apply_gradients([(ONES, w)])) == 2
    with pytest.raises(ValueError, match="empty"):
        optimizer.apply_gradients([])


def test_gradients_that_are_none():
    a, b = weights(ONES, ONES)
    optimizer = optimizers.SGD(1.0)
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['w1'\]"):
        optimizer.apply([ONES, None], [a, b])
    np.testing.assert_allclose([a.numpy(), b.numpy()], [[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.apply([None, None], [a, b])


def test_a_part_of_the_variables():
    a, b = weights(ONES, ONES)
    optimizer = optimizers.Adam(1.0)
    optimizer.build([a, b])
    optimizer.apply([ONES], [b])
    np.testing.assert_allclose(a.numpy(), ONES)
    np.testing.assert_allclose(b.numpy(), ONES - 1, atol=1e-5)
    optimizer.apply([], [])
    assert int(optimizer.iterations) == 1


def test_wrong_gradients():
    a, b = weights(ONES, ONES)
    optimizer = optimizers.SGD(1.0)
    with pytest.raises(ValueError, match="must already be built"):
        optimizer.apply([ONES])
    optimizer.build([a])
    with pytest.raises(ValueError, match="(?s)one gradient for each.*2 gradients for 1 trainable"):
        optimizer.apply([ONES, ONES])
    with pytest.raises(ValueError, match="(?s)Unknown variable: 'w1'.*make a new optimizer"):
        optimizer.apply([ONES], [b])
    with pytest.raises(ValueError, match=r"(?s)'w0' must have shape \(2,\).*\(3,\)"):
        optimizer.apply([np.ones(3)])
    assert int(optimizer.iterations) == 0
    np.testing.assert_allclose(a.numpy(), ONES)


def test_gradients_and_variables_that_changed_places():
    w = weights(ONES)
    layer = kerata.layers.Dense(1)
    optimizer = optimizers.SGD()
    for call in (
        lambda: optimizer.apply(w, [ONES]),
        lambda: optimizer.apply_gradients(zip(w, [ONES], strict=True)),
        lambda: optimizer.apply([ONES], layer),
    ):
        with pytest.raises(TypeError, match="(?s)gradients first.*Received: as a variable.*zip"):
            call()
    with pytest.raises(TypeError, match="(?s)pairs.*array of shape.*zip"):
        optimizer.apply_gradients([ONES])
    assert not optimizer.built


def test_what_is_shown():
    assert repr(optimizers.Adam(0.01)) == "<Adam name=adam, learning_rate=0.01, built=False>"
    schedule = schedules.CosineDecay(0.1, decay_steps=10)
    assert repr(schedule) == "<CosineDecay(initial_learning_rate=0.1, decay_steps=10)>"
    assert repr(schedule) in repr(optimizers.SGD(schedule))


def test_a_variable_is_listed_once():
    (w,) = weights(ONES)
    optimizer = optimizers.SGD(1.0)
    for call in (lambda: optimizer.apply([ONES, ONES], [w, w]), lambda: optimizer.build([w, w])):
        with pytest.raises(ValueError, match="(?s)once.*'w0'.*List each variable once"):
            call()
    optimizer.apply([ONES], [w])
    with pytest.raises(ValueError, match="List each variable once"):
        optimizer.apply([ONES, ONES], [w, w])
    np.testing.assert_allclose(w.numpy(), 0 * ONES)


@pytest.mark.parametrize("style", ["slots", "build"])
def test_a_build_that_fails_leaves_nothing_behind(style):
    failures = iter([True, False])

    class Fails(optimizers.SGD):
        def slots(self, variable):
            if style == "slots" and next(failures):
                raise RuntimeError("out of memory")
            return super().slots(variable)

        def build(self, variables):
            super().build(variables)
            if style == "build" and next(failures):
                raise RuntimeError("out of memory")

    (w,) = weights(ONES)
    optimizer = Fails(1.0, momentum=0.5, use_ema=True)
    before = len(optimizer.variables)
    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.apply([ONES], [w])
    assert not optimizer.built and len(optimizer.variables) == before
    optimizer.apply([ONES], [w])
    np.testing.assert_allclose(w.numpy(), 0 * ONES)
    assert len(optimizer.variables) == before + 2


def test_an_optimizer_without_a_step():
    with pytest.raises(NotImplementedError, match="must define `step"):
        optimizers.Optimizer(0.1).apply([ONES], weights(ONES))


def test_constraint_is_applied_after_the_step():
    (w,) = weights(ONES)
    w.constraint = lambda value: jnp.maximum(value, 0.5)
    optimizers.SGD(1.0).apply([np.float32([1, 0])], [w])
    np.testing.assert_allclose(w.numpy(), [0.5, 1.0])


def test_a_constraint_set_later_counts():
    (w,) = weights(ONES)
    optimizer = optimizers.SGD(1.0)
    optimizer.apply([0 * ONES], [w])
    w.constraint = lambda value: jnp.maximum(value, 0.5)
    optimizer.apply([ONES], [w])
    np.testing.assert_allclose(w.numpy(), 0.5 * ONES)
    w.constraint = None
    optimizer.apply([ONES], [w])
    np.testing.assert_allclose(w.numpy(), -0.5 * ONES)


def test_overwrite_with_gradient():
    a, b = weights(ONES, ONES)
    a.overwrite_with_gradient = True
    optimizer = optimizers.Adam(1.0)
    optimizer.apply([5 * ONES, ONES], [a, b])
    np.testing.assert_allclose(a.numpy(), 5 * ONES)
    assert [v.name for v in optimizer.variables][2:] == ["w1_momentum", "w1_velocity"]


def test_weight_decay_is_chosen_before_building():
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.build(weights(ONES))
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["a"])


def test_scale_loss():
    assert optimizers.SGD().scale_loss(2.0) == 2.0
    assert optimizers.SGD(loss_scale_factor=4.0).scale_loss(2.0) == 8.0


def test_sparse_gradients_count_as_dense_ones():
    (w,) = weights(np.ones((3, 2)))
    gradient = sparse.BCOO((jnp.ones((1, 2)), jnp.array([[1]])), shape=(3, 2))
    optimizers.SGD(1.0).apply([gradient], [w])
    np.testing.assert_allclose(w.numpy(), [[1, 1], [0, 0], [1, 1]])


def test_mixed_dtypes_keep_their_own():
    a, b = kerata.Variable(ONES, dtype="bfloat16"), kerata.Variable(ONES)
    optimizer = optimizers.Adam(0.1)
    optimizer.apply([ONES, ONES.astype("float16")], [a, b])
    assert [v.dtype for v in optimizer.variables[2:]] == ["bfloat16"] * 2 + ["float32"] * 2
    np.testing.assert_allclose(a.numpy().astype("float32"), 0.9 * ONES, atol=1e-2)


# Compiled and pure.


def test_eager_updates_are_compiled_once_and_follow_changed_hyperparameters(monkeypatch):
    a, b = weights(ONES, ONES)
    optimizer = optimizers.SGD(1.0)
    held = a.value
    for _ in range(3):
        optimizer.apply([ONES, ONES], [a, b])
    (compiled,) = optimizers.optimizer._compiled[optimizer].values()
    assert compiled[0].compilations == 1
    np.testing.assert_allclose(held, ONES)  # not donated: it was handed out
    optimizer.clipvalue = 0.5
    optimizer.apply([ONES, ONES])
    np.testing.assert_allclose(a.numpy(), [-2.5, -2.5])


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("Nadam", {"gradient_accumulation_steps": 2, "use_ema": True}),
        ("ScheduleFreeAdamW", {}),
        ("Adam", {"clipnorm": 0.5, "weight_decay": 0.1, "ema_overwrite_frequency": 2,
                  "use_ema": True}),
    ],
)  # fmt: skip
def test_inside_jit_two_optimizers_built_there(name, arguments):
    def run(wrap):
        a, b = weights(ONES, 2 * ONES)
        first = getattr(optimizers, name)(0.1, **arguments)
        second = optimizers.SGD(0.1, momentum=0.9)

        @wrap
        def step(x):
            loss = lambda: kerata.ops.sum((a * x - b) ** 2)  # noqa: E731
            grads = kerata.grad(loss, [a, b])()
            first.apply(grads[:1], [a])
            second.apply(grads[1:], [b])

        for x in (1.0, 2.0, 3.0):
            step(jnp.float32(x))
        return [v.numpy() for v in (a, b, *first.variables, *second.variables)]

    for compiled, eager in zip(run(kerata.jit), run(lambda f: f), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-7)


def test_a_compiled_step_follows_the_learning_rate():
    (w,) = weights(0.0)
    optimizer = optimizers.SGD(1.0)
    step = kerata.jit(lambda: optimizer.apply([jnp.float32(1)], [w]))
    step()
    optimizer.learning_rate = 0.5
    step()
    assert float(w) == -1.5 and step.compilations == 1


def test_stateless_apply():
    a, b = weights(ONES, ONES)
    optimizer = optimizers.Adam(0.1)
    with pytest.raises(ValueError, match="must be built"):
        optimizer.stateless_apply([], [ONES], [ONES])
    optimizer.build([a, b])
    own = [v.value for v in optimizer.variables]
    pure = jax.jit(optimizer.stateless_apply)
    new, state = pure(own, [ONES, -ONES], [ONES, ONES])
    assert int(optimizer.iterations) == 0 and int(state[0]) == 1
    optimizer.apply([ONES, -ONES])
    np.testing.assert_allclose(new, [a.numpy(), b.numpy()])
    for value, variable in zip(state, optimizer.variables, strict=True):
        np.testing.assert_allclose(value, variable.numpy())
    with pytest.raises(ValueError, match="(?s)optimizer_variables.*Received: 1"):
        optimizer.stateless_apply([1], [ONES, ONES], [ONES, ONES])
    with pytest.raises(ValueError, match="(?s)trainable_variables.*Received: 1"):
        optimizer.stateless_apply(own, [ONES, ONES], [ONES])
    with pytest.raises(ValueError, match="1 gradients for 2"):
        optimizer.stateless_apply(own, [ONES], [ONES, ONES])


# Optimizers of users.


class KerasStyle(optimizers.Optimizer):
    """Momentum, written as Keras's documentation shows."""

    def __init__(self, momentum=0.9, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum

    def build(self, variables):
        super().build(variables)
        self.momentums = []
        for variable in variables:
            self.momentums.append(
                self.add_variable_from_reference(reference_variable=variable, name="momentum")
            )

    def update_step(self, gradient, variable, learning_rate):
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, m * self.momentum - gradient * learning_rate)
        self.assign_add(variable, m)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


@pytest.mark.parametrize("arguments", [{}, {"gradient_accumulation_steps": 2, "use_ema": True}])
def test_an_optimizer_written_for_keras(arguments):
    def run(optimizer, wrap):
        (w,) = weights(ONES)
        step = wrap(lambda g: optimizer.apply([g], [w]))
        for factor in (1, 2, 3, 4):
            step(jnp.asarray(factor * ONES))
        return [w.numpy(), *(v.numpy() for v in optimizer.variables)]

    theirs = run(optimizers.SGD(0.1, momentum=0.9, **arguments), kerata.jit)
    for wrap in (kerata.jit, lambda f: f):
        ours = run(KerasStyle(learning_rate=0.1, **arguments), wrap)
        for mine, its in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-5)


def test_config_of_an_optimizer_written_for_keras():
    config = KerasStyle(0.5, learning_rate=0.25, clipnorm=1.0).get_config()
    assert (config["momentum"], config["learning_rate"], config["clipnorm"]) == (0.5, 0.25, 1.0)
    assert KerasStyle.from_config(config).get_config() == config
    scheduled = KerasStyle(learning_rate=schedules.PolynomialDecay(1.0, 3))
    data = optimizers.serialize(scheduled)
    again = optimizers.deserialize(data, custom_objects={"KerasStyle": KerasStyle})
    assert again._learning_rate.decay_steps == 3


def test_own_variables_are_tracked_once():
    class Counting(optimizers.SGD):
        def build(self, variables):
            super().build(variables)
            self.calls = kerata.Variable(0, name="calls")
            self.calls = self.calls
            self.models = variables

        def begin_update(self, learning_rate):
            self.calls.assign_add(1)

    optimizer = Counting(0.1)
    optimizer.apply([ONES], weights(ONES))
    assert [v.name for v in optimizer.variables] == ["iteration", "learning_rate", "calls"]
    assert int(optimizer.calls) == 1


def test_add_optimizer_variables_for_several_names():
    optimizer = optimizers.SGD(name="it")
    found = optimizer.add_optimizer_variables(weights(ONES, 0.0), ["a", "b"], ["zeros", "ones"])
    assert [[v.name for v in column] for column in found] == [["w0_a", "w1_a"], ["w0_b", "w1_b"]]
    assert [v.path for v in optimizer.variables][2:4] == ["it/w0_a", "it/w0_b"]
    np.testing.assert_allclose(found[1][0].numpy(), ONES)
    with pytest.raises(ValueError, match="same length"):
        optimizer.add_optimizer_variables([], ["a", "b", "c"], ["zeros", "ones"])


# Files and copies.


def test_save_and_load_own_variables():
    def trained():
        optimizer = optimizers.Adam(0.1)
        (w,) = weights(ONES)
        optimizer.apply([ONES], [w])
        return optimizer

    store: dict = {}
    optimizer = trained()
    optimizer.save_own_variables(store)
    assert sorted(store) == ["0", "1", "2", "3"]
    again = optimizers.Adam(0.5)
    with pytest.warns(UserWarning, match="has 2 variables whereas the saved optimizer has 4"):
        again.load_own_variables(store)
    again.build(weights(ONES))
    again.load_own_variables(store)
    for mine, its in zip(again.variables, optimizer.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), its.numpy())
    again.set_weights([v * 0 for v in store.values()])
    assert float(again.learning_rate) == 0
    with pytest.raises(ValueError, match="4 variables"):
        again.set_weights([])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_independent(copied):
    (w,) = weights(ONES)
    optimizer = optimizers.Adam(0.1)
    optimizer.apply([ONES], [w])
    twin, v = copied((optimizer, w))
    twin.apply([ONES], [v])
    optimizer.apply([ONES], [w])
    np.testing.assert_allclose(w.numpy(), v.numpy())
    assert int(twin.iterations) == int(optimizer.iterations) == 2
