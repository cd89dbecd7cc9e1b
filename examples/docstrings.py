"""Texts that lie on each Python programmer's disk: what libraries and the language document."""

import ast
import re
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import numpy as np

WORDS = 60  # how many of each text
NAMES = re.compile(
    r"\b(jax|jnp|matplotlib|pyplot|plt|numpy|np|python|scikit|sklearn|scipy)\w*", re.I
)


def libraries():
    """Return the folder of each library's source."""
    modules = ("jax", "matplotlib", "numpy", "sklearn", "scipy")
    names = ("JAX", "Matplotlib", "NumPy", "scikit-learn", "SciPy")
    folders = {name: Path(find_spec(module).origin).parent for name, module in zip(names, modules)}
    return {**folders, "Python": Path(sysconfig.get_path("stdlib"))}


def docstrings(folders, most):
    """Return rows of class, text and source: how docstrings in folders of Python files begin."""
    rows = []
    for name, root in folders.items():
        found = {}
        paths = sorted(str(path.relative_to(root)) for path in root.rglob("*.py"))
        for path in np.random.default_rng(0).permutation(paths):
            if len(found) >= most or re.search("test|vendor|site-packages", path):
                continue
            try:
                tree = ast.parse((root / path).read_text(encoding="utf-8"))
            except (SyntaxError, ValueError):
                continue  # the standard library has files that are wrong on purpose
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    words = (ast.get_docstring(node) or "").split()[:WORDS]
                    if len(words) >= 8:
                        text = NAMES.sub("_", " ".join(words))
                        found.setdefault(text, (name, text, f"{name}/{path}"))
        rows += found.values()
    return rows


def documentation():
    """Return the texts about Python's language that `help()` shows, in no order."""
    from pydoc_data.topics import topics

    names = np.random.default_rng(0).permutation(sorted(topics))
    text = "\n\n".join(topics[name] for name in names)
    return re.sub(r"([^\w\s])\1{3,}", r"\1\1\1", text)  # shorter lines under titles
