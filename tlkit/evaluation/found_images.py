"""The image files that a user means by files, folders and lists of files. Imports no TensorFlow."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError
from tlkit.files import SUFFIXES, images_in, is_image, text_of_cell, walk
from tlkit.system.remote import local_path
from tlkit.system.text import listed, size_text

MAX_TABLE = 500_000_000
"""Largest size in bytes of a table of images."""

Paths = str | Path | Iterable[str | Path]

_COLUMNS = ("image", "path", "file", "filename", "file_name")
"""Names of the column with the paths of a table."""
_MASK_ENDS = ("_mask", "-mask", "_masks", "_label", "_labels", "_seg", "_gt", "_annotation")


@dataclass(frozen=True)
class FoundImage:
    """An image to predict.

    Args:
        path: the file.
        name: its path relative to the folder that was given, with ``/`` between the parts.
    """

    path: Path
    name: str


def find_images(paths: Paths) -> list[FoundImage]:
    """Return the given files as they are, and the images in given folders at any depth, sorted.

    Images in folders are recognised by their suffix; hidden files are skipped. A CSV file stands for the images that it
    lists in a column named image, path or file, relative to its folder. URLs such as ``s3://bucket/photos`` are fetched
    into the cache first.

    Raises:
        DataError: a path does not exist, or no image was found.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    named = [local_path(path, with_neighbours=True) for path in given]
    images: dict[Path, FoundImage] = {}
    for path in map(existing, named):
        if path.is_dir():
            prefix = f"{path.resolve().name}/" if len(named) > 1 else ""
            for file in images_in(path):
                images.setdefault(file, FoundImage(file, prefix + file.relative_to(path).as_posix()))
        elif path.suffix.lower() == ".csv":
            for file, name in _of_table(path):
                images.setdefault(file, FoundImage(file, name))
        else:
            images.setdefault(path, FoundImage(path, path.name))
    if not images:
        suffixes = ", ".join(sorted(SUFFIXES))
        others = left_out(named)
        raise DataError(
            f"{', '.join(map(str, named)) or 'no path was given'}: no images found; looked for {suffixes}"
            + (f"; there are {others}" if others else "")
        )
    return list(images.values())


def existing(path: Path) -> Path:
    """Return a path that exists, in the Unicode form that its name has on the disk.

    Raises:
        DataError: the path does not exist.
    """
    forms = (str(path), *(unicodedata.normalize(form, str(path)) for form in ("NFC", "NFD")))
    for text in dict.fromkeys(forms):
        try:
            if Path(text).exists():
                return Path(text)
        except (OSError, ValueError):  # a name that is too long, or has a NUL
            break
    raise DataError(f"{path}: no such file or folder; expected images or folders of images")


def left_out(paths: Sequence[Path]) -> str:
    """Return how many files in given folders are no images by their names, such as ``3 .txt``; empty if there are none.

    Args:
        paths: files and folders.
    """
    folders = [path for path in paths if path.is_dir()]
    suffixes = Counter(
        file.suffix.lower() or "without a suffix" for each in folders for file in walk(each) if not is_image(file)
    )
    return listed([f"{count} {suffix}" for suffix, count in suffixes.most_common()])


def masks_among(images: Sequence[FoundImage]) -> list[FoundImage]:
    """Return the images that are masks of others by their names, such as ``a_mask.png`` beside ``a.jpg``."""
    stems = {image.path.parent / image.path.stem for image in images}
    return [
        image
        for image in images
        for end in _MASK_ENDS
        if image.path.stem.endswith(end) and image.path.parent / image.path.stem.removesuffix(end) in stems
    ]


def _of_table(table: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that a CSV table lists, each with its path as it is in the table.

    Raises:
        DataError: the table can't be read, has no column of paths, or names a file that does not exist.
    """
    try:
        with table.open("rb") as stream:
            content = stream.read(MAX_TABLE + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table}: can't be read as a table of images in UTF-8: {error}") from error
    if len(content) > MAX_TABLE:
        raise DataError(f"{table}: is larger than {size_text(MAX_TABLE)}; expected a table of images")
    try:
        yield from _rows_of_table(table, text)
    except csv.Error as error:
        raise DataError(f"{table}: not a table of images: {error}") from error


def _rows_of_table(table: Path, text: str) -> Iterator[tuple[Path, str]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    column = next((name for name in header if name.lower() in _COLUMNS), None)
    if column is None:
        raise DataError(
            f"{table}:1: no column named {', '.join(_COLUMNS)}; the header has {', '.join(header) or 'nothing'}"
        )
    for row in reader:
        name = text_of_cell((row[column] or "").strip())
        if not name:
            continue
        file = table.parent / name
        # Unlike Path.is_file, this is False for names that no file can have.
        if not os.path.isfile(file):  # noqa: PTH113
            raise DataError(
                f"{table}:{reader.line_num}: {file}: no such file; paths are relative to the table's folder"
            )
        yield file, name.replace("\\", "/")
