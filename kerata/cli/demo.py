"""`kerata demo`: the examples, as commands whose options are their `main`'s parameters."""

import argparse
import ast
import difflib
import importlib
import inspect
import os
import re
import sys
import types
from importlib.util import find_spec
from pathlib import Path

from kerata.cli.guard import complain, guarded

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, without the usage in front of it."""

    def error(self, message):
        wrong = re.search(r"COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message)
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if wrong:
            known = re.findall(r"[\w-]+", wrong[2])
            message = f"there is no command {wrong[1]!r}; {_nearest(wrong[1], known)}"
        elif unknown and (close := _nearest(unknown[1], self._option_string_actions, "")):
            message += f"; {close}"
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def _nearest(name, known, otherwise=None):
    """Return the hint at what is spelled like a name, or at all that is known."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there is: {', '.join(known)}" if otherwise is None else otherwise


def demos():
    """Return a dict from each example's name to its docstring's first line."""
    found = {}
    for path in sorted(EXAMPLES.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def command(arguments):
    """Run `kerata demo ARGUMENTS`; return the exit status."""
    name, *rest = arguments or [""]
    if name in ("", "-h", "--help"):
        print("usage: kerata demo [NAME] [options]\n")
        print("Run a whole problem, from the data to a report. See `kerata demo NAME --help`.\n")
        for name, summary in demos().items():
            print(f"  {name:<20} {summary}")
        return 0
    known = demos()
    if name not in known:
        hint = _nearest(name, known)
        if name.startswith("-"):
            hint = "the demo's name comes first: kerata demo NAME [options]"
        problem = f"there is no demo named {name!r}; {hint}"
        return complain(f"kerata demo: {problem} (see `kerata demo --help`)", 2)
    missing = [module for module in ("matplotlib", "sklearn") if find_spec(module) is None]
    if missing:
        needed = " and ".join(missing)
        raise ImportError(f"this needs {needed}; install with: pip install 'kerata[demo]'")
    main = importlib.import_module(f"kerata.examples.{name}").main
    return run(main, f"kerata demo {name}", name, rest)


def script(main):
    """Run an example as a script: with the process's arguments, ending with the exit status."""
    name = Path(sys.argv[0]).stem
    program = f"python {sys.argv[0]}"
    raise SystemExit(guarded(lambda: run(main, program, name, sys.argv[1:])))


def run(main, program, name, arguments):
    """Call `main(out, **options)` with what the arguments say; return the exit status."""
    options = vars(_parser(main, program, name).parse_args(arguments))
    out = options.pop("out")
    # Before the work, not after it: can the results be written?
    if out.exists() and not out.is_dir():
        return complain(f"{program}: --out must be a folder, and this is a file: {out}", 2)
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK | os.X_OK):
        return complain(f"{program}: this folder cannot be written to: {out}", 1)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        main(out, **options)
    finally:
        if is_new and not any(out.iterdir()):  # what was given was refused
            out.rmdir()
    return 0


def _parser(main, program, name):
    """Return a parser with an option for each parameter of `main` that has a default."""
    documentation = inspect.getdoc(main) or ""
    help_of = dict(re.findall(r"^    (\w+): (.+(?:\n        .+)*)", documentation, re.MULTILINE))
    parser = Parser(prog=program, description=documentation.partition("\n")[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(f"{name}-report"),
        metavar="FOLDER",
        help=f"where the results go (default: {name}-report)",
    )
    for parameter in inspect.signature(main, eval_str=True).parameters.values():
        if parameter.default is parameter.empty or callable(parameter.default):
            continue
        words = " ".join(help_of.get(parameter.name, "").split())
        # `from_` is how Python spells an option named `from`.
        flag = "--" + parameter.name.rstrip("_").replace("_", "-")
        if parameter.default is False:
            parser.add_argument(flag, dest=parameter.name, action="store_true", help=words)
            continue
        shown = "" if parameter.default is None else f" (default: {parameter.default})"
        parser.add_argument(
            flag,
            dest=parameter.name,
            type=_reader(parameter),
            default=parameter.default,
            metavar=parameter.name.rstrip("_").upper(),
            help=(words + shown).replace("%", "%%"),
        )
    return parser


def _reader(parameter):
    """Return what reads a parameter's text: by its default's type, or by its annotation."""
    kind = type(parameter.default)
    if parameter.default is None:
        kind = parameter.annotation
        if isinstance(kind, types.UnionType):
            kind = kind.__args__[0]
    if kind is int:
        return number(0 if parameter.name == "seed" else 1)
    return {float: float, Path: Path}.get(kind, str)


def number(least, most=2**31 - 1):
    """Return a function that reads a whole number from `least` to `most`."""

    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {text!r}"
            )
        return value

    return read
