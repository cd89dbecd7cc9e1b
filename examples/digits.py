"""Handwritten digits: a small convnet on 1,797 real images, checked, saved and used again."""

import platform
import time

import numpy as np

import kerata
from kerata import layers
from kerata.cli import demo, pictures, reloading, report
from kerata.datasets import digits

BATCH = 128
VIEWS = 8  # how often each image is shown in one epoch, each time moved a little


def main(out, epochs=8, seed=0, say=print):
    """Train a convnet on scikit-learn's digits; write the model, pictures and a report.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training images (in 8 views each).
        seed: decides the initial weights, the views and the order; not the test images.
    """
    started = time.perf_counter()

    # The test images are the same whatever the seed. Nothing below looks at them until the model
    # is finished: the validation images, which are watched while training, come from the others.
    (images, labels), (x_test, y_test) = digits.load_data()
    train, watched = digits.stratified_split(labels, share=0.1, seed=seed)
    images, x_test = images[..., None] / 16, x_test[..., None] / 16  # ink from 0 to 1
    say(
        f"{len(train):,} images to train on, in {VIEWS} views each; "
        f"{len(watched)} to watch while training; {len(y_test)} held out for the test"
    )

    kerata.utils.set_random_seed(seed)
    moved = kerata.Sequential(
        [
            layers.RandomRotation(10 / 360, fill_mode="constant"),
            layers.RandomZoom(0.1, fill_mode="constant"),
            layers.RandomTranslation(1 / 8, 1 / 8, fill_mode="constant"),
        ]
    )
    x_train = np.concatenate(
        [images[train], *(moved(images[train], training=True) for _ in range(VIEWS - 1))]
    )
    model = convnet()
    steps = epochs * -(-len(x_train) // BATCH)
    schedule = kerata.optimizers.schedules.CosineDecay(2e-3, decay_steps=steps)
    model.compile(
        kerata.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(
        x_train,
        np.tile(labels[train], VIEWS),
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
    wrong = {name: round((1 - score) * len(y_test)) for name, score in scores.items()}
    say(f"\nAccuracy on the {len(y_test)} test images")
    for name, score in scores.items():
        say(f"  {name:<20} {score:7.2%}   {wrong[name]:>3} wrong")

    model.save(out / "model.keras")
    elsewhere = reloading.predictions_elsewhere(out / "model.keras", x_test)
    reloaded = reloading.sameness(probabilities, elsewhere)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    names = range(10)
    seconds = time.perf_counter() - started
    low, high = report.wilson_interval(scores["this model"], len(y_test))
    page = report.Page(out, "Handwritten digits", "A small convolutional network, from nothing.")
    page.headline(
        f"{scores['this model']:.1%}",
        f"of {len(y_test)} test images classified right: "
        f"{report.counted(wrong['this model'], 'mistake')}. Training never saw these images, and "
        f"no choice was made by them. From a test of this size, the true accuracy lies between "
        f"{low:.1%} and {high:.1%} (95% interval).",
    )
    page.scores(
        "Beside two baselines",
        "On the same test images. Logistic regression sees the pixels and was given all the other "
        "images; the majority class always answers with the most frequent digit.",
        scores,
        details={name: report.counted(count, "mistake") for name, count in wrong.items()},
    )
    page.picture(
        "How training went",
        "Training images are turned, zoomed and shifted a little, and there is dropout: that makes "
        "them harder than the validation images.",
        pictures.curves(history.history, {"loss": "Loss", "accuracy": "Classified right %"}),
        "curves",
    )
    page.picture(
        "What was taken for what",
        "Each row is a true digit. Blue counts are right answers, orange ones mistakes.",
        pictures.confusion(y_test, predicted, names),
        "confusion",
        narrow=True,
    )
    page.picture(
        "The worst mistakes",
        "Mistakes first, the most confident at the front; then the right answers that were closest "
        "to going wrong.",
        pictures.mistakes(x_test, y_test, probabilities, names),
        "mistakes",
    )
    page.facts(
        "How it was measured",
        {
            "Images": "1,797 of 8×8 pixels, from the UCI repository's Optical Recognition of "
            "Handwritten Digits, as in scikit-learn",
            "Split": f"{len(train):,} to train on, {len(watched)} to watch while training, "
            f"{len(y_test)} held out; each digit in the same shares",
            "Model": f"{model.count_params():,} parameters, saved as model.keras",
            "Reload": f"a fresh process loaded the file: {reloaded}",
            "Again": f"kerata demo digits --epochs {epochs} --seed {seed} ({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores


def convnet():
    """Return the model: two blocks of two convolutions each, a dense classifier."""
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


if __name__ == "__main__":
    demo.script(main)
