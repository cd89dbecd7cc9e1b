"""A table of cars: how far they go on a gallon, from numbers and words, beside boosted trees."""

from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput
from kerata.examples.columns import cars, chosen, divided, importance, kind_of, prepared, read

BATCH = 32


def main(
    out,
    epochs=200,
    folds=5,
    seed=0,
    say=print,
    data: Path | None = None,
    target="mpg",
    group: str | None = None,
):
    """Predict a column of a table from the others: a network beside boosted trees.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training rows.
        folds: number of parts of the cross-validation, 2 or more.
        seed: decides the initial weights and the order; not the folds or the test rows.
        data: your own table, a .csv file whose first line names the columns (default: cars).
        target: the column of numbers to predict.
        group: column of names; rows of one name are all for training, or all for the test
            (default: a row is of its own, or the name of the car).
    """
    page = report.Page(out, f"Predicting {target}", "A network for a column of a table.", say)
    if data is None:
        table, group = cars(), group or "name"
    else:
        table = read(data, target)
    if group and group not in table:
        raise BadInput(f"--group must be one of {', '.join(table)}, not {group!r}")
    groups = table[group].astype(str) if group else table.index
    most = len(set(groups)) // 2
    if not 2 <= folds <= most:
        raise BadInput(f"--folds must lie between 2 and {most}, not {folds}")
    kinds = {name: kind_of(table[name]) for name in table.columns.drop(target)}
    kinds = {name: kind for name, kind in kinds.items() if kind}
    if not kinds:
        raise BadInput(f"--data: no column of {data} can tell anything about {target!r}")

    # The test rows are the same whatever the seed, and nothing looks at them before the end.
    learn, test = divided(np.arange(len(table)), groups, 5)[0]
    truth = table[target].to_numpy("float32")
    x = {name: prepared(table[name], kind, learn) for name, kind in kinds.items()}
    say(f"{len(learn):,} rows to learn from, {len(test)} held out; {len(x)} columns to learn from")

    kerata.utils.set_random_seed(seed)
    of_folds = []
    for number, (rows, others) in enumerate(divided(learn, groups, folds), 1):
        model = network(x, truth, kinds, rows, epochs)
        found = predictions(model, x, truth, kinds, rows, others, seed)
        errors = [float(np.abs(guess - truth[others]).mean()) for guess in found.values()]
        of_folds.append([f"fold {number}", len(others), *(f"{error:.3g}" for error in errors)])
        said = ", ".join(f"{name} {error:.3g}" for name, error in zip(found, errors))
        say(f"fold {number} of {folds}, mean errors: {said}")

    say("\nThe final network, on all rows that are not for the test")
    model = network(x, truth, kinds, learn, epochs, verbose=2)
    found = predictions(model, x, truth, kinds, learn, test, seed)
    errors = {name: np.abs(guess - truth[test]) for name, guess in found.items()}
    scores = {name: float(error.mean()) for name, error in errors.items()}
    verdict = report.compared(errors["this network"], errors["boosted trees"], "boosted trees")
    page.headline(
        f"{scores['this network']:.3g}",
        f"is the mean error ({target}) on {len(test)} test rows that training never saw. {verdict}",
    )
    page.scores(
        f"Mean error on {len(test)} test rows (less is better)",
        "Boosted trees are scikit-learn's as they come. All learned from the same rows.",
        scores,
        form="{:.2f}",
    )
    say(f"\n{verdict}")
    page.table(
        f"Cross-validation in {folds} folds",
        "Mean errors, before the test and without its rows: how much they differ between folds "
        "tells how little one number says.",
        ["", "rows", *found],
        of_folds,
    )
    page.picture(
        "Predicted and true",
        "One dot for each test row. On the line, the prediction is right.",
        pictures.scatter(truth[test], found["this network"], target),
        "predicted",
        narrow=True,
    )
    page.scores(
        "What it goes by",
        "How much the mean error grows when a column's values are shuffled among the test rows. "
        "Columns that tell the same share their importance.",
        importance(model, chosen(x, test), truth[test]),
        form="{:.2f}",
        own=False,
    )
    shown = np.argsort(-errors["this network"])[[*range(5), *range(-3, 0)]]
    page.table(
        "The worst mistakes, and the best",
        "Of the test rows.",
        [group or "row", "is", *list(found)[:2]],
        [
            [str(groups[test[i]]), f"{truth[test[i]]:.4g}"]
            + [f"{values[i]:.4g}" for values in list(found.values())[:2]]
            for i in shown
        ],
    )
    model.save(out / "model.keras")
    filled = table.assign(**{name: column[:, 0] for name, column in x.items()})
    filled.iloc[test].to_csv(out / "test.csv", index=False)
    page.reload(model, chosen(x, test))
    page.write(
        {
            "Rows": f"{len(table)}"
            + (" cars of 1970 to 1982, as in vega_datasets" if data is None else f", of {data}"),
            "Split": f"{len(learn)} to learn from, {len(test)} for the test, at random"
            + (f"; rows of one {group} stay together" if group else ""),
            "Use": f"kerata predict {out}/model.keras {out}/test.csv",
        }
    )
    return scores


def predictions(model, x, truth, kinds, rows, others, seed):
    """Return what the model and three others, that learn from `rows`, predict for `others`."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = np.concatenate([column.astype(object) for column in x.values()], axis=1)
    words = [place for place, kind in enumerate(kinds.values()) if "categorical" in kind]
    one_hot = OneHotEncoder(handle_unknown="ignore")
    found = {"this network": model.predict(chosen(x, others), verbose=0)[:, 0]}
    for name, regressor in {
        "boosted trees": GradientBoostingRegressor(random_state=seed),
        "linear regression": Ridge(),
    }.items():
        encoder = make_column_transformer((one_hot, words), remainder=StandardScaler())
        pipeline = make_pipeline(encoder, regressor).fit(table[rows], truth[rows])
        found[name] = pipeline.predict(table[others])
    return found | {"always the median": np.full(len(others), np.median(truth[rows]))}


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


if __name__ == "__main__":
    demo.script(main)
