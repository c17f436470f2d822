"""The lock of a run folder: one process at a time works in it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tlkit.errors import RunError
from tlkit.system.disk import FullDiskError, is_disk_full

LOCK = ".lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


class BusyError(RunError):
    """Another process works in the run folder."""

    exit_code = 75


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. The operating system frees it when the process ends, however it ends.

    Raises:
        BusyError: another process holds it.
        FullDiskError: the disk has no room for the lock file.
        RunError: the lock file can't be created, or the file system has no locks.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(f"{folder}: another process works in this run folder; nothing was changed") from error
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise RunError(
                f"{folder / LOCK}: can't be locked: {error.strerror or error}; the file system has no locks. Choose a "
                "run folder on another one with --out"
            ) from error
        kind = FullDiskError if is_disk_full(error) else RunError
        raise kind(f"{folder / LOCK}: can't be created: {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()
