"""Progbar: what it prints, and when."""

import sys

import numpy as np
import pytest

import kerata
from kerata.utils import Progbar, progbar


@pytest.fixture
def terminal(capsys, monkeypatch):
    monkeypatch.setattr(progbar, "is_live", lambda: True)
    return lambda: capsys.readouterr().out


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progbar, "time", clock)
    return clock


def test_one_line_drawn_again_in_a_terminal(terminal, clock):
    bar = Progbar(4, width=4, interval=1.0, stateless_metrics=())
    clock.now += 2
    bar.update(1, [("loss", 0.5)])
    clock.now += 0.5
    assert not bar.is_due()
    bar.update(2, [("loss", 9.0)])
    clock.now += 1.5
    bar.update(4, [("loss", 0.25)])
    assert terminal() == (
        "\r1/4 ━─── 6s 2s/step - loss: 0.5000\r4/4 ━━━━ 4s 1s/step - loss: 0.2500\n"
    )


def test_a_shorter_line_clears_the_longer_one(terminal, clock):
    bar = Progbar(2, interval=0.0, stateless_metrics=())
    bar.update(1, [("a", 1.0), ("b", "long text")])
    bar._values.pop("b")
    bar.update(2)
    first, second = terminal().strip("\r\n").split("\r")
    assert len(second) >= len(first) and second.rstrip() != second


@pytest.mark.parametrize("columns, most", [(60, 2), (80, 3)])
def test_lines_fit_in_the_terminal(columns, most, terminal, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "a_long_name"]
    for count in range(len(names) + 1):
        terminal()
        bar = Progbar(100, interval=0.0)
        clock.now += 1
        bar.update(50, [(name, 0.5) for name in names[:count]])
        line = terminal().strip("\r")
        assert len(line) < columns
        # First the bar becomes shorter, then the text is cut.
        assert line.count("━") == 10 if count < most else line.count("━") < 10
        assert line.endswith("…") == (count > most)
        bar.update(100)
        line = terminal()  # it stays, with everything
        assert all(name in line for name in names[:count])


def test_one_line_at_the_end(capsys, clock):
    bar = Progbar(10, verbose=2)
    for step in range(10):
        clock.now += 0.002
        bar.update(step + 1, [("loss", float(step))])
        assert not bar.is_due()
    assert capsys.readouterr().out == "10/10 - 0s - 2ms/step - loss: 4.5000\n"


@pytest.mark.parametrize(
    "arguments, shown",
    [
        ({}, "1.0000"),
        ({"stateful_metrics": ["x"]}, "2.0000"),
        ({"stateful_metrics": []}, "1.0000"),
        ({"stateless_metrics": ["x"]}, "1.0000"),
        ({"stateless_metrics": []}, "2.0000"),
    ],
    ids=str,
)
def test_averages(arguments, shown, capsys):
    bar = Progbar(3, interval=0.0, **arguments)
    bar.update(1, [("x", 0.0)])
    capsys.readouterr()
    bar.update(2, [("x", 2.0)])
    assert f"x: {shown}" in capsys.readouterr().out


def test_both_kinds_of_metrics_are_refused():
    with pytest.raises(ValueError, match="only one of"):
        Progbar(1, stateful_metrics=[], stateless_metrics=[])


@pytest.mark.parametrize(
    "value, shown",
    [
        (1.0, "1.0000"),
        (np.float32(0.5), "0.5000"),
        ([0.0, 1.0, 2.0], "1.0000"),
        (1e-5, "1.0000e-05"),
        (0, "0.0000"),
        (-2.0, "-2.0000"),
    ],
)
def test_values(value, shown, capsys):
    Progbar(1, verbose=2).update(1, [("x", value)])
    assert capsys.readouterr().out.endswith(f"x: {shown}\n")


def test_unknown_target_and_add(capsys, clock):
    bar = Progbar(None, verbose=2, unit_name="sample")
    bar.add(2)
    clock.now += 6
    bar.add(1)
    assert capsys.readouterr().out == ""
    bar.update(3, finalize=True)
    assert capsys.readouterr().out == "3 - 6s - 2s/sample\n"


def test_zero_target_and_silence(capsys):
    Progbar(0, verbose=1).update(0, finalize=True)
    assert capsys.readouterr().out
    Progbar(1, verbose=0).update(1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("seconds, shown", [(5, "5s"), (65, "1:05"), (3661, "1:01:01")])
def test_time_left(seconds, shown, terminal, clock):
    bar = Progbar(2)
    clock.now += seconds
    bar.update(1)
    assert f" {shown} " in terminal()


def test_without_interactive_logging_messages_are_logged(capsys, caplog):
    kerata.config.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", logger="kerata"):
            Progbar(1, verbose=2).update(1)
    finally:
        kerata.config.enable_interactive_logging()
    assert capsys.readouterr().out == "" and "1/1" in caplog.text


def test_live_means_a_terminal(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    for is_terminal in (True, False):
        monkeypatch.setattr(sys.stdout, "isatty", lambda answer=is_terminal: answer, raising=False)
        assert progbar.is_live() == is_terminal
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert progbar.is_live()
