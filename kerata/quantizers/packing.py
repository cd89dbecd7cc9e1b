"""Two numbers of 4 bits in a byte."""

import jax.numpy as jnp

from kerata.engine.dtypes import as_array
from kerata.engine.errors import one_of
from kerata.engine.op import op


def pack_int4(arr, axis=0, dtype="int8"):
    """Put two neighbours into one byte each: the first into its lower half.

    Args:
        arr: tensor of `dtype` with integers in [-8, 7], or in [0, 15] if unsigned.
        axis: the axis along which neighbours are packed; an odd one is packed with 0.
        dtype: "int8" or "uint8".

    Returns:
        The packed tensor, its shape, and the length of the axis before.

    Raises:
        ValueError: if `dtype` is another one.
        TypeError: if `arr` is not of it.

    Example:
        >>> packed, shape, length = kerata.quantizers.pack_int4(np.array([1, 2, -1], "int8"))
        >>> packed, shape, length
        (Array([33, 15], dtype=int8), (2,), 3)
    """
    one_of("dtype", dtype, ("int8", "uint8"), "pack_int4()")
    arr = as_array(arr)
    if arr.dtype != dtype:
        raise TypeError(
            f"pack_int4() packs a tensor of the dtype {dtype!r}.\nReceived: dtype {arr.dtype}"
        )
    axis %= arr.ndim
    length = arr.shape[axis]
    widths = [(0, length % 2 if i == axis else 0) for i in range(arr.ndim)]
    nibbles = jnp.moveaxis(jnp.pad(arr, widths).astype("uint8") & 15, axis, 0)
    packed = jnp.moveaxis(nibbles[::2] | nibbles[1::2] << 4, 0, axis).astype(dtype)
    return packed, tuple(packed.shape), length


@op
def unpack_int4(packed, orig_len, axis=0, dtype="int8"):
    """Return what `pack_int4` packed.

    Args:
        packed: tensor of bytes.
        orig_len: the length of the axis before packing.
        axis: the axis along which neighbours were packed.
        dtype: "int8" for integers in [-8, 7], "uint8" for [0, 15].

    Raises:
        ValueError: if `dtype` is another one.
        TypeError: if `packed` does not consist of bytes.

    Example:
        >>> kerata.quantizers.unpack_int4(np.array([33, 15], "int8"), orig_len=3)
        Array([ 1,  2, -1], dtype=int8)
    """
    one_of("dtype", dtype, ("int8", "uint8"), "unpack_int4()")
    packed = as_array(packed)
    if packed.dtype not in ("int8", "uint8"):
        raise TypeError(
            f"unpack_int4() unpacks a tensor of int8 or uint8.\nReceived: dtype {packed.dtype}"
        )
    axis %= packed.ndim
    size = packed.shape
    bits = packed.astype("uint8")
    pairs = jnp.stack([bits & 15, bits >> 4], axis=axis + 1)
    values = pairs.reshape(*size[:axis], 2 * size[axis], *size[axis + 1 :])
    values = values[(slice(None),) * axis + (slice(orig_len),)]
    return (values ^ 8).astype("int8") - 8 if dtype == "int8" else values
