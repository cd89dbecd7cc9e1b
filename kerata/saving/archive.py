"""The `.keras` archive: a zip file of a model's config, weights and assets.

Reading never extracts: members are read from the open archive, by the names that a model has, each
within bounds.
"""

import contextlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from kerata.engine.errors import DamagedFileError, short
from kerata.engine.reading import TEXT, parse, refusal

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
ASSETS = "assets/"

# How large a member, and all of them, may be, unpacked. Weights are stored as they are by all
# writers; for a file that somebody packed again the bound is generous, and still far from a bomb.
_RATIO = 50
_SLACK = 64 * 2**20
_MEMBERS = 20_000


def is_plain(name: str) -> bool:
    """Return whether a name is that of a file in one folder, on every system."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\:\0")


# What zipfile raises where an archive is damaged.
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, struct.error)


class Archive:
    """A `.keras` file, open for reading.

    Args:
        file: the file, open in binary mode.
        name: what to call it in messages.

    Raises:
        ValueError: if it is no `.keras` file.
        UnsafeModelError: if the archive is not one that any writer of models makes.
    """

    def __init__(self, file: IO[bytes], name: str):
        self.name = name
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (*_FAULTS, ValueError) as error:
            raise DamagedFileError(
                f"The file is no model: a `.keras` file is a zip archive.\n"
                f"Received: {name!r} ({error})\n"
                "It may be damaged or not fully copied, or be of another kind."
            ) from None
        members = self._zip.infolist()
        if len(members) > _MEMBERS:
            raise refusal(f"{len(members):,} members", name)
        self._members = {info.filename: info for info in members}
        if len(self._members) != len(members):
            raise refusal("two members of one name", name)
        for info in members:
            self._check_kind(info)
        self._check_places(members)
        if CONFIG not in self._members:
            raise DamagedFileError(
                f"The archive holds no model: there is no {CONFIG} in it.\n"
                f"Received: {name!r} with {sorted(self._members)[:5]}"
            )

    def _check_kind(self, info: zipfile.ZipInfo) -> None:
        """Refuse what no writer of models makes: odd names, links, other ways of packing."""
        parts = info.orig_filename.removesuffix("/").split("/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not all(map(is_plain, parts)):
            what = "a member whose name leads elsewhere"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a link, or something else that is no file,"
        elif info.flag_bits & 1:
            what = "an encrypted member"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            what = "a member packed in an unusual way"
        else:
            return
        raise refusal(f"{what} ({short(info.orig_filename)})", self.name)

    def _check_places(self, members) -> None:
        """Refuse members that overlap, or are larger than their packed bytes let expect."""
        end = total = 0
        size = self._file.seek(0, os.SEEK_END)
        for info in sorted(members, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise refusal(f"overlapping members ({short(info.filename)})", self.name)
            end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size
            total += info.file_size
            most = _RATIO * min(info.compress_size, size) + _SLACK
            if info.file_size > most or total > _RATIO * size + _SLACK:
                what = f"a member that unpacks to {info.file_size:,} bytes"
                raise refusal(f"{what} ({short(info.filename)})", self.name)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, limit: int = TEXT) -> bytes:
        """Return the bytes of a member.

        Raises:
            UnsafeModelError: if there are more than `limit`.
            ValueError: if they are damaged.
        """
        info = self._members[name]
        if info.file_size > limit:
            raise refusal(f"{info.file_size:,} bytes in {name!r}", self.name)
        try:
            with self._zip.open(info) as member:
                data = member.read(info.file_size + 1)
        except _FAULTS as error:
            raise self._damaged(name, error) from error
        if len(data) != info.file_size:
            raise self._damaged(name, f"{len(data)} of {info.file_size} bytes are there")
        return data

    def _damaged(self, name: str, why) -> DamagedFileError:
        return DamagedFileError(
            f"The archive is damaged: {name} cannot be read.\nReceived: {self.name!r} ({why})\n"
            "Copy it again, or fall back on an earlier one."
        )

    def read_json(self, name: str) -> dict:
        """Return a member that holds a JSON object.

        Raises:
            ValueError: if it does not.
            UnsafeModelError: if it is nested without reason.
        """
        value = parse(self.read(name), name, self.name)
        if not isinstance(value, dict):
            raise DamagedFileError(
                f"{name} in the archive must be a JSON object.\n"
                f"Received: a {type(value).__name__} in {self.name!r}"
            )
        return value

    @contextlib.contextmanager
    def weights(self) -> Iterator[io.IOBase]:
        """Open the weights, an HDF5 file, for reading at any place.

        Raises:
            ValueError: if there are none.
        """
        if WEIGHTS not in self._members:
            raise DamagedFileError(
                f"The archive holds no weights: there is no {WEIGHTS} in it.\n"
                f"Received: {self.name!r} with {sorted(self._members)[:5]}"
            )
        info = self._members[WEIGHTS]
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            yield io.BytesIO(self.read(WEIGHTS, limit=_RATIO * info.compress_size + _SLACK))
            return
        self._check_sum(info)
        yield _Window(self._file, self._start(info), info.file_size)

    def _check_sum(self, info: zipfile.ZipInfo) -> None:
        """Read a member to its end: its checksum is compared on the way."""
        try:
            with self._zip.open(info) as member:
                while member.read(2**22):
                    pass
        except _FAULTS as error:
            raise self._damaged(info.filename, error) from error

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Return where the bytes of a member begin: behind its header, of two varying parts."""
        self._file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", self._file.read(4))
        return info.header_offset + 30 + name + extra

    def assets_of(self, path: str) -> dict[str, bytes]:
        """Return the asset files of the part at `path`, by file name."""
        prefix = f"{ASSETS}{path}/" if path else ASSETS
        found = {}
        for name in self._members:
            rest = name.removeprefix(prefix)
            if name.startswith(prefix) and is_plain(rest):
                found[rest] = self.read(name)
        return found


class _Window(io.RawIOBase):
    """A part of a file, as a file: HDF5 reads here and there, which zip's own reader is slow at."""

    def __init__(self, file: IO[bytes], start: int, size: int):
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer) -> int:
        wanted = max(min(len(buffer), self._size - self._position), 0)
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def add(archive: zipfile.ZipFile, name: str, data: str | bytes) -> None:
    """Write a member, with a fixed date: equal models make equal files."""
    archive.writestr(zipfile.ZipInfo(name), data)
