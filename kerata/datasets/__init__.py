"""Ready data sets, each a module with a `load_data` function."""

from kerata.datasets import digits as digits
