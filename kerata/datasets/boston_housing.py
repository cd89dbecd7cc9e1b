"""Prices of houses in suburbs of Boston in the 1970s."""

from kerata.datasets import files


def load_data(path="boston_housing.npz", test_split=0.2, seed=113):
    """Return the Boston housing data: 506 areas with 13 numbers each.

    Downloaded on first use (57 kB). One of its columns encodes the share of Black residents, and
    supposes that it bears on prices; `california_housing` is a better example.

    Args:
        path: name of the file in the cache, or an absolute path.
        test_split: share of the areas that is for testing, in [0, 1).
        seed: integer that the order of the areas depends on.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: features, `(samples, 13)`, and median prices in
        thousands of dollars, `(samples,)`, both float64.

    Raises:
        ValueError: if `test_split` is out of range.

    Source: D. Harrison and D. Rubinfeld, "Hedonic prices and the demand for clean air", 1978.
    """
    return files.load_table("boston_housing.npz", path, test_split, seed)
