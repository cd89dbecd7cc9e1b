"""A map of handwriting: a variational autoencoder puts digits on a plane, and draws new ones."""

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, pictures, report
from kerata.datasets.digits import stratified_split
from kerata.examples import handwriting
from kerata.examples.handwriting import LEVELS, tiles

BATCH = 64


def main(out, *, dataset="digits", epochs=80, seed=0, say=print):
    """Train a variational autoencoder with a latent plane; measure it in nats on unseen images.

    Args:
        out: path of the folder for the results.
        dataset: "digits", 8×8 pixels, from scikit-learn; or "mnist", 28×28, which is downloaded.
        epochs: how often to go through the training images; 5 are enough for mnist.
        seed: decides the initial weights, the order and what is drawn; not the test images.
    """
    page = report.Page(out, "A map of handwriting", "A variational autoencoder.", say)
    (images, labels), (x_test, y_test) = handwriting.load(dataset)
    train, watched = stratified_split(labels, share=0.1, seed=seed)
    split = f"{len(train):,} to train on, {len(watched):,} to watch, {len(x_test):,} held out"

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
    nats = {
        "this model (at most)": float(np.mean(draws)),
        "pixels of each digit": handwriting.pixel_tables(images, labels, x_test),
        "independent pixels": handwriting.pixel_tables(images, np.zeros_like(labels), x_test),
    }
    places, test_places = (encoder.predict(x, verbose=0)[0] for x in (images, x_test))
    told = {
        "two numbers of this model": nearest(places, labels, test_places, y_test),
        "two principal components": nearest(*components(images, labels, x_test, y_test)),
    }
    page.headline(
        f"{nats['this model (at most)']:.1f} nats",
        f"at most to describe one of {len(x_test):,} test images that training never saw, against "
        f"{nats['independent pixels']:.1f} when each pixel is guessed by its own frequencies. "
        f"From the two numbers that an image becomes, its digit can be told for "
        f"{told['two numbers of this model']:.0%}, though no label was ever shown.",
    )
    page.picture(
        "The latent plane",
        "Left, what the decoder draws at each place: the average ink, from the first to the last "
        "hundredth of the normal distribution. Right, where the encoder puts the test images.",
        plane(decoder, test_places, y_test),
        "plane",
    )
    page.scores(
        "Nats to describe a test image (fewer are better)",
        "Negative log-likelihood; the model's is an upper bound (minus the ELBO). “Pixels of each "
        "digit” guesses each pixel by its frequencies in the images of each digit.",
        nats,
        form="{:.1f}",
    )
    page.scores(
        "Digit told from two numbers",
        "By the 15 nearest training images, on the model's plane and on that of the first two "
        "principal components.",
        told,
    )
    reconstruct = kerata.Model(encoder.input, decoder(encoder.output[0]), name="reconstruct")
    again = reconstruct.predict(x_test, verbose=0)
    cost = ops.convert_to_numpy(surprise(x_test, again))
    best = np.argsort(cost)[[*range(6), *range(-6, 0)]]
    page.picture(
        "Through the plane and back",
        "Test images and, below each, what is left of it in two numbers. First the six that cost "
        f"least (from {cost[best[0]]:.0f} nats), then the six that cost most (to "
        f"{cost[best[-1]]:.0f}).",
        tiles(np.concatenate([x_test[best][..., 0], ink(again[best])])),
        "reconstructions",
    )
    page.training(history, {"loss": "Loss"}, "The loss is minus the ELBO, in nats.")
    reconstruct.save(out / "model.keras")
    decoder.save(out / "decoder.keras")
    page.reload(reconstruct, x_test)
    page.write(
        {
            "Images": f"{dataset}, {split}; ink in whole steps from 0 to {LEVELS - 1}",
            "Use": "model.keras takes an image to the logits of its pixels, decoder.keras a place "
            "in the plane to such logits",
        }
    )
    return {"nats": nats, "digit told": told}


class VAE(kerata.Model):
    """An encoder to a normal distribution on the plane, a draw from it, and a decoder.

    Source: D. Kingma and M. Welling, "Auto-Encoding Variational Bayes", 2014.
    """

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise = kerata.random.SeedGenerator()

    def call(self, images):
        mean, log_variance = self.encoder(images)
        noise = kerata.random.normal(ops.shape(mean), seed=self.noise)
        # Divergence of that distribution from the standard normal one.
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
    """Return the average ink, from 0 to 16, that the logits of the levels stand for."""
    return ops.convert_to_numpy(ops.sum(ops.softmax(logits) * np.arange(LEVELS), axis=-1))


def components(images, labels, x_test, y_test):
    """Return the same as it was given, with the first two principal components of the images."""
    from sklearn.decomposition import PCA

    flat, flat_test = images.reshape(len(images), -1), x_test.reshape(len(x_test), -1)
    axes = PCA(2).fit(flat)
    return axes.transform(flat), labels, axes.transform(flat_test), y_test


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
    left.imshow(tiles.reshape(side * rows, side * columns), cmap="gray_r", vmin=0, vmax=16)
    left.set(xticks=[], yticks=[], title="What is drawn there")
    for digit, (x, y) in zip(labels, places):
        right.text(x, y, str(digit), color=f"C{digit}", fontsize=7, ha="center", va="center")
    edge = np.abs(places).max() + 0.2
    right.set(xlim=(-edge, edge), ylim=(-edge, edge))
    right.set(title="Where test images lie", aspect="equal")
    return figure


if __name__ == "__main__":
    demo.script(main)
