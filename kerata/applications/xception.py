"""Xception: separable convolutions in residual blocks."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode


def _xception(
    key,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="xception",
):
    """a residual network of separable convolutions.

    Source: F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions",
    https://arxiv.org/abs/1610.02357
    """
    frame = Frame(locals(), 299, 71)
    x = layers.Conv2D(32, 3, strides=2, use_bias=False, name="block1_conv1")(frame.images)
    x = _normalized(frame, x, "block1_conv1")
    x = layers.Conv2D(64, 3, use_bias=False, name="block1_conv2")(x)
    x = _normalized(frame, x, "block1_conv2")
    for number, filters in ((2, 128), (3, 256), (4, 728)):
        x = _narrowing_block(frame, x, (filters, filters), f"block{number}", number > 2)
    for number in range(5, 13):
        skipped = x
        for i in (1, 2, 3):
            x = _separable(frame, x, 728, f"block{number}_sepconv{i}", first=True)
        x = layers.Add()([x, skipped])
    x = _narrowing_block(frame, x, (728, 1024), "block13", True)
    for i, filters in ((1, 1536), (2, 2048)):
        x = _separable(frame, x, filters, f"block14_sepconv{i}")
        x = layers.Activation("relu", name=f"block14_sepconv{i}_act")(x)
    return frame.model(frame.classify(x, largest=None), key)


def _normalized(frame, x, name: str):
    x = frame.normalize(x, f"{name}_bn")
    return layers.Activation("relu", name=f"{name}_act")(x)


def _separable(frame, x, filters: int, name: str, first: bool = False):
    """Convolve and normalize; with `first`, behind an activation."""
    if first:
        x = layers.Activation("relu", name=f"{name}_act")(x)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return frame.normalize(x, f"{name}_bn")


def _narrowing_block(frame, x, filters, name: str, first: bool):
    """Convolve twice, halve rows and columns, and add."""
    skipped = layers.Conv2D(filters[1], 1, strides=2, padding="same", use_bias=False)(x)
    skipped = frame.normalize(skipped)
    x = _separable(frame, x, filters[0], f"{name}_sepconv1", first)
    x = _separable(frame, x, filters[1], f"{name}_sepconv2", True)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return layers.Add()([x, skipped])


Xception = variant(_xception, "Xception")
preprocess_input = for_mode("tf", __name__)
