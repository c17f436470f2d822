"""Recognise a table of images, or a folder with images and the tables that list them, for ``tlkit init``."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.table import read_rows
from tlkit_datasets.table_guess import Guess, guess
from tlkit_datasets.table_images import ImageFinder
from tlkit_datasets.table_labels import is_multi_label
from tlkit_datasets.table_rows import Rows

_SUFFIXES = (".csv", ".tsv", ".tab")
_NO_TEXT = (".xlsx", ".xls", ".ods", ".parquet", ".feather")
"""Tables that are not text: the message says how to write them as text."""
_OF_OTHERS = re.compile(r"_classes|_annotations|^metadata$|sample_?submission", re.IGNORECASE)
"""Tables in a folder that belong to another format, or to no image."""
_MAX_MASKS, _MAX_VALUES = 50, 40
_MAX_FILES = 200_000


def detect_csv(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a table, or a folder of images with tables that list them and without class folders.

    Raises:
        DataError: the file is a table, but can't be used.
    """
    if path.is_dir():
        return _in_folder(path, task)
    if path.suffix.lower() not in (*_SUFFIXES, *_NO_TEXT):
        return None
    found = guess(path, task)
    if found is None:
        raise _no_images(path)
    beside = {split: file for split, file in _by_split(path.parent).items() if file != path}
    if tlkit.files.split_named(_word(path.stem)) == "train":
        for split in ("validation", "test"):
            if split in beside and _fits(beside[split], found, task):
                key = f"{split}_path"
                found.comments[key] = f'{key} = "{beside[split].as_posix()}"'
                found.notes.append(f"{beside[split].name} lies beside it: {found.comments[key]} takes its images")
    return _detected(path, found, {})


def _no_images(path: Path) -> tlkit.DataError:
    try:
        read_rows("classification", CsvOptions(path=path, unlabelled="leave_out"))
    except tlkit.DataError as error:
        return error
    return tlkit.DataError(f"{path}: no column names images that are there; expected their paths in one column")


