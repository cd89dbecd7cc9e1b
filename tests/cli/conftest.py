"""What tests of the command share."""

import pytest

from kerata import cli


@pytest.fixture
def run(capsys):
    """Run the command in this process; return (status, standard output, standard error)."""

    def call(*arguments):
        try:
            status = cli.main(list(arguments))
        except SystemExit as stop:
            status = stop.code
        return (status or 0, *capsys.readouterr())

    return call
