"""The digits demo's report: one HTML page that carries its pictures and needs no network."""

import base64
import html
import math
import os
import string
from importlib import resources
from pathlib import Path


def write(folder, results):
    """Write `report.html` into `folder`, with the three pictures that already lie there.

    Args:
        folder: where `curves.png`, `confusion.png` and `mistakes.png` are.
        results: what `digits.run` returns.
    """
    folder = Path(folder)
    template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    scores, count = results["scores"], results["test_images"]
    ours = scores["this model"]
    low, high = wilson_interval(ours, count)
    command = f"kerata demo digits --epochs {results['epochs']} --seed {results['seed']}"
    text = {
        "accuracy": f"{ours:.1%}",
        "wrong": _count(round((1 - ours) * count), "mistake"),
        "count": f"{count:,}",
        "low": f"{low:.1%}",
        "high": f"{high:.1%}",
        "train": f"{results['train_images']:,}",
        "validation": f"{results['validation_images']:,}",
        "views": results["views"],
        "epochs": _count(results["epochs"], "epoch"),
        "parameters": f"{results['parameters']:,}",
        "seed": results["seed"],
        "seconds": f"{results['seconds']:.0f}",
        "versions": html.escape(results["versions"]),
        "reload": sameness(results["reload_difference"]),
        "bars": "\n".join(_bar(name, score, count) for name, score in scores.items()),
        "command": command,
    }
    pictures = {
        name: _embedded(folder / f"{name}.png") for name in ("curves", "confusion", "mistakes")
    }
    page = string.Template(template).substitute(text, **pictures)
    # Whole or not at all: a reader never meets half a page.
    unfinished = folder / "report.html.part"
    unfinished.write_text(page, encoding="utf-8")
    os.replace(unfinished, folder / "report.html")


def wilson_interval(share, count, z=1.96):
    """Return the 95% interval (E. B. Wilson, 1927) for a true share, seen as `share` of `count`."""
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _embedded(path):
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def sameness(difference):
    """Say how far the reloaded model's probabilities are from the first ones."""
    if difference == 0:
        return "the same predictions, bit for bit"
    return f"probabilities that differ by at most {difference:.1e}"


def _bar(name, score, count):
    wrong = _count(round((1 - score) * count), "mistake")
    own = ' class="own"' if name == "this model" else ""
    return (
        f'<tr{own}><th scope="row">{html.escape(name)}</th>'
        f'<td class="bar"><span style="width:{score:.1%}"></span></td>'
        f'<td class="number">{score:.1%}</td><td class="number">{wrong}</td></tr>'
    )
