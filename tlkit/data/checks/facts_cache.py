"""Cache the facts of files in an SQLite database, by path and version of the file, and by digest."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_database import FactsDatabase
from tlkit.errors import DataError
from tlkit.system.cache import checks_folder, limit

_BATCH = 20_000
"""Files per transaction. An interrupted check continues from the last one; smaller batches would rewrite the same pages
of the database again and again."""

RACY = 3_000_000_000
"""Nanoseconds. A file that changed less than this before it is looked at may change once more without getting another
time: FAT keeps times of 2 seconds."""


class Version(NamedTuple):
    """What changes when a file is written to or replaced, as git's index compares it.

    The number of the device is left out, as in git: networks and containers give another one at each start.

    Args:
        size: its size in bytes.
        modified: its modification time in nanoseconds, which programs can set.
        changed: the time at which its content or its times were changed last, in nanoseconds, which only the system
            sets; on Windows the time at which it was made.
        inode: its number on its disk.
    """

    size: int
    modified: int
    changed: int
    inode: int

    @property
    def text(self) -> bytes:
        """What the database keeps of it."""
        return " ".join(map(str, self)).encode()


def version_of(path: Path) -> Version | None:
    """Return the version of a file; None if it changed just now, so that the same version may get another content.

    Raises:
        OSError, ValueError: there is no such file.
    """
    now = time.time_ns()
    status = path.stat()
    version = Version(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    racy = version.changed > now - RACY or abs(now - version.modified) < RACY
    return None if racy else version


class FactsCache:
    """The facts of files that earlier checks read. Safe to use from several threads.

    A cache whose folder can't be written stays empty.

    Args:
        folder: the folder of the database; None caches nothing.
        reread: whether to read files even if they seem unchanged; they are not decoded again if their bytes are known.
    """

    def __init__(self, folder: Path | None, *, reread: bool = False) -> None:
        self.folder = folder
        self._reread = reread
        self._lock = Lock()
        self._database = None if folder is None else FactsDatabase(folder)
        self._files: list[tuple[bytes, bytes, bytes]] = []
        self._facts: dict[tuple[bytes, bytes], bytes] = {}

    @classmethod
    def of_user(cls, *, reread: bool = False) -> FactsCache:
        """Return the cache in the user's cache folder; one that caches nothing after ``tlkit cache limit 0``."""
        try:
            return cls(checks_folder() / "facts" if limit() else None, reread=reread)
        except DataError:
            return cls(None)

    def unchanged(self, paths: Sequence[Path], versions: Sequence[bytes | None], settings: str) -> list[Facts | None]:
        """Return the facts of each file whose version matches the cache, and None for each other.

        Args:
            paths: the files; a few only, since each is a variable of one query.
            versions: the texts of their versions now; None matches nothing.
            settings: what the facts depend on besides the files' bytes.
        """
        found: list[Facts | None] = [None] * len(paths)
        if self._database is None or self._reread:
            return found
        places = {_name(paths[n]): n for n, version in enumerate(versions) if version is not None}
        with self._lock:
            rows = self._database.select_files(list(places), settings.encode())
        for name, version_text, text in rows:
            place = places.get(name)
            if place is not None and version_text == versions[place]:
                found[place] = Facts.of_text(text)
        return found

    def same_bytes(self, digest: str, settings: str) -> Facts | None:
        """Return the facts of a file with the same bytes; None if there are none."""
        if self._database is None:
            return None
        key = bytes.fromhex(digest), settings.encode()
        with self._lock:
            text = self._facts.get(key) or self._database.select_facts(*key)
        facts = None if text is None else Facts.of_text(text)
        return facts if facts is not None and facts.digest == digest else None

    def add(self, path: Path, version: bytes | None, settings: str, facts: Facts) -> None:
        """Add the facts of a file; they are written in batches, and by ``close``.

        Args:
            path: the file.
            version: the text of its version before it was read; None keeps the facts by their digest only.
            settings: what the facts depend on besides the file's bytes.
            facts: the facts, with a digest.
        """
        with self._lock:
            digest = bytes.fromhex(facts.digest)
            if self._database is None:
                return
            if version is not None:
                self._files.append((_name(path), version, digest))
            self._facts[digest, settings.encode()] = facts.text()
            if max(len(self._files), len(self._facts)) >= _BATCH:
                self._write()

    def add_content(self, settings: str, facts: Facts) -> None:
        """Add the facts of content that is not a file; they are written as those of files are."""
        self.add(Path(), None, settings, facts)

    def close(self) -> None:
        """Write the pending facts, and close the database."""
        with self._lock:
            self._write()
            if self._database is not None:
                self._database.close()
            self._database = None

    def _write(self) -> None:
        files, self._files = self._files, []
        facts, self._facts = self._facts, {}
        if self._database is not None and (files or facts):
            self._database.insert(files, [(*key, text) for key, text in facts.items()])


def _name(path: Path) -> bytes:
    return os.fsencode(path if path.is_absolute() else path.absolute())
