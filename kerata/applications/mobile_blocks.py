"""Blocks that mobile and efficient networks share: inverted residuals, squeeze and excitation."""

from kerata import layers


def divisible(value: float, divisor: int = 8) -> int:
    """Return the multiple of `divisor` nearest to `value`, but no less than 90 % of it.

    Example:
        >>> from kerata.applications.mobile_blocks import divisible
        >>> divisible(20), divisible(18.0)
        (24, 24)
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def depthwise(frame, x, size: int, stride: int, name: str, pad: str, **options):
    """Convolve each channel alone; a stride of 2 is padded as TensorFlow's models are."""
    if stride == 2:
        x = layers.ZeroPadding2D(frame.corrected_padding(x, size), name=pad)(x)
    padding = "valid" if stride == 2 else "same"
    return layers.DepthwiseConv2D(
        size, strides=stride, padding=padding, use_bias=False, name=name, **options
    )(x)


def excite(frame, x, reduced: int, activation, name: str, **options):
    """Scale each channel by a weight that is computed from the means of all channels.

    Args:
        frame: the model's frame.
        x: feature maps.
        reduced: number of units between means and weights.
        activation: activation of those units.
        name: beginning of the layers' names.
        **options: arguments of the convolutions.
    """
    channels = x.shape[frame.axis]
    shape = (channels, 1, 1) if frame.axis == 1 else (1, 1, channels)
    means = layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    means = layers.Reshape(shape, name=f"{name}se_reshape")(means)
    options = {"padding": "same", **options}
    units = layers.Conv2D(reduced, 1, activation=activation, name=f"{name}se_reduce", **options)
    scale = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}se_expand", **options)
    return layers.Multiply(name=f"{name}se_excite")([x, scale(units(means))])


def add_with_dropout(x, skipped, rate: float, name: str):
    """Add a block's input to its output, which is left out for a share of the samples."""
    if rate > 0:
        x = layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return layers.Add(name=f"{name}add")([x, skipped])
