"""What earlier checks found in files, in a SQLite database: by path, size and time of change, and by their bytes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from tlkit.errors import DataError
from tlkit.system.cache import ABOUT, checks_folder, limit
from tlkit.system.disk import write_atomically

_TABLES = """
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size INTEGER, changed INTEGER, digest TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (digest TEXT, settings TEXT, facts TEXT, PRIMARY KEY (digest, settings)) WITHOUT ROWID;
"""
_SOME = 5000
"""Files that are written down at a time: a check that was stopped goes on there, and fewer would write the same pages
of the database again and again."""


Version = tuple[int, int]
"""Of a file: its size in bytes, and the time of its last change in nanoseconds."""


class FactsCache:
    """The facts of files. Safe to use from several threads; where nothing can be kept, nothing is found in it.

    Args:
        folder: of the database; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        self._files: list[tuple[bytes, int, int, str]] = []
        self._facts: dict[tuple[str, str], str] = {}
        if folder is not None:
            try:
                self._database = _opened(folder)
            except (OSError, sqlite3.Error):
                self._database = None

    @classmethod
    def of_user(cls) -> FactsCache:
        """Those in the user's cache folder, unless ``tlkit cache limit 0`` says that nothing is kept."""
        try:
            return cls(checks_folder() / "files" if limit() else None)
        except DataError:
            return cls(None)

    def unchanged(self, files: Mapping[Path, Version], settings: str) -> dict[Path, dict[str, Any]]:
        """The facts of those files that have the size and the time of change that they had then.

        Args:
            files: a few, with their versions; each is a variable of one query.
            settings: what the facts depend on besides the files.
        """
        by_path = {os.fsencode(path.absolute()): path for path in files}
        rows = self._rows(
            "SELECT path, size, changed, facts FROM files JOIN facts USING (digest) "
            f"WHERE settings = ? AND path IN ({', '.join('?' * len(by_path))})",
            (settings, *by_path),
        )
        found = {}
        for name, size, changed, text in rows:
            path = by_path[name]
            if (size, changed) == files[path]:
                with suppress(ValueError):
                    found[path] = json.loads(text)
        return found

    def same_bytes(self, digest: str, settings: str) -> dict[str, Any] | None:
        """The facts of a file of the same bytes."""
        with self._lock:
            waiting = self._facts.get((digest, settings))
        texts = [(waiting,)] if waiting is not None else []
        texts = texts or self._rows("SELECT facts FROM facts WHERE digest = ? AND settings = ?", (digest, settings))
        found: dict[str, Any] | None = None
        with suppress(ValueError):
            found = json.loads(texts[0][0]) if texts else None
        return found

    def keep(self, path: Path, version: Version, settings: str, digest: str, facts: Mapping[str, Any]) -> None:
        """Write down the facts of a file, soon."""
        with self._lock:
            if self._database is None:
                return
            self._files.append((os.fsencode(path.absolute()), *version, digest))
            self._facts[digest, settings] = json.dumps(facts)
            if len(self._files) >= _SOME:
                self._write()

    def close(self) -> None:
        """Write down what waits."""
        with self._lock:
            self._write()
            if self._database is not None:
                self._database.close()
            self._database = None

    def _write(self) -> None:
        """In one short transaction, so that checks at the same time don't wait for each other."""
        files, self._files = self._files, []
        facts, self._facts = self._facts, {}
        if self._database is None:
            return
        with suppress(sqlite3.Error), self._database:
            rows = [(*key, text) for key, text in facts.items()]
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)
            self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", files)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._database is None:
                return []
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error:
                return []


def _opened(folder: Path) -> sqlite3.Connection:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "files.sqlite"
    try:
        return _connected(file)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        file.unlink()  # it is damaged; all that it held can be found again
        return _connected(file)
    finally:
        write_atomically(folder / ABOUT, "what tlkit check found\n")


def _connected(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=5, check_same_thread=False)
    try:
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database
