"""Config: named values that can be frozen."""

import json
from collections.abc import Iterator, MutableMapping
from typing import Any


class Config(MutableMapping):
    """A dict whose keys are attributes as well, and which can be frozen against changes.

    Args:
        **kwargs: the first entries.

    Example:
        >>> config = kerata.utils.Config(learning_rate=0.1)
        >>> config.momentum = 0.9
        >>> config["momentum"], len(config)
        (0.9, 2)
        >>> config.freeze()
        >>> config.momentum = 0.8
        Traceback (most recent call last):
        ...
        ValueError: This Config is frozen.
        ...
    """

    _entries: dict[str, Any]
    _frozen: bool

    def __init__(self, **kwargs):
        vars(self).update(_entries=dict(kwargs), _frozen=False)

    @property
    def frozen(self) -> bool:
        """Whether the config is frozen."""
        return self._frozen

    def freeze(self) -> None:
        """Refuse changes from now on."""
        vars(self)["_frozen"] = True

    def unfreeze(self) -> None:
        """Take changes again."""
        vars(self)["_frozen"] = False

    def as_dict(self) -> dict[str, Any]:
        """Return the entries as a new dict."""
        return dict(self._entries)

    def to_json(self) -> str:
        """Return the entries as JSON text."""
        return json.dumps(self._entries)

    def _check_open(self, what: str):
        if self._frozen:
            raise ValueError(
                f"This Config is frozen.\nReceived: {what}\nCall unfreeze() to change it."
            )

    def __getitem__(self, key: str):
        return self._entries[key]

    def __setitem__(self, key: str, value):
        self._check_open(f"{key} = {value!r}")
        self._entries[key] = value

    def __delitem__(self, key: str):
        self._check_open(f"del {key}")
        del self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getattr__(self, name: str):
        entries = vars(self).get("_entries", {})
        if name not in entries:
            raise AttributeError(f"This Config has no entry {name!r}: it has {sorted(entries)}.")
        return entries[name]

    def __setattr__(self, name: str, value):
        self[name] = value

    def __delattr__(self, name: str):
        del self[name]

    def __repr__(self):
        return f"<Config {self._entries}>"
