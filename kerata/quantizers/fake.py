"""Quantization in floats, to train a network for what quantization will do to it."""

import jax
import jax.numpy as jnp

from kerata.engine.dtypes import as_array
from kerata.engine.op import op


@op
def fake_quant_with_min_max_vars(
    inputs, min_vals, max_vals, num_bits=8, narrow_range=False, axis=None
):
    """Round to the floats that integers of a few bits could stand for.

    The range is moved a little, so that 0 is among them. Values outside are clipped, and pass
    their gradient to the limit that clipped them: the limits can be trained.

    Args:
        inputs: tensor of floats.
        min_vals: lower limit, a scalar, or one number for each element of `axis`.
        max_vals: upper limit, likewise.
        num_bits: number of bits.
        narrow_range: whether to leave out the lowest integer.
        axis: the axis along which limits differ; None for one pair.

    Returns:
        A tensor of the shape and dtype of `inputs`.

    Example:
        >>> x = np.array([-4.0, 0.3, 2.0], "float32")
        >>> kerata.quantizers.fake_quant_with_min_max_vars(x, -1.0, 1.0, num_bits=2)
        Array([-1.3333334,  0.       ,  0.6666667], dtype=float32)
    """
    x = as_array(inputs)
    limits = []
    for limit in (min_vals, max_vals):
        limit = as_array(limit)
        limit = limit.astype(jnp.promote_types(limit.dtype, "float32"))
        if axis is not None and limit.size > 1:
            limit = limit.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
        # Whole, so that the gradient of an element is that of one number.
        limits.append(jnp.broadcast_to(limit.reshape(()) if limit.size == 1 else limit, x.shape))
    return _rounded(int(num_bits), bool(narrow_range))(x, *limits)


def _rounded(bits: int, narrow: bool):
    lowest, highest = int(narrow), 2**bits - 1

    def nudged(low, high):
        scale = (high - low) / (highest - lowest)
        zero = jnp.round(jnp.clip(lowest - low / scale, lowest, highest))
        return (lowest - zero) * scale, (highest - zero) * scale, scale

    @jax.custom_vjp
    def run(x, low, high):
        steps = (highest - lowest) / (high - low)
        low, high, scale = nudged(low, high)
        zero = jnp.floor(-low * steps + 0.5)
        places = (jnp.clip(x.astype(low.dtype), low, high) - low) * steps
        return (jnp.floor(places - zero + 0.5) * scale).astype(x.dtype)

    def forward(x, low, high):
        return run(x, low, high), (x, low, high)

    def backward(kept, change):
        x, low, high = kept
        bottom, top, _ = nudged(low, high)
        inside = (bottom <= x) & (x <= top)
        below, above = x <= bottom, x >= top
        return (
            jnp.where(inside, change, 0),
            jnp.where(below, change, 0).astype(low.dtype),
            jnp.where(above, change, 0).astype(high.dtype),
        )

    run.defvjp(forward, backward)
    return run
