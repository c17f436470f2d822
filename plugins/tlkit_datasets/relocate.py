"""The options that read other data in the same form, for ``tlkit evaluate --data``."""

from __future__ import annotations

import os
from pathlib import Path

import tlkit
from tlkit_datasets.mask_pairs import SPLIT
from tlkit_datasets.options import CatsVsDogsOptions, CsvOptions, MasksOptions
from tlkit_datasets.table_elsewhere import elsewhere


def relocate_csv(options: CsvOptions, path: Path) -> CsvOptions:
    """Read another table: its paths are relative to its own folder, and it may have a column of splits.

    Raises:
        DataError: the path is a folder.
    """
    if path.is_dir():
        raise tlkit.DataError(
            f"--data {path}: is a folder; the run's data is a CSV table, so expected a CSV file. For a folder of class "
            "folders, also give --set data.name=folder"
        )
    return elsewhere(options, path)


def relocate_masks(options: MasksOptions, path: Path) -> MasksOptions:
    """Read the images and masks of another folder whose inner folders have the names of the run's, or the usual ones.

    Raises:
        DataError: the path is no folder, or has no such folders.
    """
    if not path.is_dir():
        raise tlkit.DataError(f"--data {path}: is a file; the run's data is a folder of images and one of masks")
    root = path.resolve()
    images, masks = tlkit.files.expanded(options.images).absolute(), tlkit.files.expanded(options.masks).absolute()
    above = _without_split(Path(os.path.commonpath([images, masks])))
    inner = (images.relative_to(above).as_posix(), masks.relative_to(above).as_posix())
    pairs = [inner]
    pairs += [pair for pair in ((images.name, masks.name), ("images", "masks")) if pair[0] != pair[1]]
    lists = None
    if options.lists is not None:
        own_lists = tlkit.files.expanded(options.lists).absolute()
        if own_lists.is_relative_to(above) and (root / own_lists.relative_to(above)).is_dir():
            lists = root / own_lists.relative_to(above)
    for pair in pairs:
        if all(_is_there(root, each) for each in pair):
            return options.model_copy(update={"images": root / pair[0], "masks": root / pair[1], "lists": lists})
    expected = ", or ".join(dict.fromkeys(f"{image} and {mask}" for image, mask in pairs))
    raise tlkit.DataError(
        f"--data {path}: expected the folders {expected} in it; or name them with --set data.images=FOLDER and "
        "--set data.masks=FOLDER"
    )


def _without_split(folder: Path) -> Path:
    """Return a folder, or the one above the first part with ``{split}``."""
    place = next((number for number, part in enumerate(folder.parts) if SPLIT in part), None)
    return folder if place is None else Path(*folder.parts[:place])


def _is_there(root: Path, inner: str) -> bool:
    """Return whether a folder is there, of some split."""
    if SPLIT not in inner:
        return (root / inner).is_dir()
    return any(each.is_dir() for each in root.glob(inner.replace(SPLIT, "*")))


def relocate_cats(options: CatsVsDogsOptions, path: Path) -> CatsVsDogsOptions:
    """Read all images of another copy."""
    return options.model_copy(update={"path": path.resolve(), "per_class": None})
