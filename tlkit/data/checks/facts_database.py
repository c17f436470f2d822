"""The SQLite database of facts: whatever happens to its file, it returns what was written, or nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path

from tlkit.system.cache import ABOUT
from tlkit.system.disk import write_atomically

FILE = "facts.sqlite"
_SCHEMA = (
    "CREATE TABLE facts (digest BLOB, settings BLOB, facts BLOB, sum BLOB, PRIMARY KEY (digest, settings)) "
    "WITHOUT ROWID",
    "CREATE TABLE files (path BLOB PRIMARY KEY, version BLOB, digest BLOB, sum BLOB) WITHOUT ROWID",
)
"""Each row has a checksum of its other columns, and is ignored where it does not match. With other tables ``FILE`` must
have another name, so that two versions of tlkit that are used in turn don't remove each other's database."""
_BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite appends to the name of a database for the files that it keeps beside it."""
_WAIT = 5
"""Seconds to wait for another process that writes."""
_MAX_BYTES = 16_000_000
"""The size of a value. A damaged file may claim larger ones."""
_NOT_DAMAGE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_AUTH,
)
"""Errors about locks, rights and room; after any other, the database is made anew."""

_Failure = sqlite3.Error | UnicodeDecodeError
_FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged database raises: also where the message has a damaged name in it, which is not UTF-8."""

FileRow = tuple[bytes, bytes, bytes]
"""A path, the version of the file, and the digest of its bytes."""
FactsRow = tuple[bytes, bytes, bytes]
"""The digest of a file's bytes, what the facts depend on besides, and the facts."""


class FactsDatabase:
    """A database in a folder. A damaged one is removed and made anew; no damage, lock or full disk raises an error.

    Not safe to use from several threads at a time; several processes may use the same folder.

    Args:
        folder: the folder of the database.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._renewed = False
        self._open()

    def select_files(self, paths: Sequence[bytes], settings: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """Return path, version and facts of those files whose facts are known.

        Args:
            paths: a few paths only, since each is a variable of one query.
            settings: what the facts depend on besides the files' bytes.
        """
        rows = self._select(
            "SELECT path, version, digest, files.sum, settings, facts, facts.sum FROM files JOIN facts USING (digest) "
            f"WHERE settings = ? AND path IN ({', '.join('?' * len(paths))})",
            (settings, *paths),
        )
        return [
            (path, version, facts)
            for path, version, digest, file_sum, of_settings, facts, facts_sum in rows
            if file_sum == _sum(path, version, digest) and facts_sum == _sum(digest, of_settings, facts)
        ]

    def select_facts(self, digest: bytes, settings: bytes) -> bytes | None:
        """Return the facts of a file with these bytes; None if there are none."""
        query = "SELECT digest, settings, facts, sum FROM facts WHERE digest = ? AND settings = ?"
        for of_digest, of_settings, facts, its_sum in self._select(query, (digest, settings)):
            if (of_digest, of_settings) == (digest, settings) and its_sum == _sum(digest, settings, facts):
                return facts
        return None

    def insert(self, files: Iterable[FileRow], facts: Iterable[FactsRow]) -> None:
        """Write rows in one short transaction, so that checks that run at the same time don't wait for each other."""
        # Sorted, so that neighbours are written to the same page.
        of_facts, of_files = ([(*row, _sum(*row)) for row in sorted(rows)] for rows in (facts, files))
        for _ in range(2):
            if self._connection is None:
                return
            try:
                with self._connection as database:
                    database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", of_facts)
                    database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", of_files)
                return
            except _FAILURES as error:
                self._renew(error)

    def close(self) -> None:
        """Close the database; it returns nothing from then on."""
        if self._connection is not None:
            with suppress(*_FAILURES):
                self._connection.close()
        self._connection = None

    def _select(self, query: str, values: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(query, values).fetchall()
        except _FAILURES as error:
            self._renew(error)
            return []

    def _open(self) -> None:
        """Open the database, or make one; leave it closed where that is not possible."""
        file = self._folder / FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _set_aside_strangers(file)
        except OSError:
            return
        with suppress(OSError):
            write_atomically(self._folder / ABOUT, "results of tlkit check\n")
        self._opened = _identity(file)
        try:
            self._connection = _connect(file)
            self._opened = self._opened or _identity(file)
            _check_schema(self._connection)
        except _FAILURES as error:
            self._renew(error)

    def _renew(self, error: _Failure) -> None:
        """Close the database; make it anew if the error is about damage, once.

        Raises:
            sqlite3.Error: it is an error of this module.
        """
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.NotSupportedError):
            raise error
        self.close()
        if self._renewed or not self._is_damage(error):
            return
        self._renewed = True
        file = self._folder / FILE
        # Another process may have made it anew already.
        if self._opened is None or self._opened == _identity(file):
            with suppress(OSError):
                for each in (file, *(file.with_name(FILE + end) for end in _BESIDE)):
                    each.unlink(missing_ok=True)
        self._open()

    def _is_damage(self, error: _Failure) -> bool:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF == sqlite3.SQLITE_READONLY:  # A damaged header can say so, too.
            return os.access(self._folder, os.W_OK) and os.access(self._folder / FILE, os.W_OK)
        if code & 0xFF == sqlite3.SQLITE_IOERR:
            return bool(code == sqlite3.SQLITE_IOERR_SHORT_READ)
        return code & 0xFF not in _NOT_DAMAGE


def _connect(file: Path) -> sqlite3.Connection:
    """Open a database and make its tables, if they are missing.

    Raises:
        sqlite3.Error, UnicodeDecodeError: that is not possible.
    """
    database = sqlite3.connect(file, timeout=_WAIT, check_same_thread=False)
    try:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
        database.text_factory = bytes
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA synchronous = OFF")  # What a power failure leaves is found by the checksums.
        database.execute("PRAGMA cell_size_check = ON")
        for each in _SCHEMA:
            database.execute(each.replace("TABLE", "TABLE IF NOT EXISTS", 1))
    except _FAILURES:
        database.close()
        raise
    return database


def _check_schema(database: sqlite3.Connection) -> None:
    """Check that the database holds the tables of this version and nothing else.

    Raises:
        sqlite3.DatabaseError: it does not.
    """
    with closing(database.execute("SELECT sql FROM sqlite_master ORDER BY name")) as rows:
        if [each for (each,) in rows] != [each.encode() for each in _SCHEMA]:
            raise sqlite3.DatabaseError("another schema")


def _set_aside_strangers(file: Path) -> None:
    """Rename what is not a file and stands where SQLite expects one.

    Raises:
        OSError: it can't be renamed.
    """
    for each in (file, *(file.with_name(file.name + end) for end in _BESIDE)):
        if os.path.lexists(each) and not stat.S_ISREG(each.lstat().st_mode):
            aside = tempfile.mkdtemp(prefix="set-aside-", dir=file.parent)
            each.rename(Path(aside) / each.name)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _sum(*columns: object) -> bytes:
    """Return a checksum of the columns of a row and of their types."""
    return blake2b(repr(columns).encode(), digest_size=16).digest()
