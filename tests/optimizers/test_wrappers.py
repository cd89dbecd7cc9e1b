"""LossScaleOptimizer and MultiOptimizer."""

import warnings

import keras
import numpy as np
import pytest

import kerata
from kerata import optimizers

ONES = np.ones(2, "float32")


def variable(name="w", path=None):
    if path is None:
        return kerata.Variable(ONES, name=name)
    with kerata.name_scope(path):
        return kerata.Variable(ONES, name=name)


GRADIENTS = [ONES, ONES, ONES, ONES * np.inf, ONES, ONES, ONES * np.nan]


@pytest.mark.parametrize("wrap", [kerata.jit, lambda f: f], ids=["jit", "eager"])
@pytest.mark.parametrize("inner", [("SGD", {}), ("Adam", {"gradient_accumulation_steps": 2})])
def test_loss_scale(wrap, inner):
    name, arguments = inner
    ours = optimizers.LossScaleOptimizer(getattr(optimizers, name)(0.5, **arguments), 4.0, 2)
    theirs = keras.optimizers.LossScaleOptimizer(
        getattr(keras.optimizers, name)(0.5, **arguments), 4.0, 2
    )
    w, v = variable(), keras.Variable(ONES)
    assert float(ours.scale_loss(2.0)) == 8.0
    theirs.build([v])
    state, values = [x.value for x in theirs.variables], [v.value]
    step = wrap(lambda gradient: ours.apply([gradient], [w]))
    for gradient in GRADIENTS:
        step(gradient)
        values, state = theirs.stateless_apply(state, [gradient], values)
        np.testing.assert_allclose(w.numpy(), values[0], rtol=1e-5)
        for mine, its in zip(ours.variables, state, strict=True):
            np.testing.assert_allclose(mine.numpy(), its, rtol=1e-5)
    assert int(ours.iterations) == int(ours.inner_optimizer.iterations)
    assert float(ours.scale_loss(1.0)) == float(ours.dynamic_scale)


def test_loss_scale_paths_and_config():
    ours = optimizers.LossScaleOptimizer(optimizers.Adam(name="a"), name="l")
    theirs = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(name="a"), name="l")
    ours.build([variable()])
    theirs.build([keras.Variable(ONES, name="w")])
    assert [v.path for v in ours.variables] == [v.path for v in theirs.variables]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ours.get_config().keys() == theirs.get_config().keys()
    again = optimizers.deserialize(optimizers.serialize(ours))
    assert again.get_config() == ours.get_config()
    assert type(again.inner_optimizer) is optimizers.Adam


def test_loss_scale_passes_on_to_the_inner_optimizer():
    w = variable()
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(1.0, use_ema=True), 2.0)
    optimizer.learning_rate = 0.5
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.learning_rate) == 0.5
    optimizer.apply([ONES * 2], [w])
    w.assign(9 * ONES)
    optimizer.finalize_variable_values([w])
    np.testing.assert_allclose(w.numpy(), 0.5 * ONES)


def test_loss_scale_follows_a_new_schedule_and_a_changed_variable():
    w = variable()
    schedule = optimizers.schedules.PiecewiseConstantDecay
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(schedule([9], [1.0, 0.0])), 2.0)
    optimizer.apply([2 * ONES], [w])
    optimizer.learning_rate = schedule([9], [0.25, 0.0])
    optimizer.apply([2 * ONES], [w])
    np.testing.assert_allclose(w.numpy(), -0.25 * ONES)
    w.overwrite_with_gradient = True
    optimizer.apply([7 * ONES], [w])
    np.testing.assert_allclose(w.numpy(), 7 * ONES)


def test_loss_scale_with_a_learning_rate_function():
    rates, w = iter([1.0, 0.5]), variable()
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(lambda: next(rates)), 2.0)
    optimizer.apply([2 * ONES], [w])
    optimizer.apply([2 * ONES], [w])
    np.testing.assert_allclose(w.numpy(), -0.5 * ONES)


@pytest.mark.parametrize("argument", ["clipnorm", "weight_decay", "use_ema", "learning_rate"])
def test_loss_scale_refuses_what_belongs_inside(argument):
    with pytest.raises(ValueError, match=f"(?s)does not support `{argument}`.*inner_optimizer"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), **{argument: 1})


def test_loss_scale_takes_configs_of_earlier_versions():
    optimizers.LossScaleOptimizer(optimizers.SGD(), ema_momentum=0.99, clipnorm=None, dynamic=True)
    with pytest.raises(ValueError, match="(?s)dynamic=False.*loss_scale_factor"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), dynamic=False)
    with pytest.raises(ValueError, match="foo"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), foo=1)


def test_loss_scale_takes_the_place_of_a_fixed_factor():
    inner, w = optimizers.SGD(1.0, loss_scale_factor=3.0), variable()
    optimizer = optimizers.LossScaleOptimizer(inner, 2.0)
    assert float(optimizer.scale_loss(1.0)) == 2.0 and inner.loss_scale_factor is None
    optimizer.apply([2 * ONES], [w])
    np.testing.assert_allclose(w.numpy(), 0 * ONES)


