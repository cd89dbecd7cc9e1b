"""Writing files so that a crash, or a full disk, leaves the old file whole."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the block ends without an error.

    It is written beside `path` under another name, brought to the disk, then renamed. If anything
    fails, the new file is removed, and what was at `path` is as it was.

    Args:
        path: where the file is to be. Its folder must exist.

    Returns:
        A context manager for the file, open for writing; its `name` is its path for the time.

    Raises:
        FileNotFoundError: if the folder does not exist.
        IsADirectoryError: if `path` is a folder.
        OSError: if the disk is full, or cannot be written to.
    """
    # A link stays, and what it points to is replaced.
    path = os.path.realpath(path)
    check_place(path)
    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:80]}.", suffix=".tmp", dir=folder)
    os.close(handle)
    try:
        with open(temporary, "r+b") as file:
            yield file
            file.flush()
            os.chmod(temporary, _mode(path))
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # HDF5's words are long
            message = (
                "The disk is full. Nothing was written, and a file that was there is as it was"
            )
            raise OSError(errno.ENOSPC, message, path) from None
        raise
    _sync_folder(folder)


def check_place(path) -> None:
    """Raise an error unless a file can be made at `path`."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        there = folder
        while there and not os.path.isdir(there):
            there = os.path.dirname(there)
        raise FileNotFoundError(
            f"The folder of the file does not exist.\nReceived: {os.fspath(path)!r} "
            f"(there is {there!r}, and nothing below it)\n"
            f"Make it first: os.makedirs({folder!r})"
        )
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"A file cannot take the place of a folder.\nReceived: {os.fspath(path)!r}"
        )


def _mode(path) -> int:
    """Return the permissions that the file has, or that a new one gets."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(os.stat(path).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: str) -> None:
    """Bring the renaming to the disk, where folders can be synchronized."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
