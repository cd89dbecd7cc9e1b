"""A report: one HTML page that carries its pictures and needs no network."""

import base64
import html
import math
import os
import platform
import shlex
import string
import sys
import textwrap
import time
from importlib import resources
from pathlib import Path

import numpy as np

import kerata
from kerata.cli import pictures, reloading


class Page:
    """A page that grows section by section, and is written whole.

    Scores are also told while it grows, and the time runs from when it is made.

    Args:
        folder: where the page, its pictures and the model go.
        title: what was done, in a few words.
        lead: one sentence below the title.
        say: what to tell scores with: a function of a string.

    Example:
        ```python
        page = Page("report", "Handwritten digits", "A small convolutional network.")
        history = model.fit(...)
        scores = {"this model": 0.992, "majority class": 0.1}
        page.accuracy(scores, 359, "test images")
        page.training(history)
        model.save("report/model.keras")
        page.reload(model, x_test)
        page.write({"Images": "1,797 of 8×8 pixels"})
        ```
    """

    def __init__(self, folder, title, lead="", say=print):
        self.folder = Path(folder)
        self.title = title
        self.lead = lead
        self.say = say
        self.sections = []
        self.facts = {}
        self.started = time.perf_counter()

    def headline(self, figure, text):
        """Show the one number that matters in large type, and say what it is of."""
        self.sections.append(
            f'<section class="headline">\n<div class="figure">{html.escape(figure)}</div>\n'
            f"<p>{html.escape(text)}</p>\n</section>"
        )

    def scores(self, title, note, scores, form="{:.1%}", details=None, own=True):
        """Tell scores, and show them from 0 up as bars.

        Args:
            title: heading of the section.
            note: a sentence below it.
            scores: dict from name to number.
            form: how a number is written.
            details: dict from name to a few words after the number.
            own: whether the first one is this model's, and stands out.
        """
        width = max(map(len, scores))
        self.say(f"\n{title}")
        for name, score in scores.items():
            detail = details[name] if details else ""
            self.say(f"  {name:<{width}}  {form.format(score):>8}   {detail}".rstrip())
        longest = max([1.0 if "%" in form else 0.0, *scores.values()]) or 1.0
        rows = []
        for place, (name, score) in enumerate(scores.items()):
            row = ' class="own"' if own and place == 0 else ""
            detail = f'<td class="number">{html.escape(details[name])}</td>' if details else ""
            rows.append(
                f"<tr{row}>"
                f'<th scope="row">{html.escape(name)}</th>'
                f'<td class="bar"><span style="width:{max(score, 0) / longest:.1%}"></span></td>'
                f'<td class="number">{form.format(score)}</td>{detail}</tr>'
            )
        self._section(title, note, "<table>\n" + "\n".join(rows) + "\n</table>")

    def accuracy(self, scores, count, what, note=""):
        """Tell and show what share of the test was right, with the interval of chance.

        Args:
            scores: dict from name to share; the first one is this model's.
            count: number of test samples.
            what: what they are, in the plural.
            note: a sentence on the baselines.
        """
        mistakes = {
            name: counted(round((1 - share) * count), "mistake") for name, share in scores.items()
        }
        name, share = next(iter(scores.items()))
        low, high = wilson_interval(share, count)
        self.headline(
            f"{share:.1%}",
            f"of {count:,} {what} right: {mistakes[name]}. Training never saw them. From a test of "
            f"this size, the true share lies between {low:.1%} and {high:.1%} (95% interval).",
        )
        self.scores(f"Right on {count:,} {what}", note, scores, details=mistakes)

    def training(self, history, names=None, note="", **options):
        """Show how training went; for the arguments see `pictures.curves`."""
        history = getattr(history, "history", history)
        self.picture(
            "How training went", note, pictures.curves(history, names, **options), "curves"
        )

    def mistakes(self, samples, labels, probabilities, names, shown=6, sides=None):
        """Show which class was taken for which, and the samples that were the worst mistakes.

        Args:
            samples: images from 0 to 1, `(samples, height, width, channels)`, or texts.
            labels: true classes, `(samples,)`.
            probabilities: predicted probability of each class, `(samples, classes)`.
            names: the classes' names.
            shown: how many texts to show.
            sides: height by width that each image is drawn with; its own if None.
        """
        images = np.ndim(samples) == 4
        predicted = probabilities.argmax(axis=1)
        self.picture(
            "What was taken for what",
            "Each row is a true class. Blue counts are right answers, orange ones mistakes.",
            pictures.confusion(labels, predicted, names, "images" if images else "texts"),
            "confusion",
            narrow=True,
        )
        title, note = "The worst mistakes", "The most confident first; then the closest calls."
        if images:
            drawn = pictures.mistakes(samples, labels, probabilities, names, sides=sides)
            self.picture(title, note, drawn, "mistakes")
            return
        rows = [
            [
                textwrap.shorten(samples[i], 250, placeholder=" ..."),
                names[labels[i]],
                names[predicted[i]],
                f"{probabilities[i].max():.0%}",
            ]
            for i in pictures.worst_first(labels, probabilities)[:shown]
        ]
        self.table(title, note, ["Text", "Is", "Taken for", "Sure"], rows)

    def reload(self, model, inputs, method="predict", **options):
        """Load `model.keras` in a fresh process, and compare what it says there with `model`.

        Args:
            model: the model that was saved as `model.keras` in the page's folder.
            inputs: what to give to it; see `reloading.elsewhere`.
            method: name of the model's method to call.
            **options: for that method.

        Returns:
            What the loaded model said.
        """
        if method == "predict":
            options = {"verbose": 0}
        there = reloading.elsewhere(
            self.folder / "model.keras", inputs, method, type(model).__module__, **options
        )
        same = reloading.sameness(getattr(model, method)(inputs, **options), there)
        self.say(f"\nmodel.keras, loaded in a fresh process: {same}")
        self.facts["Model"] = f"model.keras, {model.count_params():,} parameters"
        self.facts["Reload"] = f"a fresh process loaded the file: {same}"
        return there

    def picture(self, title, note, figure, name, narrow=False):
        """Save a matplotlib figure as `NAME.png` beside the page, and show it.

        Args:
            title: heading of the section; also what is read out where pictures are not seen.
            note: a sentence below it.
            figure: matplotlib `Figure`.
            name: name of the file, without `.png`.
            narrow: whether it should not take the page's whole width.
        """
        path = self.folder / f"{name}.png"
        figure.savefig(path)
        shape = ' class="narrow"' if narrow else ""
        data = base64.b64encode(path.read_bytes()).decode()
        self._section(
            title,
            note,
            f'<img{shape} src="data:image/png;base64,{data}" alt="{html.escape(title)}">',
        )

    def table(self, title, note, header, rows):
        """Show rows of text and numbers; numbers are set to the right."""
        first = rows[0] if rows else header
        head = "".join(
            f'<th scope="col"{_shape(cell)}>{html.escape(str(name))}</th>'
            for name, cell in zip(header, first)
        )
        body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
        self._section(
            title,
            note,
            f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>",
        )

    def text(self, title, note, passages):
        """Show passages of text as they are, line breaks included."""
        self._section(
            title, note, "\n".join(f"<pre>{html.escape(text)}</pre>" for text in passages)
        )

    def write(self, facts):
        """Write `report.html` into the folder, whole or not at all.

        Args:
            facts: dict of names and values: what was measured, and how.
        """
        seconds = time.perf_counter() - self.started
        facts = {
            **facts,
            **self.facts,
            "Command": f"{command_line()} ({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        }
        rows = "\n".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
            for name, value in facts.items()
        )
        self._section("How it was measured", "", f"<dl>\n{rows}\n</dl>")
        template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
        page = string.Template(template).substitute(
            title=html.escape(self.title),
            lead=html.escape(self.lead),
            sections="\n\n".join(self.sections),
        )
        path = self.folder / "report.html"
        unfinished = path.with_suffix(".html.part")
        unfinished.write_text(page, encoding="utf-8")
        os.replace(unfinished, path)
        self.say(f"\nSee {path} ({seconds:.0f} seconds in all)")

    def _section(self, title, note, body):
        note = f"<p>{html.escape(note)}</p>\n" if note else ""
        self.sections.append(f"<section>\n<h2>{html.escape(title)}</h2>\n{note}{body}\n</section>")


