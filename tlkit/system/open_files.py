"""The number of files that the process may have open."""

from __future__ import annotations

from contextlib import suppress

_MOST = 1 << 20


def allow_open_files(opened: int) -> None:
    """Raise the process's limit of open files towards what the system allows, where half of it is used up.

    Each mapped file counts as open, and many systems begin with 1,024.

    Args:
        opened: the number of files that are open.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if opened < soft // 2 or soft == resource.RLIM_INFINITY:
        return
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
