"""Models as estimators of scikit-learn (public namespace `kerata.wrappers`)."""

from typing import Any

from kerata.engine.optional import require

__all__ = ("SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer")


def __getattr__(name: str) -> Any:
    # The classes inherit from scikit-learn's, so it is imported when one is asked for.
    if name not in __all__:
        raise AttributeError(f"module 'kerata.wrappers' has no attribute {name!r}")
    require("sklearn", "datasets", f"kerata.wrappers.{name}")
    from kerata.wrappers import estimators

    return getattr(estimators, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
