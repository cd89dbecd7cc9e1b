"""DeepDream: a photograph is changed until a convnet sees more of what it already sees in it."""

from pathlib import Path

import numpy as np

import kerata
from kerata import ops
from kerata.cli import demo, pictures, report
from kerata.examples import backbones
from kerata.examples.photographs import photograph

OCTAVES = 3  # sizes that are dreamed at, each 1.4 times the one before
RATE = 1.5  # of the 256 shades, how far a pixel usually moves in a step


def main(
    out,
    *,
    image="china",
    weights: Path | None = None,
    architecture="vgg16",
    longest=320,
    steps=15,
    epochs=6,
    seed=0,
    say=print,
):
    """Let a convnet dream at each of its depths, and measure how much more it sees.

    Args:
        out: path of the folder for the results.
        image: an image file, or a photograph of scikit-learn or scikit-image: "china", "coffee" …
        weights: file of weights without the classifier, as Keras has them for `architecture`; if
            not given, a small convnet is trained on the spot.
        architecture: what the weights are of: "vgg16", "vgg19" or "inception_v3".
        longest: pixels of the picture's longer side.
        steps: how often the picture is changed at each of three sizes.
        epochs: how often the small convnet goes through its pieces of photographs.
        seed: decides the small convnet's weights, and how the picture is shifted before each step.
    """
    page = report.Page(
        out, "DeepDream", "A convnet draws what it sees (Mordvintsev et al., 2015).", say
    )
    picture = photograph(image, longest).astype("float32")
    convnet, names, about = backbones.backbone(weights, architecture, epochs, seed, say)
    say(f"\nThe convnet: {about}.")

    generator = np.random.default_rng(seed)
    dreams, rows, gains = {}, [], {}
    for name in names:
        layer = kerata.Model(convnet.input, convnet.get_layer(name).output)
        dreams[name] = dreamed = dream(layer, picture, steps, generator)
        # Any change excites a convnet: noise that moves pixels as far is what to compare with.
        moved = np.sqrt(np.mean((dreamed - picture) ** 2))
        noise = np.clip(generator.normal(picture, moved), 0, 255).astype("float32")
        before, noisy, after = (
            float(excitement(layer, each[None])) for each in (picture, noise, dreamed)
        )
        gains[name] = {"dream": after / before, "noise": noisy / before}
        rows.append([name, f"×{after / before:.1f}", f"×{noisy / before:.1f}", f"{moved:.0f}"])
        say(f"  {name:<14} excited ×{after / before:.1f}, by noise ×{noisy / before:.1f}")
        kerata.utils.save_img(out / f"dream_{name}.png", dreamed, scale=False)

    chosen = gains[names[len(names) // 2]]
    page.headline(
        f"×{chosen['dream']:.1f}",
        f"is how much more the dream excites the layer {names[len(names) // 2]} than the "
        f"photograph does; noise that moves pixels as far: ×{chosen['noise']:.1f}.",
    )
    page.picture(
        "The photograph, and what each layer makes of it",
        "From fine to coarse: edges and dots first, larger patterns deeper in.",
        pictures.grid(
            np.round([picture, *dreams.values(), noise]).astype("uint8"),
            titles=[Path(image).stem, *names, f"noise, as strong as {names[-1]}"],
            columns=2,
            size=4.5,
        ),
        "dreams",
    )
    page.table(
        "Dream against noise",
        "Excitement is the mean square of a layer's feature maps, here beside the photograph's. "
        "The noise of each row has moved the pixels as far as the dream, in shades of 255.",
        ["Layer", "Dream", "Noise", "Pixels moved by"],
        rows,
    )
    layer.save(out / "model.keras")  # the deepest one
    page.reload(layer, dreamed[None])
    page.write({"Convnet": about, "Use": "model.keras takes pictures from 0 to 255"})
    return gains


def excitement(layer, images):
    """Return the mean square of a layer's feature maps."""
    return ops.mean(layer(images) ** 2)


def dream(layer, photograph, steps, generator):
    """Return the photograph, changed to excite a layer more: from its smallest size up."""

    @kerata.jit
    def climb(picture, shift):
        # Shifted by some pixels: what a convnet sees must not depend on where its grid lies.
        shifted = ops.roll(picture, shift, axis=(1, 2))
        uphill = kerata.grad(lambda x: excitement(layer, x))(shifted)
        # Only what differs from its surroundings: or whole areas would be bleached.
        uphill = uphill - ops.average_pool(uphill, 9, 1, padding="same")
        shifted = shifted + RATE * uphill / (ops.std(uphill) + 1e-8)
        return ops.clip(ops.roll(shifted, -shift, axis=(1, 2)), 0, 255)

    height, width = photograph.shape[:2]
    change = np.zeros((1, 1, 1, 3), "float32")
    for octave in reversed(range(OCTAVES)):
        size = round(height / 1.4**octave), round(width / 1.4**octave)
        small = ops.image.resize(photograph[None], size, antialias=True)
        picture = ops.clip(small + ops.image.resize(change, size), 0, 255)
        for _ in range(steps):
            picture = climb(picture, generator.integers(-16, 17, 2))
        change = picture - small
    return ops.convert_to_numpy(picture[0])


if __name__ == "__main__":
    demo.script(main)
