"""The options that read other data in the same form, for ``tlkit evaluate --data``."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import tlkit
from tlkit_datasets.options import CatsVsDogsOptions, CsvOptions, MasksOptions


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
    split = options.split if options.split in _header(path, options.delimiter) else None
    return options.model_copy(update={"path": path.resolve(), "root": None, "group": None, "split": split})


def _header(path: Path, delimiter: str) -> list[str]:
    """Return the names of a table's columns; empty if it can't be read, which is reported when it is opened."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as text:
            return [name.strip() for name in next(csv.reader(text, delimiter=delimiter), [])]
    except (OSError, csv.Error):
        return []


def relocate_masks(options: MasksOptions, path: Path) -> MasksOptions:
    """Read the images and masks of another folder whose inner folders have the names of the run's, or the usual ones.

    Raises:
        DataError: the path is no folder, or has no such folders.
    """
    if not path.is_dir():
        raise tlkit.DataError(f"--data {path}: is a file; the run's data is a folder of images and one of masks")
    root = path.resolve()
    images, masks = tlkit.files.expanded(options.images).absolute(), tlkit.files.expanded(options.masks).absolute()
    above = Path(os.path.commonpath([images, masks]))
    inner = (images.relative_to(above).as_posix(), masks.relative_to(above).as_posix())
    named = (images.name, masks.name)
    pairs = dict.fromkeys(pair for pair in (inner, named, ("images", "masks")) if pair[0] != pair[1] or pair == inner)
    for image_folder, mask_folder in pairs:
        found = root / image_folder, root / mask_folder
        if all(folder.is_dir() for folder in found):
            return options.model_copy(update={"images": found[0], "masks": found[1]})
    expected = ", or ".join(f"{image} and {mask}" for image, mask in pairs)
    raise tlkit.DataError(
        f"--data {path}: expected the folders {expected} in it; or name them with --set data.images=FOLDER and "
        "--set data.masks=FOLDER"
    )


def relocate_cats(options: CatsVsDogsOptions, path: Path) -> CatsVsDogsOptions:
    """Read all images of another copy."""
    return options.model_copy(update={"path": path.resolve(), "per_class": None})
