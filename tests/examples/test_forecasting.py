"""The forecasting example: windows, rules, intervals, and a small run."""

import numpy as np
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import forecasting as example


def test_windows_never_look_ahead_or_into_a_later_part():
    values = np.stack([np.arange(400.0), -np.arange(400.0)], axis=1)
    seen = []
    for start, end in ((0, 200), (200, 300), (300, 400)):
        for x, y in example.windows(values, start, end):
            assert x.shape[1:] == (72, 2) and y.shape[1:] == (24,)
            np.testing.assert_array_equal(y - x[:, -1:, 0], np.tile(np.arange(1, 25), (len(y), 1)))
            assert y.min() >= start and y.max() < end
            seen += [int(first) for first in y[:, 0]]
    # Every hour that leaves 24 in its part is the first of a forecast, once.
    assert seen == [*range(72, 177), *range(200, 277), *range(300, 377)]


def test_a_gap_is_filled_by_what_was_before():
    values = np.array([[np.nan, 1], [2, np.nan], [np.nan, np.nan], [4, 5], [4, 5], [4, 5]])
    filled = example.filled(values)
    np.testing.assert_array_equal(filled[1:], [[2, 1], [2, 1], [4, 5], [4, 5], [4, 5]])
    assert filled[0, 0] == 2  # the mean of the first half, where nothing was before


def test_the_weather_is_measured():
    names, values = example.weather()
    assert len(names) == 6 and values.shape == (8730, 6) and np.isfinite(values).all()
    assert names[0] == "temperature in °C" and -15 < values[:, 0].min() < 0
    assert 35 < values[:, 0].max() < 40 and 990 < np.median(values[:, 3]) < 1030


def test_simple_rules():
    day = np.array([hour % 24 for hour in range(1000)], float)
    rules = example.baselines(day, 500, 600, 10)
    truth = np.lib.stride_tricks.sliding_window_view(day, 24)[600:610]
    np.testing.assert_array_equal(rules["same as a day before"], truth)
    np.testing.assert_allclose(rules["the usual day from here"], truth, atol=1e-12)
    np.testing.assert_array_equal(rules["nothing changes"], np.tile(day[599:609, None], 24))
    changed = np.where(np.arange(1000) >= 624 + 9, 99, day)  # after all that may be known
    for name, forecast in example.baselines(changed, 500, 600, 10).items():
        np.testing.assert_array_equal(forecast, rules[name])


def test_the_loss_is_least_at_the_shares():
    cases = np.arange(11.0)[:, None] * np.ones((1, 24))

    def loss(*lines):
        return float(np.mean(example.pinball(cases, np.tile(lines, (11, 24, 1)))))

    right = loss(1, 5, 9)
    assert right == pytest.approx(np.mean([0.1 * 46 / 11, 0.5 * 30 / 11, 0.1 * 46 / 11]), rel=0.2)
    for wrong in ((0, 5, 9), (2, 5, 9), (1, 4, 9), (1, 6, 9), (1, 5, 8), (1, 5, 10)):
        assert loss(*wrong) > right


@pytest.mark.parametrize("kind", ["Conv1D", "LSTM", "GRU"])
def test_networks_begin_with_no_change(kind):
    values = np.random.default_rng(0).normal(10, 3, (300, 3)).astype("float32")
    model = example.network(kind, values)
    x = values[None, :72]
    lines = model(x)
    assert lines.shape == (1, 24, 3)
    np.testing.assert_allclose(lines, np.full((1, 24, 3), values[71, 0]), rtol=1e-6)


def test_intervals_are_calibrated():
    random = np.random.default_rng(0)
    series = random.normal(size=(2000, 1)).astype("float32")
    history = kerata.Input((72, 1))
    narrow = kerata.Model(history, 0 * history[:, :24] + example.SHARES - 0.5)
    watched = example.windows(series, 0, 1000)
    lines = example.calibrated(narrow, watched).predict(watched, verbose=0)
    truth = np.concatenate([y for _, y in watched])
    inside = np.mean((truth >= lines[:, :, 0]) & (truth <= lines[:, :, 2]), axis=0)
    np.testing.assert_allclose(inside, 0.8, atol=0.005)
    np.testing.assert_allclose(lines[:, :, 1], 0)


def tiny(kind, values):
    history = kerata.Input((72, values.shape[1]))
    x = kerata.layers.Dense(72, kernel_initializer="zeros")(history[:, -1])
    return kerata.Model(history, history[:, -1:, :1] + kerata.layers.Reshape((24, 3))(x))


def test_a_small_run(tmp_path, monkeypatch):
    hours = np.arange(1200)
    noise = np.random.default_rng(0).normal(size=1200)
    rows = [f"day {h // 24},{np.sin(h * np.pi / 12) + noise[h] / 9:.3f},{h % 7}" for h in hours]
    rows[5] = "day 0,,5"
    (tmp_path / "series.csv").write_text("\n".join(["when,load,other", *rows]))
    monkeypatch.setattr(example, "network", tiny)

    def predictions(path, inputs):
        return kerata.models.load_model(path).predict(inputs, verbose=0)

    monkeypatch.setattr(example.reloading, "predictions_elsewhere", predictions)
    said = []
    options = {"data": tmp_path / "series.csv", "epochs": 1, "say": said.append}
    scores = example.main(tmp_path, **options)
    assert set(scores) == {
        "Conv1D", "LSTM", "GRU", "nothing changes", "same as a day before",
        "the usual day from here", "covered",
    }  # fmt: skip
    assert scores["same as a day before"] < 0.2 and 0.6 < scores["covered"] <= 1
    assert "the same predictions, bit for bit" in "\n".join(said)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in [*list(scores)[:-1], "load, other", "series.csv", "Median"]:
        assert text in page
    for name in ("forecasts.png", "by_hour.png", "curves.png", "model.keras"):
        assert (tmp_path / name).exists()
    with pytest.raises(BadInput, match="--column must be one of load, other, not 'laod'"):
        example.main(tmp_path, column="laod", **options)


@pytest.mark.parametrize(
    "content, message",
    [
        ("a,b\n1,2\n3", "each row must have 2 cells"),
        ("a,b\nx,y\nz,w", "no column of numbers"),
        ("", "must be a CSV file with a header"),
        ("a\n" + "1\n" * 500, "960 hours are needed; it has 500"),
        (None, "must be a CSV file with a header"),
    ],
)
def test_a_series_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "series.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=message) as raised:
        example.main(tmp_path, data=path, say=lambda line: None)
    assert "\n" not in str(raised.value)
