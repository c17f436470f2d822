"""The folders that a recipe names, and the splits in them."""

from __future__ import annotations

import difflib
from pathlib import Path

import tlkit


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


def split_folders(folder: Path) -> dict[tlkit.Split | None, Path]:
    """The train, validation and test folders of a folder; the folder itself under None when it has none.

    Raises:
        DataError: there is a validation or test folder, but no train folder; or two of one split.
    """
    found: dict[tlkit.Split | None, Path] = {}
    for entry in tlkit.files.subfolders(folder):
        split = tlkit.files.split_named(entry.name)
        if split is not None:
            if split in found:
                raise tlkit.DataError(f"{folder}: {found[split].name} and {entry.name} both are the {split} split")
            found[split] = entry
    if found and "train" not in found:
        names = " and ".join(sorted(each.name for each in found.values()))
        raise tlkit.DataError(
            f"{folder}: there is {names}, but no folder train beside; expected train too, or none of them"
        )
    return found or {None: folder}


def key_of(file: Path, root: Path) -> str:
    """The file's path below the root, with / between its parts."""
    return file.relative_to(root).as_posix()
