"""Layers that multiply by a matrix, and those that wrap a function or pass values through."""

import copy
import functools
import re

import jax.numpy as jnp

from kerata import activations, initializers, ops
from kerata.engine import tree
from kerata.engine.configurable import serialize
from kerata.engine.errors import argument_error
from kerata.engine.input_spec import InputSpec
from kerata.engine.symbolic import abstract_eval
from kerata.layers.adapting import Adaptable, effective_weight
from kerata.layers.arguments import keep_rules, known_dim, width
from kerata.layers.layer import Layer
from kerata.layers.stateless import Stateless


class Dense(Adaptable):
    """Applies `activation(inputs @ kernel + bias)` to the last axis.

    Args:
        units: width of the output.
        activation: name of a function, or a function; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel, `(width of the input, units)`.
        bias_initializer: initial value of the bias, `(units,)`.
        kernel_regularizer: penalty on the kernel, added to the loss.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        lora_rank: see `enable_lora`; None for no LoRA.
        lora_alpha: see `enable_lora`.
        quantization_config: how the layer is quantized when it is built, if its dtype policy says
            that it is: see `quantize`.
        **kwargs: `name`, `dtype`, `trainable`.

    Inputs are `(batch, ..., width)`, outputs `(batch, ..., units)`.

    Raises:
        ValueError: if `units` is not positive, or (when called) the width is not known.

    Example:
        >>> layer = kerata.layers.Dense(4, activation="relu")
        >>> layer(np.ones((2, 3))).shape
        (2, 4)
    """

    config_exclude = (*Layer.config_exclude, "lora_rank", "lora_alpha")
    quantization_modes = ("int8", "int4", "float8", "gptq", "awq")
    takes_sparse = True
    kernel = effective_weight("kernel")

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.keep_adapters(lora_rank, lora_alpha, quantization_config)
        self.units = width("units", units, self)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        keep_rules(self, locals())
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape):
        width = known_dim(input_shape, -1, self)
        self.add_adapted((width, self.units), "...a,ab->...b")
        self.bias = self.add_weight(name="bias", shape=(self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: width})

    def call(self, inputs):
        outputs = self.contract(inputs, ops.matmul)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


