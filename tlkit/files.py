"""Listing folders of images, the same way for every part and every plugin. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tlkit.contracts import Split
from tlkit.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
"""Suffixes, in lower case, of the files that are taken for images. What a file is, its content tells."""

_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "__pycache__"})
_SPLITS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def split_named(name: str) -> Split | None:
    """The split that a folder or a cell of a table names, such as ``Val`` or ``training``; None when it names none."""
    return _SPLITS.get(name.lower())


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or left behind by an operating system or an editor."""
    return name.startswith(".") or name.lower() in _JUNK


def is_image(file: Path) -> bool:
    """Whether a file is an image by its name."""
    return file.suffix.lower() in SUFFIXES


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder that are not junk, a folder's own by their names first; a link loop is followed once.

    Raises:
        DataError: a folder can't be listed.
    """
    seen: set[tuple[int, int]] = set()

    def visit(current: Path) -> Iterator[Path]:
        try:
            status = current.stat()
        except OSError as error:
            raise _unlisted(current, error) from error
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        entries = _entries(current)
        yield from (entry for entry, is_folder in entries if not is_folder)
        for entry in (entry for entry, is_folder in entries if is_folder):
            yield from visit(entry)

    yield from visit(folder)


def images_in(folder: Path) -> Iterator[Path]:
    """The images among the files of ``walk``.

    Raises:
        DataError: a folder can't be listed.
    """
    return (file for file in walk(folder) if is_image(file))


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are not junk, in the order of their names.

    Raises:
        DataError: the folder can't be listed.
    """
    return [entry for entry, is_folder in _entries(folder) if is_folder]


def own_images(folder: Path) -> list[Path]:
    """The images in a folder itself, not in a folder of it, in the order of their names.

    Raises:
        DataError: the folder can't be listed.
    """
    return [entry for entry, is_folder in _entries(folder) if not is_folder and is_image(entry)]


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    """Files and folders that are not junk, by name, and whether each is a folder; no sockets, no dangling links."""
    try:
        names = sorted(entry for entry in folder.iterdir() if not is_junk(entry.name))
        return [(entry, entry.is_dir()) for entry in names if entry.is_dir() or entry.is_file()]
    except OSError as error:
        raise _unlisted(folder, error) from error


def _unlisted(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder}: the folder can't be listed: {error.strerror}; check its path and its permissions")
