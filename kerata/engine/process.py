"""Settings of the whole process that make XLA faster: its memory, and programs kept on disk."""

import atexit
import contextlib
import ctypes
import hashlib
import os
import platform
import stat
import sys
import time
import zlib
from collections.abc import Iterator

import jax

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
_LARGE = 2**31 - 1


def tune() -> bool:
    """Keep freed memory in the process, where the allocator is glibc's.

    XLA allocates the large temporaries of a computation anew at every call. glibc gives blocks of
    that size back to the system when they are freed, so each call pays for mapping and clearing
    the same pages again: several times what the arithmetic costs. With the thresholds raised, and
    with one arena for all threads, the pages are reused. The price is that memory that was needed
    once stays with the process.

    Nothing happens on other systems, where the environment already configures malloc
    (`MALLOC_ARENA_MAX`, `GLIBC_TUNABLES=glibc.malloc...`, ...), or with `KERATA_MALLOC=default`.

    Returns:
        Whether the allocator was set.
    """
    if not sys.platform.startswith("linux") or _is_left_alone():
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 (musl and others have no such symbol)
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    # An old glibc refuses a threshold above 32 MiB: no mapped blocks at all comes to the same.
    large = mallopt(_MMAP_THRESHOLD, _LARGE) or mallopt(_MMAP_MAX, 0)
    return bool(large and mallopt(_TRIM_THRESHOLD, _LARGE) and mallopt(_ARENA_MAX, 1))


def _is_left_alone() -> bool:
    environment = os.environ
    return (
        environment.get("KERATA_MALLOC", "").lower() == "default"
        or any(name.startswith("MALLOC_") for name in environment)
        or "glibc.malloc" in environment.get("GLIBC_TUNABLES", "")
    )


# The folder of compiled programs may grow to this many bytes.
_CACHE_LIMIT = 2**30


def cache_programs() -> str | None:
    """Keep compiled programs on disk, so that the next process which needs one does not compile it.

    JAX does the work (its persistent compilation cache); this names the folder: `kerata/programs`
    in the user's folder for caches, readable by the user alone. When the process ends, the
    programs that were not used for longest are deleted until 1 GiB is left.

    Nothing is changed where JAX was told already what to do (`JAX_COMPILATION_CACHE_DIR`,
    `JAX_ENABLE_COMPILATION_CACHE`, or its config), where the folder cannot be written, or with
    `KERATA_COMPILE_CACHE=off`; `KERATA_COMPILE_CACHE=FOLDER` names another folder.

    Returns:
        The folder that programs of this machine lie in, or None.
    """
    wanted = os.environ.get("KERATA_COMPILE_CACHE", "")
    if (
        wanted.lower() in ("off", "0", "false", "no", "none")
        or jax.config.jax_compilation_cache_dir is not None
    ):
        return None
    if not jax.config.jax_enable_compilation_cache:
        return None
    # A program may use what this processor has and another, with the same home, has not.
    processor = hashlib.sha256(_processor().encode()).hexdigest()[:16]
    home = os.path.expanduser(wanted) if wanted else _cache_home()
    if not (wanted or os.path.isabs(home)):
        return None  # there is no home
    folder = os.path.join(os.path.abspath(home), "programs", processor)
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return None
    # Programs are machine code: who may write to the folder, or put another in its place, could
    # have theirs run.
    if not os.access(folder, os.W_OK | os.X_OK) or _is_open_to_others(folder):
        return None
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    atexit.register(prune, folder, _CACHE_LIMIT)
    return folder


def prune(folder: str, limit: int) -> None:
    """Delete broken files of a folder, and those not used for longest until `limit` bytes are left.

    A file is broken if the process that wrote it was killed. What is new since the last time is
    looked through, but for the latest, which may be under way.
    """
    checked = os.path.join(folder, ".checked")
    with contextlib.suppress(OSError):
        before, now = _modified(checked), time.time()
        for _, _, path in _files(folder):
            if before <= _modified(path) < now - _UNDER_WAY and not _is_whole(path):
                os.unlink(path)
        with open(checked, "w"):
            os.utime(checked, (now - _UNDER_WAY,) * 2)
    total = 0
    for _, size, path in sorted(_files(folder), reverse=True):
        total += size
        if total > limit:
            with contextlib.suppress(OSError):  # gone already, or in use (Windows)
                os.unlink(path)


# Seconds that writing a file may take.
_UNDER_WAY = 60


def _modified(path: str) -> float:
    return os.stat(path).st_mtime if os.path.exists(path) else 0.0


def _is_whole(path: str) -> bool:
    """Return whether a file, compressed as JAX does it, can be read to its end."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        if content[:4] == b"\x28\xb5\x2f\xfd":
            _decompress_zstd(content)
        elif content[:1] == b"\x78":
            zlib.decompress(content)
    except ImportError:
        return True
    except Exception:  # each format has its own
        return False
    return bool(content)


def _decompress_zstd(content: bytes) -> None:
    if sys.version_info >= (3, 14):
        from compression import zstd

        zstd.decompress(content)
    else:
        import zstandard

        zstandard.ZstdDecompressor().decompressobj().decompress(content)


def _files(folder: str) -> Iterator[tuple[float, int, str]]:
    """Yield (when it was used last, size, path) of each file in a folder and those in it."""
    for root, _, names in os.walk(folder):
        for path in (os.path.join(root, name) for name in names if name != ".checked"):
            with contextlib.suppress(OSError):
                status = os.stat(path)
                yield max(status.st_atime, status.st_mtime), status.st_size, path


def _cache_home() -> str:
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or os.path.join("~", "AppData", "Local")
    elif sys.platform == "darwin":
        home = os.path.join("~", "Library", "Caches")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    return os.path.join(os.path.expanduser(home), "kerata")


def _processor() -> str:
    """Return what tells kinds of processors apart: on Linux, the instructions that they know."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"


def _is_open_to_others(folder: str) -> bool:
    """Return whether somebody else (but root) may write to a folder or put another in its place."""
    if not hasattr(os, "getuid"):
        return False
    path = os.path.realpath(folder)
    while True:
        status = os.stat(path)
        sticky = status.st_mode & stat.S_ISVTX and path != folder
        if status.st_uid not in (0, os.getuid()) or (status.st_mode & 0o022 and not sticky):
            return True
        if path == os.path.dirname(path):
            return False
        path = os.path.dirname(path)
