"""Survey a folder that has one folder per class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

from tlkit.contracts import Task
from tlkit.data.init.class_guesses import guess_reading, images_text
from tlkit.data.init.class_notes import class_problems, tree_guess
from tlkit.data.init.contents import IMAGE_FOLDERS, LAYOUTS, MASK_FOLDERS, FewClassesError, NoClassesError, Survey
from tlkit.data.init.same_stems import check_stems
from tlkit.data.init.sample_files import read_headers
from tlkit.errors import DataError
from tlkit.files import (
    EXCLUDED,
    NO_IMAGES,
    ClassFolders,
    images_in,
    key_of,
    own_images,
    read_class_folders,
    subfolders,
    walk,
)
from tlkit.files.image_formats import format_names
from tlkit.system.keyed import Mapped
from tlkit.system.text import listed

_ANNOTATIONS = (".txt", ".xml", ".json")
_SPLITS = ("", "train", "validation", "test")


def survey_classes(root: Path, task: Task | None = None, outer: Path | None = None) -> Survey:
    """Survey a folder of class folders.

    Args:
        root: the folder.
        task: what the user asked for; ``classification`` accepts folders that look like images and masks.
        outer: the folder that the user named, where lists of splits may be; None for ``root``.

    Raises:
        FewClassesError, NoClassesError: there is nothing to learn from.
        DataError: the folders are not classes.
    """
    guesses = guess_reading(root, outer or root)
    found = read_class_folders(root, guesses.reading)
    counts = _counts(found)
    notes = [*guesses.notes, *found.notes, *_left_out(root, found)]
    _check_classes(root, counts, found)
    if task != "classification":
        check_stems(root, found)
    tree = tree_guess(found, guesses.reading)
    return Survey(
        root,
        "classes",
        counts,
        # A list of millions of paths would take gigabytes.
        read_headers(Mapped(attrgetter("file"), found.images)),
        notes=(*notes, *tree.notes),
        options={**guesses.options, **tree.options},
        comments={**guesses.comments, **tree.comments},
        problems=class_problems(root, found),
    )


def _counts(found: ClassFolders) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for split in _SPLITS:
        for image in found.images:
            if (image.split or "") == split:
                of_split = counts.setdefault(split, {})
                of_split[image.name] = of_split.get(image.name, 0) + 1
    return counts


def _left_out(root: Path, found: ClassFolders) -> list[str]:
    """Return notes about folders and images that are not read."""
    notes = []
    excluded = {key for key, reason in found.set_aside.items() if reason.startswith(EXCLUDED)}
    beside = [folder.name for folder in found.sides.beside]
    if beside:
        notes.append(
            f"not a train, validation or test folder; ignored: {listed(beside)}; if every folder is a class, set "
            'data.splits = "none"'
        )
    for folder in found.sides.folders.values():
        empty = [each for each in subfolders(folder) if not any(images_in(each))]
        unread = {name for name, reason in found.set_aside.items() if reason == NO_IMAGES}
        notes += [
            f"no images in {each}" for each in empty if key_of(each, root) not in excluded and each.name not in unread
        ]
        loose = [file for file in own_images(folder) if key_of(file, root) not in excluded]
        if loose and not any(image.file == loose[0] for image in found.images):
            notes.append(f"not in a class folder; ignored: {images_text(len(loose))} in {folder}")
    return notes


def _hint(root: Path, found: ClassFolders) -> str:
    """Return what else the folder may be, as a sentence; empty if nothing is known."""
    for table in sorted(file for file in root.iterdir() if file.suffix.lower() in (".csv", ".tsv")):
        return f"If {table} has the labels: tlkit init {table}. "
    stems = {image.file.stem for image in found.images}
    for folder in subfolders(root):
        same = Counter(file.suffix for file in walk(folder) if file.stem in stems and file.suffix in _ANNOTATIONS)
        if same:
            return (
                f"{folder.name} has {min(same)} files of the same names: they look like annotations in a form that no "
                "data set here reads (tlkit plugins), not like classes. "
            )
    return ""


def _check_classes(root: Path, counts: Mapping[str, Mapping[str, int]], found: ClassFolders) -> None:
    """Check that the class folders have something to learn from."""
    names = found.classes
    if not names:
        total = sum(1 for _ in images_in(root))
        if total:
            raise NoClassesError(f"{root}: {images_text(total)}, but no class folders. {_hint(root, found)}{LAYOUTS}")
        none = f"{root}: no images ({format_names()}). {LAYOUTS}"
        raise FewClassesError(none) if subfolders(root) else DataError(none)
    if len(names) < 2:
        raise FewClassesError(
            f"{root}: only one class folder with images ({names[0]}); at least two are needed to learn a "
            f"difference. {_hint(root, found)}{LAYOUTS}"
        )
    if found.sides.by == "folders" and not counts.get("train"):
        folders = found.sides.folders
        others = " and ".join(folders[split].name for split in folders if split in counts)
        raise FewClassesError(
            f"{folders['train']}: no images in class folders, but {others} has some; expected images to train on in "
            f"{folders['train'].name}, one folder per class"
        )
    if {name.lower() for name in names} <= {*IMAGE_FOLDERS, *MASK_FOLDERS}:
        raise DataError(
            f"{root}: {' and '.join(sorted(names))} look like images and masks inside each split; expected the splits "
            f"inside images and masks: images/train, masks/train, images/val, masks/val. {LAYOUTS}"
        )
