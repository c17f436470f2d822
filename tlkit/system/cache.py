"""The cache for later runs (decoded images, features, networks, check results, remote files) and its size limit."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

_IMAGES, _FEATURES, _CHECKS, _NETWORKS, _REMOTE = "images", "features", "checks", "networks", "remote"
_LIMIT = "limit.txt"
_REMOVED = ".removed-"
_ABOUT_BYTES = 1000


@dataclass(frozen=True)
class CacheEntry:
    """A cached folder: images decoded in one run, features of one set of images, a converted
    network, the results of checks, or the files of a remote folder.

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


def networks_folder() -> Path:
    """Return the folder of frozen networks converted for an engine; it has one folder per network."""
    return cache_folder() / _NETWORKS


def remote_folder() -> Path:
    """Return the folder of remote files; it has one folder per URL."""
    return cache_folder() / _REMOTE


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep a cached folder from being removed by other processes, to make room, while this one reads it.

    The operating system ends it with the process, however that ends. Windows has no locks of this kind.

    Raises:
        OSError: the file of the lock can't be written.
    """
    with folder.with_name(f"{folder.name}.used").open("ab") as file:
        _lock(file.fileno(), shared=True)
        yield


def _is_held(folder: Path) -> bool:
    """Return whether a process reads a cached folder; see ``hold``."""
    try:
        with folder.with_name(f"{folder.name}.used").open("rb") as file:
            return not _lock(file.fileno(), shared=False)
    except OSError:
        return False


def _lock(file: int, *, shared: bool) -> bool:
    """Lock an open file if no other process has locked it otherwise; return whether it is locked, or can't be."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # This file system has no locks.
        pass
    return True


def cache_entries() -> list[CacheEntry]:
    """Return all cached folders, the least recently used first."""
    found = (_entry(folder) for folder in _folders() if not folder.name.startswith("."))
    return sorted((each for each in found if each is not None), key=lambda each: each.used)


def _folders() -> list[Path]:
    """Return the folders of the cache, those that are being removed included."""
    folders: list[Path] = []
    for root in (features_folder(), images_folder(), checks_folder(), networks_folder(), remote_folder()):
        with suppress(OSError):  # It is missing, or can't be read.
            folders += sorted(each for each in root.iterdir() if each.is_dir())
    return folders


def _entry(folder: Path) -> CacheEntry | None:
    """Return the description of a folder; None if it was removed in the meantime."""
    try:
        used = folder.stat().st_mtime
        return CacheEntry(folder, _about(folder / ABOUT), _size(folder), used)
    except FileNotFoundError:
        return None
    except OSError as error:
        return CacheEntry(folder, f"can't be read: {error.strerror or error}", 0, 0.0)


def _size(folder: Path) -> int:
    """Return the size in bytes of the files in a folder at any depth; links are not followed."""
    size = 0
    with os.scandir(folder) as entries:
        for each in entries:
            with suppress(FileNotFoundError):
                if each.is_dir(follow_symlinks=False):
                    size += _size(Path(each))
                elif each.is_file():
                    size += each.stat().st_size
    return size


def _about(file: Path) -> str:
    """Return a folder's description, which may be damaged, as one line of printable characters."""
    if not file.is_file():
        return "unfinished"
    with file.open("rb") as stream:
        text = stream.read(_ABOUT_BYTES).decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text).strip()


def mark_used(folder: Path) -> None:
    """Record that a cached folder was used just now; the least recently used ones are removed first."""
    with suppress(OSError):
        os.utime(folder)


def make_room(size: int) -> None:
    """Remove the least recently used folders until ``size`` more bytes are within the limit."""
    _remove_leftovers()
    entries = cache_entries()
    total, allowed = sum(each.size for each in entries), limit()
    for each in entries:
        if total + size <= allowed:
            return
        if _is_held(each.folder):
            continue
        with suppress(OSError):
            _remove(each.folder)
        total -= each.size


def _remove(folder: Path) -> None:
    """Remove a folder: first its name, so that no run adds files to it, or takes it for whole, in the meantime."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):  # Another process has removed it.
        shutil.rmtree(folder.rename(folder.with_name(f"{_REMOVED}{folder.name}-{os.getpid()}")))


def _remove_leftovers() -> None:
    """Remove what a process that was killed had begun to remove."""
    for folder in _folders():
        if folder.name.startswith(_REMOVED):
            shutil.rmtree(folder, ignore_errors=True)


def limit() -> float:
    """Return how many bytes all cached folders may take together; see ``set_limit``.

    Raises:
        DataError: the file with the limit is damaged, or can't be read.
    """
    file = cache_folder() / _LIMIT
    try:
        if file.exists() and not file.is_file():
            raise OSError(0, "is not a file")
        text = file.read_bytes().decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return DEFAULT_LIMIT
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}; remove it to allow 20 GB") from error
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
    """Remove all cached folders, except remote files that a process works with.

    Returns:
        the number of folders that were removed, and their size in bytes.

    Raises:
        DataError: a folder can't be removed.
    """
    _remove_leftovers()
    entries = [each for each in cache_entries() if not _is_held(each.folder)]
    for each in entries:
        try:
            _remove(each.folder)
        except OSError as error:
            raise DataError(f"{each.folder}: can't be removed: {error.strerror or error}") from error
    return len(entries), sum(each.size for each in entries)
