"""MobileNet: each channel is convolved alone, then the channels are mixed."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode
from kerata.engine import settings
from kerata.engine.errors import one_of

_URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"
# Filters and stride of each block.
_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)


def _mobilenet(
    key,
    /,
    input_shape=None,
    alpha=1.0,
    depth_multiplier=1,
    dropout=0.001,
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
        alpha: factor of all numbers of filters; published weights are of 0.25, 0.5, 0.75 and 1.
        depth_multiplier: number of kernels for each channel; 1 for the published weights.
        dropout: share of the features that the classifier goes without in training.

    Source: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
    Applications", https://arxiv.org/abs/1704.04861
    """
    rows = trained_size(input_shape, (128, 160, 192, 224))
    if weights == "imagenet":
        one_of("depth_multiplier", depth_multiplier, (1,), "MobileNet")
        one_of("alpha", alpha, (0.25, 0.5, 0.75, 1.0), "MobileNet")
    frame = Frame(locals(), rows)
    frame.name = name or f"mobilenet_{alpha:0.2f}_{frame.rows}"
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(
        frame.images
    )
    x = _normalized(frame, x, "conv1")
    for i, (filters, stride) in enumerate(_BLOCKS, 1):
        if stride == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{i}")(x)
        x = layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            depth_multiplier=depth_multiplier,
            use_bias=False,
            name=f"conv_dw_{i}",
        )(x)
        x = _normalized(frame, x, f"conv_dw_{i}")
        x = layers.Conv2D(
            int(filters * alpha), 1, padding="same", use_bias=False, name=f"conv_pw_{i}"
        )(x)
        x = _normalized(frame, x, f"conv_pw_{i}")
    if include_top:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Conv2D(classes, 1, padding="same", name="conv_preds")(x)
        x = layers.Reshape((classes,), name="reshape_2")(x)
        x = layers.Activation(classifier_activation, name="predictions")(x)
    else:
        x = frame.pooled(x)
    width = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}.get(alpha)
    end = "" if include_top else "_no_top"
    return frame.model(x, [f"{_URL}mobilenet_{width}_{rows}_tf{end}.h5", None])


def _normalized(frame, x, name: str):
    return layers.ReLU(6.0, name=f"{name}_relu")(frame.normalize(x, f"{name}_bn"))


def trained_size(input_shape, sizes: tuple[int, ...]) -> int:
    """Return the number of rows of the images that weights for such inputs were trained with.

    Args:
        input_shape: shape of the images, or None.
        sizes: numbers of rows that there are weights for.
    """
    if input_shape is None or len(input_shape) != 3:
        return 224
    first = settings.image_data_format() == "channels_first"
    rows, columns = input_shape[1:] if first else input_shape[:2]
    return rows if rows == columns and rows in sizes else 224


MobileNet = variant(_mobilenet, "MobileNet")
preprocess_input = for_mode("tf", __name__)
