"""How commands end: one clear line for what went wrong, and the exit status."""

import contextlib
import os
import signal
import sys
import threading

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class BadInput(ValueError):
    """What the user gave cannot be used; the message is one line that says why and what to do."""


def guarded(action):
    """Return the exit status of `action()`: its own, or 1, 2 or 130 for how it failed.

    One line on standard error says what was wrong with files, packages or input. What is a bug
    keeps its traceback.
    """
    with _noted_interruptions() as interruptions:
        try:
            status = action()
            sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            return complain("\nkerata: stopped", INTERRUPTED)
        except BrokenPipeError:
            # The reader (`head`, say) has seen enough. Nothing more may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except BadInput as error:
            return complain(f"kerata: {error}", 2)
        except Exception as error:
            if interruptions:
                return complain("\nkerata: stopped", INTERRUPTED)
            if isinstance(error, OSError):
                place = f": {error.filename}" if error.filename else ""
                return complain(f"kerata: {error.strerror or error}{place}", 1)
            if isinstance(error, ImportError):
                return complain(f"kerata: {' '.join(str(error).split())}", 1)
            raise


def complain(line, status):
    """Print a line to standard error; return `status`."""
    print(line, file=sys.stderr)
    return status


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
