"""A table of cars: how far they go on a gallon, from numbers and words, beside boosted trees."""

import json
import platform
import time
from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput
from kerata.engine.optional import require

BATCH = 32
FEW = 10  # integers of at most so many different values are taken for categories


def main(
    out,
    epochs=200,
    folds=5,
    seed=0,
    say=print,
    data: Path | None = None,
    target="mpg",
    group="name",
):
    """Predict a column of a table from the others: a network beside boosted trees.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training rows.
        folds: number of parts of the cross-validation, 2 or more.
        seed: decides the initial weights and the order; not the folds or the test rows.
        data: your own table, a .csv file whose first line names the columns (default: cars).
        target: the column of numbers to predict.
        group: column of names; rows of one name are all for training, or all for the test.
    """
    started = time.perf_counter()
    table = cars() if data is None else read(data, target)
    groups = table[group].astype(str) if group in table else table.index
    if not 2 <= folds <= len(set(groups)) // 2:
        raise BadInput(f"--folds must lie between 2 and {len(set(groups)) // 2}, not {folds}")
    kinds = {name: kind_of(table[name]) for name in table.columns.drop(target)}
    kinds = {name: kind for name, kind in kinds.items() if kind}

    # The test rows are the same whatever the seed, and nothing looks at them before the end.
    learn, test = divided(np.arange(len(table)), groups, 5)[0]
    truth = table[target].to_numpy("float32")
    x = {name: prepared(table[name], kind, learn) for name, kind in kinds.items()}
    say(f"{len(learn):,} rows to learn from, {len(test)} held out; {len(x)} columns to learn from")

    kerata.utils.set_random_seed(seed)
    methods = {
        "this network": lambda rows, others: network(x, truth, kinds, rows, epochs).predict(
            chosen(x, others), verbose=0
        )[:, 0],
        "boosted trees": lambda rows, others: trees(x, truth, kinds, rows, others, seed),
        "linear regression": lambda rows, others: linear(x, truth, kinds, rows, others),
        "always the median": lambda rows, others: np.full(len(others), np.median(truth[rows])),
    }
    of_folds = []
    for number, (rows, others) in enumerate(divided(learn, groups, folds), 1):
        errors = [np.abs(guess(rows, others) - truth[others]).mean() for guess in methods.values()]
        of_folds.append([f"fold {number}", len(others), *(f"{error:.3g}" for error in errors)])
        said = ", ".join(f"{name} {error:.3g}" for name, error in zip(methods, errors))
        say(f"fold {number} of {folds}, mean errors: {said}")

    say("\nThe final network, on all rows that are not for the test")
    model = network(x, truth, kinds, learn, epochs, verbose=2)
    guesses = {"this network": model.predict(chosen(x, test), verbose=0)[:, 0]}
    for name in list(methods)[1:]:
        guesses[name] = methods[name](learn, test)
    errors = {name: np.abs(guess - truth[test]) for name, guess in guesses.items()}
    scores = {name: float(error.mean()) for name, error in errors.items()}
    say(f"\nMean error on the {len(test)} test rows")
    for name, score in scores.items():
        say(f"  {name:<20} {score:7.3g}")
    verdict = compared(errors["this network"], errors["boosted trees"])
    say(f"\n{verdict}")

    model.save(out / "model.keras")
    filled = table.assign(**{name: column[:, 0] for name, column in x.items()})
    filled.iloc[test].to_csv(out / "test.csv", index=False)
    elsewhere = reloading.predictions_elsewhere(out / "model.keras", chosen(x, test))[:, 0]
    reloaded = reloading.sameness(guesses["this network"], elsewhere)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    seconds = time.perf_counter() - started
    what = "Miles on a gallon" if data is None else f"{target} in {data.name}"
    page = report.Page(out, what, f"A network that predicts the column {target!r} of a table.")
    page.headline(
        f"{scores['this network']:.3g}",
        f"is how far the network is off on average ({target}), on {len(test)} test rows that it "
        f"never saw. {verdict}",
    )
    page.scores(
        "Beside three others",
        "Mean absolute error on the same test rows: short bars are good. Boosted trees are "
        "scikit-learn's GradientBoostingRegressor as it comes. All learned from the same rows and "
        "columns.",
        scores,
        form="{:.2f}",
    )
    page.table(
        f"Cross-validation in {folds} folds",
        "Before the test, and without its rows: each fold was predicted by what had learned from "
        "the others. Mean absolute errors. How much they differ between folds tells how little one "
        "number says.",
        ["", "rows", *methods],
        of_folds,
    )
    page.picture(
        "Predicted and true",
        "One dot for each test row. On the line, the prediction is right.",
        scatter(truth[test], guesses["this network"], target),
        "predicted",
        narrow=True,
    )
    page.picture(
        "What it goes by",
        "How much the mean error grows when a column's values are shuffled among the test rows. "
        "Columns that tell the same share their importance.",
        bars(importance(model, chosen(x, test), truth[test]), target),
        "importance",
    )
    page.table(
        "The worst mistakes, and the best",
        "Of the test rows.",
        [group if group in table else "row", target, *list(guesses)[:2]],
        [
            [str(groups[test[i]]), *(f"{values[i]:.4g}" for values in (truth[test],
                                                                    *list(guesses.values())[:2]))]
            for i in np.argsort(-errors["this network"])[[0, 1, 2, 3, 4, -3, -2, -1]]
        ],
    )  # fmt: skip
    own = "" if data is None else f" --data {data} --target {target} --group {group}"
    page.facts(
        "How it was measured",
        {
            "Rows": f"{len(table)}"
            + (" cars of 1970 to 1982, as in vega_datasets" if data is None else ""),
            "Split": f"{len(learn)} rows to learn from, {len(test)} for the test, at random"
            + (f"; rows of one {group} stay together" if group in table else ""),
            "Gaps": "missing numbers became the median of the rows to learn from",
            "Model": f"{model.count_params():,} parameters, with what FeatureSpace learned of the "
            "columns; saved as model.keras, which takes them as they are",
            "Reload": f"a fresh process loaded the file: {reloaded}",
            "Use": f"kerata predict {out}/model.keras {out}/test.csv",
            "Again": f"kerata demo tables --epochs {epochs} --folds {folds} --seed {seed}{own} "
            f"({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores


def network(x, truth, kinds, rows, epochs, verbose=0):
    """Return a model from raw columns to the target, trained on some rows."""
    space = kerata.utils.FeatureSpace(kinds)
    space.adapt(chosen(x, rows))
    # Encoded once, not in each epoch; the finished model begins with the encoding.
    encoded = np.asarray(space(chosen(x, rows)))
    mean, spread = float(truth[rows].mean()), float(truth[rows].std())
    head = kerata.Sequential(
        [
            kerata.Input(encoded.shape[1:]),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(64, activation="relu"),
            layers.Dense(1),
            layers.Rescaling(spread, mean),
        ]
    )
    steps = epochs * -(-len(rows) // BATCH)
    schedule = kerata.optimizers.schedules.CosineDecay(2e-3, decay_steps=steps)
    head.compile(kerata.optimizers.AdamW(schedule, weight_decay=0.02), "mean_absolute_error")
    head.fit(encoded, truth[rows], batch_size=BATCH, epochs=epochs, verbose=verbose)
    return kerata.Model(space.get_inputs(), head(space.get_encoded_features()))


def trees(x, truth, kinds, rows, others, seed):
    """Return what scikit-learn's gradient boosting predicts for `others`, given `rows`."""
    from sklearn.ensemble import GradientBoostingRegressor

    return beside(GradientBoostingRegressor(random_state=seed), x, truth, kinds, rows, others)


def linear(x, truth, kinds, rows, others):
    """Return what ridge regression predicts for `others`, given `rows`."""
    from sklearn.linear_model import Ridge

    return beside(Ridge(), x, truth, kinds, rows, others)


def beside(regressor, x, truth, kinds, rows, others):
    """Return what a regressor of scikit-learn predicts, with words one-hot and numbers scaled."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = np.concatenate([column.astype(object) for column in x.values()], axis=1)
    words = [place for place, kind in enumerate(kinds.values()) if "categorical" in kind]
    transformer = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), remainder=StandardScaler()
    )
    pipeline = make_pipeline(transformer, regressor).fit(table[rows], truth[rows])
    return pipeline.predict(table[others])


def cars():
    """Return the table of the cars whose mileage is known."""
    import pandas

    bundled = require("vega_datasets", "demo", "The table of cars").local_data
    table = pandas.DataFrame(json.loads(bundled.cars.raw()))
    table = table.rename(columns={"Miles_per_Gallon": "mpg", "Weight_in_lbs": "weight"})
    table.columns = table.columns.str.lower()
    table["year"] = table["year"].str[:4].astype(int)
    table["make"] = table["name"].str.split().str[0]
    return table.dropna(subset=["mpg"]).reset_index(drop=True)


def read(path, target):
    """Return the user's table."""
    import pandas

    if not path.is_file():
        raise BadInput(f"--data must be a .csv file, and there is none at {path}")
    try:
        table = pandas.read_csv(path)
    except ValueError as error:
        raise BadInput(f"--data: {path} is no table: {' '.join(str(error).split())}") from error
    if target not in table:
        raise BadInput(f"--target: {path} has no column {target!r}, but {', '.join(table)}")
    if table[target].dtype.kind not in "iuf":
        raise BadInput(f"--target must be a column of numbers; {target!r} holds other things, too")
    table = table.dropna(subset=[target]).reset_index(drop=True)
    if len(table) < 50:
        raise BadInput(f"--data must have 50 rows with a {target!r} at least, not {len(table)}")
    return table


def kind_of(column):
    """Return what FeatureSpace is to make of a column; None if it tells nothing."""
    if column.nunique() < 2:
        return None
    if column.dtype.kind in "iu" and column.nunique() <= FEW:
        return "integer_categorical"
    if column.dtype.kind in "iuf":
        return "float_normalized"
    # A word that hardly occurs twice is a name: it says nothing about other rows.
    return "string_categorical" if column.nunique() <= len(column) / 4 else None


def prepared(column, kind, learn):
    """Return a column of the table as an array `(rows, 1)` without gaps."""
    if kind == "string_categorical":
        return np.array(column.fillna(""), str)[:, None]
    filled = column.fillna(column.iloc[learn].median())
    return filled.to_numpy("int32" if kind == "integer_categorical" else "float32")[:, None]


def chosen(x, rows):
    """Return some rows of all columns."""
    return {name: column[rows] for name, column in x.items()}


def divided(rows, groups, count):
    """Return `count` pairs of rows to learn from and rows to predict; groups stay together."""
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(count, shuffle=True, random_state=0)
    return [(rows[a], rows[b]) for a, b in folds.split(rows, groups=groups[rows])]


def compared(own, other):
    """Say in a sentence how the network's errors compare with those of the boosted trees."""
    gain = float((other - own).mean())
    doubt = 1.96 * float((other - own).std(ddof=1)) / len(own) ** 0.5
    verdict = "better" if gain > doubt else "worse" if gain < -doubt else "neither better nor worse"
    return (
        f"Its errors are {abs(gain):.2g} {'smaller' if gain > 0 else 'larger'} than those of the "
        f"boosted trees, give or take {doubt:.2g} (95% interval): as far as {len(own)} rows can "
        f"tell, it is {verdict} than they are."
    )


def importance(model, x, truth):
    """Return how much the mean error grows when each column is shuffled."""
    draw = np.random.default_rng(0)

    def error(columns):
        return float(np.abs(model.predict(columns, verbose=0)[:, 0] - truth).mean())

    return {name: error(x | {name: draw.permutation(x[name])}) - error(x) for name in x}


def scatter(truth, predicted, target):
    """Draw predictions over true values."""
    figure, axes = pictures.new(6, 6)
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    axes.plot(ends, ends, color=pictures.GREY, linewidth=1)
    axes.plot(truth, predicted, "o", color=pictures.BLUE, alpha=0.6, ms=5)
    axes.set(aspect="equal", xlabel=f"True {target}", ylabel=f"Predicted {target}")
    return figure


def bars(values, target):
    """Draw numbers as horizontal bars, the largest on top."""
    names = sorted(values, key=values.get)
    figure, axes = pictures.new(8, 0.8 + 0.35 * len(names))
    axes.barh(names, [values[name] for name in names], color=pictures.BLUE)
    axes.set_xlabel(f"Growth of the mean error ({target})")
    return figure


if __name__ == "__main__":
    demo.script(main)
