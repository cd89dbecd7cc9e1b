"""Pictures for reports, in colours that colour-blind readers tell apart (Okabe and Ito, 2008).

Each function returns a matplotlib `Figure`, which `Page.picture` saves and shows.
"""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter

BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
GREY, INK = "#8A8F98", "#1F2430"

STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#C9CED6",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": "#E6E9EE",
}

# Titles take their style when they are set.
HEADING = {"loc": "left", "fontsize": 12, "fontweight": "bold", "color": INK}


def new(width, height, rows=1, columns=1, **kwargs):
    """Return a figure of `width` by `height` inches in the house's style, and its axes."""
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
        return figure, figure.subplots(rows, columns, **kwargs)


def curves(history, names=None, unit="Epoch"):
    """Draw each quantity of a training over the epochs, with its validation values.

    Args:
        history: dict of lists, one value an epoch, as `History.history` is.
        names: dict from key to title, the panels to draw; by default the loss and, where there is
            one, the first metric. Titles that end in "%" show shares as percentages.
        unit: what passes from one value to the next.
    """
    keys = [key for key in history if not key.startswith(("val_", "learning_rate"))]
    names = names or {key: key.replace("_", " ").capitalize() for key in sorted(keys)[::-1][:2]}
    epochs = np.arange(1, len(next(iter(history.values()))) + 1)
    figure, panels = new(10, 3.9, 1, len(names), squeeze=False)
    for axes, (key, title) in zip(panels[0], names.items(), strict=True):
        scale = 100 if title.endswith("%") else 1
        for name, label, colour, line in (
            (key, "training", BLUE, "-"),
            (f"val_{key}", "validation", VERMILION, "--"),
        ):
            if name in history:
                values = np.asarray(history[name]) * scale
                marker = "o" if len(values) <= 40 else None
                axes.plot(epochs, values, line, color=colour, marker=marker, ms=4, label=label)
        axes.set_title(title.removesuffix("%").strip(), **HEADING)
        axes.set_xlabel(unit)
        axes.set_axisbelow(True)
        axes.grid(True, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if scale == 100:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}%")
            axes.set_ylim(top=min(100.5, axes.get_ylim()[1]))
        # Below a decade, a logarithmic axis would have no number on it.
        elif key == "loss" and 0 < 10 * min(history[key]) < max(history[key]):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.tick_params(which="minor", length=0)
    if any(name.startswith("val_") for name in history):
        panels[0, 0].legend(frameon=False, loc="upper right")
    return figure


def confusion(labels, predicted, names, what="images"):
    """Draw how often each class was taken for each other; mistakes stand out.

    Args:
        labels: true classes, `(samples,)`.
        predicted: predicted classes, `(samples,)`.
        names: the classes' names.
        what: what is being classified, in the plural.
    """
    classes = len(names)
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new(6.4, 6.4)
    for row, column in zip(*np.nonzero(counts), strict=True):
        hit = row == column
        shade = share[row, column] if hit else min(1.0, 0.5 + 5 * share[row, column])
        corner = (column - 0.5, row - 0.5)
        colour = BLUE if hit else VERMILION
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=0.15 + 0.75 * shade))
        axes.text(
            column, row, counts[row, column], ha="center", va="center", weight="bold",
            color="white" if shade > 0.4 else INK,
        )  # fmt: skip
    lines = np.arange(classes + 1) - 0.5
    long = max(map(len, map(str, names))) > 3
    axes.set(
        aspect="equal", xlim=lines[[0, -1]], ylim=lines[[-1, 0]],
        xlabel="Predicted", ylabel="True",
    )  # fmt: skip
    axes.set_title(
        f"{np.trace(counts):,} of {counts.sum():,} test {what} classified right", **HEADING
    )
    slant = {"rotation": 45, "ha": "right"} if long else {}
    axes.set_xticks(range(classes), names, **slant)
    axes.set_yticks(range(classes), names)
    axes.set_xticks(lines, minor=True)
    axes.set_yticks(lines, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(True, which="minor", linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return figure


def grid(images, titles=None, columns=6, colours=None, size=1.7, sides=None):
    """Draw images side by side.

    Args:
        images: `(n, height, width, channels)` or `(n, height, width)`, from 0 to 1 (or 0 to 255,
            integers).
        titles: a line above each.
        columns: images in a row.
        colours: colour of each title and frame.
        size: inches that an image is wide.
        sides: height by width that each is drawn with; its own if None.
    """
    rows = -(-len(images) // columns)
    tallest = np.shape(images[0])[0] / np.shape(images[0])[1] if sides is None else max(sides)
    height = size * tallest + (0.3 if titles else 0)
    figure, panels = new(size * columns, height * rows, rows, columns, squeeze=False)
    for axes in panels.flat[len(images) :]:
        axes.set_visible(False)
    for place, (axes, image) in enumerate(zip(panels.flat, images)):
        image = np.asarray(image)
        top = 255 if np.issubdtype(image.dtype, np.integer) else 1
        image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
        axes.imshow(image, cmap="gray", vmin=0, vmax=top, aspect=_aspect(image, sides, place))
        axes.set(xticks=[], yticks=[])
        colour = "#C9CED6" if colours is None else colours[place]
        axes.spines[:].set(visible=True, color=colour, linewidth=1 if colours is None else 2)
        if titles:
            ink = INK if colours is None else colours[place]
            axes.set_title(titles[place], fontsize=9, color=ink, loc="center")
    return figure


def _aspect(image, sides, place) -> float:
    """Return how much higher than wide a pixel is drawn."""
    return 1.0 if sides is None else sides[place] * image.shape[1] / image.shape[0]


def mosaic(images, columns=12):
    """Draw many small images in grey as one picture, with a line between them.

    Args:
        images: `(n, height, width)` or `(n, height, width, 1)`, ink from 0 to 1.
        columns: images in a row.
    """
    images = np.reshape(images, np.shape(images)[:3])
    count, height, width = images.shape
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + 1, width + 1), np.nan)
    cells[:count, :height, :width] = images
    whole = cells.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    whole = whole.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]
    figure, axes = new(10, 10 * whole.shape[0] / whole.shape[1])
    axes.imshow(whole, cmap="gray_r", vmin=0, vmax=1)
    axes.set_facecolor("#E6E9EE")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return figure


