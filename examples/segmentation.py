"""Digits and shapes on photographs: a U-Net that says of each pixel what it belongs to."""

from pathlib import Path

import numpy as np
from PIL import Image

import kerata
from kerata import layers
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput
from kerata.cli.reading import one_line
from kerata.examples import scenes as made

SIZE = 48  # height and width of a scene, in pixels
BATCH = 16
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
    what = "Digits and shapes on photographs" if data is None else f"The pictures in {data}"
    page = report.Page(
        out, "What does each pixel belong to?", f"{what}; a U-Net, from nothing.", say
    )
    names, sets = read(data) if data else (made.NAMES, made.make_sets([scenes, 200, 300], SIZE))
    (x_train, y_train), watched, (x_test, y_test) = sets
    split = (
        f"{len(x_train):,} to train on, {len(watched[0])} to watch while training, "
        f"{len(x_test)} held out"
    )
    say(f"Scenes: {split}")

    kerata.utils.set_random_seed(seed)
    model = unet(len(names))
    steps = epochs * -(-len(x_train) // BATCH)
    model.compile(
        kerata.optimizers.Adam(kerata.optimizers.schedules.CosineDecay(3e-3, decay_steps=steps)),
        "sparse_categorical_crossentropy",
        metrics=[kerata.metrics.MeanIoU(len(names), sparse_y_pred=False, name="iou")],
    )
    history = model.fit(x_train, y_train, batch_size=BATCH, epochs=epochs, validation_data=watched)

    predicted = model.predict(x_test, verbose=0).argmax(axis=-1)
    found = ious(y_test, predicted, len(names))
    guessed = pixel_by_pixel(x_train, y_train, x_test)
    scores = {
        "this model": float(found.mean()),
        "pixel by pixel": float(ious(y_test, guessed, len(names)).mean()),
        "all background": float(ious(y_test, np.zeros_like(y_test), len(names)).mean()),
    }
    page.headline(
        f"{scores['this model']:.1%}",
        "mean IoU: of the pixels that truly belong to a class or are said to, the share where both "
        f"holds, averaged over {len(names)} classes. On {len(x_test)} test scenes that training "
        "never saw" + ("." if data else ", of other photographs and other digits."),
    )
    page.scores(
        f"Mean IoU on {len(x_test)} test scenes",
        "Pixel by pixel: boosted trees that see a pixel and its 24 neighbours.",
        scores,
    )
    page.scores("IoU of each class", "", dict(zip(names, map(float, found))), own=False)
    page.training(history, {"loss": "Loss", "iou": "Mean IoU %"})
    order = np.argsort((predicted == y_test).mean(axis=(1, 2)))
    note = "From above: the scene, the truth, what the model says."
    for title, shown in (
        ("The worst six", order[:6]),
        ("Six others", order[:: -max(len(order) // 6, 1)][:6]),
    ):
        rows = [x_test[shown] * 255, *(painted(x_test, y, shown) for y in (y_test, predicted))]
        figure = pictures.grid(np.concatenate(rows).astype("uint8"), columns=len(shown))
        page.picture(title, note, figure, title.lower().replace(" ", "_"))
    model.save(out / "model.keras")
    page.reload(model, x_test)
    page.write({"Scenes": what, "Split": split + (", at random" if data else "")})
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


def read(folder):
    """Return the names of the classes, and three sets of pictures and masks from a folder."""
    files = sorted((folder / "masks").glob("*.png"))
    if len(files) < 20:
        raise BadInput(
            f"--data must hold 20 .png files or more in {folder / 'masks'}, not {len(files)}"
        )
    x, y = [], []
    for file in files:
        matching = sorted((folder / "images").glob(f"{file.stem}.*"))
        if not matching:
            raise BadInput(f"--data: there is no picture for {file} in {folder / 'images'}")
        with one_line("--data"):
            picture = kerata.utils.load_img(matching[0], target_size=(SIZE, SIZE))
            with Image.open(file) as mask:
                y.append(np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.NEAREST), "int32"))
        x.append(kerata.utils.img_to_array(picture) / 255)
        if y[-1].ndim != 2 or y[-1].max() > 99:
            raise BadInput(f"--data: {file} must hold the number of a class, 0 to 99, for each "
                           "pixel, not a colour or a shade")  # fmt: skip
    order = np.random.default_rng(0).permutation(len(x))
    parts = np.split(order, [len(x) * 7 // 10, len(x) * 8 // 10])
    x, y = np.stack(x), np.stack(y)
    if y.max() == 0:
        raise BadInput(f"--data: all masks in {folder / 'masks'} are 0: there is nothing to find")
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


def painted(x, masks, shown):
    """Return some pictures in grey, with classes in colour."""
    grey = np.repeat(x[shown].mean(axis=-1, keepdims=True), 3, axis=-1) * 255
    return kerata.visualization.draw_segmentation_masks(
        grey, masks[shown], color_mapping=COLOURS, alpha=0.9
    )


if __name__ == "__main__":
    demo.script(main)
