"""Prices of houses in districts of California in 1990."""

from kerata.datasets import files
from kerata.engine.errors import one_of


def load_data(version="large", path="california_housing.npz", test_split=0.2, seed=113):
    """Return the California housing data: 20,640 districts with 8 numbers each.

    Downloaded on first use (743 kB). The numbers are longitude, latitude, median age of the
    houses, rooms, bedrooms, population, households, median income.

    Args:
        version: "large" for all districts, "small" for 600 of them.
        path: name of the file in the cache, or an absolute path.
        test_split: share of the districts that is for testing, in [0, 1).
        seed: integer that the order of the districts depends on.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: features, `(samples, 8)`, and median prices in
        dollars, `(samples,)`, both float32.

    Raises:
        ValueError: if `version` is something else, or `test_split` out of range.

    Source: R. Pace and R. Barry, "Sparse Spatial Autoregressions", 1997.
    """
    one_of("version", version, ("small", "large"), "california_housing.load_data()")
    rows = 600 if version == "small" else None
    return files.load_table("california_housing.npz", path, test_split, seed, rows)
