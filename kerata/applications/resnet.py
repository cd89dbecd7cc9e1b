"""ResNet: blocks whose input is added to their output."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode


def resnet(
    key,
    blocks,
    second,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="resnet",
):
    """a deep residual network.

    Source: K. He et al., "Deep Residual Learning for Image Recognition",
    https://arxiv.org/abs/1512.03385; of the second version: "Identity Mappings in Deep Residual
    Networks", https://arxiv.org/abs/1603.05027
    """
    frame = Frame(locals(), 224)
    x = layers.ZeroPadding2D(3, name="conv1_pad")(frame.images)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    if not second:
        x = _normalized(frame, x, "conv1")
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, (count, filters) in enumerate(zip(blocks, (64, 128, 256, 512)), 2):
        for i in range(1, count + 1):
            block = f"conv{stage}_block{i}"
            if second:
                # The stride is in the last block of a stage, but for the last stage.
                stride = 2 if i == count and stage < 5 else 1
                x = _second_block(frame, x, filters, stride, i == 1, block)
            else:
                x = _first_block(frame, x, filters, 2 if i == 1 and stage > 2 else 1, i == 1, block)
    if second:
        x = _normalized(frame, x, "post")
    x = frame.classify(x)
    return frame.model(x, key)


def _normalized(frame, x, name: str):
    x = frame.normalize(x, f"{name}_bn", epsilon=1.001e-5)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _first_block(frame, x, filters: int, stride: int, shortcut: bool, name: str):
    """Convolve, normalize, activate: three times, and add."""
    skipped = x
    if shortcut:
        skipped = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        skipped = frame.normalize(skipped, f"{name}_0_bn", epsilon=1.001e-5)
    x = layers.Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv")(x)
    x = _normalized(frame, x, f"{name}_1")
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _normalized(frame, x, f"{name}_2")
    x = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = frame.normalize(x, f"{name}_3_bn", epsilon=1.001e-5)
    x = layers.Add(name=f"{name}_add")([skipped, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _second_block(frame, x, filters: int, stride: int, shortcut: bool, name: str):
    """Normalize, activate, convolve: three times, and add."""
    active = _normalized(frame, x, f"{name}_preact")
    if shortcut:
        skipped = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(active)
    else:
        skipped = layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(active)
    x = _normalized(frame, x, f"{name}_1")
    x = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(x)
    x = _normalized(frame, x, f"{name}_2")
    x = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    return layers.Add(name=f"{name}_out")([skipped, x])


ResNet50 = variant(resnet, "ResNet50", (3, 4, 6, 3), False)
ResNet101 = variant(resnet, "ResNet101", (3, 4, 23, 3), False)
ResNet152 = variant(resnet, "ResNet152", (3, 8, 36, 3), False)
preprocess_input = for_mode("caffe", __name__)
