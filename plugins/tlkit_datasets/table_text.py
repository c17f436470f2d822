"""The text of a table: its encoding, its delimiter and its rows, as Excel, Windows and annotation tools write them."""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import tlkit
from tlkit_datasets.table_source import KeptText, TextOfFile

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""Delimiters that are recognised, the first that fits → their name."""
MAX_BYTES = 1_000_000_000
"""Maximum size of a table."""
_KEPT_BYTES = 32_000_000
"""Size up to which the rows of a table are kept; those of a larger one are read again whenever they are needed."""
_CHUNK_BYTES = 2**22
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS = (
    (b"PK\x03\x04", "an Excel workbook or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ARROW1", "a Feather file"),
)
_EXPORT = {
    "an Excel workbook": 'save it from Excel as "CSV UTF-8"',
    "an Excel workbook or another zip file": 'save it from Excel as "CSV UTF-8", or unpack it',
    "a gzip file": "unpack it",
}


@dataclass(frozen=True)
class TableText:
    """The rows of a table as text.

    Args:
        file: the file.
        columns: the names of the columns, without blanks around them; ``1``, ``2``, … where there is no header.
        rows: (line, cells) of each row that has any text; the cells are without blanks around them, as many as columns.
        delimiter: the character between cells.
        encoding: the encoding.
        empty: how many rows had no text.
    """

    file: Path
    columns: tuple[str, ...]
    rows: Collection[tuple[int, tuple[str, ...]]]
    delimiter: str
    encoding: str
    empty: int


def read_table(file: Path, delimiter: str, encoding: str, *, header: bool, wanted: Sequence[str] = ()) -> TableText:
    """Read a table.

    Args:
        file: the table.
        delimiter: the character between cells; ``auto``: the first of ``DELIMITERS`` with which the first line has the
            wanted columns, or else the one that divides it into most cells.
        encoding: the encoding; ``auto``: UTF-8, or UTF-16 or UTF-32 where the file begins with their mark.
        header: whether the first line has the names of the columns.
        wanted: the names that the delimiter has to bring out.

    Raises:
        DataError: the file is not a table of text; the message names the line.
    """
    content, used = _content(file, encoding)
    is_kept = len(content) <= _KEPT_BYTES
    text = KeptText(content, used) if is_kept else TextOfFile(file, used)
    del content
    mark = re.match(r"sep=(.)\r?\n", text.line(), re.IGNORECASE)
    if mark:  # Excel's own mark of the delimiter
        text.skipped = 1
        delimiter = mark[1] if delimiter == "auto" else delimiter
    if delimiter == "auto":
        delimiter = _delimiter(file, text, wanted)
    columns: tuple[str, ...] = ()
    count, empty, widest = 0, 0, 0
    for _, cells in _rows(file, text, delimiter):
        if not any(cells):
            empty += bool(columns)
        elif header and not columns:
            columns = cells
        else:
            count, widest = count + 1, max(widest, len(cells))
    if not header:
        columns = tuple(str(number + 1) for number in range(widest))
    lines = _Lines(file, text, delimiter, columns, count, header=header)
    rows: Collection[tuple[int, tuple[str, ...]]] = tuple(lines) if is_kept else lines
    if not isinstance(rows, tuple) and header and widest > len(columns):
        deque(rows, 0)  # a row with too many cells is an error
    return TableText(file, columns, rows, delimiter, used, empty)


@dataclass(frozen=True)
class _Lines(Collection[tuple[int, tuple[str, ...]]]):
    """The rows of a table, parsed each time they are asked for.

    Args:
        file: the file.
        text: its text.
        delimiter: the character between cells.
        columns: the names of the columns.
        count: the number of rows.
        header: whether the first line has the names of the columns.
    """

    file: Path
    text: KeptText
    delimiter: str
    columns: tuple[str, ...]
    count: int
    header: bool

    def __len__(self) -> int:
        return self.count

    def __contains__(self, row: object) -> bool:
        return any(row == each for each in self)

    def __iter__(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        rows = ((line, cells) for line, cells in _rows(self.file, self.text, self.delimiter) if any(cells))
        moved = ((line + self.text.skipped, cells) for line, cells in islice(rows, int(self.header), None))
        return _fitted(self.file, self.columns, moved)


def _fitted(
    file: Path, columns: Sequence[str], rows: Iterable[tuple[int, tuple[str, ...]]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Give each row as many cells as there are columns."""
    for line, cells in rows:
        if any(cells[len(columns) :]):
            raise tlkit.DataError(
                f"{file}:{line}: {len(cells)} cells, but the header has {len(columns)} columns; quote cells that have "
                f'the delimiter in them, as in "a{", b"}", or name each column in the header'
            )
        if len(cells) != len(columns):
            cells = (*cells[: len(columns)], *("" for _ in range(len(columns) - len(cells))))
        yield line, cells


