"""A report: one HTML page that carries its pictures and needs no network."""

import base64
import html
import math
import os
import string
from importlib import resources
from pathlib import Path


class Page:
    """A page that grows section by section, and is written whole.

    Args:
        folder: where the page and its pictures go.
        title: what was done, in a few words.
        lead: one sentence below the title.

    Example:
        ```python
        page = Page("report", "Handwritten digits", "A small convolutional network.")
        page.headline("99.2%", "of 359 test images classified right")
        page.scores("Beside a baseline", "", {"this model": 0.992, "majority class": 0.1})
        page.picture("How training went", "", pictures.curves(history.history), "curves")
        page.write()
        ```
    """

    def __init__(self, folder, title, lead=""):
        self.folder = Path(folder)
        self.title = title
        self.lead = lead
        self.sections = []

    def headline(self, figure, text):
        """Show the one number that matters in large type, and say what it is of."""
        self.sections.append(
            f'<section class="headline">\n<div class="figure">{html.escape(figure)}</div>\n'
            f"<p>{html.escape(text)}</p>\n</section>"
        )

    def scores(self, title, note, scores, form="{:.1%}", details=None):
        """Show scores from 0 up as bars; the first one is this model's.

        Args:
            title: heading of the section.
            note: a sentence below it.
            scores: dict from name to number.
            form: how a number is written.
            details: dict from name to a few words after the number.
        """
        longest = max([1.0 if "%" in form else 0.0, *scores.values()]) or 1.0
        rows = []
        for place, (name, score) in enumerate(scores.items()):
            own = "" if place else ' class="own"'
            detail = f'<td class="number">{html.escape(details[name])}</td>' if details else ""
            rows.append(
                f"<tr{own}>"
                f'<th scope="row">{html.escape(name)}</th>'
                f'<td class="bar"><span style="width:{max(score, 0) / longest:.1%}"></span></td>'
                f'<td class="number">{form.format(score)}</td>{detail}</tr>'
            )
        self._section(title, note, "<table>\n" + "\n".join(rows) + "\n</table>")

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
        head = "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in header)
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

    def facts(self, title, facts):
        """Show a dict of names and values: how it was measured, how to run it again."""
        rows = (
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
            for name, value in facts.items()
        )
        self._section(title, "", "<dl>\n" + "\n".join(rows) + "\n</dl>")

    def write(self):
        """Write `report.html` into the folder, whole or not at all; return its path."""
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
        return path

    def _section(self, title, note, body):
        note = f"<p>{html.escape(note)}</p>\n" if note else ""
        self.sections.append(f"<section>\n<h2>{html.escape(title)}</h2>\n{note}{body}\n</section>")


def wilson_interval(share, count, z=1.96):
    """Return the 95% interval (E. B. Wilson, 1927) for a true share, seen as `share` of `count`."""
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def counted(number, noun):
    """Return `number noun`, with the noun in the plural where it must be."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cell(value):
    if isinstance(value, str):
        return f"<td>{html.escape(value)}</td>"
    return f'<td class="number">{value:,}</td>'
