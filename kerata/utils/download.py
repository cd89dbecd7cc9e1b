"""Downloads: checked, resumed, atomic, and one at a time.

A file is fetched under another name beside its place, its hash compared, and then renamed. So what
is in the cache is whole, and right where the hash is known.
"""

import contextlib
import hashlib
import http.client
import os
import re
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import IO

from kerata.engine.errors import argument_error, one_of, reworded
from kerata.utils.archives import extract_archive
from kerata.utils.progbar import Progbar, is_live, print_message

_SCHEMES = ("https", "http", "file", "ftp")
_TIMEOUT = 60.0  # seconds without a byte
_ATTEMPTS = 5  # in a row that bring nothing
_PAUSE = 1.0  # seconds before the second attempt; twice as many before each further one
_BLOCK = 2**18
_HASHES = {32: "md5", 64: "sha256"}


@reworded
def get_file(
    fname=None,
    origin=None,
    untar=False,
    md5_hash=None,
    file_hash=None,
    cache_subdir="datasets",
    hash_algorithm="auto",
    extract=False,
    archive_format="auto",
    cache_dir=None,
    force_download=False,
):
    """Download a file, unless it is in the cache already, and return its path.

    A download that breaks off goes on where it was. The file takes its place only when it is
    complete and its hash is right. Of several processes that want the same file, one downloads it.

    Args:
        fname: name of the file in the cache; the last part of `origin` if None. An absolute path
            is used as it is.
        origin: URL: `https:`, `http:`, `ftp:` or `file:`.
        untar: older name of `extract`.
        md5_hash: MD5 of the file; `file_hash` is the better way.
        file_hash: hash of the file, in hexadecimal digits. A file in the cache with another one is
            downloaded again.
        cache_subdir: folder within the cache, or an absolute path.
        hash_algorithm: "sha256", "md5" or "auto": by the length of `file_hash`.
        extract: whether to unpack the file, a tar or zip archive. No member is written outside of
            the folder that is returned.
        archive_format: "auto", "tar", "zip", or a list of them; None for no unpacking.
        cache_dir: folder of the cache; if None, that of the environment variable `KERAS_HOME`, or
            `~/.keras`.
        force_download: whether to download in any case.

    Returns:
        Path of the file; with `extract` or `untar`, of the folder that it was unpacked into.

    Raises:
        ValueError: if `origin` is missing, the hash is not that of the file, or what is to be
            unpacked is no archive, or a damaged or unsafe one.
        OSError: if the file cannot be downloaded, or not be written.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "words.txt").write_text("one two three")
        >>> path = kerata.utils.get_file(
        ...     origin=(folder / "words.txt").as_uri(), cache_dir=folder / "cache"
        ... )
        Downloading data from file:...
        >>> pathlib.Path(path).read_text()
        'one two three'
    """
    if not origin or urllib.parse.urlsplit(origin).scheme.lower() not in _SCHEMES:
        must = "be a URL that begins with https:, http:, ftp: or file:"
        raise argument_error("origin", must, origin, "get_file()")
    if file_hash is None and md5_hash is not None:
        file_hash, hash_algorithm = md5_hash, "md5"
    algorithm = _algorithm(hash_algorithm, file_hash)
    # A backslash divides folders on some systems: a name must mean the same on all.
    last = urllib.parse.urlsplit(origin).path.replace("\\", "/").rpartition("/")[2]
    name = os.fspath(fname) if fname else last
    if os.path.basename(name) in ("", ".", ".."):
        raise argument_error("fname", "name a file, for `origin` does not", fname, "get_file()")
    folder = os.path.join(_writable(cache_dir), cache_subdir)
    file, unpacked = _places(
        os.path.join(folder, name), bool(fname), bool(archive_format) and (extract or untar)
    )
    os.makedirs(os.path.dirname(file), exist_ok=True)
    hidden = os.path.join(os.path.dirname(file), "." + os.path.basename(file))
    lock = hidden + ".lock"
    found = not force_download and _is_good(file, file_hash, algorithm)
    # A cache that can only be read holds no lock; where there is one, a folder may be half moved.
    if found and (unpacked is None or (os.path.exists(unpacked) and not os.path.exists(lock))):
        return unpacked or file
    with _locked(lock):
        fresh = force_download or not (found or _is_good(file, file_hash, algorithm))
        if fresh:
            _download(origin, file, hidden + ".part", file_hash, algorithm)
        if unpacked is None:
            return file
        if fresh or not os.path.exists(unpacked):
            if not extract_archive(file, unpacked, archive_format):
                raise ValueError(
                    "get_file(): the file cannot be unpacked, for it is no archive of this format."
                    f"\nReceived: {file!r}, archive_format={archive_format!r}\n"
                    "Look at what is in it; force_download=True downloads it again."
                )
    return unpacked


