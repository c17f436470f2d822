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
        kind = FullDiskError if is_full(error) else RunError
        raise kind(f"{folder / LOCK}: can't be made: {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


class NoRoomError(OSError):
    """There is no room for a file: what the system said, with the file and its size.

    Args:
        error: of the system.
        path: of the file.
        needed: bytes that it has; 0 where that is not known.
    """

    def __init__(self, error: OSError, path: Path, needed: int) -> None:
        super().__init__(error.errno or errno.ENOSPC, error.strerror or os.strerror(errno.ENOSPC), str(path))
        self.needed = needed


@contextmanager
def naming(path: Path, needed: int = 0) -> Iterator[None]:
    """Say which file there was no room for, and for how much; the system says neither.

    Raises:
        NoRoomError: the disk, or the user's quota, is full.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise NoRoomError(error, path, needed) from error


@contextmanager
def telling_of_the_disk(folder: Path) -> Iterator[None]:
    """Turn what the system says of a run folder that can't be written into errors of tlkit's own.

    Raises:
        FullDiskError: the disk, or the user's quota, is full.
        RunError: a file of the folder may not be written, or a folder is in its place.
    """
    try:
        yield
    except OSError as error:
        path = _path_of(error)
        in_folder = path is not None and path.absolute().is_relative_to(folder.absolute())
        if in_folder and error.errno in _MAY_NOT:
            raise RunError(
                f"{path}: can't be written: {error.strerror}. What the run had before is whole; "
                f"see to it that {folder} may be written, then: {_next(folder)}"
            ) from error
        if path is not None and in_folder and error.errno in _IN_THE_WAY:
            kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "something else"
            raise RunError(
                f"{path}: can't be written: {kind} is in its place ({error.strerror}), which is not of tlkit's making. "
                f"Remove it or move it away, then: {_next(folder)}"
            ) from error
        if not is_full(error):
            raise
        where = path if path is not None and path.parent.is_dir() else folder
        free = free_bytes(where.parent if where != folder else folder)
        room = f"{size_text(free)} are free"
        if isinstance(error, NoRoomError) and error.needed:
            missing = max(error.needed - free, 0)
            room = f"it needs {size_text(error.needed)}, {room}, {size_text(missing)} are missing"
        raise FullDiskError(
            f"{path or folder}: can't be written: the disk is full: {room}. What the run had before is whole; "
            f"make room, then: {_next(folder)}"
        ) from error


_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY)


def _path_of(error: OSError) -> Path | None:
    """The file that was to be written; of a renaming, what it was to be called."""
    name = error.filename2 or error.filename
    return None if name is None or isinstance(name, int) else Path(os.fsdecode(name))


def _next(folder: Path) -> str:
    """The command that goes on with what a folder has in it."""
    if (folder / "folds.toml").is_file():
        return f"go on with the same tlkit run … --folds … --out {folder}"
    if (folder / "recipe.toml").is_file():
        return f"tlkit resume {folder}"
    return f"begin the run again with tlkit run … --out {folder}"


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room; HDF5 says so in words."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder is on."""
    return shutil.disk_usage(folder).free


def size_text(size: int) -> str:
    """A number of bytes as people read it."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} KB"
