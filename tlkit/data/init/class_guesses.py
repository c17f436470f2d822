"""Guess how a folder of class folders is to be read, and say what was guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Any

from tlkit.contracts import Split
from tlkit.data.class_names import similar_names
from tlkit.errors import DataError
from tlkit.files import (
    ClassFolders,
    Reading,
    Sides,
    SplitDoubtError,
    Tree,
    by_pattern,
    find_companions,
    find_name_list,
    find_sides,
    find_split_lists,
    images_in,
    is_unlabelled_name,
    key_of,
    read_class_folders,
    read_split_lists,
    split_of_folder,
)
from tlkit.system.text import listed

NAME_PATTERN = "^(.+?)[ _.(-]*[0-9]+[)]?[.][^.]+$"
"""Matches file names such as ``cat.0.jpg`` and ``dog (12).png``."""
_CAMERA = frozenset(
    (
        *("img", "image", "images", "dsc", "dscn", "dscf", "dji", "pict", "pic", "picture", "photo", "frame", "scan"),
        *("screenshot", "im", "file", "page", "slide", "video", "tile", "patch", "crop", "pxl", "gopr", "wp", "mvi"),
    )
)


@dataclass
class Guesses:
    """How a folder is read.

    Args:
        reading: how.
        options: the options of the data set ``folder`` that say so.
        comments: key of ``options`` → comment beside it.
        notes: messages for the user: both readings, and the key that decides.
    """

    reading: Reading = field(default_factory=Reading)
    options: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set(self, key: str, value: Any, comment: str, note: str = "") -> None:
        """Set an option of the reading, and write it into the recipe."""
        self.reading = replace(self.reading, **{key: value})
        self.options[key], self.comments[key] = value, comment
        if note:
            self.notes.append(note)

    def exclude(self, patterns: Sequence[str], comment: str, note: str) -> None:
        """Exclude files and folders."""
        earlier = self.comments.get("exclude")
        known = self.reading.exclude
        new = tuple(pattern for pattern in patterns if pattern not in known)
        self.set("exclude", (*known, *new), comment if earlier in (None, comment) else f"{earlier}; {comment}", note)


def images_text(count: int) -> str:
    """Return a number of images in words."""
    return "1 image" if count == 1 else f"{count} images"


def guess_reading(root: Path, outer: Path) -> Guesses:
    """Guess how a folder of class folders is to be read.

    Args:
        root: the folder.
        outer: the folder above it that the user named, where lists of splits may be.

    Raises:
        DataError: its splits contradict each other.
    """
    guesses = Guesses()
    keys = [key_of(file, root) for file in images_in(root)]
    _leave_out_companions(keys, guesses)
    sides = _settle_splits(root, guesses)
    found = read_class_folders(root, guesses.reading)
    if not found.images:
        found = _read_names(root, keys, guesses) or found
    if sides.by == "folders":
        _leave_out_unlabelled(root, found, guesses)
    elif sides.by == "none" and found.images and "splits" not in guesses.options:
        _read_lists(root, outer, found, guesses)
    for folder in dict.fromkeys((root, outer)) if found.images else ():
        file = find_name_list(folder, found.classes)
        if file is not None:
            guesses.set(
                "names",
                file,
                "class names of the folders",
                f"the folders are called by a code; their names are read from {file.name}. Remove data.names to keep "
                "the folders' names",
            )
            break
    return guesses


def _leave_out_companions(keys: Sequence[str], guesses: Guesses) -> None:
    """Leave out masks and previews beside the images, unless they are so few that their names may mean nothing."""
    _leave_out_mask_folders(keys, guesses)
    found = find_companions(keys)
    if len(found) < max(2, len(keys) / 20):
        return
    for pattern, companions in by_pattern(found).items():
        first = companions[0]
        what = "masks" if first.mask else "previews"
        note = (
            f"{images_text(len(companions))} of the name {pattern} left out: {what} of others, such as {first.key} "
            f"beside {first.of}. If they are photographs of their own, take the pattern out of data.exclude"
        )
        if first.mask:
            note += '; to learn the masks, use the data set "masks" with mask_suffix'
        guesses.exclude([pattern], f"{what} of other images", note)


def _leave_out_mask_folders(keys: Sequence[str], guesses: Guesses) -> None:
    """Leave out folders of masks beside the class folders, such as ``benign_mask`` beside ``benign``."""
    stems: dict[str, set[str]] = {}
    for key in keys:
        folder, _, name = key.rpartition("/")
        stems.setdefault(folder, set()).add(name.rpartition(".")[0])
    for each in find_companions(stems):
        if each.mask and 2 * len(stems[each.key] & stems[each.of]) > len(stems[each.key]):
            guesses.exclude(
                [escape(each.key)],
                "masks of other images",
                f"{each.key} left out: its files are called like those of {each.of}, so they look like their masks. If "
                "it is a class, take it out of data.exclude",
            )


def _settle_splits(root: Path, guesses: Guesses) -> Sides:
    """Decide which folders are splits, and which classes."""
    try:
        sides = find_sides(Tree(root, guesses.reading.exclude))
    except SplitDoubtError as doubt:
        names = [folder.name for folder in doubt.folders]
        rest = [folder for folder in Tree(root, guesses.reading.exclude).folders(root) if folder.name not in names]
        if len(rest) < 2 or any(split_of_folder(name) == "train" for name in names):
            raise
        count = sum(len(list(images_in(folder))) for folder in doubt.folders)
        guesses.exclude(
            [escape(name) for name in names],
            f'images without labels; or splits = "none", if {" and ".join(names)} is a class',
            f"{images_text(count)} in {listed(names)} left out, as images without labels: "
            f"{predict_hint(root, doubt.folders[0])}. If it is a class, remove data.exclude and set "
            'data.splits = "none"',
        )
        return _settle_splits(root, guesses)
    named = [
        folder.name for folder in Tree(root, guesses.reading.exclude).folders(root) if split_of_folder(folder.name)
    ]
    if sides.by == "none" and named:
        guesses.set(
            "splits",
            "none",
            f'{listed(named)} is a class; "folders", if it holds the training images',
            f"{listed(named)} is read as a class, because other folders are beside it and it has no class folders; "
            'data.splits = "folders" reads it as the training images',
        )
    if sides.by == "classes":
        guesses.notes.append(
            "the splits are inside the classes; they are kept. "
            'data.splits = "none" puts all images of a class together, and tlkit draws the splits'
        )
    return sides


def predict_hint(root: Path, folder: Path) -> str:
    """Return how to predict on images without labels."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", root.resolve().name).strip("-._") or "images"
    return f"after the run, tlkit predict runs/{name}-1 {folder}"


