"""What those meet who are new to kerata: mistakes that everyone makes, and what is said of them."""

import traceback

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


def _frames(call, kind=Exception):
    """Return the functions in the traceback of what a call raises, and what it raises."""
    kerata.config.enable_traceback_filtering()
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][2:]


def _wrong(x):
    return x.nothing


NUMBERS = kerata.data.Dataset.range(4)
TRACEBACKS = {
    "map": (lambda: list(NUMBERS.map(_wrong)), ["_wrong"]),
    "threads": (lambda: list(NUMBERS.map(_wrong, 2).batch(2).prefetch(2)), ["_wrong"]),
    "filter": (lambda: list(NUMBERS.filter(_wrong)), ["_wrong"]),
    "numpy": (lambda: list(NUMBERS.map(_wrong).as_numpy_iterator()), ["_wrong"]),
    "spec": (lambda: NUMBERS.map(_wrong).element_spec, ["_wrong"]),
    "loader": (lambda: kerata.utils.image_dataset_from_directory("no folder"), ["_index"]),
    "table": (lambda: kerata.data.Dataset.from_csv(__file__), ["read_csv"]),
    "download": (
        lambda: kerata.utils.get_file(origin="file:///nowhere/at/all", cache_dir="cache"),
        ["_fetch"],
    ),
    "Lambda": (
        lambda: kerata.Sequential([kerata.Input((1,)), layers.Lambda(lambda x: x)]).save("m.keras"),
        ["_config_value"],
    ),
}


@pytest.mark.parametrize("case", TRACEBACKS)
def test_tracebacks_have_the_users_lines_and_the_last_one(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, last = TRACEBACKS[case]
    assert _frames(call) == last


def test_pictures_that_cannot_be_read_are_named_shortly(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "broken.png").write_text("no picture")
    data = kerata.utils.image_dataset_from_directory(tmp_path, verbose=False, image_size=(4, 4))
    assert _frames(lambda: list(data), OSError) == ["load_img"]
