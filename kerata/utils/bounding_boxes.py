"""Bounding boxes of objects in images (public namespace `kerata.utils.bounding_boxes`).

Boxes are tensors of shape `(..., boxes, 4)`, alone or in a dict `{"boxes": ..., "labels": ...}`.
Their format says what the four numbers are (upper and lower case mean the same):

| format | numbers |
|---|---|
| "xyxy" | left, top, right, bottom |
| "yxyx" | top, left, bottom, right |
| "xywh" | left, top, width, height |
| "center_xywh" | column and row of the centre, width, height |
| "center_yxhw" | row and column of the centre, height, width |

All in pixels; with "rel_" before the name, as parts of the image's width and height.
"""

import jax.numpy as jnp

from kerata.engine.configurable import publish
from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error, one_of
from kerata.ops.projections import affine_matrices, move_points

_PLAIN = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
FORMATS = (*_PLAIN, *(f"rel_{name}" for name in _PLAIN))
_ENCODINGS = ("center_xywh", "center_yxhw")
_TINY = 1e-7


def _known_format(name, argument="bounding_box_format") -> str:
    return one_of(argument, name.lower() if isinstance(name, str) else name, FORMATS)


def _numbers(boxes):
    """Return boxes as floats, checked."""
    boxes = as_float(boxes)
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(
            f"Boxes must have 4 numbers each, on the last axis.\nReceived: shape {boxes.shape}"
        )
    return boxes


def _sides(height, width):
    return jnp.stack([jnp.asarray(n, "float32") for n in (width, height, width, height)])


def _to_corners(boxes, name):
    first, second = boxes[..., :2], boxes[..., 2:]
    if "center" in name:
        first = first - second / 2
    if "w" in name:
        second = first + second
    if "y" == name[-4]:
        first, second = first[..., ::-1], second[..., ::-1]
    return jnp.concatenate([first, second], axis=-1)


def _from_corners(boxes, name):
    first, second = boxes[..., :2], boxes[..., 2:]
    if "y" == name[-4]:
        first, second = first[..., ::-1], second[..., ::-1]
    if "w" in name:
        second = second - first
    if "center" in name:
        first = first + second / 2
    return jnp.concatenate([first, second], axis=-1)


def convert_format(boxes, source, target, height=None, width=None, dtype="float32"):
    """Convert boxes from one format to another.

    Args:
        boxes: tensor of shape `(..., 4)`, or a dict with such a one under "boxes".
        source: the format of `boxes`.
        target: the format to convert to.
        height: height of the image in pixels, needed between relative and absolute formats.
        width: width of the image.
        dtype: dtype of the result.

    Returns:
        The boxes in the new format; a dict for a dict.

    Raises:
        ValueError: if a format is unknown, boxes have not 4 numbers, or a size is missing.

    Example:
        >>> kerata.utils.bounding_boxes.convert_format([[10, 20, 30, 60]], "xyxy", "center_xywh")
        Array([[20., 40., 20., 40.]], dtype=float32)
    """
    if isinstance(boxes, dict):
        moved = convert_format(boxes["boxes"], source, target, height, width, dtype)
        return {**boxes, "boxes": moved}
    source, target = _known_format(source, "source"), _known_format(target, "target")
    found = _numbers(boxes)
    if source != target:
        found = _to_corners(found, source)
        relative = [name.startswith("rel_") for name in (source, target)]
        if relative[0] != relative[1]:
            if height is None or width is None:
                raise ValueError(
                    "`height` and `width` of the image must be given to convert between relative "
                    f"and absolute formats.\nReceived: source={source!r}, target={target!r}, "
                    f"height={height}, width={width}"
                )
            sides = _sides(height, width)
            found = found * sides if relative[0] else found / sides
        found = _from_corners(found, target)
    return found.astype(dtype)


