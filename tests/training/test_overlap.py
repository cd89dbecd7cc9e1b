"""Batches of `predict` that run side by side."""

import threading

import jax
import numpy as np
import pytest

import kerata
from kerata import layers
from kerata.training import overlap, steps


@pytest.fixture(autouse=True)
def _three_cores(monkeypatch):
    monkeypatch.setattr(overlap, "_cores", lambda: 3)
    monkeypatch.setattr(overlap, "_SHORT", 0)


def recurrent(**options):
    return kerata.Sequential([
        kerata.Input((4, 2), batch_size=2 if options else None),
        layers.LSTM(3, **options),
        layers.Dense(1),
    ])  # fmt: skip


def numbers(samples):
    return np.random.default_rng(0).normal(size=(samples, 4, 2)).astype("float32")


@pytest.mark.parametrize(
    "samples, options", [(11, {}), (12, {"stateful": True})], ids=["a small last batch", "stateful"]
)
def test_the_same_predictions_as_one_after_the_other(monkeypatch, samples, options):
    x, model = numbers(samples), recurrent(**options)
    found = model.predict(x, batch_size=2, verbose=0)
    monkeypatch.setattr(overlap, "_cores", lambda: 1)
    for layer in model.layers:
        if hasattr(layer, "reset_states"):
            layer.reset_states()
    np.testing.assert_array_equal(found, model.predict(x, batch_size=2, verbose=0))


def in_turn(model, sizes):
    """Return in which thread a step function is called, for batches of these sizes."""
    places = []

    def step(batch):
        places.append(threading.get_ident())
        return batch

    with overlap.overlapping(model, steps.ours(step)) as function:
        for size in sizes:
            assert len(function(np.zeros((size, 1)))) == size
    return places


def test_threads_take_turns_with_what_is_compiled_already():
    places, here = in_turn(recurrent(), [2, 2, 2, 2, 2, 1]), threading.get_ident()
    # The first one compiles, and so does the last, of another shape.
    assert places[0] == places[3] == places[5] == here
    assert len({here, places[1], places[2]}) == 3 and places[4] == places[1]


def test_one_batch_starts_no_thread(monkeypatch):
    monkeypatch.setattr(overlap, "ThreadPoolExecutor", None)
    assert in_turn(recurrent(), [2]) == [threading.get_ident()]


@pytest.mark.parametrize("limit, value", [("_SHORT", 10**6), ("_LONG", 1)])
def test_not_where_batches_are_too_short_or_long(monkeypatch, limit, value):
    monkeypatch.setattr(overlap, limit, value)
    assert set(in_turn(recurrent(), [2, 2, 2])) == {threading.get_ident()}


def test_not_with_settings_of_this_thread_alone():
    with jax.default_matmul_precision("highest"):
        assert set(in_turn(recurrent(), [2, 2, 2])) == {threading.get_ident()}


def test_errors_of_any_thread_come_out_and_threads_end():
    before = threading.active_count()
    calls = iter([2, 2, "broken"])

    def fails_in_another_thread(batch):
        if next(calls) == "broken":
            raise ValueError(f"not {threading.get_ident()}")
        return batch

    here = threading.get_ident()
    step = steps.ours(fails_in_another_thread)
    with (
        pytest.raises(ValueError, match=f"not (?!{here}$)"),
        overlap.overlapping(recurrent(), step) as function,
    ):
        for _ in range(3):
            function(np.zeros((2, 1)))
    assert threading.active_count() == before


@pytest.mark.parametrize("reason", ["no loops", "one core", "one batch", "eager", "own step"])
def test_not(reason, monkeypatch):
    model = recurrent()
    if reason == "no loops":
        model = kerata.Sequential([kerata.Input((4, 2)), layers.Dense(1)])
    if reason == "one core":
        monkeypatch.setattr(overlap, "_cores", lambda: 1)
    if reason == "eager":
        model.compile(run_eagerly=True)
    step = (lambda batch: batch) if reason == "own step" else steps.ours(lambda batch: batch)
    with overlap.overlapping(model, step, 1 if reason == "one batch" else 2) as function:
        assert function is step
