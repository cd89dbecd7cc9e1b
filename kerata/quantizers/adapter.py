"""Quantization and LoRA of a layer, from outside.

The layers know where their weights are (`add_adapted`), and ask here for products, rows and what
stands in files as soon as they are quantized or adapted.
"""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp

from kerata.engine import policies, registry, scopes, transforms
from kerata.kernels import embedding_lookup
from kerata.quantizers import codes, float8, int4, int8, lora
from kerata.quantizers.config import (
    AWQConfig,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
    resolve,
)
from kerata.quantizers.weight import Weight, einsum, relayout

_SCHEMES: dict[str, Any] = {"int8": int8, "int4": int4, "gptq": codes, "awq": codes}
CALIBRATED = ("gptq", "awq")
_ATTRIBUTES = {"groups": "g_idx", "channels": "awq_scales"}

# What watches the inputs of layers while a method calibrates: id of a layer -> function.
_watchers: dict = {}
# Compiled programs hold the variables that a layer had: all are made anew when this changes.
_changes = [0]
scopes.ambient_sources.append(lambda: _changes[0])


def _changed() -> None:
    _changes[0] += 1
    transforms.forget_programs()


def weights_of(layer) -> list[Weight]:
    """Return the weights of a layer that can be quantized or adapted, the main one first."""
    return [Weight(**described) for described in vars(layer).get("_adapted_weights", ())]


def mode_of(layer) -> str | None:
    """Return how a layer is quantized; None too where its policy means only layers inside."""
    return layer.quantization_mode if layer._is_quantized else None


def is_calibrated(layer) -> bool:
    """Return whether a layer that GPTQ or AWQ quantizes has been calibrated."""
    return bool(getattr(layer, f"is_{layer.quantization_mode}_calibrated", False))


def _attribute(weight, key: str, mode) -> str:
    if key == "value":
        return "quantized_kernel" if mode in CALIBRATED else weight.attribute
    return _ATTRIBUTES.get(key) or f"{weight.name}_{key}"


def _variables(layer, weight) -> dict:
    """Return the variables that hold a quantized weight, by their part in it."""
    mode = mode_of(layer)
    found = {key: getattr(layer, _attribute(weight, key, mode), None) for key in codes.ORDER}
    return {key: v for key, v in found.items() if v is not None and key != "bias"}


def _parts(layer, weight) -> dict:
    return {key: v.value for key, v in _variables(layer, weight).items()}


# Quantizing.


def check(layer, config, type_check=True) -> None:
    """Raise if a layer cannot be quantized.

    Raises:
        ValueError: if it is not built, is quantized already, computes in float16, or has a weight
            of a shape that the mode does not take.
        NotImplementedError: if it has no such way of being quantized.
    """
    if not layer.built:
        raise ValueError(
            f"{layer._title()} must be built before quantize().\n"
            "Call it on data, or build(input_shape)."
        )
    if layer._is_quantized:
        raise ValueError(
            f"{layer._title()} is quantized already.\n"
            f"Received: mode={config.mode!r}, and the dtype policy {layer.own_policy.name!r}"
        )
    if config.mode == "int8" and layer.compute_dtype == "float16":
        raise ValueError(
            f'{layer._title()} computes in float16, which does not go with mode="int8".\n'
            'Make the layer with dtype="mixed_bfloat16", or "float32".'
        )
    if config.mode not in getattr(layer, "quantization_modes", ()):
        raise NotImplementedError(
            f"{type(layer).__name__} {layer.name!r} cannot be quantized with mode={config.mode!r}."
        )
    if type_check and registry.public_name(type(layer)) is None:
        raise NotImplementedError(
            f"{type(layer).__name__} {layer.name!r} is a layer of yours, whose `call` quantization "
            "may not fit.\nIf it does, pass type_check=False."
        )
    if config.mode in CALIBRATED:
        for weight in weights_of(layer):
            codes.groups(weight, config)


def quantize(layer, mode=None, type_check=True, config=None) -> None:
    """Replace the weights of a layer by quantized ones."""
    config = resolve(mode, config).without_data()
    check(layer, config, type_check)
    policy = layer.own_policy
    if policy.quantization_mode is None:
        policy = policies.get(f"{config.policy_mode()}_from_{policy.name}")
    weights = weights_of(layer)
    encoded = []
    if config.mode in ("int8", "int4"):
        scheme = _SCHEMES[config.mode]
        encoded = [scheme.encode(w, getattr(layer, w.attribute)._uncast(), config) for w in weights]
    with layer._unlocked():
        if encoded:
            for weight in weights:
                layer._remove_weight(weight.attribute)
            layer._stays_frozen = ()
        for i, weight in enumerate(weights):
            build(layer, weight, config, policy, encoded[i] if encoded else None)
    layer.quantization_config = config
    layer.dtype_policy = policy
    _changed()