def clip_to_image_size(bounding_boxes, height=None, width=None, bounding_box_format="xyxy"):
    """Cut off what is outside of the image; boxes of which nothing is left get the label -1.

    Args:
        bounding_boxes: dict with "boxes", a tensor of shape `(..., boxes, 4)`, and "labels",
            `(..., boxes)`.
        height: height of the image in pixels; not needed for relative formats.
        width: width of the image.
        bounding_box_format: the format of the boxes.

    Returns:
        A dict like `bounding_boxes`.

    Example:
        >>> found = {"boxes": [[-5.0, 0.0, 20.0, 20.0], [50.0, 5.0, 60.0, 9.0]], "labels": [1, 2]}
        >>> kerata.utils.bounding_boxes.clip_to_image_size(found, height=10, width=40)
        {'boxes': Array([[ 0.,  0., 20., 10.],
               [40.,  5., 40.,  9.]], dtype=float32), 'labels': Array([ 1, -1], dtype=int32)}
    """
    name = _known_format(bounding_box_format)
    plain = "rel_xyxy" if name.startswith("rel_") else "xyxy"
    height, width = (1, 1) if name.startswith("rel_") else (height, width)
    if height is None or width is None:
        raise argument_error("height` and `width", "be given for this format", name)
    corners = convert_format(bounding_boxes["boxes"], name, plain)
    corners = jnp.clip(corners, 0, _sides(height, width))
    result = {**bounding_boxes, "boxes": convert_format(corners, plain, name)}
    if "labels" in bounding_boxes:
        labels = jnp.asarray(bounding_boxes["labels"])
        there = jnp.all(corners[..., 2:] > corners[..., :2], axis=-1)
        if labels.shape[-there.ndim :] != there.shape:  # a vector for each box
            there = there.reshape(*there.shape, *(1,) * (labels.ndim - there.ndim))
        result["labels"] = jnp.where(there, labels, jnp.asarray(-1, labels.dtype))
    return result


def _changed(boxes, name, function):
    """Apply a function of corners in pixels to boxes of another format."""
    return convert_format(function(convert_format(boxes, name, "xyxy")), "xyxy", name)


def crop(boxes, top, left, height, width, bounding_box_format="xyxy"):
    """Return where boxes are after the image was cropped.

    Args:
        boxes: tensor of shape `(..., boxes, 4)`, in pixels.
        top: first row of the window that stays.
        left: first column of it.
        height: its height.
        width: its width.
        bounding_box_format: the format of the boxes.

    Example:
        >>> kerata.utils.bounding_boxes.crop([[10.0, 20.0, 50.0, 60.0]], 10, 20, 40, 30)
        Array([[ 0., 10., 30., 40.]], dtype=float32)
    """
    offset, sides = _sides(top, left), _sides(height, width)
    return _changed(boxes, bounding_box_format, lambda x: jnp.clip(x - offset, 0, sides))


def pad(boxes, top, left, height=None, width=None, bounding_box_format="xyxy"):
    """Return where boxes are after rows and columns were added to the image.

    Args:
        boxes: tensor of shape `(..., boxes, 4)`, in pixels.
        top: how many rows were added above.
        left: how many columns were added at the left.
        height: unused: what is added below changes nothing.
        width: unused.
        bounding_box_format: the format of the boxes.

    Example:
        >>> kerata.utils.bounding_boxes.pad([[10.0, 20.0, 50.0, 60.0]], top=5, left=1)
        Array([[11., 25., 51., 65.]], dtype=float32)
    """
    return _changed(boxes, bounding_box_format, lambda x: x + _sides(top, left))


def move_boxes(boxes, matrices):
    """Return the boxes around boxes that 3x3 matrices moved.

    Args:
        boxes: corners "xyxy", `(..., boxes, 4)`.
        matrices: `(batch, 3, 3)`.
    """
    columns, rows = boxes[..., 0::2], boxes[..., 1::2]
    corners = jnp.stack(
        [columns[..., [0, 1, 0, 1]], rows[..., [0, 0, 1, 1]]], axis=-1
    )  # (..., boxes, 4 corners, 2)
    moved = move_points(corners, matrices[:, None])
    return jnp.concatenate([jnp.min(moved, axis=-2), jnp.max(moved, axis=-2)], axis=-1)