class EinsumDense(Adaptable):
    """Applies `activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: two operands and a result, such as `"abc,cd->abd"`; the first operand and the
            result may begin or end with an ellipsis: `"...x,xy->...y"`.
        output_shape: shape of the result without the batch axis (and without what an ellipsis
            stands for); None where the inputs decide. An integer, if it is one axis.
        activation: name of a function, or a function; None for none.
        bias_axes: letters of the result's axes that the bias has; None for no bias.
        kernel_initializer: initial value of the kernel.
        bias_initializer: initial value of the bias.
        kernel_regularizer: penalty on the kernel, added to the loss.
        bias_regularizer: penalty on the bias.
        kernel_constraint: what is applied to the kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        lora_rank: see `enable_lora`; None for no LoRA.
        lora_alpha: see `enable_lora`.
        gptq_unpacked_column_size: accepted for compatibility: it follows from the shapes.
        quantization_config: how the layer is quantized when it is built, if its dtype policy says
            that it is: see `quantize`.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer`.

    Raises:
        ValueError: if the equation cannot be read, or (when called) does not fit the inputs.

    Example:
        >>> layer = kerata.layers.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")
        >>> layer(np.ones((2, 5, 3))).shape
        (2, 5, 2, 4)
    """

    config_exclude = (*Layer.config_exclude, "lora_rank", "lora_alpha", "gptq_unpacked_column_size")
    quantization_modes = Dense.quantization_modes
    kernel = effective_weight("kernel")

    def __init__(
        self,
        equation,
        output_shape,
        activation=None,
        bias_axes=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        gptq_unpacked_column_size=None,
        quantization_config=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.keep_adapters(lora_rank, lora_alpha, quantization_config)
        self.equation = equation
        self._operands = _read_equation(equation, self)
        whole = isinstance(output_shape, int)
        self.partial_output_shape = (output_shape,) if whole else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        keep_rules(self, locals())

    @property
    def output_shape(self) -> tuple:
        """The shape of the result without the batch axis, as given."""
        return self.partial_output_shape

    def build(self, input_shape):
        kernel, bias, self.full_output_shape = self._shapes(tuple(input_shape))
        for shape, what in ((kernel, "kernel"), (bias or (), "bias")):
            if None in shape:
                raise ValueError(
                    f"EinsumDense {self.name!r} needs to know the sizes that its {what} has.\n"
                    f"Received: equation={self.equation!r}, output_shape={self.output_shape}, and "
                    f"an input of shape {tuple(input_shape)}: the {what} would be {shape}"
                )
        inputs, weights, result = self._operands
        # Without an ellipsis at the end, scales fit inputs with any number of leading axes.
        rank = len(input_shape) if inputs.endswith("...") else len(inputs.replace("...", ""))
        equation = f"{inputs},{weights}->{result}"
        initializer = self._initializer_for(weights, result)
        self.add_adapted(kernel, equation, None, initializer, rank=rank, zero_name="zero_point")
        self.bias = None if bias is None else self.add_weight(name="bias", shape=bias)

    def call(self, inputs):
        outputs = self.contract(inputs, functools.partial(ops.einsum, self.equation))
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)

    def _shapes(self, input_shape):
        """Return the shapes of kernel, bias (or None) and output."""
        inputs, weights, result = self._operands
        letters = result.replace("...", "")
        expected = self.partial_output_shape
        if not result.startswith("..."):  # then the first letter is the batch
            expected = (None, *expected)
        named = inputs.replace("...", "")
        elided = len(input_shape) - len(named)
        if elided < 0 or len(expected) < len(letters):
            raise self._misfit(
                f"{inputs!r} must describe the inputs, and {result!r} the output shape", input_shape
            )
        if named == inputs:
            self.input_spec = InputSpec(ndim=len(named))
        first = elided if inputs.startswith("...") else 0
        hidden = input_shape[:elided] if first else input_shape[len(named) :]
        known = input_shape[first : first + len(named)]
        sizes = dict(zip(named, known, strict=False))
        for letter, size in zip(letters, expected, strict=False):
            if letter not in named + weights:
                raise self._misfit(f"{letter!r} of the result must be in an operand", input_shape)
            if size is not None and sizes.get(letter) not in (None, size):
                raise self._misfit(
                    f"the size of {letter!r} must be {size}, as in output_shape", input_shape
                )
            sizes[letter] = sizes.get(letter) or size
        if missing := set(weights) - set(sizes):
            raise self._misfit(
                f"{min(missing)!r} of the kernel must be in the inputs or the result", input_shape
            )
        output = tuple(sizes[c] for c in letters)
        output = (*hidden, *output) if result.startswith("...") else (*output, *hidden)
        bias = self._bias_shape(letters, sizes, input_shape)
        if bias is not None and result.endswith("..."):
            bias += (1,) * elided
        return tuple(sizes[c] for c in weights), bias, output

    def _bias_shape(self, letters, sizes, input_shape):
        if self.bias_axes is None:
            return None
        if missing := [c for c in self.bias_axes if c not in letters]:
            raise self._misfit(f"{missing[0]!r} in bias_axes must be in the result", input_shape)
        first = min((letters.index(c) for c in self.bias_axes), default=len(letters))
        return tuple(sizes[c] if c in self.bias_axes else 1 for c in letters[first:])

    def _initializer_for(self, weights, result):
        """Return the kernel's initializer; one that scales is told which axes are summed over."""
        given = self.kernel_initializer
        scales = isinstance(given, initializers.VarianceScaling)
        if not scales or None not in (given.input_axes, given.output_axes):
            return given
        told = copy.copy(given)
        told.input_axes = tuple(i for i, c in enumerate(weights) if c not in result)
        told.output_axes = tuple(i for i, c in enumerate(weights) if c in result)
        return told

    def _misfit(self, must, input_shape):
        return ValueError(
            f"EinsumDense {self.name!r}: {must}.\n"
            f"Received: equation={self.equation!r}, output_shape={self.partial_output_shape}, "
            f"bias_axes={self.bias_axes!r}, and an input of shape {input_shape}"
        )


