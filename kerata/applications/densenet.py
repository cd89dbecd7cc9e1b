"""DenseNet: each layer sees the outputs of all layers before it."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode


def _densenet(
    key,
    blocks,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="densenet",
):
    """a densely connected convolutional network.

    Source: G. Huang et al., "Densely Connected Convolutional Networks",
    https://arxiv.org/abs/1608.06993
    """
    frame = Frame(locals(), 224)
    x = layers.ZeroPadding2D(3)(frame.images)
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = _normalized(frame, x, "conv1_bn", "conv1_relu")
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for stage, count in enumerate(blocks, 2):
        for i in range(1, count + 1):
            x = _dense_layer(frame, x, 32, f"conv{stage}_block{i}")
        if stage < 5:
            x = _transition(frame, x, f"pool{stage}")
    x = _normalized(frame, x, "bn", "relu")
    return frame.model(frame.classify(x), key)


def _normalized(frame, x, name: str, activation: str):
    x = frame.normalize(x, name, epsilon=1.001e-5)
    return layers.Activation("relu", name=activation)(x)


def _dense_layer(frame, x, growth: int, name: str):
    """Append `growth` channels, computed from all that there are."""
    new = _normalized(frame, x, f"{name}_0_bn", f"{name}_0_relu")
    new = layers.Conv2D(4 * growth, 1, use_bias=False, name=f"{name}_1_conv")(new)
    new = _normalized(frame, new, f"{name}_1_bn", f"{name}_1_relu")
    new = layers.Conv2D(growth, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(new)
    return layers.Concatenate(axis=frame.axis, name=f"{name}_concat")([x, new])


def _transition(frame, x, name: str):
    """Halve channels, rows and columns."""
    x = _normalized(frame, x, f"{name}_bn", f"{name}_relu")
    x = layers.Conv2D(x.shape[frame.axis] // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


DenseNet121 = variant(_densenet, "DenseNet121", (6, 12, 24, 16))
DenseNet169 = variant(_densenet, "DenseNet169", (6, 12, 32, 32))
DenseNet201 = variant(_densenet, "DenseNet201", (6, 12, 48, 32))
preprocess_input = for_mode("torch", __name__)
