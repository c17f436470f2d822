"""Explain disk errors in a run folder: the file, what is missing, and the command that continues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlkit.errors import RunError
from tlkit.system.disk import (
    IN_THE_WAY,
    NOT_PERMITTED,
    FullDiskError,
    NoRoomError,
    free_bytes,
    is_disk_full,
    path_of_error,
)
from tlkit.system.text import size_text


@contextmanager
def explain_disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system says of a run folder that can't be written into errors of tlkit's own.

    Raises:
        FullDiskError: the disk, or the user's quota, is full.
        RunError: a file of the folder may not be written, or a folder is in its place.
    """
    try:
        yield
    except OSError as error:
        path = path_of_error(error)
        in_folder = path is not None and path.absolute().is_relative_to(folder.absolute())
        if in_folder and error.errno in NOT_PERMITTED:
            raise RunError(
                f"{path}: can't be written: {error.strerror}. What the run had before is whole; "
                f"see to it that {folder} may be written, then: {_next(folder)}"
            ) from error
        if path is not None and in_folder and error.errno in IN_THE_WAY:
            kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "something else"
            raise RunError(
                f"{path}: can't be written: {kind} is in its place ({error.strerror}), which is not of tlkit's making. "
                f"Remove it or move it away, then: {_next(folder)}"
            ) from error
        if not is_disk_full(error):
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


def _next(folder: Path) -> str:
    """The command that goes on with what a folder has in it."""
    if (folder / "folds.toml").is_file():
        return f"go on with the same tlkit run … --folds … --out {folder}"
    if (folder / "recipe.toml").is_file():
        return f"tlkit resume {folder}"
    return f"begin the run again with tlkit run … --out {folder}"
