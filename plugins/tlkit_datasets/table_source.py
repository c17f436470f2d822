"""Where the text of a table comes from: its bytes in memory, or its file each time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

import tlkit


class KeptText:
    """The text of a table, without a byte order mark.

    Args:
        content: the bytes of the file.
        encoding: their encoding.
    """

    def __init__(self, content: bytes, encoding: str) -> None:
        self._content, self.encoding = content, encoding
        self.skipped = 0
        """How many lines are skipped at the beginning."""

    def open(self) -> IO[str]:
        """Open the text, with the ends of its lines as they are."""
        return self._begun(io.TextIOWrapper(io.BytesIO(self._content), self.encoding, newline=""))

    def _begun(self, text: IO[str]) -> IO[str]:
        if text.read(1) != "\ufeff":
            text.seek(0)
        for _ in range(self.skipped):
            text.readline()
        return text

    def line(self) -> str:
        """Return the first line."""
        with self.open() as text:
            return text.readline()


class TextOfFile(KeptText):
    """The text of a table that is read from its file each time.

    Args:
        file: the file.
        encoding: its encoding.
    """

    def __init__(self, file: Path, encoding: str) -> None:
        super().__init__(b"", encoding)
        self._file, self._state = file, _state_of(file)

    def open(self) -> IO[str]:
        """Open the text, with the ends of its lines as they are.

        Raises:
            DataError: the file has changed since it was first opened.
        """
        if _state_of(self._file) != self._state:
            raise tlkit.DataError(f"{self._file}: was changed while it was read; wait until it stays, and try again")
        return self._begun(self._file.open(encoding=self.encoding, newline=""))


def _state_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise tlkit.DataError(f"{file}: can't be read: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns
