"""Unpacking archives that may come from anybody: nothing leaves the target folder.

Everything is unpacked into a folder of its own beside the target, checked, and then moved.
"""

import contextlib
import errno
import lzma
import ntpath
import os
import secrets
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from kerata.engine.errors import argument_error, one_of

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
            lie outside of the folder or are devices, or if the folder has a folder where the
            archive has a file, or the reverse. Nothing is unpacked then.
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
    target = os.path.realpath(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    fresh = os.path.join(os.path.dirname(target), f".unpacking.{secrets.token_hex(8)}")
    os.mkdir(fresh)
    try:
        with _damage_named(path):
            _unpack(opened(path), fresh, _RATIO * os.path.getsize(path) + _SLACK, path)
        _check_room(fresh, target)
        _move(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
# Numbers of the errors of files that damage explains: decompressors give none; the others come of
# members that take each other's place.
_OF_DAMAGE = (None, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)


@contextlib.contextmanager
def _damage_named(path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in _OF_DAMAGE:
            raise
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
        # The checksum of a compressed archive comes at its end.
        yield ".", "rest", archive.fileobj, ""  # type: ignore[misc]


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
        elif kind == "rest":
            with open(os.devnull, "wb") as nowhere:
                left = _copy(contents, nowhere, left)
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
    # Links come last, so that no file is written through one. Where they lead is known when all
    # are there.
    for name, place, link in links:
        parent = os.path.dirname(place)
        if os.path.realpath(parent) != os.path.normpath(parent):
            raise _refuse("it holds a link behind another link", name, path)
        if os.path.isabs(link):
            raise _refuse(f"it holds a link to {link!r}, outside of the target folder", name, path)
        os.makedirs(parent, exist_ok=True)
        os.symlink(link, place)
    for name, place, link in links:
        if os.path.commonpath([os.path.realpath(place), folder]) != folder:
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


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _check_room(source: str, target: str) -> None:
    """Raise if moving would put a file in the place of a folder, or the reverse."""
    if not os.path.lexists(target):
        return
    if _is_folder(source) != _is_folder(target):
        must = "have no folder where the archive has a file, nor the reverse"
        raise argument_error("target", must, target, "extract_archive()")
    for name in os.listdir(source) if _is_folder(source) else ():
        _check_room(os.path.join(source, name), os.path.join(target, name))


def _move(source: str, target: str) -> None:
    """Move a file or folder; what else is in a folder that is there already stays."""
    if not (_is_folder(source) and _is_folder(target)):
        return os.replace(source, target)
    for name in os.listdir(source):
        _move(os.path.join(source, name), os.path.join(target, name))
