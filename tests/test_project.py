"""The house as a whole: imports point down, nothing heavy loads early, nothing unsafe is used."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kerata"
FILES = sorted(PACKAGE.rglob("*.py"))

# From the ground up. A room may import from its own row and from those before it. Public modules
# in no row (`kerata.callbacks`, `kerata.config`, ...) are faces of rooms, and no room imports them.
ROWS = [
    ["engine"],
    ["kernels"],
    ["ops"],
    ["activations", "initializers", "regularizers", "constraints", "random", "quantizers"],
    ["layers", "losses", "metrics", "optimizers", "utils"],
    ["training"],
    ["models"],
    ["saving", "data"],
    [
        "applications",
        "datasets",
        "distribution",
        "distillation",
        "visualization",
        "wrappers",
        "cli",
        "examples",
    ],
]
HEIGHT = {room: height for height, rooms in enumerate(ROWS) for room in rooms}

# What a plain call may reach for above its own room, inside a function: the methods of Model and
# the callbacks that save; and `kerata.utils` shows the loaders, and
# saves. Everything else is a mistake.
SEAMS = {("models", "saving"), ("training", "saving"), ("utils", "data"), ("utils", "saving")}

REQUIRED = {"jax", "numpy", "h5py", "PIL", "rich", "grain"}
WITH_JAX = {"jaxlib", "ml_dtypes", "scipy"}
WITH_GRAIN = {"absl"}
# Imported inside the functions that need them.
OPTIONAL = {
    "IPython",
    "compression",  # of Python 3.14, and what JAX takes in its place if it is there
    "zstandard",
    "matplotlib",
    "sklearn",
    "threadpoolctl",
    "pandas",
    "torch",
    "pydot",
    "safetensors",
}
FORBIDDEN = {"keras", "tensorflow", "flax", "optax", "pickle", "marshal", "shelve", "dill"}


def room_of(module):
    """Return "layers" for "kerata.layers.core", and "" for "kerata" itself."""
    return (module.split(".") + [""])[1]


def name_of(path):
    """Return "kerata.layers.core" for its path, and "kerata.layers" for its `__init__.py`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Yield (module, line, whether at the top level) for everything that the file imports.

    `from kerata import ops` counts as an import of `kerata.ops`.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        top = id(node) not in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            if node.module == "kerata":
                for alias in node.names:
                    yield f"kerata.{alias.name}", node.lineno, top
            else:
                yield node.module, node.lineno, top


def test_imports_point_down():
    wrong = []
    for path in FILES:
        own = room_of(name_of(path))
        for module, line, top in imports(path):
            room = room_of(module)
            if not module.startswith("kerata.") or own not in HEIGHT:
                continue
            up = room not in HEIGHT or HEIGHT[room] > HEIGHT[own]
            if up and (top or (own, room) not in SEAMS):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_importing_a_room_loads_no_room_above():
    code = f"""
import importlib, sys
rows = {ROWS!r}
for height, rooms in enumerate(rows):
    above = {{f"kerata.{{room}}" for row in rows[height + 1:] for room in row}}
    for room in rooms:
        try:
            importlib.import_module(f"kerata.{{room}}")
        except ModuleNotFoundError as error:
            if error.name != f"kerata.{{room}}":  # some rooms are to come
                raise
        loaded = sorted(above & set(sys.modules))
        assert not loaded, f"kerata.{{room}} loads {{loaded}}"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_kerata_loads_nothing_heavy():
    code = """
import sys, kerata
heavy = {"jax", "numpy", "h5py", "PIL", "rich", "grain", "matplotlib", "sklearn", "pandas"}
heavy.add("jax.experimental.sparse")
print(*sorted(heavy & set(sys.modules)))
kerata.Model, kerata.layers.Dense, kerata.optimizers.Adam, kerata.losses.Loss
print(*sorted((heavy - {"jax", "numpy"}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "\n\n", f"loaded: {done.stdout}"


def test_only_known_packages_are_imported():
    wrong = []
    for path in FILES:
        for module, line, top in imports(path):
            package = module.split(".")[0]
            if package == "kerata" or package in sys.stdlib_module_names - FORBIDDEN:
                continue
            # These modules themselves are imported where they are needed.
            late = not top or path.name in ("pictures.py", "estimators.py")
            allowed = REQUIRED | WITH_JAX | (OPTIONAL | WITH_GRAIN if late else set())
            if package not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_required_packages_are_those_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert declared == {"jax", "numpy", "h5py", "pillow", "rich", "grain"}
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")


def test_no_code_is_made_from_text():
    wrong = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("eval", "exec", "compile", "__import__"):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}")
    assert not wrong, "\n".join(wrong)


def test_files_are_in_order():
    wrong = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 650:
            wrong.append(f"{path}: {text.count(chr(10))} lines; past about 600, a file is two")
        if not ast.get_docstring(ast.parse(text)):
            wrong.append(f"{path}: a module says what it is for")
        for found in re.finditer(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError\(\)", text):
            wrong.append(f"{path}: unfinished: {found[0]}")
        for found in re.finditer(r"""["'\s]/(root|home|Users)/""", text):
            wrong.append(f"{path}: a path of one machine: {found[0].strip()}")
    assert not wrong, "\n".join(wrong)


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()