def affine_transform(
    boxes,
    angle,
    translate_x,
    translate_y,
    scale,
    shear_x,
    shear_y,
    height,
    width,
    center_x=None,
    center_y=None,
    bounding_box_format="xyxy",
):
    """Return the boxes around boxes that were shifted, rotated, scaled and sheared, in this order.

    Args:
        boxes: tensor of shape `(boxes, 4)` or `(batch, boxes, 4)`, in pixels.
        angle: angle of rotation in degrees, counter-clockwise; like the next five, a number or a
            tensor of shape `(batch,)`.
        translate_x: shift to the right, as part of the width.
        translate_y: shift downwards, as part of the height.
        scale: factor of enlargement.
        shear_x: angle in degrees by which columns are tilted.
        shear_y: angle in degrees by which rows are tilted.
        height: height of the image in pixels.
        width: width of the image.
        center_x: the point that stays where it is, as part of the width; the middle if None.
        center_y: the same, as part of the height.
        bounding_box_format: the format of the boxes.

    Returns:
        Boxes in the same format; they are not clipped to the image.

    Example:
        >>> kerata.utils.bounding_boxes.affine_transform(
        ...     [[0.0, 0.0, 3.0, 1.0]], 0.0, 0.5, 0.0, 1.0, 0.0, 0.0, height=5, width=5
        ... )
        Array([[2., 0., 5., 1.]], dtype=float32)
    """
    boxes = _numbers(boxes)
    angle, shear_x, shear_y = (jnp.deg2rad(as_float(x)) for x in (angle, shear_x, shear_y))
    cos, sin = jnp.cos(angle) * scale, jnp.sin(angle) * scale
    # Rotation and scale; then rows are tilted; then columns.
    c, d = jnp.tan(shear_y) * cos - sin, jnp.tan(shear_y) * sin + cos
    a, b = cos + jnp.tan(shear_x) * c, sin + jnp.tan(shear_x) * d
    linear = ((a, b), (c, d))
    places = (0.5 if center_x is None else center_x, 0.5 if center_y is None else center_y)
    center = (places[0] * (width - 1), places[1] * (height - 1))
    right, down = jnp.asarray(translate_x) * (width - 1), jnp.asarray(translate_y) * (height - 1)
    shift = (a * right + b * down, c * right + d * down)
    matrices = affine_matrices(linear, center, shift)
    moved = _changed(boxes, bounding_box_format, lambda x: move_boxes(x, matrices))
    return moved if moved.ndim == boxes.ndim or moved.shape[0] > 1 else moved[0]


# Distances from anchors


def _height_and_width(image_shape):
    return (None, None) if image_shape is None else tuple(image_shape)[:2]


def _variance(variance):
    found = jnp.ones(4) if variance is None else as_float(variance)
    if found.shape != (4,):
        raise argument_error("variance", "have 4 numbers", variance)
    return found


def encode_box_to_deltas(
    anchors,
    boxes,
    anchor_format,
    box_format,
    encoding_format="center_yxhw",
    variance=None,
    image_shape=None,
):
    """Describe boxes by their distances from anchors, as detectors predict them.

    Of a box, the distance of its centre is counted in sizes of the anchor, and its size as the
    logarithm of the ratio (Ren et al., 2015).

    Args:
        anchors: tensor of shape `(boxes, 4)`.
        boxes: tensor of shape `(boxes, 4)` or `(batch, boxes, 4)`.
        anchor_format: the format of the anchors.
        box_format: the format of the boxes.
        encoding_format: the order of the results: "center_yxhw" or "center_xywh".
        variance: 4 numbers by which the results are divided.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns:
        A tensor of the shape of `boxes`.

    Raises:
        ValueError: if `variance` has not 4 numbers, or a format is unknown.

    Example:
        >>> kerata.utils.bounding_boxes.encode_box_to_deltas(
        ...     [[0.0, 0.0, 10.0, 10.0]], [[0.0, 5.0, 10.0, 15.0]], "xyxy", "xyxy"
        ... )
        Array([[0.5, 0. , 0. , 0. ]], dtype=float32)
    """
    one_of("encoding_format", encoding_format, _ENCODINGS)
    variance, size = _variance(variance), _height_and_width(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, *size)
    boxes = convert_format(boxes, box_format, encoding_format, *size)
    centers = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    ratios = jnp.log(jnp.maximum(boxes[..., 2:], _TINY) / anchors[..., 2:])
    return jnp.concatenate([centers, ratios], axis=-1) / variance


def decode_deltas_to_boxes(
    anchors,
    boxes_delta,
    anchor_format,
    box_format,
    encoded_format="center_yxhw",
    variance=None,
    image_shape=None,
):
    """Return the boxes that `encode_box_to_deltas` described.

    Args:
        anchors: tensor of shape `(boxes, 4)`, or a dict of such tensors, one for each level.
        boxes_delta: tensor of shape `(boxes, 4)` or `(batch, boxes, 4)`, or a dict likewise.
        anchor_format: the format of the anchors.
        box_format: the format of the result.
        encoded_format: the order of the numbers in `boxes_delta`.
        variance: 4 numbers by which they are multiplied.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns:
        Boxes of the shape of `boxes_delta`, or a dict.

    Raises:
        ValueError: if `variance` has not 4 numbers, or a format is unknown.
    """
    one_of("encoded_format", encoded_format, _ENCODINGS)
    variance, size = _variance(variance), _height_and_width(image_shape)

    def decode(anchors, deltas):
        anchors = convert_format(anchors, anchor_format, encoded_format, *size)
        deltas = _numbers(deltas) * variance
        centers = anchors[..., :2] + deltas[..., :2] * anchors[..., 2:]
        sides = anchors[..., 2:] * jnp.exp(deltas[..., 2:])
        found = jnp.concatenate([centers, sides], axis=-1)
        return convert_format(found, encoded_format, box_format, *size)

    if isinstance(anchors, dict):
        return {level: decode(anchors[level], boxes_delta[level]) for level in anchors}
    return decode(anchors, boxes_delta)


