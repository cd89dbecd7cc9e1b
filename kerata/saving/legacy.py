"""Whole models and weights in the older `.h5` layout (Keras 1 and 2).

The configs stand in attributes of the file, as JSON; the weights in one group a layer, under
their names.
"""

import json
import os

import h5py
import numpy as np

from kerata.engine import registry
from kerata.engine.configurable import is_serialized, serialize
from kerata.engine.errors import KerataError, UnsafeModelError, warn
from kerata.engine.reading import parse
from kerata.models.model import Model
from kerata.models.op_names import operation_from_config
from kerata.models.sequential import Sequential
from kerata.saving import hdf5
from kerata.saving.walk import check_complete
from kerata.saving.weights import all_or_none

_TOP = "top_level_model_weights"
# Where the classes of an older config are looked for, if its key says nothing.
_MODULES = (
    "keras",
    "keras.layers",
    "keras.models",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.losses",
    "keras.metrics",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.src.applications.convnext",  # LayerScale
    "keras.src.applications.inception_resnet_v2",  # CustomScaleLayer
)
_KINDS = {
    "layers": "keras.layers",
    "layer": "keras.layers",
    "_initializer": "keras.initializers",
    "_regularizer": "keras.regularizers",
    "_constraint": "keras.constraints",
    "loss": "keras.losses",
    "metrics": "keras.metrics",
    "optimizer": "keras.optimizers",
}

# What is in the config of each layer, and of no op.
_OF_LAYERS = {"trainable", "batch_shape", "batch_input_shape", "layers"}


def save_model(model, path: str, include_optimizer: bool = True) -> None:
    """Write a model as an older `.h5` file; its folder is made if there is none."""
    check_complete(model)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    config = serialize(model)
    compiled = config.pop("compile_config", None)
    config.pop("build_config", None)
    with hdf5.writing(path) as h5:
        h5.attrs["keras_version"] = "3.15.1"
        h5.attrs["backend"] = "jax"
        h5.attrs["model_config"] = json.dumps(_older(config))
        _save_layers(model, h5.create_group("model_weights"))
        if include_optimizer and compiled and compiled.get("optimizer"):
            optimizer = compiled.pop("optimizer")
            compiled["optimizer_config"] = {k: optimizer[k] for k in ("class_name", "config")}
            h5.attrs["training_config"] = json.dumps(compiled)
            group = h5.create_group("optimizer_weights")
            _save_variables(group, [(v.path, v) for v in model.optimizer.variables])


def _older(config: dict) -> dict:
    """Return the config of a model, and of the layers in it, as older files have it."""
    result = {key: config[key] for key in ("class_name", "config", "name", "inbound_nodes")
              if key in config}  # fmt: skip
    if config.get("registered_name") and not str(config.get("module")).startswith("keras.src.ops"):
        result["class_name"] = config["registered_name"]
    if result["class_name"] == "GroupQueryAttention":
        result["class_name"] = "GroupedQueryAttention"  # such files have Keras's own name of it
    if isinstance(config["config"].get("layers"), list):
        result["config"] = {**config["config"]}
        result["config"]["layers"] = [_older(entry) for entry in config["config"]["layers"]]
    return result


