"""``samples.csv``: each file of a run's data with its split, label and digests."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice, zip_longest
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tlkit.contracts import Split
from tlkit.errors import DataError, RunError
from tlkit.files import CellWriter, class_name, text_of_cell
from tlkit.runs.checksums import check_file
from tlkit.runs.reading import MAX_SAMPLES_BYTES, open_run_table
from tlkit.system.columns import HexDigests, Places, Texts
from tlkit.system.disk import appearing_whole
from tlkit.system.text import did_you_mean, listed

if TYPE_CHECKING:
    from _csv import Reader

_SPLITS = get_args(Split)


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One line of ``samples.csv``. Columns follow the order of the fields; a cell without a value is empty.

    Args:
        key: the sample's key.
        path: the image's file.
        mask: the mask's file.
        split: ``train``, ``validation`` or ``test``; empty unless the status is ``used``.
        label: class names, joined by ``|``.
        group: the group that stays in one split.
        width: width of the original image, in pixels.
        height: height of the original image, in pixels.
        digest: ``sha256:`` and the SHA-256 of the sample's bytes, its mask's included.
        image_digest: the same, for the image alone; older runs lack this column.
        status: ``used``, ``left out`` (not in the splits that the run repeats), or ``set aside``.
        reason: why the file was set aside.
    """

    key: str
    path: str = ""
    mask: str = ""
    split: str = ""
    label: str = ""
    group: str = ""
    width: str = ""
    height: str = ""
    digest: str = ""
    image_digest: str = ""
    status: str = "used"
    reason: str = ""


COLUMNS = tuple(field.name for field in fields(SampleRow))
_cells_of = attrgetter(*COLUMNS)
"""Return the cells of a row; ``dataclasses.astuple`` would copy each of them."""
_REQUIRED = ("key", "split", "status")
_SPLIT, _STATUS = COLUMNS.index("split"), COLUMNS.index("status")
_MAY_DIFFER = ("path", "mask", "reason")
"""Columns that name paths: a data set may be moved before a run is resumed."""
_COMPARED = tuple(name for name in COLUMNS if name not in _MAY_DIFFER)
_MAX_ROWS = 50_000_000
"""How many rows are read at most: short ones take far more memory than bytes."""
_CHUNK = 10_000
"""How many rows are written at a time."""


class UsedRows(Mapping[str, SampleRow]):
    """Key → row of the samples that a run used; a row takes some 200 bytes, and is made when it is asked for."""

    def __init__(self) -> None:
        self._places = Places()
        self._columns: dict[str, Texts | HexDigests] = {
            name: HexDigests(prefix="sha256:") if name.endswith("digest") else Texts() for name in COLUMNS[1:]
        }
        self._append = [lambda _: None, *(column.append for column in self._columns.values())]

    def add(self, texts: list[str]) -> bool:
        """Add the row of a sample, the texts of all columns; return False if there is one of its key."""
        key, path = texts[0], texts[1]
        if not self._places.add(key):
            return False
        if path.endswith(key):  # as of most, which have the same before it
            texts[1] = path[: len(path) - len(key)] + "\0"
        for append, text in zip(self._append, texts, strict=True):
            append(text)
        return True

    def __contains__(self, key: object) -> bool:
        return self._places.get(key) >= 0

    def __getitem__(self, key: str) -> SampleRow:
        place = self._places[key]
        texts = [column[place] for column in self._columns.values()]
        if texts[0].endswith("\0"):
            texts[0] = texts[0][:-1] + key
        return SampleRow(key, *texts)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)


