"""Neural style transfer: what is in one picture, with the textures and colours of another."""

import time
from pathlib import Path

import numpy as np

import kerata
from kerata import ops
from kerata.cli import demo, pictures, reloading, report
from kerata.examples import backbones


def main(
    out,
    *,
    content="china",
    style="immunohistochemistry",
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
    started = time.perf_counter()
    photograph, manner = (backbones.photograph(name, longest) for name in (content, style))
    convnet, names, about = backbones.backbone(weights, architecture, epochs, seed, say)
    say(f"\nThe convnet: {about}.\n")

    # The picture is the only thing that is trained.
    features = kerata.Model(convnet.input, [convnet.get_layer(name).output for name in names])
    wanted = [gram(maps) for maps in features(manner[None])]
    # How large each term is at the start makes all of them alike, whatever the convnet.
    first = features(photograph[None])
    size = [squared(gram(maps), target) for maps, target in zip(first, wanted)]
    kept, place = first[-2], len(names) - 2
    picture = kerata.Variable(photograph[None])
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
    recolour = recoloured(photograph, manner)
    shown = {"this picture": painted, "colours alone": recolour, "the photograph": photograph}
    scores = {
        name: {
            "texture": texture_distance(image, manner),
            "colour": colour_distance(image, manner),
            "likeness": similarity(image, photograph),
        }
        for name, image in (*shown.items(), ("the style", manner))
    }
    say("\nDistances to the style, and likeness to the content")
    for name, score in scores.items():
        say(f"  {name:<16}" + "   ".join(f"{key} {value:6.3f}" for key, value in score.items()))

    convnet.save(out / "model.keras")
    there = reloading.predictions_elsewhere(out / "model.keras", painted[None])
    reloaded = reloading.sameness(convnet.predict(painted[None], verbose=0), there)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    page = report.Page(out, "Neural style transfer", "After Gatys, Ecker and Bethge (2016).")
    left = scores["this picture"]["texture"] / scores["the photograph"]["texture"]
    page.headline(
        f"{left:.0%}",
        "of the photograph's distance to the style's texture is left, by a measure that took no "
        "part in the work (local binary patterns); changing the colours alone leaves "
        f"{scores['colours alone']['texture'] / scores['the photograph']['texture']:.0%}. The "
        f"convnet: {about}.",
    )
    page.picture(
        "What came of it",
        "The content, the style, the picture painted, and the content in the style's colours "
        "alone.",
        pictures.grid(
            [
                each.astype("uint8")
                for each in (photograph, manner, painted, shown["colours alone"])
            ],
            titles=[Path(content).stem, Path(style).stem, "painted", "colours alone"],
            columns=2,
            size=4.5,
        ),
        "pictures",
    )
    page.table(
        "Style against content",
        "Texture: how much histograms of local binary patterns (Ojala et al., 2002) differ from "
        "the style's, from 0 to 1. Colour: how far the quantiles of the three colours are from the "
        "style's, of 255 shades. Likeness: structural similarity of the grey pictures to the "
        "photograph (Wang et al., 2004).",
        ["Picture", "Texture", "Colour", "Likeness"],
        [
            [name, f"{score['texture']:.3f}", f"{score['colour']:.1f}", f"{score['likeness']:.2f}"]
            for name, score in scores.items()
        ],
    )
    page.picture(
        "How the work went",
        "Both are shares: of the first distance to the style, and of the content's own strength.",
        pictures.curves(history, {"style": "Style left %", "content": "Content lost %"}, "Step"),
        "curves",
    )
    seconds = time.perf_counter() - started
    given = "" if weights is None else f" --weights {weights} --architecture {architecture}"
    page.facts(
        "How it was made",
        {
            "Convnet": about,
            "Picture": f"{photograph.shape[1]}×{photograph.shape[0]} pixels, {steps} steps",
            "Reload": f"a fresh process loaded model.keras, the convnet: {reloaded}",
            "Again": f"kerata demo style_transfer --content {content} --style {style}{given} "
            f"--longest {longest} --steps {steps} --strength {strength} --epochs {epochs} "
            f"--seed {seed} ({seconds:.0f} s here)",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
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
