"""The `kerata` command.

Nothing heavy is imported before it is known that a command needs it: help, version and mistakes
in the arguments answer at once.
"""

import sys

import kerata
from kerata.cli import demo, models
from kerata.cli.guard import guarded


def main(argv=None):
    """Run the command with the arguments `argv` (default: the process's own).

    Returns:
        The exit status: 0, or 1 for what went wrong, 2 for arguments that make no sense and 130
        for Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)

    def act():
        if arguments[:1] == ["demo"]:  # its options are its examples' own
            return demo.command(arguments[1:])
        options, unknown = parser().parse_known_args(arguments)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options.action(options)

    return guarded(act)


def parser():
    """Return the parser of all commands."""
    top = demo.Parser(prog="kerata", description="Deep learning with the Keras 3 API, on JAX.")
    top.add_argument("--version", action="version", version=f"kerata {kerata.__version__}")
    top.set_defaults(action=lambda options: _help(top), parser=top)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", prog="kerata")

    commands.add_parser("demo", help="run a whole problem, from the data to a report")
    models.add_commands(commands)
    return top


def _help(which):
    which.print_help()
    return 0
