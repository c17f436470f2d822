"""Guess how a table is meant, for ``tlkit init``: which column has the images, which the classes, splits and groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import tlkit
from tlkit_datasets.table_columns import (
    GROUP_NAMES,
    IMAGE_NAMES,
    LABEL_NAMES,
    SPLIT_NAMES,
    guessed,
    looks_like_rows,
)
from tlkit_datasets.table_images import ImageFinder
from tlkit_datasets.table_labels import class_columns, likely_separator, marked
from tlkit_datasets.table_text import DELIMITERS, TableText, read_table

_LOOKED_AT = 50
"""How many rows are looked at to find out where the images are."""
_MAX_COLUMNS = 60
_NO_LABELS = frozenset({"nan", "na", "n/a", "null", "none", "?", "-"})


@dataclass
class Guess:
    """How a table is meant.

    Args:
        table: the table.
        options: the options to write into the recipe, without the table's path.
        comments: option → comment beside it; for other keys, a line of its own.
        notes: other readings, and the keys that decide.
        is_segmentation: whether the images have masks and not classes.
    """

    table: TableText
    options: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_segmentation: bool = False

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        place = self.table.columns.index(name)
        return [cells[place] for _, cells in self.table.rows]


def guess(file: Path, task: tlkit.Task | None) -> Guess | None:
    """Guess how a table is meant; None if no column of it names images that are there.

    Args:
        file: the table.
        task: what the user wants to learn; None for what the table shows.

    Raises:
        DataError: the file is not a table of text, or has images but no classes and no masks.
    """
    found = _read(file)
    places = _images(found, task)
    if places is None:
        return None
    image, mask = places
    found.is_segmentation = mask is not None
    used = {image, mask}
    split = _split(found, used)
    group = _group(found, used | {split})
    if mask is not None:
        found.options["mask"] = mask
    else:
        _label(found, used | {split, group}, file)
    if split is not None:
        found.options["split"] = split
    return found


def _read(file: Path) -> Guess:
    options: dict[str, Any] = {}
    notes = []
    try:
        table = read_table(file, "auto", "auto", header=True)
    except tlkit.DataError as error:
        if "not a CSV file in UTF" not in str(error):
            raise
        encoding = match[1] if (match := re.search(r'data\.encoding = "(.+?)"', str(error))) else "cp1252"
        table = read_table(file, "auto", encoding, header=True)
        options["encoding"] = encoding
        notes.append(f"not in UTF-8; {str(error).partition('set ')[2]}")
    if looks_like_rows(table):
        options["header"] = False
        notes.append("the first line is an image and not the names of the columns; they are called 1, 2, …")
        table = read_table(file, "auto", options.get("encoding", "auto"), header=False)
    if table.delimiter != ",":
        options["delimiter"] = table.delimiter
    if not table.rows:
        raise tlkit.DataError(
            f"{file}: no rows; expected one for each image, below a line with the names of the columns"
        )
    comments = (
        {"delimiter": DELIMITERS.get(table.delimiter, "as its first line says")} if "delimiter" in options else {}
    )
    return Guess(table, options, comments, notes)


def _images(found: Guess, task: tlkit.Task | None) -> tuple[str, str | None] | None:
    """Find the columns with the images and the masks, and the folder that they are relative to."""
    table = found.table
    finder = ImageFinder(table.file.parent)
    usual = [guessed([name], IMAGE_NAMES) is not None for name in table.columns]
    candidates = []
    for place, name in enumerate(table.columns[:_MAX_COLUMNS]):
        cells = sorted({cells[place] for _, cells in table.rows} - {""})
        cells = cells[:: max(1, len(cells) // _LOOKED_AT)][:_LOOKED_AT]
        if not name or not cells:
            continue
        if not usual[place] and all(re.fullmatch(r"-?\d{1,2}(\.\d*)?", cell) for cell in cells):
            continue  # numbers of classes, though there may be a 1.jpg
        best = _best_place(finder, cells, table.file)
        if best is not None and best[0] * 2 > len(cells):
            candidates.append((len({row[place] for _, row in table.rows}), usual[place], -place, name, best))
    if not candidates:
        return None
    # Masks are as many as images, or fewer: of two columns with files, the one with a usual name has the images.
    candidates.sort(key=lambda each: (each[1], each[0], each[2]), reverse=True)
    _, _, _, image, (_, root, prefix, others, anywhere) = candidates[0]
    found.options = {**({"root": root} if root != table.file.parent else {}), "image": image, **found.options}
    here = f"{root.resolve().as_posix()}/"
    if not prefix and all(cell.startswith(here) for cell in found.column(image) if cell):
        prefix = here
    if prefix:
        found.options["strip_prefix"] = prefix
        found.comments["strip_prefix"] = "cut off the paths at their beginning, so that the data can be moved"
    if anywhere:
        found.options["anywhere"] = True
        found.comments["anywhere"] = "the images are in several folders"
    if others:
        found.notes.append(
            f"files of the same names are also in {', '.join(map(str, others))}; data.root says which are meant"
        )
    _suffix(found, image, ImageFinder(root, prefix=prefix, anywhere=anywhere))
    mask = None
    if task != "classification":
        mask = next((name for *_, name, (_, its_root, *_) in candidates[1:] if its_root == root), None)
    return image, mask


class _Place(NamedTuple):
    """How many cells name files, their root, what to cut off, other roots that fit, whether any folder is searched."""

    cells: int
    root: Path
    prefix: str = ""
    others: Sequence[Path] = ()
    anywhere: bool = False


def _best_place(finder: ImageFinder, cells: Sequence[str], file: Path) -> _Place | None:
    count = 0
    for cell in cells:
        try:
            count += finder.find(cell, "").exists and bool(re.search(r"[a-zA-Z0-9]", cell))
        except tlkit.DataError:
            continue
    if count * 2 > len(cells):
        return _Place(count, finder.root)
    places = [each for each in finder.located(cells) if each[1] != finder.root or each[2]]
    if not places:
        return None
    stem = file.stem.casefold()
    places.sort(key=lambda each: (stem not in each[1].name.casefold() and each[1].name.casefold() not in stem, each[1]))
    count, root, prefix = places[0]
    if (unique := finder.unique(cells)) > count:
        return _Place(unique, finder.root, anywhere=True)
    return _Place(count, root, prefix, [each[1] for each in places[1:4] if each[1] != root])


def _suffix(found: Guess, image: str, finder: ImageFinder) -> None:
    suffixes = set()
    for cell in found.column(image):
        try:
            key = finder.find(cell, "").key if cell else ""
        except tlkit.DataError:
            continue
        cut = key[len(cell) :] if key.casefold().startswith(cell.casefold()) else ""
        suffixes |= {cut} if cell else set()
    if len(suffixes) == 1 and (suffix := next(iter(suffixes))):
        found.options["suffix"] = suffix
        found.comments["suffix"] = "what the names in the table lack"


def _split(found: Guess, used: set[str | None]) -> str | None:
    names = [name for name in found.table.columns if name and name not in used]
    usual = guessed(names, SPLIT_NAMES)
    for name in ([usual] if usual else []) + [name for name in names if name != usual]:
        cells = set(found.column(name)) - {""}
        if cells and all(tlkit.files.split_named(cell) for cell in cells) and (name == usual or len(cells) > 1):
            return name
    usual = usual or next((name for name in names if re.match("is_?(train|val|test)", name, re.IGNORECASE)), None)
    if usual is not None:
        shown = ", ".join(sorted(set(found.column(usual)))[:4])
        found.notes.append(
            f'the column "{usual}" ({shown}) is not used; as data.split it would need train, validation or test'
        )
    return None


def _group(found: Guess, used: set[str | None]) -> str | None:
    """Propose a group in a line of its own: images of one patient in two splits would make the metrics too good."""
    names = [name for name in found.table.columns if name and name not in used]
    usual = guessed(names, GROUP_NAMES)
    if usual is None:
        usual = next((name for name in names if re.search("patient|subject", name, re.IGNORECASE)), None)
    count = len(set(found.column(usual)) - {""}) if usual else 0
    if usual is None or not 1 < count < len(found.table.rows):
        return None
    line = f'group = "{usual}"'
    found.comments["group"] = f"{line:<25} # {count} groups: keep the images of each in one split"
    found.notes.append(f'the column "{usual}" looks like groups ({count}): {line} keeps each in one split')
    return usual


def _label(found: Guess, used: set[str | None], file: Path) -> None:
    names = [name for name in found.table.columns if name and name not in used]
    rows = [cells for _, cells in found.table.rows]
    columns = class_columns(found.table.columns, rows, used - {None})  # type: ignore[arg-type]
    label = guessed([name for name in names if len(set(found.column(name)) - {""}) > 1], LABEL_NAMES)
    if label is not None:
        _read_label(found, label)
        columns = tuple(name for name in columns if name != label)
        if columns:
            found.notes.append(f"not used: {', '.join(columns[:8])}; as data.labels, each would be a class")
    elif columns:
        found.options["labels"] = columns
        found.comments["labels"] = "one column per class"
        marks = [sum(bool(marked(cells[found.table.columns.index(name)])) for name in columns) for cells in rows]
        if any(count != 1 for count in marks):
            found.options["multi_label"] = True
            found.comments["multi_label"] = (
                f"{sum(count > 1 for count in marks)} rows have several, {marks.count(0)} none"
            )
    else:
        counts = {name: len(set(found.column(name)) - {""}) for name in names}
        fitting = {name: count for name, count in counts.items() if 2 <= count <= len(rows) / 2}
        if not fitting:
            raise tlkit.DataError(
                f"{file}: no column with classes; the header has {', '.join(found.table.columns[:20])}; expected a "
                "column with the class of each image, or one column per class with 1 or 0"
            )
        label = min(fitting, key=lambda name: (fitting[name], names.index(name)))
        _read_label(found, label)
        others = [name for name in fitting if name != label]
        if others:
            found.notes.append(
                f'"{label}" has the fewest values; other columns may have the classes: {", ".join(others[:8])}'
            )


def _read_label(found: Guess, label: str) -> None:
    cells = found.column(label)
    found.options["label"] = label
    separator = likely_separator(cells)
    if separator is not None:
        found.options["separator"] = separator
        found.comments["separator"] = "images with several labels; remove it if these are names of classes"
        example = next(cell for cell in cells if separator in cell)
        found.notes.append(
            f'"{example}" is read as several labels of an image; without data.separator it is the name of one class'
        )
    labels_of: dict[str, set[str]] = {}
    for image, cell in zip(found.column(found.options["image"]), cells, strict=True):
        labels_of.setdefault(image, set()).add(cell)
    several = sum(len(labels) > 1 for labels in labels_of.values())
    if several:
        found.options["row_per"] = "label"
        found.comments["row_per"] = "each row is one label of its image"
        found.notes.append(
            f"{several} images have several rows with different labels, read as labels that they have together "
            '(row_per = "label"); if an image has one class only, correct the table'
        )
    elif separator is None and (empty := sum(not cell for cell in cells)):
        found.options["unlabelled"] = "leave_out"
        found.comments["unlabelled"] = f"{empty} images; or multi_label = true if they have none of the classes"
    if blank := sorted({cell for cell in cells if cell.casefold() in _NO_LABELS}):
        found.notes.append(f'the class "{blank[0]}" may stand for no label; empty its cells, and see data.unlabelled')
    names = sorted({part.strip() for cell in cells for part in (cell.split(separator) if separator else [cell])} - {""})
    if all(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in names) and names != sorted(names, key=float):
        found.options["class_order"] = "number"
