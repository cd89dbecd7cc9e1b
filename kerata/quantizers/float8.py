"""Computing in float8, with scales that follow the largest values of the steps before.

Source: Micikevicius et al., 2022, "FP8 formats for deep learning".
"""

import functools

import jax
import jax.numpy as jnp

from kerata.engine.op import op
from kerata.quantizers.weight import einsum

# Numbers come in more digits, gradients in a wider range.
_NUMBERS, _GRADIENTS = "float8_e4m3fn", "float8_e5m2"
NAMES = tuple(
    f"{what}_{kind}"
    for what in ("inputs", "kernel", "outputs_grad")
    for kind in ("scale", "amax_history")
)


@op
def compute_float8_scale(amax, scale, dtype_max, margin=0):
    """Return the scale by which numbers are divided before they become float8.

    Args:
        amax: the largest absolute value of late.
        scale: the scale until now, which stays if `amax` is 0 or not finite.
        dtype_max: the largest number of the dtype.
        margin: how many powers of two to leave above `amax`.

    Example:
        >>> kerata.quantizers.compute_float8_scale(896.0, 1.0, 448.0)
        Array(2., dtype=float32)
    """
    amax = jnp.asarray(amax, "float32")
    wanted = amax * 2**margin / dtype_max
    return jnp.where((amax > 0) & jnp.isfinite(amax), wanted, scale)


@op
def compute_float8_amax_history(x, amax_history):
    """Return the history of largest absolute values, with that of `x` as the first.

    Args:
        x: tensor.
        amax_history: `(length,)`; the oldest value comes second, and is the next to go.

    Example:
        >>> kerata.quantizers.compute_float8_amax_history(np.array([-4.0]), np.array([1.0, 2.0]))
        Array([4., 1.], dtype=float32)
    """
    history = jnp.asarray(amax_history)
    largest = jnp.max(jnp.abs(jnp.asarray(x))).astype(history.dtype)
    return jnp.roll(history, -1).at[0].set(largest)


@op
def quantize_and_dequantize(inputs, scale, quantized_dtype, compute_dtype):
    """Return what is left of numbers that went through a narrow floating dtype.

    Args:
        inputs: tensor.
        scale: what they are divided by before, and multiplied by after.
        quantized_dtype: the narrow dtype.
        compute_dtype: dtype of the result.

    Example:
        >>> x = np.array([1.0, 1.07], "float32")
        >>> kerata.quantizers.quantize_and_dequantize(x, 1.0, "float8_e4m3fn", "float32")
        Array([1.  , 1.125], dtype=float32)
    """
    scale = jnp.asarray(scale, compute_dtype)
    largest = jnp.asarray(float(jnp.finfo(quantized_dtype).max), compute_dtype)
    narrow = jnp.clip(jnp.asarray(inputs) / scale, -largest, largest).astype(quantized_dtype)
    return narrow.astype(compute_dtype) * scale


def _followed(scale, history, dtype):
    largest = float(jnp.finfo(dtype).max)
    return compute_float8_scale(jnp.max(history), scale, largest).astype(scale.dtype)


# The gradients of scales and histories are their new values: variables that hold them are
# overwritten with their gradients.


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _number(x, scale, history, training):
    return quantize_and_dequantize(x, scale, _NUMBERS, x.dtype)


def _number_forward(x, scale, history, training):
    new = (scale, history)
    if training:
        new = _followed(scale, history, _NUMBERS), compute_float8_amax_history(x, history)
    return _number(x, scale, history, training), new


_number.defvjp(_number_forward, lambda training, new, change: (change, *new))


@jax.custom_vjp
def _with_gradient(x, scale, history):
    return x


def _gradient_backward(kept, change):
    scale, history = kept
    return (
        quantize_and_dequantize(change, scale, _GRADIENTS, change.dtype),
        _followed(scale, history, _GRADIENTS),
        compute_float8_amax_history(change, history),
    )


_with_gradient.defvjp(lambda x, scale, history: (x, (scale, history)), _gradient_backward)


def build(layer, policy) -> None:
    """Add scales and histories to a layer."""
    length = getattr(policy, "amax_history_length", 1024)
    for name in NAMES:
        is_scale = name.endswith("scale")
        variable = layer.add_weight(
            name=name,
            shape=() if is_scale else (length,),
            initializer="ones" if is_scale else "zeros",
            dtype="float32",
            autocast=False,
            overwrite_with_gradient=True,
        )
        setattr(layer, name, variable)


def multiply(layer, weight, inputs, kernel, training: bool):
    """Return the product of inputs and kernel, and note the largest numbers in training."""
    inputs_state, kernel_state, gradient_state = (
        (getattr(layer, f"{what}_scale").value, getattr(layer, f"{what}_amax_history").value)
        for what in ("inputs", "kernel", "outputs_grad")
    )
    inputs = _number(inputs, *inputs_state, training)
    kernel = _number(kernel, *kernel_state, training)
    return _with_gradient(einsum(weight.equation, inputs, kernel), *gradient_state)
