"""Read files of a run folder that anyone may have made: no links, bounded sizes."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

from tlkit.errors import RunError

MOST_BYTES = 64_000_000
"""Of a file of a run folder that is read whole."""


MOST_TABLE_BYTES = 500_000_000
"""Of its tables with a line for each image."""


MOST_SHORT_TABLE_BYTES = 16_000_000
"""Of its tables with a line for each epoch, or for each variable in each phase."""


MOST_COLUMNS = 1000


_BYTES_A_ROW = 100
"""A table has at most one row for so many of the bytes that it may have: short rows take far more memory than bytes."""


def own_content(path: Path, most: int = MOST_BYTES) -> bytes:
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


def own_table(path: Path, most: int = MOST_TABLE_BYTES) -> list[dict[str, str]]:
    """The rows of a CSV file of a run folder itself; as ``own_content``.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        RunError: as ``own_content``, or it is not a CSV file in UTF-8 with as many values in each row as columns.
        OSError: it can't be read.
    """
    try:
        reader = csv.reader(io.StringIO(own_content(path, most).decode("utf-8"), newline=""))
        rows = (row for row in reader if row)
        columns = next(rows, [])
        if len(columns) > MOST_COLUMNS:
            raise RunError(f"{path}: has {len(columns)} columns; expected at most {MOST_COLUMNS}")
        found: list[dict[str, str]] = []
        for row in rows:
            if len(found) >= most // _BYTES_A_ROW:
                raise RunError(f"{path}: has more than {len(found)} rows; it is no file of tlkit's")
            if len(row) != len(columns):
                line = f"{path}:{reader.line_num}"
                raise RunError(f"{line}: expected {len(columns)} values, received {len(row)}; the file is damaged")
            found.append(dict(zip(columns, row, strict=True)))
        return found
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not a CSV file in UTF-8 ({error}); the file is damaged") from error
