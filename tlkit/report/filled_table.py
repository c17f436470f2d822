"""Read a ``labels.csv`` whose column ``decision`` somebody has filled in."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError
from tlkit.files import text_of_cell
from tlkit.report.label_table import DECISION, KEY, LABEL
from tlkit.system.text import did_you_mean

_MAX_BYTES = 500_000_000
_KEEP, _DROP, _FIX = "keep", "drop", "fix"
_EXPECTED = "expected keep, fix:NAME or drop, or nothing"


@dataclass(frozen=True)
class Decisions:
    """What somebody has decided.

    Args:
        fixed: key → the names of the classes that the image has.
        dropped: the keys of the images to do without.
        kept: the number of images that stay as they are.
    """

    fixed: Mapping[str, tuple[str, ...]]
    dropped: frozenset[str]
    kept: int


def read_decisions(file: Path, labels: Mapping[str, str], classes: Sequence[str], *, several: bool) -> Decisions:
    """Read the decisions about the images of a data set.

    Args:
        file: the table: columns ``decision`` and ``key``; a column ``label`` is compared with the labels.
        labels: key → label of each image of the data set, class names joined by ``|``.
        classes: the names of the classes; none for masks, which can't be fixed here.
        several: whether an image can have several labels, or none.

    Raises:
        DataError: the file can't be read, or a row of it is wrong; the message names file and line.
    """
    fixed: dict[str, tuple[str, ...]] = {}
    dropped: set[str] = set()
    seen: dict[str, int] = {}
    for line, row in _rows(file):
        where, key = f"{file}:{line}", row[KEY]
        if key in seen:
            raise DataError(f"{where}: the image {key} stands in line {seen[key]} already; expected one row per image")
        seen[key] = line
        if key not in labels:
            hint = did_you_mean(key, labels) if len(labels) <= 10_000 else ""
            raise DataError(
                f"{where}: the data has no image {key}{hint}; was it moved or removed since tlkit labels wrote the "
                "table? Expected the recipe of that run"
            )
        was = _composed(row.get(LABEL, labels[key]))
        if classes and was != _composed(labels[key]):
            raise DataError(
                f"{where}: {key} has the label {labels[key] or '(none)'} now, but {was or '(none)'} in the table; were "
                "these decisions applied already? Expected the recipe of the run that the table is about"
            )
        verb, _, name = row[DECISION].strip().partition(":")
        if verb.strip().lower() == _FIX and ":" in row[DECISION]:
            names = _names(name, where, classes, several=several)
            if "|".join(names) != labels[key]:
                fixed[key] = names
        elif row[DECISION].strip().lower() == _DROP:
            dropped.add(key)
        elif row[DECISION].strip().lower() not in ("", _KEEP):
            raise DataError(f'{where}: the decision "{row[DECISION][:80]}" is none; {_EXPECTED}')
    return Decisions(fixed, frozenset(dropped), len(labels) - len(fixed) - len(dropped))


def _names(text: str, where: str, classes: Sequence[str], *, several: bool) -> tuple[str, ...]:
    """Return the names of the classes after ``fix:``, in the order of the classes."""
    if not classes:
        raise DataError(
            f"{where}: fix:{text[:80]}: a mask can't be fixed in a table; mend its file, and write keep or drop here"
        )
    whole = _composed(text.strip())
    names = {_composed(part.strip()) for part in whole.split("|")} if several else {whole}
    names.discard("")
    if not names and not several:
        raise DataError(f"{where}: fix: without a class; {_EXPECTED}")
    for name in sorted(names):
        if name not in classes:
            known = f"; the classes are {', '.join(classes[:20])}{', …' if len(classes) > 20 else ''}"
            raise DataError(
                f'{where}: fix:{text.strip()[:80]}: no class "{name[:80]}"{did_you_mean(name, classes, known)}'
            )
    return tuple(name for name in classes if name in names)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the cells of each row that is not empty."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise DataError(
                f"{file}: has more than {_MAX_BYTES:,} bytes; expected a labels.csv that tlkit labels wrote"
            )
        text = file.read_bytes().decode("utf-8-sig")
        first = text.partition("\n")[0]
        # Spreadsheets write semicolons or tabs where the comma is the decimal sign.
        delimiter = max(",;\t", key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = [each.strip().lower() for each in next(reader, [])]
        if missing := [each for each in (DECISION, KEY) if each not in columns]:
            raise DataError(f"{file}: no column {' and no column '.join(missing)}; expected those of tlkit labels")
        if twice := [each for each in (DECISION, KEY, LABEL) if columns.count(each) > 1]:
            raise DataError(
                f"{file}: has {columns.count(twice[0])} columns {twice[0]}; expected one, remove the others"
            )
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) < len(columns):
                raise DataError(f"{file}:{reader.line_num}: expected {len(columns)} cells, received {len(cells)}")
            yield reader.line_num, dict(zip(columns, map(text_of_cell, cells), strict=False))
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not text in UTF-8 ({error.reason}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{file}: not a CSV file: {error}") from error
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}") from error


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
