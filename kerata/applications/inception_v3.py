"""Inception, third version: several convolutions side by side."""

from kerata import layers
from kerata.applications.frame import Frame, variant
from kerata.applications.imagenet_utils import decode_predictions as decode_predictions, for_mode

# A block is a tuple of branches, and a branch a tuple of steps: (filters, kernel) or
# (filters, kernel, stride 2); or the name of a pooling.
_HALVED = "halved"
_AVERAGE = "average"


def _inception_v3(
    key,
    /,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="inception_v3",
):
    """a network of several convolutions side by side.

    Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
    https://arxiv.org/abs/1512.00567
    """
    frame = Frame(locals(), 299, 75)
    x = stem(frame)
    for number, width in enumerate((32, 64, 64)):
        x = branches(
            frame,
            x,
            f"mixed{number}",
            ((64, 1),),
            ((48, 1), (64, 5)),
            ((64, 1), (96, 3), (96, 3)),
            (_AVERAGE, (width, 1)),
        )
    x = branches(
        frame,
        x,
        "mixed3",
        ((384, 3, 2),),
        ((64, 1), (96, 3), (96, 3, 2)),
        (_HALVED,),
    )
    for number, n in enumerate((128, 160, 160, 192), 4):
        x = branches(
            frame,
            x,
            f"mixed{number}",
            ((192, 1),),
            ((n, 1), (n, (1, 7)), (192, (7, 1))),
            ((n, 1), (n, (7, 1)), (n, (1, 7)), (n, (7, 1)), (192, (1, 7))),
            (_AVERAGE, (192, 1)),
        )
    x = branches(
        frame,
        x,
        "mixed8",
        ((192, 1), (320, 3, 2)),
        ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
        (_HALVED,),
    )
    for number in (9, 10):
        x = _last_block(frame, x, number)
    return frame.model(frame.classify(x, largest=None), key)


def convolve(frame, x, filters, size, strides=1, padding="same", name=None):
    """Convolve, normalize and activate."""
    x = layers.Conv2D(filters, size, strides=strides, padding=padding, use_bias=False, name=name)(x)
    x = frame.normalize(x, name and f"{name}_bn", scale=False)
    return layers.Activation("relu", name=name and f"{name}_ac")(x)


def stem(frame):
    """Return what the blocks begin with."""
    x = convolve(frame, frame.images, 32, 3, 2, "valid")
    x = convolve(frame, x, 32, 3, padding="valid")
    x = convolve(frame, x, 64, 3)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = convolve(frame, x, 80, 1, padding="valid")
    x = convolve(frame, x, 192, 3, padding="valid")
    return layers.MaxPooling2D(3, strides=2)(x)


def branch(frame, x, steps):
    """Run the steps of a branch one after the other."""
    for step in steps:
        if step == _HALVED:
            x = layers.MaxPooling2D(3, strides=2)(x)
        elif step == _AVERAGE:
            x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        else:
            narrow = len(step) > 2
            x = convolve(frame, x, *step, padding="valid" if narrow else "same")
    return x


def branches(frame, x, name, *parts):
    """Run branches side by side, and join them."""
    found = [branch(frame, x, steps) for steps in parts]
    return layers.Concatenate(axis=frame.axis, name=name)(found)


def _last_block(frame, x, number: int):
    """Run a block whose branches fork once more."""
    first = branch(frame, x, ((320, 1),))
    second = branch(frame, x, ((384, 1),))
    second = _fork(frame, second, f"mixed9_{number - 9}")
    third = branch(frame, x, ((448, 1), (384, 3)))
    third = _fork(frame, third, None)
    fourth = branch(frame, x, (_AVERAGE, (192, 1)))
    joined = layers.Concatenate(axis=frame.axis, name=f"mixed{number}")
    return joined([first, second, third, fourth])


def _fork(frame, x, name: str | None):
    return branches(frame, x, name, ((384, (1, 3)),), ((384, (3, 1)),))


InceptionV3 = variant(_inception_v3, "InceptionV3", name="inception_v3")
preprocess_input = for_mode("tf", __name__)