def quantize_by_policy(layer, policy) -> None:
    """Quantize a built layer because it was given a dtype policy that says so.

    Raises:
        ValueError: if the method needs data.
    """
    if policy.quantization_mode in CALIBRATED:
        raise ValueError(
            f"{layer._title()} cannot be quantized by its dtype policy: "
            f"{policy.quantization_mode} calibrates with data.\nReceived: {policy.name!r}\n"
            "Call quantize(config=...) with a config."
        )
    numbered = isinstance(policy, policies.Int4DTypePolicy)
    quantize(layer, config=_config_of(policy) if numbered else None, mode=policy.quantization_mode)


def _config_of(policy) -> QuantizationConfig:
    """Return the config of a layer that is built quantized, from its policy."""
    mode = policy.quantization_mode
    if mode in CALIBRATED:
        bits, size = policy.weight_bits, policy.group_size
        kind: Any = GPTQConfig if mode == "gptq" else AWQConfig
        return kind(None, None, weight_bits=bits, group_size=size)
    if mode == "int4":
        return Int4QuantizationConfig(block_size=getattr(policy, "block_size", None))
    return Int8QuantizationConfig() if mode == "int8" else Float8QuantizationConfig()


def build(layer, weight, config=None, policy=None, encoded=None) -> None:
    """Add the variables of a quantized weight to a layer.

    Args:
        layer: the layer.
        weight: its weight.
        config: how it is quantized; that of the layer if None, or what its policy says.
        policy: the layer's policy, as it will be.
        encoded: the values of the variables; they start from ones and zeros if None.
    """
    policy = policy or layer.own_policy
    config = config or layer.quantization_config or _config_of(policy)
    if config.mode not in layer.quantization_modes:
        raise NotImplementedError(
            f"{type(layer).__name__} {layer.name!r} cannot be quantized with mode={config.mode!r}."
        )
    if config.mode == "float8":
        float8.build(layer, policy)
    else:
        _build_parts(layer, weight, config, encoded)
    layer._is_quantized, layer._quantized_by = True, config


def _build_parts(layer, weight, config, encoded) -> None:
    if config.mode in CALIBRATED:
        setattr(layer, f"is_{config.mode}_calibrated", False)
    layer.inputs_quantizer = config.activation_quantizer
    scheme = _SCHEMES[config.mode]
    empty = jax.ShapeDtypeStruct(weight.shape, layer.variable_dtype)
    parts = encoded or jax.eval_shape(lambda value: scheme.encode(weight, value, config), empty)
    for key, part in ((key, parts[key]) for key in codes.ORDER if key in parts):
        named = {"value": weight.name, "zero": f"{weight.name}_zero"}
        if config.mode in CALIBRATED:
            named["zero"] = weight.zero_name
        variable = _add(layer, weight, key, part.shape, part.dtype, config, named.get(key))
        if encoded:
            variable.assign(part)
    groups = scheme.groups(weight, config)
    if groups is not None and not hasattr(layer, "g_idx"):
        _add(layer, weight, "groups", groups.shape, "float32", config).assign(groups)


def _add(layer, weight, key, shape, dtype, config, name=None):
    attribute = _attribute(weight, key, config.mode)
    variable = layer.add_weight(
        name=name or attribute,
        shape=shape,
        dtype=dtype,
        initializer="ones" if key in ("scale", "channels") else "zeros",
        trainable=False,
    )
    setattr(layer, attribute, variable)
    return variable


def finish_calibration(layer, parts: dict) -> None:
    """Give a layer the weight that a method found, in place of the one that it had."""
    weight, mode = weights_of(layer)[0], mode_of(layer)
    for key, value in parts.items():
        getattr(layer, _attribute(weight, key, mode)).assign(value)
    if layer.lora_enabled:
        lora.remove(layer, weight)
    _set_calibrated(layer, weight)


def _set_calibrated(layer, weight) -> None:
    setattr(layer, f"is_{layer.quantization_mode}_calibrated", True)
    if hasattr(layer, weight.attribute):
        layer._remove_weight(weight.attribute)
        layer._stays_frozen = ()
    _changed()


def enable_lora(layer, rank, lora_alpha, a_initializer, b_initializer) -> None:
    """Add LoRA to a layer."""
    weight = next(iter(weights_of(layer)), None)
    lora.enable(layer, weight, rank, lora_alpha, a_initializer, b_initializer)
    _changed()


# Computing.


@contextlib.contextmanager
def watching(layers: dict):
    """Call functions with the inputs of layers while the block runs.

    Args:
        layers: dict from layers to functions of their inputs.
    """
    _watchers.update({id(layer): function for layer, function in layers.items()})
    try:
        yield
    finally:
        for layer in layers:
            _watchers.pop(id(layer), None)


def contract(layer, inputs, which: int, training: bool):
    """Return the product of inputs and a layer's quantized weight.

    Args:
        layer: the layer.
        inputs: tensor.
        which: number of the weight.
        training: whether float8 follows the numbers.
    """
    weight, mode = weights_of(layer)[which], mode_of(layer)
    if mode in CALIBRATED:
        if id(layer) in _watchers:
            _watchers[id(layer)](inputs)
        kernel = _floats(layer, weight) if is_calibrated(layer) else effective(layer, weight)
        return einsum(weight.equation, inputs, jnp.asarray(kernel))
    if mode == "float8":
        kernel = jnp.asarray(effective(layer, weight))
        return float8.multiply(layer, weight, inputs, kernel, training)
    outputs = _integer_product(layer, weight, inputs)
    if layer.lora_enabled and which == 0:
        outputs = outputs + lora.multiply(layer, weight, inputs)
    return outputs.astype(layer.compute_dtype)


