"""A map of handwriting: a variational autoencoder puts digits on a plane, and draws new ones."""

import time

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput
from kerata.datasets import digits, mnist

LEVELS = 17  # a pixel's ink is a whole number from 0 to 16
BATCH = 64


def main(out, *, dataset="digits", epochs: int | None = None, seed=0, say=print):
    """Train a variational autoencoder with a latent plane; measure it in nats on unseen images.

    Args:
        out: path of the folder for the results.
        dataset: "digits", 8×8 pixels, from scikit-learn; or "mnist", 28×28, which is downloaded.
        epochs: how often to go through the training images; if not given, 80, or 5 for mnist.
        seed: decides the initial weights, the order and what is drawn; not the test images.
    """
    started = time.perf_counter()
    (images, labels), (x_test, y_test) = load(dataset)
    train, watched = digits.stratified_split(labels, share=0.1, seed=seed)
    epochs = epochs or {"digits": 80, "mnist": 5}[dataset]
    say(f"{len(train):,} images to train on, {len(watched):,} to watch, {len(x_test):,} to test")

    kerata.utils.set_random_seed(seed)
    encoder, decoder = networks(images.shape[1:])
    model = VAE(encoder, decoder)
    rate = kerata.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(train) // BATCH))
    model.compile(kerata.optimizers.Adam(rate), loss=surprise)
    history = model.fit(
        images[train],
        images[train],
        batch_size=BATCH,
        epochs=epochs,
        validation_data=(images[watched], images[watched]),
    )

    # The loss is a bound: the true cost of an image is at most that. It draws a place in the plane
    # for each image, so it is averaged over a few.
    draws = [model.evaluate(x_test, x_test, verbose=0) for _ in range(5)]
    scores = {
        "this model (at most)": float(np.mean(draws)),
        "pixels of each digit": pixel_tables(images, labels, x_test),
        "independent pixels": pixel_tables(images, np.zeros_like(labels), x_test),
        "blank guess": float(np.prod(x_test.shape[1:]) * np.log(LEVELS)),
    }
    places, test_places = (encoder.predict(x, verbose=0)[0] for x in (images, x_test))
    axes, test_axes = components(images, x_test)
    naming = {
        "two numbers of this model": nearest(places, labels, test_places, y_test),
        "two principal components": nearest(axes, labels, test_axes, y_test),
    }
    say(f"\nNats to describe one of the {len(x_test):,} test images (fewer are better)")
    for name, score in scores.items():
        say(f"  {name:<26} {score:7.1f}")
    say("\nDigit read from two numbers, by the nearest training images")
    for name, score in naming.items():
        say(f"  {name:<26} {score:7.1%}")

    reconstruct = kerata.Model(encoder.input, decoder(encoder.output[0]), name="reconstruct")
    reconstruct.save(out / "model.keras")
    decoder.save(out / "decoder.keras")
    again = reconstruct.predict(x_test, verbose=0)
    reloaded = reloading.sameness(
        again, reloading.predictions_elsewhere(out / "model.keras", x_test)
    )
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    page = report.Page(
        out, "A map of handwriting", "A variational autoencoder (Kingma and Welling, 2014)."
    )
    page.headline(
        f"{scores['this model (at most)']:.1f} nats",
        f"at most to describe one of {len(x_test):,} test images that training never saw, against "
        f"{scores['independent pixels']:.1f} when each pixel is guessed by its own frequencies. "
        f"From the two numbers that an image becomes, its digit can be told for "
        f"{naming['two numbers of this model']:.0%}, though no label was ever shown.",
    )
    page.picture(
        "The latent plane",
        "Left, what the decoder draws at each place: the average ink, from the first to the last "
        "hundredth of the normal distribution. Right, where the encoder puts the test images.",
        plane(decoder, test_places, y_test),
        "plane",
    )
    page.scores(
        "What an image costs",
        "Negative log-likelihood of the test images in nats: shorter bars are better. The model's "
        "is an upper bound (minus the ELBO). “Pixels of each digit” knows the labels of the "
        "training images, and guesses each pixel by its frequencies in each digit; a blank guess "
        f"gives each of the {LEVELS} levels of ink the same chance.",
        scores,
        form="{:.1f}",
    )
    page.scores(
        "What two numbers tell",
        "Test images classified right by the 15 nearest training images, on the model's plane and "
        "on that of the first two principal components.",
        naming,
    )
    cost = ops.convert_to_numpy(surprise(x_test, again))
    best = np.argsort(cost)[[*range(6), *range(-6, 0)]]
    page.picture(
        "Through the plane and back",
        "Test images and, below each, what is left of it in two numbers. First the six that cost "
        f"least (from {cost[best[0]]:.0f} nats), then the six that cost most (to "
        f"{cost[best[-1]]:.0f}).",
        pictures.mosaic(np.concatenate([x_test[best][..., 0] / 16, ink(again[best])])),
        "reconstructions",
    )
    page.picture(
        "New digits",
        "Places drawn from the normal distribution, and the average ink there. What lies between "
        "two digits is neither.",
        pictures.mosaic(ink(decoder(kerata.random.normal((36, 2), seed=seed)))),
        "samples",
    )
    page.picture(
        "How training went",
        "The loss is minus the ELBO, in nats.",
        pictures.curves(history.history, {"loss": "Loss"}),
        "curves",
    )
    seconds = time.perf_counter() - started
    page.facts(
        "How it was measured",
        {
            "Images": f"{dataset}: {len(train):,} to train on, {len(watched):,} to watch while "
            f"training, {len(x_test):,} held out; ink in whole steps from 0 to {LEVELS - 1}",
            "Model": f"{model.count_params():,} parameters; model.keras takes an image to the "
            "logits of its pixels, decoder.keras a place in the plane to such logits",
            "Reload": f"a fresh process loaded model.keras: {reloaded}",
            "Again": f"kerata demo vae --dataset {dataset} --epochs {epochs} --seed {seed} "
            f"({seconds:.0f} s here)",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return {"nats": scores, "digit told": naming}


class VAE(kerata.Model):
    """An encoder to a normal distribution on the plane, a draw from it, and a decoder."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise = kerata.random.SeedGenerator()

    def call(self, images):
        mean, log_variance = self.encoder(images)
        noise = kerata.random.normal(ops.shape(mean), seed=self.noise)
        # Divergence of that distribution from the standard normal one (Kingma and Welling, 2014).
        divergence = (ops.exp(log_variance) + mean**2 - 1 - log_variance) / 2
        self.add_loss(ops.mean(ops.sum(divergence, axis=-1)))
        return self.decoder(mean + ops.exp(log_variance / 2) * noise)


def networks(shape):
    """Return an encoder of images and a decoder of places, as functional models."""
    images = kerata.Input(shape, name="images")
    x = layers.Rescaling(1 / 16)(images)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    encoder = kerata.Model(images, [layers.Dense(2)(x), layers.Dense(2)(x)], name="encoder")

    half = (shape[0] // 2, shape[1] // 2, 32)
    decoder = kerata.Sequential(
        [
            kerata.Input((2,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(np.prod(half), activation="relu"),
            layers.Reshape(half),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(LEVELS, 3, padding="same"),  # logits of the levels of ink
        ],
        name="decoder",
    )
    return encoder, decoder


def surprise(images, logits):
    """Return what the images cost in nats, given the logits of each pixel's levels: `(batch,)`."""
    nats = ops.sparse_categorical_crossentropy(images[..., 0], logits, from_logits=True)
    return ops.sum(nats, axis=(1, 2))


def ink(logits):
    """Return the average ink, from 0 to 1, that the logits of the levels stand for."""
    shares = ops.softmax(logits)
    return ops.convert_to_numpy(ops.sum(shares * np.arange(LEVELS), axis=-1) / (LEVELS - 1))


def load(dataset):
    """Return `(images, labels), (x_test, y_test)`, with ink from 0 to 16: `(n, side, side, 1)`."""
    if dataset not in ("digits", "mnist"):
        raise BadInput(f"--dataset must be digits or mnist, not {dataset!r}")
    source = digits if dataset == "digits" else mnist
    parts = source.load_data()
    divisor = 1 if dataset == "digits" else 15
    return tuple((np.minimum(x // divisor, 16)[..., None], y.astype(int)) for x, y in parts)


def pixel_tables(images, groups, x_test):
    """Return the test images' cost if pixels are independent within each group of images."""
    levels = np.arange(LEVELS)
    logs = []
    for group in np.unique(groups):
        members = images[groups == group]
        # Half a sighting more of each level: what was not seen yet is not impossible.
        counts = np.stack([(members == level).sum(axis=0) for level in levels], axis=-1) + 0.5
        log_shares = np.log(counts / counts.sum(axis=-1, keepdims=True))
        log_pixels = np.take_along_axis(log_shares[None], x_test[..., None].astype(int), axis=-1)
        logs.append(log_pixels.sum(axis=(1, 2, 3, 4)) + np.log(len(members) / len(images)))
    return float(-np.logaddexp.reduce(logs, axis=0).mean())


def components(images, x_test):
    """Return the first two principal components of the images, and those of the test images."""
    from sklearn.decomposition import PCA

    flat, flat_test = images.reshape(len(images), -1), x_test.reshape(len(x_test), -1)
    axes = PCA(2).fit(flat)
    return axes.transform(flat), axes.transform(flat_test)


def nearest(places, labels, test_places, test_labels):
    """Return how many test places get the right label from the 15 nearest others."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(15).fit(places, labels).score(test_places, test_labels)


def plane(decoder, places, labels, side=16):
    """Draw what is at each place of the plane, and where images lie."""
    from scipy.stats import norm

    ticks = norm.ppf(np.linspace(0.01, 0.99, side))
    across, up = np.meshgrid(ticks, ticks[::-1])
    drawn = ink(decoder.predict(np.stack([across.ravel(), up.ravel()], axis=1), verbose=0))
    drawn = np.pad(drawn, ((0, 0), (1, 1), (1, 1)))
    rows, columns = drawn.shape[1:]
    tiles = drawn.reshape(side, side, rows, columns).swapaxes(1, 2)
    figure, (left, right) = pictures.new(10, 5.2, 1, 2)
    left.imshow(tiles.reshape(side * rows, side * columns), cmap="gray_r", vmin=0, vmax=1)
    left.set(xticks=[], yticks=[], title="What is drawn there")
    for digit, (x, y) in zip(labels, places):
        right.text(x, y, str(digit), color=f"C{digit}", fontsize=7, ha="center", va="center")
    edge = np.abs(places).max() + 0.2
    right.set(xlim=(-edge, edge), ylim=(-edge, edge))
    right.set(title="Where test images lie", aspect="equal")
    return figure


if __name__ == "__main__":
    demo.script(main)