def _leave_out_unlabelled(root: Path, found: ClassFolders, guesses: Guesses) -> None:
    """Leave out validation and test images without labels, and folders whose name says that they have none."""
    trained = {image.name for image in found.images if image.split == "train"}
    tree = Tree(root, guesses.reading.exclude)
    for split, folder in found.sides.folders.items():
        if split in ("validation", "test") and trained:
            _leave_out_untrained(root, split, folder, found, guesses)
    for folder in found.sides.beside:
        if is_unlabelled_name(folder.name) and tree.has_images(folder):
            count = len(list(tree.images(folder)))
            guesses.exclude([escape(folder.name)], "images without labels", _unlabelled_note(root, folder, count))


def _leave_out_untrained(root: Path, split: Split, folder: Path, found: ClassFolders, guesses: Guesses) -> None:
    trained = {image.name for image in found.images if image.split == "train"}
    of_split = Counter(image.name for image in found.images if image.split == split)
    new = [name for name in of_split if not similar_or_equal(name, trained)]
    top = root / folder.relative_to(root).parts[0]
    if len(new) == len(of_split):
        count = len(list(Tree(root, guesses.reading.exclude).images(top)))
        if not count:
            return
        why = f" (no class of the training images is called {listed(new, 3)})" if new else ""
        guesses.exclude([escape(top.name)], "images without labels", _unlabelled_note(root, top, count, why))
        return
    for name in new:
        inner = next(image.file for image in found.images if image.name == name and image.split == split)
        below = folder / inner.relative_to(folder).parts[0]
        guesses.exclude(
            [escape(key_of(below, root))],
            f"the training images have no class {name}",
            f"{images_text(of_split[name])} in {below} left out, because no training image has the class {name}: "
            f"{predict_hint(root, below)}. If it is a class, put training images of it into "
            f"{found.sides.folders['train'] / name} and remove data.exclude",
        )


def similar_or_equal(name: str, others: set[str]) -> bool:
    """Return whether a class name is among others, or is one of them in another spelling."""
    return name in others or any(name in group for group in similar_names([name, *others]))


def _unlabelled_note(root: Path, folder: Path, count: int, why: str = "") -> str:
    return f"without labels: {images_text(count)} in {folder}{why}; left out: {predict_hint(root, folder)}"


def _read_names(root: Path, keys: Sequence[str], guesses: Guesses) -> ClassFolders | None:
    """Read the classes from the names of the files, if they look like ``cat.0.jpg`` and ``dog.1.jpg``."""
    reading = replace(guesses.reading, classes="name", pattern=NAME_PATTERN)
    found = read_class_folders(root, reading)
    counts = Counter(image.name for image in found.images if image.split in (None, "train"))
    trained = sum(counts.values())
    total = trained + sum(reason.startswith("data.pattern") for reason in found.set_aside.values())
    words = [name for name in counts if re.search("[^\\W\\d_]", name) and name.lower() not in _CAMERA]
    if len(words) < 2 or len(words) < len(counts) or min(counts.values()) < 2 or 4 * len(counts) > trained:
        return None
    if trained < 0.9 * total and found.sides.by == "none":
        return None
    guesses.set("classes", "name", "the class is in the name of each file")
    guesses.set("pattern", NAME_PATTERN, "its parentheses are the class")
    guesses.notes.append(
        f"no class folders, but file names that begin with a class ({listed(sorted(words), 5)}), such as {keys[0]}: "
        "data.pattern reads it. If the names mean something else, sort the images into class folders, or list them in "
        "a CSV file with the columns image and label"
    )
    return found


def _read_lists(root: Path, outer: Path, found: ClassFolders, guesses: Guesses) -> None:
    """Read the splits from lists beside the images."""
    for where in dict.fromkeys((root, outer)):
        files = find_split_lists(where)
        if not files:
            continue
        names = " and ".join(file.name for file in files)
        try:
            lists = read_split_lists(files)
            listed_splits = lists.assign(image.key for image in found.images)
        except DataError as error:
            guesses.notes.append(f"not used as splits: {names}: {error}")
            continue
        known = len(lists.lines) - len(listed_splits.missing)
        if known < len(lists.lines) / 2 or "train" not in listed_splits.splits.values():
            guesses.notes.append(f"not used as splits: {names}; only {known} of {len(lists.lines)} lines name images")
            continue
        if where != root:
            guesses.set("lists", where, "the folder of the lists")
        guesses.set(
            "splits",
            "lists",
            f'{names}; or "none"',
            f'the splits of {names} are kept; data.splits = "none" lets tlkit draw them',
        )
        return
