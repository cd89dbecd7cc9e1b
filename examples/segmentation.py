"""Digits and shapes on photographs: a U-Net that says of each pixel what it belongs to."""

import colorsys
import platform
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import kerata
from kerata import layers
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput
from kerata.datasets import digits
from kerata.examples.image_classification import photograph

SIZE = 48  # height and width of a scene, in pixels
BATCH = 16
NAMES = ["background", "digit", "disc", "triangle"]
# Photographs that scenes for training, for validation and for the test are cut from.
PHOTOGRAPHS = {
    "train": ["astronaut.png", "brick.png", "camera.png", "chelsea.png", "china.jpg", "coffee.png",
              "grass.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png", "retina.jpg",
              "text.png"],
    "watched": ["rocket.jpg", "page.png", "cell.png"],
    "test": ["flower.jpg", "gravel.png", "ihc.png", "coins.png"],
}  # fmt: skip
COLOURS = {1: (0, 114, 178), 2: (213, 94, 0), 3: (0, 158, 115)}  # of the classes, in pictures


def main(out, epochs=10, scenes=2500, seed=0, say=print, data: Path | None = None):
    """Train a U-Net on pictures and masks; write the model, overlays and a report.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training scenes.
        scenes: number of training scenes that are made.
        seed: decides the initial weights and the order; not the scenes.
        data: folder with `images`, and in `masks`, PNG files of the same names whose pixels are
            the numbers of classes (default: digits and shapes on photographs).
    """
    started = time.perf_counter()
    if data is None:
        names, sets = NAMES, make_sets(scenes)
    else:
        names, sets = read(data)
    (x_train, y_train), watched, (x_test, y_test) = sets
    say(f"{len(x_train):,} scenes to train on, {len(watched[0])} to watch while training; "
        f"{len(x_test)} held out for the test")  # fmt: skip

    kerata.utils.set_random_seed(seed)
    model = unet(len(names))
    steps = epochs * -(-len(x_train) // BATCH)
    model.compile(
        kerata.optimizers.Adam(kerata.optimizers.schedules.CosineDecay(3e-3, decay_steps=steps)),
        "sparse_categorical_crossentropy",
        metrics=[kerata.metrics.MeanIoU(len(names), sparse_y_pred=False, name="iou")],
    )
    history = model.fit(x_train, y_train, batch_size=BATCH, epochs=epochs, validation_data=watched)

    probabilities = model.predict(x_test, verbose=0)
    predicted = probabilities.argmax(axis=-1)
    found = ious(y_test, predicted, len(names))
    guessed = pixel_by_pixel(x_train, y_train, x_test)
    scores = {
        "this model": float(found.mean()),
        "pixel by pixel": float(ious(y_test, guessed, len(names)).mean()),
        "all background": float(ious(y_test, np.zeros_like(y_test), len(names)).mean()),
    }
    say(f"\nMean IoU on the {len(x_test)} test scenes")
    for name, score in scores.items():
        say(f"  {name:<20} {score:7.2%}")
    say("\nIoU of this model")
    for name, score in zip(names, found):
        say(f"  {name:<20} {score:7.2%}")

    model.save(out / "model.keras")
    elsewhere = reloading.predictions_elsewhere(out / "model.keras", x_test)
    reloaded = reloading.sameness(probabilities, elsewhere)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    seconds = time.perf_counter() - started
    what = "Digits and shapes on photographs" if data is None else f"The pictures in {data}"
    page = report.Page(out, "What does each pixel belong to?", f"{what}; a U-Net, from nothing.")
    page.headline(
        f"{scores['this model']:.1%}",
        "mean IoU: of the pixels that truly belong to a class or are said to, the share where both "
        f"holds, averaged over {len(names)} classes. On {len(x_test)} test scenes"
        + (", of other photographs and other digits than in training."
           if data is None else " that training never saw."),
    )  # fmt: skip
    page.scores(
        "Beside two baselines",
        "Mean IoU on the same test scenes. Pixel by pixel: boosted trees that see a pixel and its "
        "24 neighbours, given 20,000 pixels of the training scenes.",
        scores,
    )
    page.scores("Each class", "IoU of this model.", dict(zip(names, map(float, found))))
    page.picture(
        "How training went",
        "Mean IoU and loss on training and validation scenes.",
        pictures.curves(history.history, {"loss": "Loss", "iou": "Mean IoU %"}),
        "curves",
    )
    share_right = (predicted == y_test).mean(axis=(1, 2))
    worst = np.argsort(share_right)
    for title, note, chosen, name in (
        ("The worst six", "Scenes with most wrong pixels.", worst[:6], "worst"),
        (
            "Six others",
            "From all over the test.",
            worst[-1 :: -max(len(worst) // 6, 1)][:6],
            "others",
        ),
    ):
        page.picture(
            title,
            note + " From above: the scene, the truth, what the model says (digits are blue, discs "
            "orange, triangles green)."
            if data is None
            else note,
            overlays(x_test[chosen], y_test[chosen], predicted[chosen]),
            name,
        )
    if data is None:
        scene, truth = larger_scene()
        seen = reloading.predictions_elsewhere(out / "model.keras", scene[None])[0].argmax(axis=-1)
        page.picture(
            "The saved model on a larger scene",
            "A U-Net takes pictures of any size (whose sides are multiples of 8). Here, the truth "
            "is on the left.",
            overlays(scene[None], truth[None], seen[None], first=False, size=5),
            "larger",
        )
    own = "" if data is None else f" --data {data}"
    page.facts(
        "How it was measured",
        {
            "Scenes": "pieces of photographs from scikit-image and scikit-learn; on them "
            "one or two digits (UCI, as in scikit-learn), discs and triangles in bright colours"
            if data is None
            else str(data),
            "Split": f"{len(x_train):,} to train on, {len(watched[0])} to watch while training, "
            f"{len(x_test)} held out"
            + ("; each of other photographs" if data is None else ", at random"),
            "Model": f"{model.count_params():,} parameters, saved as model.keras",
            "Reload": f"a fresh process loaded the file: {reloaded}",
            "Again": f"kerata demo segmentation --epochs {epochs} --scenes {scenes} --seed {seed}"
            f"{own} ({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores


def unet(classes):
    """Return the model (Ronneberger et al., 2015): down to an eighth of the size, and up again."""

    def convolved(x, filters):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))

    inputs = x = kerata.Input((None, None, 3))
    kept = []
    for filters in (8, 16, 32):
        x = convolved(x, filters)
        kept.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = convolved(convolved(x, 64), 64)
    for fine in reversed(kept):
        x = layers.Conv2DTranspose(fine.shape[-1], 2, strides=2)(x)
        x = convolved(layers.Concatenate()([x, fine]), fine.shape[-1])
    outputs = layers.Conv2D(classes, 1, activation="softmax")(x)
    return kerata.Model(inputs, outputs, name="segmentation")


def make_sets(scenes):
    """Return pictures and masks for training, validation and the test, always the same ones."""
    (images, labels), (other_images, _) = digits.load_data()
    train, watched = digits.stratified_split(labels, share=0.1, seed=0)
    found = []
    for seed, (part, count, ink) in enumerate(
        [("train", scenes, images[train]), ("watched", 200, images[watched]),
         ("test", 300, other_images)]
    ):  # fmt: skip
        draw = np.random.default_rng(seed)
        backgrounds = [photograph(file) for file in PHOTOGRAPHS[part]]
        made = []
        for _ in range(count):
            background = backgrounds[draw.integers(len(backgrounds))]
            if part == "train":  # the few photographs stand for many
                background = background[:: draw.choice([-1, 1]), :: draw.choice([-1, 1])]
                background = background[..., draw.permutation(3)]
            made.append(scene(background, ink, draw, SIZE, SIZE, draw.integers(1, 3)))
        found.append(tuple(map(np.stack, zip(*made))))
    return found


def larger_scene():
    """Return a picture of 192 by 256 pixels with 12 things, and its mask."""
    ink = digits.load_data()[1][0]
    return scene(photograph("flower.jpg"), ink, np.random.default_rng(9), 192, 256, 12)


def scene(background, ink, draw, height, width, things):
    """Return a piece of a photograph with digits and shapes on it, and its mask.

    Args:
        background: photograph `(height, width, 3)`, from 0 to 255.
        ink: images of digits `(n, 8, 8)`, from 0 to 16.
        draw: random generator.
        height, width: of the piece.
        things: number of digits and shapes; later ones cover earlier ones.

    Returns:
        `(height, width, 3)` from 0 to 1, and the class of each pixel, `(height, width)`.
    """
    top, left = (draw.integers(a - b + 1) for a, b in zip(background.shape, (height, width)))
    picture = background[top : top + height, left : left + width] / np.float32(255)
    mask = np.zeros((height, width), "int32")
    for _ in range(things):
        side, kind = int(draw.integers(24, 37)), int(draw.integers(1, len(NAMES)))
        top, left = draw.integers(height - side + 1), draw.integers(width - side + 1)
        place = np.s_[top : top + side, left : left + side]
        cover = thing(kind, side, ink, draw)
        # Bright colours, and not nearly that of the ground: it can be seen.
        colour = np.array(colorsys.hsv_to_rgb(draw.random(), draw.uniform(0.6, 1), 1))
        if np.abs(colour - picture[place].mean(axis=(0, 1))).max() < 0.4:
            colour = 1 - colour
        picture[place] += cover[..., None] * (colour - picture[place])
        mask[place][cover > 0.5] = kind
    return picture, mask


def thing(kind, side, ink, draw):
    """Return how much a digit (1), a disc (2) or a triangle (3) covers each pixel of a square."""
    if kind == 1:
        digit = Image.fromarray(ink[draw.integers(len(ink))].astype("float32"))
        large = digit.resize((side, side), Image.Resampling.BICUBIC)
        return np.clip(np.asarray(large) / 4 - 1.5, 0, 1)
    canvas = Image.new("L", (4 * side, 4 * side))
    if kind == 2:
        ImageDraw.Draw(canvas).ellipse((0, 0, 4 * side - 1, 4 * side - 1), fill=255)
    else:
        turns = draw.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
        corners = 2 * side * (1 + np.stack([np.cos(turns), np.sin(turns)], axis=1))
        ImageDraw.Draw(canvas).polygon(list(map(tuple, corners)), fill=255)
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX)) / 255


def read(folder):
    """Return the names of the classes, and three sets of pictures and masks from a folder."""
    files = sorted((folder / "masks").glob("*.png"))
    if len(files) < 20:
        raise BadInput(f"--data must hold 20 .png files or more in {folder / 'masks'}, "
                       f"not {len(files)}")  # fmt: skip
    x, y = [], []
    for file in files:
        matching = sorted((folder / "images").glob(f"{file.stem}.*"))
        if not matching:
            raise BadInput(f"--data: there is no picture for {file} in {folder / 'images'}")
        picture = kerata.utils.load_img(matching[0], target_size=(SIZE, SIZE))
        x.append(kerata.utils.img_to_array(picture) / 255)
        with Image.open(file) as mask:
            y.append(np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.NEAREST), "int32"))
        if y[-1].ndim != 2:
            raise BadInput(f"{file} must hold one number for each pixel, not a colour")
    order = np.random.default_rng(0).permutation(len(x))
    parts = np.split(order, [len(x) * 7 // 10, len(x) * 8 // 10])
    x, y = np.stack(x), np.stack(y)
    return [f"class {i}" for i in range(y.max() + 1)], [(x[rows], y[rows]) for rows in parts]


def ious(truth, predicted, classes):
    """Return for each class: pixels in both the truth and the prediction, over those in either."""
    both = [np.sum((truth == i) & (predicted == i)) for i in range(classes)]
    either = [np.sum((truth == i) | (predicted == i)) for i in range(classes)]
    return np.array(both) / np.maximum(either, 1)


def pixel_by_pixel(x_train, y_train, x_test):
    """Return what boosted trees say of each pixel, from its colour and its neighbours'."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    def neighbours(images):
        padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
        patches = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
        return patches.reshape(-1, 75)

    few = slice(0, 100)
    rows = np.random.default_rng(0).choice(y_train[few].size, 20_000)
    with threadpool_limits(1):
        trees = HistGradientBoostingClassifier(max_iter=30, random_state=0)
        trees.fit(neighbours(x_train[few])[rows], y_train[few].reshape(-1)[rows])
        return trees.predict(neighbours(x_test)).reshape(x_test.shape[:3])


def overlays(x, truth, predicted, first=True, size=1.7):
    """Draw scenes, and with classes in colour the truth and what the model said."""
    grey = np.repeat(x.mean(axis=-1, keepdims=True), 3, axis=-1) * 255
    masked = [
        kerata.visualization.draw_segmentation_masks(grey, mask, color_mapping=COLOURS, alpha=0.9)
        for mask in (truth, predicted)
    ]
    rows = [x * 255, *masked] if first else masked
    columns = len(x) if first else 2
    return pictures.grid(np.concatenate(rows).astype("uint8"), columns=columns, size=size)


if __name__ == "__main__":
    demo.script(main)