def test_loss_scale_needs_an_optimizer():
    with pytest.raises(TypeError, match="inner_optimizer.*optimizer"):
        optimizers.LossScaleOptimizer("sgd")


def two(namespace):
    chosen = namespace.OptimizerMap(namespace.SGD(1.0, name="s"))
    assert len(chosen) == 0
    chosen["a/.*"] = namespace.Adam(0.5, name="a")
    return namespace.MultiOptimizer(chosen, name="m")


@pytest.mark.parametrize("wrap", [kerata.jit, lambda f: f], ids=["jit", "eager"])
def test_multi(wrap):
    ours, theirs = two(optimizers), two(keras.optimizers)
    mine = [variable("k", "a"), variable("b")]
    with keras.name_scope("a"):
        its = [keras.Variable(ONES, name="k")]
    its.append(keras.Variable(ONES, name="b"))
    theirs.build(its)
    step = wrap(lambda grads: ours.apply(grads, mine))
    for _ in range(2):
        step([ONES, ONES])
        theirs.apply([ONES, ONES], its)
    assert [v.path for v in ours.variables] == [v.path for v in theirs.variables]
    for x, y in zip([*mine, *ours.variables], [*its, *theirs.variables], strict=True):
        np.testing.assert_allclose(x.numpy(), np.asarray(y.value), rtol=1e-5)
    assert [type(o).__name__ for o in ours.optimizers] == ["Adam", "SGD"]


def test_multi_with_a_function():
    a, b = variable("a"), variable("b")
    optimizer = optimizers.MultiOptimizer(
        lambda v: optimizers.SGD(1.0 if v.name == "a" else 0.5), loss_scale_factor=2.0
    )
    optimizer.apply([2 * ONES, 2 * ONES], [a, b])
    np.testing.assert_allclose([a.numpy(), b.numpy()], [0 * ONES, 0.5 * ONES])
    assert optimizer.scale_loss(3.0) == 6.0
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([2 * ONES, None], [a, b])
    np.testing.assert_allclose([a.numpy(), b.numpy()], [-ONES, 0.5 * ONES])


def test_multi_loss_scale_factor_is_that_of_all():
    optimizer = two(optimizers)
    optimizer.loss_scale_factor = 4.0
    assert [o.loss_scale_factor for o in optimizer.optimizers] == [4.0, 4.0]
    wrapped = optimizers.LossScaleOptimizer(optimizer, 2.0)
    assert [o.loss_scale_factor for o in optimizer.optimizers] == [None, None]
    w = variable()
    wrapped.apply([2 * ONES], [w])
    np.testing.assert_allclose(w.numpy(), 0 * ONES)
    assert int(optimizer.optimizers[0].iterations) == 0


def test_multi_config():
    config = optimizers.serialize(two(optimizers))
    again = optimizers.deserialize(config)
    assert optimizers.serialize(again) == config
    assert float(again.optimizer_map["a/k"].learning_rate) == 0.5


def test_multi_has_no_learning_rate():
    optimizer = two(optimizers)
    with pytest.raises(AttributeError, match="no learning rate"):
        _ = optimizer.learning_rate
    with pytest.raises(AttributeError, match="no learning rate"):
        optimizer.learning_rate = 0.5


def test_multi_errors():
    with pytest.raises(TypeError, match="OptimizerMap or a function"):
        optimizers.MultiOptimizer({".*": optimizers.SGD()})
    chosen = optimizers.OptimizerMap(optimizers.SGD())
    with pytest.raises(ValueError, match="cannot be a LossScaleOptimizer"):
        chosen["a"] = optimizers.LossScaleOptimizer(optimizers.SGD())
    with pytest.raises(ValueError, match="cannot be a MultiOptimizer"):
        chosen["a"] = optimizers.MultiOptimizer(optimizers.SGD())
    with pytest.raises(ValueError, match="cannot be a MultiOptimizer"):
        optimizers.MultiOptimizer(lambda v: optimizers.MultiOptimizer(chosen)).build([variable()])
    with pytest.raises(TypeError, match="(?s)must give an optimizer for 'w'.*Received: 'adam'"):
        optimizers.MultiOptimizer(lambda v: "adam").build([variable()])


def test_optimizer_map():
    sgd, adam = optimizers.SGD(), optimizers.Adam()
    chosen = optimizers.OptimizerMap(sgd, {"a.*": adam})
    assert chosen["a/k"] is adam and chosen["ba"] is sgd
    assert list(chosen) == ["a.*"] and len(chosen) == 1 and "a.*" in chosen
    with pytest.raises(ValueError, match="already exists"):
        chosen["a.*"] = sgd
    with pytest.raises(ValueError, match="must be an optimizer"):
        chosen["b"] = "adam"
    chosen[".*k"] = sgd
    with pytest.raises(ValueError, match="Multiple optimizers.*'a/k'"):
        chosen["a/k"]
    del chosen["a.*"]
    assert chosen["a/k"] is sgd
