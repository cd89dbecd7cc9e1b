"""Numbers of layers in a config that are out of all bounds: a model comes of it, or an error."""

import copy
import json

import numpy as np
import pytest

import kerata
from kerata.saving import load_model
from tests.security.canaries import archive, members_of

layers = kerata.layers
WRONG = [10**12, -1, float("nan"), "x", [[1]]]
LAYERS = {
    "Dense": (lambda: layers.Dense(2), (3,)),
    "Embedding": (lambda: layers.Embedding(5, 2), (3,)),
    "Conv2D": (lambda: layers.Conv2D(2, 2), (4, 4, 1)),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(2), (4, 4, 1)),
    "AdaptiveAveragePooling2D": (lambda: layers.AdaptiveAveragePooling2D(2), (4, 4, 1)),
    "UpSampling2D": (lambda: layers.UpSampling2D(2), (4, 4, 1)),
    "ZeroPadding2D": (lambda: layers.ZeroPadding2D(1), (4, 4, 1)),
    "RepeatVector": (lambda: layers.RepeatVector(2), (3,)),
    "Reshape": (lambda: layers.Reshape((2, 2)), (4,)),
    "GRU": (lambda: layers.GRU(2), (3, 2)),
    "CategoryEncoding": (lambda: layers.CategoryEncoding(5), (3,)),
    "Hashing": (lambda: layers.Hashing(5, output_mode="one_hot"), (3,)),
    "IntegerLookup": (lambda: layers.IntegerLookup(vocabulary=[1, 2], max_tokens=5), (3,)),
    "MelSpectrogram": (lambda: layers.MelSpectrogram(8, 4, num_mel_bins=2), (20,)),
    "Resizing": (lambda: layers.Resizing(2, 2), (4, 4, 1)),
}


def numbers(value, path=()):
    """Yield the paths of numbers, and of lists of such, in a config."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key not in ("build_config", "dtype"):
                yield from numbers(child, (*path, key))
    elif isinstance(value, list) or (isinstance(value, (int, float)) and value is not True):
        yield path


@pytest.mark.timeout(30)
@pytest.mark.parametrize("make, shape", LAYERS.values(), ids=LAYERS)
@pytest.mark.filterwarnings("ignore")
def test_numbers(make, shape, quick_weights, tmp_path, untouched):
    path = tmp_path / "x.keras"
    kerata.Sequential([kerata.Input(shape), make()]).save(path)
    members = members_of(path)
    config = json.loads(members["config.json"])
    entry = config["config"]["layers"][-1]["config"]
    places = [p for p in numbers(entry) if p]
    assert places
    outcomes = []
    for place in places:
        for value in WRONG:
            changed = copy.deepcopy(config)
            inner = changed["config"]["layers"][-1]["config"]
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            members["config.json"] = json.dumps(changed).encode()
            archive(path, members)
            with untouched():
                try:
                    outcomes.append(type(load_model(path)))
                except ValueError as error:
                    assert len(str(error)) < 2000
                    outcomes.append(None)
    assert None in outcomes
    assert np.all([kind in (None, kerata.Sequential) for kind in outcomes])
