"""``samples.csv``: each file of a run's data with its split, label and digests."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import get_args

from tlkit.contracts import Split
from tlkit.errors import DataError, RunError
from tlkit.files import CellWriter, class_name, text_of_cell
from tlkit.runs.checksums import check_content
from tlkit.runs.reading import MAX_TABLE_BYTES, read_run_table
from tlkit.system.disk import write_atomically
from tlkit.system.text import did_you_mean, listed


@dataclass(frozen=True)
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
_MAY_DIFFER = ("path", "mask", "reason")
"""Columns that name paths: a data set may be moved before a run is resumed."""


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
        write_atomically(self.path, _csv_text(rows))

    def read_used(self) -> dict[str, SampleRow]:
        """Return key → row of each sample that the run used. Columns other than key, split and status may be missing.

        Raises:
            DataError: the file is missing or is not a ``samples.csv``; the message names the line.
            RunError: it is that of a run, and has another checksum than when it was written.
        """
        self._check_file()
        try:
            content = self.path.read_bytes()
            check_content(self.path, content)
            return self._used_rows(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
        except OSError as error:
            raise DataError(f"{self.path}: can't be read: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a CSV file: {error}") from error

    def _check_file(self) -> None:
        if not self.path.is_file():
            problem = "no such file" if not self.path.exists() else "not a file"
            raise DataError(f"{self.path}: {problem}; expected the samples.csv of an earlier run")
        size = self.path.stat().st_size
        if size > MAX_TABLE_BYTES:
            raise DataError(f"{self.path}: has {size} bytes; a samples.csv has at most {MAX_TABLE_BYTES}")

    def _used_rows(self, reader: csv.DictReader[str]) -> dict[str, SampleRow]:
        missing = sorted(set(_REQUIRED).difference(reader.fieldnames or ()))
        if missing:
            raise DataError(f"{self.path}: expected the columns {', '.join(_REQUIRED)}; missing: {', '.join(missing)}")
        used: dict[str, SampleRow] = {}
        for cells in reader:
            row = {name: text_of_cell(text or "") for name, text in cells.items() if isinstance(name, str)}
            if row["status"] != "used":
                continue
            line, key, split = f"{self.path}:{reader.line_num}", row["key"] or "", row["split"] or ""
            if split not in get_args(Split):
                hint = did_you_mean(split, get_args(Split), f"; expected {', '.join(get_args(Split))}")
                raise DataError(f"{line}: unknown split {split!r}{hint}")
            if key in used:
                raise DataError(f"{line}: the key {key!r} appears twice")
            used[key] = SampleRow(**{name: row.get(name) or "" for name in COLUMNS})
        return used

    def check_unchanged(self, rows: Iterable[SampleRow]) -> None:
        """Compare the file, which a run wrote when it started, with the data as it is now.

        Raises:
            RunError: they differ; the message names some of the files that changed.
        """
        before = _compared(read_run_table(self.path))
        now = _compared([dict(zip(COLUMNS, _cells_of(row), strict=True)) for row in rows])
        if before and "image_digest" not in before[0]:  # written by an earlier tlkit
            now = [{name: text for name, text in row.items() if name != "image_digest"} for row in now]
        if before == now:
            return
        by_digest = [{(row["key"], row["digest"]): row for row in each} for each in (before, now)]
        # One changed file may also change the splits of others: name the files with other bytes first.
        changed = sorted({key for key, _ in by_digest[0].keys() ^ by_digest[1].keys()})
        changed = changed or sorted(place[0] for place, row in by_digest[0].items() if by_digest[1][place] != row)
        what = listed(changed, 5) or "the order of its files"
        raise RunError(
            f"{self.path}: the data has changed since the run started: {what}. Restore it, or start a new run"
        )


def _csv_text(rows: Iterable[SampleRow]) -> str:
    text = io.StringIO(newline="")
    writer = CellWriter(text, "\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_cells_of, rows))
    return text.getvalue()


def _compared(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    # Runs of earlier versions have names in other Unicode forms than NFC.
    return [
        {
            name: class_name(text or "") if name == "label" else text
            for name, text in row.items()
            if name not in _MAY_DIFFER
        }
        for row in rows
    ]
