"""Tables, and their columns as a network takes them."""

import json

import numpy as np

from kerata.cli.guard import BadInput
from kerata.cli.reading import table_of
from kerata.engine.optional import require

FEW = 10  # integers of at most so many different values are taken for categories


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
    table = table_of(path)
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


def importance(model, x, truth):
    """Return how much the mean error grows when each column is shuffled."""
    draw = np.random.default_rng(0)

    def error(columns):
        return float(np.abs(model.predict(columns, verbose=0)[:, 0] - truth).mean())

    grown = {name: error(x | {name: draw.permutation(x[name])}) - error(x) for name in x}
    return dict(sorted(grown.items(), key=lambda item: -item[1]))
