"""ConvNeXt: a convolutional network with the habits of transformers."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import (
    MEAN,
    STDDEV,
    decode_predictions as decode_predictions,
    for_mode,
)
from kerata.engine import settings
from kerata.engine.configurable import publish_as
from kerata.initializers import Constant
from kerata.models.sequential import Sequential


class LayerScale(layers.Layer):
    """Multiplies each channel by a learned factor (Touvron et al., 2021).

    Args:
        init_values: what the factors are at first.
        projection_dim: number of channels, the last axis of the inputs.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, init_values, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.init_values = init_values
        self.projection_dim = projection_dim

    def build(self, input_shape):
        self.gamma = self.add_weight(
            shape=(self.projection_dim,), initializer=Constant(self.init_values)
        )

    def call(self, inputs):
        return inputs * self.gamma


publish_as("keras.src.applications.convnext", "LayerScale", LayerScale, canonical=True)


def _convnext(
    key,
    depths,
    widths,
    /,
    include_top=True,
    include_preprocessing=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="convnext",
):
    """a convolutional network with the habits of transformers.

    Args:
        include_preprocessing: whether the model brings pixels from 0 to 255 into their range.

    Source: Z. Liu et al., "A ConvNet for the 2020s", https://arxiv.org/abs/2201.03545
    """
    if settings.image_data_format() == "channels_first":
        raise ValueError(
            f"{name}: the channels of ConvNeXt come last.\n"
            "Received: the setting image_data_format() is 'channels_first'\n"
            "Call kerata.config.set_image_data_format('channels_last') first."
        )
    frame = Frame(locals(), 224)
    x = frame.images
    if include_preprocessing and frame.channels == 3:
        x = layers.Normalization(
            mean=[255 * m for m in MEAN],
            variance=[(255 * s) ** 2 for s in STDDEV],
            name=f"{name}_prestem_normalization",
        )(x)
    stem = [
        layers.Conv2D(widths[0], 4, strides=4, name=f"{name}_stem_conv"),
        layers.LayerNormalization(epsilon=1e-6, name=f"{name}_stem_layernorm"),
    ]
    x = Sequential(stem, name=f"{name}_stem")(x)
    for stage, (depth, width) in enumerate(zip(depths, widths)):
        if stage:
            down = [
                layers.LayerNormalization(
                    epsilon=1e-6, name=f"{name}_downsampling_layernorm_{stage - 1}"
                ),
                layers.Conv2D(width, 2, strides=2, name=f"{name}_downsampling_conv_{stage - 1}"),
            ]
            x = Sequential(down, name=f"{name}_downsampling_block_{stage - 1}")(x)
        for i in range(depth):
            x = _block(x, width, f"{name}_stage_{stage}_block_{i}")
    if include_top:
        x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_head_layernorm")(x)
        x = layers.Dense(classes, activation=classifier_activation, name=f"{name}_head_dense")(x)
    else:
        x = layers.LayerNormalization(epsilon=1e-6)(frame.pooled(x))
    return frame.model(x, key)


def _block(inputs, width: int, name: str):
    """Convolve each channel alone, mix the channels, and add."""
    x = layers.Conv2D(width, 7, padding="same", groups=width, name=f"{name}_depthwise_conv")(inputs)
    x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_layernorm")(x)
    x = layers.Dense(4 * width, name=f"{name}_pointwise_conv_1")(x)
    x = layers.Activation("gelu", name=f"{name}_gelu")(x)
    x = layers.Dense(width, name=f"{name}_pointwise_conv_2")(x)
    x = LayerScale(1e-6, width, name=f"{name}_layer_scale")(x)
    x = layers.Activation("linear", name=f"{name}_identity")(x)
    return inputs + x


def _variant(size: str, depths, widths):
    return variant(_convnext, f"ConvNeXt{size}", depths, widths, name=f"convnext_{size.lower()}")


ConvNeXtTiny = _variant("Tiny", (3, 3, 9, 3), (96, 192, 384, 768))
ConvNeXtSmall = _variant("Small", (3, 3, 27, 3), (96, 192, 384, 768))
ConvNeXtBase = _variant("Base", (3, 3, 27, 3), (128, 256, 512, 1024))
ConvNeXtLarge = _variant("Large", (3, 3, 27, 3), (192, 384, 768, 1536))
ConvNeXtXLarge = _variant("XLarge", (3, 3, 27, 3), (256, 512, 1024, 2048))
preprocess_input = for_mode(None, __name__)
