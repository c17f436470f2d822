"""The folders that a recipe names."""

from __future__ import annotations

import difflib
from pathlib import Path

import tlkit


def existing_folder(path: Path, option: str) -> Path:
    """The folder, or an error that says what was looked for and what is near.

    Raises:
        DataError: there is no such folder.
    """
    path = tlkit.files.expanded(path)
    if path.is_dir():
        return path
    absolute = path.absolute()
    if path.exists():
        raise tlkit.DataError(f"{option}: {absolute} is a file, expected a folder")
    parent = absolute.parent
    while not parent.is_dir():
        parent = parent.parent
    names = [entry.name for entry in parent.iterdir() if entry.is_dir()]
    near = difflib.get_close_matches(absolute.relative_to(parent).parts[0], names, n=1)
    hint = f'; did you mean "{parent / near[0]}"?' if near else f"; {parent} is the nearest folder that exists"
    raise tlkit.DataError(f"{option}: no such folder: {absolute}{hint}")


def key_of(file: Path, root: Path) -> str:
    """The file's path below the root, with / between its parts."""
    return file.relative_to(root).as_posix()