def scatter(truth, predicted, name):
    """Draw predictions of a number over its true values, and the line where they are right."""
    figure, axes = new(6, 6)
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.plot(truth, predicted, "o", color=BLUE, alpha=0.6, ms=5)
    axes.set(aspect="equal", xlabel=f"True {name}", ylabel=f"Predicted {name}")
    return figure


def worst_first(labels, probabilities):
    """Return the order of samples: mistakes first, those where the truth was least likely before.

    Args:
        labels: true classes, `(samples,)`.
        probabilities: predicted probability of each class, `(samples, classes)`.
    """
    given_to_truth = probabilities[np.arange(len(labels)), labels]
    return np.lexsort((given_to_truth, probabilities.argmax(axis=1) == labels))


def mistakes(images, labels, probabilities, names, rows=2, columns=6, sides=None):
    """Draw the worst mistakes, and after them the right answers that were the closest calls.

    Args:
        images: `(samples, height, width, channels)`, from 0 to 1.
        labels: true classes, `(samples,)`.
        probabilities: predicted probability of each class, `(samples, classes)`.
        names: the classes' names.
        rows: rows of pictures.
        columns: pictures in a row.
        sides: height by width that each image is drawn with; its own if None.
    """
    wrong = int(np.sum(probabilities.argmax(axis=1) != labels))
    order = worst_first(labels, probabilities)[: rows * columns]
    names = [name if len(name) < 13 else f"{name[:11]}…" for name in map(str, names)]
    tallest = 1.0 if sides is None else min(1.0, max(sides[i] for i in order))
    height = 1.1 + 1.5 * tallest + (0.5 if _upright(names) else 0)
    with rc_context(STYLE):
        figure = Figure(figsize=(10, height * rows + 0.6), layout="constrained", dpi=150)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.05)
        places = figure.add_gridspec(2 * rows, columns, height_ratios=[3, 1] * rows)
        for place, sample in enumerate(order):
            row, column = divmod(place, columns)
            _sample(
                figure.add_subplot(places[2 * row, column]),
                figure.add_subplot(places[2 * row + 1, column]),
                images[sample],
                labels[sample],
                probabilities[sample],
                names,
                _aspect(images[sample], sides, sample),
            )
        figure.suptitle(
            f"{_how_many(wrong, len(order))} (bars: probability of each class, the true one blue)",
            x=0.01, ha="left", weight="bold", fontsize=12,
        )  # fmt: skip
    return figure


def _sample(above, below, image, label, probabilities, names, aspect):
    """Draw one image, and the probabilities it got under it."""
    predicted = probabilities.argmax()
    mistake = predicted != label
    colour = VERMILION if mistake else BLUE
    grey = image.shape[-1] == 1
    above.imshow(image[..., 0] if grey else image, cmap="gray_r", vmin=0, vmax=1, aspect=aspect)
    above.set(xticks=[], yticks=[])
    above.spines[:].set(visible=True, color=colour, linewidth=2 if mistake else 1)
    long = max(map(len, names)) > 3
    truth = f"{names[label]}" if long else f"a {names[label]}"
    verdict = f"{truth}, taken for {names[predicted]}" if mistake else f"{truth}, right"
    if long:
        verdict = verdict.replace(", ", ",\n")
    above.set_title(verdict, fontsize=10, color=colour, loc="center")

    classes = np.arange(len(probabilities))
    colours = np.where(classes == label, BLUE, np.where(classes == predicted, VERMILION, GREY))
    below.bar(classes, probabilities, color=colours)
    below.text(
        predicted, probabilities[predicted] + 0.06, f"{probabilities[predicted]:.0%}",
        ha="center", fontsize=8,
    )  # fmt: skip
    below.set(ylim=(0, 1.2), yticks=[], xlim=(-0.8, len(classes) - 0.2))
    # Of many classes with long names, the title has those that matter.
    shown = names if not long or len(names) <= 12 else []
    below.set_xticks(classes[: len(shown)], shown, rotation=90 if _upright(names) else 0)
    below.tick_params(axis="x", labelsize=7 if long else 8)
    below.spines["left"].set_visible(False)


def _upright(names) -> bool:
    """Return whether names are too long to stand side by side below the bars."""
    return 3 < max(map(len, names)) > 24 // len(names) and len(names) <= 12


def _how_many(wrong, shown):
    if wrong > shown:
        return f"The {shown} worst of {wrong} mistakes"
    if wrong == 0:
        return "No mistakes; the closest calls"
    every = {1: "The one mistake", 2: "Both mistakes"}.get(wrong, f"All {wrong} mistakes")
    return every if wrong == shown else f"{every}, then the closest calls"
