"""MobileNet, third version: searched for, with squeeze and excitation."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode
from kerata.applications.mobile_blocks import depthwise, divisible
from kerata.engine.errors import one_of

# Of each block: expansion, filters, size of the kernels, stride, whether channels are weighted,
# whether the activation is "hard_swish" (else "relu"). The minimalistic models have kernels of
# size 3, no weighting, and "relu".
_SMALL = (
    (1, 16, 3, 2, True, False),
    (72 / 16, 24, 3, 2, False, False),
    (88 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    (6, 40, 5, 1, True, True),
    (6, 40, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (6, 96, 5, 2, True, True),
    (6, 96, 5, 1, True, True),
    (6, 96, 5, 1, True, True),
)
_LARGE = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    (3, 40, 5, 1, True, False),
    (3, 40, 5, 1, True, False),
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (6, 112, 3, 1, True, True),
    (6, 112, 3, 1, True, True),
    (6, 160, 5, 2, True, True),
    (6, 160, 5, 1, True, True),
    (6, 160, 5, 1, True, True),
)


def _mobilenet_v3(
    key,
    kind,
    blocks,
    units,
    /,
    input_shape=None,
    alpha=1.0,
    minimalistic=False,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    classes=1000,
    pooling=None,
    dropout_rate=0.2,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="MobileNetV3",
):
    """a small network for small devices.

    Args:
        alpha: factor of all numbers of filters; published weights are of 0.75 and 1.
        minimalistic: whether to do without what is slow on some devices: large kernels, weighted
            channels, hard-swish.
        dropout_rate: share of the features that the classifier goes without in training.
        include_preprocessing: whether the model brings pixels from 0 to 255 into their range.

    Source: A. Howard et al., "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244
    """
    if weights == "imagenet":
        one_of("alpha", alpha, (1.0,) if minimalistic else (0.75, 1.0), name)
    frame = Frame(locals(), 224, fixed=False)
    x = frame.images
    if include_preprocessing:
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    x = _normalized(frame, x, "conv_bn", not minimalistic)
    for number, block in enumerate(blocks):
        x = _block(frame, x, alpha, minimalistic, number, *block)
    wide = divisible(x.shape[frame.axis] * 6)
    x = layers.Conv2D(wide, 1, padding="same", use_bias=False, name="conv_1")(x)
    x = _normalized(frame, x, "conv_1_bn", not minimalistic)
    if include_top:
        if alpha > 1:
            units = divisible(units * alpha)
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Conv2D(units, 1, padding="same", name="conv_2")(x)
        x = _activation(not minimalistic)(x)
        if dropout_rate > 0:
            x = layers.Dropout(dropout_rate)(x)
        x = layers.Conv2D(classes, 1, padding="same", name="logits")(x)
        x = layers.Flatten()(x)
        x = layers.Activation(classifier_activation, name="predictions")(x)
    else:
        x = frame.pooled(x, "avg_pool", "max_pool")
    kind = f"{kind}_minimalistic" if minimalistic else kind
    return frame.model(x, f"weights_mobilenet_v3_{kind}_224_{float(alpha)}_float")


def _activation(swish: bool):
    return layers.Activation("hard_swish") if swish else layers.ReLU()


def _normalized(frame, x, name: str, swish: bool):
    return _activation(swish)(frame.normalize(x, name, momentum=0.999))


def _block(
    frame, inputs, alpha, minimalistic, number, expansion, filters, kernel, stride, weighted, swish
):
    """Widen, convolve each channel alone, weight the channels, narrow, and add."""
    if minimalistic:
        kernel, weighted, swish = 3, False, False
    x, channels = inputs, inputs.shape[frame.axis]
    filters, wide = divisible(filters * alpha), divisible(channels * expansion)
    name = f"expanded_conv_{number}_" if number else "expanded_conv_"
    if number:
        x = layers.Conv2D(wide, 1, padding="same", use_bias=False, name=f"{name}expand")(x)
        x = _normalized(frame, x, f"{name}expand_bn", swish)
    x = depthwise(frame, x, kernel, stride, f"{name}depthwise", f"{name}depthwise_pad")
    x = _normalized(frame, x, f"{name}depthwise_bn", swish)
    if weighted:
        x = _weighted(x, divisible(x.shape[frame.axis] / 4), x.shape[frame.axis], name)
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = frame.normalize(x, f"{name}project_bn", momentum=0.999)
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}add")([inputs, x])
    return x


def _weighted(x, reduced: int, channels: int, name: str):
    """Scale each channel by a weight that is computed from the means of all channels."""
    name = f"{name}squeeze_excite_"
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}avg_pool")(x)
    scale = layers.Conv2D(reduced, 1, padding="same", name=f"{name}conv")(scale)
    scale = layers.ReLU(name=f"{name}relu")(scale)
    scale = layers.Conv2D(channels, 1, padding="same", name=f"{name}conv_1")(scale)
    # The hard sigmoid, as the published models have it.
    scale = layers.ReLU(6.0)(scale + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{name}mul")([x, scale])


MobileNetV3Small = variant(
    _mobilenet_v3, "MobileNetV3Small", "small", _SMALL, 1024, name="MobileNetV3Small"
)
MobileNetV3Large = variant(
    _mobilenet_v3, "MobileNetV3Large", "large", _LARGE, 1280, name="MobileNetV3Large"
)
preprocess_input = for_mode(None, __name__)