def _save_layers(model, group: h5py.Group) -> None:
    layers = model.layers
    _set_names(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"] = "jax"
    group.attrs["keras_version"] = "3.15.1"
    for layer in layers:
        _save_variables(group.create_group(layer.name), [(v.path, v) for v in _weights(layer)])
    _save_variables(group.create_group(_TOP), [(v.path, v) for v in _own(model)])


def _save_variables(group: h5py.Group, named: list) -> None:
    names: list[str] = []
    for name, variable in named:
        if name in names:
            name = f"{name}_{len(names)}"
        names.append(name)
        hdf5.put(group, name, variable.numpy())
    _set_names(group, "weight_names", names)


def _set_names(group: h5py.Group, key: str, names: list[str]) -> None:
    """Write a list of names as attributes, in pieces: an attribute has at most 64 KB."""
    encoded = np.array([name.encode() for name in names]) if names else np.array([], "S1")
    pieces = max(1, -(-encoded.nbytes // 60_000))
    for index, piece in enumerate(np.array_split(encoded, pieces)):
        group.attrs[key if pieces == 1 else f"{key}{index}"] = piece


def _get_names(group: h5py.Group, key: str) -> list[str]:
    if key in group.attrs:
        pieces = [group.attrs[key]]
    else:
        pieces = []
        while f"{key}{len(pieces)}" in group.attrs:
            pieces.append(group.attrs[f"{key}{len(pieces)}"])
    names = [n for piece in pieces for n in np.ravel(piece).tolist()]
    return [n.decode("utf-8") if isinstance(n, bytes) else str(n) for n in names]


def _weights(layer) -> list:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _own(model) -> list:
    """Return the variables of a model that belong to none of its layers."""
    if isinstance(model, Sequential):
        return []
    inside = {id(v) for layer in model.layers for v in layer.weights}
    return [v for v in _weights(model) if id(v) not in inside]


def load_model(path: str, compile: bool = True, safe_mode: bool = True):
    """Read a model from an older `.h5` file.

    Raises:
        ValueError: if it holds no model, or an unknown class.
        UnsafeModelError: if it asks for what a file may not do.
    """
    from kerata.saving.api import model_from_config, reading

    with hdf5.opened(path, path) as (h5, saved), reading(path, saved):
        config = _json(h5, "model_config", path)
        if config is None:
            raise ValueError(
                f"The file holds no model, at most weights.\nReceived: {path!r}\n"
                "Make the model in your program, and read the weights with load_weights()."
            )
        model = model_from_config(newer(config), compile=False, safe_mode=safe_mode, name=path)
        group = hdf5.find(h5, "model_weights")
        if isinstance(group, h5py.Group):
            load_weights(model, group, source=repr(path))
        training = _json(h5, "training_config", path) if compile else None
        if training is not None:
            _compile(model, training, hdf5.find(h5, "optimizer_weights"))
    return model


def _json(h5: h5py.File, key: str, path: str) -> dict | None:
    text = h5.attrs.get(key)
    if text is None:
        return None
    value = parse(text if isinstance(text, bytes) else str(text), key, path)
    if not isinstance(value, dict):
        raise ValueError(
            f"The {key} in the file must be a JSON object.\nReceived: a {type(value).__name__}"
        )
    return value


def newer(config, kind: str | None = None):
    """Return an older config with the module of each class, by which they are found now.

    Args:
        config: config, or a part of one.
        kind: module to look in first.
    """
    if isinstance(config, list):
        return [newer(entry, kind) for entry in config]
    if not isinstance(config, dict):
        return config
    inner = {
        key: newer(value, next((m for end, m in _KINDS.items() if key.endswith(end)), None))
        for key, value in config.items()
    }
    if is_serialized(config) and "module" not in config:
        name = config["class_name"]
        inner["module"] = _module_of(name, config["config"], kind)
        if name == "Model" or name == "Functional":
            inner["module"], inner["class_name"] = "keras.models", "Functional"
        if name == "InputLayer":
            inner["config"].pop("trainable", None)
        if inner["module"] == "keras.layers":
            _leave_out(name, inner["config"])
    return inner


# Arguments of layers of Keras 2, with the values that change nothing.
_GONE = {"time_major": False, "input_length": None, "ragged": False}


def _leave_out(name: str, config: dict) -> None:
    """Take what Keras 2 wrote besides out of the config of a layer."""
    for key, value in _GONE.items():
        if config.get(key, ...) in (value, None):
            del config[key]
    if name == "Lambda":
        for key in ("function", "output_shape"):
            config.pop(f"{key}_module", None)
            if config.pop(f"{key}_type", None) == "lambda":
                config[key] = {"class_name": "__lambda__", "config": {}}  # which is refused
        config.pop("module", None)
    if name == "MultiHeadAttention":
        for key in ("query_shape", "key_shape", "value_shape"):
            config.pop(key, None)  # what it was built for: its calls say so, too
    axis = config.get("axis")
    if name == "BatchNormalization" and isinstance(axis, (list, tuple)) and len(axis) == 1:
        config["axis"] = axis[0]


def _module_of(name: str, config, kind: str | None) -> str | None:
    if name.startswith("__"):
        return "builtins"
    if kind == "keras.layers" and not _OF_LAYERS & set(config):
        # The call of an op, which may have the name of a layer; some layers are as short.
        op = {"module": "keras.src.ops.numpy", "class_name": name, "config": config}
        try:
            operation_from_config(op)
        except UnsafeModelError:
            if registry.public_object(kind, name) is not None:
                return kind
        return op["module"]
    for module in ([kind] if kind else []) + list(_MODULES):
        if registry.public_object(module, name) is not None:
            return module
    return None


# What configs of Keras 2's optimizers hold besides.
_DROPPED = {"decay", "jit_compile", "is_legacy_optimizer"}


def _compile(model, training: dict, weights) -> None:
    training = dict(training)
    optimizer = training.pop("optimizer_config", None)
    if isinstance(optimizer, dict) and isinstance(optimizer.get("config"), dict):
        kept = {k: v for k, v in optimizer["config"].items() if k not in _DROPPED}
        training["optimizer"] = {**optimizer, "config": kept}
    metrics = training.get("metrics")
    if isinstance(metrics, list) and len(metrics) == 1 and isinstance(metrics[0], list):
        # Keras 2 wrote a list for each output.
        training["metrics"] = metrics[0]
    known = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "run_eagerly",
             "steps_per_execution", "jit_compile")  # fmt: skip
    config = {key: value for key, value in newer(training).items() if key in known}
    try:
        model.compile_from_config(config)
    except KerataError:
        raise
    except Exception as error:
        warn(
            f"The model is not compiled: how it was cannot be read ({error}). Call compile().",
        )
        return
    if not isinstance(weights, h5py.Group) or model.optimizer is None:
        return
    names = _get_names(weights, "weight_names")
    mine = model.optimizer.variables
    values = [_dataset(weights, name) for name in names]
    if [tuple(v.shape) for v in values] != [v.shape for v in mine]:
        warn(
            f"The state of optimizer {model.optimizer.name!r} is not read: the file has "
            f"{len(values)} variables of it, and it has {len(mine)}, or others.",
        )
        return
    for variable, value in zip(mine, values, strict=True):
        variable.assign(hdf5.array_of(value))


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    found = hdf5.find(group, name)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(
            f"The file is damaged: a weight that it names is not there.\nReceived: {name!r}"
        )
    return found


def load_weights(
    model, group: h5py.Group, by_name=False, skip_mismatch=False, source="the file"
) -> None:
    """Read weights in the older layout into a model.

    Args:
        model: the model; it must be built.
        group: the file, or the group in it that holds the layers.
        by_name: whether layers are found by their names; otherwise by their order.
        skip_mismatch: whether to leave layers that do not fit as they are, with a warning.
        source: what to call the file in messages.

    Raises:
        ValueError: if the weights do not fit; nothing is changed then.
    """
    if "layer_names" not in group.attrs and "layer_names0" not in group.attrs:
        inner = hdf5.find(group, "model_weights")
        if not isinstance(inner, h5py.Group):
            raise ValueError(f"The file holds no weights in the `.h5` layout.\nReceived: {source}")
        group = inner
    saved = []
    for name in _get_names(group, "layer_names"):
        found = hdf5.find(group, name)
        if isinstance(found, h5py.Group):
            saved.append((name, [_dataset(found, n) for n in _get_names(found, "weight_names")]))
    saved = [(name, values) for name, values in saved if values]
    pairs = _by_name(model, saved) if by_name else _by_order(model, saved, source)
    top = hdf5.find(group, _TOP)
    own = _own(model)
    if isinstance(top, h5py.Group) and own:
        pairs.append((model, own, [_dataset(top, n) for n in _get_names(top, "weight_names")]))
    fitting: list = []
    for layer, variables, values in pairs:
        shapes = [v.shape for v in variables], [tuple(v.shape) for v in values]
        if shapes[0] == shapes[1]:
            fitting += zip(variables, values, strict=True)
            continue
        why = f"layer {layer.name!r} has weights of shapes {shapes[0]}; the file has {shapes[1]}."
        if not skip_mismatch:
            raise ValueError(
                f"The weights in {source} do not fit model {model.name!r}.\nReceived: {why}\n"
                "Make the model as it was when the file was written, or leave such layers as they "
                "are with skip_mismatch=True."
            )
        warn(f"Skipped: {why}")
    with all_or_none(variable for variable, _ in fitting):
        for variable, value in fitting:
            variable.assign(hdf5.array_of(value))


def _by_order(model: Model, saved: list, source: str) -> list:
    layers = [layer for layer in model.layers if _weights(layer)]
    if len(layers) != len(saved):
        raise ValueError(
            f"The weights in {source} do not fit model {model.name!r}, which has {len(layers)} "
            f"layers with weights.\nReceived: {len(saved)} layers: {[n for n, _ in saved][:6]}\n"
            "Make the model as it was, or read those layers that it has with by_name=True."
        )
    return [
        (layer, _weights(layer), values) for layer, (_, values) in zip(layers, saved, strict=True)
    ]


def _by_name(model: Model, saved: list) -> list:
    named = dict(saved)
    return [
        (layer, _weights(layer), named[layer.name])
        for layer in model.layers
        if layer.name in named and _weights(layer)
    ]