# Overlap


def _area(low, high):
    return jnp.prod(jnp.maximum(high - low, 0), axis=-1)


def _overlap(first, second):
    """Return intersection over union of corners, 0 for two boxes without area."""
    (low, high), (low2, high2) = ((b[..., :2], b[..., 2:]) for b in (first, second))
    shared = _area(jnp.maximum(low, low2), jnp.minimum(high, high2))
    union = _area(low, high) + _area(low2, high2) - shared
    return jnp.where(union > 0, shared / jnp.where(union > 0, union, 1), 0)


def compute_iou(
    boxes1, boxes2, bounding_box_format, use_masking=False, mask_val=-1, image_shape=None
):
    """Return the intersection over union of each box with each other.

    Args:
        boxes1: tensor of shape `(m, 4)` or `(batch, m, 4)`.
        boxes2: tensor of shape `(n, 4)` or `(batch, n, 4)`.
        bounding_box_format: the format of the boxes.
        use_masking: whether boxes of four negative numbers are padding.
        mask_val: the result for padding.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns:
        A tensor of shape `(m, n)`, or `(batch, m, n)`.

    Raises:
        ValueError: if boxes have another rank, or a relative format comes without `image_shape`.

    Example:
        >>> kerata.utils.bounding_boxes.compute_iou(
        ...     [[0.0, 0.0, 2.0, 2.0]], [[0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 6.0, 6.0]], "xyxy"
        ... )
        Array([[0.33333334, 0.        ]], dtype=float32)
    """
    size = _height_and_width(image_shape)
    given = [_numbers(b) for b in (boxes1, boxes2)]
    if any(b.ndim not in (2, 3) for b in given):
        raise ValueError(
            "`boxes1` and `boxes2` must have shape (boxes, 4) or (batch, boxes, 4).\n"
            f"Received: shapes {given[0].shape} and {given[1].shape}"
        )
    first, second = (convert_format(b, bounding_box_format, "xyxy", *size) for b in given)
    found = _overlap(first[..., :, None, :], second[..., None, :, :])
    if use_masking:
        padding = [jnp.all(b < 0, axis=-1) for b in given]
        either = padding[0][..., :, None] | padding[1][..., None, :]
        found = jnp.where(either, mask_val, found)
    return found


def compute_ciou(boxes1, boxes2, bounding_box_format, image_shape=None):
    """Return the complete intersection over union of boxes, pair by pair (Zheng et al., 2020).

    The overlap, less penalties for the distance of the centres and for different proportions.

    Args:
        boxes1: tensor of shape `(..., 4)`.
        boxes2: tensor of a shape that broadcasts with it.
        bounding_box_format: the format of the boxes.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns:
        Numbers up to 1 (equal boxes), of the shape of the boxes without their last axis.

    Example:
        >>> box = [[0.0, 0.0, 2.0, 2.0]]
        >>> kerata.utils.bounding_boxes.compute_ciou(box, box, "xyxy")
        Array([1.], dtype=float32)
    """
    size = _height_and_width(image_shape)
    first, second = (
        convert_format(b, bounding_box_format, "xyxy", *size) for b in (boxes1, boxes2)
    )
    (low, high), (low2, high2) = ((b[..., :2], b[..., 2:]) for b in (first, second))
    hull = jnp.maximum(high, high2) - jnp.minimum(low, low2)
    gap = (low + high - low2 - high2) / 2
    distance = jnp.sum(gap**2, axis=-1) / (jnp.sum(hull**2, axis=-1) + _TINY)
    sides, sides2 = high - low, high2 - low2
    angle, angle2 = (jnp.arctan(s[..., 0] / (s[..., 1] + _TINY)) for s in (sides, sides2))
    proportions = 4 / jnp.pi**2 * (angle - angle2) ** 2
    overlap = _overlap(first, second)
    return overlap - distance - proportions**2 / (1 - overlap + proportions + _TINY)


publish(globals())
