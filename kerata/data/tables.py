"""Tables as data sets."""

import csv
from collections.abc import Callable, Mapping

import numpy as np

from kerata.engine.errors import argument_error, short, unknown_name, warn

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


class Table(dict[str, list]):
    """Columns as lists of numbers or strings, with None where a value is missing.

    Args:
        columns: dict from names to lists of one length.
        place: says in which row, counted from 0, something is.
    """

    def __init__(self, columns, place: Callable[[int], str]):
        super().__init__(columns)
        self.place = place


def read_csv(path, delimiter: str) -> Table:
    """Return the table in a CSV file.

    Raises:
        ValueError: if there is no table in the file.
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise argument_error("delimiter", "be one character", delimiter, "from_csv()")
    found, starts = csv_rows(path, delimiter)
    names = [name.strip() for name in found[0]] if found else []
    rows, starts = found[1:], starts[1:]
    separated = other_delimiter(found[:2], delimiter)
    if separated and (not rows or len(names) == 1):
        raise ValueError(
            f"The columns of {str(path)!r} must be separated by {delimiter!r}.\n"
            f"Received: the first line {short(found[0][0])}\nPass delimiter={separated!r}."
        )
    headless = "" if _could_be_names(names) else (
        "\nIf it has no such line, write one: its first line holds numbers.")  # fmt: skip
    if not names or not rows or len(set(names)) != len(names):
        raise ValueError(
            "A CSV file must have a first line with names for the columns, all different, and "
            f"a line for each sample.\nReceived: {str(path)!r} with the first line {short(names)} "
            f"and {len(rows)} more{headless}"
        )
    for start, row in zip(starts, rows):
        if len(row) != len(names):
            raise ValueError(
                f"Every line of {str(path)!r} must have {len(names)} values, as the first one has."
                f"\nReceived: {len(row)} values in line {start}: {row[:6]}\n"
                f"Look for a {delimiter!r} in text that is not quoted, or pass `delimiter`."
            )
    if headless:
        warn(
            f"The first line of {str(path)!r} is taken as the columns' names, and holds numbers.\n"
            f"Received: {short(names)}\nIf it is a sample, write a line of names above it."
        )
    columns = {name: _converted(values) for name, values in zip(names, zip(*rows))}
    return Table(columns, lambda row: f"line {starts[row]}")


def csv_rows(path, delimiter: str = ",") -> tuple[list[list[str]], list[int]]:
    """Return the rows of a CSV file that are not empty, and the lines that they begin at.

    Raises:
        ValueError: if it is no text in UTF-8, or no table.
    """
    found, starts, end = [], [], 0
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            for row in (lines := csv.reader(file, delimiter=delimiter)):
                if row:
                    found.append(row)
                    starts.append(end + 1)
                end = lines.line_num
        except csv.Error as error:
            raise ValueError(
                f"A CSV file must be a table of lines.\nReceived: {str(path)!r}, in line "
                f"{lines.line_num}: {error}\nLook for a quotation mark that is not closed."
            ) from None
        except UnicodeDecodeError as error:
            raise ValueError(
                f"A CSV file must be text in UTF-8.\nReceived: {str(path)!r}: {error}\n"
                "Of other encodings: from_dataframe(pandas.read_csv(path, encoding='latin-1'))."
            ) from None
    return found, starts


def other_delimiter(rows, delimiter: str) -> str | None:
    """Return what separates the first rows, where it is seen that `delimiter` does not."""
    for other in ";\t|,":
        counts = {delimiter.join(row).count(other) for row in rows}
        if other != delimiter and rows and len(rows[0]) == 1 and counts != {0} and 0 not in counts:
            return other
    return None


def _could_be_names(names) -> bool:
    """Return whether a first line is likely to name columns: words, or numbers counted through."""
    numbers = [n for n in map(_number, names) if n is not None]
    if any(n % 1 for n in numbers):
        return False
    return len(numbers) < len(names) or not names or bool(np.all(np.diff(numbers) == 1))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _converted(values) -> list:
    """Return text as numbers where all of it can be read so."""
    values = [None if v.strip() in MISSING else v for v in values]
    for kind in (int, float):
        try:
            return [None if v is None else kind(v) for v in values]
        except ValueError:
            continue
    return values


def read_frame(frame) -> Table:
    """Return a pandas table as one of ours."""
    if not hasattr(frame, "isna") or not hasattr(frame, "columns"):
        raise argument_error("frame", "be a pandas DataFrame", frame, "from_dataframe()", TypeError)
    columns = {
        str(name): [None if gone else value for value, gone in zip(values.tolist(), values.isna())]
        for name, values in frame.items()
    }
    return Table(columns, lambda row: f"row {frame.index[row]!r}")


def table_arrays(table: Table, label, columns, missing, source):
    """Return the columns of a table as arrays: see `Dataset.from_csv`."""
    if isinstance(columns, str):
        raise argument_error("columns", "be a list of names", columns)
    inputs = [n for n in table if n != label] if columns is None else list(columns)
    given = missing if isinstance(missing, Mapping) else ()
    for name in [*inputs, *([] if label is None else [label]), *given]:
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
            f"{source}, where values are missing: {listed}; the first in {table.place(first)}\n"
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
