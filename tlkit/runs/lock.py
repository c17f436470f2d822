"""The lock of a run folder: one process at a time works in it."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tlkit.errors import RunError
from tlkit.system.disk import FullDiskError, is_disk_full

LOCK = ".lock"
_EVERY = 0.2
"""Seconds between two looks at a lock that is waited for."""

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
        reason = error.strerror or str(error)
        if error.errno in _NO_LOCKS:
            raise RunError(
                f"{folder / LOCK}: can't be locked: {reason}. The file system of this folder has no locks (as a "
                "network drive without a lock service), so two processes could work in one run folder; choose a folder "
                "on another disk with --out"
            ) from error
        kind = FullDiskError if is_disk_full(error) else RunError
        raise kind(f"{folder / LOCK}: can't be created: {reason}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def wait_until_free(folder: Path, seconds: float, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Wait until no process holds the lock of a run folder.

    Args:
        folder: the run folder.
        seconds: how long to wait at most; 0 to look once.
        given_up: asked while waiting; True ends it.

    Returns:
        whether the folder is free.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            with locked(folder):
                return True
        except BusyError:
            left = end - time.monotonic()
            if left <= 0 or given_up():
                return False
            time.sleep(min(_EVERY, left))
