"""Decide which folders of a tree of class folders are splits, and which are classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tlkit.contracts import Split
from tlkit.errors import DataError
from tlkit.files.split_names import is_unlabelled_name, split_of_folder
from tlkit.files.tree import Tree

_WRAPPERS = frozenset({"images", "image", "img", "imgs", "data", "photos", "pictures", "jpegimages", "classes"})
"""Folders that may stand between a split and its classes."""


@dataclass(frozen=True)
class Sides:
    """Where the class folders of each split are.

    Args:
        folders: split → the folder with its class folders; None for a folder that tlkit splits, or whose class folders
            have the splits inside.
        by: what decided: ``folders``: splits above the classes; ``classes``: splits inside each class; ``none``.
        beside: folders beside the splits, which are not used.
    """

    folders: Mapping[Split | None, Path]
    by: Literal["folders", "classes", "none"]
    beside: tuple[Path, ...] = ()


class SplitDoubtError(DataError):
    """A folder may be a split or a class.

    Args:
        message: both readings, and what decides.
        folders: the folders in doubt.
    """

    def __init__(self, message: str, folders: Sequence[Path]) -> None:
        super().__init__(message)
        self.folders = tuple(folders)


def find_sides(tree: Tree, splits: Literal["auto", "folders", "none"] = "auto") -> Sides:
    """Find the splits of a tree of class folders.

    Args:
        tree: the tree.
        splits: ``auto``: recognise splits by their names and by what is inside; ``folders``: there must be some;
            ``none``: every folder is a class.

    Raises:
        SplitDoubtError: a folder may be a split or a class.
        DataError: there is a validation or test folder but no train folder, two folders of the same split, or only some
            of the classes have splits inside.
    """
    whole = Sides({None: tree.root}, "none")
    if splits == "none":
        return whole
    named = {folder: split for folder in tree.all_folders(tree.root) if (split := split_of_folder(folder.name))}
    beside = [folder for folder in tree.all_folders(tree.root) if folder not in named]
    others = [folder for folder in tree.folders(tree.root) if folder not in named] if named else []
    inner = {folder: _inside_doubled(tree, folder, split) for folder, split in named.items()}
    if named and (splits == "folders" or not _are_classes(tree, named, inner, others)):
        _check_splits(tree.root, named)
        return Sides({split: inner[folder] for folder, split in named.items()}, "folders", tuple(beside))
    if not named and _have_splits_inside(tree):
        return Sides({None: tree.root}, "classes")
    if splits == "folders":
        raise DataError(
            f'{tree.root}: data.splits = "folders", but there are no folders such as train and test; '
            'expected them, or data.splits = "auto"'
        )
    return whole


def _inside_doubled(tree: Tree, folder: Path, split: Split) -> Path:
    """Return the folder of the class folders in ``seg_train/seg_train/cat`` or ``train/images/cat``."""
    while True:
        below = tree.folders(folder)
        if len(below) != 1 or tree.own_images(folder) or not tree.folders(below[0]):
            return folder
        name = below[0].name
        if split_of_folder(name) != split and name.lower() not in _WRAPPERS:
            return folder
        folder = below[0]


def _are_classes(tree: Tree, named: Mapping[Path, Split], inner: Mapping[Path, Path], others: Sequence[Path]) -> bool:
    """Return whether folders with the names of splits are classes beside others.

    Raises:
        SplitDoubtError: they may be either.
    """
    rivals = [folder for folder in others if not is_unlabelled_name(folder.name)]
    if not rivals:
        return False
    if not any(tree.has_images(folder) for folder in named):
        return True
    beside = _names(rivals)
    train = [folder for folder, split in named.items() if split == "train"]
    classes = {folder: {each.name for each in tree.folders(inner[folder])} for folder in named}
    if any(len(classes[folder]) > 1 for folder in train):
        alike = [each for each in rivals if {one.name for one in tree.folders(each)} & classes[train[0]]]
        if len(named) == 1 and alike:
            raise SplitDoubtError(
                f"{tree.root}: {train[0].name} may be the training images or a class, because {_names(alike)} beside "
                f'it has folders of the same names. data.splits = "none" reads it as a class; data.splits = "folders" '
                "reads it as training images, and leaves the others out",
                [train[0]],
            )
        return False
    known = {folder.name for folder in rivals}
    if any(len(each) > 1 or each & known for each in classes.values()):
        found = _names([folder for folder in named if classes[folder]])
        raise DataError(
            f"{tree.root}: found {found}, but no folder train with class folders; expected train as well: if {beside} "
            'are the training images, move them into a folder train; if all are classes, set data.splits = "none"'
        )
    if train and len(named) == 1:
        return True
    found = _names(list(named))
    problem = "without class folders in it" if train else "but no folder train; expected train as well, or none of them"
    raise SplitDoubtError(
        f'{tree.root}: found {found}, {problem}, beside {beside}. If it is a class, set data.splits = "none"; if its '
        f"images have no labels, leave it out: data.exclude = [{', '.join(_quoted(folder.name) for folder in named)}]",
        list(named),
    )


def _check_splits(root: Path, named: Mapping[Path, Split]) -> None:
    """Check that there is one folder for each split, and one for training."""
    first: dict[Split, Path] = {}
    for folder, split in named.items():
        other = first.setdefault(split, folder)
        if other != folder:
            raise DataError(
                f"{root}: {other.name} and {folder.name} are both the {split} split; move the images of one into the "
                f'other, or leave one out, such as data.exclude = ["{folder.name}"]; if they are classes, set '
                'data.splits = "none"'
            )
    if "train" not in first:
        names = _names(list(named))
        raise DataError(
            f"{root}: found {names}, but no folder train; expected train as well, or none of them: "
            f'if {names} is a class and not a split, set data.splits = "none"'
        )


def _have_splits_inside(tree: Tree) -> bool:
    """Return whether the class folders have the splits inside, as in ``cat/train``, ``cat/test``, ``dog/train``.

    Raises:
        DataError: only some have.
    """
    classes = tree.folders(tree.root)
    found = {folder: {split_of_folder(each.name) for each in tree.folders(folder)} for folder in classes}
    complete = [folder for folder, splits in found.items() if "train" in splits and splits & {"validation", "test"}]
    if not complete:
        return False
    example = complete[0].name
    for folder, splits in found.items():
        if not splits or None in splits or tree.own_images(folder):
            raise DataError(
                f"{folder}: has images outside folders for the splits, but {example} has only such folders "
                f"({_names(tree.folders(complete[0]))}); expected the same in every class. Move the images into "
                f'{folder.name}/train, or set data.splits = "none": then tlkit splits all images anew'
            )
    return True


def _names(folders: Sequence[Path]) -> str:
    names = [folder.name for folder in folders]
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _quoted(text: str) -> str:
    return f'"{text}"'
