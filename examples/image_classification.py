"""Tiles of ten photographs: a convnet of residual, separable blocks, and where it looks."""

import platform
import time
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image

import kerata
from kerata import cli, layers
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput
from kerata.engine.optional import require

SIZE = 48  # height and width of an image, in pixels
BATCH = 32
# What is on photographs that come with scikit-image, and their files.
SUBJECTS = {
    "brick": "brick.png",
    "cat": "chelsea.png",
    "coins": "coins.png",
    "galaxies": "hubble_deep_field.jpg",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "tissue": "ihc.png",
}


def main(out, epochs=50, seed=0, say=print, data: Path | None = None):
    """Learn from a folder of images what is on them; show the mistakes and where it looked.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training images.
        seed: decides the initial weights, the order and the augmentation; not the test images.
        data: folder with a folder of images for each class (default: tiles of photographs).
    """
    started = time.perf_counter()
    if data is None:
        write_tiles(out / "images", SUBJECTS)
    parts = load(data or out / "images")
    train, watched, test = parts
    names = train.class_names
    (x_train, y_train), (_, y_watched), (x_test, y_test) = map(arrays, parts)
    say(
        f"{len(y_train):,} images to train on, {len(y_watched)} to watch while training, "
        f"{len(y_test)} held out for the test; {len(names)} classes"
    )

    kerata.utils.set_random_seed(seed)
    model = convnet(len(names))
    history = fit(model, train, watched, epochs).history

    probabilities = model.predict(x_test, verbose=0)
    predicted = probabilities.argmax(axis=1)
    scores = {
        "this model": float(np.mean(predicted == y_test)),
        "colours alone": colours_alone(x_train, y_train, x_test, y_test),
        "majority class": float(np.mean(y_test == np.bincount(y_train).argmax())),
    }
    wrong = {name: round((1 - score) * len(y_test)) for name, score in scores.items()}
    say(f"\nAccuracy on the {len(y_test)} test images")
    for name, score in scores.items():
        say(f"  {name:<20} {score:7.2%}   {wrong[name]:>3} wrong")

    model.save(out / "model.keras")
    kerata.Model(model.input, model.get_layer("pooled").output).save(out / "backbone.keras")
    (out / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    elsewhere = reloading.predictions_elsewhere(out / "model.keras", x_test)
    reloaded = reloading.sameness(probabilities, elsewhere)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")
    use = ["predict", f"{out}/model.keras", *test.file_paths[:: len(y_test) // 3][:3]]
    use += ["--classes", f"{out}/classes.txt"]
    say(f"\n{' '.join(['kerata', *use])}")
    cli.main(use)

    likely_wrong = np.lexsort((probabilities[np.arange(len(y_test)), y_test], predicted == y_test))
    looked_at = np.concatenate([likely_wrong[:6], likely_wrong[:: len(y_test) // 6][1:7]])
    heat = grad_cam(model, x_test[looked_at], predicted[looked_at])

    seconds = time.perf_counter() - started
    low, high = report.wilson_interval(scores["this model"], len(y_test))
    what = "tiles of ten photographs" if data is None else f"the images in {data}"
    page = report.Page(out, "What is on the image?", f"A convolutional network on {what}.")
    page.headline(
        f"{scores['this model']:.1%}",
        f"of {len(y_test)} test images classified right: "
        f"{report.counted(wrong['this model'], 'mistake')}. From a test of this size, the true "
        f"accuracy lies between {low:.1%} and {high:.1%} (95% interval). "
        + ("The tiles are of the same photographs as in training, of other places on them: how it "
           "would do on other photographs of the same things, this does not say."
           if data is None else ""),
    )  # fmt: skip
    page.scores(
        "Beside two baselines",
        "On the same test images. The first baseline knows how often each brightness of red, green "
        "and blue occurs, but not where; the other always gives the most frequent answer.",
        scores,
        details={name: report.counted(count, "mistake") for name, count in wrong.items()},
    )
    page.picture(
        "How training went",
        "Training images are flipped, turned, zoomed, and made lighter or darker at random, and "
        "there is dropout: that makes them harder than the validation images.",
        pictures.curves(history, {"loss": "Loss", "accuracy": "Classified right %"}),
        "curves",
    )
    page.picture(
        "What was taken for what",
        "Each row is a true class. Blue counts are right answers, orange ones mistakes.",
        pictures.confusion(y_test, predicted, names),
        "confusion",
        narrow=True,
    )
    page.picture(
        "The worst mistakes",
        "Mistakes first, the most confident at the front; then the right answers that were closest "
        "to going wrong.",
        pictures.mistakes(x_test / 255, y_test, probabilities, names),
        "mistakes",
    )
    page.picture(
        "Where it looked",
        "Grad-CAM (Selvaraju et al., 2017): yellow is what spoke for the answer. "
        "Above, the worst mistakes; below, images from all over the test. Blue answers are right.",
        pictures.grid(
            x_test[looked_at] / 255 * 0.6 + 0.4 * colormaps["inferno"](heat)[..., :3],
            [names[i] for i in predicted[looked_at]],
            colours=[
                pictures.BLUE if hit else pictures.VERMILION
                for hit in (predicted == y_test)[looked_at]
            ],
        ),
        "grad-cam",
    )
    again = f" --data {data}" if data else ""
    page.facts(
        "How it was measured",
        {
            "Images": f"{what}, of {SIZE}×{SIZE} pixels; no two tiles share a pixel"
            if data is None
            else f"{what}, resized to {SIZE}×{SIZE} pixels",
            "Split": f"{len(y_train):,} to train on, {len(y_watched)} to watch while "
            f"training, {len(y_test)} held out, at random",
            "Model": f"{model.count_params():,} parameters, saved as model.keras; without its last "
            "layer as backbone.keras, for kerata demo transfer_learning",
            "Reload": f"a fresh process loaded the file: {reloaded}",
            "Use": f"kerata predict {out}/model.keras IMAGE --classes {out}/classes.txt",
            "Again": f"kerata demo image_classification --epochs {epochs} --seed {seed}{again} "
            f"({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores


def photograph(file):
    """Return a photograph that comes with scikit-image or scikit-learn, `(height, width, 3)`."""
    from sklearn.datasets import load_sample_image

    folder = Path(require("skimage.data", "demo", "The folder of photographs").__file__).parent
    image = Image.open(folder / file) if (folder / file).exists() else (
        Image.fromarray(load_sample_image(file))
    )  # fmt: skip
    image.thumbnail((640, 640))
    return np.asarray(image.convert("RGB"))


def write_tiles(folder, subjects, per_class=100):
    """Cut photographs into tiles, and write them as JPEG files into a folder for each class.

    What is nearly of one colour is left out: sky looks like sky.
    """
    draw = np.random.default_rng(0)
    for name, file in subjects.items():
        grey = np.asarray(Image.fromarray(photograph(file)).convert("L"))
        rows, columns = (side // SIZE for side in grey.shape)
        tiles = grey[: rows * SIZE, : columns * SIZE].reshape(rows, SIZE, columns, SIZE)
        tiles = tiles.swapaxes(1, 2).reshape(-1, SIZE, SIZE)
        tiles = draw.permutation(tiles[tiles.std(axis=(1, 2)) > 4])[:per_class]
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, tile in enumerate(tiles):
            Image.fromarray(tile).save(folder / name / f"{number:03}.jpg", quality=95)


def load(folder):
    """Return a folder's training, validation and test images: 60, 15 and 25% of them, as Datasets.

    Which are for what is drawn at random, always alike.
    """
    try:
        train, held = kerata.utils.image_dataset_from_directory(
            folder, image_size=(SIZE, SIZE), batch_size=BATCH, validation_split=0.4,
            subset="both", seed=0, verbose=False,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        raise BadInput(f"--data: {' '.join(str(error).split())}") from error
    watched = round(held.cardinality() * 3 / 8)  # batches
    test = held.skip(watched)
    test.file_paths = held.file_paths[watched * BATCH :]
    return train, held.take(watched), test


def arrays(dataset):
    """Return all images and labels of a Dataset of batches."""
    images, labels = zip(*dataset.as_numpy_iterator())
    return np.concatenate(images), np.concatenate(labels)


def augmentation():
    """Return the layers that change images at random, in training only."""
    return kerata.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.2),
            layers.RandomBrightness(0.2, value_range=(0, 1)),
            layers.RandomContrast(0.3, value_range=(0, 1)),
        ],
        name="augmentation",
    )


def convnet(classes, size=SIZE):
    """Return the model: three residual blocks of separable convolutions (Chollet, 2017)."""
    inputs = kerata.Input((size, size, 3))
    x = augmentation()(layers.Rescaling(1 / 255)(inputs))
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


def fit(model, train, watched, epochs, rate=3e-3):
    """Compile and train a model with a learning rate that falls to 0; return the History."""
    steps = epochs * train.cardinality()
    schedule = kerata.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    model.compile(
        kerata.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model.fit(train, epochs=epochs, validation_data=watched)


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
