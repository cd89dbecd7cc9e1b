import jax
import pytest

from kerata.kernels import platform, using


def test_follows_the_default_backend():
    expected = "cpu" if jax.default_backend() == "cpu" else "lax"
    assert platform() == expected


def test_follows_the_default_device():
    with jax.default_device(jax.devices("cpu")[0]):
        assert platform() == "cpu"


def test_forced_and_put_back():
    before = platform()
    with using("lax"):
        assert platform() == "lax"
        with using("cpu"):
            assert platform() == "cpu"
        with using("auto"):
            assert platform() == before
        assert platform() == "lax"
    assert platform() == before


def test_unknown_name():
    with pytest.raises(ValueError, match="(?s)must be 'auto', 'cpu' or 'lax'.*gpu"):
        with using("gpu"):
            pass
