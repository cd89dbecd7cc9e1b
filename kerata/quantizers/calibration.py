"""Quantizing a whole model, and calibrating one block of it after the other."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np

from kerata.engine.errors import argument_error, warn
from kerata.quantizers import adapter, awq, gptq
from kerata.quantizers.config import resolve

_METHODS: dict[str, Any] = {"gptq": gptq, "awq": awq}
# How many sequences go through a block at once.
_BATCH = 16


def quantize_model(model, mode=None, config=None, filters=None, type_check=True) -> None:
    """Quantize the layers inside a model: all that can be, or nothing.

    Args:
        model: the model.
        mode: see `Model.quantize`.
        config: see `Model.quantize`.
        filters: see `Model.quantize`.
        type_check: whether to leave subclasses of built-in layers alone.
    """
    config = resolve(mode, config)
    if not model.built:
        raise ValueError(
            f"{model._title()} must be built before quantize().\n"
            "Call it on data, or build(input_shape)."
        )
    wanted = _wanted(filters)
    method = _METHODS.get(config.mode)
    blocks, inputs = _prepared(model, config) if method else ([model], None)
    chosen = []
    for layer in dict.fromkeys(x for block in blocks for x in block._flatten_layers()):
        if not hasattr(layer, "quantization_modes") or layer._sublayers or not wanted(layer):
            continue
        try:
            adapter.check(layer, config, type_check)
            chosen.append(layer)
        except NotImplementedError as error:
            warn(f"Left as it is: {error}")
    if not chosen:
        known = sorted({type(x).__name__ for x in model._flatten_layers() if x is not model})
        warn(
            f"quantize() changed nothing: {model._title()} must have layers such as Dense or "
            f"Embedding, and `filters` must leave some.\nReceived: layers of {known}",
        )
    for layer in chosen:
        layer.quantize(type_check=type_check, config=config)
    if method:
        _calibrate(method, config, blocks, inputs, {id(layer) for layer in chosen})


def _wanted(filters):
    """Return a function that tells which layers `filters` means."""
    if filters is None:
        return lambda layer: True
    if callable(filters):
        return filters
    patterns = [filters] if isinstance(filters, str) else filters
    if not isinstance(patterns, (list, tuple)):
        must = "be a regular expression of names of layers, a list of these, or a function"
        raise argument_error("filters", must, filters, "quantize()")
    return lambda layer: any(re.search(pattern, layer.name) for pattern in patterns)


def _prepared(model, config) -> tuple[list, list]:
    """Return the blocks, and what goes into the first one."""
    structure = config.quantization_layer_structure
    if structure is None:
        structure = model.get_quantization_layer_structure(config.mode)
    blocks = list((structure or {}).get("sequential_blocks") or ())
    if not blocks:
        raise ValueError(
            f"{model._title()} needs a structure for mode={config.mode!r}: a dict with the lists "
            f'"pre_block_layers" and "sequential_blocks" of layers.\nReceived: {structure!r}\n'
            "Pass it as the config's `quantization_layer_structure`, or let the model return it "
            "from get_quantization_layer_structure(mode)."
        )
    for name in ("dataset", "tokenizer"):
        if getattr(config, name) is None:
            raise argument_error(name, "not be None: data is needed", None, type(config))
    tokens = sequences(config)
    batches = []
    for start in range(0, len(tokens), _BATCH):
        x: Any = jnp.asarray(tokens[start : start + _BATCH])
        for layer in structure.get("pre_block_layers") or ():
            x = layer(x)
        batches.append(x)
    return blocks, batches


def sequences(config) -> np.ndarray:
    """Return tokens to calibrate with, `(num_samples, sequence_length)`.

    They come from regular places in the data, which is repeated if it is too short.

    Args:
        config: a config with a `dataset` and a `tokenizer`.

    Raises:
        TypeError: if the data set is not iterable, or a text.
        ValueError: if it is empty.
    """
    data = config.dataset
    if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
        must = "be an iterable of texts, or of arrays of tokens"
        raise argument_error("dataset", must, type(data), type(config), TypeError)
    pieces = [
        np.asarray(config.tokenizer.tokenize(x) if isinstance(x, str) else x).reshape(-1)
        for x in data
    ]
    if not sum(len(piece) for piece in pieces):
        raise argument_error("dataset", "hold tokens", "an empty one", type(config))
    tokens = np.concatenate(pieces).astype("int32")
    count, length = config.num_samples, config.sequence_length
    tokens = np.tile(tokens, -(-count * length // len(tokens)))
    places = len(tokens) - length + 1
    starts = np.arange(count) * max(1, places // count) % places
    return np.lib.stride_tricks.sliding_window_view(tokens, length)[starts]


def _calibrate(method, config, blocks, batches, chosen) -> None:
    """Calibrate the chosen layers of one block after the other, each with what comes into it."""
    for number, block in enumerate(blocks):
        layers = [x for x in block._flatten_layers() if id(x) in chosen]
        weights = [adapter.weights_of(layer)[0] for layer in layers]
        statistics = [method.Statistics(weight.split[0]) for weight in weights]
        watchers = {
            layer: lambda x, w=w, s=s: s.update(x.reshape(-1, w.split[0]))
            for layer, w, s in zip(layers, weights, statistics, strict=True)
        }
        with adapter.watching(watchers):
            for x in batches:
                block(x)
        for layer, weight, found in zip(layers, weights, statistics, strict=True):
            value = jnp.asarray(adapter.effective(layer))
            adapter.finish_calibration(layer, method.calibrate(weight, value, found, config))
        if number + 1 < len(blocks):
            batches = [block(x) for x in batches]
            batches = [x[0] if isinstance(x, (tuple, list)) else x for x in batches]
