"""Layers that are frozen, at whatever time, are not trained, and stay so in copies and files."""

import numpy as np
import pytest

import kerata
from kerata import layers

pytestmark = pytest.mark.usefixtures("quick_weights")


def sequential():
    frozen = layers.Dense(3, trainable=False)
    return kerata.Sequential([kerata.Input((4,)), frozen, layers.Dense(2)]), frozen


def functional():
    frozen = layers.BatchNormalization(trainable=False)
    x = kerata.Input((4,))
    return kerata.Model(x, layers.Dense(2)(frozen(x))), frozen


def frozen_before_it_was_built():
    frozen = layers.Dense(3)
    frozen.trainable = False
    model = kerata.Sequential([frozen, layers.Dense(2)])
    model.build((None, 4))
    return model, frozen


def nested():
    inner = kerata.Sequential([layers.Dense(3)], trainable=False)
    return kerata.Sequential([kerata.Input((4,)), inner, layers.Dense(2)]), inner


CASES = [sequential, functional, frozen_before_it_was_built, nested]


@pytest.mark.parametrize("make", CASES, ids=lambda f: f.__name__)
def test_a_frozen_layer_has_nothing_to_train(make):
    model, frozen = make()
    assert len(model.trainable_variables) == 2
    assert not frozen.trainable_weights
    assert len(model.non_trainable_weights) == len(model.weights) - 2


def test_fit_leaves_a_frozen_layer_alone():
    model, frozen = sequential()
    model.compile("sgd", "mse")
    before = [w.numpy() for w in model.weights]
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    after = [w.numpy() for w in model.weights]
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_a_thawed_layer_is_trained():
    model, frozen = sequential()
    frozen.trainable = True
    assert len(model.trainable_variables) == 4
    assert frozen.kernel.trainable


def test_copies_and_files_keep_what_is_frozen(tmp_path):
    model, _ = sequential()
    assert len(kerata.models.clone_model(model).trainable_variables) == 2
    model.save(tmp_path / "m.keras")
    assert len(kerata.models.load_model(tmp_path / "m.keras").trainable_variables) == 2


def test_a_layer_frozen_inside_a_frozen_model_stays_frozen_in_a_file(tmp_path):
    base = kerata.Sequential([kerata.Input((4,)), layers.Dense(3), layers.Dense(3)], name="base")
    base.layers[0].trainable = False
    model = kerata.Sequential([kerata.Input((4,)), base, layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    assert len(model.trainable_variables) == 4
    assert len(kerata.models.load_model(tmp_path / "m.keras").trainable_variables) == 4
