"""DeepDream: a photograph is changed until a convnet sees more of what it already sees in it."""

import time
from pathlib import Path

import numpy as np

import kerata
from kerata import ops
from kerata.cli import demo, pictures, reloading, report
from kerata.examples import backbones

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
    started = time.perf_counter()
    photograph = backbones.photograph(image, longest)
    convnet, names, about = backbones.backbone(weights, architecture, epochs, seed, say)
    say(f"\nThe convnet: {about}.")

    generator = np.random.default_rng(seed)
    dreams, rows, gains = {}, [], {}
    for name in names:
        layer = kerata.Model(convnet.input, convnet.get_layer(name).output)
        dreams[name] = dreamed = dream(layer, photograph, steps, generator)
        # Any change excites a convnet: noise that moves pixels as far is what to compare with.
        moved = np.sqrt(np.mean((dreamed - photograph) ** 2))
        noise = np.clip(generator.normal(photograph, moved), 0, 255).astype("float32")
        before, noisy, after = (
            float(excitement(layer, picture[None])) for picture in (photograph, noise, dreamed)
        )
        gains[name] = {"dream": after / before, "noise": noisy / before}
        likeness = float(np.corrcoef(photograph.ravel(), dreamed.ravel())[0, 1])
        rows.append([name, f"{after / before:.1f}", f"{noisy / before:.1f}", f"{moved:.0f} of 255",
                     f"{likeness:.2f}"])  # fmt: skip
        say(f"  {name:<14} excited ×{after / before:.1f}, by noise ×{noisy / before:.1f}")
        kerata.utils.save_img(out / f"dream_{name}.png", dreamed, scale=False)

    deepest = kerata.Model(convnet.input, convnet.get_layer(names[-1]).output)
    deepest.save(out / "model.keras")
    dreamed = dreams[names[-1]]
    there = reloading.predictions_elsewhere(out / "model.keras", dreamed[None])
    reloaded = reloading.sameness(deepest.predict(dreamed[None], verbose=0), there)
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    page = report.Page(out, "DeepDream", "A convnet draws what it sees (Mordvintsev et al., 2015).")
    chosen = names[len(names) // 2]
    page.headline(
        f"×{gains[chosen]['dream']:.1f}",
        f"is how much more the dream excites the layer {chosen} than the photograph does; noise "
        f"that moves pixels as far: ×{gains[chosen]['noise']:.1f}. The convnet: {about}.",
    )
    page.picture(
        "The photograph, and what each layer makes of it",
        "From fine to coarse: edges and dots first, larger patterns deeper in.",
        pictures.grid(
            np.round([photograph, *dreams.values(), noise]).astype("uint8"),
            titles=[Path(image).stem, *names, f"noise, as strong as {names[-1]}"],
            columns=2,
            size=4.5,
        ),
        "dreams",
    )
    page.table(
        "Dream against noise",
        "Excitement is the mean square of a layer's feature maps; 1 is that of the photograph. The "
        "noise of each row has moved the pixels as far as the dream has.",
        ["Layer", "Dream", "Noise", "Pixels moved by", "Correlation with the photograph"],
        rows,
    )
    seconds = time.perf_counter() - started
    given = "" if weights is None else f" --weights {weights} --architecture {architecture}"
    page.facts(
        "How it was made",
        {
            "Convnet": about,
            "Dream": f"{steps} steps at each of {OCTAVES} sizes, up to "
            f"{photograph.shape[1]}×{photograph.shape[0]} pixels, up the gradient of the "
            "excitement; the picture is shifted before each step",
            "Files": "the dreams as PNG; model.keras, the convnet, takes pictures from 0 to 255",
            "Reload": f"a fresh process loaded model.keras: {reloaded}",
            "Again": f"kerata demo deep_dream --image {image}{given} --longest {longest} "
            f"--steps {steps} --epochs {epochs} --seed {seed} ({seconds:.0f} s here)",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return gains


def excitement(layer, pictures):
    """Return the mean square of a layer's feature maps."""
    return ops.mean(layer(pictures) ** 2)


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
