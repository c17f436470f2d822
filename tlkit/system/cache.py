"""The folder of what is kept for later runs: decoded images, features of frozen backbones, checks; and its limit."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError

ABOUT = "about.txt"
DEFAULT_LIMIT = 20e9

_IMAGES, _FEATURES, _CHECKS = "images", "features", "checks"
_LIMIT = "limit.txt"


@dataclass(frozen=True)
class CacheEntry:
    """Images that were decoded in one run, or features of one set of images.

    Args:
        folder: of their shards.
        about: what they are of.
        size: in bytes.
        used: when they were last used, seconds since 1970.
    """

    folder: Path
    about: str
    size: int
    used: float


def cache_folder() -> Path:
    """``$TLKIT_CACHE``, by default the user's cache folder."""
    from platformdirs import user_cache_path

    root = os.environ.get("TLKIT_CACHE")
    return Path(root) if root else user_cache_path("tlkit", appauthor=False)


def features_folder() -> Path:
    """Where features are kept, a folder for each set."""
    return cache_folder() / _FEATURES


def images_folder() -> Path:
    """Where decoded images are kept, a folder for each run that decoded some."""
    return cache_folder() / _IMAGES


def checks_folder() -> Path:
    """Where what was found in files is kept, in a folder."""
    return cache_folder() / _CHECKS


def cache_entries() -> list[CacheEntry]:
    """All that is kept, the least recently used first."""
    found = []
    for root in (features_folder(), images_folder(), checks_folder()):
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith("."):
                with suppress(FileNotFoundError):
                    found.append(_kept(folder))
    return sorted(found, key=lambda each: each.used)


def _kept(folder: Path) -> CacheEntry:
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    about = folder / ABOUT
    text = about.read_text(encoding="utf-8").strip() if about.is_file() else "unfinished"
    return CacheEntry(folder, text, size, folder.stat().st_mtime)


def mark_used(folder: Path) -> None:
    """Note that a folder was used just now: the least recently used go first when room is needed."""
    with suppress(OSError):
        os.utime(folder)


def make_room(size: int) -> None:
    """Remove the least recently used until ``size`` more bytes are within the limit."""
    kept = cache_entries()
    total, most = sum(each.size for each in kept), limit()
    for each in kept:
        if total + size <= most:
            return
        shutil.rmtree(each.folder, ignore_errors=True)
        total -= each.size


def limit() -> float:
    """How many bytes all that is kept may take together; see ``set_limit``.

    Raises:
        DataError: the file that says it has something else in it.
    """
    file = cache_folder() / _LIMIT
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return DEFAULT_LIMIT
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise DataError(f"{file}: expected gigabytes, 0 or more, received {text!r}; tlkit cache limit GB writes it")
    return value * 1e9


def set_limit(gigabytes: float) -> None:
    """Say how many gigabytes all that is kept may take together, and remove what is over that.

    Raises:
        DataError: it can't be written down.
    """
    from tlkit.system.disk import write_atomically

    file = cache_folder() / _LIMIT
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, f"{gigabytes:g}\n")
    except OSError as error:
        raise DataError(f"{file}: can't be written: {error.strerror or error}") from error
    make_room(0)


def clear() -> tuple[int, int]:
    """Remove all that is kept.

    Returns:
        how many folders, and how many bytes.

    Raises:
        DataError: a folder can't be removed.
    """
    kept = cache_entries()
    for each in kept:
        try:
            shutil.rmtree(each.folder)
        except OSError as error:
            raise DataError(f"{each.folder}: can't be removed: {error.strerror or error}") from error
    return len(kept), sum(each.size for each in kept)
