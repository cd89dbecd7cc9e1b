"""What those meet who are new to kerata: mistakes that everyone makes, and what is said of them."""

import numpy as np
import pytest

import kerata
from kerata import layers

X, Y = np.ones((4, 2), "float32"), np.zeros((4, 1), "float32")


def _linear():
    model = kerata.Sequential([kerata.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def _early_stopping():
    _linear().fit(X, Y, callbacks=[kerata.callbacks.EarlyStopping()], verbose=0)


def _one_softmax():
    kerata.Sequential([kerata.Input((2,)), layers.Dense(1, activation="softmax")])


def _frozen():
    model = _linear()
    model.trainable = False
    model.fit(X, Y, verbose=0)


def _not_adapted():
    layers.StringLookup()(["a"])


def _not_adapted_in_a_model():
    kerata.Sequential([kerata.Input((1,), dtype="string"), layers.TextVectorization()]).predict(
        np.array(["a b"], object), verbose=0
    )


def _batches_of_batches():
    kerata.data.Dataset.range(4).batch(2).batch(2)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (_early_stopping, "EarlyStopping conditioned on metric `val_loss`"),
        (_one_softmax, "softmax.. over one element"),
        (_frozen, "no trainable weights"),
        (_not_adapted, "has no vocabulary yet"),
        (_not_adapted_in_a_model, "has no vocabulary yet"),
        (_batches_of_batches, "batch of batches"),
    ],
)
def test_warnings_show_the_users_line(mistake, words):
    with pytest.warns(UserWarning, match=words) as caught:
        mistake()
    assert {w.filename for w in caught} == {__file__}
