"""EfficientNet: depth, width and resolution scaled together."""

import math

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import (
    STDDEV,
    decode_predictions as decode_predictions,
    for_mode,
)
from kerata.applications.mobile_blocks import add_with_dropout, depthwise, divisible, excite
from kerata.initializers import VarianceScaling

# Of each stage: size of the kernels, blocks, filters, expansion, stride.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)


def conv_initializer():
    """Return the initializer of the convolutions."""
    return VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def dense_initializer():
    """Return the initializer of the classifier."""
    return VarianceScaling(1 / 3, mode="fan_out", distribution="uniform")


def _efficientnet(
    key,
    width,
    depth,
    size,
    dropout,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="efficientnet",
):
    """of a family of networks that are scaled in depth, width and resolution together.

    Source: M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
    Networks", https://arxiv.org/abs/1905.11946
    """
    frame = Frame(locals(), size)
    x = layers.Rescaling(1 / 255)(frame.images)
    x = layers.Normalization(axis=frame.axis)(x)
    if frame.imagenet:
        # The published weights were trained with variances that were meant to be deviations.
        x = layers.Rescaling([1 / math.sqrt(s) for s in STDDEV])(x)
    x = layers.ZeroPadding2D(frame.corrected_padding(x, 3), name="stem_conv_pad")(x)
    x = convolve(x, divisible(32 * width), "stem_conv", size=3, strides=2, padding="valid")
    x = normalized(frame, x, "stem_")
    counts = [math.ceil(depth * stage[1]) for stage in _STAGES]
    made = 0
    for number, (count, (kernel, _, filters, expansion, stride)) in enumerate(zip(counts, _STAGES)):
        for i in range(count):
            x = _block(
                frame,
                x,
                divisible(filters * width),
                kernel,
                1 if i else stride,
                expansion,
                0.2 * made / sum(counts),
                f"block{number + 1}{chr(ord('a') + i)}_",
            )
            made += 1
    x = convolve(x, divisible(1280 * width), "top_conv")
    x = normalized(frame, x, "top_")
    x = frame.classify(x, dropout=dropout, kernel_initializer=dense_initializer())
    return frame.model(x, key)


def convolve(x, filters: int, name: str, size: int = 1, **options):
    """Convolve, without a bias."""
    options = {"padding": "same", "use_bias": False, **options}
    return layers.Conv2D(
        filters, size, kernel_initializer=conv_initializer(), name=name, **options
    )(x)


def normalized(frame, x, name: str, **options):
    """Normalize and activate."""
    x = frame.normalize(x, f"{name}bn", **options)
    return layers.Activation("swish", name=f"{name}activation")(x)


def _block(frame, inputs, filters, kernel, stride, expansion, rate, name):
    """Widen, convolve each channel alone, weight the channels, narrow, and add."""
    x, channels = inputs, inputs.shape[frame.axis]
    if expansion != 1:
        x = convolve(x, channels * expansion, f"{name}expand_conv")
        x = normalized(frame, x, f"{name}expand_")
    options = {"depthwise_initializer": conv_initializer()}
    x = depthwise(frame, x, kernel, stride, f"{name}dwconv", f"{name}dwconv_pad", **options)
    x = normalized(frame, x, name)
    reduced = max(1, channels // 4)
    x = excite(frame, x, reduced, "swish", name, kernel_initializer=conv_initializer())
    x = convolve(x, filters, f"{name}project_conv")
    x = frame.normalize(x, f"{name}project_bn")
    if stride == 1 and channels == filters:
        x = add_with_dropout(x, inputs, rate, name)
    return x


EfficientNetB0 = variant(_efficientnet, "EfficientNetB0", 1.0, 1.0, 224, 0.2)
EfficientNetB1 = variant(_efficientnet, "EfficientNetB1", 1.0, 1.1, 240, 0.2)
EfficientNetB2 = variant(_efficientnet, "EfficientNetB2", 1.1, 1.2, 260, 0.3)
EfficientNetB3 = variant(_efficientnet, "EfficientNetB3", 1.2, 1.4, 300, 0.3)
EfficientNetB4 = variant(_efficientnet, "EfficientNetB4", 1.4, 1.8, 380, 0.4)
EfficientNetB5 = variant(_efficientnet, "EfficientNetB5", 1.6, 2.2, 456, 0.4)
EfficientNetB6 = variant(_efficientnet, "EfficientNetB6", 1.8, 2.6, 528, 0.5)
EfficientNetB7 = variant(_efficientnet, "EfficientNetB7", 2.0, 3.1, 600, 0.5)
preprocess_input = for_mode(None, __name__)
