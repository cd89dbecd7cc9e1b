"""The estimators: a model, or a function that makes one, with scikit-learn's methods."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from kerata.engine.errors import argument_error
from kerata.models import Model, clone_model


class _Estimator(BaseEstimator):
    """Base of the estimators."""

    def __init__(self, model, warm_start=False, model_kwargs=None, fit_kwargs=None):
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def fit(self, X, y, **kwargs):
        """Train the model.

        Args:
            X: array-like of shape `(samples, features)`.
            y: targets.
            **kwargs: arguments of `Model.fit`; they come before those in `fit_kwargs`.

        Returns:
            The estimator.

        Raises:
            ValueError: if scikit-learn does not take the data, or the model is not compiled.
        """
        if y is None:
            X = validate_data(self, X, y)
        else:
            X, y = validate_data(self, X, y, multi_output=True)
            y = self._encode(y)
        model = self._model_for(X, y)
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _model_for(self, X, y) -> Model:
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if isinstance(self.model, Model):
            model = self.model if self.warm_start else clone_model(self.model)
        else:
            model = self.model(X=X, y=y, **(self.model_kwargs or {}))
        if not isinstance(model, Model) or not model.compiled:
            must = "be a compiled model, or a function that returns one"
            raise argument_error("model", must, model, type(self))
        return model

    def _encode(self, y):
        """Return targets as the model takes them."""
        type_of_target(y, raise_unknown=True)
        self._flat = np.ndim(y) == 1
        return np.reshape(y, (-1, 1)) if self._flat else np.asarray(y)

    def _decode(self, outputs):
        """Return the model's outputs as they compare with the targets."""
        return outputs.reshape(-1) if self._flat else outputs

    def _outputs(self, X) -> np.ndarray:
        check_is_fitted(self, "model_")
        X = validate_data(self, X, reset=False)
        return self.model_.predict(X, verbose=0)

    def predict(self, X):
        """Return predictions.

        Args:
            X: array-like of shape `(samples, features)`.
        """
        return self._decode(self._outputs(X))

    def set_fit_request(self, **kwargs):
        """Say which arguments of `fit` scikit-learn's meta-estimators pass on (metadata routing).

        Args:
            **kwargs: True or False, by name of the argument.

        Returns:
            The estimator.
        """
        request = MetadataRequest(owner=self)
        for name, value in kwargs.items():
            request.fit.add_request(param=name, alias=value)
        self._metadata_request = request
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


class SKLearnClassifier(ClassifierMixin, _Estimator):
    """A model as a classifier of scikit-learn.

    The model is trained on one-hot vectors, `(samples, classes)`, and returns a probability, or a
    logit, for each class.

    Args:
        model: a compiled model, of which a copy with fresh weights is trained; or a function of
            `X`, `y` (as the model will get them) and `model_kwargs` that returns one.
        warm_start: whether each `fit` goes on where the last one ended (and trains the given
            model itself).
        model_kwargs: dict of further arguments of the function.
        fit_kwargs: dict of arguments of `Model.fit`.

    Attributes:
        model_: the trained model.
        history_: what its `fit` returned.
        classes_: the classes, sorted.

    Example:
        >>> def make(X, y):
        ...     model = kerata.Sequential([kerata.layers.Dense(y.shape[1], activation="softmax")])
        ...     model.compile(loss="categorical_crossentropy")
        ...     return model
        >>> estimator = kerata.wrappers.SKLearnClassifier(make, fit_kwargs={"verbose": 0})
        >>> estimator.fit(np.eye(4), ["no", "no", "yes", "yes"]).classes_.tolist()
        ['no', 'yes']
    """

    def decision_function(self, X):
        """Return the model's outputs: a number for each sample and class."""
        return self._outputs(X)

    def _encode(self, y):
        check_classification_targets(y)
        self.classes_, numbers = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        return np.eye(len(self.classes_))[numbers]

    def _decode(self, outputs):
        return self.classes_[np.argmax(outputs, axis=-1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class SKLearnRegressor(RegressorMixin, _Estimator):
    """A model as a regressor of scikit-learn.

    Args:
        model: a compiled model, of which a copy with fresh weights is trained; or a function of
            `X`, `y` (as the model will get them) and `model_kwargs` that returns one.
        warm_start: whether each `fit` goes on where the last one ended (and trains the given
            model itself).
        model_kwargs: dict of further arguments of the function.
        fit_kwargs: dict of arguments of `Model.fit`.

    Attributes:
        model_: the trained model.
        history_: what its `fit` returned.

    Example:
        >>> model = kerata.Sequential([kerata.Input((2,)), kerata.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> estimator = kerata.wrappers.SKLearnRegressor(model, fit_kwargs={"verbose": 0})
        >>> estimator.fit(np.ones((4, 2)), np.ones(4)).predict(np.ones((3, 2))).shape
        (3,)
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        tags.target_tags.multi_output = True
        return tags


class SKLearnTransformer(TransformerMixin, _Estimator):
    """A model as a transformer of scikit-learn: what it returns is passed on as features.

    Args:
        model: a compiled model, of which a copy with fresh weights is trained; or a function of
            `X`, `y` (as the model will get them) and `model_kwargs` that returns one.
        warm_start: whether each `fit` goes on where the last one ended (and trains the given
            model itself).
        model_kwargs: dict of further arguments of the function.
        fit_kwargs: dict of arguments of `Model.fit`.

    Attributes:
        model_: the trained model.
        history_: what its `fit` returned.
    """

    def transform(self, X):
        """Return the model's outputs, `(samples, features)`.

        Args:
            X: array-like of shape `(samples, features)`.
        """
        return self._outputs(X)


for _class in (SKLearnClassifier, SKLearnRegressor, SKLearnTransformer):
    _class.__module__ = "kerata.wrappers"
