"""Rows of precision, quantization and LoRA: see `tools/roundtrip.py`."""

from tools.roundtrip_models import residual
from tools.roundtrip_row import Row, fill, integers, normal


def with_policy(policy):
    """Return a function that makes the residual network under a dtype policy."""

    def make(k):
        before = k.config.dtype_policy()
        k.config.set_dtype_policy(policy)
        try:
            return residual(k)
        finally:
            k.config.set_dtype_policy(before)

    return make


def large(k):
    """Return a model of the layers that can be quantized."""
    x = k.Input((4,), dtype="int32")
    y = k.layers.Embedding(7, 8)(x)
    y = k.layers.EinsumDense("abc,cd->abd", (None, 8), bias_axes="d")(y)
    return k.Model(x, k.layers.Dense(3)(k.layers.Dense(8, "relu")(y)))


def quantized(mode, tolerance=1e-5) -> Row:
    """Return the row of a model that is quantized after it has its weights."""

    def after(k, model):
        model.quantize(mode)

    return Row("precision", f"quantized {mode}", large, integers(2, 4), after=after,
               tolerance=tolerance)  # fmt: skip


def lora(rank, mode=None):
    """Return a function that adds LoRA to all layers that take it, and may quantize them."""

    def after(k, model):
        for part in model.layers:
            if hasattr(part, "enable_lora"):
                part.enable_lora(rank)
        fill(model)
        if mode is not None:
            model.quantize(mode)

    return after


PRECISION = [
    *(Row("precision", policy, with_policy(policy), normal(2, 6, 6, 3))
      for policy in ("mixed_bfloat16", "mixed_float16", "float16", "float64")),
    # Sums of bfloat16 differ by its last bit between the packages.
    Row("precision", "bfloat16", with_policy("bfloat16"), normal(2, 6, 6, 3), tolerance=4e-3),
    *(quantized(mode) for mode in ("int8", "int4")),
    # Keras adds what is left of a bias in bfloat16.
    quantized("float8", tolerance=1e-4),
    Row("precision", "LoRA", large, integers(2, 4), after=lora(2)),
    Row("precision", "LoRA, int8", large, integers(2, 4), after=lora(2, "int8")),
    Row("precision", "LoRA, int4", large, integers(2, 4), after=lora(2, "int4")),
]  # fmt: skip
