"""The helpers that word exceptions."""

import traceback

import numpy as np
import pytest

import kerata
from kerata.engine import errors, settings


def test_argument_checks_return_what_they_checked():
    assert errors.positive_int("units", np.int64(3)) == 3
    assert errors.positive_int("units", 3.0) == 3
    assert errors.non_negative_int("n", 0) == 0
    assert errors.int_tuple("strides", 2, 3) == (2, 2, 2)
    assert errors.int_tuple("strides", [1, np.int32(2)], 2) == (1, 2)
    assert errors.probability("rate", 0.5) == 0.5
    assert errors.one_of("mode", "a", ("a", "b")) == "a"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: errors.positive_int("units", 0, "Dense"), "Dense: `units` must be a positive"),
        (lambda: errors.positive_int("units", True), "Received: units=True"),
        (lambda: errors.positive_int("units", "3"), "units='3'"),
        (lambda: errors.non_negative_int("n", -1), "at least 0"),
        (lambda: errors.int_tuple("size", (1, 2, 3), 2), "tuple of 2 integers"),
        (lambda: errors.int_tuple("size", "ab", 2), "size='ab'"),
        (lambda: errors.int_tuple("size", 0, 2), "at least 1"),
        (lambda: errors.probability("rate", 1.5), "between 0 and 1"),
        (lambda: errors.one_of("padding", "sme", ("same", "valid")), "Did you mean 'same'"),
    ],
)
def test_argument_checks_explain(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_near_names_ignore_case_and_underscores():
    assert errors.nearest("CategoricalCrossEntropy", ["categorical_crossentropy", "mse"]) == [
        "categorical_crossentropy"
    ]
    assert "Did you mean 'adam'" in str(errors.unknown_name("optimizer", "adm", ["adam", "sgd"]))


@pytest.mark.parametrize(
    ("setter", "value"),
    [
        (settings.set_floatx, "int8"), (settings.set_image_data_format, "first"),
        (settings.set_backend, "torch"),
    ],
)  # fmt: skip
def test_settings_check_their_values(setter, value):
    before = settings.snapshot()
    with pytest.raises(ValueError, match="must be one of"):
        setter(value)
    assert settings.snapshot() == before


VALUES = {
    "text": (lambda x: f"{x:.1f}", TypeError, "formatted as text"),
    "numpy": (lambda x: x.numpy(), AttributeError, "no .numpy.."),
    "NumPy": (lambda x: np.log(x), Exception, "scikit-learn"),
    "if": (lambda x: 1 if x > 0 else 2, Exception, "ops.cond"),
    "float": (lambda x: float(x), Exception, "as it is"),
    "in place": (lambda x: x.__setitem__(0, 1), TypeError, "x.at.*slice_update"),
}


@pytest.mark.parametrize("case", VALUES)
def test_tensors_without_values_are_explained(case):
    function, kind, words = VALUES[case]
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        kerata.jit(function)(1.0)
    assert "racer" not in str(caught.value)


def test_tracebacks_hold_the_users_lines_and_the_last_one():
    class Net(kerata.Sequential):
        def train_step(self, data):
            return {"loss": float(data[0].sum())}

    net = Net([kerata.layers.Dense(1)])
    net.compile("sgd", "mse")
    x = np.ones((2, 3), "float32")
    kerata.config.enable_traceback_filtering()
    for call, last in (
        (lambda: net.fit(x, x, verbose=0), "train_step"),
        (lambda: kerata.layers.Dense(2)(x[0]), "check_inputs"),
    ):
        with pytest.raises(Exception) as caught:
            call()
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        here = "test_tracebacks_hold_the_users_lines_and_the_last_one"
        assert names == [here, "<lambda>", last]
