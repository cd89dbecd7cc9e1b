"""Drawing on images: boxes with labels, and classes of pixels."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerata.engine import settings
from kerata.engine.errors import argument_error, probability

# Height in pixels of text of scale 1.
_FONT_SIZE = 20


def as_batch(images, data_format, owner: str) -> np.ndarray:
    """Return a batch of images as an array of shape `(batch, height, width, channels)`.

    Raises:
        ValueError: if there are not four axes.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        must = "be a batch of images, with four axes"
        raise argument_error("images", must, f"array of shape {images.shape}", owner)
    first = settings.data_format(data_format, owner) == "channels_first"
    return np.moveaxis(images, 1, -1) if first else images


def scaled(images, data_format, value_range, owner: str) -> np.ndarray:
    """Return a batch of images, `(batch, height, width, channels)`, with values in [0, 255]."""
    low, high = value_range
    images = (as_batch(images, data_format, owner) - low) / (high - low) * 255.0
    return np.clip(images, 0, 255).astype("uint8")


def _like(images, data_format):
    first = settings.data_format(data_format) == "channels_first"
    return np.moveaxis(images, -1, 1) if first else images


def draw_bounding_boxes(
    images,
    bounding_boxes,
    bounding_box_format,
    class_mapping=None,
    color=(128, 128, 128),
    line_thickness=2,
    text_thickness=1,
    font_scale=1.0,
    data_format=None,
):
    """Draw boxes, with labels, on images.

    Args:
        images: `(batch, height, width, channels)`, with 1, 3 or 4 channels; integers in [0, 255],
            or floats in [0, 255] or in [0, 1].
        bounding_boxes: dict with "boxes", `(batch, boxes, 4)`; "labels", `(batch, boxes)`, class
            numbers, of which -1 marks a box that is not there; and perhaps "confidences",
            `(batch, boxes)`.
        bounding_box_format: format of the boxes, such as "xyxy" or "rel_xywh"; see
            `kerata.utils.bounding_boxes.convert_format`.
        class_mapping: dict from class number to label; boxes of other classes get none.
        color: red, green and blue, each in [0, 255].
        line_thickness: pixels.
        text_thickness: pixels; that of the lines if None.
        font_scale: size of the labels, 1.0 for the normal one.
        data_format: "channels_last" or "channels_first"; the setting if None.

    Returns:
        uint8 array of the shape of `images`, with values in [0, 255].

    Raises:
        TypeError: if `bounding_boxes` is no dict.
        ValueError: if a key is missing, or `images` is no batch of images.
    """
    from kerata.utils.bounding_boxes import convert_format

    owner = "draw_bounding_boxes()"
    if not isinstance(bounding_boxes, dict):
        raise argument_error("bounding_boxes", "be a dict", bounding_boxes, owner, TypeError)
    if not {"boxes", "labels"} <= set(bounding_boxes):
        must = 'have the keys "boxes" and "labels"'
        raise argument_error("bounding_boxes", must, sorted(bounding_boxes), owner)
    batch = as_batch(images, data_format, owner)
    height, width = batch.shape[1:3]
    boxes = convert_format(
        dict(bounding_boxes), bounding_box_format, "xyxy", height=height, width=width
    )
    confidences = boxes.get("confidences")
    font = ImageFont.load_default(_FONT_SIZE * font_scale)
    result = []
    for i, image in enumerate(_as_bytes(batch)):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        draw = ImageDraw.Draw(picture)
        ink = tuple(color) if image.shape[-1] > 1 else int(color[0])
        for j, label in enumerate(np.asarray(boxes["labels"][i]).astype(int)):
            if label == -1:
                continue
            left, top, right, bottom = (int(v) for v in np.asarray(boxes["boxes"][i][j]))
            corners = [min(left, right), min(top, bottom), max(left, right), max(top, bottom)]
            draw.rectangle(corners, outline=ink, width=line_thickness)
            if label in (class_mapping or {}):
                text = str(class_mapping[label])
                if confidences is not None:
                    text += f" | {float(confidences[i][j]):.2f}"
                above = corners[1] - 1.3 * font.size
                place = corners[0], above if above > 0 else corners[1] + line_thickness
                stroke = (text_thickness or line_thickness) // 2
                draw.text(place, text, fill=ink, font=font, stroke_width=stroke)
        result.append(np.asarray(picture).reshape(image.shape))
    return _like(np.stack(result), data_format)


def _as_bytes(images: np.ndarray) -> np.ndarray:
    """Return images as uint8; floats that are all at most 1 are taken to lie in [0, 1]."""
    if images.dtype.kind == "f" and images.size and images.max() <= 1:
        images = images * 255.0
    return np.clip(images, 0, 255).astype("uint8")


def draw_segmentation_masks(
    images,
    segmentation_masks,
    num_classes=None,
    color_mapping=None,
    alpha=0.8,
    blend=True,
    ignore_index=-1,
    data_format=None,
):
    """Color the pixels of images by their classes.

    Args:
        images: `(batch, height, width, channels)`, with values in [0, 255].
        segmentation_masks: class of each pixel: integers, `(batch, height, width)` or
            `(batch, height, width, 1)`.
        num_classes: the largest class number that is drawn; the largest there is if None.
        color_mapping: dict from class number to (red, green, blue); classes that are not in it
            are not drawn. A palette if None, in which class 0 is black.
        alpha: opacity of the colors, in [0, 1].
        blend: whether colors are laid over the image with that opacity, or replace it.
        ignore_index: class that is not drawn.
        data_format: "channels_last" or "channels_first"; the setting if None.

    Returns:
        uint8 array of the shape of `images`.

    Raises:
        TypeError: if the classes are not integers.
        ValueError: if `images` is no batch of images.
    """
    owner = "draw_segmentation_masks()"
    batch = as_batch(images, data_format, owner).astype("float32")
    classes = np.asarray(segmentation_masks)
    if classes.dtype.kind not in "iu":
        must = "be integers"
        raise argument_error("segmentation_masks", must, classes.dtype, owner, TypeError)
    classes = classes.reshape(batch.shape[:-1])
    last = int(classes.max(initial=0) if num_classes is None else num_classes)
    if color_mapping is None:
        steps = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])
        color_mapping = {c: c * steps % 255 for c in range(last + 1)}
    colors = batch.copy()
    for number, color in color_mapping.items():
        if number != ignore_index and number <= last:
            colors[classes == number] = color
    opacity = probability("alpha", alpha, owner) if blend else 1
    return _like((batch * (1 - opacity) + colors * opacity).astype("uint8"), data_format)
