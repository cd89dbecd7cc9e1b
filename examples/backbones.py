"""Convnets that look at photographs: what DeepDream and style transfer share."""

from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli.guard import BadInput
from kerata.examples.photographs import photograph

# The photographs that the small convnet learns to tell apart.
SEEN = ["astronaut", "brick", "cat", "china", "coffee", "flower", "galaxies", "grass", "gravel",
        "motorcycle", "retina", "rocket", "tissue"]  # fmt: skip
# For each architecture, the layers from fine to coarse.
LAYERS = {
    "vgg16": [f"block{block}_conv{2 if block < 3 else 3}" for block in range(1, 6)],
    "vgg19": [f"block{block}_conv{2 if block < 3 else 4}" for block in range(1, 6)],
    "inception_v3": ["mixed0", "mixed2", "mixed4", "mixed6", "mixed8"],
}
SIDE = 48  # pixels of the pieces that the small convnet learns from


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
            f"a small convnet, trained on the spot to say which of {len(SEEN)} photographs a piece "
            f"was cut from: right on {accuracy:.0%} of pieces from parts that it never saw "
            f"(guessing: {chance:.0%}). It knows textures and colours, not objects as VGG does"
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
        line = " ".join(str(error).split())
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
    photographs = [photograph(name, 384).astype("float32") for name in SEEN]
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
