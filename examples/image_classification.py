"""Tiles of ten photographs: a convnet of residual, separable blocks, and where it looks."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image

import kerata
from kerata import cli, layers
from kerata.cli import demo, pictures, report
from kerata.cli.reading import images_of, sides_of
from kerata.examples.photographs import photograph

SIZE = 48  # height and width of an image, in pixels
BATCH = 32
SUBJECTS = ["brick", "cat", "coins", "galaxies", "grass", "gravel", "moon", "motorcycle",
            "retina", "tissue"]  # fmt: skip


def main(out, epochs=50, seed=0, say=print, data: Path | None = None):
    """Learn from a folder of images what is on them; show the mistakes and where it looked.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training images.
        seed: decides the initial weights, the order and the augmentation; not the test images.
        data: folder with a folder of images for each class (default: tiles of photographs).
    """
    what = f"the images in {data}" if data else "tiles of ten photographs"
    page = report.Page(out, "What is on the image?", f"A convolutional network on {what}.", say)
    if data is None:
        write_tiles(out / "images", SUBJECTS)
    names, images, labels, files = images_of(data or out / "images", (SIZE, SIZE))
    order = np.random.default_rng(0).permutation(len(labels))
    parts = np.split(order, [len(order) * 60 // 100, len(order) * 75 // 100])
    (x_train, y_train), watched, (x_test, y_test) = ((images[i], labels[i]) for i in parts)
    split = (
        f"{len(x_train):,} to train on, {len(watched[0])} to watch while training, "
        f"{len(x_test)} held out, at random"
    )
    say(f"Images of {len(names)} classes: {split}")

    kerata.utils.set_random_seed(seed)
    model = convnet(len(names))
    steps = epochs * -(-len(x_train) // BATCH)
    schedule = kerata.optimizers.schedules.CosineDecay(3e-3, decay_steps=steps)
    model.compile(
        kerata.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(x_train, y_train, batch_size=BATCH, epochs=epochs, validation_data=watched)

    probabilities = model.predict(x_test, verbose=0)
    predicted = probabilities.argmax(axis=1)
    scores = {
        "this model": float(np.mean(predicted == y_test)),
        "colours alone": colours_alone(x_train, y_train, x_test, y_test),
        "majority class": float(np.mean(y_test == np.bincount(y_train).argmax())),
    }
    page.accuracy(
        scores,
        len(y_test),
        "test images",
        "Colours alone: a linear classifier that knows how often each brightness of red, green and "
        "blue occurs, but not where.",
    )
    page.training(
        history,
        {"loss": "Loss", "accuracy": "Classified right %"},
        "Training images are changed at random, which makes them harder than validation images.",
    )
    # The model sees squares; people see what is in the files.
    sides = np.array(sides_of(files[i] for i in parts[2]))
    page.mistakes(x_test / 255, y_test, probabilities, names, sides=sides)
    order = pictures.worst_first(y_test, probabilities)
    shown = np.concatenate([order[:6], order[:: -max(1, len(order) // 6)][:6]])
    heat = grad_cam(model, x_test[shown], predicted[shown])
    right = (predicted == y_test)[shown]
    page.picture(
        "Where it looked",
        "Grad-CAM (Selvaraju et al., 2017): yellow is what spoke for the answer. Above, the worst "
        "mistakes; below, images from all over the test. Blue answers are right.",
        pictures.grid(
            x_test[shown] / 255 * 0.6 + 0.4 * colormaps["inferno"](heat)[..., :3],
            [names[i] for i in predicted[shown]],
            colours=np.where(right, pictures.BLUE, pictures.VERMILION),
            sides=sides[shown],
        ),
        "grad-cam",
    )

    model.save(out / "model.keras")
    # Without its last layer, for `kerata demo transfer_learning --backbone`.
    kerata.Model(model.input, model.get_layer("pooled").output).save(out / "backbone.keras")
    (out / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    page.reload(model, x_test)
    use = ["predict", f"{out}/model.keras", *(files[i] for i in parts[2][:3])]
    use += ["--classes", f"{out}/classes.txt"]
    say(f"\nkerata {' '.join(use)}")
    cli.main(use)
    page.write(
        {
            "Images": f"{what}, {SIZE}×{SIZE} pixels"
            + ("" if data else "; no two share a pixel, but all are of the same photographs"),
            "Split": split,
            "Use": f"kerata predict {out}/model.keras IMAGE --classes {out}/classes.txt",
        }
    )
    return scores


def write_tiles(folder, subjects, per_class=100):
    """Cut photographs into tiles, and write them as JPEG files into a folder for each class.

    What is nearly of one colour is left out: sky looks like sky.
    """
    draw = np.random.default_rng(0)
    for name in subjects:
        grey = np.asarray(Image.fromarray(photograph(name)).convert("L"))
        rows, columns = (side // SIZE for side in grey.shape)
        tiles = grey[: rows * SIZE, : columns * SIZE].reshape(rows, SIZE, columns, SIZE)
        tiles = tiles.swapaxes(1, 2).reshape(-1, SIZE, SIZE)
        tiles = tiles[tiles.std(axis=(1, 2)) > 4]
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, tile in enumerate(draw.permutation(tiles)[:per_class]):
            Image.fromarray(tile).save(folder / name / f"{number:03}.jpg", quality=95)


def convnet(classes):
    """Return the model: three residual blocks of separable convolutions (Chollet, 2017)."""
    inputs = kerata.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    for change in (  # at random, in training only
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.2),
        layers.RandomBrightness(0.2, value_range=(0, 1)),
        layers.RandomContrast(0.3, value_range=(0, 1)),
    ):
        x = change(x)
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    for filters, strides in ((32, 2), (64, 2), (128, 1)):
        shortcut = layers.Conv2D(filters, 1, strides=strides, padding="same")(x)
        for _ in range(2):
            x = layers.Activation("relu")(x)
            x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D(3, strides=strides, padding="same")(x)
        x = layers.Add()([x, shortcut])
    x = layers.Activation("relu", name="features")(x)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    x = layers.Dense(classes, name="scores")(layers.Dropout(0.3)(x))
    return kerata.Model(inputs, layers.Softmax()(x), name="image_classification")


def grad_cam(model, images, classes):
    """Return how much each place of images speaks for a class, from 0 to 1, of their size.

    The gradient of the class's score tells how much each feature matters, and the features tell
    where they are.
    """
    features = kerata.Model(model.input, model.get_layer("features").output)(images)
    head = kerata.Model(model.get_layer("features").output, model.get_layer("scores").output)
    chosen = kerata.ops.one_hot(classes, model.output_shape[-1])
    gradient = kerata.grad(lambda x: kerata.ops.sum(head(x) * chosen))(features)
    weights = kerata.ops.mean(gradient, axis=(1, 2), keepdims=True)
    heat = kerata.ops.relu(kerata.ops.sum(weights * features, axis=-1, keepdims=True))
    heat = kerata.ops.image.resize(heat, images.shape[1:3])[..., 0]
    return np.asarray(heat / (kerata.ops.max(heat, axis=(1, 2), keepdims=True) + 1e-9))


def colours_alone(x_train, y_train, x_test, y_test):
    """Return the test accuracy of a linear classifier that sees each image's histograms only."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    def histograms(images):
        bins = (images // 16).astype(int)
        return np.stack([(bins == i).mean(axis=(1, 2)) for i in range(16)], axis=1).reshape(
            len(images), -1
        )

    with threadpool_limits(1):
        classifier = LogisticRegression(C=100, max_iter=2000).fit(histograms(x_train), y_train)
        return float(classifier.score(histograms(x_test), y_test))


if __name__ == "__main__":
    demo.script(main)
