"""Recognise train, validation and test splits by the names of folders and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tlkit.contracts import Split
from tlkit.errors import DataError
from tlkit.files.listing import subfolders

_SPLITS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_WORDS: Mapping[str, Split] = {
    **_SPLITS,
    "validate": "validation",
    "dev": "validation",
    **{f"{word}set": split for word, split in _SPLITS.items()},
}
_FILLERS = frozenset(
    (
        *("set", "sets", "data", "dataset", "folder", "split", "part", "seg", "image", "images", "img", "imgs"),
        *("photo", "photos", "picture", "pictures", "pics", "frames"),
    )
)
_UNLABELLED = frozenset(
    (
        *("pred", "preds", "predict", "prediction", "predictions", "inference", "submission"),
        *("unlabeled", "unlabelled", "nolabel"),
    )
)


def split_named(name: str) -> Split | None:
    """Return the split that a table cell means, such as ``Val`` or ``training``; or None."""
    return _SPLITS.get(name.lower())


def split_of_folder(name: str) -> Split | None:
    """Return the split that a folder's name means; or None.

    Besides the names of ``split_named``, these are names such as ``train_set``, ``seg_train``, ``test-images``,
    ``trainset``, ``dev`` or ``val2017``: one word for a split, and otherwise only words that say nothing.
    """
    words = _words(name)
    found = {_WORDS[word] for word in words if word in _WORDS}
    if len(found) != 1 or not all(word in _WORDS or word in _FILLERS for word in words):
        return None
    return found.pop()


def is_unlabelled_name(name: str) -> bool:
    """Return whether a folder's name says that its images have no labels, such as ``seg_pred`` or ``unlabelled``."""
    words = _words(name)
    return any(word in _UNLABELLED for word in words) and all(
        word in _UNLABELLED or word in _FILLERS or word in _WORDS for word in words
    )


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without a year or a 1 behind the last: ``val2017``, ``test1``."""
    return [word for word in re.split(r"[\s_.-]+", re.sub(r"(?<!\d)(?:(?:19|20)\d\d|1)$", "", name.lower())) if word]


def split_folders(folder: Path) -> dict[Split | None, Path]:
    """Return the train, validation and test folders in a folder; the folder itself under None if it has none.

    Raises:
        DataError: there is a validation or test folder but no train folder, or two folders of the same split.
    """
    folders: dict[Split | None, Path] = {}
    for entry in subfolders(folder):
        split = split_of_folder(entry.name)
        if split is not None:
            if split in folders:
                raise DataError(
                    f"{folder}: {folders[split].name} and {entry.name} are both the {split} split; "
                    "move the images of one into the other, or rename it"
                )
            folders[split] = entry
    if folders and "train" not in folders:
        names = " and ".join(sorted(each.name for each in folders.values()))
        raise DataError(
            f"{folder}: found {names}, but no folder train; expected train as well, or none of them: "
            "if one of them is a class and not a split, rename it"
        )
    return folders or {None: folder}
