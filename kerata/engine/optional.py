"""Packages that kerata does without: imported when something needs them."""

import importlib
from typing import Any


def require(module: str, extra: str, owner: str) -> Any:
    """Import and return a module of an optional package.

    Args:
        module: its name, "matplotlib.pyplot".
        extra: the extra of kerata that installs it.
        owner: what needs it, for the message.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{owner} needs the package {module.split('.')[0]!r}.\n"
            f"Install it with: pip install 'kerata[{extra}]'"
        ) from error
