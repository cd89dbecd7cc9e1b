"""Scenes: digits, letters and shapes in bright colours, on pieces of photographs."""

import colorsys
import string
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerata.datasets import digits
from kerata.examples.photographs import photograph

NAMES = ["background", "digit", "disc", "triangle"]
# Photographs that scenes for training, for validation and for the test are cut from.
PHOTOGRAPHS = {
    "train": ["astronaut", "brick", "camera", "cat", "china", "coffee", "galaxies", "grass",
              "moon", "motorcycle", "retina", "text"],
    "watched": ["rocket", "page", "cell"],
    "test": ["flower", "gravel", "tissue", "coins"],
}  # fmt: skip
SEEDS = {"train": 0, "watched": 1, "test": 2026}


def make_sets(counts, size):
    """Return pictures and masks for training, validation and the test, always the same ones.

    Each part has photographs and digits of its own.

    Args:
        counts: how many scenes of each part.
        size: height and width of a scene.
    """
    (images, labels), (other_images, _) = digits.load_data()
    train, watched = digits.stratified_split(labels, share=0.1, seed=0)
    found = []
    for part, count, ink in zip(
        PHOTOGRAPHS, counts, (images[train], images[watched], other_images)
    ):
        draw = np.random.default_rng(SEEDS[part])
        grounds = backgrounds(part, count, size, draw)
        found.append([np.stack(x) for x in zip(*(scene(g, ink, draw) for g in grounds))])
    return found


def backgrounds(part, count, size, draw):
    """Yield pieces of the photographs of a part, `(size, size, 3)` from 0 to 1."""
    whole = [photograph(name) for name in PHOTOGRAPHS[part]]
    for _ in range(count):
        image = whole[draw.integers(len(whole))]
        if part == "train":  # the few photographs stand for many
            image = image[:: draw.choice([-1, 1]), :: draw.choice([-1, 1])]
            image = image[..., draw.permutation(3)]
        top, left = (draw.integers(side - size + 1) for side in image.shape[:2])
        yield image[top : top + size, left : left + size] / np.float32(255)


def scene(picture, ink, draw):
    """Return a picture with one or two digits and shapes on it, and the class of each pixel."""
    picture, mask = picture.copy(), np.zeros(picture.shape[:2], "int32")
    for _ in range(draw.integers(1, 3)):  # the later one covers the earlier one
        side, kind = int(draw.integers(24, 37)), int(draw.integers(1, len(NAMES)))
        cover = (
            shape(kind, side, draw) if kind > 1 else enlarged(ink[draw.integers(len(ink))], side)
        )
        place = put(picture, cover, draw)
        mask[place][cover > 0.5] = kind
    return picture, mask


def put(picture, cover, draw):
    """Paint what covers a square at a random place of a picture; return the place."""
    side = len(cover)
    top, left = (draw.integers(extent - side + 1) for extent in picture.shape[:2])
    place = np.s_[top : top + side, left : left + side]
    # Bright colours, and not nearly that of the ground: it can be seen.
    colour = np.array(colorsys.hsv_to_rgb(draw.random(), draw.uniform(0.6, 1), 1))
    if np.abs(colour - picture[place].mean(axis=(0, 1))).max() < 0.4:
        colour = 1 - colour
    picture[place] += cover[..., None] * (colour - picture[place])
    return place


def enlarged(ink, side):
    """Return how much a sign `(8, 8)` of ink from 0 to 16 covers each pixel of a square."""
    large = Image.fromarray(ink.astype("float32")).resize((side, side), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(large) / 4 - 1.5, 0, 1)


def shape(kind, side, draw):
    """Return how much a disc (2) or a triangle (3) covers each pixel of a square."""
    canvas = Image.new("L", (4 * side, 4 * side))
    if kind == 2:
        ImageDraw.Draw(canvas).ellipse((0, 0, 4 * side - 1, 4 * side - 1), fill=255)
    else:
        turns = draw.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
        corners = 2 * side * (1 + np.stack([np.cos(turns), np.sin(turns)], axis=1))
        ImageDraw.Draw(canvas).polygon(list(map(tuple, corners)), fill=255)
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX)) / 255


def letters(count, draw):
    """Return letters of many fonts, drawn a little askew, like the digits; and which they are.

    Returns:
        Ink from 0 to 16, `(count, 8, 8)`, and numbers from 0 (a and A) to 25, `(count,)`.
    """
    paths = Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")
    fonts = [
        ImageFont.truetype(str(path), 32)
        for path in sorted(paths)
        if path.name.startswith(("DejaVu", "STIXGeneral")) and "Display" not in path.name
    ]
    signs, which = [], draw.integers(0, 26, count)
    for letter in which:
        canvas = Image.new("L", (64, 64))
        sign = string.ascii_letters[letter + 26 * draw.integers(2)]
        font, bold = fonts[draw.integers(len(fonts))], int(draw.integers(2))
        ImageDraw.Draw(canvas).text((32, 32), sign, 255, font, anchor="mm", stroke_width=bold)
        (a, b), (c, d) = turn = draw.normal(np.eye(2), 0.12)
        x, y = 32 - turn @ [32, 32]  # the middle stays where it is
        canvas = canvas.transform((64, 64), Image.Transform.AFFINE, (a, b, x, c, d, y))
        canvas = canvas.crop(canvas.getbbox())
        square = Image.new("L", (max(canvas.size),) * 2)
        square.paste(canvas, tuple((square.width - side) // 2 for side in canvas.size))
        signs.append(np.asarray(square.resize((8, 8), Image.Resampling.BOX)) / 16)
    return np.stack(signs), which


def in_white(signs, part, size, draw):
    """Return signs in white on pieces of grey photographs: `(n, size, size, 1)`, from 0 to 255."""
    pictures = []
    for ink, ground in zip(signs, backgrounds(part, len(signs), size, draw)):
        picture = 0.7 * ground.mean(axis=-1)
        side = int(draw.integers(0.7 * size, size))
        top, left = draw.integers(0, size - side + 1, 2)
        place = np.s_[top : top + side, left : left + side]
        picture[place] += enlarged(ink, side) * (1 - picture[place])
        pictures.append(255 * picture[..., None])
    return np.stack(pictures).astype("float32")
