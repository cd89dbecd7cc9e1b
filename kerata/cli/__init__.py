"""The `kerata` command.

Nothing heavy is imported before it is known that a command needs it: help, version and mistakes
in the arguments answer at once.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import kerata
from kerata.cli.demos import DEMOS
from kerata.engine.errors import nearest

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, without the usage in front of it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def main(argv=None):
    """Run the command with the arguments `argv` (default: the process's own).

    Returns:
        The exit status: 0, or 1 for what went wrong, 2 for arguments that make no sense and 130
        for Ctrl-C.
    """
    with _noted_interruptions() as interruptions:
        try:
            options = parser().parse_args(argv)
            status = options.action(options)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            return _complain("\nkerata: stopped", INTERRUPTED)
        except BrokenPipeError:
            # The reader (`head`, say) has seen enough. Nothing more may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:
            if interruptions:
                return _complain("\nkerata: stopped", INTERRUPTED)
            if isinstance(error, OSError):
                place = f": {error.filename}" if error.filename else ""
                return _complain(f"kerata: {error.strerror or error}{place}", 1)
            if isinstance(error, ImportError):
                return _complain(f"kerata: {error}", 1)
            raise


@contextlib.contextmanager
def _noted_interruptions():
    """Give a list that grows at each Ctrl-C in the `with` block.

    Ctrl-C raises KeyboardInterrupt as ever. But where it strikes in a callback from JAX's compiled
    part, what arrives here is another exception, made of that one: the list tells.
    """
    noted: list[int] = []
    previous = signal.getsignal(signal.SIGINT)
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or previous is not signal.default_int_handler:
        yield noted
        return

    def handler(number, frame):
        noted.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, handler)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, previous)


def parser():
    """Return the parser of all commands."""
    top = _Parser(prog="kerata", description="Deep learning with the Keras 3 API, on JAX.")
    top.add_argument("--version", action="version", version=f"kerata {kerata.__version__}")
    top.set_defaults(action=lambda options: _help(top))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", prog="kerata")

    demo = commands.add_parser(
        "demo",
        help="run a whole problem, from the data to a report",
        description="Run a whole problem, from the data to a report. Without a name, list them.",
    )
    demo.add_argument("name", nargs="?", type=_demo, metavar="NAME", help=", ".join(DEMOS))
    demo.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where the results go (default: NAME-report)"
    )
    demo.add_argument("--epochs", type=_number(1), metavar="N", help="how long to train")
    demo.add_argument(
        "--seed",
        type=_number(0),
        default=0,
        metavar="N",
        help="same seed, same result (default: 0)",
    )
    demo.set_defaults(action=_run_demo)
    return top


def _help(which):
    which.print_help()
    return 0


def _demo(name):
    if name not in DEMOS:
        close = nearest(name, DEMOS)
        hint = f"did you mean {close[0]!r}?" if close else f"there is: {', '.join(DEMOS)}"
        raise argparse.ArgumentTypeError(f"there is no demo named {name!r}; {hint}")
    return name


def _number(least, most=2**31 - 1):
    def read(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {text!r}"
            )
        return number

    return read


def _run_demo(options):
    if options.name is None:
        for name, summary in DEMOS.items():
            print(f"  kerata demo {name:<10} {summary}")
        return 0
    out = options.out or Path(f"{options.name}-report")
    # Before the work, not after it: can the results be written?
    if out.exists() and not out.is_dir():
        return _complain(f"kerata demo: --out must be a folder, and this is a file: {out}", 2)
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK | os.X_OK):
        return _complain(f"kerata demo: this folder cannot be written to: {out}", 1)

    _find_extras("demo", "matplotlib", "sklearn")
    from kerata.cli.demos import digits

    chosen = {} if options.epochs is None else {"epochs": options.epochs}
    digits.run(out, seed=options.seed, say=_say, **chosen)
    return 0


def _say(line):
    print(line, flush=True)


def _find_extras(extra, *modules):
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ImportError(
            f"this needs {' and '.join(missing)}; install with: pip install 'kerata[{extra}]'"
        )


def _complain(line, status):
    print(line, file=sys.stderr)
    return status
