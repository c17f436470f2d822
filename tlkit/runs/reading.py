"""Read files of a run folder that anyone may have made: no links, bounded sizes."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

from tlkit.errors import RunError

MAX_BYTES = 64_000_000
"""Of a file of a run folder that is read whole."""


MAX_TABLE_BYTES = 500_000_000
"""Of its tables with a line for each image."""


MAX_SHORT_TABLE_BYTES = 16_000_000
"""Of its tables with a line for each epoch, or for each variable in each phase."""


MAX_COLUMNS = 1000


_MIN_BYTES_PER_ROW = 100
"""A table has at most one row for so many of the bytes that it may have: short rows take far more memory than bytes."""


def read_run_file(path: Path, most: int = MAX_BYTES) -> bytes:
    """What is in a file of a run folder itself, whoever made the folder.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        RunError: it is a link, a device or a pipe, or larger.
        OSError: it can't be read.
    """
    if path.is_symlink():
        raise RunError(f"{path}: is a link; only files of the run folder itself are read")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{path}: is no file; expected one that tlkit wrote")
    if status.st_size > most:
        raise RunError(f"{path}: has {status.st_size} bytes; expected at most {most}; it is no file of tlkit's")
    return path.read_bytes()


def read_run_table(path: Path, most: int = MAX_TABLE_BYTES) -> list[dict[str, str]]:
    """The rows of a CSV file of a run folder itself; as ``read_run_file``.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        RunError: as ``read_run_file``, or it is not a CSV file in UTF-8 with as many values in each row as columns.
        OSError: it can't be read.
    """
    try:
        reader = csv.reader(io.StringIO(read_run_file(path, most).decode("utf-8"), newline=""))
        rows = (row for row in reader if row)
        columns = next(rows, [])
        if len(columns) > MAX_COLUMNS:
            raise RunError(f"{path}: has {len(columns)} columns; expected at most {MAX_COLUMNS}")
        found: list[dict[str, str]] = []
        for row in rows:
            if len(found) >= most // _MIN_BYTES_PER_ROW:
                raise RunError(f"{path}: has more than {len(found)} rows; it is no file of tlkit's")
            if len(row) != len(columns):
                line = f"{path}:{reader.line_num}"
                raise RunError(f"{line}: expected {len(columns)} values, received {len(row)}; the file is damaged")
            found.append(dict(zip(columns, row, strict=True)))
        return found
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not a CSV file in UTF-8 ({error}); the file is damaged") from error
