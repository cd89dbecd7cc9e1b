"""NASNet: cells that were found by search, stacked."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import (
    decode_predictions as decode_predictions,
    for_mode,
    shape_of_images,
)


def _nasnet(
    key,
    size,
    filters,
    depth,
    stem,
    skip,
    /,
    input_shape=None,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="nasnet",
):
    """a stack of cells that were found by search.

    Source: B. Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition",
    https://arxiv.org/abs/1707.07012
    """
    if input_shape is None:
        input_shape = shape_of_images(size)  # also without the head
    frame = Frame(locals(), size)
    x = layers.Conv2D(
        stem, 3, strides=2, use_bias=False, kernel_initializer="he_normal", name="stem_conv1"
    )(frame.images)
    x = _normalize(frame, x, "stem_bn1")
    # Each cell sees the outputs of the two cells before it.
    before, x = x, _reduction_cell(frame, x, x, filters // 4, "stem_1")
    before = _adjust(frame, before, filters // 2, "stem_2", True)
    before, x = x, _reduction_cell(frame, x, before, filters // 2, "stem_2")
    for stage in range(3):
        width = filters * 2**stage
        number = stage * depth
        if stage:
            seen = _adjust(frame, before, width, f"reduce_{number}")
            reduced = _reduction_cell(frame, x, seen, width, f"reduce_{number}")
            before, x = before if skip else x, reduced
            number += 1
        for i in range(depth):
            seen = _adjust(frame, before, width, str(number + i), halve=i == 0)
            before, x = x, _normal_cell(frame, x, seen, width, str(number + i))
    x = layers.Activation("relu")(x)
    return frame.model(frame.classify(x, None, None), key)


def _normalize(frame, x, name: str):
    return frame.normalize(x, name, momentum=0.9997, epsilon=1e-3)


def _project(x, filters: int, name: str):
    return layers.Conv2D(
        filters, 1, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)


def _separable(frame, x, filters: int, size: int, name: str, stride: int = 1):
    """Activate, convolve separably and normalize: twice."""
    for i, step in enumerate((stride, 1), 1):
        x = layers.Activation("relu")(x)
        if step == 2:
            padding = frame.corrected_padding(x, size)
            x = layers.ZeroPadding2D(padding, name=f"separable_conv_1_pad_{name}")(x)
        x = layers.SeparableConv2D(
            filters,
            size,
            strides=step,
            padding="valid" if step == 2 else "same",
            use_bias=False,
            name=f"separable_conv_{i}_{name}",
        )(x)
        x = _normalize(frame, x, f"separable_conv_{i}_bn_{name}")
    return x


def _adjust(frame, x, filters: int, name: str, halve: bool = False):
    """Bring the output of an earlier cell to the size of the latest one."""
    if halve:
        x = layers.Activation("relu", name=f"adjust_relu_1_{name}")(x)
        # Every second pixel; and every second one, shifted by one row and column.
        one = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_1_{name}")(x)
        one = _project(one, filters // 2, f"adjust_conv_1_{name}")
        two = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        two = layers.Cropping2D(((1, 0), (1, 0)))(two)
        two = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_2_{name}")(two)
        two = _project(two, filters // 2, f"adjust_conv_2_{name}")
        x = layers.Concatenate(axis=frame.axis)([one, two])
    elif x.shape[frame.axis] != filters:
        x = layers.Activation("relu")(x)
        x = _project(x, filters, f"adjust_conv_projection_{name}")
    else:
        return x
    return _normalize(frame, x, f"adjust_bn_{name}")


def _begin(frame, x, filters: int, kind: str, name: str):
    x = layers.Activation("relu")(x)
    x = _project(x, filters, f"{kind}_conv_1_{name}")
    return _normalize(frame, x, f"{kind}_bn_1_{name}")


def _normal_cell(frame, x, before, filters: int, name: str):
    """Run the cell that keeps the size."""

    def separable(x, size, part):
        return _separable(frame, x, filters, size, f"normal_{part}_{name}")

    def average(x, part):
        return layers.AveragePooling2D(3, 1, padding="same", name=f"normal_{part}_{name}")(x)

    def add(number, *parts):
        return layers.Add(name=f"normal_add_{number}_{name}")(list(parts))

    x = _begin(frame, x, filters, "normal", name)
    parts = [
        before,
        add(1, separable(x, 5, "left1"), separable(before, 3, "right1")),
        add(2, separable(before, 5, "left2"), separable(before, 3, "right2")),
        add(3, average(x, "left3"), before),
        add(4, average(before, "left4"), average(before, "right4")),
        add(5, separable(x, 3, "left5"), x),
    ]
    return layers.Concatenate(axis=frame.axis, name=f"normal_concat_{name}")(parts)


def _reduction_cell(frame, x, before, filters: int, name: str):
    """Run the cell that halves rows and columns."""

    def separable(x, size, part, stride=2):
        return _separable(frame, x, filters, size, f"reduction_{part}_{name}", stride)

    def pool(kind, x, part):
        return kind(3, strides=2, name=f"reduction_{part}_{name}")(x)

    def add(end, *parts):
        return layers.Add(name=f"reduction_add{end}_{name}")(list(parts))

    x = _begin(frame, x, filters, "reduction", name)
    padded = layers.ZeroPadding2D(frame.corrected_padding(x, 3), name=f"reduction_pad_1_{name}")(x)
    one = add("_1", separable(x, 5, "left1"), separable(before, 7, "right1"))
    two = add("_2", pool(layers.MaxPooling2D, padded, "left2"), separable(before, 7, "right2"))
    three = add("3", pool(layers.AveragePooling2D, padded, "left3"), separable(before, 5, "right3"))
    four = layers.AveragePooling2D(3, 1, padding="same", name=f"reduction_left4_{name}")(one)
    four = layers.Add()([two, four])
    five = add(
        "4", separable(one, 3, "left4", stride=1), pool(layers.MaxPooling2D, padded, "right5")
    )
    join = layers.Concatenate(axis=frame.axis, name=f"reduction_concat_{name}")
    return join([two, three, four, five])


NASNetMobile = variant(_nasnet, "NASNetMobile", 224, 44, 4, 32, False, name="nasnet_mobile")
NASNetLarge = variant(_nasnet, "NASNetLarge", 331, 168, 6, 96, True, name="nasnet_large")
preprocess_input = for_mode("tf", __name__)
