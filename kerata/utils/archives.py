"""Unpacking archives that may come from anybody: nothing leaves the target folder.

Everything is unpacked into a folder of its own beside the target, checked, and then moved.
"""

import contextlib
import ntpath
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from kerata.engine.errors import one_of

_FORMATS = ("auto", "tar", "zip", "tar.gz", "tgz", "tar.bz2", "tar.xz")
# What is unpacked may be this many times as large as the archive, and this many bytes more.
_RATIO = 200
_SLACK = 2**30
# What a member takes at least, so that the number of members is bounded as well.
_LEAST = 512


def extract_archive(path, target, archive_format="auto") -> bool:
    """Unpack a tar or zip archive into a folder.

    Args:
        path: the archive. Compressed tar archives are recognized.
        target: the folder; made if it does not exist. Files of the same names are replaced.
        archive_format: "auto", "tar", "zip", a list of them to be tried in order; None for none.

    Returns:
        Whether the file is an archive of such a format. If not, nothing is done.

    Raises:
        ValueError: if the archive is damaged, too large for its size, or has members that would
            lie outside of the folder or are devices. Nothing is unpacked then.
    """
    formats = [archive_format] if isinstance(archive_format, str) else list(archive_format or ())
    for each in formats:
        one_of("archive_format", each, _FORMATS, "extract_archive()")
    opened = None
    if any(f != "zip" for f in formats) and tarfile.is_tarfile(path):
        opened = _members_of_tar
    elif {"auto", "zip"} & set(formats) and zipfile.is_zipfile(path):
        opened = _members_of_zip
    if opened is None:
        return False
    target = os.path.abspath(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    fresh = tempfile.mkdtemp(prefix=".unpacking.", dir=os.path.dirname(target))
    try:
        with _damage_named(path):
            _unpack(opened(path), fresh, _RATIO * os.path.getsize(path) + _SLACK, path)
        os.chmod(fresh, 0o777 & ~_umask())
        _move(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


@contextlib.contextmanager
def _damage_named(path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"The archive is damaged, and was not unpacked: {error}\nReceived: {os.fspath(path)!r}"
        ) from error


def _refuse(what: str, name: str, path) -> ValueError:
    return ValueError(
        f"The archive was not unpacked: {what}.\nReceived: member {name!r} of {os.fspath(path)!r}\n"
        "Do not use it, unless you know what it is; then unpack it yourself."
    )


# A member: its name, its kind, what opens its contents, and where it points if it is a link.
_Member = tuple[str, str, IO[bytes] | None, str]


def _members_of_zip(path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                yield info.filename, "folder", None, ""
            else:
                with archive.open(info) as contents:
                    yield info.filename, "file", contents, ""


def _members_of_tar(path) -> Iterator[_Member]:
    with tarfile.open(path) as archive:
        for info in archive:
            kind = next(
                (kind for test, kind in _TAR_KINDS if getattr(info, test)()), "device or such"
            )
            contents = archive.extractfile(info) if kind == "file" else None
            yield info.name, kind, contents, info.linkname


_TAR_KINDS = (("isreg", "file"), ("isdir", "folder"), ("issym", "link"), ("islnk", "hard link"))


def _unpack(members: Iterator[_Member], folder: str, most: int, path) -> None:
    """Unpack members into an empty folder."""
    folder = os.path.realpath(folder)
    left = most
    links: list[tuple[str, str, str]] = []
    for name, kind, contents, link in members:
        place = _place(folder, name)
        if place is None:
            raise _refuse("it would write outside of the target folder", name, path)
        left -= _LEAST
        if kind == "folder":
            os.makedirs(place, exist_ok=True)
        elif kind == "link":
            links.append((name, place, link))
        elif kind in ("file", "hard link"):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if kind == "hard link":
                # A copy: a link would count as one file, and could be written through.
                contents = _linked(folder, name, link, path)
            with open(place, "wb") as file:
                left = _copy(contents, file, left)
        else:
            raise _refuse(f"it holds a {kind}", name, path)
        if left < 0:
            raise _refuse(f"it holds more than {most:,} bytes", name, path)
    # Links come last, so that nothing is written through one, and are looked at when all are there.
    for _, place, link in links:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(link, place)
    for name, place, link in links:
        real = os.path.realpath(place)
        if os.path.isabs(link) or os.path.commonpath([real, folder]) != folder:
            raise _refuse(f"it holds a link to {link!r}, outside of the target folder", name, path)


def _place(folder: str, name: str) -> str | None:
    """Return where a member goes, or None if that is outside of the folder."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ntpath.splitdrive(name)[0]:
        return None
    return os.path.join(folder, *parts)


def _linked(folder: str, name: str, link: str, path) -> IO[bytes]:
    place = _place(folder, link)
    if place is None or not os.path.isfile(place):
        raise _refuse(f"it holds a link to {link!r}, which is no file in it", name, path)
    return open(place, "rb")


def _copy(source, target: IO[bytes], left: int) -> int:
    """Copy a file, at most a little more than `left` bytes; return what is left of them."""
    with source:
        while left >= 0 and (block := source.read(2**20)):
            target.write(block)
            left -= len(block)
    return left


def _move(source: str, target: str) -> None:
    """Move a folder to a place where there may be one already; what else is in that one stays."""
    if os.path.islink(target) or not os.path.isdir(target):
        return os.replace(source, target)
    for name in os.listdir(source):
        place, inner = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(place) and not os.path.islink(place):
            _move(place, inner)
        else:
            os.replace(place, inner)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
