"""LoRA: a weight stays as it is, and the product of two thin matrices is trained beside it.

Source: Hu et al., 2021.
"""

import jax.numpy as jnp

from kerata import initializers
from kerata.engine.errors import argument_error, positive_int


def enable(layer, weight, rank, lora_alpha, a_initializer, b_initializer) -> None:
    """Add the two matrices to a layer, and freeze its weight."""
    name = layer.adapted
    constraint = getattr(layer, f"{name}_constraint", None)
    if constraint is not None:
        must = "be None: what is trained beside a weight cannot keep the sum in bounds"
        raise argument_error(f"{name}_constraint", must, constraint, layer)
    if not layer.built:
        raise ValueError(
            f"{layer._title()} must be built before enable_lora().\n"
            "Call it on data, or build(input_shape)."
        )
    if layer.lora_enabled:
        raise ValueError(f"{layer._title()} has LoRA already, of rank {layer.lora_rank}.")
    if layer._is_quantized and layer.quantization_mode in ("gptq", "awq"):
        raise NotImplementedError(
            f"{layer._title()} is quantized with {layer.quantization_mode}, which does not go with "
            "LoRA.\nEnable LoRA first: quantize() then includes what was trained."
        )
    rank = positive_int("rank", rank, layer)
    with layer._unlocked():
        for part, shape, initializer in (
            ("a", (*weight.shape[:-1], rank), a_initializer),
            ("b", (rank, weight.shape[-1]), b_initializer),
        ):
            variable = layer.add_weight(
                name=f"lora_{name}_{part}",
                shape=shape,
                initializer=initializers.get(initializer),
                dtype="float32",
                regularizer=getattr(layer, f"{name}_regularizer"),
            )
            setattr(layer, variable.name, variable)
    base = getattr(layer, weight.attribute)
    base.trainable = False
    layer._stays_frozen = (base,)
    layer.lora_enabled, layer.lora_rank = True, rank
    layer.lora_alpha = rank if lora_alpha is None else lora_alpha


def matrices(layer, weight) -> tuple:
    """Return the two variables."""
    return tuple(getattr(layer, f"lora_{weight.name}_{part}") for part in "ab")


def delta(layer, weight):
    """Return what is added to the weight."""
    a, b = matrices(layer, weight)
    return layer.lora_alpha / layer.lora_rank * jnp.matmul(a.value, b.value)


def multiply(layer, weight, inputs):
    """Return what is added to the product of inputs and weight."""
    a, b = matrices(layer, weight)
    first, _, rest = weight.equation.partition(",")
    letters, _, result = rest.partition("->")
    free = next(c for c in "abcdefghijklmnopqrstuvwxyz" if c not in weight.equation)
    equation = f"{first},{letters[:-1]}{free},{free}{letters[-1]}->{result}"
    product = jnp.einsum(equation, inputs, a.value, b.value)
    return layer.lora_alpha / layer.lora_rank * product


def rows(layer, weight, index):
    """Return what is added to rows of the weight."""
    a, b = matrices(layer, weight)
    return layer.lora_alpha / layer.lora_rank * jnp.take(a.value, index, axis=0) @ b.value


def remove(layer, weight) -> None:
    """Take the two matrices away."""
    for part in "ab":
        layer._remove_weight(f"lora_{weight.name}_{part}")
    layer.lora_enabled, layer.lora_rank, layer.lora_alpha = False, None, None
