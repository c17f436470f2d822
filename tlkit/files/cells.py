"""Text in the cells of CSV files: no name is a formula for a spreadsheet, and every name is read back as it was."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import IO

_FORMULA = re.compile(r"[=+\-@\t\r]")
_BEFORE_FORMULA = frozenset("=+-@\t\r'")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")


class CellWriter:
    """Writes rows of a CSV file whose cells are all made by ``cell``.

    Args:
        file: the file, opened with ``newline=""``.
        lineterminator: the end of each line.
    """

    def __init__(self, file: IO[str], lineterminator: str = "\n") -> None:
        self._writer = csv.writer(file, lineterminator=lineterminator)

    def writerow(self, row: Iterable[object]) -> None:
        """Write a row; texts become cells, and numbers stay."""
        self._writer.writerow(
            [cell(each) if isinstance(each, str) and each[:1] in _BEFORE_FORMULA else each for each in row]
        )

    def writerows(self, rows: Iterable[Sequence[object]]) -> None:
        """Write several rows."""
        for row in rows:
            self.writerow(row)


def cell(text: str) -> str:
    """Return a text as a cell: one that spreadsheets would compute gets an apostrophe before it; numbers stay.

    ``=1+1`` becomes ``'=1+1``, as OWASP's page on CSV injection recommends, and ``'=1+1`` becomes ``''=1+1``, so that
    ``text_of_cell`` returns every text unchanged.
    """
    if text[:1] not in _BEFORE_FORMULA:  # most: far quicker than the expressions
        return text
    return f"'{text}" if _FORMULA.match(text.lstrip("'")) and not _NUMBER.fullmatch(text) else text


def text_of_cell(text: str) -> str:
    """Return the text that ``cell`` made a cell of; cells that tlkit wrote before it had ``cell`` stay."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text.lstrip("'")) else text
