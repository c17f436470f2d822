"""The classes of the rows of a table."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import tlkit
from tlkit_datasets.options import CsvOptions

YES = frozenset({"1", "true", "yes", "y", "t", "x"})
NO = frozenset({"0", "false", "no", "n", "f", ""})


def is_multi_label(options: CsvOptions) -> bool:
    """Return whether images can have several labels, or none."""
    return options.multi_label or options.separator is not None or options.row_per == "label"


def split_labels(cell: str, options: CsvOptions) -> tuple[str, ...]:
    """Return the class names in a cell, in Unicode's composed form."""
    parts = [cell] if options.separator is None else cell.split(options.separator)
    names = (unicodedata.normalize("NFC", part.strip()) for part in parts)
    return tuple(dict.fromkeys(name for name in names if name))


def marked(cell: str) -> bool | None:
    """Return whether a cell of a class's column says that the image has the class; None if it says neither."""
    text = re.sub(r"^([01])[.,]0*$", r"\1", cell.casefold())
    return True if text in YES else False if text in NO else None


def marked_labels(cells: dict[str, str], where: str) -> tuple[str, ...]:
    """Return the classes whose columns are marked.

    Args:
        cells: class name → cell.
        where: file and line, for messages.

    Raises:
        DataError: a cell is neither yes nor no.
    """
    chosen = []
    for name, cell in cells.items():
        mark = marked(cell)
        if mark is None:
            raise tlkit.DataError(
                f'{where}: the column {name} has "{cell}"; expected 1 or 0 (or true or false, yes or no) in a column '
                "of data.labels"
            )
        chosen += [unicodedata.normalize("NFC", name)] if mark else []
    return tuple(dict.fromkeys(chosen))


def likely_separator(cells: Iterable[str]) -> str | None:
    """Return the text that seems to stand between several labels in some of the cells; None if each has one label.

    Labels that stand together in one cell stand in others too. A blank or a comma is common in the name of a class, so
    nearly all the parts between them have to.
    """
    distinct = sorted({cell for cell in cells if cell})
    for separator, share in (("|", 0.0), (";", 0.0), (",", 0.8), (" ", 0.8)):
        parts = [[part.strip() for part in cell.split(separator)] for cell in distinct]
        if not any(len(each) > 1 for each in parts) or not all(all(each) for each in parts):
            continue
        counts = Counter(part for each in parts for part in set(each))
        together = {part for each in parts if len(each) > 1 for part in each}
        shared = sum(counts[part] > 1 for part in together)
        if shared and shared >= share * len(together) and len(counts) < 1000:
            return separator
    return None


def class_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]], without: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the columns that may each stand for a class: every cell says yes or no, and both occur in one of them.

    Args:
        columns: the names of the columns.
        rows: the cells of each row.
        without: columns that have another meaning.
    """
    chosen, values = [], set[bool]()
    for place, name in enumerate(columns):
        if not name or name in without:
            continue
        cells = {cells[place] for cells in rows}
        marks = {marked(cell) for cell in cells}
        if None not in marks and cells != {""}:
            chosen.append(name)
            values |= {mark for mark in marks if mark is not None}
    return tuple(chosen) if len(chosen) > 1 and values == {False, True} else ()


def ordered(names: Iterable[str], options: CsvOptions) -> tuple[str, ...]:
    """Return class names in the order of their numbers."""
    if options.labels:
        return tuple(unicodedata.normalize("NFC", name.strip()) for name in options.labels)
    return tuple(sorted(set(names), key=_by_number if options.class_order == "number" else None))


def _by_number(name: str) -> tuple[tuple[int, float, str], ...]:
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    signed = re.fullmatch(r"-\d+(\.\d+)?", name)
    if signed:
        return ((0, float(name), ""),)
    return tuple((0, float(part), "") if part[:1].isdigit() else (1, 0.0, part) for part in parts if part)


def numbered(labels: Sequence[str], number: dict[str, int], *, several: bool) -> int | tuple[int, ...]:
    """Return the class number of an image's only label, or the numbers of all its labels."""
    return tuple(sorted(number[name] for name in labels)) if several else number[labels[0]]
