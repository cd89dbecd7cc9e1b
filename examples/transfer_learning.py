"""Ten examples of each digit are enough for a convnet that has learned to read letters before."""

from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput
from kerata.cli.reading import images_of, one_line, sides_of
from kerata.datasets import digits
from kerata.examples import scenes

SIZE = 20  # height and width of a picture, in pixels
LETTERS = 6000  # pictures of letters that the backbone learns from


def main(
    out,
    epochs=40,
    few=10,
    runs=3,
    seed=0,
    say=print,
    data: Path | None = None,
    backbone: Path | None = None,
):
    """Learn new classes from few images, on top of what a model learned from others.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the few images.
        few: training images of each class; all others are for the test.
        runs: how often all is done, each time with other few images and other weights.
        seed: decides the initial weights, and which images those are.
        data: folder with a folder of images for each class (default: handwritten digits on
            photographs); needs a backbone.
        backbone: model file that makes a vector of an image, as `kerata demo image_classification`
            saves one (default: one that learns to read letters first).
    """
    page = report.Page(out, "Much from few images", "What a convnet learned before helps.", say)
    kerata.utils.set_random_seed(seed)
    if data and not backbone:
        raise BadInput("--data needs --backbone: the model that image_classification saves, say")
    body = saved(backbone) if backbone else reader_of_letters(say)
    body.save(out / "backbone.keras")
    if data:
        _, *size, channels = body.input_shape
        names, images, labels, files = images_of(data, size, channels)
        sides = np.array(sides_of(files))
    else:
        names, images, labels = handwriting()
        sides = np.ones(len(labels))
    fewest = np.bincount(labels).min()
    if few >= fewest:
        raise BadInput(f"--few must be less than {fewest}, the images of the rarest class")

    learned = body.get_weights()
    found = {"fine-tuned": [], "frozen": [], "from nothing": [], "pixels": []}
    for number in range(runs):
        train, test = few_of_each(labels, few, seed + number)
        (x_train, y_train), (x, y) = ((images[rows], labels[rows]) for rows in (train, test))
        say(f"\nRun {number + 1} of {runs}: {len(y_train)} images to learn from, {len(y)} held out")
        kerata.utils.set_random_seed(seed + number)
        body.set_weights(learned)
        features = [body.predict(images, verbose=0) for images in (x_train, x)]
        found["frozen"].append(linear(features[0], y_train, features[1], y))
        found["pixels"].append(linear(x_train / 255, y_train, x / 255, y))
        # The same layers, rate and epochs: all that differs is what the weights are at first.
        for name, start in (
            ("from nothing", kerata.models.clone_model(body)),
            ("fine-tuned", body),
        ):
            model, history = fitted(start, x_train, y_train, len(names), epochs)
            found[name].append(model.evaluate(x, y, verbose=0)[1])
            say(f"  {name}: {found[name][-1]:.1%}")

    scores = {name: float(np.mean(shares)) for name, shares in found.items()}
    gains = np.subtract(found["fine-tuned"], found["from nothing"])
    page.headline(
        f"+{100 * gains.mean():.0f} points" if gains.mean() > 0 else "no gain",
        f"of accuracy come from what the backbone knew: {scores['fine-tuned']:.1%} of test images "
        f"right against {scores['from nothing']:.1%} from nothing, after {few} images of each "
        f"class. In {runs} runs the gain was {100 * gains.min():.0f} to {100 * gains.max():.0f} "
        "points.",
    )
    page.scores(
        f"Right on {len(y):,} test images",
        f"Means of {runs} runs, and from the worst to the best. Frozen: a linear classifier on "
        "what the backbone says. Pixels: one on the pixels.",
        scores,
        details={name: f"{min(s):.1%} to {max(s):.1%}" for name, s in found.items()},
    )
    ink = 1 - x_train.mean(axis=-1) / 255
    page.picture(
        "All there is to learn from",
        f"The {len(train)} training images of the last run, a column for each class.",
        pictures.mosaic(np.concatenate([ink[place::few] for place in range(few)]), len(names)),
        "training",
        narrow=True,
    )
    page.training(history, {"loss": "Loss", "accuracy": "Classified right %"}, "Fine-tuning.")
    colours = np.broadcast_to(x / 255, (*x.shape[:3], 3))  # or ink would be drawn, not light
    page.mistakes(colours, y, model.predict(x, verbose=0), names, sides=sides[test])
    model.save(out / "model.keras")
    (out / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    page.reload(model, x)
    page.write(
        {
            "Images": str(data or "handwritten digits (UCI) on photographs"),
            "Backbone": str(backbone or f"learned to read {LETTERS:,} printed letters on other "
                                        "photographs; it has seen no digit"),
            "Use": f"kerata predict {out}/model.keras IMAGE --classes {out}/classes.txt",
        }
    )  # fmt: skip
    return scores | {"gain": float(gains.mean())}


def reader_of_letters(say):
    """Return a model from images to vectors, trained to tell printed letters apart."""
    draw = np.random.default_rng(0)
    signs, labels = scenes.letters(LETTERS, draw)
    body = convnet()
    say(f"The backbone learns to read {LETTERS:,} letters on photographs")
    fitted(body, scenes.in_white(signs, "train", SIZE, draw), labels, 26, epochs=8, batch=64)
    return body


def convnet():
    """Return a model of images that makes a vector of each."""
    stack = [kerata.Input((SIZE, SIZE, 1)), layers.Rescaling(1 / 255)]
    for filters, count in ((16, 1), (32, 2), (64, 2)):
        for _ in range(count):
            stack += [
                layers.Conv2D(filters, 3, padding="same", use_bias=False),
                layers.BatchNormalization(momentum=0.9),
                layers.Activation("relu"),
            ]
        stack.append(layers.MaxPooling2D(2))
    return kerata.Sequential([*stack, layers.Flatten(), layers.Dense(128, activation="relu")])


def fitted(body, images, labels, classes, epochs, batch=16):
    """Return a classifier on top of a body, trained as a whole, and its History."""
    end = [layers.Dropout(0.3), layers.Dense(classes, activation="softmax")]
    model = kerata.Sequential([kerata.Input(images.shape[1:]), body, *end])
    schedule = kerata.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(labels) // batch))
    model.compile(
        kerata.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model, model.fit(images, labels, batch_size=batch, epochs=epochs, verbose=2)


def linear(x_train, y_train, x, y):
    """Return the test accuracy of a linear classifier."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=1000)
    return classifier.fit(x_train.reshape(len(x_train), -1), y_train).score(
        x.reshape(len(x), -1), y
    )


def few_of_each(labels, few, seed):
    """Return which samples to learn from, `few` of each class, and which to test with."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rows = [order[labels[order] == label] for label in np.unique(labels)]
    return np.concatenate([r[:few] for r in rows]), np.concatenate([r[few:] for r in rows])


def handwriting():
    """Return the names, pictures and labels of handwritten digits on photographs."""
    (ink, labels), (other_ink, other_labels) = digits.load_data()
    ink, labels = np.concatenate([ink, other_ink]), np.concatenate([labels, other_labels])
    return (
        list("0123456789"),
        scenes.in_white(ink, "test", SIZE, np.random.default_rng(2026)),
        labels,
    )


def saved(path):
    """Return the model in a file, if it makes vectors of images."""
    with one_line("--backbone"):
        body = kerata.models.load_model(path, compile=False)
    if len(body.input_shape) != 4 or len(body.output_shape) != 2:
        raise BadInput(
            f"--backbone must make vectors of images (height, width, 3); {path} makes "
            f"{body.output_shape} of {body.input_shape}"
        )
    return body


if __name__ == "__main__":
    demo.script(main)
