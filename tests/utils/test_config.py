"""Config: a dict with attributes that can be frozen."""

import json

import pytest

from kerata.utils import Config


def test_a_dict_with_attributes():
    config = Config(rate=0.1, name="x")
    config.momentum = 0.9
    config["seed"] = 1
    assert (config.rate, config["momentum"], config.seed) == (0.1, 0.9, 1)
    assert list(config) == list(config.keys()) == ["rate", "name", "momentum", "seed"]
    assert dict(config.items()) == config.as_dict() == json.loads(config.to_json())
    assert config.pop("seed") == 1 and "seed" not in config and len(config) == 3
    del config["name"]
    del config.momentum
    config.update({"a": 1}, b=2)
    assert repr(config) == "<Config {'rate': 0.1, 'a': 1, 'b': 2}>"
    assert config.get("c", 3) == 3
    copied = config.as_dict()
    copied["rate"] = 5
    assert config.rate == 0.1


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(a=2),
        lambda c: setattr(c, "a", 2),
        lambda c: c.__setitem__("b", 2),
        lambda c: c.pop("a"),
        lambda c: c.__delitem__("a"),
    ],
)
def test_a_frozen_config_does_not_change(change):
    config = Config(a=1)
    config.freeze()
    assert config.frozen
    with pytest.raises(ValueError, match="This Config is frozen"):
        change(config)
    assert config.as_dict() == {"a": 1}
    config.unfreeze()
    change(config)
    assert config.as_dict() != {"a": 1}


def test_unknown_entries():
    with pytest.raises(AttributeError, match=r"no entry 'b': it has \['a'\]"):
        Config(a=1).b  # noqa: B018
    with pytest.raises(KeyError):
        Config()["b"]
