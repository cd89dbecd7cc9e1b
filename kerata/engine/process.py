"""Settings of the whole process that make XLA faster on a CPU."""

import ctypes
import os
import sys

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
