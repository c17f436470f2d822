"""Listing folders of images."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import tlkit

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "__pycache__"})
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def existing_folder(path: Path, option: str) -> Path:
    """The folder, or an error that says what was looked for and what is near.

    Raises:
        DataError: there is no such folder.
    """
    path = path.expanduser()
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


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or left behind by an operating system or an editor."""
    return name.startswith(".") or name.lower() in JUNK


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder that are not junk, in the order of their names; a link loop is followed once."""
    seen: set[tuple[int, int]] = set()

    def visit(current: Path) -> Iterator[Path]:
        status = current.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        for entry in sorted(current.iterdir()):
            if is_junk(entry.name):
                continue
            if entry.is_dir():
                yield from visit(entry)
            elif entry.is_file():
                yield entry

    yield from visit(folder)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are not junk, in the order of their names."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_junk(entry.name))


def split_folders(folder: Path) -> dict[tlkit.Split | None, Path]:
    """The train, validation and test folders of a folder; the folder itself under None when it has none.

    Raises:
        DataError: there is a validation or test folder, but no train folder; or two of one split.
    """
    found: dict[tlkit.Split | None, Path] = {}
    for entry in subfolders(folder):
        split = SPLITS.get(entry.name.lower())
        if split is not None:
            if split in found:
                raise tlkit.DataError(
                    f"{folder}: {found[cast(tlkit.Split, split)].name} and {entry.name} both are the {split} split"
                )
            found[cast(tlkit.Split, split)] = entry
    if found and "train" not in found:
        names = " and ".join(sorted(each.name for each in found.values()))
        raise tlkit.DataError(
            f"{folder}: there is {names}, but no folder train beside; expected train too, or none of them"
        )
    return found or {None: folder}


def key_of(file: Path, root: Path) -> str:
    """The file's path below the root, with / between its parts."""
    return file.relative_to(root).as_posix()
