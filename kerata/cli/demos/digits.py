"""Handwritten digits, from the data to a report: train, compare, save, reload, look at mistakes."""

import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli.demos import pictures, report
from kerata.cli.demos.augmentation import moved
from kerata.datasets import digits

EPOCHS = 8
BATCH = 128
VIEWS = 8  # how often each image is shown in one epoch, each time moved a little


def run(out, epochs=EPOCHS, seed=0, say=print):
    """Train on the digits and write the model, three pictures and a report into the folder `out`.

    Args:
        out: path of the folder; made if it is not there.
        epochs: how often to go through the training images (in `VIEWS` views each).
        seed: decides the initial weights, the views and the order; not the test images.
        say: function that prints a line.

    Returns:
        A dict of the results that the report shows.
    """
    started = time.perf_counter()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)

    # The test images are the same whatever the seed. Nothing below looks at them until the model
    # is finished: the validation images, which are watched while training, come from the others.
    (images, labels), (x_test, y_test) = digits.load_data()
    train, watched = digits.stratified_split(labels, share=0.1, seed=seed)
    images, x_test = scaled(images), scaled(x_test)
    x_train = moved(images[train], VIEWS, np.random.default_rng(seed))
    y_train = np.tile(labels[train], VIEWS)
    say(
        f"{len(train):,} images to train on, in {VIEWS} views each; "
        f"{len(watched)} to watch while training; {len(y_test)} held out for the test"
    )

    kerata.utils.set_random_seed(seed)
    model = convnet()
    steps = epochs * -(-len(x_train) // BATCH)
    model.compile(
        optimizer=kerata.optimizers.Adam(
            kerata.optimizers.schedules.CosineDecay(2e-3, decay_steps=steps)
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        x_train,
        y_train,
        batch_size=BATCH,
        epochs=epochs,
        validation_data=(images[watched], labels[watched]),
    )

    probabilities = model.predict(x_test, verbose=0)
    predicted = probabilities.argmax(axis=1)
    scores = {
        "this model": float(np.mean(predicted == y_test)),
        "logistic regression": logistic_regression(images, labels, x_test, y_test),
        "majority class": float(np.mean(y_test == np.bincount(labels).argmax())),
    }
    say(f"\nAccuracy on the {len(y_test)} test images")
    for name, score in scores.items():
        wrong = round((1 - score) * len(y_test))
        say(f"  {name:<20} {score:7.2%}   {wrong:>3} wrong")

    model.save(out / "model.keras")
    elsewhere = predictions_elsewhere(out / "model.keras", x_test)
    difference = float(np.abs(elsewhere - probabilities).max())
    say(f"\nmodel.keras, loaded in a fresh process: {report.sameness(difference)}")

    pictures.curves(history.history, out / "curves.png")
    pictures.confusion(y_test, predicted, out / "confusion.png")
    pictures.mistakes(x_test, y_test, probabilities, out / "mistakes.png")
    results = {
        "scores": scores,
        "test_images": len(y_test),
        "train_images": len(train),
        "validation_images": len(watched),
        "views": VIEWS,
        "epochs": epochs,
        "seed": seed,
        "parameters": model.count_params(),
        "reload_difference": difference,
        "seconds": time.perf_counter() - started,
        "versions": f"kerata {kerata.__version__}, Python {platform.python_version()}",
    }
    report.write(out, results)
    say(f"\nSee {out / 'report.html'} ({results['seconds']:.0f} seconds in all)")
    return results


def convnet():
    """Return the model: two blocks of two convolutions each, then a dense classifier."""
    stack = [kerata.Input((8, 8, 1))]
    for filters in (32, 64):
        for _ in range(2):
            stack += [
                layers.Conv2D(filters, 3, padding="same", use_bias=False),
                layers.BatchNormalization(momentum=0.9),
                layers.Activation("relu"),
            ]
        stack += [layers.MaxPooling2D(2), layers.Dropout(0.2)]
    stack += [
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.4),
        layers.Dense(10, activation="softmax"),
    ]
    return kerata.Sequential(stack, name="digits")


def scaled(images):
    """Return `(n, 8, 8)` images with ink from 0 to 16 as `(n, 8, 8, 1)` with ink from 0 to 1."""
    return (images[..., None] / 16).astype("float32")


def logistic_regression(images, labels, x_test, y_test):
    """Return the test accuracy of a linear classifier of the pixels, given all other images."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    pixels, test_pixels = images.reshape(len(images), -1), x_test.reshape(len(x_test), -1)
    # The matrices are small: more threads would only wait for each other, and on a busy machine
    # for minutes.
    with threadpool_limits(1):
        classifier = LogisticRegression(max_iter=1000).fit(pixels, labels)
        return float(classifier.score(test_pixels, y_test))


def predictions_elsewhere(path, images):
    """Return what the model file at `path` predicts for `images` in a fresh Python process."""
    code = (
        "import sys, numpy, kerata\n"
        "model = kerata.models.load_model(sys.argv[1])\n"
        "numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "images.npy"), Path(folder, "predictions.npy")
        np.save(given, images)
        child = subprocess.run(
            [sys.executable, "-c", code, path, given, answer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if child.returncode:
            raise RuntimeError(f"The saved model could not be used again:\n{child.stderr}")
        return np.load(answer)
