"""Cache the facts of files in an SQLite database, by path, size and modification time, and by digest."""

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
_BATCH = 5000
"""Files per transaction. An interrupted check continues from the last one; smaller batches would rewrite the same pages
of the database again and again."""

Version = tuple[int, int]
"""A file's size in bytes and its modification time in nanoseconds."""


class FactsCache:
    """The facts of files that earlier checks read. Safe to use from several threads.

    A cache whose folder can't be written is empty and stays empty.

    Args:
        folder: the folder of the database; None caches nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        self._files: list[tuple[bytes, int, int, str]] = []
        self._facts: dict[tuple[str, str], str] = {}
        if folder is not None:
            try:
                self._database = _open_database(folder)
            except (OSError, sqlite3.Error):
                self._database = None

    @classmethod
    def of_user(cls) -> FactsCache:
        """Return the cache in the user's cache folder; one that caches nothing after ``tlkit cache limit 0``."""
        try:
            return cls(checks_folder() / "files" if limit() else None)
        except DataError:
            return cls(None)

    def unchanged(self, files: Mapping[Path, Version], settings: str) -> dict[Path, dict[str, Any]]:
        """Return the facts of the files whose size and modification time match the cache.

        Args:
            files: file → its version now; a few files only, since each is a variable of one query.
            settings: what the facts depend on besides the files' bytes.
        """
        by_path = {os.fsencode(path.absolute()): path for path in files}
        rows = self._select(
            "SELECT path, size, changed, facts FROM files JOIN facts USING (digest) "
            f"WHERE settings = ? AND path IN ({', '.join('?' * len(by_path))})",
            (settings, *by_path),
        )
        facts = {}
        for name, size, changed, text in rows:
            path = by_path[name]
            if (size, changed) == files[path]:
                with suppress(ValueError):
                    facts[path] = json.loads(text)
        return facts

    def same_bytes(self, digest: str, settings: str) -> dict[str, Any] | None:
        """Return the facts of a file with the same bytes; None if there are none."""
        with self._lock:
            waiting = self._facts.get((digest, settings))
        texts = [(waiting,)] if waiting is not None else []
        texts = texts or self._select("SELECT facts FROM facts WHERE digest = ? AND settings = ?", (digest, settings))
        facts: dict[str, Any] | None = None
        with suppress(ValueError):
            facts = json.loads(texts[0][0]) if texts else None
        return facts

    def add(self, path: Path, version: Version, settings: str, digest: str, facts: Mapping[str, Any]) -> None:
        """Add the facts of a file; they are written in batches, and by ``close``."""
        with self._lock:
            if self._database is None:
                return
            self._files.append((os.fsencode(path.absolute()), *version, digest))
            self._facts[digest, settings] = json.dumps(facts)
            if len(self._files) >= _BATCH:
                self._write()

    def add_content(self, settings: str, digest: str, facts: Mapping[str, Any]) -> None:
        """Add the facts of content that is not a file; they are written as those of files are."""
        with self._lock:
            if self._database is None:
                return
            self._facts[digest, settings] = json.dumps(facts)
            if len(self._facts) >= _BATCH:
                self._write()

    def close(self) -> None:
        """Write the pending facts, and close the database."""
        with self._lock:
            self._write()
            if self._database is not None:
                self._database.close()
            self._database = None

    def _write(self) -> None:
        """Write in one short transaction, so that checks that run at the same time don't wait for each other."""
        files, self._files = self._files, []
        facts, self._facts = self._facts, {}
        if self._database is None:
            return
        with suppress(sqlite3.Error), self._database:
            rows = [(*key, text) for key, text in facts.items()]
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)
            self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", files)

    def _select(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._database is None:
                return []
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error:
                return []


def _open_database(folder: Path) -> sqlite3.Connection:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "files.sqlite"
    try:
        return _connect(file)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        file.unlink()  # The file is damaged; all facts in it can be read again.
        return _connect(file)
    finally:
        write_atomically(folder / ABOUT, "results of tlkit check\n")


def _connect(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=5, check_same_thread=False)
    try:
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database
