"""EfficientNet, second version: smaller, and faster to train."""

import math

from kerata import layers
from kerata.applications.efficientnet import (
    conv_initializer,
    convolve,
    dense_initializer,
    normalized,
)
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import (
    MEAN,
    STDDEV,
    decode_predictions as decode_predictions,
    for_mode,
)
from kerata.applications.mobile_blocks import add_with_dropout, excite

# Of each stage: blocks, filters, expansion, stride. The first three stages have fused blocks.
_BASE = (
    (1, 16, 1, 1),
    (2, 32, 4, 2),
    (2, 48, 4, 2),
    (3, 96, 4, 2),
    (5, 112, 6, 1),
    (8, 192, 6, 2),
)
_SMALL = (
    (2, 24, 1, 1),
    (4, 48, 4, 2),
    (4, 64, 4, 2),
    (6, 128, 4, 2),
    (9, 160, 6, 1),
    (15, 256, 6, 2),
)
_MEDIUM = (
    (3, 24, 1, 1),
    (5, 48, 4, 2),
    (5, 80, 4, 2),
    (7, 160, 4, 2),
    (14, 176, 6, 1),
    (18, 304, 6, 2),
    (5, 512, 6, 1),
)
_LARGE = (
    (4, 32, 1, 1),
    (7, 64, 4, 2),
    (7, 96, 4, 2),
    (10, 192, 4, 2),
    (19, 224, 6, 1),
    (25, 384, 6, 2),
    (7, 640, 6, 1),
)


def _efficientnet_v2(
    key,
    stages,
    stem,
    width,
    depth,
    size,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="efficientnetv2",
):
    """of a family of networks that were searched for accuracy and speed of training.

    Args:
        include_preprocessing: whether the model brings pixels from 0 to 255 into their range.

    Source: M. Tan and Q. Le, "EfficientNetV2: Smaller Models and Faster Training",
    https://arxiv.org/abs/2104.00298
    """
    frame = Frame(locals(), size)
    x = frame.images
    if include_preprocessing:
        x = _scaled(frame, x, stages is _BASE)
    x = convolve(x, _rounded(stem * width), "stem_conv", size=3, strides=2)
    x = normalized(frame, x, "stem_", momentum=0.9)
    counts = [math.ceil(depth * stage[0]) for stage in stages]
    made = 0
    for number, (count, (_, filters, expansion, stride)) in enumerate(zip(counts, stages)):
        for i in range(count):
            x = _block(
                frame,
                x,
                _rounded(filters * width),
                1 if i else stride,
                expansion,
                number < 3,
                0.2 * made / sum(stage[0] for stage in stages),
                f"block{number + 1}{chr(ord('a') + i)}_",
            )
            made += 1
    x = convolve(x, _rounded(1280 * width), "top_conv")
    x = normalized(frame, x, "top_", momentum=0.9)
    x = frame.classify(x, dropout=0.2, kernel_initializer=dense_initializer())
    return frame.model(x, key)


def _scaled(frame, x, base: bool):
    """Bring pixels into the range that the weights were trained with."""
    if not base or frame.channels != 3:
        return layers.Rescaling(1 / 128, offset=-1)(x)
    x = layers.Rescaling(1 / 255)(x)
    return layers.Normalization(mean=MEAN, variance=[s**2 for s in STDDEV], axis=frame.axis)(x)


def _rounded(filters: float) -> int:
    """Return the nearest multiple of 8."""
    return max(8, int(filters + 4) // 8 * 8)


def _block(frame, inputs, filters, stride, expansion, fused, rate, name):
    """Widen, weight the channels, narrow, and add.

    In a fused block the first convolution sees neighbours and all channels at once.
    """
    x, channels = inputs, inputs.shape[frame.axis]
    wide = channels * expansion
    if expansion != 1:
        options = {"size": 3, "strides": stride} if fused else {}
        x = convolve(x, wide, f"{name}expand_conv", **options)
        x = normalized(frame, x, f"{name}expand_", momentum=0.9)
    if not fused:
        x = layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_initializer=conv_initializer(),
            name=f"{name}dwconv2",
        )(x)
        x = normalized(frame, x, name, momentum=0.9)
        reduced = max(1, channels // 4)
        x = excite(frame, x, reduced, "swish", name, kernel_initializer=conv_initializer())
    options = {"size": 3, "strides": stride} if fused and expansion == 1 else {}
    x = convolve(x, filters, f"{name}project_conv", **options)
    x = frame.normalize(x, f"{name}project_bn", momentum=0.9)
    if fused and expansion == 1:
        x = layers.Activation("swish", name=f"{name}project_activation")(x)
    if stride == 1 and channels == filters:
        x = add_with_dropout(x, inputs, rate, name)
    return x


def _variant(size: str, *fixed):
    return variant(
        _efficientnet_v2, f"EfficientNetV2{size}", *fixed, name=f"efficientnetv2-{size.lower()}"
    )


EfficientNetV2B0 = _variant("B0", _BASE, 32, 1.0, 1.0, 224)
EfficientNetV2B1 = _variant("B1", _BASE, 32, 1.0, 1.1, 240)
EfficientNetV2B2 = _variant("B2", _BASE, 32, 1.1, 1.2, 260)
EfficientNetV2B3 = _variant("B3", _BASE, 32, 1.2, 1.4, 300)
EfficientNetV2S = _variant("S", _SMALL, 24, 1.0, 1.0, 384)
EfficientNetV2M = _variant("M", _MEDIUM, 24, 1.0, 1.0, 480)
EfficientNetV2L = _variant("L", _LARGE, 32, 1.0, 1.0, 480)
preprocess_input = for_mode(None, __name__)
