"""Files that users give: read, or refused in one line that says what is wrong with them."""

import contextlib
import csv
import itertools
import warnings

from kerata.cli.guard import BadInput


@contextlib.contextmanager
def one_line(option=""):
    """Make complaints about files and values in the `with` block one line for the user.

    Args:
        option: the option that the file was given with; the line begins with it.
    """
    try:
        yield
    except BadInput:
        raise
    except (ValueError, OSError, ImportError) as error:
        said = str(error)
        if isinstance(error, OSError) and error.filename:
            said = f"{error.strerror}: {error.filename}"
        line = " ".join(" ".join(f"{part.rstrip('.')}." for part in said.splitlines()).split())
        raise BadInput(f"{option}: {line}" if option else line) from error


def text_of(path, option="--data"):
    """Return the text of a file in UTF-8, that was given with an option."""
    if not path.is_file():
        raise BadInput(f"{option} must be a text file, and there is none at {path}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{option} must be a text file in UTF-8, and is not: {path}") from None


def pairs_of(path, first, second):
    """Return the two texts on each line of a file, with a tab between them.

    Args:
        path: of the file; lines may have more cells, which are left out.
        first: what the first one is: "a class".
        second: what the second one is.
    """
    pairs = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < 2 or not all(cells[:2]):
            raise BadInput(f"{path}, line {number}: {first}, a tab and {second} are needed")
        pairs.append((cells[0], cells[1]))
    return pairs


def table_of(path):
    """Return the table in a CSV file, whose first line names the columns, as a DataFrame."""
    import pandas

    if not path.is_file():
        raise BadInput(f"--data must be a .csv file, and there is none at {path}")
    from kerata.data.tables import other_delimiter

    with one_line(f"--data: {path} is no table"):
        with open(path, encoding="utf-8-sig", newline="") as file:
            other = other_delimiter(list(itertools.islice(csv.reader(file), 2)), ",")
        if other:
            raise BadInput(f"--data: {path} must have commas between the columns, not {other!r}")
        return pandas.read_csv(path)


def images_of(folder, size, channels=3):
    """Return what is in a folder that has a folder of images for each class.

    Args:
        folder: its path.
        size: height and width that images are brought to.
        channels: 3 for colours, 1 for grey.

    Returns:
        Names of the classes; images from 0 to 255, `(n, height, width, channels)`; their labels,
        `(n,)`; and the paths of their files.
    """
    import numpy as np

    from kerata.utils import image_dataset_from_directory

    if folder.is_dir() and not any(path.is_dir() for path in folder.iterdir()):
        raise BadInput(f"--data must hold a folder of images for each class; {folder} has none")
    with one_line("--data"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is said below
        dataset = image_dataset_from_directory(
            folder, image_size=size, color_mode={1: "grayscale", 3: "rgb"}[channels],
            shuffle=False, verbose=False,
        )  # fmt: skip
        images, labels = map(np.concatenate, zip(*dataset.as_numpy_iterator()))
    names = dataset.class_names
    if len(names) < 2 or len(labels) < 20:
        raise BadInput(
            f"--data must hold 2 folders or more, one for each class, with 20 images in all; "
            f"{folder} has {len(names)} with {len(labels)}"
        )
    return names, images, labels, dataset.file_paths


def sides_of(files):
    """Return height by width of each image file."""
    from PIL import Image

    sides = []
    for file in files:
        with Image.open(file) as image:
            sides.append(image.height / image.width)
    return sides
