"""Inception-ResNet, second version: inception blocks whose input is added to their output."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode
from kerata.applications.inception_v3 import branches, convolve, stem
from kerata.engine.configurable import publish_as

# Of each kind of block: the branches.
_BLOCKS = {
    "block35": (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    "block17": (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),
    "block8": (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))),
}


class CustomScaleLayer(layers.Layer):
    """Adds its second input, multiplied by a constant, to the first.

    Args:
        scale: the constant.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs):
        return inputs[0] + inputs[1] * self.scale


publish_as(
    "keras.src.applications.inception_resnet_v2",
    "CustomScaleLayer",
    CustomScaleLayer,
    canonical=True,
)


def _inception_resnet_v2(
    key,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="inception_resnet_v2",
):
    """a residual network of inception blocks.

    Source: C. Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual
    Connections on Learning", https://arxiv.org/abs/1602.07261
    """
    frame = Frame(locals(), 299, 75)
    x = stem(frame)
    x = branches(
        frame,
        x,
        "mixed_5b",
        ((96, 1),),
        ((48, 1), (64, 5)),
        ((64, 1), (96, 3), (96, 3)),
        ("average", (64, 1)),
    )
    x = _blocks(frame, x, "block35", 10, 0.17)
    x = branches(
        frame, x, "mixed_6a", ((384, 3, 2),), ((256, 1), (256, 3), (384, 3, 2)), ("halved",)
    )
    x = _blocks(frame, x, "block17", 20, 0.1)
    x = branches(
        frame,
        x,
        "mixed_7a",
        ((256, 1), (384, 3, 2)),
        ((256, 1), (288, 3, 2)),
        ((256, 1), (288, 3), (320, 3, 2)),
        ("halved",),
    )
    x = _blocks(frame, x, "block8", 9, 0.2)
    x = _block(frame, x, "block8", "block8_10", 1.0)
    x = convolve(frame, x, 1536, 1, name="conv_7b")
    return frame.model(frame.classify(x, largest=None), key)


def _blocks(frame, x, kind: str, count: int, scale: float):
    for i in range(1, count + 1):
        x = _block(frame, x, kind, f"{kind}_{i}", scale)
        x = layers.Activation("relu", name=f"{kind}_{i}_ac")(x)
    return x


def _block(frame, x, kind: str, name: str, scale: float):
    """Run branches, bring them to the width of the input, and add."""
    mixed = branches(frame, x, f"{name}_mixed", *_BLOCKS[kind])
    mixed = layers.Conv2D(x.shape[frame.axis], 1, padding="same", name=f"{name}_conv")(mixed)
    return CustomScaleLayer(scale)([x, mixed])


InceptionResNetV2 = variant(_inception_resnet_v2, "InceptionResNetV2", name="inception_resnet_v2")
preprocess_input = for_mode("tf", __name__)
