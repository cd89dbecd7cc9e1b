"""New handwriting from noise: a generative adversarial network, and how real its digits are."""

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, report
from kerata.examples import handwriting
from kerata.examples.handwriting import frechet, neighbours, tiles

BATCH, NOISE = 64, 32
DRAWN = 2000  # images that are measured


def main(out, *, dataset="digits", epochs=80, seed=0, say=print):
    """Train a generator against a discriminator, and a classifier to judge what it draws.

    Args:
        out: path of the folder for the results.
        dataset: "digits", 8×8 pixels, from scikit-learn; or "mnist", 28×28, which is downloaded.
        epochs: how often to go through the training images; 4 are enough for mnist.
        seed: decides the initial weights, the order and the noise; not the test images.
    """
    page = report.Page(
        out,
        "New handwriting from noise",
        "A generative adversarial network (Goodfellow, 2014).",
        say,
    )
    (images, labels), (x_test, y_test) = handwriting.load(dataset)
    images, x_test = (x / np.float32(8) - 1 for x in (images, x_test))  # ink from -1 to 1
    kerata.utils.set_random_seed(seed)

    # The judge learns from the same images, and its features are what distances are measured in.
    judge = handwriting.classifier(images.shape[1:])
    judge.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    judge.fit(images, labels, batch_size=BATCH, epochs=-(-epochs // 6), verbose=0)
    accuracy = judge.evaluate(x_test, y_test, verbose=0)[1]
    say(f"The judge, a classifier, is right on {accuracy:.1%} of the held-out images\n")

    generator, discriminator = networks(images.shape[1:])
    step = adversaries(generator, discriminator)
    order = np.random.default_rng(seed)
    noise = order.normal(size=(DRAWN, NOISE)).astype("float32")
    history: dict[str, list] = {"discriminator": [], "generator": []}
    for epoch in range(1, epochs + 1):
        shuffled = images[order.permutation(len(images))]
        losses = [
            step(shuffled[first : first + BATCH])
            for first in range(0, len(images) - BATCH + 1, BATCH)
        ]
        for name, values in zip(history, zip(*losses)):
            history[name].append(float(np.mean(values)))
        if epoch % max(1, epochs // 10) == 0:
            told = "   ".join(f"{name} {values[-1]:.3f}" for name, values in history.items())
            say(f"epoch {epoch:>4}/{epochs}   {told}")

    drawn = generator.predict(noise, verbose=0)
    features = kerata.Model(judge.input, judge.layers[-2].output)
    real = features.predict(x_test, verbose=0)
    distances, clear = {}, {}
    for name, made in {
        "this model": drawn,
        "pixels that vary together": handwriting.gaussian(images, DRAWN, order),
        "independent pixels": order.permuted(images, axis=0)[:DRAWN],
        "real ones": images,
    }.items():
        distances[name] = frechet(features.predict(made, verbose=0), real)
        sure = judge.predict(made, verbose=0)
        clear[name] = float(np.mean(sure.max(axis=1) > 0.9))
    page.headline(
        f"{distances['this model']:.1f}",
        "is the Fréchet distance of the drawn digits to real ones that nobody learned from; other "
        f"real ones are at {distances['real ones']:.1f}. A classifier recognizes "
        f"{clear['this model']:.0%} of the drawn digits with confidence, and "
        f"{clear['real ones']:.0%} of real ones.",
    )
    page.picture(
        "Digits that were never written",
        "The first 48, none chosen.",
        tiles(8 + 8 * drawn[:48]),
        "samples",
    )
    page.scores(
        "Fréchet distance to the held-out images (less is better)",
        "Between the features that the classifier has of them. “Pixels that vary together”: drawn "
        "from a normal distribution with the images' mean and covariance. Clear: the classifier is "
        "more than 90% sure.",
        distances,
        form="{:.1f}",
        details={name: f"{share:.0%} clear" for name, share in clear.items()},
    )
    read = np.bincount(judge.predict(drawn, verbose=0).argmax(axis=1), minlength=10)
    # Copying would be easy: how far are the images from the nearest one that was learned from?
    nearest, gap = neighbours(drawn, images)
    fresh = float(np.median(gap) / np.median(neighbours(x_test, images)[1]))
    pairs = np.argsort(gap)[:12]
    page.picture(
        "Not copies",
        "Above, the twelve drawn digits that are nearest to an image that was learned from; below, "
        f"that image. The usual distance to it is {fresh:.2f} times that of a held-out image.",
        tiles(8 + 8 * np.concatenate([drawn[pairs], images[nearest[pairs]]])),
        "nearest",
    )
    page.training(
        history,
        {"discriminator": "Discriminator", "generator": "Generator"},
        "Neither loss is meant to vanish: each is what the other leaves.",
    )
    generator.save(out / "model.keras")
    page.reload(generator, noise)
    page.write(
        {
            "Images": f"{dataset}: {len(images):,} to learn from, {len(x_test):,} held out",
            "Rarest digit": f"{read.argmin()}, {read.min() / DRAWN:.1%} of those that were drawn",
            "Classifier": f"right on {accuracy:.1%} of the held-out images",
            "Use": f"model.keras makes an image of {NOISE} normal random numbers",
        }
    )
    return {"distance": distances, "clear": clear, "least share": read.min() / DRAWN}


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


if __name__ == "__main__":
    demo.script(main)
