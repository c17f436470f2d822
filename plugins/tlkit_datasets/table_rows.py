"""The images of a table, each once, and how their files were found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.row_columns import Row, RowColumns
from tlkit_datasets.table_images import Found

_LOOKED_FOR = 50
"""How many of the files that are missing are looked for elsewhere."""


@dataclass
class Rows:
    """The images of all tables of a data set.

    Args:
        root: the folder that the keys are relative to.
        files: the tables.
        images: the images, each once.
        unlabelled: images that are left out, because they have no label.
        notes: what the user should know about how they were read.
    """

    root: Path
    files: tuple[Path, ...] = ()
    images: Sequence[Row] = field(default_factory=RowColumns)
    unlabelled: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class FoundFiles:
    """How the files of a table were found.

    Args:
        count: how many the table names.
        missing: how many of them are not there.
        shown: some of those.
        ways: how they were found, where not as the table has them → how many.
        examples: way → the first that was found so.
    """

    count: int = 0
    missing: int = 0
    shown: list[str] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, found: Found) -> None:
        """Add a file."""
        self.count += 1
        if not found.exists:
            self.missing += 1
            if len(self.shown) < _LOOKED_FOR:
                self.shown.append(found.key)
        if found.how:
            self.ways[found.how] += 1
            self.examples.setdefault(found.how, found.key)


def labels_of(rows: Sequence[Row]) -> set[tuple[str, ...]]:
    """Return the different labels of rows."""
    return {each.labels for each in (rows.kinds if isinstance(rows, RowColumns) else rows)}


def by_labels(rows: Sequence[Row]) -> tuple[Sequence[Row], list[Row]]:
    """Return the rows that have a label, and those that have none."""
    if all(labels_of(rows)):
        return rows, []
    return [row for row in rows if row.labels], [row for row in rows if not row.labels]


def merged(rows: RowColumns, options: CsvOptions, role: str) -> tuple[Sequence[Row], list[str]]:
    """Return one row for each image, and notes.

    Raises:
        DataError: two rows say different things about an image.
    """
    if len(dict.fromkeys(rows.keys)) == len(rows):
        return rows, []
    by_key: dict[str, Row] = {}
    others: dict[str, list[Row]] = {}
    for row in rows:
        if by_key.setdefault(row.key, row) is not row:
            others.setdefault(row.key, []).append(row)
    merged, repeated = [], 0
    for key, first in by_key.items():
        seen = {first.labels}
        for other in others.get(key, ()):
            if (first.split, first.group, first.mask) != (other.split, other.group, other.mask):
                raise tlkit.DataError(_contradiction(first, other))
            if options.row_per == "image" and first.labels != other.labels:
                raise tlkit.DataError(_two_rows(first, other, len(others), role))
            repeated += other.labels in seen
            seen.add(other.labels)
        names = dict.fromkeys(name for row in (first, *others.get(key, ())) for name in row.labels)
        merged.append(first._replace(labels=tuple(names)) if key in others else first)
    return merged, [f"rows that repeat another row, left out: {repeated}"] if repeated else []


def _contradiction(first: Row, other: Row) -> str:
    for what in ("split", "group", "mask"):
        one, two = getattr(first, what), getattr(other, what)
        if one != two:
            return (
                f"{other.where}: the image {other.key} has the {what} {two}, but {one} in {first.where}; expected one"
            )
    return ""


def _two_rows(first: Row, other: Row, several: int, role: str) -> str:
    message = (
        f"{other.where}: two rows have the image {other.key}; expected one row per image ({several} images have more): "
        f"{'|'.join(other.labels) or 'no label'} here, {'|'.join(first.labels) or 'no label'} in {first.where}"
    )
    return (
        f'{message}. If each row is one label of its image, set data.row_per = "label"' if role == "label" else message
    )
