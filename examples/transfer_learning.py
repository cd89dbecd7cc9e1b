"""Ten tiles of each new photograph: what a convnet learns from few, with and without a backbone."""

import platform
import time
from pathlib import Path

import numpy as np

import kerata
from kerata import layers
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput
from kerata.examples import image_classification as before

# What is on photographs that the backbone has not seen, and their files.
SUBJECTS = {
    "astronaut": "astronaut.png",
    "coffee": "coffee.png",
    "flower": "flower.jpg",
    "page": "page.png",
    "photographer": "camera.png",
    "rocket": "rocket.jpg",
    "temple": "china.jpg",
    "text": "text.png",
}


def main(
    out,
    epochs=30,
    few=10,
    seed=0,
    say=print,
    data: Path | None = None,
    backbone: Path | None = None,
):
    """Learn new classes from few images, on top of what a saved model learned from others.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the images, for the backbone and for the few new ones.
        few: training images of each class; all others are for the test.
        seed: decides the initial weights and the order; not which images are for the test.
        data: folder with a folder of images for each class (default: tiles of photographs).
        backbone: model file that makes a vector of an image, as `kerata demo image_classification`
            saves one (default: such a one, trained first).
    """
    started = time.perf_counter()
    kerata.utils.set_random_seed(seed)
    if backbone is None:
        say("No --backbone is given: training one on the photographs of image_classification")
        body = new_backbone(out / "backbone-images", epochs)
        body.save(out / "backbone.keras")
    body = saved_backbone(backbone or out / "backbone.keras")
    if data is None:
        before.write_tiles(out / "images", SUBJECTS)
    size = body.input_shape[1] or before.SIZE
    names, (x_train, y_train), (x_test, y_test) = load(data or out / "images", size, few)
    say(f"\n{len(y_train)} images to learn from, {len(y_test)} held out; {len(names)} classes")

    say("\n1. A new last layer on the backbone, which stays as it is")
    model = kerata.Sequential(
        [
            kerata.Input(x_train.shape[1:]),
            body,
            layers.Dropout(0.3),
            layers.Dense(len(names), activation="softmax"),
        ],
        name="transfer",
    )
    body.trainable = False
    fit(model, x_train, y_train, epochs, 1e-2)
    frozen = model.predict(x_test, verbose=0)
    say("\n2. The same, and then all of it at a low learning rate")
    body.trainable = True
    history = fit(model, x_train, y_train, epochs, 5e-4)
    probabilities = model.predict(x_test, verbose=0)
    say("\n3. The same layers from nothing, for as many epochs")
    fresh = before.convnet(len(names), size)
    fit(fresh, x_train, y_train, 2 * epochs, 3e-3)

    predicted = probabilities.argmax(axis=1)
    scores = {
        "fine-tuned": float(np.mean(predicted == y_test)),
        "frozen backbone": float(np.mean(frozen.argmax(axis=1) == y_test)),
        "from nothing": float(np.mean(fresh.predict(x_test, verbose=0).argmax(axis=1) == y_test)),
        "colours alone": before.colours_alone(x_train, y_train, x_test, y_test),
        "one class": float(np.mean(y_test == np.bincount(y_test).argmax())),
    }
    wrong = {name: round((1 - score) * len(y_test)) for name, score in scores.items()}
    say(f"\nAccuracy on the {len(y_test)} test images")
    for name, score in scores.items():
        say(f"  {name:<20} {score:7.2%}   {wrong[name]:>3} wrong")

    model.save(out / "model.keras")
    (out / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    elsewhere = reloading.predictions_elsewhere(out / "model.keras", x_test)
    reloaded = reloading.sameness(probabilities, elsewhere)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    seconds = time.perf_counter() - started
    low, high = report.wilson_interval(scores["fine-tuned"], len(y_test))
    page = report.Page(out, "Much from few images", "Transfer learning from a saved backbone.")
    page.headline(
        f"{scores['fine-tuned']:.1%}",
        f"of {len(y_test)} test images classified right, learned from {few} of each class on top "
        f"of a backbone that saw other images before. From a test of this size, the true accuracy "
        f"lies between {low:.1%} and {high:.1%} (95% interval).",
    )
    page.scores(
        "With a backbone, and without",
        f"On the same test images, after the same {few} images of each class. That the fine-tuned "
        "model is the one to keep was decided beforehand. Colours alone is a linear classifier "
        "that knows how often each brightness occurs, but not where.",
        scores,
        details={name: report.counted(count, "mistake") for name, count in wrong.items()},
    )
    page.picture(
        "All there is to learn from",
        f"The {len(y_train)} training images, a column for each class.",
        pictures.grid(
            np.concatenate([x_train[place::few] for place in range(few)]) / 255,
            titles=names + [""] * (len(y_train) - len(names)),
            columns=len(names),
            size=1.2,
        ),
        "training",
    )
    page.picture(
        "Fine-tuning",
        "Loss and accuracy on the training images. There are too few to spare some for validation, "
        "so the number of epochs was fixed beforehand.",
        pictures.curves(history.history, {"loss": "Loss", "accuracy": "Classified right %"}),
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
    options = {"--data": data, "--backbone": backbone}
    own = "".join(f" {option} {path}" for option, path in options.items() if path)
    page.facts(
        "How it was measured",
        {
            "Images": str(data or "tiles of eight photographs from scikit-image and scikit-learn")
            + f", of {size}×{size} pixels",
            "Split": f"{few} of each class to learn from, {len(y_test)} held out, at random",
            "Backbone": f"{body.count_params():,} parameters, "
            + (str(backbone) if backbone else "trained on ten other photographs"),
            "Model": f"{model.count_params():,} parameters, saved as model.keras",
            "Reload": f"a fresh process loaded the file: {reloaded}",
            "Use": f"kerata predict {out}/model.keras IMAGE --classes {out}/classes.txt",
            "Again": f"kerata demo transfer_learning --epochs {epochs} --few {few} --seed {seed}"
            f"{own} ({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores


def new_backbone(folder, epochs):
    """Return a model from images to vectors, trained to tell ten photographs apart."""
    before.write_tiles(folder, before.SUBJECTS)
    train, watched, _ = before.load(folder)
    model = before.convnet(len(train.class_names))
    before.fit(model, train, watched, epochs)
    return kerata.Model(model.input, model.get_layer("pooled").output, name="backbone")


def saved_backbone(path):
    """Return the model in a file, if it makes vectors of images of three channels."""
    try:
        body = kerata.models.load_model(path, compile=False)
    except ValueError as error:
        raise BadInput(f"--backbone: {' '.join(str(error).split())}") from error
    if len(body.input_shape) != 4 or body.input_shape[-1] != 3 or len(body.output_shape) != 2:
        raise BadInput(
            f"--backbone must make vectors of images (height, width, 3); {path} makes "
            f"{body.output_shape} of {body.input_shape}"
        )
    return body


def load(folder, size, few):
    """Return the names of the classes, `few` images of each with labels, and all the others."""
    try:
        dataset = kerata.utils.image_dataset_from_directory(
            folder, image_size=(size, size), shuffle=False, verbose=False
        )
        images, labels = before.arrays(dataset)
    except (ValueError, OSError) as error:
        raise BadInput(f"--data: {' '.join(str(error).split())}") from error
    names, counts = dataset.class_names, np.bincount(labels)
    if counts.min() <= few:
        name = names[counts.argmin()]
        raise BadInput(f"--few must be less than {counts.min()}, the images of {name}; not {few}")
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = [order[labels[order] == label] for label in range(len(names))]
    learn = np.concatenate([rows[:few] for rows in by_class])
    test = np.concatenate([rows[few:] for rows in by_class])
    return names, (images[learn], labels[learn]), (images[test], labels[test])


def fit(model, images, labels, epochs, rate):
    """Compile and train a model with a learning rate that falls to 0; return the History."""
    schedule = kerata.optimizers.schedules.CosineDecay(rate, epochs * -(-len(labels) // 16))
    model.compile(
        kerata.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model.fit(images, labels, batch_size=16, epochs=epochs, verbose=2)


if __name__ == "__main__":
    demo.script(main)
