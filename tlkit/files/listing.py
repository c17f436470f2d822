"""List folders of images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tlkit.errors import DataError
from tlkit.files.image_formats import FORMAT_OF_SUFFIX
from tlkit.system.text import nearest

SUFFIXES = frozenset(FORMAT_OF_SUFFIX)
"""Suffixes, in lower case, of the files that are read as images. The format is detected from the content."""

_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "__pycache__"})


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden, or left behind by an operating system or an editor."""
    return name.startswith(".") or name.lower() in _JUNK


def is_image(file: Path) -> bool:
    """Return whether a file is an image by its suffix."""
    return file.suffix.lower() in SUFFIXES


def key_of(file: Path, root: Path) -> str:
    """Return the key of a sample: the file's path relative to the data set's root, with ``/`` between its parts."""
    return file.relative_to(root).as_posix()


def keys_below(root: Path) -> Callable[[Path], str]:
    """Return ``key_of`` for many files that were listed from ``root``, which is faster than ``key_of`` itself."""
    start = len(str(root / "x")) - 1
    return lambda file: str(file)[start:].replace(os.sep, "/")


def expanded(path: Path) -> Path:
    """Replace ``~`` and ``~user`` by the home folder; return the path unchanged if there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def existing_folder(path: Path, option: str) -> Path:
    """Return the folder that an option names, with ``~`` expanded.

    Args:
        path: the folder as the recipe gives it.
        option: the recipe's key, such as ``data.path``, for the message.

    Raises:
        DataError: there is no such folder; the message names a similar one, or the nearest one that exists.
    """
    path = expanded(path)
    if path.is_dir():
        return path
    absolute = path.absolute()
    if path.exists():
        raise DataError(f"{option}: {absolute} is a file, expected a folder")
    raise DataError(f"{option}: no such folder: {absolute}{similar_path(absolute)}")


def similar_path(path: Path, *, files: bool = False) -> str:
    """Return the end of a message about an absolute path that doesn't exist: a similar one, or the nearest folder.

    Args:
        path: the path.
        files: whether it may also be a file.
    """
    parent = next(each for each in path.parents if each.is_dir())
    names = (each.name for each in parent.iterdir() if files or each.is_dir())
    similar = nearest(path.relative_to(parent).parts[0], names)
    return f'; did you mean "{parent / similar}"?' if similar else f"; {parent} is the nearest folder that exists"


def shortened(path: Path, limit: int = 300) -> str:
    """Return a path for a message: the beginning and the end of one longer than ``limit`` characters."""
    text = str(path)
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 2 :]}"


def walk(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder except junk: first the folder's own by name, then those of each subfolder.

    Links to folders are followed, but not to a folder above, and each folder is visited once.

    Raises:
        DataError: a folder can't be listed.
    """
    visited: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            status = current.stat()
        except OSError as error:
            raise _cannot_list(current, error) from error
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        entries = _entries(current)
        yield from (current / name for name, is_folder in entries if not is_folder)
        waiting += reversed([current / name for name, is_folder in entries if is_folder])


def images_in(folder: Path) -> Iterator[Path]:
    """Yield the images among the files of ``walk``.

    Raises:
        DataError: a folder can't be listed.
    """
    return (file for file in walk(folder) if is_image(file))


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly in a folder, except junk, sorted by name.

    Raises:
        DataError: the folder can't be listed.
    """
    return [folder / name for name, is_folder in _entries(folder) if is_folder]


def own_images(folder: Path) -> list[Path]:
    """Return the images directly in a folder, sorted by name.

    Raises:
        DataError: the folder can't be listed.
    """
    files = (folder / name for name, is_folder in _entries(folder) if not is_folder)
    return [file for file in files if is_image(file)]


def leads_above(link: Path) -> bool:
    """Return whether a link leads to the folder that contains it, or to one above that."""
    return link.parent.resolve().is_relative_to(link.resolve())


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Return the names of files and folders that are not junk, sorted, each with whether it is a folder.

    Sockets, dangling links and links to a folder above are left out.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted((each for each in found if not is_junk(each.name)), key=lambda each: each.name)
        kinds = [(each, each.is_dir()) for each in entries if each.is_dir() or each.is_file()]
        return [
            (each.name, is_dir)
            for each, is_dir in kinds
            if not (is_dir and each.is_symlink() and leads_above(folder / each.name))
        ]
    except OSError as error:
        raise _cannot_list(folder, error) from error


def _cannot_list(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{shortened(folder)}: the folder can't be listed: {error.strerror}; check its path and its permissions"
    )
