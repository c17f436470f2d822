"""Read folders of images whose classes are folders, in the layouts that people have."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tlkit.contracts import Split
from tlkit.contracts.dataset import keep_before_key
from tlkit.errors import DataError
from tlkit.files.image_formats import format_of
from tlkit.files.listing import is_image, key_of, keys_below
from tlkit.files.name_lists import named_classes
from tlkit.files.split_lists import find_split_lists, missing_note, read_split_lists
from tlkit.files.split_names import split_of_folder
from tlkit.files.split_sides import Sides, find_sides
from tlkit.files.tree import Tree

NO_IMAGES = "class folder without an image that can be read"
"""Why a class folder with files is set aside whose images tlkit can't read."""
EMPTY_CLASS = "class folder without images"
"""Why a class folder is set aside that has no files, or only texts."""

EXCLUDED = "left out by data.exclude"
"""Why a file or folder is set aside that the user excludes; the pattern follows."""

_TEXTS = frozenset(
    (
        *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log", ".lst"),
        *(".md", ".rst", ".html", ".htm", ".pdf", ".doc", ".docx", ".odt", ".xls", ".xlsx", ".ods", ".names"),
        *(".py", ".ipynb", ".sh", ".m", ".r", ".css", ".js", ".bib", ".tex", ".license"),
    )
)


@dataclass(frozen=True)
class Reading:
    """How to read a folder of images: the options of the data set ``folder`` besides ``path``.

    Args:
        splits: what the splits are read from.
        classes: what the classes are read from.
        exclude: patterns of files and folders to leave out.
        pattern: regular expression on a file's name whose first parentheses are the class, for ``classes="name"``.
        lists: the folder of the lists of splits, for ``splits="lists"``; None for the folder of the images.
        names: the list of class names for folders that are called by a code; None: the folders' names are the names.
    """

    splits: Literal["auto", "folders", "lists", "none"] = "auto"
    classes: Literal["top", "leaf", "path", "name"] = "top"
    exclude: tuple[str, ...] = ()
    pattern: str | None = None
    lists: Path | None = None
    names: Path | None = None


@dataclass(frozen=True, slots=True)
class ClassImage:
    """An image and its class.

    Args:
        key: the path below the root.
        file: the file.
        name: the class name, in the Unicode form NFC.
        split: the split that the folder or a list prescribes.
    """

    key: str
    file: Path
    name: str
    split: Split | None


keep_before_key(ClassImage, "file")


@dataclass(frozen=True)
class ClassFolders:
    """The images of a folder, with their classes.

    Args:
        images: the images, sorted by key.
        classes: the class names, sorted by the names of the folders as the disk has them.
        set_aside: file or folder → why it is not used.
        sides: the splits that were found in folders.
        sources: the lists of splits and names that were read.
        notes: what the user should know.
    """

    images: tuple[ClassImage, ...]
    classes: tuple[str, ...]
    set_aside: dict[str, str]
    sides: Sides
    sources: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def class_name(name: str) -> str:
    """Return a class name in the Unicode form NFC: file systems and tables write letters with accents in two forms."""
    return unicodedata.normalize("NFC", name)


def read_class_folders(root: Path, reading: Reading) -> ClassFolders:
    """List the images of a folder with their classes and splits.

    Raises:
        DataError: the splits are contradictory, or an option does not fit the folder.
    """
    tree = Tree(root, reading.exclude)
    sides = find_sides(tree, "none" if reading.splits == "lists" else reading.splits)
    set_aside = {key_of(each, root): "folder beside train, validation and test; not used" for each in sides.beside}
    key = keys_below(root)
    images: list[ClassImage] = []
    names: set[str] = set()
    for split, folder in sides.folders.items():
        for file, name in _named(tree, folder, sides, reading, set_aside):
            inside = split
            if sides.by == "classes":
                inside = split_of_folder(file.relative_to(folder).parts[1])
            names.add(name)
            images.append(ClassImage(key(file), file, class_name(name), inside))
    set_aside |= _without_images(tree, sides, reading, {image.name for image in images})
    notes = [f'data.exclude: nothing matches "{pattern}"' for pattern in tree.unmatched]
    notes += _two_forms(names)
    lists: tuple[Path, ...] = ()
    if reading.splits == "lists":
        images, lists = _with_lists(root, reading, images, set_aside, notes)
    set_aside |= {key: f'{EXCLUDED} = "{pattern}"' for key, pattern in tree.excluded.items()}
    images.sort(key=lambda image: image.key)
    used = {image.name for image in images}
    classes = tuple(dict.fromkeys(name for name in map(class_name, sorted(names)) if name in used))
    if reading.names is not None:
        chosen = named_classes(classes, reading.names)
        classes = tuple(class_name(chosen[name]) for name in classes)
        lists = (*lists, reading.names)
        images = [replace(image, name=class_name(chosen[image.name])) for image in images]
    return ClassFolders(tuple(images), classes, set_aside, sides, lists, tuple(notes))


