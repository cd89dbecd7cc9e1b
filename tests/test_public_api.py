"""kerata offers what Keras 3.15 does: every public name, and every signature.

`tests/data/keras_api.json` is made by tools/api_manifest.py.
"""

import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import kerata

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = json.loads((ROOT / "tests" / "data" / "keras_api.json").read_text(encoding="utf-8"))
MODULES = MANIFEST["modules"]

# Where a signature of ours is another one: the signature, and why.
_ON_ERROR = "an argument more, at the end: what to do with a file that cannot be read"
DIFFERENT: dict = {
    "Variable": (
        MODULES[""]["Variable"].replace(", **kwargs", ""),
        "Keras drops arguments that it does not know; here they are errors",
    ),
    "name_scope": (
        "(name, caller=None, deduplicate=True, override_parent=None)",
        "the arguments that Keras takes as **kwargs, by their names",
    ),
    **{
        f"{module}.{kind}_dataset_from_directory": (
            MODULES["utils"][f"{kind}_dataset_from_directory"][:-1] + ", on_error='raise')",
            _ON_ERROR,
        )
        for module in ("utils", "preprocessing")
        for kind in ("image", "text", "audio")
    },
}


def load(path):
    """Import a script that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load(ROOT / "tools" / "api_manifest.py")
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda m: m or "kerata")


def ours(module):
    return importlib.import_module(f"kerata.{module}".rstrip("."))


@each_module
def test_every_name_is_there(module):
    assert [name for name in MODULES[module] if not hasattr(ours(module), name)] == []


@each_module
def test_signatures_are_those_of_keras(module):
    here, wrong = ours(module), {}
    for name, theirs in MODULES[module].items():
        mine = tool.describe(getattr(here, name)) if hasattr(here, name) else theirs
        path = f"{module}.{name}".lstrip(".")
        expected, _ = DIFFERENT.get(path, (theirs, ""))
        if mine != expected:
            wrong[path] = {"ours": mine, "expected": expected}
    assert wrong == {}


def test_names_of_one_object_are_that_here_too():
    def find(path):
        module, _, name = path.rpartition(".")
        return getattr(ours(module), name)

    wrong = [names for names in MANIFEST["same"] if len({id(find(n)) for n in names.split()}) > 1]
    # Each of these names itself in its error.
    assert [names for names in wrong if not names.startswith("optimizers.legacy.")] == []


@each_module
def test_objects_are_named_by_the_path_where_they_are(module):
    """Also what pickle needs, and what `repr` shows."""
    here, wrong = ours(module), []
    for name in MODULES[module]:
        thing = getattr(here, name, None)
        if not inspect.isclass(thing) and not inspect.isfunction(thing):
            continue
        found = sys.modules.get(thing.__module__)
        for part in thing.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is not thing or not thing.__module__.startswith("kerata"):
            wrong.append((name, thing))
    assert wrong == []


def test_classes_show_their_public_name():
    assert repr(kerata.layers.Dense) == "<class 'kerata.layers.Dense'>"
    assert repr(kerata.Model) == "<class 'kerata.models.Model'>"


def test_everything_can_be_imported_at_once():
    code = "from kerata import *; print(layers.Dense, ops.sum([1, 2]), Model.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "<class 'kerata.layers.Dense'> 3 Model\n"


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(AttributeError, match="Did you mean 'Sequential'") as raised:
        kerata.Sequental  # noqa: B018
    assert raised.value.name is None  # else Python adds a second hint


def test_a_file_does_not_offer_what_it_imports():
    from kerata.engine.configurable import Configurable
    from kerata.engine.registry import public_object

    assert kerata.constraints.Constraint.__mro__[1] is Configurable
    assert Configurable.__module__ == "kerata.engine.configurable"
    for module in ("keras.constraints", "keras.initializers", "keras.random"):
        assert public_object(module, "Configurable") is public_object(module, "publish") is None
    assert public_object("keras.random", "SeedGenerator") is kerata.random.SeedGenerator


def test_the_manifest_is_that_of_the_installed_keras():
    import keras

    if keras.__version__ == MANIFEST["version"]:
        assert tool.manifest(keras) == MANIFEST