def _integer_product(layer, weight, inputs):
    scheme, config = _SCHEMES[mode_of(layer)], layer._quantized_by
    dtype, quantizer = layer.compute_dtype, layer.inputs_quantizer
    parts = _parts(layer, weight)
    if quantizer is None:
        return scheme.multiply(weight, inputs, parts, config, dtype)
    letters, _, results = weight.letters(inputs.ndim)
    axes = tuple(i for i, c in enumerate(letters) if c not in results)
    shape = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)

    # Rounding has no gradient: that of the product without it goes through.
    @jax.custom_vjp
    def product(inputs, parts):
        rounded, scale = quantizer(inputs, axis=axes)
        scale = relayout(scale, letters, results)
        return scheme.multiply(weight, rounded, parts, config, dtype) / scale

    def backward(parts, change):
        kernel = scheme.decode(weight, parts, config).astype(dtype)
        transposed = jax.linear_transpose(lambda x: einsum(weight.equation, x, kernel), shape)
        return *transposed(change), None

    product.defvjp(lambda inputs, parts: (product(inputs, parts), parts), backward)
    return product(inputs, parts)


def look_up(layer, index):
    """Return rows of a layer's table.

    Args:
        layer: the layer.
        index: integers.
    """
    weight = weights_of(layer)[0]
    if mode_of(layer) is None:
        found = embedding_lookup(getattr(layer, weight.attribute).value, index)
    else:
        parts = _parts(layer, weight)
        groups = {key: parts.pop(key) for key in ("groups",) if key in parts}
        taken = {key: jnp.take(part, index, axis=0) for key, part in parts.items()} | groups
        scheme = _SCHEMES[mode_of(layer)]
        found = scheme.decode_rows(weight, taken, layer._quantized_by)
    return found + lora.rows(layer, weight, index) if layer.lora_enabled else found


def _floats(layer, weight):
    """Return a weight in floats, adapters aside."""
    mode = mode_of(layer)
    if mode in (None, "float8") or mode in CALIBRATED and not is_calibrated(layer):
        return getattr(layer, weight.attribute).value
    return _SCHEMES[mode].decode(weight, _parts(layer, weight), layer._quantized_by)


def effective(layer, weight=None):
    """Return a weight as it acts: the variable itself, its integers, or with adapters the sum."""
    weight = weight or weights_of(layer)[0]
    mode = mode_of(layer)
    if layer.lora_enabled:
        total = _floats(layer, weight) + lora.delta(layer, weight)
        return total.astype(layer.compute_dtype)
    if mode in (None, "float8") or mode in CALIBRATED and not is_calibrated(layer):
        return getattr(layer, weight.attribute)
    if mode == "int8":
        return getattr(layer, weight.attribute)
    return _SCHEMES[mode].integers(weight, _parts(layer, weight), layer._quantized_by)


# Files.


def in_files(layer) -> list:
    """Return the variables that stand in files, in their order there."""
    mode = mode_of(layer)
    main, *others = weights_of(layer)
    if mode in (None, "float8"):
        names = [main.attribute, "bias", *(float8.NAMES if mode else ())]
        names += [weight.attribute for weight in others]
    else:
        names = [k if k == "bias" else _attribute(main, k, mode) for k in _SCHEMES[mode].ORDER]
        names += [_attribute(w, key, mode) for w in others for key in ("value", "scale", "zero")]
    found = (getattr(layer, name, None) for name in names)
    return [variable for variable in found if variable is not None]


def merged(layer) -> dict:
    """Return the values that stand in files in place of variables': id of a variable -> array.

    What LoRA trained is added to the weight.

    Raises:
        ValueError: if the layer waits for a calibration.
    """
    mode = mode_of(layer)
    if mode in CALIBRATED and not is_calibrated(layer):
        raise ValueError(
            f"{layer._title()} cannot be saved: {mode} has not calibrated it yet.\n"
            "Call model.quantize(config=...), with a structure whose blocks hold the layer."
        )
    if not layer.lora_enabled:
        return {}
    weight = weights_of(layer)[0]
    total = _floats(layer, weight) + lora.delta(layer, weight)
    if mode in (None, "float8"):
        return {id(getattr(layer, weight.attribute)): total}
    encoded = _SCHEMES[mode].encode(weight, total, layer._quantized_by)
    variables = _variables(layer, weight)
    return {id(variables[key]): value for key, value in encoded.items()}


def loaded(layer) -> None:
    """Take note that a layer's variables were read from a file: the weight is whole there."""
    weight = weights_of(layer)[0]
    if mode_of(layer) in CALIBRATED:
        _set_calibrated(layer, weight)
    if layer.lora_enabled:
        _, b = lora.matrices(layer, weight)
        b.assign(jnp.zeros(b.shape))
