"""`python -m kerata` is the `kerata` command."""

import sys

from kerata.cli import main

if __name__ == "__main__":
    sys.exit(main())
