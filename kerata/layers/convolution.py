"""Convolutions: full, depthwise and separable.

Padding is "valid" (none) or "same" (as many outputs as strides fit; the odd place comes after),
and for `Conv1D` also "causal" (all of it before: no output sees the future).
"""

from kerata import activations, ops
from kerata.engine.errors import argument_error, int_tuple, positive_int
from kerata.engine.input_spec import InputSpec
from kerata.layers.adapting import Adaptable, effective_weight
from kerata.layers.arguments import keep_rules, known_dim, padding_name
from kerata.layers.spatial import SpatialLayer


class _Convolution(SpatialLayer):
    """What all convolutions share.

    Args:
        arguments: `locals()` of the subclass's `__init__`: every convolution has these names.
    """

    per_axis = ("strides", "dilation_rate")
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(self, arguments):
        super().__init__(
            arguments["data_format"],
            activity_regularizer=arguments["activity_regularizer"],
            **arguments["kwargs"],
        )
        for name in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, name, int_tuple(name, arguments[name], self.rank, self))
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: `strides` and `dilation_rate` cannot both "
                f"be above 1.\nReceived: strides={self.strides}, "
                f"dilation_rate={self.dilation_rate}"
            )
        self.padding = padding_name(arguments["padding"], self, self.paddings)
        for name in ("filters", "groups", "depth_multiplier"):
            if name in arguments:
                setattr(self, name, positive_int(name, arguments[name], self))
        self.activation = activations.get(arguments["activation"])
        self.use_bias = arguments["use_bias"]
        keep_rules(self, arguments)
        self.input_spec = InputSpec(min_ndim=self.rank + 2)

    def channels_of(self, input_shape) -> int:
        """Return the number of channels of the inputs, which stays fixed from now on."""
        channels = known_dim(input_shape, self.channel_axis, self)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self.channel_axis: channels})
        return channels

    def add_kernel(self, name: str, shape, rules: str):
        """Make a kernel whose initializer, regularizer and constraint are called `RULES_…`."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=getattr(self, f"{rules}_initializer"),
            regularizer=getattr(self, f"{rules}_regularizer"),
            constraint=getattr(self, f"{rules}_constraint"),
        )

    def add_bias(self, size: int):
        """Make the bias of `size` output channels, or return None if there is none."""
        return self.add_weight(name="bias", shape=(size,)) if self.use_bias else None

    def call(self, inputs):
        if self.padding == "valid":
            self.check_fits(inputs, self.kernel_size, self.dilation_rate)
        outputs = self.convolve(inputs)
        if self.bias is not None:
            shape = [1] * outputs.ndim
            shape[self.channel_axis] = -1
            outputs = outputs + ops.reshape(self.bias, shape)
        return outputs if self.activation is None else self.activation(outputs)

    def convolve(self, inputs):
        """Return the convolution, without bias and activation."""
        raise NotImplementedError(f"{type(self).__name__} must have a `convolve` method.")

    @property
    def options(self) -> dict:
        """The keyword arguments that the convolutions in `kerata.ops` share."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }


