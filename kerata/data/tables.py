"""Tables as data sets."""

import csv
from collections.abc import Mapping

import numpy as np

from kerata.engine.errors import argument_error, unknown_name

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


def read_csv(path, delimiter: str) -> dict[str, list]:
    """Return the columns of a CSV file as lists: of numbers, or of strings; None where missing.

    Raises:
        ValueError: if there is no table in the file.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter)
        names = [name.strip() for name in next(lines, [])]
        found = [line for line in lines if line]
        if not names or not found or len(set(names)) != len(names):
            raise ValueError(
                "A CSV file must have a first line with names for the columns, all different, and "
                f"a line for each sample.\nReceived: {path!r} with the first line {names} and "
                f"{len(found)} more"
            )
        for number, line in enumerate(found, 2):
            if len(line) != len(names):
                raise ValueError(
                    f"Every line of {path!r} must have {len(names)} values, as the first one has.\n"
                    f"Received: {len(line)} values around line {number}: {line[:6]}\n"
                    f"Look for a {delimiter!r} in text that is not quoted, or pass `delimiter`."
                )
    columns = zip(*found)
    return {name: _converted(values) for name, values in zip(names, columns)}


def _converted(values) -> list:
    """Return text as numbers where all of it can be read so."""
    values = [None if v.strip() in MISSING else v for v in values]
    for kind in (int, float):
        try:
            return [None if v is None else kind(v) for v in values]
        except ValueError:
            continue
    return values


def read_frame(frame) -> dict[str, list]:
    """Return the columns of a pandas table as lists; None where a value is missing."""
    if not hasattr(frame, "isna") or not hasattr(frame, "columns"):
        raise argument_error("frame", "be a pandas DataFrame", frame, "from_dataframe()", TypeError)
    return {
        str(name): [None if gone else value for value, gone in zip(values.tolist(), values.isna())]
        for name, values in frame.items()
    }


def table_arrays(table: dict[str, list], label, columns, missing, source):
    """Return the columns of a table as arrays: see `Dataset.from_csv`."""
    inputs = [n for n in table if n != label] if columns is None else list(columns)
    for name in [*inputs, *([] if label is None else [label])]:
        if name not in table:
            raise unknown_name("column", name, table, f"Received: the columns {list(table)[:20]}")
    used = {n: table[n] for n in [*inputs, *([] if label is None else [label])]}
    gone = {n: [i for i, v in enumerate(vs) if v is None] for n, vs in used.items()}
    gone = {n: rows for n, rows in gone.items() if rows}
    if isinstance(missing, Mapping):
        for name, value in missing.items():
            if name in gone:
                used[name] = [value if v is None else v for v in used[name]]
                del gone[name]
    elif missing == "drop":
        left_out = {row for rows in gone.values() for row in rows}
        used = {n: [v for i, v in enumerate(vs) if i not in left_out] for n, vs in used.items()}
        gone = {}
    elif missing != "error":
        raise argument_error("missing", 'be "error", "drop" or a dict from columns', missing)
    if gone:
        listed = ", ".join(f"{len(rows)} in {n!r}" for n, rows in list(gone.items())[:5])
        first = min(rows[0] for rows in gone.values())
        raise ValueError(
            f"The table must have a value in each place of the columns that are used.\nReceived: "
            f"{source}, where values are missing: {listed}; the first in row {first + 1}\n"
            f"Pass missing='drop' to leave out such rows, or what to put there, like "
            f"missing={{{next(iter(gone))!r}: 0}}."
        )
    arrays = {name: _array(values) for name, values in used.items()}
    features = {name: arrays[name] for name in inputs}
    if not len(next(iter(arrays.values()))):
        raise ValueError(f"There is no row without missing values.\nReceived: {source}")
    return features if label is None else (features, arrays[label])


def _array(values: list) -> np.ndarray:
    if any(isinstance(v, str) for v in values):
        return np.array([str(v) for v in values], dtype=object)
    array = np.array(values)
    return array.astype({"f": "float32", "i": "int64"}.get(array.dtype.kind, array.dtype))
