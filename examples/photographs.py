"""Photographs that come with scikit-image and scikit-learn, or image files of one's own."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from kerata.cli.guard import BadInput

FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "cell": "cell.png",
    "china": "china.jpg",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "flower": "flower.jpg",
    "galaxies": "hubble_deep_field.jpg",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "text": "text.png",
    "tissue": "ihc.png",
}


def photograph(name, longest=640):
    """Return a photograph as integers `(height, width, 3)` from 0 to 255.

    Args:
        name: a name in `FILES`, or the path of an image file.
        longest: pixels that the longer side has at most.
    """
    path = bundled(FILES[name]) if name in FILES else Path(name)
    if not path.is_file():
        raise BadInput(
            f"there is no photograph {name!r}; give an image file, or one of {', '.join(FILES)}"
        )
    try:
        image = Image.open(path).convert("RGB")
    except (OSError, ValueError):
        raise BadInput(f"this is no image that can be read: {name}") from None
    image.thumbnail((longest, longest))
    return np.asarray(image)


def bundled(file):
    """Return the path of a photograph of scikit-learn or scikit-image."""
    if find_spec("skimage") is None:
        raise ImportError("the photographs need scikit-image: pip install 'kerata[demo]'")
    for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
        path = Path(find_spec(package).origin).parent / folder / file
        if path.exists():
            return path
    raise ImportError(f"scikit-image has no {file}; a newer one does: pip install 'kerata[demo]'")
