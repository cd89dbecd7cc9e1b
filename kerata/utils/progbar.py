"""A progress bar for terminals and notebooks, and lines of text for everything else."""

import logging
import math
import shutil
import sys
import time

import numpy as np

from kerata.engine import settings

_FULL, _EMPTY = "━", "─"


def print_message(text: str, end: str = "\n") -> None:
    """Print to standard output; to `logging` if interactive logging is off.

    Args:
        text: what to print.
        end: what follows it.
    """
    if settings.is_interactive_logging_enabled():
        sys.stdout.write(text + end)
        sys.stdout.flush()
    elif text.strip():
        logging.getLogger("kerata").info(text.strip())


def is_live() -> bool:
    """Return whether a line that was printed can be overwritten: in a terminal or a notebook."""
    if not settings.is_interactive_logging_enabled():
        return False
    return (hasattr(sys.stdout, "isatty") and sys.stdout.isatty()) or "ipykernel" in sys.modules


class Progbar:
    """Shows how far a loop has come, how fast it goes, and some values.

    In a terminal or notebook one line is drawn again and again, at most every `interval` seconds;
    elsewhere (a file, a pipe) each time on a new line.

    Args:
        target: number of steps expected; None if unknown.
        width: width of the bar in characters.
        verbose: 0 (nothing), 1 (a bar) or 2 (one line at the end).
        interval: least time between two drawings, in seconds.
        stateful_metrics: names of values to be shown as they come. All others are averaged over
            the steps.
        stateless_metrics: names of values to be averaged; all others are shown as they come. Not
            together with `stateful_metrics`.
        unit_name: what a step is called.

    Raises:
        ValueError: if both `stateful_metrics` and `stateless_metrics` are given.

    Example:
        >>> bar = kerata.utils.Progbar(3, verbose=2)
        >>> for step in range(3):
        ...     bar.update(step + 1, [("loss", 1.0 - 0.25 * step)])
        3/3 - 0s - ...s/step - loss: 0.7500
    """

    def __init__(
        self,
        target,
        width=20,
        verbose=1,
        interval=0.05,
        stateful_metrics=None,
        stateless_metrics=None,
        unit_name="step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Give only one of `stateful_metrics` and `stateless_metrics`.")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.unit_name = unit_name
        self.prefix = ""
        self._values: dict = {}  # name -> (weighted sum, weight), or the value
        self._seen = 0
        self._start = time.time()
        self._drawn = -math.inf
        self._length = 0

    def is_due(self) -> bool:
        """Return whether an update now would be seen; if not, it may be left out."""
        return self.verbose == 1 and time.time() - self._drawn >= self.interval

    def update(self, current, values=None, finalize=None) -> None:
        """Show the state after step number `current`.

        Args:
            current: number of steps done.
            values: pairs (name, value) to be shown.
            finalize: whether this is the last update; if None, it is when `current` reaches
                `target`.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = current - self._seen
        for name, value in values or []:
            if self._is_averaged(name):
                total, weight = self._values.get(name, (0, 0))
                added = np.mean(np.asarray(value)) * max(steps, 1)
                self._values[name] = (total + added, weight + max(steps, 1))
            else:
                self._values[name] = value
        self._seen = current
        if not self.verbose or not (finalize or self.is_due()):
            return
        self._drawn = time.time()
        live = self.verbose == 1 and is_live()
        line = self._line(finalize, self.width)
        if live:
            line = self._fitted(line, finalize)
            padding = " " * max(self._length - len(line), 0)
            self._length = len(line)
            print_message("\r" + line + padding, "\n" if finalize else "")
        else:
            print_message(self.prefix + line)

    def add(self, n, values=None) -> None:
        """Show the state after `n` more steps; see `update`."""
        self.update(self._seen + n, values)

    def _is_averaged(self, name) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics

    def _fitted(self, line: str, finalize: bool) -> str:
        """Return a line that a terminal can overwrite: one that wraps would leave rows behind."""
        if "ipykernel" in sys.modules:
            return line
        room = shutil.get_terminal_size().columns - 1
        if len(line) > room:
            line = self._line(finalize, max(self.width - (len(line) - room), 0))
        # The last line stays, so it may be as long as it has to be.
        return line if finalize or len(line) <= room else line[: max(room - 1, 0)] + "…"

    def _line(self, finalize: bool, width: int) -> str:
        done = str(self._seen)
        if self.target is not None:
            done = f"{done.rjust(len(str(self.target)))}/{self.target}"
        elapsed = time.time() - self._start
        each = elapsed / self._seen if self._seen else 0.0
        pace = f"{_duration(each)}/{self.unit_name}"
        if self.verbose == 2:
            parts = [done, f"{elapsed:.0f}s", pace]
        elif finalize or self.target is None:
            parts = [done + self._bar(width) + f"{elapsed:.0f}s {pace}"]
        else:
            left = _clock(each * (self.target - self._seen))
            parts = [done + self._bar(width) + f"{left} {pace}"]
        parts += [f"{name}: {_shown(self._value(name))}" for name in self._values]
        return " - ".join(parts)

    def _bar(self, width: int) -> str:
        if self.target is None:
            return " … "
        full = width * min(self._seen, self.target) // max(self.target, 1)
        return f" {_FULL * full}{_EMPTY * (width - full)} " if width else " "

    def _value(self, name):
        value = self._values[name]
        return value[0] / value[1] if self._is_averaged(name) else value


def _shown(value) -> str:
    try:
        number = float(np.mean(np.asarray(value)))
    except (TypeError, ValueError):
        return str(value)
    return f"{number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{number:.4e}"


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}" if minutes else f"{seconds}s"