class SamplesFile:
    """A ``samples.csv``, of a run or edited by a user.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, rows: Iterable[SampleRow]) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: the file can't be written.
        """
        with appearing_whole(self.path) as file:
            for chunk in _csv_chunks(rows):
                file.write(chunk)

    def read_used(self) -> Mapping[str, SampleRow]:
        """Return key → row of each sample that the run used. Columns other than key, split and status may be missing.

        Raises:
            DataError: the file is missing or is not a ``samples.csv``; the message names the line.
            RunError: it is that of a run, and has another checksum than when it was written.
        """
        self._check_file()
        try:
            check_file(self.path)
            with self.path.open(encoding="utf-8", newline="") as text:
                return self._used_rows(csv.reader(text))
        except OSError as error:
            raise DataError(f"{self.path}: can't be read: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a CSV file: {error}") from error

    def _check_file(self) -> None:
        if not self.path.is_file():
            problem = "no such file" if not self.path.exists() else "not a file"
            raise DataError(f"{self.path}: {problem}; expected the samples.csv of an earlier run")
        size = self.path.stat().st_size
        if size > MAX_SAMPLES_BYTES:
            raise DataError(f"{self.path}: has {size} bytes; a samples.csv has at most {MAX_SAMPLES_BYTES}")

    def _used_rows(self, reader: Reader) -> Mapping[str, SampleRow]:
        place_of = {name: place for place, name in enumerate(next(reader, []))}
        missing = sorted(set(_REQUIRED).difference(place_of))
        if missing:
            raise DataError(f"{self.path}: expected the columns {', '.join(_REQUIRED)}; missing: {', '.join(missing)}")
        places = [place_of.get(name, sys.maxsize) for name in COLUMNS]
        used = UsedRows()
        for cells in reader:
            if not cells:
                continue
            texts = [cells[place] if place < len(cells) else "" for place in places]
            texts = [text_of_cell(text) if text[:1] == "'" else text for text in texts]
            if texts[_STATUS] != "used":
                continue
            if texts[_SPLIT] not in _SPLITS:
                hint = did_you_mean(texts[_SPLIT], _SPLITS, f"; expected {', '.join(_SPLITS)}")
                raise DataError(f"{self.path}:{reader.line_num}: unknown split {texts[_SPLIT]!r}{hint}")
            if not used.add(texts):
                raise DataError(f"{self.path}:{reader.line_num}: the key {texts[0]!r} appears twice")
            if len(used) > _MAX_ROWS:
                raise DataError(f"{self.path}:{reader.line_num}: has more than {_MAX_ROWS} rows")
        return used

    def check_unchanged(self, rows: Iterable[SampleRow]) -> None:
        """Compare the file, which a run wrote when it started, with the data as it is now; row by row.

        Raises:
            RunError: they differ; the message names some of the files that changed.
        """
        alone: tuple[dict[_Place, int], dict[_Place, int]] = {}, {}
        same = True
        with open_run_table(self.path, MAX_SAMPLES_BYTES) as (columns, written):
            recorded = (dict(zip(columns, each, strict=True)) for each in written)
            # Runs of earlier versions have no image_digest.
            names = [name for name in _COMPARED if name != "image_digest" or not columns or name in columns]
            cells_of = attrgetter(*names)
            others = {*columns} - {*names, *_MAY_DIFFER}
            before: Iterable[_Cells] = ([each.get(name) for name in [*names, *others]] for each in recorded)
            now: Iterable[_Cells] = ([*cells_of(row), *(None for _ in others)] for row in rows)
            if not others and all(name in columns for name in names):  # as of most, quicker
                before = map(list, map(itemgetter(*(columns.index(name) for name in names)), written))
                now = map(list, map(cells_of, rows))
            for pair in zip_longest(before, now):
                if pair[0] == pair[1] or (all(pair) and _composed(pair[0]) == _composed(pair[1])):
                    continue
                same = False
                for side, cells in enumerate(pair):
                    if cells is not None:
                        _pair_off(cells, alone[side], alone[1 - side])
        if same:
            return
        # One changed file may also change the splits of others: name the files with other bytes first.
        changed = sorted({key for key, _ in alone[0].keys() ^ alone[1].keys()})
        changed = changed or sorted(place[0] for place, row in alone[0].items() if alone[1][place] != row)
        what = listed(changed, 5) or "the order of its files"
        raise RunError(
            f"{self.path}: the data has changed since the run started: {what}. Restore it, or start a new run"
        )


_Cells = list[str | None]
_Place = tuple[str, int]
"""The key of a row and the hash of its digest, which are smaller than the row."""
_DIGEST = _COMPARED.index("digest")
_LABEL = _COMPARED.index("label")


def _pair_off(cells: _Cells, mine: dict[_Place, int], theirs: dict[_Place, int]) -> None:
    """Keep a row, unless the other side has an equal one that is kept; then forget both."""
    place, row = (cells[0] or "", hash(cells[_DIGEST])), hash(tuple(_composed(cells)))
    if theirs.get(place) == row:
        del theirs[place]
    else:
        mine[place] = row


def _composed(cells: _Cells | None) -> _Cells:
    # Runs of earlier versions have names in other Unicode forms than NFC.
    assert cells is not None
    return [*cells[:_LABEL], class_name(cells[_LABEL] or ""), *cells[_LABEL + 1 :]]


def _csv_chunks(rows: Iterable[SampleRow]) -> Iterator[bytes]:
    """Yield the bytes of a file, some rows at a time."""
    rows = iter(rows)
    first: list[Sequence[str]] = [COLUMNS]
    while cells := [*first, *map(_cells_of, islice(rows, _CHUNK))]:
        text = io.StringIO(newline="")
        CellWriter(text, "\r\n").writerows(cells)
        yield text.getvalue().encode()
        first = []
