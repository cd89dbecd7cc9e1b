"""From kerata to Keras and back, and from Keras to kerata and back: some rows of the whole table.

`python -m tools.roundtrip` prints all of them.
"""

import warnings
from pathlib import Path

import keras
import pytest

import kerata
from tools import roundtrip, roundtrip_models

BY_NAME = {f"{row.group}: {row.name}": row for row in roundtrip.ROWS}
TRIPS = [
    ("layers: Normalization", "JSON"),
    ("layers: Embedding", ".weights.json"),
    ("ops: shapes", ".keras"),
    ("ops: activations", "JSON"),
    ("models: nested models", ".h5"),
    ("models: shared layers", ".safetensors"),
    ("models: shared layers", "Keras 2 .h5"),
    ("models: dicts in and out", ".weights.json"),
    ("custom: subclassed model", ".weights.h5"),
    ("custom: registered layers and functions", ".keras"),
]


@pytest.fixture(scope="module", autouse=True)
def _registered():
    for k in (kerata, keras):
        roundtrip_models.classes(k)


@pytest.mark.parametrize("name, format", TRIPS, ids=lambda x: x)
@pytest.mark.parametrize("first, second", [(kerata, keras), (keras, kerata)])
def test_round_trip(name, format, first, second):
    row = BY_NAME[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, of arrays and of older files
        assert roundtrip.trip(row, first, second, format) <= row.tolerance


def test_text_beside_tensorflow(monkeypatch, capfd):
    root = Path(roundtrip.__file__).parents[1]
    python = root / ".venv-bench/bin/python"
    if not python.exists():
        pytest.skip("there is no environment with TensorFlow (make bench makes one)")
    monkeypatch.chdir(root)
    assert roundtrip.elsewhere(str(python), "--formats", ".keras")
    assert "TextVectorization" in capfd.readouterr().out
