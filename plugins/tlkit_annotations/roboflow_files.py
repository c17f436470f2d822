"""The files of an export of Roboflow."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import tlkit
from tlkit_annotations.found import in_split_order
from tlkit_annotations.reading import read_text

TABLE = "_classes.csv"
_MARK = ".rf."


@dataclass(frozen=True)
class Part:
    """A folder of an export: the whole of it, or one split.

    Args:
        folder: the folder.
        split: its split; None: the export has no splits.
    """

    folder: Path
    split: tlkit.Split | None

    @property
    def table(self) -> Path:
        """The file ``_classes.csv``."""
        return self.folder / TABLE


def source_of(file: Path) -> str | None:
    """Return the photo that a file is a version of: its name before ``.rf.``; None for other names."""
    return file.name.rsplit(_MARK, 1)[0] if _MARK in file.name else None


def parts_of(root: Path) -> list[Part]:
    folders = [(each, tlkit.files.split_named(each.name)) for each in tlkit.files.subfolders(root)]
    splits = [Part(folder, split) for folder, split in folders if split is not None]
    return splits or [Part(root, None)]


def rows_of(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a table, and line and cells of its rows, without the blanks that Roboflow writes."""
    rows = csv.reader(io.StringIO(read_text(file), newline=""))
    try:
        lines = [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    except csv.Error as error:
        raise tlkit.DataError(f"{file}:{rows.line_num}: not a CSV table: {error}") from error
    lines = [(line, row) for line, row in lines if any(row)]
    return (lines[0][1], lines[1:]) if lines else ([], [])


def split_counts(splits: Iterable[tlkit.Split | None]) -> dict[str, int]:
    counts: Counter[str] = Counter(split or "" for split in splits)
    return {split: counts[split] for split in in_split_order(counts)}


def version_notes(groups: list[str | None]) -> list[str]:
    """Return a note if several files are versions of one photo."""
    named = [group for group in groups if group is not None]
    photos = len(set(named))
    if photos == len(named):
        return []
    return [f"{len(named)} files are versions of {photos} photos, by their names; those of one photo stay in one split"]