def _two_forms(names: set[str]) -> list[str]:
    """Return a note about class names that the disk has in several Unicode forms."""
    several = sorted(name for name, count in Counter(map(class_name, names)).items() if count > 1)
    return [f"written in two Unicode forms, read as one class: {', '.join(several)}"] if several else []


def _named(
    tree: Tree, side: Path, sides: Sides, reading: Reading, set_aside: dict[str, str]
) -> Iterator[tuple[Path, str]]:
    """Yield each image of a split with the name of its class; add the other files to ``set_aside``."""
    if reading.classes == "name":
        yield from _named_by_file(tree, side, reading, set_aside)
        return
    for top in tree.all_folders(side):
        folder, name = None, ""
        for file in tree.files(top):
            if not is_image(file):
                set_aside[key_of(file, tree.root)] = "not an image by its name"
                continue
            if file.parent != folder:
                folder = file.parent
                parts = list(folder.relative_to(side).parts)
                if sides.by == "classes":
                    del parts[1]
                name = {"top": top.name, "leaf": parts[-1]}.get(reading.classes, "/".join(parts))
            yield file, name


def _named_by_file(tree: Tree, side: Path, reading: Reading, set_aside: dict[str, str]) -> Iterator[tuple[Path, str]]:
    pattern = _compiled(reading.pattern)
    for file in tree.files(side):
        match = pattern.search(file.name) if is_image(file) else None
        if match is not None and match[1]:
            yield file, match[1]
        else:
            reason = "data.pattern does not match its name" if is_image(file) else "not an image by its name"
            set_aside[key_of(file, tree.root)] = reason


def _compiled(pattern: str | None) -> re.Pattern[str]:
    if pattern is None:
        raise DataError(
            'data.classes = "name" needs data.pattern: a regular expression on the name of a file whose first '
            r'parentheses are the class, such as "^([a-z]+)" for cat_01.jpg'
        )
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f'data.pattern: "{pattern}" is not a regular expression: {error}') from error
    if not compiled.groups:
        raise DataError(f'data.pattern: "{pattern}" has no parentheses; expected them around the class')
    return compiled


def _with_lists(
    root: Path, reading: Reading, images: list[ClassImage], set_aside: dict[str, str], notes: list[str]
) -> tuple[list[ClassImage], tuple[Path, ...]]:
    """Return the images with the splits of lists, and the lists; add the images in no list to ``set_aside``."""
    where = reading.lists or root
    files = find_split_lists(where)
    if not files:
        raise DataError(
            f'data.splits = "lists": no lists such as train.txt and test.txt in {where.resolve()}, or in splits, '
            "lists, meta or ImageSets in it; name their folder with data.lists"
        )
    found = read_split_lists(files).assign(image.key for image in images)
    if images and not found.splits:
        raise DataError(f"{files[0]}: names none of the {len(images)} images in {root}, such as {images[0].key}")
    set_aside |= {image.key: "in none of the lists of splits" for image in images if image.key not in found.splits}
    notes += missing_note(found, files)
    used = [
        ClassImage(image.key, image.file, image.name, found.splits[image.key])
        for image in images
        if image.key in found.splits
    ]
    return used, files


def _without_images(tree: Tree, sides: Sides, reading: Reading, used: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of the class folders without an image in any split, each with why it is set aside."""
    if reading.classes == "name":
        return
    empty: dict[str, str] = {}
    for folder in sides.folders.values():
        with_images = set(tree.folders(folder))
        for each in tree.all_folders(folder):
            if each not in with_images and class_name(each.name) not in used and empty.get(each.name) != NO_IMAGES:
                unread = any(_may_be_image(file) for file in tree.files(each))
                empty[each.name] = NO_IMAGES if unread else EMPTY_CLASS
    yield from sorted(empty.items())


def _may_be_image(file: Path) -> bool:
    """Return whether a file that is no image by its name may be one, rather than a text."""
    if file.suffix:
        return file.suffix.lower() not in _TEXTS
    try:
        with file.open("rb") as stream:
            return format_of(stream.read(256)) is not None
    except OSError:
        return False
