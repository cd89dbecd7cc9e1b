"""What tests of the examples share."""

import numpy as np
import pytest

import kerata
from kerata.cli import reloading, report


@pytest.fixture
def quick(monkeypatch):
    """Reload models in this process, and draw pictures but write none; return the pictures' names.

    A fresh process and files take most of a small example's time, and are tested by themselves.
    """

    def here(path, inputs, method="predict", module="kerata", **options):
        return np.asarray(getattr(kerata.models.load_model(path), method)(inputs, **options))

    seen = []

    def picture(self, title, note, figure, name, narrow=False):
        assert title and figure.axes
        seen.append(name)

    monkeypatch.setattr(reloading, "elsewhere", here)
    monkeypatch.setattr(report.Page, "picture", picture)
    return seen
