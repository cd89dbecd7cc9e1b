"""Neural style transfer: what is in one picture, with the textures and colours of another."""

from pathlib import Path

import numpy as np

import kerata
from kerata import ops
from kerata.cli import demo, pictures, report
from kerata.examples import backbones
from kerata.examples.photographs import photograph


def main(
    out,
    *,
    content="china",
    style="tissue",
    weights: Path | None = None,
    architecture="vgg19",
    longest=320,
    steps=120,
    strength=1.0,
    epochs=6,
    seed=0,
    say=print,
):
    """Paint one picture in the manner of another, and measure both with what took no part in it.

    Args:
        out: path of the folder for the results.
        content: what to paint: an image file, or a photograph of scikit-learn or scikit-image.
        style: in whose manner: likewise.
        weights: file of weights without the classifier, as Keras has them for `architecture`; if
            not given, a small convnet is trained on the spot.
        architecture: what the weights are of: "vgg16", "vgg19" or "inception_v3".
        longest: pixels of the pictures' longer side.
        steps: how often the picture is changed.
        strength: how much more or less of the style than usual.
        epochs: how often the small convnet goes through its pieces of photographs.
        seed: decides the small convnet's weights.
    """
    page = report.Page(out, "Neural style transfer", "After Gatys, Ecker and Bethge (2016).", say)
    original, manner = (photograph(name, longest).astype("float32") for name in (content, style))
    convnet, names, about = backbones.backbone(weights, architecture, epochs, seed, say)
    say(f"\nThe convnet: {about}.\n")

    # The picture is the only thing that is trained.
    features = kerata.Model(convnet.input, [convnet.get_layer(name).output for name in names])
    wanted = [gram(maps) for maps in features(manner[None])]
    # How large each term is at the start makes all of them alike, whatever the convnet.
    first = features(original[None])
    size = [squared(gram(maps), target) for maps, target in zip(first, wanted)]
    kept, place = first[-2], len(names) - 2
    picture = kerata.Variable(original[None])
    optimizer = kerata.optimizers.Adam(kerata.optimizers.schedules.CosineDecay(6.0, steps))

    def loss():
        maps = features(picture)
        style_loss = sum(
            squared(gram(each), target) / start for each, target, start in zip(maps, wanted, size)
        )
        content_loss = squared(maps[place], kept) / ops.mean(kept**2)
        rough = ops.mean((picture[:, 1:] - picture[:, :-1]) ** 2)
        rough += ops.mean((picture[:, :, 1:] - picture[:, :, :-1]) ** 2)
        style_loss = style_loss / len(names)
        return content_loss + 4 * strength * style_loss + 1e-4 * rough, (style_loss, content_loss)

    @kerata.jit
    def step():
        (_, terms), gradients = kerata.value_and_grad(loss, [picture], has_aux=True)()
        optimizer.apply(gradients, [picture])
        picture.assign(ops.clip(picture, 0, 255))
        return terms

    history: dict[str, list] = {"style": [], "content": []}
    for number in range(1, steps + 1):
        for name, value in zip(history, step()):
            history[name].append(float(value))
        if number % max(1, steps // 10) == 0:
            say(f"step {number:>4}: {history['style'][-1]:.1%} of the distance to the style left")
    painted = ops.convert_to_numpy(picture)[0]
    kerata.utils.save_img(out / "painted.png", painted, scale=False)

    # What the convnet says of its own work proves little. So texture is judged by local binary
    # patterns, colour by its quantiles, and the content by structural similarity.
    shown = {
        "this picture": painted,
        "colours alone": recoloured(original, manner),
        "the photograph": original,
        "the style": manner,
    }
    scores = {
        name: {
            "texture": texture_distance(image, manner),
            "colour": colour_distance(image, manner),
            "likeness": similarity(image, original),
        }
        for name, image in shown.items()
    }
    left = {name: score["texture"] / scores["the photograph"]["texture"]
            for name, score in scores.items()}  # fmt: skip
    page.headline(
        f"{left['this picture']:.0%}",
        "of the photograph's distance to the style's texture is left, by a measure that took no "
        f"part in the work; changing the colours alone leaves {left['colours alone']:.0%}.",
    )
    page.picture(
        "What came of it",
        "",
        pictures.grid(
            [
                image.astype("uint8")
                for image in (original, manner, painted, shown["colours alone"])
            ],
            titles=[Path(content).stem, Path(style).stem, "painted", "colours alone"],
            columns=2,
            size=4.5,
        ),
        "pictures",
    )
    page.scores("Distance to the style's texture (less is better)",
                "How much histograms of local binary patterns (Ojala et al., 2002) differ, from 0 "
                "to 1.", {name: score["texture"] for name, score in scores.items()},
                form="{:.3f}")  # fmt: skip
    page.table(
        "Style against content",
        "Colour: how far the quantiles of the three colours are from the style's, of 255 shades. "
        "Likeness: structural similarity of the grey pictures to the photograph (Wang et al., "
        "2004).",
        ["Picture", "Colour", "Likeness"],
        [
            [name, f"{score['colour']:.1f}", f"{score['likeness']:.2f}"]
            for name, score in scores.items()
        ],
    )
    page.training(
        history,
        {"style": "Style left %", "content": "Content lost %"},
        "Shares: of the first distance to the style, and of the content's own strength.",
        unit="Step",
    )
    convnet.save(out / "model.keras")
    page.reload(convnet, painted[None])
    page.write({"Convnet": about, "Use": "model.keras, the convnet, takes pictures from 0 to 255"})
    return scores


def gram(maps):
    """Return how often each two features of a picture occur together: `(channels, channels)`."""
    flat = ops.reshape(maps, (-1, maps.shape[-1]))
    return ops.matmul(ops.transpose(flat), flat) / flat.shape[0]


def squared(a, b):
    """Return the mean squared difference."""
    return ops.mean((a - b) ** 2)


def texture_distance(image, style):
    """Return how much the local binary patterns of two pictures in grey differ, from 0 to 1."""
    from skimage.feature import local_binary_pattern

    def histograms(picture):
        grey = picture.mean(axis=2).astype("uint8")
        codes = [local_binary_pattern(grey, 8, radius, "uniform") for radius in (1, 2, 3, 4)]
        return np.array([np.bincount(c.astype(int).ravel(), minlength=10) / c.size for c in codes])

    return float(np.abs(histograms(image) - histograms(style)).sum(axis=1).mean() / 2)


def colour_distance(image, style):
    """Return how far the quantiles of red, green and blue are apart, in shades."""
    shares = np.linspace(0, 1, 101)
    one, other = (np.quantile(picture, shares, axis=(0, 1)) for picture in (image, style))
    return float(np.abs(one - other).mean())


def recoloured(image, style):
    """Return the image with the mean and the covariance of the style's colours."""
    pixels, others = image.reshape(-1, 3), style.reshape(-1, 3)

    def root(matrix, power):
        values, axes = np.linalg.eigh(matrix + 1e-3 * np.eye(3))
        return axes * values**power @ axes.T

    change = root(np.cov(pixels.T), -0.5) @ root(np.cov(others.T), 0.5)
    moved = (pixels - pixels.mean(axis=0)) @ change + others.mean(axis=0)
    return np.clip(moved, 0, 255).reshape(image.shape).astype("float32")


def similarity(image, other):
    """Return the structural similarity of two pictures in grey, 1 if they are the same."""
    from skimage.metrics import structural_similarity

    image = ops.convert_to_numpy(ops.image.resize(image, other.shape[:2]))
    return float(structural_similarity(image.mean(axis=2), other.mean(axis=2), data_range=255))


if __name__ == "__main__":
    demo.script(main)
