"""Read files of a run folder that may be someone else's: no links, limited sizes."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

from tlkit.errors import RunError
from tlkit.files import text_of_cell
from tlkit.runs.checksums import check_content

MAX_BYTES = 64_000_000
"""Largest size of a file that is read whole."""
MAX_LITE_BYTES = 2**31 - 1
"""Largest size of ``model.tflite``, the largest of its format."""
MAX_TABLE_BYTES = 500_000_000
"""Largest size of a table with a row per image."""
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
    if path.is_symlink():
        raise RunError(f"{path}: is a link; tlkit only reads files in the run folder itself")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{path}: is not a file; expected one that tlkit wrote")
    if status.st_size > max_bytes:
        raise RunError(
            f"{path}: has {status.st_size} bytes; expected at most {max_bytes}; tlkit did not write this file"
        )
    content = path.read_bytes()
    check_content(path, content)
    return content


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
    try:
        reader = csv.reader(io.StringIO(read_run_file(path, max_bytes).decode("utf-8"), newline=""))
        rows = (row for row in reader if row)
        columns = [text_of_cell(each) for each in next(rows, [])]
        if len(columns) > MAX_COLUMNS:
            raise RunError(f"{path}: has {len(columns)} columns; expected at most {MAX_COLUMNS}")
        table: list[dict[str, str]] = []
        for row in rows:
            if len(table) >= max_bytes // _MIN_BYTES_PER_ROW:
                raise RunError(f"{path}: has more than {len(table)} rows; tlkit did not write this file")
            if len(row) != len(columns):
                line = f"{path}:{reader.line_num}"
                raise RunError(f"{line}: expected {len(columns)} values, received {len(row)}; the file is damaged")
            table.append(dict(zip(columns, map(text_of_cell, row), strict=True)))
        return table
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not a CSV file in UTF-8 ({error}); the file is damaged") from error