def _in_folder(folder: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    files = [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in _SUFFIXES and file.is_file() and not tlkit.files.is_junk(file.name)
        if not _OF_OTHERS.search(file.stem)
    ]
    if not files:
        return None
    guesses: dict[Path, Guess] = {}
    notes = []
    for file in files[:20]:
        try:
            found = guess(file, task)
        except tlkit.DataError as error:
            notes.append(f"not used: {error}")
            continue
        if found is not None:
            guesses[file] = found
    if not guesses:
        return None
    if _has_class_folders(folder) and not all(map(_mixes_classes, guesses.values())):
        return None
    by_split = {split: file for split, file in _by_split(folder).items() if file in guesses}
    main = by_split.get("train") or max(guesses, key=lambda file: len(guesses[file].table.rows))
    others = {}
    for split in ("validation", "test"):
        if split in by_split and by_split[split] != main and _fits(by_split[split], guesses[main], task):
            others[f"{split}_path"] = by_split[split]
    rest = [file.name for file in files if file not in (main, *others.values())]
    if rest:
        notes.append(f"tables that are not used: {', '.join(rest[:8])}")
    guesses[main].notes += notes
    if task != "classification" and _have_partners(folder, [path for path, _ in _images_of(guesses[main])]):
        return None
    return _detected(main, guesses[main], others)


def _mixes_classes(found: Guess) -> bool:
    """Return whether each folder of a table's images has images of several classes: then the folders are no classes."""
    labels_in: dict[Path, set[tuple[str, ...]]] = {}
    for path, labels in _images_of(found):
        labels_in.setdefault(path.parent, set()).add(labels)
    return bool(labels_in) and all(len(labels) > 1 for labels in labels_in.values())


def _images_of(found: Guess) -> list[tuple[Path, tuple[str, ...]]]:
    """Return the images of a table that are there, with the cells that have their classes."""
    options = found.options
    finder = ImageFinder(
        options.get("root", found.table.file.parent),
        options.get("suffix", ""),
        options.get("strip_prefix", ""),
        anywhere=options.get("anywhere", False),
    )
    images = []
    columns = [found.column(name) for name in (options.get("labels") or [options.get("label") or options["mask"]])]
    for cell, *labels in zip(found.column(options["image"]), *columns, strict=True):
        with suppress(tlkit.DataError):
            images.append((finder.find(cell, ""), tuple(labels)))
    return [(image.path, labels) for image, labels in images if image.exists]


def _has_class_folders(folder: Path) -> bool:
    """Return whether a folder, or a split folder in it, has folders of images that are no splits."""
    inner = tlkit.files.subfolders(folder)
    splits = [each for each in inner if tlkit.files.split_named(each.name)]
    for parent in (folder, *splits):
        folders = [each for each in tlkit.files.subfolders(parent) if not tlkit.files.split_named(each.name)]
        if sum(bool(tlkit.files.own_images(each)) for each in folders) > 1:
            return True
    return False


def _have_partners(folder: Path, images: Sequence[Path]) -> bool:
    """Return whether most images have another of the same name in a folder beside theirs, as images and masks have."""
    listed = {image.resolve() for image in images}
    stems = {image.stem for image in listed}
    folders = {image.parent for image in listed}
    others = islice((file.resolve() for file in tlkit.files.images_in(folder)), _MAX_FILES)
    partners = {file.stem for file in others if file not in listed and file.parent not in folders}
    return len(stems & partners) * 2 > len(stems)


def _by_split(folder: Path) -> dict[str, Path]:
    """Return split → the table that is named after it, such as ``train.csv`` or ``labels_train.csv``."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in _SUFFIXES and file.is_file()]
    found: dict[str, Path] = {}
    for file in files:
        split = tlkit.files.split_named(_word(file.stem))
        if split is not None:
            found.setdefault(split, file)
    return found


def _word(stem: str) -> str:
    """Return the word in the name of a table that means a split, or the name."""
    words = [word for word in re.split(r"[^a-zA-Z]+", stem) if tlkit.files.split_named(word)]
    return words[0] if len(words) == 1 else stem


def _fits(file: Path, main: Guess, task: tlkit.Task | None) -> bool:
    """Return whether another table is read in the same way; note it if it is not."""
    try:
        other = guess(file, task)
        why = "its images are not there" if other is None else ""
        if other is not None:
            keys = {"image", "label", "labels", "mask", "separator", "row_per"}
            differ = [key for key in keys if other.options.get(key) != main.options.get(key)]
            why = f"its columns differ ({', '.join(sorted(differ))})" if differ else ""
    except tlkit.DataError as error:
        why = str(error)
    if why:
        main.notes.append(f"{file.name} is not used: {why}; for images without labels: tlkit predict")
    return not why


def _detected(file: Path, found: Guess, others: dict[str, Path]) -> tlkit.Detected:
    its_task: tlkit.Task = "segmentation" if found.is_segmentation else "classification"
    options: dict[str, Any] = {"path": file, **others, **found.options}
    if found.is_segmentation:
        options["values"] = _mask_values(options)
        found.comments["values"] = "Mask value = class name. Replace these names with the real ones."
    rows = read_rows(its_task, CsvOptions(**options))
    counts: dict[str, Counter[str]] = {}
    splits = Counter[str]()
    official = {row.split for row in rows.images}
    for row in rows.images:
        split = row.split or ("train" if official & {"validation", "test"} else "")
        splits[split] += 1
        counts.setdefault(split, Counter()).update(row.labels)
    order = [split for split in ("", "train", "validation", "test") if split in splits]
    used: dict[str, Any] = {key: options[key] for key in ("image", "label", "mask", "split") if key in options}
    if "labels" in options:
        used["labels"] = f"{len(options['labels'])} columns"
    title = f"a table of {len(rows.images)} images; columns: " + ", ".join(
        f"{key} {name}" for key, name in used.items()
    )
    return tlkit.Detected(
        title=title,
        task=its_task,
        options=options,
        comments=found.comments,
        counts={split: dict(sorted(counts[split].items())) for split in order},
        images=tuple(row.path for row in rows.images if _is_file(row.path)),
        splits={split: splits[split] for split in order},
        tasks=(its_task,),
        multi_label=not found.is_segmentation and is_multi_label(CsvOptions(**options)),
        notes=(*found.notes, *_unlabelled(rows), *rows.notes),
    )


def _unlabelled(rows: Rows) -> list[str]:
    count = len(rows.unlabelled)
    return [f"images without a label, left out: {count}, such as {rows.unlabelled[0].key}"] if count else []


def _mask_values(options: dict[str, Any]) -> dict[str, str]:
    """Return the values of some of the masks, with names to replace."""
    rows = read_rows("segmentation", CsvOptions(**options, values={"0": "background"}))
    masks = [row.mask for row in rows.images if row.mask is not None and _is_file(row.mask)]
    values: set[int | tuple[int, ...]] = set()
    for mask in masks[:: max(1, len(masks) // _MAX_MASKS)][:_MAX_MASKS]:
        try:
            with Image.open(mask) as image:
                coloured = image.mode in ("RGB", "RGBA", "CMYK")
                pixels = np.asarray(image.convert("RGB") if coloured else image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        if coloured:
            values |= {tuple(map(int, each)) for each in np.unique(pixels.reshape(-1, 3), axis=0)[: _MAX_VALUES + 1]}
        else:
            pixels = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
            values |= {int(each) for each in np.unique(np.floor(pixels))[: _MAX_VALUES + 1]}
    plain = {
        each if isinstance(each, int) else each[0] for each in values if isinstance(each, int) or len(set(each)) == 1
    }
    keys = sorted(plain) if len(plain) == len(values) else sorted(each for each in values if isinstance(each, tuple))
    if not 2 <= len(keys) <= _MAX_VALUES:
        raise tlkit.DataError(
            f"{options['path']}: {len(keys)} different values in the masks; expected 2 to {_MAX_VALUES}, one per "
            "class: write a recipe by hand, with data.values"
        )
    names = [str(key) if isinstance(key, int) else "#{:02x}{:02x}{:02x}".format(*key) for key in keys]
    return {name: "background" if name in ("0", "#000000") else f"class_{name.lstrip('#')}" for name in names}


def _is_file(path: Path) -> bool:
    """Return whether a path is a file; False for a name that no file can have, for which ``Path.is_file`` raises."""
    return os.path.isfile(path)  # noqa: PTH113