class _Conv(_Convolution, Adaptable):
    """Base of `Conv1D`, `Conv2D` and `Conv3D`."""

    kernel = effective_weight("kernel")

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        adapters = {name: kwargs.pop(name, None) for name in ("lora_rank", "lora_alpha")}
        super().__init__(locals())
        self.keep_adapters(**adapters)
        if self.filters % self.groups:
            must = f"divide the number of filters, {self.filters}"
            raise argument_error("groups", must, groups, self)

    def build(self, input_shape):
        channels = self.channels_of(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: `groups` must divide the number of input "
                f"channels.\nReceived: groups={self.groups}, and an input of shape "
                f"{tuple(input_shape)}, with {channels} channels"
            )
        self.add_adapted((*self.kernel_size, channels // self.groups, self.filters))
        self.bias = self.add_bias(self.filters)

    def convolve(self, inputs):
        return ops.conv(inputs, self.kernel, **self.options)


class Conv1D(_Conv):
    """Convolution over time, `(batch, time, channels)`.

    Args:
        filters: number of output channels.
        kernel_size: length of the window.
        strides: steps between windows.
        padding: "valid", "same" or "causal".
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        dilation_rate: distance between the places of a window.
        groups: into how many groups channels and filters are divided, each convolved alone.
        activation: name of a function, or a function; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel, `(*kernel_size, channels / groups,
            filters)`.
        bias_initializer: initial value of the bias, `(filters,)`.
        kernel_regularizer: penalty on the kernel, added to the loss.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if an argument is out of range, or (when called) the inputs do not fit.

    Example:
        >>> layer = kerata.layers.Conv1D(4, 3, padding="causal", activation="relu")
        >>> layer(np.ones((2, 10, 8))).shape
        (2, 10, 4)
    """

    rank = 1
    paddings = ("valid", "same", "causal")

    def convolve(self, inputs):
        if self.padding != "causal":
            return super().convolve(inputs)
        reach = (self.kernel_size[0] - 1) * self.dilation_rate[0]
        widths = [(0, 0)] * inputs.ndim
        widths[self.spatial_axes[0]] = (reach, 0)
        padded = ops.pad(inputs, widths)
        return ops.conv(padded, self.kernel, **{**self.options, "padding": "valid"})


class Conv2D(_Conv):
    """Convolution over images, `(batch, rows, columns, channels)`.

    Arguments are those of `Conv1D`; one number may stand for both axes. Padding is "valid" or
    "same".

    Example:
        >>> layer = kerata.layers.Conv2D(4, 3, strides=2, padding="same")
        >>> layer(np.ones((2, 10, 10, 3))).shape
        (2, 5, 5, 4)
    """

    rank = 2


class Conv3D(_Conv):
    """Convolution over volumes, `(batch, *three spatial axes, channels)`.

    Arguments are those of `Conv1D`; one number may stand for all axes. Padding is "valid" or
    "same".
    """

    rank = 3


class _ConvTranspose(_Convolution):
    """Base of the transposed convolutions."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        output_padding=None,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(locals())
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = int_tuple(
                "output_padding", output_padding, self.rank, self, allow_zero=True
            )
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                must = f"be less than the strides, {self.strides}, in each axis"
                raise argument_error("output_padding", must, output_padding, self)

    def build(self, input_shape):
        shape = (*self.kernel_size, self.filters, self.channels_of(input_shape))
        self.kernel = self.add_kernel("kernel", shape, "kernel")
        self.bias = self.add_bias(self.filters)

    def check_fits(self, inputs, window, dilation_rate=None):
        """Accept any size: the output is larger than the input."""

    def convolve(self, inputs):
        return ops.conv_transpose(
            inputs, self.kernel, output_padding=self.output_padding, **self.options
        )


class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution over time: the gradient of `Conv1D` as a layer of its own.

    Args:
        filters: number of output channels.
        kernel_size: length of the window.
        strides: how far apart the windows of neighbouring inputs are; the output is about as many
            times longer.
        padding: "valid" or "same".
        output_padding: steps to add at the end, less than `strides`; chosen to fit if None.
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        dilation_rate: distance between the places of a window.
        activation: name of a function, or a function; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initial value of the kernel, `(*kernel_size, filters, channels)`.
        bias_initializer: initial value of the bias, `(filters,)`.
        kernel_regularizer: penalty on the kernel, added to the loss.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        kernel_constraint: what is applied to the kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if an argument is out of range, or (when called) the inputs do not fit.

    Example:
        >>> layer = kerata.layers.Conv1DTranspose(4, 3, strides=2, padding="same")
        >>> layer(np.ones((2, 10, 8))).shape
        (2, 20, 4)
    """

    rank = 1


class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution over images, `(batch, rows, columns, channels)`.

    Arguments are those of `Conv1DTranspose`; one number may stand for both axes.

    Example:
        >>> layer = kerata.layers.Conv2DTranspose(4, 3, strides=2, padding="same")
        >>> layer(np.ones((2, 5, 5, 8))).shape
        (2, 10, 10, 4)
    """

    rank = 2


class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over volumes, `(batch, *three spatial axes, channels)`.

    Arguments are those of `Conv1DTranspose`, but `data_format` comes before `output_padding`, as
    in Keras; one number may stand for all axes.
    """

    rank = 3

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1, 1),
        padding="valid",
        data_format=None,
        output_padding=None,
        dilation_rate=(1, 1, 1),
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        given = {k: v for k, v in locals().items() if k not in ("self", "__class__", "kwargs")}
        super().__init__(**given, **kwargs)


class _DepthwiseConv(_Convolution):
    """Base of the depthwise convolutions."""

    def __init__(
        self,
        kernel_size,
        strides=1,
        padding="valid",
        depth_multiplier=1,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(locals())

    def build(self, input_shape):
        channels = self.channels_of(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_kernel("kernel", shape, "depthwise")
        self.bias = self.add_bias(channels * self.depth_multiplier)

    def convolve(self, inputs):
        return ops.depthwise_conv(inputs, self.kernel, **self.options)


class DepthwiseConv1D(_DepthwiseConv):
    """Convolution over time of each channel alone.

    Args:
        kernel_size: length of the window.
        strides: steps between windows.
        padding: "valid" or "same".
        depth_multiplier: output channels for each input channel.
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        dilation_rate: distance between the places of a window.
        activation: name of a function, or a function; None for none.
        use_bias: whether to add a bias.
        depthwise_initializer: initial value of the kernel, `(*kernel_size, channels,
            depth_multiplier)`.
        bias_initializer: initial value of the bias, `(channels * depth_multiplier,)`.
        depthwise_regularizer: penalty on the kernel, added to the loss.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        depthwise_constraint: what is applied to the kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if an argument is out of range, or (when called) the inputs do not fit.

    Example:
        >>> kerata.layers.DepthwiseConv1D(3, depth_multiplier=2)(np.ones((2, 10, 8))).shape
        (2, 8, 16)
    """

    rank = 1


class DepthwiseConv2D(_DepthwiseConv):
    """Convolution over images of each channel alone.

    Arguments are those of `DepthwiseConv1D`; one number may stand for both axes.

    Example:
        >>> kerata.layers.DepthwiseConv2D(3, padding="same")(np.ones((2, 6, 6, 8))).shape
        (2, 6, 6, 8)
    """

    rank = 2


class _SeparableConv(_Convolution):
    """Base of the separable convolutions."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        depth_multiplier=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        pointwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        pointwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(locals())

    def build(self, input_shape):
        channels = self.channels_of(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self.add_kernel("depthwise_kernel", shape, "depthwise")
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self.add_kernel("pointwise_kernel", shape, "pointwise")
        self.bias = self.add_bias(self.filters)

    def convolve(self, inputs):
        return ops.separable_conv(
            inputs, self.depthwise_kernel, self.pointwise_kernel, **self.options
        )


class SeparableConv1D(_SeparableConv):
    """Depthwise convolution over time, followed by a mixing of the channels.

    Args:
        filters: number of output channels.
        kernel_size: length of the window.
        strides: steps between windows.
        padding: "valid" or "same".
        data_format: "channels_last", or "channels_first" for `(batch, channels, time)`; the global
            setting if None.
        dilation_rate: distance between the places of a window.
        depth_multiplier: channels that the first step makes of each input channel.
        activation: name of a function, or a function; None for none.
        use_bias: whether to add a bias.
        depthwise_initializer: initial value of the first kernel, `(*kernel_size, channels,
            depth_multiplier)`.
        pointwise_initializer: initial value of the second kernel, `(1, ..., channels *
            depth_multiplier, filters)`.
        bias_initializer: initial value of the bias, `(filters,)`.
        depthwise_regularizer: penalty on the first kernel, added to the loss.
        pointwise_regularizer: penalty on the second kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output.
        depthwise_constraint: what is applied to the first kernel after each update.
        pointwise_constraint: what is applied to the second kernel after each update.
        bias_constraint: what is applied to the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if an argument is out of range, or (when called) the inputs do not fit.

    Example:
        >>> kerata.layers.SeparableConv1D(4, 3)(np.ones((2, 10, 8))).shape
        (2, 8, 4)
    """

    rank = 1


class SeparableConv2D(_SeparableConv):
    """Depthwise convolution over images, followed by a mixing of the channels (Chollet, 2017).

    Arguments are those of `SeparableConv1D`; one number may stand for both axes.

    Example:
        >>> kerata.layers.SeparableConv2D(4, 3, padding="same")(np.ones((2, 6, 6, 8))).shape
        (2, 6, 6, 4)
    """

    rank = 2