def _content(file: Path, encoding: str) -> tuple[bytes, str]:
    """Return the bytes of a file, which can be decoded, and their encoding."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise tlkit.DataError(f"{file}: has {file.stat().st_size} bytes; a table may have at most {MAX_BYTES}")
        with file.open("rb") as stream:
            content = stream.read()
    except OSError as error:
        raise tlkit.DataError(f"{file}: can't be read: {error.strerror}") from error
    for start, what in _OTHERS:
        if content.startswith(start):
            how = _EXPORT.get(what, 'write it as text, such as with pandas: table.to_csv("table.csv", index=False)')
            raise tlkit.DataError(f"{file}: {what}, not a CSV file: {how}")
    if encoding == "auto":
        encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
        zeros = content[:2000].count(0)
        if encoding == "utf-8" and zeros * 4 > len(content[:2000]):
            order = "le" if content[1:2] == b"\0" else "be"
            raise tlkit.DataError(
                f'{file}: not a CSV file in UTF-8, but in UTF-16: set data.encoding = "utf-16-{order}"'
            )
    try:
        b"".decode(encoding)  # one of text
        decoder = codecs.getincrementaldecoder(encoding)()
        for first in range(0, len(content), _CHUNK_BYTES):
            decoder.decode(content[first : first + _CHUNK_BYTES], first + _CHUNK_BYTES >= len(content))
        return content, encoding
    except LookupError as error:
        raise tlkit.DataError(
            f'data.encoding: no encoding "{encoding}"; expected "auto", or one such as "utf-8", "cp1252" or "utf-16"'
        ) from error
    except UnicodeError:
        try:
            content.decode(encoding)
        except UnicodeError as error:
            raise tlkit.DataError(_not_encoded(file, content, encoding, error)) from error
        raise


def _not_encoded(file: Path, content: bytes, encoding: str, error: UnicodeError) -> str:
    name = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8"}.get(encoding, encoding)
    if not isinstance(error, UnicodeDecodeError) or name != "UTF-8":
        return f'{file}: not a CSV file in {name}: {error}; set another data.encoding, or "auto"'
    line = content.count(b"\n", 0, error.start) + 1
    start = max(content.rfind(each, 0, error.start) for each in (b"\n", b",", b";", b"\t", b"|", b"/", b"\\")) + 1
    word = re.split(rb"[\r\n,;\t|]", content[start : start + 60], maxsplit=1)[0]
    read = word.decode("cp1252", "replace").strip()
    return (
        f"{file}:{line}: not a CSV file in UTF-8: byte 0x{content[error.start]:02X}. Save it as UTF-8; or set "
        f'data.encoding = "cp1252" if it comes from Windows and this is right: {read}'
    )


def _delimiter(file: Path, text: KeptText, wanted: Sequence[str]) -> str:
    with text.open() as lines:
        first = KeptText(next((line for line in lines if line.strip()), "").encode(), "utf-8")
    cells = {}
    for delimiter in DELIMITERS:
        _, cells[delimiter] = next(_rows(file, first, delimiter), (1, ()))
    names = {each.strip().casefold() for each in wanted}
    for delimiter, found in cells.items():
        if names and names <= {each.casefold() for each in found}:
            return delimiter
    return max(DELIMITERS, key=lambda each: len(cells[each]))


def _rows(file: Path, text: KeptText, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the first line and the cells of each row, without blanks around cells."""
    line, last = 1, 0
    try:
        with text.open() as stream:
            reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=delimiter != " ")
            for cells in reader:
                last = reader.line_num - line
                texts = tuple(map(str.strip, cells))
                if "'" in "".join(texts):  # few rows: quicker than looking at each cell
                    texts = tuple(tlkit.files.text_of_cell(text) for text in texts)
                yield line, texts
                line = reader.line_num + 1
    except csv.Error as error:
        raise tlkit.DataError(
            f"{file}:{line}: not a CSV file: {error}; a cell that begins with a quote has to end with one"
        ) from error
    if last and _is_open(text, line - last - 1, delimiter):
        raise tlkit.DataError(
            f"{file}:{line - last - 1}: a cell begins with a quote that is never closed; the rest of the file would "
            'become one cell. Close it, or write "" for a quote inside a quoted cell'
        )


def _is_open(text: KeptText, line: int, delimiter: str) -> bool:
    """Return whether the last row, which begins at a line, has a quote that is never closed."""
    with text.open() as stream:
        rest = islice(stream, line - 1, None)
        try:
            deque(csv.reader(rest, delimiter=delimiter, skipinitialspace=True, strict=True), 0)
        except csv.Error as error:
            return "unexpected end" in str(error)
    return False
