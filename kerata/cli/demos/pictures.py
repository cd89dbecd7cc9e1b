"""The demos' pictures, in colours that colour-blind readers tell apart (Okabe and Ito, 2008)."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#8A8F98", "#1F2430"

STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#C9CED6",
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
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


def curves(history, path):
    """Draw loss and accuracy over the epochs.

    Args:
        history: dict of lists, one value an epoch: "loss", "accuracy", and both with "val_".
        path: file to write.
    """
    epochs = np.arange(1, len(history["loss"]) + 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 3.9), layout="constrained", dpi=150)
        left, right = figure.subplots(1, 2)
        for axes, key, title in ((left, "loss", "Loss"), (right, "accuracy", "Accuracy")):
            for name, label, colour, line in (
                (key, "training (images moved about, dropout)", BLUE, "-"),
                (f"val_{key}", "validation", VERMILION, "--"),
            ):
                values = np.asarray(history[name]) * (100 if key == "accuracy" else 1)
                axes.plot(epochs, values, line, color=colour, marker="o", ms=4, label=label)
            axes.set_title(title)
            axes.set_xlabel("Epoch")
            axes.set_axisbelow(True)
            axes.grid(True, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        left.set_yscale("log")
        left.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.yaxis.set_minor_formatter(NullFormatter())
        left.tick_params(which="minor", length=0)
        left.set_ylabel("Cross-entropy (nats, log scale)")
        right.set_ylabel("Share of images classified right")
        right.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}%")
        right.set_ylim(top=min(100.5, right.get_ylim()[1]))
        left.legend(frameon=False, loc="upper right")
        figure.savefig(path)


def confusion(labels, predicted, path, classes=10):
    """Draw how often each class was taken for each other; mistakes stand out.

    Args:
        labels: true classes, `(samples,)`.
        predicted: predicted classes, `(samples,)`.
        path: file to write.
        classes: number of classes.
    """
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = int(np.trace(counts))
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 6.4), layout="constrained", dpi=150)
        axes = figure.subplots()
        for row, column in zip(*np.nonzero(counts), strict=True):
            hit = row == column
            shade = share[row, column] if hit else min(1.0, 0.5 + 5 * share[row, column])
            corner = (column - 0.5, row - 0.5)
            colour = BLUE if hit else VERMILION
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=0.15 + 0.75 * shade))
            ink = "white" if shade > 0.4 else INK
            axes.text(
                column, row, counts[row, column], ha="center", va="center", color=ink, weight="bold"
            )
        lines = np.arange(classes + 1) - 0.5
        axes.set(
            aspect="equal", xlim=lines[[0, -1]], ylim=lines[[-1, 0]],
            xticks=range(classes), yticks=range(classes),
            xlabel="Predicted digit", ylabel="True digit",
            title=f"{right} of {counts.sum()} test images classified right",
        )  # fmt: skip
        axes.set_xticks(lines, minor=True)
        axes.set_yticks(lines, minor=True)
        axes.tick_params(which="minor", length=0)
        axes.grid(True, which="minor", linewidth=1)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        figure.savefig(path)


def mistakes(images, labels, probabilities, path, rows=2, columns=6):
    """Draw the worst mistakes, and after them the right answers that were the closest calls.

    Args:
        images: `(samples, height, width, 1)`, ink from 0 to 1.
        labels: true classes, `(samples,)`.
        probabilities: predicted probability of each class, `(samples, classes)`.
        path: file to write.
        rows: rows of pictures.
        columns: pictures in a row.
    """
    given_to_truth = probabilities[np.arange(len(labels)), labels]
    predicted = probabilities.argmax(axis=1)
    wrong = int(np.sum(predicted != labels))
    # Mistakes come first, and among them those where the truth was thought least likely.
    order = np.lexsort((given_to_truth, predicted == labels))[: rows * columns]
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 2.6 * rows + 0.6), layout="constrained", dpi=150)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.05)
        grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3, 1] * rows)
        for place, sample in enumerate(order):
            row, column = divmod(place, columns)
            _sample(
                figure.add_subplot(grid[2 * row, column]),
                figure.add_subplot(grid[2 * row + 1, column]),
                images[sample, ..., 0],
                labels[sample],
                probabilities[sample],
            )
        figure.suptitle(
            f"{_how_many(wrong, len(order))} (bars: probability of each digit, the true one blue)",
            x=0.01, ha="left", weight="bold", fontsize=12,
        )  # fmt: skip
        figure.savefig(path)


def _sample(above, below, image, label, probabilities):
    """Draw one image, and the probabilities it got under it."""
    predicted = probabilities.argmax()
    mistake = predicted != label
    colour = VERMILION if mistake else BLUE
    above.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    above.set(xticks=[], yticks=[])
    above.spines[:].set(visible=True, color=colour, linewidth=2 if mistake else 1)
    verdict = f"a {label}, taken for {predicted}" if mistake else f"a {label}, right"
    above.set_title(verdict, fontsize=10, color=colour, loc="center")

    classes = np.arange(len(probabilities))
    colours = np.where(classes == label, BLUE, np.where(classes == predicted, VERMILION, GREY))
    below.bar(classes, probabilities, color=colours)
    below.text(
        predicted, probabilities[predicted] + 0.06, f"{probabilities[predicted]:.0%}",
        ha="center", fontsize=8,
    )  # fmt: skip
    below.set(ylim=(0, 1.2), yticks=[], xticks=classes, xlim=(-0.8, len(classes) - 0.2))
    below.tick_params(axis="x", labelsize=8)
    below.spines["left"].set_visible(False)


def _how_many(wrong, shown):
    if wrong > shown:
        return f"The {shown} worst of {wrong} mistakes"
    if wrong == 0:
        return "No mistakes; the closest calls"
    every = {1: "The one mistake", 2: "Both mistakes"}.get(wrong, f"All {wrong} mistakes")
    return every if wrong == shown else f"{every}, then the closest calls"
