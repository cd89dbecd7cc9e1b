"""Turns an `.h5` file of today into one as Keras 2 wrote it, of the parts that Keras 2 had.

Configs had no modules, inputs a `batch_input_shape`, calls the form [layer, node, tensor, options],
the names of weights an end ":0"; recurrent layers, and others, had arguments that are gone.
"""

import json

import h5py

# Arguments that configs of Keras 2 had besides.
_MORE: dict[str, dict] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), {"time_major": False}),
    "Embedding": {"input_length": None},
    "InputLayer": {"ragged": False},
    "MultiHeadAttention": {"query_shape": None, "key_shape": None, "value_shape": None},
}
# Arguments that they did not have yet.
_LATER = {"optional", "quantization_config", "rms_scaling", "flash_attention", "synchronized",
          "use_gate", "renorm", "renorm_clipping", "renorm_momentum"}  # fmt: skip


def _older(x):
    if isinstance(x, list):
        return [_older(y) for y in x]
    if not isinstance(x, dict):
        return x
    if x.get("class_name") == "DTypePolicy":
        return x["config"]["name"]
    if str(x.get("class_name")).endswith("DTypePolicy"):
        raise NotImplementedError("Keras 2 had no quantized layers")
    if "class_name" not in x or not isinstance(x.get("config"), dict):
        return {key: _older(value) for key, value in x.items()}
    kind = x["class_name"]
    config = {key: _older(value) for key, value in x["config"].items() if key not in _LATER}
    if "batch_shape" in config:
        config["batch_input_shape"] = config.pop("batch_shape")
    if kind == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if kind in ("BatchNormalization", "LayerNormalization") and isinstance(config["axis"], int):
        config["axis"] = [config["axis"]]
    for end in ("input_layers", "output_layers"):
        if end in config:
            config[end] = _references(config[end])
    found = {"class_name": kind, "config": config | _MORE.get(kind, {})}
    if "inbound_nodes" in x:
        if kind != "InputLayer" and "trainable" not in config and "layers" not in config:
            raise NotImplementedError("Keras 2 had no ops as nodes")
        found["name"] = x["name"]
        found["inbound_nodes"] = [_call(node) for node in x["inbound_nodes"]]
    return found


def _references(x):
    """Return references to tensors as a list of them, also for one."""
    if isinstance(x, dict):
        return x
    return [x] if isinstance(x[0], str) else x


def _tensors(x) -> list:
    if isinstance(x, dict) and x.get("class_name") == "__keras_tensor__":
        return [x["config"]["keras_history"]]
    if isinstance(x, list) and x and all(_tensors(y) for y in x):
        return [reference for y in x for reference in _tensors(y)]
    return []


def _call(node: dict) -> list:
    """Return one call: a list for each tensor of its first argument, with the other arguments."""
    first, *rest = node["args"]
    named = {key: value for key, value in node["kwargs"].items() if value is not None}
    if rest:
        named["value"] = rest[0]  # what attention layers call it
    options = {key: (_tensors(v) or [v])[0] for key, v in named.items()}
    if not _tensors(first):
        raise NotImplementedError("Keras 2 had no such calls")
    return [[*reference, options] for reference in _tensors(first)]


def rewrite(path: str) -> None:
    """Change an `.h5` file of a model in place."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(_older(config))
        file.attrs["keras_version"] = "2.15.0"
        for layer in file["model_weights"].values():
            names = [getattr(n, "decode", lambda n=n: n)() for n in layer.attrs["weight_names"]]
            for name in names:
                layer.move(name, f"{name}:0")
            layer.attrs["weight_names"] = [f"{name}:0".encode() for name in names]
