"""VGG16: a plain stack of small convolutions."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode


def vgg(
    key,
    depths,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="vgg",
):
    """a stack of 3x3 convolutions.

    Source: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", https://arxiv.org/abs/1409.1556
    """
    frame = Frame(locals(), 224)
    x = frame.images
    for block, (depth, filters) in enumerate(zip(depths, (64, 128, 256, 512, 512)), 1):
        for i in range(1, depth + 1):
            x = layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"block{block}_conv{i}"
            )(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(4096, activation="relu", name="fc1")(x)
        x = layers.Dense(4096, activation="relu", name="fc2")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    else:
        x = frame.pooled(x)
    return frame.model(x, key)


VGG16 = variant(vgg, "VGG16", (2, 2, 3, 3, 3))
preprocess_input = for_mode("caffe", __name__)
