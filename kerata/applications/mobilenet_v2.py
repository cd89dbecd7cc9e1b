"""MobileNet, second version: inverted residuals with linear bottlenecks."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode
from kerata.applications.mobile_blocks import depthwise, divisible
from kerata.applications.mobilenet import trained_size
from kerata.engine.errors import one_of

_URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
# Of each stage: expansion, filters, blocks, stride.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _mobilenet_v2(
    key,
    /,
    input_shape=None,
    alpha=1.0,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name=None,
):
    """a small network for small devices.

    Args:
        alpha: factor of all numbers of filters; published weights are of 0.35, 0.5, 0.75, 1, 1.3
            and 1.4.

    Source: M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    https://arxiv.org/abs/1801.04381
    """
    rows = trained_size(input_shape, (96, 128, 160, 192, 224))
    if weights == "imagenet":
        one_of("alpha", alpha, (0.35, 0.5, 0.75, 1.0, 1.3, 1.4), "MobileNetV2")
    frame = Frame(locals(), rows)
    frame.name = name or f"mobilenetv2_{alpha:0.2f}_{frame.rows}"
    x = layers.Conv2D(
        divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1"
    )(frame.images)
    x = _normalized(frame, x, "bn_Conv1", "Conv1_relu")
    number = 0
    for expansion, filters, count, stride in _STAGES:
        for i in range(count):
            x = _block(frame, x, expansion, int(filters * alpha), 1 if i else stride, number)
            number += 1
    last = divisible(1280 * alpha) if alpha > 1 else 1280
    x = layers.Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
    x = _normalized(frame, x, "Conv_1_bn", "out_relu")
    x = frame.classify(x, None, None)
    end = "" if include_top else "_no_top"
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{rows}{end}.h5"
    return frame.model(x, [_URL + file, None])


def _normalized(frame, x, name: str, activation: str | None = None):
    x = frame.normalize(x, name, momentum=0.999)
    return layers.ReLU(6.0, name=activation)(x) if activation else x


def _block(frame, inputs, expansion: int, filters: int, stride: int, number: int):
    """Widen, convolve each channel alone, narrow, and add."""
    x, channels = inputs, inputs.shape[frame.axis]
    filters = divisible(filters)
    name = f"block_{number}_" if number else "expanded_conv_"
    if number:
        x = layers.Conv2D(
            expansion * channels, 1, padding="same", use_bias=False, name=f"{name}expand"
        )(x)
        x = _normalized(frame, x, f"{name}expand_BN", f"{name}expand_relu")
    x = depthwise(frame, x, 3, stride, f"{name}depthwise", f"{name}pad")
    x = _normalized(frame, x, f"{name}depthwise_BN", f"{name}depthwise_relu")
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = _normalized(frame, x, f"{name}project_BN")
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}add")([inputs, x])
    return x


MobileNetV2 = variant(_mobilenet_v2, "MobileNetV2")
preprocess_input = for_mode("tf", __name__)
