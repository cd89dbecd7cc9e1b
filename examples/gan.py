"""New handwriting from noise: a generative adversarial network, and how real its digits are."""

import time

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput
from kerata.datasets import digits, mnist

BATCH, NOISE = 64, 32
DRAWN = 2000  # images that are measured


def main(out, *, dataset="digits", epochs: int | None = None, seed=0, say=print):
    """Train a generator against a discriminator, and a classifier to judge what it draws.

    Args:
        out: path of the folder for the results.
        dataset: "digits", 8×8 pixels, from scikit-learn; or "mnist", 28×28, which is downloaded.
        epochs: how often to go through the training images; if not given, 80, or 4 for mnist.
        seed: decides the initial weights, the order and the noise; not the test images.
    """
    started = time.perf_counter()
    (images, labels), (x_test, y_test) = load(dataset)
    epochs = epochs or {"digits": 80, "mnist": 4}[dataset]
    kerata.utils.set_random_seed(seed)
    say(f"{len(images):,} images to learn from, {len(x_test):,} held out to compare with")

    # The judge learns from the same images, and its features are what distances are measured in.
    judge = classifier(images.shape[1:])
    judge.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rounds = {"digits": 15, "mnist": 2}[dataset] if epochs > 1 else 1
    judge.fit(images, labels, batch_size=BATCH, epochs=rounds, verbose=0)
    accuracy = judge.evaluate(x_test, y_test, verbose=0)[1]
    say(f"The judge, a classifier, is right on {accuracy:.1%} of the held-out images\n")

    generator, discriminator = networks(images.shape[1:])
    step = adversaries(generator, discriminator)
    order = np.random.default_rng(seed)
    noise = order.normal(size=(DRAWN, NOISE)).astype("float32")
    history: dict[str, list] = {"discriminator": [], "generator": []}
    stages = []
    for epoch in range(1, epochs + 1):
        shuffled = images[order.permutation(len(images))]
        losses = [
            step(shuffled[first : first + BATCH])
            for first in range(0, len(images) - BATCH + 1, BATCH)
        ]
        for name, values in zip(history, zip(*losses)):
            history[name].append(float(np.mean(values)))
        if epoch in {1, *np.linspace(0, epochs, 6, dtype=int)}:
            stages.append((epoch, generator.predict(noise[:12], verbose=0)))
        if epoch % max(1, epochs // 10) == 0:
            told = "   ".join(f"{name} {values[-1]:.3f}" for name, values in history.items())
            say(f"epoch {epoch:>4}/{epochs}   {told}")

    drawn = generator.predict(noise, verbose=0)
    candidates = {
        "this model": drawn,
        "pixels that vary together": gaussian(images, order),
        "independent pixels": order.permuted(images, axis=0)[:DRAWN],
        "real ones": images,
    }
    features = kerata.Model(judge.input, judge.layers[-2].output)
    real = features.predict(x_test, verbose=0)
    scores, sure, shares = {}, {}, {}
    for name, made in candidates.items():
        scores[name] = frechet(features.predict(made, verbose=0), real)
        probabilities = judge.predict(made, verbose=0)
        sure[name] = float(np.mean(probabilities.max(axis=1) > 0.9))
        shares[name] = np.bincount(probabilities.argmax(axis=1), minlength=10) / len(made)
    # Copying would be easy: how far are the images from the nearest one that was learned from?
    nearest, gap = neighbours(drawn, images)
    fresh = float(np.median(gap) / np.median(neighbours(x_test, images)[1]))
    rarest = int(shares["this model"].argmin())
    say("\nFréchet distance to the held-out images (less is better), and how many digits are clear")
    for name, score in scores.items():
        say(f"  {name:<26} {score:8.2f}   {sure[name]:.0%} clear")
    say(f"The rarest digit, {rarest}, is {shares['this model'][rarest]:.1%} of them.")

    generator.save(out / "model.keras")
    reloaded = reloading.sameness(
        drawn, reloading.predictions_elsewhere(out / "model.keras", noise)
    )
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    page = report.Page(
        out, "New handwriting from noise", "A generative adversarial network (Goodfellow, 2014)."
    )
    page.headline(
        f"{scores['this model']:.1f}",
        "is the Fréchet distance of the drawn digits to real ones that nobody learned from. Other "
        f"real ones are at {scores['real ones']:.1f}; images with the same average pixels, "
        f"varying together as in real ones, at {scores['pixels that vary together']:.1f}. A "
        f"classifier recognizes {sure['this model']:.0%} of the drawn digits with confidence, "
        f"against {sure['real ones']:.0%} of real ones.",
    )
    clear = judge.predict(drawn, verbose=0).max(axis=1)
    page.picture(
        "Digits that were never written",
        "The first 48 that were drawn, none chosen.",
        tiles(drawn[:48]),
        "samples",
    )
    page.scores(
        "How far from real ones",
        "Fréchet distance between the features that the classifier has of images and of the "
        "held-out ones: shorter bars are better. “Pixels that vary together”: drawn from a "
        "normal distribution with the images' mean and covariance.",
        scores,
        form="{:.1f}",
        details={name: f"{share:.0%} clear" for name, share in sure.items()},
    )
    page.table(
        "Are all ten there?",
        "Share of each digit among the images, as the classifier reads them, in percent.",
        ["Images", *map(str, range(10))],
        [
            [name, *(round(float(share) * 100, 1) for share in shares[name])]
            for name in ("this model", "real ones")
        ],
    )
    pairs = np.argsort(gap)[:12]
    page.picture(
        "Not copies",
        "Above, the twelve drawn digits that are nearest to an image that was learned from; below, "
        f"that image. The usual distance to it is {fresh:.2f} times that of a held-out image.",
        tiles(np.concatenate([drawn[pairs], images[nearest[pairs]]])),
        "nearest",
    )
    page.picture(
        "The least clear ones",
        "Of the drawn digits, those that the classifier is least sure about.",
        tiles(drawn[np.argsort(clear)[:24]]),
        "unclear",
    )
    page.picture(
        "How they came about",
        f"The same noise after {', '.join(str(epoch) for epoch, _ in stages)} epochs.",
        tiles(np.concatenate([made for _, made in stages])),
        "stages",
    )
    page.picture(
        "How training went",
        "Neither loss is meant to vanish: each is what the other leaves.",
        pictures.curves(history, {"discriminator": "Discriminator", "generator": "Generator"}),
        "curves",
    )
    seconds = time.perf_counter() - started
    page.facts(
        "How it was measured",
        {
            "Images": f"{dataset}: {len(images):,} to learn from, {len(x_test):,} held out",
            "Models": f"generator {generator.count_params():,} parameters, discriminator "
            f"{discriminator.count_params():,}; model.keras takes {NOISE} normal numbers an image",
            "Classifier": f"right on {accuracy:.1%} of the held-out images; it learned from the "
            "same images as the generator. Clear: more than 90% probable to be one of the digits",
            "Reload": f"a fresh process loaded model.keras: {reloaded}",
            "Again": f"kerata demo gan --dataset {dataset} --epochs {epochs} --seed {seed} "
            f"({seconds:.0f} s here)",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return {"distance": scores, "clear": sure, "least share": float(shares["this model"].min())}


def adversaries(generator, discriminator):
    """Return the step of both: a function of real images that trains each once."""
    forger, expert = (kerata.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2))

    def verdict(images):
        return discriminator(images, training=True)

    def draw():
        return generator(kerata.random.normal((BATCH, NOISE)), training=True)

    def expertise(real):
        # The discriminator wants high logits for real images and low ones for drawn ones, without
        # growing steep around real ones (the R1 penalty of Mescheder et al., 2018).
        steepness = kerata.grad(lambda images: ops.sum(verdict(images)))(real)
        penalty = ops.mean(ops.sum(steepness**2, axis=(1, 2, 3)))
        fake = ops.stop_gradient(draw())
        return ops.mean(ops.softplus(-verdict(real)) + ops.softplus(verdict(fake))) + penalty / 2

    def forgery():
        return ops.mean(ops.softplus(-verdict(draw())))  # the generator wants high logits

    @kerata.jit
    def step(real):
        learned = discriminator.trainable_variables
        expert_loss, gradients = kerata.value_and_grad(expertise, learned)(real)
        expert.apply(gradients, learned)
        learned = generator.trainable_variables
        forger_loss, gradients = kerata.value_and_grad(forgery, learned)()
        forger.apply(gradients, learned)
        return expert_loss, forger_loss

    return step


def networks(shape):
    """Return a generator of images from noise, and a discriminator of images, of logits."""
    quarter = (shape[0] // 4, shape[1] // 4, 128)
    stack = [
        kerata.Input((NOISE,)),
        layers.Dense(np.prod(quarter), use_bias=False),
        layers.Reshape(quarter),
    ]
    for filters in (64, 32):
        stack += [
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False),
        ]
    stack += [layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    stack += [layers.Conv2D(1, 3, padding="same", activation="tanh")]
    generator = kerata.Sequential(stack, name="generator")

    stack = [kerata.Input(shape)]
    for filters, strides in ((32, 1), (64, 2), (128, 2)):
        stack += [
            layers.Conv2D(filters, 4, strides=strides, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
        ]
    stack += [layers.Flatten(), layers.Dropout(0.3), layers.Dense(1)]
    return generator, kerata.Sequential(stack, name="discriminator")


def classifier(shape):
    """Return a convnet that names the digit; its last layer but one are 32 features."""
    return kerata.Sequential(
        [
            kerata.Input(shape),
            layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def load(dataset):
    """Return `(images, labels), (x_test, y_test)`, with ink from -1 to 1: `(n, side, side, 1)`."""
    if dataset not in ("digits", "mnist"):
        raise BadInput(f"--dataset must be digits or mnist, not {dataset!r}")
    source, most = (digits, 16) if dataset == "digits" else (mnist, 255)
    parts = source.load_data()
    return tuple((x[..., None].astype("float32") / most * 2 - 1, y.astype(int)) for x, y in parts)


def gaussian(images, generator):
    """Return images drawn from the normal distribution that has the images' mean and covariance."""
    flat = images.reshape(len(images), -1)
    drawn = generator.multivariate_normal(flat.mean(axis=0), np.cov(flat, rowvar=False), DRAWN)
    return np.clip(drawn, -1, 1).reshape(-1, *images.shape[1:]).astype("float32")


def frechet(features, others):
    """Return the Fréchet distance of two samples, taken for normal ones (Heusel et al., 2017)."""
    means = features.mean(axis=0) - others.mean(axis=0)
    one, other = (np.cov(sample, rowvar=False) for sample in (features, others))
    # The trace of the root of a product is the sum of the roots of its eigenvalues.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ other).real, 0))
    return float(means @ means + np.trace(one + other) - 2 * roots.sum())


def neighbours(images, others):
    """Return, for each image, the index of the nearest other one, and the distance to it."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1).fit(others.reshape(len(others), -1))
    distances, indices = search.kneighbors(images.reshape(len(images), -1))
    return indices[:, 0], distances[:, 0]


def tiles(images):
    """Draw images side by side, twelve in a row."""
    return pictures.mosaic((1 + images) / 2)


if __name__ == "__main__":
    demo.script(main)
