"""One process at a time in a run folder, and what is said when its disk is full."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tlkit.errors import RunError

LOCK = ".lock"


class BusyError(RunError):
    """Another process works in the run folder."""

    exit_code = 75


class FullDiskError(RunError):
    """A file of the run folder can't be written for lack of room; what was there before is as it was."""

    exit_code = 74


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the system frees it when the process ends, however it ends.

    Raises:
        BusyError: another process holds it.
        RunError: the lock can't be made.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(f"{folder}: another process works in this run folder; nothing was changed") from error
    except OSError as error:
        raise RunError(f"{folder / LOCK}: can't be made: {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


@contextmanager
def telling_of_full_disks(folder: Path) -> Iterator[None]:
    """Turn the system's "no space left" into ``FullDiskError``.

    Raises:
        FullDiskError: the disk, or the user's quota, is full.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise FullDiskError(
            f"{error.filename or folder}: can't be written: the disk is full ({free_bytes(folder) / 1e6:.1f} MB free). "
            f"What the run had before is whole; make room, then: tlkit resume {folder}"
        ) from error


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room; HDF5 says so in words."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder is on."""
    return shutil.disk_usage(folder).free
