"""Checkpoints of Orbax: folders with a numbered folder for each step, in Keras's layout.

A step holds "pytree", the values of all variables by path, and, unless it is of weights alone,
"model_config" and the "assets" of layers. Orbax (extra `orbax`) is imported when it is needed.
"""

import math
import os
from typing import Any

import jax
import numpy as np

from kerata.engine.optional import require
from kerata.engine.reading import parse, refusal
from kerata.saving.api import _assets, _config_text, _load_assets, model_from_config, reading

_WEIGHTS = ("trainable_variables", "non_trainable_variables")
# Arrays may be so many times as large as their files, and so many bytes more.
_RATIO, _SLACK = 16, 64 * 2**20
_MARKS = {"orbax.checkpoint", "pytree.orbax-checkpoint", "checkpoint_metadata"}


def module() -> Any:
    """Return Orbax's module of checkpoints.

    Raises:
        ImportError: if it is not installed.
    """
    owner = "A checkpoint of Orbax"
    try:
        return require("orbax.checkpoint.v1", "orbax", owner)
    except ImportError:  # as it is called in older versions
        return require("orbax.checkpoint.experimental.v1", "orbax", owner)


def is_checkpoint(path: str) -> bool:
    """Return whether a folder holds Orbax's checkpoints, or one of them."""
    if not os.path.isdir(path):
        return False
    names = os.listdir(path)
    return bool(_steps(path)) or not _MARKS.isdisjoint(names)


def _steps(path: str) -> list[str]:
    names = [n for n in os.listdir(path) if n.isdigit() and os.path.isdir(os.path.join(path, n))]
    return sorted(names, key=int)


def _latest(path: str) -> str:
    """Return the folder of the latest step in a folder, or the folder itself if it is one."""
    steps = _steps(path)
    return os.path.abspath(os.path.join(path, steps[-1]) if steps else path)


def contents(model, weights_only: bool) -> dict:
    """Return what is saved of a model: a dict of what Orbax calls checkpointables."""
    state = model.get_state_tree()
    if weights_only:
        return {"pytree": {name: state[name] for name in _WEIGHTS}}
    found = {"pytree": state, "model_config": {"config": _config_text(model)}}
    assets: dict = {}
    for path, data in _assets(model):
        *folders, name = path.split("/")
        place = assets
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = np.frombuffer(data, np.uint8)
    return {**found, "assets": assets} if assets else found


def _load(path: str, model, orbax, **more) -> dict:
    """Return what is saved at `path`, with arrays that lie where those of `model` do."""
    saved = orbax.checkpointables_metadata(path).metadata["pytree"]
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    declared = sum(math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(saved))
    if declared > _size(path) + _SLACK:
        raise refusal(f"arrays that declare {declared:,} bytes", path)

    def wanted(meta, mine):
        if isinstance(meta, dict):
            mine = mine if isinstance(mine, dict) else {}
            return {name: wanted(value, mine.get(name)) for name, value in meta.items()}
        sharding = getattr(mine, "sharding", here)
        return jax.ShapeDtypeStruct(meta.shape, meta.dtype, sharding=sharding)

    return orbax.load_checkpointables(
        path, {"pytree": wanted(saved, model.get_state_tree()), **more}
    )


def load_model(path: str, compile: bool, safe_mode: bool):
    """Read the model of the latest step in a folder."""
    orbax = module()
    step = _latest(path)
    names = set(orbax.checkpointables_metadata(step).metadata)
    if "model_config" not in names:
        raise ValueError(
            f"The checkpoint holds no architecture, only weights.\nReceived: {path!r}\n"
            "Make the model as it was, and call its load_weights()."
        )
    config = orbax.load_checkpointables(step, {"model_config": None})["model_config"]["config"]
    with reading(path, _size(step)):
        model = model_from_config(parse(config, "the config", path), compile, safe_mode, path)
        if getattr(model, "optimizer", None) is not None:
            model.optimizer.build(model.trainable_variables)
    found = _load(step, model, orbax, **({"assets": None} if "assets" in names else {}))
    _set_state(model, found["pytree"], path)

    def assets_of(part: str) -> dict[str, bytes]:
        place = found.get("assets", {})
        for name in part.split("/") if part else ():
            place = place.get(name, {})
        return {k: np.asarray(v).tobytes() for k, v in place.items() if not isinstance(v, dict)}

    _load_assets(model, assets_of)
    return model


def _size(path: str) -> int:
    """Return how many bytes the arrays in a folder may have, packed as they are."""
    files = (os.path.join(top, name) for top, _, names in os.walk(path) for name in names)
    return _RATIO * sum(map(os.path.getsize, files))


def load_weights(model, path: str) -> None:
    """Read the weights of the latest step in a folder into a model."""
    found = _load(_latest(path), model, module())["pytree"]
    _set_state(model, {name: found[name] for name in _WEIGHTS}, path)


def _set_state(model, state: dict, path: str) -> None:
    """Set the variables of a model, if all of its weights are there."""
    for kind in _WEIGHTS:
        for variable in getattr(model, kind):
            place: Any = state.get(kind, {})
            for part in variable.path.split("/"):
                place = place.get(part) if isinstance(place, dict) else None
            if place is None or tuple(place.shape) != variable.shape:
                what = "nothing" if place is None else f"shape {tuple(place.shape)}"
                raise ValueError(
                    f"The checkpoint does not fit model {model.name!r}: variable "
                    f"{variable.path!r} has shape {variable.shape}.\nReceived: {what} in {path!r}"
                )
    present = getattr(model, "optimizer", None) is not None
    model.set_state_tree({k: v for k, v in state.items() if present or "optimizer" not in k})
