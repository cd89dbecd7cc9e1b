"""Handwritten digits: a small convnet on 1,797 real images, checked, saved and used again."""

import numpy as np

import kerata
from kerata import layers
from kerata.cli import demo, report
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
    page = report.Page(
        out, "Handwritten digits", "A small convolutional network, from nothing.", say
    )
    # The test images are the same whatever the seed. Nothing below looks at them until the model
    # is finished: the validation images, which are watched while training, come from the others.
    (images, labels), (x_test, y_test) = digits.load_data()
    train, watched = digits.stratified_split(labels, share=0.1, seed=seed)
    # Ink from 0 to 16 becomes what pixels of image files are, 0 to 255.
    images, x_test = (np.round(x[..., None] * (255 / 16)) for x in (images, x_test))
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
    scores = {
        "this model": float(np.mean(probabilities.argmax(axis=1) == y_test)),
        "logistic regression": logistic_regression(images, labels, x_test, y_test),
        "majority class": float(np.mean(y_test == np.bincount(labels).argmax())),
    }
    page.accuracy(
        scores,
        len(y_test),
        "test images",
        "Logistic regression sees the pixels of all the other images.",
    )
    page.training(
        history,
        {"loss": "Loss", "accuracy": "Classified right %"},
        "Training images are moved and there is dropout: they are harder than validation images.",
    )
    page.mistakes(x_test / 255, y_test, probabilities, range(10))
    model.save(out / "model.keras")
    page.reload(model, x_test)
    kerata.utils.save_img(out / "digit.png", x_test[0], scale=False)
    say(
        f"To read a picture, white ink on black: kerata predict {out / 'model.keras'} "
        f"{out / 'digit.png'}   (--invert for black on white)"
    )
    page.write(
        {
            "Images": "1,797 of 8×8 pixels: UCI's Optical Recognition of Handwritten Digits, as in "
            "scikit-learn",
            "Split": f"{len(train):,} to train on, {len(watched)} to watch while training, "
            f"{len(y_test)} held out; each digit in the same shares",
        }
    )
    return scores


def convnet():
    """Return the model: two blocks of two convolutions each, a dense classifier."""
    stack = [kerata.Input((8, 8, 1)), layers.Rescaling(1 / 255)]
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
        classifier = LogisticRegression(max_iter=1000).fit(pixels / 255, labels)
        return float(classifier.score(test_pixels / 255, y_test))


if __name__ == "__main__":
    demo.script(main)
