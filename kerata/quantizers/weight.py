"""What quantization and adapters need to know of a layer's weight."""

import math
import string
from typing import NamedTuple

import jax.numpy as jnp


class Weight(NamedTuple):
    """A weight that a layer multiplies its inputs by, or looks rows up in.

    Attributes:
        name: name of the variable: "kernel". What belongs to it is called `NAME_scale`, ….
        shape: its shape, not quantized.
        equation: the einsum of inputs and weight; "" where there is none.
        rank: number of axes of the inputs for which scales are laid out.
        group_axis: the axis of the matrix (see `matrix`) along which weights share scales.
        pack_axis: the axis of the matrix along which two weights share a byte.
        attribute: the layer's attribute that holds it.
        zero_name: name of the variable with zero points, where a method calibrates.
    """

    name: str
    shape: tuple
    equation: str = ""
    rank: int = 1
    group_axis: int = 0
    pack_axis: int = -1
    attribute: str = "_kernel"
    zero_name: str = "kernel_zero"

    def letters(self, rank: int) -> tuple[str, str, str]:
        """Return the letters of inputs of a rank, of the weight and of the outputs."""
        inputs, _, rest = self.equation.partition(",")
        elided = rank - len(inputs.replace("...", ""))
        free = [c for c in string.ascii_letters if c not in self.equation]
        filled = self.equation.replace("...", "".join(free[:elided]))
        inputs, _, rest = filled.partition(",")
        weight, _, outputs = rest.partition("->")
        return inputs, weight, outputs

    @property
    def reduced(self) -> tuple[int, ...]:
        """The axes that are summed over."""
        _, weight, outputs = self.letters(self.rank)
        return tuple(i for i, c in enumerate(weight) if c not in outputs)

    @property
    def matrix(self) -> tuple[int, int]:
        """The shape of the matrix that 4 bits are packed in: (summed over, kept)."""
        inner = math.prod(self.shape[i] for i in self.reduced)
        outer = math.prod(self.shape) // inner
        return (inner, outer) if self.group_axis == 0 else (outer, inner)

    @property
    def split(self) -> tuple[int, int]:
        """The shape of the matrix that methods which calibrate see: (inputs, outputs).

        In three axes the longest one is that of the model's width, and stands alone.

        Raises:
            ValueError: if there are more axes, or one.
        """
        if len(self.shape) not in (2, 3):
            raise ValueError(
                "GPTQ and AWQ take kernels of two or three axes.\n"
                f"Received: a kernel of shape {self.shape}, of the equation {self.equation!r}"
            )
        first = len(self.shape) == 2 or self.shape.index(max(self.shape)) == 0
        inputs = self.shape[0] if first else math.prod(self.shape[:2])
        return inputs, math.prod(self.shape) // inputs


def relayout(x, source: str, target: str):
    """Return `x`, whose axes are called `source`, with the axes `target`.

    Axes that are not in `target` have size 1, and so do those that are not in `source`.
    """
    kept = "".join(c for c in target if c in source)
    x = jnp.einsum(f"{source}->{kept}", x)
    return jnp.expand_dims(x, [i for i, c in enumerate(target) if c not in source])


def einsum(equation: str, inputs, weight):
    """Return an einsum; products of 8-bit integers are added up in 32 bits."""
    integers = inputs.dtype == weight.dtype == jnp.int8
    wide = jnp.int32 if integers else None
    return jnp.einsum(equation, inputs, weight, preferred_element_type=wide)
