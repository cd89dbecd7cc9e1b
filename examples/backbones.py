"""Photographs, and convnets that look at them: what DeepDream and style transfer share."""

from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli.guard import BadInput

# Photographs that come with scikit-learn and scikit-image.
SKLEARN = ("china", "flower")
SKIMAGE = (
    "astronaut", "brick", "chelsea", "coffee", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "motorcycle", "retina", "rocket",
)  # fmt: skip

# For each architecture, the layers from fine to coarse.
LAYERS = {
    "vgg16": [f"block{block}_conv{2 if block < 3 else 3}" for block in range(1, 6)],
    "vgg19": [f"block{block}_conv{2 if block < 3 else 4}" for block in range(1, 6)],
    "inception_v3": ["mixed0", "mixed2", "mixed4", "mixed6", "mixed8"],
}
SIDE = 48  # pixels of the pieces that the small convnet learns from


def photograph(name, longest):
    """Return a photograph, `(height, width, 3)` from 0 to 255.

    Args:
        name: name in `SKLEARN` or `SKIMAGE`, or the path of an image file.
        longest: pixels that the longer side gets.
    """
    if name in SKLEARN:
        from sklearn.datasets import load_sample_image

        image = load_sample_image(f"{name}.jpg")
    elif name in SKIMAGE:
        try:
            from skimage import data
        except ImportError as error:
            raise ImportError("the photographs need: pip install 'kerata[demo]'") from error
        image = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    else:
        if not Path(name).is_file():
            known = ", ".join((*SKLEARN, *SKIMAGE))
            raise BadInput(
                f"there is no photograph {name!r}; give an image file, or one of {known}"
            )
        try:
            image = kerata.utils.img_to_array(kerata.utils.load_img(name))
        except (OSError, ValueError) as error:
            raise BadInput(f"this is no image that can be read: {name} ({error})") from None
    image = np.asarray(image, "float32")
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    scale = longest / max(image.shape[:2])
    size = [max(round(side * scale), SIDE) for side in image.shape[:2]]
    small = kerata.ops.image.resize(image, size, antialias=True)
    return np.clip(small, 0, 255)


def backbone(weights, architecture, epochs, seed, say):
    """Return a model of photographs from 0 to 255, the names of its layers, and what it is.

    Args:
        weights: path of a file of weights for `architecture`, without its classifier; or None:
            then a small convnet is trained on the spot.
        architecture: "vgg16", "vgg19" or "inception_v3".
        epochs: how long the small convnet is trained.
        seed: decides its weights and the pieces that it sees.
        say: what to tell progress with.
    """
    if weights is None:
        model, accuracy, chance = trained_on_the_spot(epochs, seed, say)
        about = (
            f"no file of weights was given, so a small convnet ({model.count_params():,} "
            f"parameters) was trained on the spot to say which of {len(SKLEARN + SKIMAGE)} "
            f"photographs a piece of {SIDE}×{SIDE} pixels was cut from. It is right on "
            f"{accuracy:.0%} of pieces from parts of them that it never saw (guessing: "
            f"{chance:.0%}). It knows textures and colours, not objects as VGG or Inception do"
        )
        return model, [f"block{block}" for block in range(1, 5)], about
    if architecture not in LAYERS:
        raise BadInput(f"--architecture must be one of {', '.join(LAYERS)}, not {architecture!r}")
    if not Path(weights).is_file():
        raise BadInput(f"there is no file of weights: {weights}")
    package = getattr(kerata.applications, architecture)
    make = {"vgg16": "VGG16", "vgg19": "VGG19", "inception_v3": "InceptionV3"}[architecture]
    images = kerata.Input((None, None, 3))
    prepared = package.preprocess_input(images)
    try:
        model = getattr(package, make)(
            include_top=False, weights=str(weights), input_tensor=prepared
        )
    except (ValueError, OSError, KeyError) as error:
        line = str(error).partition("\n")[0]
        raise BadInput(
            f"{weights} holds no weights of {architecture} without its classifier ({line})"
        ) from None
    return model, LAYERS[architecture], f"{make} with the weights of {Path(weights).name}"


def small_convnet():
    """Return the convnet that is trained on the spot: four blocks, each half as fine."""
    images = kerata.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    for block, filters in enumerate((24, 48, 64, 96), 1):
        if block > 1:
            x = layers.AveragePooling2D(2)(x)
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu", name=f"block{block}")(x)
    return kerata.Model(images, x, name="small_convnet")


def trained_on_the_spot(epochs, seed, say, pieces=200):
    """Return a small convnet that tells photographs apart, its accuracy, and chance.

    The right quarter of each photograph is for the test alone.
    """
    generator = np.random.default_rng(seed)
    photographs = [photograph(name, 384) for name in (*SKLEARN, *SKIMAGE)]
    parts = [np.split(image, [round(0.75 * image.shape[1])], axis=1) for image in photographs]
    x_train, x_test = (
        np.concatenate([cut(part[which], count, generator) for part in parts])
        for which, count in ((0, pieces), (1, 20))
    )
    y_train, y_test = (np.repeat(range(len(parts)), count) for count in (pieces, 20))
    say(f"{len(x_train):,} pieces of {len(parts)} photographs to train a small convnet on")
    kerata.utils.set_random_seed(seed)
    convnet = small_convnet()
    model = kerata.Sequential(
        [
            kerata.Input((SIDE, SIDE, 3)),
            layers.RandomFlip(),
            layers.RandomGrayscale(0.5),  # or the colours would tell
            layers.RandomContrast(0.4, value_range=(0, 255)),
            convnet,
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(parts), activation="softmax"),
        ]
    )
    steps = epochs * -(-len(x_train) // 64)
    rate = kerata.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(
        kerata.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x_train, y_train, batch_size=64, epochs=epochs)
    return convnet, model.evaluate(x_test, y_test, verbose=0)[1], 1 / len(parts)


def cut(image, count, generator):
    """Return `count` pieces, `(count, SIDE, SIDE, 3)`, from random places of an image."""
    rows, columns = (generator.integers(0, side - SIDE + 1, count) for side in image.shape[:2])
    return np.stack([image[r : r + SIDE, c : c + SIDE] for r, c in zip(rows, columns)])