def _read_equation(equation, layer) -> tuple[str, str, str]:
    """Return the letters of inputs, kernel and result."""
    dots = r"(?:\.\.\.)?"
    pattern = rf"({dots}[a-zA-Z]+{dots}),([a-zA-Z]+)->({dots}[a-zA-Z]+{dots})"
    match = re.fullmatch(pattern, re.sub(r"\s", "", equation)) if equation else None
    inputs, weights, result = match.groups() if match else ("", "", "")
    ends = [(s[:3] == "...", s[-3:] == "...") for s in (inputs, result)]
    if not match or ends[0] != ends[1] or all(ends[0]):
        must = "be like 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...'"
        raise argument_error("equation", must, equation, layer)
    return inputs, weights, result


class Identity(Stateless):
    """Returns its inputs, a tensor or a structure of tensors, as they are.

    Example:
        >>> kerata.layers.Identity()([np.ones(2), np.zeros(2)])
        [Array([1., 1.], dtype=float32), Array([0., 0.], dtype=float32)]
    """

    takes_sparse = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return inputs


class Masking(Stateless):
    """Masks the time steps whose features all equal `mask_value`, and sets them to zero.

    Args:
        mask_value: the number, or one number for each feature.
        **kwargs: `name`, `dtype`, `trainable`.

    Inputs and outputs are `(batch, time, features)`.

    Example:
        >>> layer = kerata.layers.Masking()
        >>> layer.compute_mask(np.array([[[0.0, 0.0], [0.0, 1.0]]]))
        Array([[False,  True]], dtype=bool)
    """

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs):
        kept = jnp.any(inputs != jnp.asarray(self.mask_value), axis=-1, keepdims=True)
        return jnp.where(kept, inputs, 0)


class Lambda(Layer):
    """Applies a function.

    A function that is to be saved needs a name: define it with `def` and register it with
    `kerata.saving.register_keras_serializable`. Code is never written into a file.

    Args:
        function: function of the inputs (and of `mask` and `training`, if it has such parameters).
        output_shape: shape of the output without the batch axis, or a function from the input
            shape to the output shape; found by evaluating `function` abstractly if None.
        mask: function `(inputs, mask)` that returns the output's mask, or the mask itself.
        arguments: dict of further keyword arguments for `function`.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        TypeError: if `function` is not callable.

    Example:
        >>> kerata.layers.Lambda(lambda x: x**2)(np.array([1.0, 3.0]))
        Array([1., 9.], dtype=float32)
    """

    takes_sparse = True

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        if not callable(function):
            raise argument_error("function", "be callable", function, self, TypeError)
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        self._output_shape = output_shape
        self.supports_masking = mask is not None

    @functools.cached_property
    def _takes(self) -> frozenset:
        import inspect

        try:
            names = frozenset(inspect.signature(self.function).parameters)
        except (TypeError, ValueError):  # a builtin without a signature
            names = frozenset()
        return names & {"mask", "training"}

    def get_config(self) -> dict:
        config = {"function": self.function, "arguments": self.arguments}
        optional = {"output_shape": self._output_shape, "mask": self.mask}
        config |= {name: value for name, value in optional.items() if value is not None}
        return {
            **super().get_config(),
            **{name: self._config_value(name, value) for name, value in config.items()},
        }

    def _config_value(self, name, value):
        try:
            return serialize(value)
        except TypeError as error:
            raise NotImplementedError(
                f"Lambda {self.name!r} cannot be written into a config: {error}"
            ) from None

    def compute_output_shape(self, input_shape):
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        first = input_shape
        while not tree.is_shape(first):  # there are several inputs
            first = next(iter(first.values() if isinstance(first, dict) else first))
        return tree.map_shape_structure(lambda s: (first[0], *s), self._output_shape)

    def compute_output_spec(self, *args, **kwargs):
        if self._output_shape is None:
            return abstract_eval(self._call_as_configured, args, kwargs)
        return super().compute_output_spec(*args, **kwargs)

    def compute_mask(self, inputs, mask=None):
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def call(self, inputs, mask=None, training=None):
        extra = {"mask": mask, "training": training}
        taken = {name: extra[name] for name in self._takes}
        return self.function(inputs, **{**taken, **self.arguments})
