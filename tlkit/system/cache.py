"""The cache for later runs (decoded images, features of frozen backbones, check results) and its size limit."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError
from tlkit.system.disk import own_folder, write_atomically

ABOUT = "about.txt"
"""The file that describes a cached folder; it is written last, so a folder without it is unfinished."""
DEFAULT_LIMIT = 20e9
"""Bytes."""

MAX_LIMIT = 1e9
"""Gigabytes; no disk is larger."""

_IMAGES, _FEATURES, _CHECKS = "images", "features", "checks"
_LIMIT = "limit.txt"


@dataclass(frozen=True)
class CacheEntry:
    """A cached folder: images decoded in one run, features of one set of images, or the results of checks.

    Args:
        folder: the folder.
        about: what it contains.
        size: its size in bytes.
        used: when it was last used, in seconds since 1970.
    """

    folder: Path
    about: str
    size: int
    used: float


def cache_folder() -> Path:
    """Return the cache folder: ``$TLKIT_CACHE``, by default in the user's cache folder.

    Raises:
        DataError: it can't be a folder, or the user has no home folder.
    """
    from platformdirs import user_cache_path

    return own_folder("TLKIT_CACHE", lambda: user_cache_path("tlkit", appauthor=False))


def features_folder() -> Path:
    """Return the folder of cached features; it has one folder per set of images."""
    return cache_folder() / _FEATURES


def images_folder() -> Path:
    """Return the folder of decoded images; it has one folder per run that decoded some."""
    return cache_folder() / _IMAGES


def checks_folder() -> Path:
    """Return the folder of check results; it has a single subfolder."""
    return cache_folder() / _CHECKS


def cache_entries() -> list[CacheEntry]:
    """Return all cached folders, the least recently used first."""
    entries = []
    for root in (features_folder(), images_folder(), checks_folder()):
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith("."):
                with suppress(FileNotFoundError):
                    entries.append(_entry(folder))
    return sorted(entries, key=lambda each: each.used)


def _entry(folder: Path) -> CacheEntry:
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    about = folder / ABOUT
    text = about.read_text(encoding="utf-8").strip() if about.is_file() else "unfinished"
    return CacheEntry(folder, text, size, folder.stat().st_mtime)


def mark_used(folder: Path) -> None:
    """Record that a cached folder was used just now; the least recently used ones are removed first."""
    with suppress(OSError):
        os.utime(folder)


def make_room(size: int) -> None:
    """Remove the least recently used folders until ``size`` more bytes are within the limit."""
    entries = cache_entries()
    total, allowed = sum(each.size for each in entries), limit()
    for each in entries:
        if total + size <= allowed:
            return
        shutil.rmtree(each.folder, ignore_errors=True)
        total -= each.size


def limit() -> float:
    """Return how many bytes all cached folders may take together; see ``set_limit``.

    Raises:
        DataError: the file with the limit is damaged.
    """
    file = cache_folder() / _LIMIT
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return DEFAULT_LIMIT
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        text = "something that is not text"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX_LIMIT:
        raise DataError(
            f"{file}: expected gigabytes, from 0 to {MAX_LIMIT:g}, received {text[:40]!r}; "
            "tlkit cache limit GB rewrites it"
        )
    return value * 1e9


def set_limit(gigabytes: float) -> None:
    """Set how many gigabytes all cached folders may take together, and remove what exceeds that.

    Raises:
        DataError: the limit can't be written.
    """
    file = cache_folder() / _LIMIT
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, f"{gigabytes:g}\n")
    except OSError as error:
        raise DataError(f"{file}: can't be written: {error.strerror or error}") from error
    make_room(0)


def clear() -> tuple[int, int]:
    """Remove all cached folders.

    Returns:
        the number of folders that were removed, and their size in bytes.

    Raises:
        DataError: a folder can't be removed.
    """
    entries = cache_entries()
    for each in entries:
        try:
            shutil.rmtree(each.folder)
        except OSError as error:
            raise DataError(f"{each.folder}: can't be removed: {error.strerror or error}") from error
    return len(entries), sum(each.size for each in entries)
