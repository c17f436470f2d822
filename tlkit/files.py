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


def expanded(path: Path) -> Path:
    """The path with ``~`` and ``~user`` replaced by the home folder; as it is if there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def shortened(path: Path, most: int = 300) -> str:
    """A path for a message: of one that is very long, the beginning and the end."""
    text = str(path)
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def split_folders(folder: Path) -> dict[Split | None, Path]:
    """The train, validation and test folders of a folder; the folder itself under None when it has none.

    Raises:
        DataError: there is a validation or test folder, but no train folder; or two of one split.
    """
    found: dict[Split | None, Path] = {}
    for entry in subfolders(folder):
        split = split_named(entry.name)
        if split is not None:
            if split in found:
                raise DataError(
                    f"{folder}: {found[split].name} and {entry.name} both are the {split} split; "
                    "move one's images into the other, or rename it"
                )
            found[split] = entry
    if found and "train" not in found:
        names = " and ".join(sorted(each.name for each in found.values()))
        raise DataError(
            f"{folder}: there is {names}, but no folder train beside; expected train too, or none of them: "
            "rename a folder that is no split, but a class"
        )
    return found or {None: folder}


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder that are not junk, a folder's own by their names first; a link loop is followed once.

    Links to a folder above are not followed.

    Raises:
        DataError: a folder can't be listed.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            status = current.stat()
        except OSError as error:
            raise _unlisted(current, error) from error
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        entries = _entries(current)
        yield from (entry for entry, is_folder in entries if not is_folder)
        waiting += reversed([entry for entry, is_folder in entries if is_folder])


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
    """Files and folders that are not junk, by name, and whether each is a folder.

    Sockets, dangling links and links to a folder above are left out.
    """
    try:
        names = sorted(entry for entry in folder.iterdir() if not is_junk(entry.name))
        found = [(entry, entry.is_dir()) for entry in names if entry.is_dir() or entry.is_file()]
        return [each for each in found if not (each[1] and each[0].is_symlink() and leads_above(each[0]))]
    except OSError as error:
        raise _unlisted(folder, error) from error


def leads_above(link: Path) -> bool:
    """Whether a link leads to the folder that it lies in, or to one above that."""
    return link.parent.resolve().is_relative_to(link.resolve())


def _unlisted(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{shortened(folder)}: the folder can't be listed: {error.strerror}; check its path and its permissions"
    )
