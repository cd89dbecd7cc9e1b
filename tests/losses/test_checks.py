"""Targets that cannot be meant are refused before training; good ones pass."""

import warnings

import numpy as np
import pytest

import kerata.losses as L
from kerata.losses.checks import check_targets

SPARSE = L.SparseCategoricalCrossentropy()
EYE = np.eye(3)

WRONG = [
    (SPARSE, np.array([1, 2, 3]), (3, 3), "between 0 and 2(.|\n)*3 in y_true(.|\n)*subtract 1"),
    (SPARSE, np.array([-1, 2, 1]), (3, 3), "-1 in y_true(.|\n)*ignore_class=-1"),
    (SPARSE, np.array([0, 7, 1]), (3, 3), "7 in y_true(.|\n)*8 units"),
    (SPARSE, np.array([0.0, 0.5, 1.0]), (3, 3), "class numbers(.|\n)*0.5(.|\n)*mean_squared_error"),
    (SPARSE, EYE, (3, 3), "one-hot(.|\n)*categorical_crossentropy"),
    (L.sparse_categorical_crossentropy, np.array([[5], [0]]), (2, 3), "5 in y_true"),
    (
        L.SparseCategoricalCrossentropy(ignore_class=-1),
        np.array([-1, 3, 0]),
        (3, 3),
        "3 in y_true",
    ),
    (
        L.SparseCategoricalCrossentropy(axis=1),
        np.array([[2, 0]]),
        (1, 2, 2),
        "between 0 and 1",
    ),
    (L.CategoricalCrossentropy(), np.array([0, 2]), (2, 3), "sparse_categorical(.|\n)*, 3\\)"),
    (L.categorical_crossentropy, np.array([[0], [2]]), (2, 3), "to_categorical"),
    (L.BinaryCrossentropy(), np.array([[-1.0], [1.0]]), (2, 1), "-1(.|\n)*hinge"),
    (L.BinaryCrossentropy(), np.array([[0], [4]]), (2, 1), "4(.|\n)*sparse_categorical"),
    (L.CTC(), np.array([[-1, 2]]), (1, 4, 3), "at least 0"),
    (L.MeanSquaredError(), np.array([np.nan, np.nan]), (2, 1), "only NaN"),
]

RIGHT = [
    (SPARSE, np.array([0, 1, 2]), (3, 3)),
    (SPARSE, np.array([[0.0], [2.0]]), (2, 3)),
    (L.SparseCategoricalCrossentropy(ignore_class=255), np.array([0, 255]), (2, 3)),
    (L.SparseCategoricalCrossentropy(ignore_class=255), np.array([255, 255]), (2, 3)),
    (L.CategoricalCrossentropy(), EYE, (3, 3)),
    (L.CategoricalCrossentropy(), np.zeros((2, 1)), (2, 1)),
    (L.CategoricalGeneralizedCrossEntropy(), EYE, (3, 3)),
    (L.BinaryCrossentropy(), np.array([[0.2], [1.0]]), (2, 1)),
    (L.BinaryCrossentropy(), np.array([True, False]), (2, 1)),
    (L.MeanSquaredError(), np.array([np.nan, 1.0]), (2, 1)),
    (L.Hinge(), np.array([[-1.0], [1.0]]), (2, 1)),
    (lambda t, p: 0.0, np.array([5, 6]), (2, 3)),
    (SPARSE, "not an array", (2, 3)),
    (SPARSE, np.array(["a", "b"]), (2, 3)),
    (SPARSE, np.zeros((0,), int), (0, 3)),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda c: getattr(c[0], "__name__", c[0]))
def test_wrong_targets(case):
    loss, y_true, shape, words = case
    with pytest.raises(ValueError, match=words) as caught:
        check_targets(loss, y_true, shape, name="digit")
    message = str(caught.value)
    assert message.startswith("Output 'digit': ") and "Received: " in message
    assert len(message.splitlines()) <= 4


@pytest.mark.parametrize("case", RIGHT)
def test_right_targets(case):
    check_targets(*case)


PROBABILITIES = np.full((2, 4), 0.25, "float32")
LOGITS = np.array([[-1.0, 2.0, 0.5, 0.0]] * 2, "float32")


@pytest.mark.parametrize(
    "loss, y_true, y_pred, words",
    [
        (SPARSE, np.array([0, 1]), LOGITS, "from_logits=True"),
        (L.CategoricalCrossentropy(), np.eye(4)[:2], LOGITS, "from_logits=True"),
        (L.BinaryCrossentropy(), np.ones((2, 4)), LOGITS, "softmax or sigmoid"),
        (L.binary_crossentropy, np.ones((2, 4)), LOGITS, "softmax or sigmoid"),
        (
            L.SparseCategoricalCrossentropy(from_logits=True),
            np.array([0, 1]),
            PROBABILITIES,
            "are probabilities",
        ),
    ],
)
def test_logits_and_probabilities(loss, y_true, y_pred, words):
    with pytest.warns(UserWarning, match=words):
        check_targets(loss, y_true, y_pred.shape, y_pred)


@pytest.mark.parametrize(
    "loss, y_true, y_pred",
    [
        (SPARSE, np.array([0, 1]), PROBABILITIES),
        (L.SparseCategoricalCrossentropy(from_logits=True), np.array([0, 1]), LOGITS),
        (L.BinaryCrossentropy(from_logits=True), np.ones((2, 4)), PROBABILITIES),
        (L.BinaryCrossentropy(from_logits=True), np.ones((2, 4)), LOGITS),
        (SPARSE, np.array([0, 1]), LOGITS * np.nan),
        (L.MeanSquaredError(), np.ones((2, 4)), LOGITS),
    ],
)
def test_no_warning_without_certainty(loss, y_true, y_pred):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_targets(loss, y_true, y_pred.shape, y_pred)
