"""Write files whole or not at all, and say what a full disk lacks."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tlkit.errors import DataError, RunError


class FullDiskError(RunError):
    """A file of the run folder can't be written for lack of room; what was there before is as it was."""

    exit_code = 74


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
def full_disk_context(path: Path, needed: int = 0) -> Iterator[None]:
    """Say which file there was no room for, and for how much; the system says neither.

    Raises:
        NoRoomError: the disk, or the user's quota, is full.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise NoRoomError(error, path, needed) from error


NOT_PERMITTED = (errno.EACCES, errno.EPERM, errno.EROFS)


IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY)


def path_of_error(error: OSError) -> Path | None:
    """The file that was to be written; of a renaming, what it was to be called."""
    name = error.filename2 or error.filename
    return None if name is None or isinstance(name, int) else Path(os.fsdecode(name))


def is_disk_full(error: OSError) -> bool:
    """Whether an error says that there is no room; HDF5 says so in words."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder is on."""
    return shutil.disk_usage(folder).free


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that it appears whole or not at all (temporary file, fsync, rename)."""
    data = content.encode() if isinstance(content, str) else content
    with full_disk_context(path, len(data)):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with full_disk_context(path, len(data)), os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def check_new_file(out: Path, *, overwrite: bool) -> None:
    """Find out before the work that a file to be written exists already, or can't be written.

    Raises:
        DataError: it exists, and ``overwrite`` is not set; it is a folder; or its folder may not be written.
    """
    if out.is_dir():
        raise DataError(f"{out}: is a folder; expected a file")
    if out.exists() and not overwrite:
        raise DataError(f"{out}: already exists and was not changed; give another file, or --overwrite")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir():
        raise DataError(f"{out}: can't be written: {there} is a file; expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"{out}: can't be written: Permission denied: {there}; give another place")
