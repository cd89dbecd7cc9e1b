"""Models as estimators: what scikit-learn asks of them, and what they return."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks as checks

import kerata
from kerata.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

X = np.random.default_rng(0).normal(size=(16, 3))
Y = np.where(X[:, 0] > 0, "plus", "minus")


def network(X, y, units=4, loss="mse", activation=None):
    inputs = kerata.Input((X.shape[1],))
    x = kerata.layers.Dense(units, activation="tanh")(inputs)
    outputs = kerata.layers.Dense(y.shape[1], activation=activation)(x)
    model = kerata.Model(inputs, outputs)
    model.compile(kerata.optimizers.Adam(0.1), loss)
    return model


QUIET = {"verbose": 0, "epochs": 3}


def classifier(**options):
    kwargs = {"loss": "categorical_crossentropy", "activation": "softmax"}
    return SKLearnClassifier(network, model_kwargs=kwargs, fit_kwargs={**QUIET, **options})


def regressor(**options):
    return SKLearnRegressor(network, fit_kwargs=QUIET, **options)


def test_a_classifier_learns_and_names_classes():
    estimator = classifier(epochs=30)
    assert estimator.fit(X, Y) is estimator
    assert estimator.classes_.tolist() == ["minus", "plus"]
    assert estimator.score(X, Y) > 0.9
    scores = estimator.decision_function(X)
    assert scores.shape == (16, 2)
    assert (estimator.classes_[scores.argmax(-1)] == estimator.predict(X)).all()
    assert estimator.history_.epoch[-1] == 29


@pytest.mark.parametrize("y, shape", [(X[:, 0], (16,)), (X[:, :2], (16, 2))])
def test_a_regressor_predicts_in_the_shape_of_its_targets(y, shape):
    estimator = regressor().fit(X, y)
    assert estimator.predict(X).shape == shape
    assert set(estimator.history_.history) == {"loss"}


def test_a_transformer_in_a_pipeline():
    encoder = SKLearnTransformer(network, fit_kwargs=QUIET)
    pipeline = make_pipeline(StandardScaler(), encoder, classifier())
    targets = np.stack([X[:, 0], X[:, 1]], axis=1)
    assert encoder.fit(X, targets).transform(X).shape == (16, 2)
    assert pipeline.fit(X, (Y == "plus").astype(int)).predict(X).shape == (16,)


def test_cross_validation_makes_fresh_models():
    assert cross_val_score(classifier(), X, Y, cv=2).shape == (2,)


@pytest.mark.parametrize("warm", [False, True])
def test_a_given_model_is_copied_or_trained_itself(warm):
    model = network(X, X[:, :1])
    before = model.get_weights()
    estimator = SKLearnRegressor(model, warm, fit_kwargs=QUIET)
    first = estimator.fit(X, X[:, 0]).model_
    assert (first is model) is warm
    same = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    assert same is not warm
    assert (estimator.fit(X, X[:, 0]).model_ is first) is warm


def test_copies_and_pickles():
    estimator = regressor().fit(X, X[:, 0])
    fresh = clone(estimator)
    assert not hasattr(fresh, "model_") and fresh.get_params().keys() == {
        "fit_kwargs", "model", "model_kwargs", "warm_start",
    }  # fmt: skip
    estimator.model = None  # a function of a test has no place that pickle finds
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_allclose(again.predict(X), estimator.predict(X), 1e-6)


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        regressor().predict(X)
    with pytest.raises(ValueError, match="Unknown label type"):
        classifier().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="`model` must be a compiled model"):
        SKLearnRegressor(lambda X, y: None).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="`model` must be a compiled model"):
        model = kerata.Sequential([kerata.layers.Dense(1)])
        SKLearnRegressor(model).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="requires y to be passed"):
        regressor().fit(X, None)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_n_features_in_after_fitting,
        checks.check_dict_unchanged,
        checks.check_fit_check_is_fitted,
        checks.check_no_attributes_set_in_init,
        checks.check_estimators_nan_inf,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn(check):
    check("SKLearnRegressor", regressor())


def test_metadata_routing():
    estimator = regressor().set_fit_request(epochs=True)
    assert estimator.get_metadata_routing().fit.requests == {"epochs": True}
