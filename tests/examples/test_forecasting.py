"""The forecasting example: windows, rules, intervals, and a small run."""

import numpy as np
import pandas
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import forecasting as example, series


def test_windows_never_look_ahead_or_into_another_part():
    hours = np.arange(1700.0)
    x, y, start, parts = series.windows(np.stack([hours, -hours], axis=1))
    assert x.shape[1:] == (72, 4) and y.shape[1:] == (24,)
    assert start.tolist() == list(range(72, 1677))
    np.testing.assert_array_equal(x[:, -1, 0], start - 1)
    np.testing.assert_array_equal(y, start[:, None] + np.arange(24))
    learn, choose, test = parts
    assert not (learn & choose | learn & test | choose & test).any()
    seen = [set(y[part].ravel().astype(int)) for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen))
    assert min(seen[2]) == 1360 and seen[1] == {*range(504, 672), *range(1176, 1344)}


def test_a_gap_is_filled_by_what_was_before():
    table = pandas.DataFrame({"a": [np.nan, 2, np.nan, 4], "b": [1, np.nan, np.nan, 5]})
    assert series.filled(table).to_numpy().tolist() == [[2, 1], [2, 1], [2, 1], [4, 5]]


def test_the_weather_is_measured():
    table = series.weather()
    values = table.to_numpy()
    assert values.shape == (8730, 6) and np.isfinite(values).all()
    assert table.columns[0] == "temperature in °C" and -15 < values[:, 0].min() < 0
    assert 35 < values[:, 0].max() < 40 and 990 < np.median(values[:, 3]) < 1030


def test_simple_rules():
    day = np.array([hour % 24 for hour in range(1700)], float)
    x, y, start, (learn, _, test) = series.windows(day[:, None])
    rules = example.simple_rules(x, y, start, learn, test)
    np.testing.assert_array_equal(rules["same as a day before"], y[test])
    np.testing.assert_allclose(rules["the usual day from here"], y[test], atol=1e-5)
    still = np.repeat((start[test, None] - 1) % 24, 24, axis=1)
    np.testing.assert_array_equal(rules["nothing changes"], still)


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
    x = values[None, :72]
    model = example.network(kind, x)
    lines = model(x)
    assert lines.shape == (1, 24, 3)
    np.testing.assert_allclose(lines, np.full((1, 24, 3), values[71, 0]), rtol=1e-6)


def test_intervals_are_widened_by_what_was_known():
    random = np.random.default_rng(0)
    truth = random.normal(size=(3000, 24))
    truth[1500:] *= 3
    lines = np.zeros((3000, 24, 3)) + example.SHARES - 0.5
    margin = example.margins(lines, truth)
    wide = example.widened(lines, margin)
    inside = (truth >= wide[..., 0]) & (truth <= wide[..., 2])
    for part in (slice(700, 1500), slice(2300, 3000)):  # before and, some weeks later, after
        assert inside[part].mean() == pytest.approx(0.8, abs=0.01)
    np.testing.assert_array_equal(wide[..., 1][192:], 0)
    changed = truth.copy()
    changed[2000:] = 99  # a forecast made at row 2000 is known to be wrong 24 hours later
    np.testing.assert_array_equal(example.margins(lines, changed)[:2024], margin[:2024])
    assert not np.array_equal(example.margins(lines, changed)[2024], margin[2024])


def tiny(kind, x):
    history = kerata.Input(x.shape[1:])
    x = kerata.layers.Dense(72, kernel_initializer="zeros")(history[:, -1])
    return kerata.Model(history, history[:, -1:, :1] + kerata.layers.Reshape((24, 3))(x))


def test_a_small_run(tmp_path, monkeypatch, quick):
    hours = np.arange(2000)
    noise = np.random.default_rng(0).normal(size=2000)
    rows = [f"day {h // 24},{np.sin(h * np.pi / 12) + noise[h] / 9:.3f},{h % 7}" for h in hours]
    rows[5] = "day 0,,5"
    (tmp_path / "series.csv").write_text("\n".join(["when,load,other", *rows]))
    monkeypatch.setattr(example, "network", tiny)
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
    for text in [*list(scores)[:-1], "load, other", "Median"]:
        assert text in page
    assert quick == ["forecasts", "curves"]
    with pytest.raises(BadInput, match="--column must be one of load, other, not 'laod'"):
        example.main(tmp_path, column="laod", **options)


@pytest.mark.parametrize(
    "content, message",
    [
        ("a,b\nx,y\nz,w", "no column of numbers"),
        ("a\n" + "1\n" * 500, r"1,920 rows \(hours\) or more; .* has 500"),
        (None, "must be a .csv file, and there is none"),
    ],
)
def test_a_series_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "series.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=message) as raised:
        example.main(tmp_path, data=path, say=lambda line: None)
    assert "\n" not in str(raised.value)
