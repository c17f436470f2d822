"""Read files of a run folder that may be someone else's: no links, limited sizes."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tlkit.errors import RunError
from tlkit.files import text_of_cell
from tlkit.runs.checksums import check_content, check_file

MAX_BYTES = 64_000_000
"""Largest size of a file that is read whole."""
MAX_LITE_BYTES = 2**31 - 1
"""Largest size of ``model.tflite``, the largest of its format."""
MAX_TABLE_BYTES = 500_000_000
"""Largest size of a table with a row per image."""
MAX_SAMPLES_BYTES = 10_000_000_000
"""Largest size of ``samples.csv``, which is read row by row."""
MAX_SHORT_TABLE_BYTES = 16_000_000
"""Largest size of a table with a row per epoch, or per variable and phase."""
MAX_COLUMNS = 1000
_MIN_BYTES_PER_ROW = 100
"""A table may have one row per this many of its allowed bytes: short rows take far more memory than bytes."""


def read_run_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a run-folder file; refuse links and oversized files.

    Args:
        path: the file to read.
        max_bytes: its largest allowed size.

    Raises:
        RunError: the path is a link, a device or a pipe, or the file is too large or has another checksum than when it
            was written.
        OSError: the file can't be read.
    """
    _check_kind(path, max_bytes)
    content = path.read_bytes()
    check_content(path, content)
    return content


def _check_kind(path: Path, max_bytes: int) -> None:
    if path.is_symlink():
        raise RunError(f"{path}: is a link; tlkit only reads files in the run folder itself")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{path}: is not a file; expected one that tlkit wrote")
    if status.st_size > max_bytes:
        raise RunError(
            f"{path}: has {status.st_size} bytes; expected at most {max_bytes}; tlkit did not write this file"
        )


def read_run_table(path: Path, max_bytes: int = MAX_TABLE_BYTES) -> list[dict[str, str]]:
    """Read the rows of a run-folder CSV file; refuse links and oversized files.

    Args:
        path: the file to read.
        max_bytes: its largest allowed size.

    Returns:
        column → text, for each row.

    Raises:
        RunError: ``read_run_file`` refuses the file, or it is not a CSV file in UTF-8 with one value per column.
        OSError: the file can't be read.
    """
    text = io.TextIOWrapper(io.BytesIO(read_run_file(path, max_bytes)), "utf-8", newline="")
    columns, rows = _table_of(path, text, max_bytes // _MIN_BYTES_PER_ROW)
    return [dict(zip(columns, row, strict=True)) for row in rows]


@contextmanager
def open_run_table(path: Path, max_bytes: int) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """Open a run-folder CSV file of any number of rows, which are read one by one; refuse as ``read_run_table`` does.

    Args:
        path: the file to read.
        max_bytes: its largest allowed size.

    Yields:
        its columns; and the texts of each row.

    Raises:
        RunError: as ``read_run_table``, here or when the rows are read.
        OSError: the file can't be read.
    """
    _check_kind(path, max_bytes)
    check_file(path)
    with path.open(encoding="utf-8", newline="") as text:
        yield _table_of(path, text, max_bytes // _MIN_BYTES_PER_ROW)


def _table_of(path: Path, text: IO[str], max_rows: int) -> tuple[list[str], Iterator[list[str]]]:
    rows = _rows_of(path, text, max_rows)
    return next(rows, []), rows


def _rows_of(path: Path, text: IO[str], max_rows: int) -> Iterator[list[str]]:
    """Yield the columns and the rows of a table."""
    try:
        reader = csv.reader(text)
        columns: list[str] | None = None
        count = 0
        for row in reader:
            if not row:
                continue
            if columns is None:
                columns = row
                if len(columns) > MAX_COLUMNS:
                    raise RunError(f"{path}: has {len(columns)} columns; expected at most {MAX_COLUMNS}")
            else:
                if count >= max_rows:
                    raise RunError(f"{path}: has more than {count} rows; tlkit did not write this file")
                count += 1
            if len(row) != len(columns):
                line = f"{path}:{reader.line_num}"
                raise RunError(f"{line}: expected {len(columns)} values, received {len(row)}; the file is damaged")
            yield [text_of_cell(each) if each[:1] == "'" else each for each in row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not a CSV file in UTF-8 ({error}); the file is damaged") from error
