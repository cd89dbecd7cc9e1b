"""Every example in a docstring runs and prints what it says."""

import builtins
import doctest
import importlib
import pkgutil

import jax
import numpy as np
import pytest

import kerata

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    m.name for m in pkgutil.walk_packages(kerata.__path__, "kerata.") if "__main__" not in m.name
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    # Not those that hide a builtin from the other modules' users, as `kerata.ops.slice` would.
    own = {name: thing for name, thing in vars(module).items() if not hasattr(builtins, name)}
    names = own | {"kerata": kerata, "np": np, "jax": jax, "jnp": jax.numpy}
    failed, _ = doctest.testmod(module, globs=names, optionflags=OPTIONS)
    assert not failed, "the differences are printed above"