def command_line():
    """Return the command that this process was started with, as one types it."""
    program = Path(sys.argv[0])
    start = ["kerata"] if program.stem in ("kerata", "__main__") else ["python", str(program)]
    return shlex.join([*start, *sys.argv[1:]])


def wilson_interval(share, count, z=1.96):
    """Return the 95% interval (E. B. Wilson, 1927) for a true share, seen as `share` of `count`."""
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def compared(errors, others, name):
    """Say in a sentence whether errors are smaller than those of something else, on average.

    Args:
        errors: errors on the test samples, `(samples,)`.
        others: errors on the same samples of what to compare with.
        name: what that is.
    """
    gain = float((others - errors).mean())
    doubt = 1.96 * float((others - errors).std(ddof=1)) / len(errors) ** 0.5
    verdict = "better" if gain > doubt else "worse" if gain < -doubt else "neither better nor worse"
    return (
        f"Its errors are {abs(gain):.2g} {'smaller' if gain > 0 else 'larger'} than those of "
        f"{name}, give or take {doubt:.2g} (95% interval): it is {verdict}."
    )


def counted(number, noun, plural=None):
    """Return `number noun`, with the noun in the plural where it must be."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _cell(value):
    text = value if isinstance(value, str) else f"{value:,}"
    return f"<td{_shape(value)}>{html.escape(text)}</td>"


def _shape(value):
    """Return the attribute of a table's cell; numbers are set to the right, also as text."""
    try:
        float(value)
    except ValueError:
        return ""
    return ' class="number"'
