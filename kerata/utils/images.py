"""Pictures in files, and pictures as arrays."""

import io
import os

import numpy as np

from kerata.engine import settings
from kerata.engine.errors import argument_error, int_tuple, one_of, warn

MODES = {"rgb": ("RGB",), "rgba": ("RGBA",), "grayscale": ("L", "I;16", "I")}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
FORMATS = ("channels_last", "channels_first")


def load_img(
    path, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False
):
    """Read a picture from a file.

    Args:
        path: path, or an `io.BytesIO`.
        color_mode: "rgb", "rgba" or "grayscale": what to convert it to.
        target_size: `(height, width)` to resize it to, in pixels; its own size if None.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos", "box" or "hamming".
        keep_aspect_ratio: whether to cut off what does not fit the shape of `target_size`, in the
            place of squeezing the picture.

    Returns:
        A picture of PIL's.

    Raises:
        OSError: if the file is missing or is no picture.
    """
    from PIL import Image

    one_of("color_mode", color_mode, tuple(MODES), "load_img()")
    if not isinstance(path, (str, bytes, os.PathLike, io.BytesIO)):
        raise argument_error("path", "be a path or an io.BytesIO", path, "load_img()", TypeError)
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        name = "the given bytes" if isinstance(path, io.BytesIO) else repr(os.fsdecode(path))
        raise OSError(f"No picture can be read from {name}: it is broken or of another type.\n"
                      f"Received: {str(error).splitlines()[0]}") from None  # fmt: skip
    if target_size is not None:
        target_size = int_tuple("target_size", target_size, 2, "load_img()")
    if image.mode not in MODES[color_mode]:
        image = image.convert(MODES[color_mode][0])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    one_of("interpolation", interpolation, INTERPOLATIONS, "load_img()")
    box = None
    if keep_aspect_ratio:
        width, height = image.size
        wide, high = (
            min(width, height * target_size[1] // target_size[0]),
            min(height, width * target_size[0] // target_size[1]),
        )
        left, top = (width - wide) // 2, (height - high) // 2
        box = (left, top, left + wide, top + high)
    method = Image.Resampling[interpolation.upper()]
    return image.resize((target_size[1], target_size[0]), method, box=box)


def img_to_array(img, data_format=None, dtype=None) -> np.ndarray:
    """Return a picture as an array `(height, width, channels)`.

    Args:
        img: a picture of PIL's.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        dtype: dtype of the array; `floatx()` if None.

    Raises:
        ValueError: if it is no picture.
    """
    if isinstance(img, (str, os.PathLike)):
        raise TypeError(
            "img_to_array() takes a picture, not the path of one.\n"
            f"Received: img={img!r}\nRead it: img_to_array(load_img(path))."
        )
    array = np.asarray(img, dtype=dtype or settings.floatx())
    if array.ndim not in (2, 3):
        raise argument_error("img", "have two or three axes", array.shape, "img_to_array()")
    array = array[..., None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1) if _format(data_format) == "channels_first" else array


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """Return an array as a picture of PIL's.

    Args:
        x: array `(height, width, channels)` with 1, 3 or 4 channels.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        scale: whether to stretch the values so that they fill the range 0 to 255.
        dtype: dtype to compute with; `floatx()` if None.

    Raises:
        ValueError: if the array has another shape.

    Example:
        >>> kerata.utils.array_to_img(np.zeros((4, 6, 3))).size
        (6, 4)
    """
    from PIL import Image

    x = np.asarray(x, dtype=dtype or settings.floatx())
    if x.ndim == 3 and _format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    if x.ndim != 3 or x.shape[2] not in (1, 3, 4):
        raise argument_error(
            "x", "have the axes of one picture, with 1, 3 or 4 channels", x.shape, "array_to_img()"
        )
    if scale:
        x = x - x.min()
        x = x / (x.max() or 1) * 255
    if x.shape[2] > 1:
        return Image.fromarray(x.astype("uint8"))
    return Image.fromarray(x[..., 0].astype("int32" if x.max() > 255 else "uint8"))


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs) -> None:
    """Write an array to a file as a picture.

    Args:
        path: path or file object.
        x: array `(height, width, channels)`.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        file_format: "png", "jpeg" …; that of the file's name if None.
        scale: see `array_to_img`.
        **kwargs: further arguments of PIL's `save`.
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = os.path.splitext(path)[1][1:]
    file_format = (file_format or "").lower().replace("jpg", "jpeg") or None
    image = array_to_img(x, data_format=data_format, scale=scale)
    if image.mode == "RGBA" and file_format == "jpeg":
        warn("JPEG files have no transparency: it is left out.")
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


def smart_resize(x, size, interpolation="bilinear", data_format="channels_last", **kwargs):
    """Resize pictures without squeezing them: what does not fit the new shape is cut off evenly.

    Args:
        x: array `(height, width, channels)` or `(batch, height, width, channels)`.
        size: `(height, width)`, in pixels.
        interpolation: a method of `kerata.ops.image.resize`.
        data_format: "channels_last" or "channels_first".

    Returns:
        An array, of NumPy's if `x` is one.

    Raises:
        ValueError: if `x` or `size` has another shape.

    Example:
        >>> kerata.preprocessing.image.smart_resize(np.zeros((6, 8, 3)), (3, 3)).shape
        (3, 3, 3)
    """
    from kerata.ops import image

    kwargs.pop("backend_module", None)
    if kwargs:
        raise TypeError(f"smart_resize() has no arguments {sorted(kwargs)}.")
    if len(size) != 2:
        raise argument_error("size", "be (height, width)", size, "smart_resize()")
    if np.ndim(x) not in (3, 4):
        raise argument_error("x", "have three or four axes", np.shape(x), "smart_resize()")
    axis = np.ndim(x) - 3 + (_format(data_format) == "channels_first")
    part = [slice(None)] * np.ndim(x)
    part[axis : axis + 2] = crop_to_shape(np.shape(x)[axis : axis + 2], size)
    resized = image.resize(
        x[tuple(part)], tuple(size), interpolation=interpolation, data_format=data_format
    )
    return np.array(resized) if isinstance(x, np.ndarray) else resized


def crop_to_shape(shape, target) -> tuple[slice, slice]:
    """Return the largest part in the middle of `shape` that is shaped like `target`."""
    (height, width), (target_height, target_width) = shape, target
    high = max(min(height, int(width * target_height / target_width)), 1)
    wide = max(min(width, int(height * target_width / target_height)), 1)
    top, left = int((height - high) / 2), int((width - wide) / 2)
    return slice(top, top + high), slice(left, left + wide)


def _format(data_format) -> str:
    return one_of("data_format", data_format or settings.image_data_format(), FORMATS)
