"""Explain disk errors in a run folder: which file, what is wrong, and which command continues."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlkit.errors import RunError
from tlkit.system.disk import (
    IN_THE_WAY,
    NOT_PERMITTED,
    FailedDiskError,
    FullDiskError,
    NoRoomError,
    full_disk_text,
    is_disk_full,
    path_of_error,
)

_FAILURES = ("EIO", "EFBIG", "ESTALE", "ETIMEDOUT", "ENXIO", "ENODEV", "EHOSTDOWN", "EREMOTEIO", "ENOTCONN")
_DISK_FAILED = tuple(getattr(errno, name) for name in _FAILURES if hasattr(errno, name))
"""Error numbers of disks and network drives that fail, and of file systems with a largest file size."""


@contextmanager
def explain_disk_errors(folder: Path) -> Iterator[None]:
    """Turn operating-system errors about a run folder's files into errors that say what to do.

    Args:
        folder: the run folder, or the folder of a cross-validation.

    Raises:
        FullDiskError: the disk, or the user's quota, is full.
        FailedDiskError: the disk failed.
        RunError: a file of the folder is not writable, a folder has its name, or the folder was moved or removed.
        OSError: any other error, as it came.
    """
    try:
        yield
    except OSError as error:
        path = path_of_error(error)
        if is_disk_full(error):
            raise FullDiskError(_no_room(error, path, folder)) from error
        if path is not None and path.absolute().is_relative_to(folder.absolute()):
            if error.errno in NOT_PERMITTED:
                raise RunError(
                    f"{path}: can't be written: {error.strerror}. The files that the run has so far are intact; "
                    f"make {folder} writable, then: {_next_command(folder)}"
                ) from error
            if error.errno in IN_THE_WAY:
                kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "something else"
                raise RunError(
                    f"{path}: can't be written: {kind} is in its place ({error.strerror}), which tlkit did not create. "
                    f"Remove it or move it away, then: {_next_command(folder)}"
                ) from error
            if error.errno == errno.ENOENT and not folder.is_dir():
                raise RunError(
                    f"{folder}: was moved or removed while the run was in progress ({path.name} can't be written). If "
                    "it was moved, continue in its new place: tlkit resume NEW_PLACE"
                ) from error
            if error.errno in _DISK_FAILED:
                raise FailedDiskError(
                    f"{path}: can't be written: {error.strerror}. The files that were written before are kept; when "
                    f"the disk works again: {_next_command(folder)}"
                ) from error
        raise


def _no_room(error: OSError, path: Path | None, folder: Path) -> str:
    known = path is not None and path != folder and path.parent.is_dir()
    where = path.parent if path is not None and known else folder
    reason = full_disk_text(where, error.needed if isinstance(error, NoRoomError) else 0)
    return (
        f"{path or folder}: can't be written: {reason}. The files that the run has so far are intact; "
        f"free some space, then: {_next_command(folder)}"
    )


def _next_command(folder: Path) -> str:
    """Return the command that continues what a folder holds."""
    if (folder / "folds.toml").is_file():
        return f"repeat the same tlkit run … --folds … --out {folder}"
    if (folder / "recipe.toml").is_file():
        return f"tlkit resume {folder}"
    return f"start the run again with tlkit run … --out {folder}"
