"""What models for ImageNet take and give: pixels in their ranges, and 1,000 classes by name."""

import json

import jax.numpy as jnp
import numpy as np

from kerata import ops
from kerata.engine import settings
from kerata.engine.errors import argument_error, one_of, positive_int
from kerata.engine.symbolic import KerasTensor
from kerata.utils.download import get_file

CLASSES = (
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
)

# Mean and standard deviation of each channel of ImageNet's pictures: of values in [0, 1], as red,
# green, blue; and of bytes, as blue, green, red.
MEAN, STDDEV = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN_OF_BYTES = (103.939, 116.779, 123.68)
_MODES = ("caffe", "tf", "torch")


def preprocess_input(x, data_format=None, mode="caffe"):
    """Bring pixels into the range that a model was trained with.

    Args:
        x: one image or a batch of them, red, green and blue from 0 to 255: `(rows, columns, 3)`
            or `(batch, rows, columns, 3)`. A NumPy array of floats is changed in place.
        data_format: "channels_last", or "channels_first" if the channels come before the rows;
            the global setting if None.
        mode: "caffe": blue, green, red, minus the mean of ImageNet; "tf": from -1 to 1; "torch":
            from 0 to 1, then minus the mean and divided by the standard deviation of ImageNet.

    Returns:
        An array of the same shape. Integers become floats.

    Raises:
        ValueError: if `data_format` or `mode` is something else.

    Example:
        >>> pixels = np.array([[[0.0, 127.5, 255.0]]])
        >>> kerata.applications.imagenet_utils.preprocess_input(pixels, mode="tf")
        array([[[-1.,  0.,  1.]]])
    """
    one_of("mode", mode, _MODES, "preprocess_input()")
    data_format = data_format or settings.image_data_format()
    one_of("data_format", data_format, ("channels_first", "channels_last"), "preprocess_input()")
    if not isinstance(x, (np.ndarray, KerasTensor)):
        x = ops.convert_to_tensor(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(settings.floatx())

    first = data_format == "channels_first"

    def of_channels(values):
        values = np.asarray(values, "float64").reshape((3, 1, 1) if first else (3,))
        return values if isinstance(x, np.ndarray) else ops.convert_to_tensor(values, x.dtype)

    if mode == "tf":
        x /= 127.5
        x -= 1.0
    elif mode == "torch":
        x /= 255.0
        x -= of_channels(MEAN)
        x /= of_channels(STDDEV)
    else:
        x = x[..., ::-1, :, :] if first else x[..., ::-1]
        x -= of_channels(_MEAN_OF_BYTES)
    return x


def decode_predictions(preds, top=5):
    """Return the names of the likeliest classes.

    The list of ImageNet's classes is downloaded on first use (35 kB).

    Args:
        preds: scores, `(batch, 1000)`.
        top: how many classes to return.

    Returns:
        For each image a list of `top` tuples `(identifier, name, score)`, the likeliest first.

    Raises:
        ValueError: if `preds` has another shape.
    """
    scores = np.asarray(preds)
    if scores.ndim != 2 or scores.shape[1] != 1000:
        must = "be an array of shape (batch, 1000), with a score for each class of ImageNet"
        raise ValueError(
            f"decode_predictions(): `preds` must {must}.\nReceived: shape {scores.shape}"
        )
    top = positive_int("top", top, "decode_predictions()")
    origin, file_hash = CLASSES
    path = get_file(origin=origin, cache_subdir="models", file_hash=file_hash)
    with open(path, encoding="utf-8") as file:
        classes = json.load(file)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [[(*classes[str(i)], row[i]) for i in places] for row, places in zip(scores, best)]


def for_mode(mode: str | None, module: str):
    """Return `preprocess_input` as a family of models has it.

    Args:
        mode: the mode; None if the models bring pixels into their range themselves.
        module: the family's module.
    """
    if mode is None:

        def scale(x, data_format=None):
            return x

        scale.__doc__ = """Return `x` as it is: these models take pixels from 0 to 255.

        Args:
            x: images.
            data_format: not used.
        """
    else:

        def scale(x, data_format=None):
            return preprocess_input(x, data_format, mode)

        scale.__doc__ = f"""Bring pixels into the range that these models were trained with.

        Args:
            x: one image or a batch, red, green and blue from 0 to 255. A NumPy array of floats is
                changed in place.
            data_format: "channels_last" or "channels_first"; the global setting if None.

        Returns:
            An array of the same shape, as `kerata.applications.imagenet_utils.preprocess_input`
            makes it with `mode={mode!r}`.
        """
    scale.__name__ = scale.__qualname__ = "preprocess_input"
    scale.__module__ = module
    return scale


def shape_of_images(size: int | None) -> tuple:
    """Return the shape of one image of `size` rows and columns."""
    if settings.image_data_format() == "channels_first":
        return (3, size, size)
    return (size, size, 3)


def check_shape(shape, default: int, least: int, fixed: bool, imagenet: bool, owner: str) -> tuple:
    """Return the shape of one image, checked.

    Args:
        shape: what the user gave; None for the default.
        default: usual number of rows and columns.
        least: smallest number of rows or columns.
        fixed: whether the number of rows and columns must be known.
        imagenet: whether weights trained on ImageNet will be loaded.
        owner: what to call the model in messages.

    Raises:
        ValueError: if the shape is impossible.
    """
    first = settings.image_data_format() == "channels_first"
    usual = shape_of_images(default)
    if shape is None:
        return usual if fixed else shape_of_images(None)
    shape = tuple(shape)
    must = None
    if len(shape) != 3:
        must = "have three numbers: rows, columns and channels"
    elif imagenet and shape[0 if first else -1] != 3:
        must = "have 3 channels, with weights trained on ImageNet"
    elif any(n is not None and n < least for n in (shape[1:] if first else shape[:-1])):
        must = f"have at least {least} rows and columns"
    elif fixed and None in shape:
        must = "have known numbers of rows and columns, with `include_top=True`"
    elif fixed and imagenet and shape != usual:
        must = f"be {usual}, with `include_top=True` and weights trained on ImageNet"
    if must:
        raise argument_error("input_shape", must, shape, owner)
    return shape