def _places(path: str, named: bool, extract: bool) -> tuple[str, str | None]:
    """Return the paths of a file, and of the folder that it is unpacked into (or None)."""
    if not extract:
        return path, None
    folder, name = os.path.split(path)
    if named and "." in name:
        return path, os.path.join(folder, name.partition(".")[0] + "_extracted")
    return path + "_archive", path


def _writable(cache_dir) -> str:
    """Return the folder of the cache; one for temporary files if it cannot be written to."""
    home = cache_dir or os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    home = os.path.expanduser(os.fspath(home))
    with contextlib.suppress(OSError):
        os.makedirs(home, exist_ok=True)
    if os.access(home, os.W_OK):
        return home
    owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    spare = os.path.join(tempfile.gettempdir(), f".keras-{owner}")
    os.makedirs(spare, mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and os.lstat(spare).st_uid != owner:
        raise PermissionError(
            f"The folder of the cache cannot be written to.\nReceived: {home!r}\n"
            "Name another one: cache_dir=..., or the environment variable KERAS_HOME."
        )
    return spare


# Hashes.


def hash_file(path, algorithm="sha256") -> str:
    """Return the hash of a file in hexadecimal digits.

    Args:
        path: the file.
        algorithm: "sha256" or "md5".

    Raises:
        ValueError: if the algorithm is another one.
    """
    one_of("algorithm", algorithm, tuple(_HASHES.values()), "hash_file()")
    with open(path, "rb") as file:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _algorithm(name: str, file_hash: str | None) -> str:
    one_of("hash_algorithm", name, ("auto", *_HASHES.values()), "get_file()")
    if file_hash is None:
        return name
    found = _HASHES.get(len(file_hash)) if re.fullmatch("[0-9a-fA-F]+", file_hash) else None
    if found is None or name not in ("auto", found):
        must = "be 64 hexadecimal digits (SHA-256) or 32 (MD5), as `hash_algorithm` says"
        raise argument_error("file_hash", must, file_hash, "get_file()")
    return found


def _is_good(path: str, file_hash: str | None, algorithm: str) -> bool:
    """Whether a file is there, with the right hash if one is known."""
    if not os.path.exists(path):
        return False
    return file_hash is None or hash_file(path, algorithm) == file_hash.lower()


# Downloading.


def _download(origin: str, path: str, part: str, file_hash: str | None, algorithm: str) -> None:
    """Bring a file from its origin to `path`, by way of `part`."""
    print_message(f"Downloading data from {origin}")
    if file_hash is None:
        _remove(part)  # who knows of which version of the file it is a part
    resumed = os.path.exists(part)
    _fetch(origin, part, trusted=file_hash is not None)
    if resumed and not _is_good(part, file_hash, algorithm):
        _remove(part)
        _fetch(origin, part, trusted=True)
    if not _is_good(part, file_hash, algorithm):
        found = hash_file(part, algorithm)
        _remove(part)
        raise ValueError(
            f"The file that was downloaded from {origin} is incomplete or another one: its "
            f"{algorithm} must be {file_hash}.\nReceived: {found}\n"
            "Try again later. If the file was changed on purpose, its hash must be as well."
        )
    os.replace(part, path)


class _Interrupted(Exception):
    """A transfer broke off; another attempt may help."""


def _fetch(origin: str, part: str, trusted: bool) -> None:
    """Download all of a file, or what `part` lacks of it.

    Args:
        origin: URL.
        part: where to.
        trusted: whether a wrong piece would be found out later. If not, a transfer is taken up
            again only if the server can tell that the file is still the same.
    """
    most, failures, version = 0, 0, None
    while True:
        if not trusted and version is None:
            _remove(part)
        try:
            with open(part, "ab") as file, _request(origin, file.tell(), version) as response:
                version = _version(response.headers)
                _receive(response, file)
            return
        except (_Interrupted, http.client.HTTPException, OSError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == 416:
                _remove(part)  # it is no part of the file, or all of it
            size = os.path.getsize(part) if os.path.exists(part) else 0
            failures = 0 if size > most else failures + 1
            most = max(most, size)
            if failures >= _ATTEMPTS or not _is_passing(error):
                if not trusted:
                    _remove(part)
                if isinstance(error, OSError) and not isinstance(error, urllib.error.URLError):
                    raise
                raise ConnectionError(
                    f"The file could not be downloaded: {_told(error)}.\n"
                    f"Received: origin={origin!r}\n"
                    "Check the address and the connection; or fetch the file elsewhere, and put "
                    f"it at {_final(part)!r}."
                ) from None
            time.sleep(_PAUSE * 2**failures)


def _told(error: Exception) -> str:
    """Return why a transfer failed, in plain words."""
    if isinstance(error, urllib.error.HTTPError):
        return str(error)
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason)


def _final(part: str) -> str:
    """Return the path of the file that `part` becomes."""
    folder, name = os.path.split(part)
    return os.path.join(folder, name.removeprefix(".").removesuffix(".part"))


def _is_passing(error: Exception) -> bool:
    """Whether a failure may be over at the next attempt."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (408, 416, 425, 429) or error.code >= 500
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, (ConnectionError, TimeoutError))
    return not isinstance(error, OSError) or isinstance(error, (ConnectionError, TimeoutError))


def _request(origin: str, start: int, version: str | None):
    """Open a URL; ask for what follows the first `start` bytes."""
    request = urllib.request.Request(origin)
    if start:
        request.add_header("Range", f"bytes={start}-")
        if version is not None:
            request.add_header("If-Range", version)
    response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    if origin.lower().startswith("https:") and not response.url.lower().startswith("https:"):
        response.close()
        raise PermissionError(
            f"The file was moved to an address that is not secure.\nReceived: {response.url!r}, "
            f"from origin={origin!r}\nIf you trust it, give it as the origin."
        )
    return response


def _version(headers) -> str | None:
    """Return what names this version of the file, if the server says so."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _receive(response, file: IO[bytes]) -> None:
    """Write what a server sends behind what the file has, or in its place."""
    start = file.tell()
    length = response.headers.get("Content-Length", "")
    if getattr(response, "status", None) == 206:
        sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if not sent or int(sent[1]) != start:
            file.truncate(0)
            raise _Interrupted("the server sent another part of the file than was asked for")
    else:
        file.truncate(0)
        start = 0
    total = start + int(length) if length.isdecimal() else None
    size = start
    bar = Progbar(None if total is None else max(total, 1), verbose=int(is_live()), unit_name="B")
    while block := response.read(_BLOCK):
        file.write(block)
        size += len(block)
        if bar.is_due():
            bar.update(size)
    bar.update(size, finalize=True)
    if total is not None and size < total:
        raise _Interrupted(f"only {size:,} of {total:,} bytes have come")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


# One at a time.


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold a lock of this name for the `with` block; wait while another process or thread does."""
    while True:
        file = open(path, "ab")
        _wait_for(file)
        with contextlib.suppress(OSError):
            # Whoever had it before may have removed it: then it is another file's name now.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                break
        file.close()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        file.close()


def _wait_for(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        while True:
            with contextlib.suppress(OSError):
                return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore
    fcntl.flock(file, fcntl.LOCK_EX)
