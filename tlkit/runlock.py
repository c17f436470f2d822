"""One process at a time in a run folder, and what is said when it can't be written."""

from __future__ import annotations

import errno
import os
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
def telling_of_the_disk(folder: Path) -> Iterator[None]:
    """Turn what the system says of a run folder that can't be written into errors of tlkit's own.

    Raises:
        FullDiskError: the disk, or the user's quota, is full.
        RunError: a file of the folder may not be written.
    """
    try:
        yield
    except OSError as error:
        if _may_not(error, folder):
            raise RunError(
                f"{error.filename}: can't be written: {error.strerror}. What the run had before is whole; "
                f"see to it that {folder} may be written, then: tlkit resume {folder}"
            ) from error
        if not is_full(error):
            raise
        raise FullDiskError(
            f"{error.filename or folder}: can't be written: the disk is full ({free_bytes(folder) / 1e6:.1f} MB free). "
            f"What the run had before is whole; make room, then: tlkit resume {folder}"
        ) from error


def _may_not(error: OSError, folder: Path) -> bool:
    refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename is not None
    return refused and Path(os.fsdecode(error.filename)).absolute().is_relative_to(folder.absolute())


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room; HDF5 says so in words."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder is on."""
    return shutil.disk_usage(folder).free
